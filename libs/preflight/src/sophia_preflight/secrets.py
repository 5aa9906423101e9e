"""Secrets in texts: known token formats, with their own checks where they have some, and assignments beyond doubt.

What is found is described by its place; its value is never kept, so that no cache, report or log can hold it. `masked`
takes values out of whatever is shown.
"""

from __future__ import annotations

import base64
import binascii
import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sophia_preflight.model import Severity
from sophia_preflight.tokens import FORMATS, LIKELY, PLACEHOLDER, WEAK, Verdict, bits, is_made_up

MASK = "*****"
MOST_PER_FILE = 50


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
    r"public|publishable|dummy|fake|mock|placeholder|encrypted|obscured|site[_.-]?key|algolia|telemetry|analytics|amplitude|mixpanel|posthog|segment[_.-]?write|cache|csrf|hash|digest|next[_.-]?token|page[_.-]?token|continuation|sort|tokeniz|"
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
    r"|\.(min\.js|min\.css|map|svg|lock|po|pot|csv|tsv|jsonl|ndjson|gpg|age|asc|sops|enc|snap|har|cast)$|requirements[^/]*\.lock$"
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


_LOCAL = re.compile(
    r"(?:host(?:name)?|server|addr(?:ess)?|url|endpoint)[\"']?\s*(?:=>|[=:])\s*[\"']?(?:\w+://)?(?:localhost|127\.0\.0\.1|\[?::1)\b",
    re.IGNORECASE,
)
"""What says that a secret opens something on one's own machine."""
_CURVE_KEY = re.compile(r"[ybndrfg8ejkmcpqxot1uwisza345h769]{52}")
"""A key of Curve25519 as Rspamd writes it: what others encrypt with, who hold no secret."""
_CALLED_PUBLIC = re.compile(r"\bpublic[ _-]?(half|part|key)|\bpubkey", re.IGNORECASE)
_FINGERPRINT = re.compile(r"(?:0x)?(?:[0-9A-F]{16}|[0-9A-F]{40})")
"""What names a key of OpenPGP, as gpg shows it."""
_MANY_TIMES = re.compile(r"[ \t]*\*[ \t]*\d")
"""What follows a text that is only repeated."""
_EXAMPLES = re.compile(r"""\bexamples?["']?\s*[=:]\s*[\[(]?\s*["']$""")
"""What comes before the value of a field that documents another."""
_FAKE = re.compile(r"\b(fake|bogus|dummy|made[- ]up|not (?:a )?real)\b", re.IGNORECASE)
_INSTALLED = re.compile(r"(client|consumer|oauth)[_.-]?secret$", re.IGNORECASE)
"""Names of what a program shows to a service; in the source of one that people install, all of them know it."""


def is_scanned(path: str) -> bool:
    """Whether a file of that name may hold secrets in the open: no lock file, picture or encrypted file."""
    return not _NOT_SCANNED.search(path)


def suspects_in(path: str, text: str) -> tuple[Suspect, ...]:
    """Everything in a text that looks like a secret, by place. Where the file lies is for the caller to weigh."""
    if not is_scanned(path) or _ENCRYPTED.search(text[:4096]) or any(mark in text for mark in _ENCRYPTED_MARKS):
        return ()
    found: list[tuple[int, int, str, str, Verdict]] = [
        (match.start(), match.end(), each.kind, "", verdict)
        for each in FORMATS
        if any(mark in text for mark in each.marks)
        for match in each.pattern.finditer(text)
        if (verdict := each.judge(match)) is not None
    ]
    found += _assignments(path, text, [(start, end) for start, end, *_ in found])
    found = [each for each in found if not _is_made_up_here(text, each[0])]
    if path.endswith(".py"):
        found = [each for each in found if not _in_docstring(text, each[0])]
    if _QUOTED_ONLY.search(path):
        found = [each for each in found if not _is_told(text, each[0])]
    return tuple(_suspect(text, *each) for each in sorted(found, key=lambda one: one[:2])[:MOST_PER_FILE])


def _is_made_up_here(text: str, at: int) -> bool:
    """Whether what stands at a place is called an example, or none by a comment in its line or in that above it."""
    start = text.rfind("\n", 0, at) + 1
    if _EXAMPLES.search(text[start:at]):
        return True
    before = text[text.rfind("\n", 0, max(0, start - 1)) + 1 : start]
    end = text.find("\n", at)
    told = (before if _COMMENT.match(before) else "") + "\n".join(
        re.findall(r"\s(?:#|//)[^\n]*$", text[start : end if end >= 0 else len(text)])
    )
    return _FAKE.search(told) is not None


def _in_docstring(text: str, at: int) -> bool:
    """Whether a place lies between triple quotes that begin a line, where people write examples."""
    for quotes in ('"""', "'''"):
        if text.count(quotes, 0, at) % 2:
            opened = text.rfind(quotes, 0, at)
            if not text[text.rfind("\n", 0, opened) + 1 : opened].strip(" \trRuUbB"):
                return True
    return False


def _is_told(text: str, at: int) -> bool:
    """Whether a place lies in a comment of a source that speaks of what such a thing looks like."""
    lines = text[max(0, at - 1500) : at].split("\n")
    if not _COMMENT.match(lines[-1]):
        return False
    comments = itertools.takewhile(_COMMENT.match, reversed(lines))
    return (
        re.search(r"\blooks? .{0,20}like|\bexample|e\.g\.|\bsyntax|\bformat", "\n".join(comments), re.IGNORECASE)
        is not None
    )


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
            if _is_public(name, value, text, start, end) or _MANY_TIMES.match(text, match.end(), end):
                continue
            if _is_secret_value(name, value) and _is_secret_value(name, _plain(value)):
                near = _LOCAL.search(_paragraph(text, start)) or (_INSTALLED.search(name) and quoted_only)
                yield (*span, "a secret", name, (Severity.MEDIUM if near else Severity.HIGH, LIKELY))


def _is_public(name: str, value: str, text: str, start: int, end: int) -> bool:
    """Whether a key is the public half of a pair, or the name of one: of a kind of which only that goes by such a name,
    or said so."""
    if not re.search(r"key$", name, re.IGNORECASE) or "private" in name.lower():
        return False
    if re.search(r"(sign(ing)?|gpg|pgp)[_.-]?key$", name, re.IGNORECASE) and _FINGERPRINT.fullmatch(value):
        return True
    if name.lower().endswith("encryption_key") and _CURVE_KEY.fullmatch(value):
        return True
    before = text[text.rfind("\n", 0, max(0, start - 1)) + 1 : start]
    told = before if _COMMENT.match(before) else ""
    told += "\n".join(re.findall(r"(?:#|//)[^\n]*$", text[start:end]))
    return _CALLED_PUBLIC.search(told) is not None


def _paragraph(text: str, at: int) -> str:
    """The lines around a place, up to an empty one or a heading in brackets, and no more than a few."""
    before = re.split(r"\n\s*\n|\n\[", text[max(0, at - 400) : at])[-1]
    return before + re.split(r"\n\s*\n|\n\[", text[at : at + 400])[0]


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
        PLACEHOLDER.search(value)
        or _PUBLISHED.match(value)
        or _REFERENCE.match(value)
        or is_made_up(value)
        or re.search(r"[\s\\]|^[$/.~!@&*%]|://|\$|[(){}\[\]|;,]{1}", value)
    ):
        return False
    if not re.search(r"\d", value) or not re.search(r"[A-Za-z]", value):
        return False
    if re.search(
        r"\.(pem|key|json|ya?ml|txt|crt|env|py|js|ts|com|org|io|net)\b|^v\d+\.|^[\w-]+/[\w./-]+$|^\d+[a-z]{1,3}$", value
    ):
        return "/" in value and len(value) >= 40 and bits(value) >= 4.5
    if re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", value):
        return False
    if _PASSWORD_NAME.search(name) and len(value) < 24:
        classes = sum(bool(re.search(each, value)) for each in (r"[a-z]", r"[A-Z]", r"\d", r"[^A-Za-z0-9]"))
        return (
            classes >= 3
            and not WEAK.search(value)
            and bits(value) >= 2.8
            and not re.fullmatch(r"[A-Za-z]+\d{1,4}!?", value)
        )
    if re.fullmatch(r"[0-9a-f]{32,}|[0-9A-F]{32,}", value):
        return bits(value) >= 3.2
    words = re.fullmatch(r"(?:[A-Za-z]+|\d{1,4})(?:[-_.:][A-Za-z]+|[-_.:]\d{1,4})*", value)
    return len(value) >= 20 and bits(value) >= 3.7 and not words and sum(map(str.isdigit, value)) >= 2


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
