"""Text that is known in part: how the value of a word is written down while nobody runs the program.

A value is an ordinary string in which characters from Unicode's private area stand for what only a run would tell:
`ROOT` at its beginning is the repository's root, `CWD` the directory that the caller happened to be in, `UNKNOWN` any
text, `MANY` any number of words. So values are joined, split and compared as strings are, and a value without
`UNKNOWN` and `MANY` is known.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass

ROOT = "\ue100"
CWD = "\ue101"
UNKNOWN = "\ue102"
MANY = "\ue103"
PAD = "\ue104"
"""Takes the place of dropped text, so that columns still fit; never part of a value."""
FIRST_PLACEHOLDER = 0xE200
LAST_PLACEHOLDER = 0xF7FF
_OURS = re.compile("[\ue100-\uf7ff]")
_SHOWN = {ROOT: ".", CWD: ".", UNKNOWN: "…", MANY: "…", PAD: ""}


def named(text: str) -> frozenset[str]:
    """A set of words, written as a text."""
    return frozenset(text.split())


def is_known(value: str) -> bool:
    return UNKNOWN not in value and MANY not in value


def shown(value: str) -> str:
    """For people: what is unknown is an ellipsis."""
    for mark, text in ((ROOT + "/", ""), (CWD + "/", ""), *_SHOWN.items()):
        value = value.replace(mark, text)
    return value


def plain(text: str) -> str:
    """Foreign text without the characters that mean something here."""
    return text if text.isascii() else _OURS.sub("\ufffd", text)


def joined(directory: str, path: str) -> str:
    """`path` as seen from `directory`, both values; absolute paths stay, `.` and `..` are resolved where known."""
    if path[:1] in ("/", ROOT, CWD):
        return normal(path)
    if path[:1] in (UNKNOWN, MANY, "~"):
        return normal(UNKNOWN + path[1:])
    return normal(f"{directory}/{path}" if path not in ("", ".") else directory)


def normal(path: str) -> str:
    """Without `.`, `//` and resolvable `..`; what climbs above an unknown place is unknown."""
    head, rest = (path[0], path[1:]) if path[:1] in (ROOT, CWD, UNKNOWN, MANY) else ("", path)
    if "." not in rest and "//" not in rest:
        return (head + rest).rstrip("/") or ("/" if path.startswith("/") else head)
    absolute = rest.startswith("/") and not head
    parts: list[str] = []
    for part in rest.split("/"):
        if part in ("", "."):
            continue
        if part == ".." and parts and parts[-1] != "..":
            parts.pop()
        elif part == ".." and (absolute or head in (UNKNOWN, MANY)):
            continue
        else:
            parts.append(part)
    inner = "/".join(parts)
    if head:
        return f"{head}/{inner}" if inner else head
    return f"/{inner}" if absolute else inner or "."


def upward(directory: str) -> Iterator[str]:
    """A directory of the repository and those around it, the inner ones first; without the root."""
    while directory:
        yield directory
        directory = posixpath.dirname(directory)


def in_repository(path: str) -> str | None:
    """The path relative to the root, for a known value below `ROOT`; `.` is the root itself."""
    if not path.startswith(ROOT) or not is_known(path):
        return None
    inner = posixpath.normpath(path[1:].lstrip("/") or ".")
    return None if inner.startswith("..") else inner


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a command: its value, where it stands, whether a default was assumed, whether it is a pattern."""

    value: str
    line: int = 1
    column: int = 1
    assumed: bool = False
    glob: bool = False

    @property
    def known(self) -> bool:
        return is_known(self.value) and not self.glob

    @property
    def many(self) -> bool:
        return MANY in self.value or self.glob
