"""Where the repository's own servers listen when nobody tells them otherwise, and who asks for them on this machine.

A port is listened to wherever its number stands otherwise than in an address that somebody asks: as a default, in a
command, published, in a page. Whoever asks for a number that stands nowhere but in such addresses gets no answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sophia_preflight.model import Place
from sophia_preflight.standing import Standing, standing

if TYPE_CHECKING:
    from sophia_preflight.context import Context

_ADDRESS = re.compile(
    r"(?:(?P<scheme>[a-z]+)://(?:[^@/\s'\"`]*@)?(?!0\.0\.0\.0)(?P<any>[\w.-]+)|(?<![\w.-])(?P<bare>localhost|127\.0\.0\.1))"
    r":(?P<port>\d{4,5})(?![\d:])(?P<path>(?:/[\w.{}$-]*)*)"
)
_HERE = re.compile(r"localhost|127\.0\.0\.1|host\.docker\.internal")
_BINDS = re.compile(
    r"\b(bind|listen|addr|host|runserver|serve|server|-b|-a|-l|-S|-p)\b[\"']?[ =:\t\"'(,]*$", re.IGNORECASE
)
"""What stands before an address at which somebody listens."""
_DEFAULT = re.compile(
    r"(?<![\w.-])[\"'-]*(?:(?:http|server|api|listen|web|bind)[_-]?)?port[\"']?\s*"
    r"(?::\s*(?:\w+|Annotated\[(?:[^\]]|\n){0,300}\])\s*=\s*|=\s*|,(?:[^()\n]|\n\s*){0,60}?default\s*=\s*)"
    r"(?:(?:\w+\.)*\w+\((?:[^()]{0,60}?default\s*=\s*|\s*[\"']\w+[\"']\s*,\s*|\s*)|int\((?:\w+\.)*\w+\([\"']\w+[\"'],\s*)?"
    r"[\"']?(?P<port>\d{4,5})(?!\d)",
    re.IGNORECASE,
)
_SOURCE = re.compile(r"\.py$")
_UNREAD = re.compile(
    r"(^|/)(package-lock\.json|[\w.-]+\.lock|pnpm-lock\.yaml|go\.sum|[^/]*\.(min\.js|map|svg|csv|ipynb))$"
    r"|(^|/)\.(?!github|gitlab|circleci|devcontainer|vscode|env)[^/]+/"
)
_CHANGES = re.compile(r"(^|/)(changelog|changes|history|news)[^/]*$", re.IGNORECASE)
"""Where what once was is told."""
_ASIDE = (Standing.TEST, Standing.VENDORED, Standing.ARCHIVED)
_MOST_BYTES = 400_000
_FRAMEWORKS = {
    "8000": re.compile(
        r"\buvicorn\s+[\w.-]+:\w+(?![^\n]*--port)|\b(runserver|http\.server|mkdocs serve|fastapi (dev|run))\b"
    ),
    "5000": re.compile(r"\bflask\b[^\n]*\brun\b|\bmlflow\b"),
    "8888": re.compile(r"\bjupyter\b"),
}
"""What listens to a port without a word about it."""


@dataclass(frozen=True)
class Asked:
    """An address on this machine that somebody asks: the port, the path, and what stands before it in its line."""

    port: str
    path: str
    before: str
    place: Place


def defaults(context: Context) -> dict[str, Place]:
    """The ports that the repository's own servers in Python listen to by themselves."""
    found: dict[str, Place] = {}
    for path in context.repository.entries:
        if _SOURCE.search(path) and standing(path) is Standing.PRODUCT:
            text = context.repository.glimpse(path)
            for match in _DEFAULT.finditer(text) if "port" in text else ():
                found.setdefault(match["port"], Place(path, text.count("\n", 0, match.start("port")) + 1))
    return found


class Numbers:
    """Every number that somebody asks on this machine, and whether it stands anywhere else."""

    def __init__(self, context: Context) -> None:
        self.texts = {
            path: context.repository.glimpse(path)
            for path, entry in context.repository.entries.items()
            if entry.size < _MOST_BYTES and not _UNREAD.search(path) and standing(path) not in _ASIDE
        }

    def asked(self) -> Iterator[Asked]:
        for path, text in self.texts.items():
            for match in _ADDRESS.finditer(text) if _HERE.search(text) else ():
                if _HERE.fullmatch(match["any"] or match["bare"]) and not _binds(text, match):
                    start = text.rfind("\n", 0, match.start()) + 1
                    place = Place(path, text.count("\n", 0, start) + 1, match.start("port") - start + 1)
                    yield Asked(match["port"], match["path"], text[start : match.start()], place)

    def is_heard(self, port: str) -> bool:
        """Whether a number stands anywhere but in addresses that are asked, or a server listens to it by itself."""
        number = re.compile(rf"(?<![\w.]){port}(?![\w.])")
        usual = _FRAMEWORKS.get(port)
        for path, text in self.texts.items():
            if _CHANGES.search(path):
                continue
            if usual is not None and usual.search(text):
                return True
            if port in text:
                asked = {match.start("port") for match in _ADDRESS.finditer(text) if not _binds(text, match)}
                if any(match.start() not in asked for match in number.finditer(text)):
                    return True
        return False


def _binds(text: str, match: re.Match[str]) -> bool:
    return _BINDS.search(text[text.rfind("\n", 0, match.start()) + 1 : match.start()]) is not None
