"""Known formats of secrets, each with what tells a real one from a made up one: checksums, structure, entropy."""

from __future__ import annotations

import base64
import binascii
import itertools
import json
import math
import re
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sophia_preflight.model import Confidence, Severity

CERTAIN, LIKELY, GUESS = Confidence.CERTAIN, Confidence.LIKELY, Confidence.GUESS
Verdict = tuple[Severity, Confidence] | None


@dataclass(frozen=True)
class Format:
    """`marks` are texts of which one is in every match, so that the expression is seldom needed."""

    kind: str
    marks: tuple[str, ...]
    pattern: re.Pattern[str]
    judge: Callable[[re.Match[str]], Verdict]


# --- judging a value -------------------------------------------------------------------------------------------------

PLACEHOLDER = re.compile(
    r"example|change[-_ ]?(me|this|it)|your|placeholder|dummy|fake|sample|x{4,}|todo|replace|insert|redacted|foo|"
    r"bar(?![a-z])|canary|"
    r"\*{3}|\.{3}|<|>|\$\{|\$\(|\{\{|%\(|not[-_ ]?(a|real|set)|secret[-_]?(key|here|value)|"
    r"(my|the|some|a)[-_]|none|null|"
    r"test|mock|stub|demo|default|insecure|123456|abcdef|qwerty|letmein|undefined|generate|put[-_]|fill|enter|"
    r"deadbeef|0123|dev(?![a-z])|local|never|unsafe|temporary|invalid",
    re.IGNORECASE,
)
WEAK = re.compile(
    r"pass(word|wd)?(?![a-z])|admin|root|postgres|mysql|mongo|rabbit|guest|user|secret|token|key|welcome"
    r"|minio"
    r"|redis|grafana",
    re.IGNORECASE,
)


def bits(value: str) -> float:
    """Shannon's entropy, in bits per character."""
    return -sum(n / len(value) * math.log2(n / len(value)) for n in Counter(value).values()) if value else 0.0


def is_made_up(value: str) -> bool:
    """Repetition, a row of neighbours, or the words that people write where a secret belongs."""
    if re.search(r"(.)\1{4,}|(.{2,4}?)\2{3,}", value) or "EXAMPLE" in value:
        return True
    run = longest = 1
    for one, next_one in itertools.pairwise(value):
        run = run + 1 if ord(next_one) - ord(one) == 1 else 1
        longest = max(longest, run)
    return longest >= 6


def _random(
    confidence: Confidence, least: float, severity: Severity = Severity.HIGH
) -> Callable[[re.Match[str]], Verdict]:
    """Accepts what has at least so many bits per character and does not look made up."""

    def judge(match: re.Match[str]) -> Verdict:
        value = match[0]
        made_up = is_made_up(value) or re.search(r"x{5,}|your|placeholder|redacted|dummy|fake", value, re.IGNORECASE)
        return None if made_up or bits(value) < least else (severity, confidence)

    return judge


_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def _crc_base62(text: str) -> str:
    number, out = zlib.crc32(text.encode()), ""
    while number:
        number, rest = divmod(number, 62)
        out = _BASE62[rest] + out
    return out.rjust(6, "0")


def _checksummed(match: re.Match[str]) -> Verdict:
    """GitHub's and npm's tokens end with a CRC-32 of their random part; one whose does not fit was made up."""
    if is_made_up(match[0]) or bits(match[1]) < 3.0:
        return None
    if match[1][-6:] == _crc_base62(match[1][:-6]):
        return Severity.HIGH, CERTAIN
    return Severity.HIGH, LIKELY if bits(match[1]) >= 4.2 else GUESS


_AWS_SECRET = re.compile(
    r"(?<![A-Za-z0-9/+=])(?=[A-Za-z0-9/+]*[a-z])(?=[A-Za-z0-9/+]*\d)[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])"
)


def _aws(match: re.Match[str]) -> Verdict:
    if is_made_up(match[0]) or bits(match[1]) < 3.0:
        return None
    around = match.string[max(0, match.start() - 400) : match.end() + 400]
    paired = _AWS_SECRET.search(around)
    return Severity.HIGH, CERTAIN if paired and not PLACEHOLDER.search(paired[0]) else LIKELY


_FOR_BROWSERS = re.compile(
    r"firebase|authDomain|messagingSenderId|maps\.googleapis|client_info|mobilesdk|NEXT_PUBLIC|VITE_|REACT_APP"
)


def _google(match: re.Match[str]) -> Verdict:
    """A key that a browser is meant to have stands among Firebase's settings or in a page."""
    if is_made_up(match[0]) or bits(match[0]) < 3.5:
        return None
    around = match.string[max(0, match.start() - 600) : match.end() + 600]
    return (Severity.LOW, GUESS) if _FOR_BROWSERS.search(around) else (Severity.HIGH, LIKELY)


_TRIED = re.compile(
    r"(?:^|[\W_])(?:[Tt]est(?:ing)?|TEST|[Ee]xample|EXAMPLE|[Dd]ummy|DUMMY|[Ff]ake|FAKE|[Ss]ample|SAMPLE|[Mm]ock)(?![a-z])\w*"
    r"[ \t]*(?::?=|:)[^=:\n]*\n?[^=:\n]*\Z"
)
"""The variable that a key is given to, where its name says what it is for."""


def _private_key(match: re.Match[str]) -> Verdict:
    """A real key is base64 of DER or of OpenSSH's own form; a header alone, or one with dots after it, is none."""
    body = re.sub(r"\\[nrt]|[\s\"',\\]", "", match["body"])
    if "ENCRYPTED" in match["label"] or "ENCRYPTED" in body:
        return Severity.MEDIUM, LIKELY
    if _TRIED.search(match.string, max(0, match.start() - 160), match.start()):
        return Severity.LOW, LIKELY
    if "PGP" in match["label"]:
        return (Severity.HIGH, LIKELY) if len(body) > 300 else None
    try:
        raw = base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        return None
    return (Severity.HIGH, CERTAIN) if len(raw) >= 40 and (raw[0] == 0x30 or raw.startswith(b"openssh-key")) else None


def _decoded(part: str) -> Any:
    try:
        return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        return None


def _jwt(match: re.Match[str]) -> Verdict:
    """Most of these are examples, public or expired. What opens a whole database forever is neither."""
    head, payload = _decoded(match[1]), _decoded(match[2])
    if not isinstance(head, dict) or not isinstance(payload, dict) or "alg" not in head:
        return None
    if "demo" in str(payload.get("iss")) or payload.get("sub") == "1234567890" or payload.get("role") == "anon":
        return None
    if payload.get("role") == "service_role":
        return Severity.HIGH, CERTAIN
    return None if "exp" in payload else (Severity.MEDIUM, LIKELY)


def _pypi(match: re.Match[str]) -> Verdict:
    """The token is a macaroon that names the index it is for."""
    body = match[1]
    try:
        raw = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))
    except (binascii.Error, ValueError):
        return None
    return (Severity.HIGH, CERTAIN) if b"pypi" in raw and not is_made_up(body[20:]) else None


def _discord(match: re.Match[str]) -> Verdict:
    try:
        user = base64.b64decode(match[1] + "=" * (-len(match[1]) % 4))
    except (binascii.Error, ValueError):
        return None
    return (Severity.HIGH, CERTAIN) if user.isdigit() and len(user) >= 15 and not is_made_up(match[0]) else None


_NEAR_HOST = re.compile(
    r"^(127\.|0\.0|10\.|192\.168|172\.)|(\.|^)(local|localhost|internal|test|invalid)$|example\.|domain"
)


def _url(match: re.Match[str]) -> Verdict:
    """Passwords for hosts that others can reach; what has no domain is a service beside it, for development."""
    password, host = match["password"], match["host"].lower()
    near = "." not in host or _NEAR_HOST.search(host)
    if near or PLACEHOLDER.search(password) or WEAK.search(password) or len(password) < 8 or bits(password) < 2.6:
        return None
    if password == match["user"] or re.fullmatch(r"[A-Z_]+|[a-z_-]+|[$%{].*", password):
        return None
    return Severity.HIGH, LIKELY


def _format(kind: str, marks: str, pattern: str, judge: Callable[[re.Match[str]], Verdict]) -> Format:
    return Format(kind, tuple(marks.split()), re.compile(pattern), judge)


_EDGE, _END = r"(?<![A-Za-z0-9_\-])", r"(?![A-Za-z0-9_\-])"
FORMATS = (
    _format("an AWS access key", "AKIA ASIA", r"(?<![A-Za-z0-9/+])(?:AKIA|ASIA)([A-Z2-7]{16})(?![A-Za-z0-9/+=])", _aws),
    _format("a GitHub token", "ghp_ gho_ ghu_ ghs_ ghr_", rf"{_EDGE}gh[pousr]_([A-Za-z0-9]{{36}}){_END}", _checksummed),
    _format(
        "a GitHub token for chosen repositories",
        "github_pat_",
        rf"{_EDGE}github_pat_[A-Za-z0-9]{{22}}_[A-Za-z0-9]{{59}}{_END}",
        _random(LIKELY, 4.3),
    ),
    _format("an npm token", "npm_", rf"{_EDGE}npm_([A-Za-z0-9]{{36}}){_END}", _checksummed),
    _format(
        "a GitLab token",
        "glpat- glrt- gldt- glptt-",
        rf"{_EDGE}gl(?:pat|rt|dt|ptt)-[A-Za-z0-9_-]{{20,}}(?:\.[0-9a-z.]+)?",
        _random(LIKELY, 3.4),
    ),
    _format(
        "a Slack token",
        "xox",
        rf"{_EDGE}xox[abposr]-(?:\d{{9,14}}-){{1,3}}[A-Za-z0-9]{{20,}}{_END}",
        _random(LIKELY, 3.2),
    ),
    _format(
        "a Slack token",
        "xapp-",
        rf"{_EDGE}xapp-\d-A[A-Z0-9]{{8,12}}-\d{{10,14}}-[a-f0-9]{{64}}{_END}",
        _random(LIKELY, 3.2),
    ),
    _format(
        "a Slack webhook",
        "hooks.slack.com",
        r"hooks\.slack\.com/(?:services|workflows)/T[A-Z0-9]{8,11}/[AB][A-Z0-9]{8,11}/[A-Za-z0-9/]{20,}",
        _random(LIKELY, 3.6),
    ),
    _format("a Stripe key", "sk_live_ rk_live_", rf"{_EDGE}[sr]k_live_[A-Za-z0-9]{{20,}}{_END}", _random(LIKELY, 3.5)),
    _format(
        "a Stripe test key",
        "sk_test_ rk_test_",
        rf"{_EDGE}[sr]k_test_[A-Za-z0-9]{{20,}}{_END}",
        _random(LIKELY, 3.8, Severity.LOW),
    ),
    _format("a Stripe webhook secret", "whsec_", rf"{_EDGE}whsec_[A-Za-z0-9+/]{{32,}}", _random(LIKELY, 3.8)),
    _format("a Google API key", "AIza", rf"{_EDGE}AIza[0-9A-Za-z_-]{{35}}{_END}", _google),
    _format("a Google client secret", "GOCSPX-", rf"{_EDGE}GOCSPX-[A-Za-z0-9_-]{{28}}{_END}", _random(LIKELY, 3.5)),
    _format(
        "a private key",
        "PRIVATE KEY",
        r"-----BEGIN (?P<label>[A-Z ]{0,20})PRIVATE KEY(?: BLOCK)?-----"
        r"(?P<body>[^-]{60,16000}(?:-(?!-----)[^-]*){0,20})-----END [A-Z ]{0,20}PRIVATE KEY",
        _private_key,
    ),
    _format("a PyPI token", "pypi-AgE", rf"{_EDGE}pypi-(AgE[A-Za-z0-9_-]{{60,}})", _pypi),
    _format(
        "an OpenAI key",
        "T3BlbkFJ",
        rf"{_EDGE}sk-[A-Za-z0-9_-]{{16,}}T3BlbkFJ[A-Za-z0-9_-]{{16,}}",
        _random(CERTAIN, 3.8),
    ),
    _format(
        "an OpenAI key",
        "sk-proj- sk-svcacct-",
        rf"{_EDGE}sk-(?:proj|svcacct)-(?![\w-]*T3BlbkFJ)[A-Za-z0-9_-]{{40,}}",
        _random(LIKELY, 4.2),
    ),
    _format(
        "an Anthropic key",
        "sk-ant-",
        rf"{_EDGE}sk-ant-(?:api|admin|oat|ort)\d\d-[A-Za-z0-9_-]{{80,}}",
        _random(LIKELY, 4.3),
    ),
    _format(
        "a MaxMind licence key", "_mmk", rf"{_EDGE}[A-Za-z0-9]{{6}}_[A-Za-z0-9]{{29}}_mmk{_END}", _random(LIKELY, 4.0)
    ),
    _format("a Hugging Face token", "hf_", rf"{_EDGE}hf_[A-Za-z]{{34}}{_END}", _random(LIKELY, 4.0)),
    _format(
        "a SendGrid key", "SG.", rf"{_EDGE}SG\.[A-Za-z0-9_-]{{22}}\.[A-Za-z0-9_-]{{43}}{_END}", _random(LIKELY, 4.2)
    ),
    _format("a Mailchimp key", "-us", rf"{_EDGE}[0-9a-f]{{32}}-us\d{{1,2}}{_END}", _random(LIKELY, 3.2)),
    _format("a Mailgun key", "key-", rf"{_EDGE}key-[0-9a-f]{{32}}{_END}", _random(LIKELY, 3.2)),
    _format(
        "a DigitalOcean token",
        "dop_v1_ doo_v1_ dor_v1_",
        rf"{_EDGE}do[opr]_v1_[a-f0-9]{{64}}{_END}",
        _random(LIKELY, 3.4),
    ),
    _format(
        "a Docker Hub token", "dckr_pat_ dckr_oat_", rf"{_EDGE}dckr_[po]at_[A-Za-z0-9_-]{{27,}}", _random(LIKELY, 4.0)
    ),
    _format("a Databricks token", "dapi", rf"{_EDGE}dapi[a-f0-9]{{32}}(?:-\d)?{_END}", _random(LIKELY, 3.2)),
    _format("a Grafana token", "glsa_", rf"{_EDGE}glsa_[A-Za-z0-9]{{32}}_[a-f0-9]{{8}}{_END}", _random(LIKELY, 4.0)),
    _format(
        "a Terraform token",
        ".atlasv1.",
        rf"{_EDGE}[A-Za-z0-9]{{14}}\.atlasv1\.[A-Za-z0-9_-]{{60,}}",
        _random(LIKELY, 4.3),
    ),
    _format("a Vault token", "hvs. hvb.", rf"{_EDGE}hv[sb]\.[A-Za-z0-9_-]{{90,}}", _random(LIKELY, 4.3)),
    _format("a Pulumi token", "pul-", rf"{_EDGE}pul-[a-f0-9]{{40}}{_END}", _random(LIKELY, 3.3)),
    _format(
        "an age key",
        "AGE-SECRET-KEY-1",
        r"AGE-SECRET-KEY-1[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58}",
        _random(CERTAIN, 3.8),
    ),
    _format("a RubyGems key", "rubygems_", rf"{_EDGE}rubygems_[a-f0-9]{{48}}{_END}", _random(LIKELY, 3.3)),
    _format("a New Relic key", "NRAK-", rf"{_EDGE}NRAK-[A-Z0-9]{{27}}{_END}", _random(LIKELY, 3.6)),
    _format("a Groq key", "gsk_", rf"{_EDGE}gsk_[A-Za-z0-9]{{52}}{_END}", _random(LIKELY, 4.3)),
    _format("a Replicate token", "r8_", rf"{_EDGE}r8_[A-Za-z0-9]{{37}}{_END}", _random(LIKELY, 4.0)),
    _format("a Linear key", "lin_api_", rf"{_EDGE}lin_api_[A-Za-z0-9]{{40}}{_END}", _random(LIKELY, 4.0)),
    _format(
        "a Shopify token",
        "shpat_ shpca_ shppa_ shpss_",
        rf"{_EDGE}shp(?:at|ca|pa|ss)_[a-fA-F0-9]{{32}}{_END}",
        _random(LIKELY, 3.2),
    ),
    _format("a Telegram bot token", ":AA", rf"(?<![\w:])\d{{8,10}}:AA[A-Za-z0-9_-]{{33}}{_END}", _random(LIKELY, 4.0)),
    _format(
        "a Discord bot token",
        ".",
        rf"{_EDGE}([MNO][A-Za-z0-9]{{23,25}})\.[A-Za-z0-9_-]{{6}}\.[A-Za-z0-9_-]{{27,38}}{_END}",
        _discord,
    ),
    _format(
        "a Discord webhook",
        "/api/webhooks/",
        r"discord(?:app)?\.com/api/webhooks/\d{17,20}/[A-Za-z0-9_-]{60,}",
        _random(LIKELY, 4.0),
    ),
    _format(
        "an Azure storage key",
        "AccountKey=",
        r"AccountKey=(?!Eby8vdM02xNOcqFlq)[A-Za-z0-9+/]{86}==",
        _random(LIKELY, 4.5),
    ),
    _format(
        "an Azure client secret",
        "8Q~",
        rf"{_EDGE}[A-Za-z0-9_~.-]{{3}}8Q~[A-Za-z0-9_~.-]{{34}}(?![A-Za-z0-9_~.-])",
        _random(LIKELY, 4.0),
    ),
    _format(
        "a Tailscale key",
        "tskey-",
        rf"{_EDGE}tskey-(?:auth|api|client)-[A-Za-z0-9]{{10,}}-[A-Za-z0-9]{{20,}}{_END}",
        _random(LIKELY, 3.8),
    ),
    _format("a Supabase token", "sbp_", rf"{_EDGE}sbp_[a-f0-9]{{40}}{_END}", _random(LIKELY, 3.3)),
    _format(
        "a JSON web token",
        "eyJ",
        rf"{_EDGE}(eyJ[A-Za-z0-9_-]{{8,}})\.(eyJ[A-Za-z0-9_-]{{8,}})\.[A-Za-z0-9_-]{{20,}}",
        _jwt,
    ),
    _format(
        "a password in an address",
        "://",
        r"\b[a-z][a-z0-9+.\-]{1,20}://(?P<user>[^\s:/@'\"`<>{}$]{0,60})"
        r":(?P<password>[^\s:/@'\"`<>{}$]{3,80})@(?P<host>[A-Za-z0-9_.\-]+)",
        _url,
    ),
)
