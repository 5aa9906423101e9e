"""Secrets in texts: known token formats, with their own checks where they have some, and assignments beyond doubt.

What is found is described by its place; its value is never kept, so that no cache, report or log can hold it. `masked`
takes values out of whatever is shown.
"""

from __future__ import annotations

import base64
import binascii
import itertools
import json
import math
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sophia_preflight.model import Confidence, Severity

MASK = "*****"
MOST_PER_FILE = 50
_CERTAIN, _LIKELY, _GUESS = Confidence.CERTAIN, Confidence.LIKELY, Confidence.GUESS
Verdict = tuple[Severity, Confidence] | None


@dataclass(frozen=True, slots=True)
class Suspect:
    """A secret at a place; `kind` says what it is, `key` what it is assigned to, both in words."""

    kind: str
    line: int
    column: int
    start: int
    end: int
    severity: str
    confidence: str
    key: str = ""
    excused: bool = False
    """The line tells secret scanners to look away."""


@dataclass(frozen=True)
class _Format:
    """`marks` are texts of which one is in every match, so that the expression is seldom needed."""

    kind: str
    marks: tuple[str, ...]
    pattern: re.Pattern[str]
    judge: Callable[[re.Match[str]], Verdict]


# --- judging a value -------------------------------------------------------------------------------------------------

_PLACEHOLDER = re.compile(
    r"example|change[-_ ]?(me|this|it)|your|placeholder|dummy|fake|sample|x{4,}|todo|replace|insert|redacted|foo|"
    r"bar(?![a-z])|"
    r"\*{3}|\.{3}|<|>|\$\{|\$\(|\{\{|%\(|not[-_ ]?(a|real|set)|secret[-_]?(key|here|value)|"
    r"(my|the|some|a)[-_]|none|null|"
    r"test|mock|stub|demo|default|insecure|123456|abcdef|qwerty|letmein|undefined|generate|put[-_]|fill|enter|"
    r"deadbeef|0123|dev(?![a-z])|local|never|unsafe|temporary|invalid",
    re.IGNORECASE,
)
_WEAK = re.compile(
    r"pass(word|wd)?(?![a-z])|admin|root|postgres|mysql|mongo|rabbit|guest|user|secret|token|key|welcome"
    r"|minio"
    r"|redis|grafana",
    re.IGNORECASE,
)


def _bits(value: str) -> float:
    """Shannon's entropy, in bits per character."""
    return -sum(n / len(value) * math.log2(n / len(value)) for n in Counter(value).values()) if value else 0.0


def _is_made_up(value: str) -> bool:
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
        made_up = _is_made_up(value) or re.search(r"x{5,}|your|placeholder|redacted|dummy|fake", value, re.IGNORECASE)
        return None if made_up or _bits(value) < least else (severity, confidence)

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
    if _is_made_up(match[0]) or _bits(match[1]) < 3.0:
        return None
    return Severity.HIGH, _CERTAIN if match[1][-6:] == _crc_base62(match[1][:-6]) else _GUESS


_AWS_SECRET = re.compile(
    r"(?<![A-Za-z0-9/+=])(?=[A-Za-z0-9/+]*[a-z])(?=[A-Za-z0-9/+]*\d)[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])"
)


def _aws(match: re.Match[str]) -> Verdict:
    if _is_made_up(match[0]) or _bits(match[1]) < 3.0:
        return None
    around = match.string[max(0, match.start() - 400) : match.end() + 400]
    paired = _AWS_SECRET.search(around)
    return Severity.HIGH, _CERTAIN if paired and not _PLACEHOLDER.search(paired[0]) else _LIKELY


_FOR_BROWSERS = re.compile(
    r"firebase|authDomain|messagingSenderId|maps\.googleapis|client_info|mobilesdk|NEXT_PUBLIC|VITE_|REACT_APP"
)


def _google(match: re.Match[str]) -> Verdict:
    """A key that a browser is meant to have stands among Firebase's settings or in a page."""
    if _is_made_up(match[0]) or _bits(match[0]) < 3.5:
        return None
    around = match.string[max(0, match.start() - 600) : match.end() + 600]
    return (Severity.LOW, _GUESS) if _FOR_BROWSERS.search(around) else (Severity.HIGH, _LIKELY)


_TRIED = re.compile(
    r"(?:^|[\W_])(?:[Tt]est(?:ing)?|TEST|[Ee]xample|EXAMPLE|[Dd]ummy|DUMMY|[Ff]ake|FAKE|[Ss]ample|SAMPLE|[Mm]ock)(?![a-z])\w*"
    r"[ \t]*(?::?=|:)[^=:\n]*\n?[^=:\n]*\Z"
)
"""The variable that a key is given to, where its name says what it is for."""


def _private_key(match: re.Match[str]) -> Verdict:
    """A real key is base64 of DER or of OpenSSH's own form; a header alone, or one with dots after it, is none."""
    body = re.sub(r"\\[nrt]|[\s\"',\\]", "", match["body"])
    if "ENCRYPTED" in match["label"] or "ENCRYPTED" in body:
        return Severity.MEDIUM, _LIKELY
    if _TRIED.search(match.string, max(0, match.start() - 160), match.start()):
        return Severity.LOW, _LIKELY
    if "PGP" in match["label"]:
        return (Severity.HIGH, _LIKELY) if len(body) > 300 else None
    try:
        raw = base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        return None
    return (Severity.HIGH, _CERTAIN) if len(raw) >= 40 and (raw[0] == 0x30 or raw.startswith(b"openssh-key")) else None


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
        return Severity.HIGH, _CERTAIN
    return None if "exp" in payload else (Severity.MEDIUM, _LIKELY)


def _pypi(match: re.Match[str]) -> Verdict:
    """The token is a macaroon that names the index it is for."""
    body = match[1]
    try:
        raw = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))
    except (binascii.Error, ValueError):
        return None
    return (Severity.HIGH, _CERTAIN) if b"pypi" in raw and not _is_made_up(body[20:]) else None


def _discord(match: re.Match[str]) -> Verdict:
    try:
        user = base64.b64decode(match[1] + "=" * (-len(match[1]) % 4))
    except (binascii.Error, ValueError):
        return None
    return (Severity.HIGH, _CERTAIN) if user.isdigit() and len(user) >= 15 and not _is_made_up(match[0]) else None


_NEAR_HOST = re.compile(
    r"^(127\.|0\.0|10\.|192\.168|172\.)|(\.|^)(local|localhost|internal|test|invalid)$|example\.|domain"
)


def _url(match: re.Match[str]) -> Verdict:
    """Passwords for hosts that others can reach; what has no domain is a service beside it, for development."""
    password, host = match["password"], match["host"].lower()
    near = "." not in host or _NEAR_HOST.search(host)
    if near or _PLACEHOLDER.search(password) or _WEAK.search(password) or len(password) < 8 or _bits(password) < 2.6:
        return None
    if password == match["user"] or re.fullmatch(r"[A-Z_]+|[a-z_-]+|[$%{].*", password):
        return None
    return Severity.HIGH, _LIKELY


def _format(kind: str, marks: str, pattern: str, judge: Callable[[re.Match[str]], Verdict]) -> _Format:
    return _Format(kind, tuple(marks.split()), re.compile(pattern), judge)


_EDGE, _END = r"(?<![A-Za-z0-9_\-])", r"(?![A-Za-z0-9_\-])"
_FORMATS = (
    _format("an AWS access key", "AKIA ASIA", r"(?<![A-Za-z0-9/+])(?:AKIA|ASIA)([A-Z2-7]{16})(?![A-Za-z0-9/+=])", _aws),
    _format("a GitHub token", "ghp_ gho_ ghu_ ghs_ ghr_", rf"{_EDGE}gh[pousr]_([A-Za-z0-9]{{36}}){_END}", _checksummed),
    _format(
        "a GitHub token",
        "github_pat_",
        rf"{_EDGE}github_pat_[A-Za-z0-9]{{22}}_[A-Za-z0-9]{{59}}{_END}",
        _random(_LIKELY, 4.3),
    ),
    _format("an npm token", "npm_", rf"{_EDGE}npm_([A-Za-z0-9]{{36}}){_END}", _checksummed),
    _format(
        "a GitLab token",
        "glpat- glrt- gldt- glptt-",
        rf"{_EDGE}gl(?:pat|rt|dt|ptt)-[A-Za-z0-9_-]{{20,}}(?:\.[0-9a-z.]+)?",
        _random(_LIKELY, 3.4),
    ),
    _format(
        "a Slack token",
        "xox",
        rf"{_EDGE}xox[abposr]-(?:\d{{9,14}}-){{1,3}}[A-Za-z0-9]{{20,}}{_END}",
        _random(_LIKELY, 3.2),
    ),
    _format(
        "a Slack token",
        "xapp-",
        rf"{_EDGE}xapp-\d-A[A-Z0-9]{{8,12}}-\d{{10,14}}-[a-f0-9]{{64}}{_END}",
        _random(_LIKELY, 3.2),
    ),
    _format(
        "a Slack webhook",
        "hooks.slack.com",
        r"hooks\.slack\.com/(?:services|workflows)/T[A-Z0-9]{8,11}/[AB][A-Z0-9]{8,11}/[A-Za-z0-9/]{20,}",
        _random(_LIKELY, 3.6),
    ),
    _format("a Stripe key", "sk_live_ rk_live_", rf"{_EDGE}[sr]k_live_[A-Za-z0-9]{{20,}}{_END}", _random(_LIKELY, 3.5)),
    _format(
        "a Stripe test key",
        "sk_test_ rk_test_",
        rf"{_EDGE}[sr]k_test_[A-Za-z0-9]{{20,}}{_END}",
        _random(_LIKELY, 3.8, Severity.LOW),
    ),
    _format("a Stripe webhook secret", "whsec_", rf"{_EDGE}whsec_[A-Za-z0-9+/]{{32,}}", _random(_LIKELY, 3.8)),
    _format("a Google API key", "AIza", rf"{_EDGE}AIza[0-9A-Za-z_-]{{35}}{_END}", _google),
    _format("a Google client secret", "GOCSPX-", rf"{_EDGE}GOCSPX-[A-Za-z0-9_-]{{28}}{_END}", _random(_LIKELY, 3.5)),
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
        _random(_CERTAIN, 3.8),
    ),
    _format(
        "an OpenAI key",
        "sk-proj- sk-svcacct-",
        rf"{_EDGE}sk-(?:proj|svcacct)-(?![\w-]*T3BlbkFJ)[A-Za-z0-9_-]{{40,}}",
        _random(_LIKELY, 4.2),
    ),
    _format(
        "an Anthropic key",
        "sk-ant-",
        rf"{_EDGE}sk-ant-(?:api|admin|oat|ort)\d\d-[A-Za-z0-9_-]{{80,}}",
        _random(_LIKELY, 4.3),
    ),
    _format("a Hugging Face token", "hf_", rf"{_EDGE}hf_[A-Za-z]{{34}}{_END}", _random(_LIKELY, 4.0)),
    _format(
        "a SendGrid key", "SG.", rf"{_EDGE}SG\.[A-Za-z0-9_-]{{22}}\.[A-Za-z0-9_-]{{43}}{_END}", _random(_LIKELY, 4.2)
    ),
    _format("a Mailchimp key", "-us", rf"{_EDGE}[0-9a-f]{{32}}-us\d{{1,2}}{_END}", _random(_LIKELY, 3.2)),
    _format("a Mailgun key", "key-", rf"{_EDGE}key-[0-9a-f]{{32}}{_END}", _random(_LIKELY, 3.2)),
    _format(
        "a DigitalOcean token",
        "dop_v1_ doo_v1_ dor_v1_",
        rf"{_EDGE}do[opr]_v1_[a-f0-9]{{64}}{_END}",
        _random(_LIKELY, 3.4),
    ),
    _format(
        "a Docker Hub token", "dckr_pat_ dckr_oat_", rf"{_EDGE}dckr_[po]at_[A-Za-z0-9_-]{{27,}}", _random(_LIKELY, 4.0)
    ),
    _format("a Databricks token", "dapi", rf"{_EDGE}dapi[a-f0-9]{{32}}(?:-\d)?{_END}", _random(_LIKELY, 3.2)),
    _format("a Grafana token", "glsa_", rf"{_EDGE}glsa_[A-Za-z0-9]{{32}}_[a-f0-9]{{8}}{_END}", _random(_LIKELY, 4.0)),
    _format(
        "a Terraform token",
        ".atlasv1.",
        rf"{_EDGE}[A-Za-z0-9]{{14}}\.atlasv1\.[A-Za-z0-9_-]{{60,}}",
        _random(_LIKELY, 4.3),
    ),
    _format("a Vault token", "hvs. hvb.", rf"{_EDGE}hv[sb]\.[A-Za-z0-9_-]{{90,}}", _random(_LIKELY, 4.3)),
    _format("a Pulumi token", "pul-", rf"{_EDGE}pul-[a-f0-9]{{40}}{_END}", _random(_LIKELY, 3.3)),
    _format(
        "an age key",
        "AGE-SECRET-KEY-1",
        r"AGE-SECRET-KEY-1[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58}",
        _random(_CERTAIN, 3.8),
    ),
    _format("a RubyGems key", "rubygems_", rf"{_EDGE}rubygems_[a-f0-9]{{48}}{_END}", _random(_LIKELY, 3.3)),
    _format("a New Relic key", "NRAK-", rf"{_EDGE}NRAK-[A-Z0-9]{{27}}{_END}", _random(_LIKELY, 3.6)),
    _format("a Groq key", "gsk_", rf"{_EDGE}gsk_[A-Za-z0-9]{{52}}{_END}", _random(_LIKELY, 4.3)),
    _format("a Replicate token", "r8_", rf"{_EDGE}r8_[A-Za-z0-9]{{37}}{_END}", _random(_LIKELY, 4.0)),
    _format("a Linear key", "lin_api_", rf"{_EDGE}lin_api_[A-Za-z0-9]{{40}}{_END}", _random(_LIKELY, 4.0)),
    _format(
        "a Shopify token",
        "shpat_ shpca_ shppa_ shpss_",
        rf"{_EDGE}shp(?:at|ca|pa|ss)_[a-fA-F0-9]{{32}}{_END}",
        _random(_LIKELY, 3.2),
    ),
    _format("a Telegram bot token", ":AA", rf"(?<![\w:])\d{{8,10}}:AA[A-Za-z0-9_-]{{33}}{_END}", _random(_LIKELY, 4.0)),
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
        _random(_LIKELY, 4.0),
    ),
    _format(
        "an Azure storage key",
        "AccountKey=",
        r"AccountKey=(?!Eby8vdM02xNOcqFlq)[A-Za-z0-9+/]{86}==",
        _random(_LIKELY, 4.5),
    ),
    _format(
        "an Azure client secret",
        "8Q~",
        rf"{_EDGE}[A-Za-z0-9_~.-]{{3}}8Q~[A-Za-z0-9_~.-]{{34}}(?![A-Za-z0-9_~.-])",
        _random(_LIKELY, 4.0),
    ),
    _format(
        "a Tailscale key",
        "tskey-",
        rf"{_EDGE}tskey-(?:auth|api|client)-[A-Za-z0-9]{{10,}}-[A-Za-z0-9]{{20,}}{_END}",
        _random(_LIKELY, 3.8),
    ),
    _format("a Supabase token", "sbp_", rf"{_EDGE}sbp_[a-f0-9]{{40}}{_END}", _random(_LIKELY, 3.3)),
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

# --- assignments -----------------------------------------------------------------------------------------------------

_WORDS = (
    "password", "passwd", "passphrase", "pwd", "secret", "token", "apikey", "api_key", "api-key", "access_key",
    "accesskey", "private_key", "encryption_key", "signing_key", "master_key", "account_key", "auth_key",
)  # fmt: skip
_ASSIGNED = re.compile(
    r"(?P<key>[A-Za-z_][\w.\-]{0,60})(?P<close>[\"']?\]?)[ \t]*"
    r"(?::[ \t]*(?:str|string|String|final)[ \t]*)?(?P<sign>=>|:=|[=:])[ \t]*"
    r"(?:(?P<quote>[\"'`])(?P<quoted>[^\"'`\n]{8,200})(?P=quote)"
    r"|(?P<bare>[^\s\"'`,;(){}\[\]]{8,200})(?=[ \t]*(?:#.*)?\r?$))",
    re.MULTILINE,
)
_SECRET_NAME = re.compile(
    r"(?:^|[_.\-]|(?<=[a-z]))(?:pass(?:word|wd|phrase)|pwd|secret(?:[_.-]?(?:access)?[_.-]?key|[_.-]?token)?|"
    r"(?:[a-z]+[_.-]?)?token|api[_.-]?(?:key|secret|token)|"
    r"(?:access|private|encryption|signing|master|account|auth)[_.-]?key)"
    r"(?:[_.-]?(?:prod|production|live|main|default|\d))?$",
    re.IGNORECASE,
)
_PASSWORD_NAME = re.compile(r"pass|pwd", re.IGNORECASE)
_OTHER_NAME = re.compile(
    r"public|publishable|dummy|fake|mock|placeholder|encrypted|obscured|site[_.-]?key|cache|csrf|hash|digest|next[_.-]?token|page[_.-]?token|continuation|sort|tokeniz|"
    r"max[_.-]?token|pad[_.-]?token|(bos|eos|unk|sep|cls|mask|stop|special|start|end)[_.-]?token",
    re.IGNORECASE,
)
_PUBLISHED = re.compile(r"phc_|pk_(live|test)_|pk\.eyJ|sb_publishable_")
"""How keys begin that their makers mean to be published, whatever their variables are called."""
_REFERENCE = re.compile(
    r"credentialsJSON:|arn:|op:|vault:|secretref:|ref\+|ssm:|secretsmanager:|keyring:", re.IGNORECASE
)
"""How values begin that name the place where a secret is kept."""
_QUOTED_ONLY = re.compile(
    r"\.(py|pyw|js|jsx|ts|tsx|mjs|cjs|go|rb|java|kt|kts|scala|php|cs|rs|swift|c|cc|cpp|h|hpp|lua|ex|exs|vue|svelte|dart|groovy|tf)$"
)
_NOT_SCANNED = re.compile(
    r"(^|/)(package-lock\.json|npm-shrinkwrap\.json|yarn\.lock|pnpm-lock\.yaml|poetry\.lock|uv\.lock|pdm\.lock|Pipfile\.lock|"
    r"Cargo\.lock|composer\.lock|Gemfile\.lock|go\.sum|flake\.lock|\.secrets\.baseline|[^/]*\.lock)$"
    r"|\.(min\.js|min\.css|map|svg|lock|po|pot|csv|tsv|gpg|age|asc|sops|enc|snap|har|cast)$|requirements[^/]*\.lock$"
    r"|(^|/)[^/]*\.(png|jpe?g|gif|ico|webp|woff2?|ttf|eot|otf|pdf|zip|gz|tgz|bz2|xz|whl|jar|so|dll|exe|pyc|mp[34]|npy|parquet)$",
    re.IGNORECASE,
)
_ENCRYPTED = re.compile(
    r"\A\s*\$ANSIBLE_VAULT;|^kind:\s*[\"']?SealedSecret|\bENC\[AES256_GCM,|^-----BEGIN AGE ENCRYPTED FILE", re.MULTILINE
)
_COMMENT = re.compile(r"[ \t]*(?:#|//|;|\*|<!--|--[ \t]|>>>)")
_ENCRYPTED_MARKS = ("ENC[AES256_GCM,", "\nkind: SealedSecret")
_EXCUSED = re.compile(
    r"gitleaks:allow|pragma:? ?allowlist|nosecret|trufflehog:ignore|ggignore|noqa: ?S10|nosec\b", re.IGNORECASE
)


def is_scanned(path: str) -> bool:
    """Whether a file of that name may hold secrets in the open: no lock file, picture or encrypted file."""
    return not _NOT_SCANNED.search(path)


def suspects_in(path: str, text: str) -> tuple[Suspect, ...]:
    """Everything in a text that looks like a secret, by place. Where the file lies is for the caller to weigh."""
    if not is_scanned(path) or _ENCRYPTED.search(text[:4096]) or any(mark in text for mark in _ENCRYPTED_MARKS):
        return ()
    found: list[tuple[int, int, str, str, Verdict]] = [
        (match.start(), match.end(), each.kind, "", verdict)
        for each in _FORMATS
        if any(mark in text for mark in each.marks)
        for match in each.pattern.finditer(text)
        if (verdict := each.judge(match)) is not None
    ]
    found += _assignments(path, text, [(start, end) for start, end, *_ in found])
    if path.endswith(".py"):
        found = [each for each in found if not _in_docstring(text, each[0])]
    return tuple(_suspect(text, *each) for each in sorted(found, key=lambda one: one[:2])[:MOST_PER_FILE])


def _in_docstring(text: str, at: int) -> bool:
    """Whether a place lies between triple quotes that begin a line, where people write examples."""
    for quotes in ('"""', "'''"):
        if text.count(quotes, 0, at) % 2:
            opened = text.rfind(quotes, 0, at)
            if not text[text.rfind("\n", 0, opened) + 1 : opened].strip(" \trRuUbB"):
                return True
    return False


def _suspect(text: str, start: int, end: int, kind: str, key: str, verdict: Verdict) -> Suspect:
    assert verdict is not None
    line_start = text.rfind("\n", 0, start) + 1
    line_end = text.find("\n", start)
    line = text[line_start : line_end if line_end >= 0 else len(text)]
    number = text.count("\n", 0, start) + 1
    excused = bool(_EXCUSED.search(line))
    return Suspect(kind, number, start - line_start + 1, start, end, str(verdict[0]), str(verdict[1]), key, excused)


def _assignments(path: str, text: str, taken: list[tuple[int, int]]) -> Iterator[tuple[int, int, str, str, Verdict]]:
    lower = text.lower() if len(text) < 1_000_000 else ""
    lines: set[int] = set()
    for word in _WORDS:
        at = lower.find(word)
        while at >= 0:
            lines.add(text.rfind("\n", 0, at) + 1)
            at = lower.find(word, at + len(word)) if len(lower) == len(text) else -1
    quoted_only = bool(_QUOTED_ONLY.search(path))
    for start in sorted(lines):
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        if end - start > 1000 or _COMMENT.match(text, start, end):
            continue
        for match in _ASSIGNED.finditer(text, start, end):
            name, value = match["key"], match["quoted"] or match["bare"]
            if quoted_only and match["bare"]:
                continue
            group = "quoted" if match["quoted"] else "bare"
            span = match.span(group)
            if not _is_secret_name(name) or any(s < span[1] and span[0] < e for s, e in taken):
                continue
            if _is_secret_value(name, value) and _is_secret_value(name, _plain(value)):
                yield (*span, "a secret", name, (Severity.HIGH, _LIKELY))


def _plain(value: str) -> str:
    """What a value says in base64, as Secrets of Kubernetes hold it, where that is text; else the value."""
    try:
        said = base64.b64decode(value, validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        return value
    said = said.removesuffix("\n")
    return said if said.isprintable() else value


def _is_secret_name(name: str) -> bool:
    return bool(_SECRET_NAME.search(name)) and not _OTHER_NAME.search(name)


def _is_secret_value(name: str, value: str) -> bool:
    """Whether a value can hardly be anything but a secret of its own: random, and no word, name, path or reference."""
    if (
        _PLACEHOLDER.search(value)
        or _PUBLISHED.match(value)
        or _REFERENCE.match(value)
        or _is_made_up(value)
        or re.search(r"[\s\\]|^[$/.~!@&*%]|://|\$|[(){}\[\]|;,]{1}", value)
    ):
        return False
    if not re.search(r"\d", value) or not re.search(r"[A-Za-z]", value):
        return False
    if re.search(
        r"\.(pem|key|json|ya?ml|txt|crt|env|py|js|ts|com|org|io|net)\b|^v\d+\.|^[\w-]+/[\w./-]+$|^\d+[a-z]{1,3}$", value
    ):
        return "/" in value and len(value) >= 40 and _bits(value) >= 4.5
    if re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", value):
        return False
    if _PASSWORD_NAME.search(name) and len(value) < 24:
        classes = sum(bool(re.search(each, value)) for each in (r"[a-z]", r"[A-Z]", r"\d", r"[^A-Za-z0-9]"))
        return (
            classes >= 3
            and not _WEAK.search(value)
            and _bits(value) >= 2.8
            and not re.fullmatch(r"[A-Za-z]+\d{1,4}!?", value)
        )
    if re.fullmatch(r"[0-9a-f]{32,}|[0-9A-F]{32,}", value):
        return _bits(value) >= 3.2
    words = re.fullmatch(r"(?:[A-Za-z]+|\d{1,4})(?:[-_.:][A-Za-z]+|[-_.:]\d{1,4})*", value)
    return len(value) >= 20 and _bits(value) >= 3.7 and not words and sum(map(str.isdigit, value)) >= 2


# --- keeping values out of what is shown -----------------------------------------------------------------------------


def masked_text(text: str, suspects: Iterable[Suspect]) -> str:
    """The text with every secret's characters hidden; lines keep their numbers."""
    for each in sorted(suspects, key=lambda one: one.start, reverse=True):
        hidden = re.sub(r"[^\n]+", MASK, text[each.start : each.end])
        text = text[: each.start] + hidden + text[each.end :]
    return text


def values(text: str, suspects: Iterable[Suspect]) -> set[str]:
    """What must not be shown, each line of it."""
    return {line for each in suspects for line in text[each.start : each.end].split("\n") if len(line) >= 6}


def masked(said: str, hidden: Iterable[str]) -> str:
    """A message without these values."""
    for value in hidden:
        said = said.replace(value, MASK)
    return said
