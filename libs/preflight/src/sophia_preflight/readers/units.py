"""Units of systemd: the commands that they start."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from sophia_preflight.text import UNKNOWN

_EXEC = frozenset(
    {"ExecStart", "ExecStartPre", "ExecStartPost", "ExecStop", "ExecStopPost", "ExecReload", "ExecCondition"}
)


@dataclass(frozen=True)
class UnitCommand:
    """A command of a unit, in its words; `tolerated` if it may fail."""

    pieces: tuple[str, ...]
    line: int
    column: int
    tolerated: bool


def commands(text: str) -> Iterator[UnitCommand]:
    """The commands of a unit, in order; what systemd puts in for a specifier is unknown, but for `%h`."""
    for name, value, line, column in settings(text):
        if name not in _EXEC:
            continue
        command = value.lstrip("@-:+!|")
        prefix = value[: len(value) - len(command)]
        try:
            pieces = shlex.split(re.sub(r"%(?!h/)[a-zA-Z]", UNKNOWN, command))
        except ValueError:
            continue
        if pieces:
            yield UnitCommand(tuple(pieces), line, column + len(prefix), "-" in prefix)


def settings(text: str) -> Iterator[tuple[str, str, int, int]]:
    """Each setting of a unit: its name, its value in one line, and where that begins."""
    lines = text.split("\n")
    index = 0
    while index < len(lines):
        start, line = index, lines[index]
        while line.endswith("\\") and index + 1 < len(lines):
            index += 1
            line = line[:-1] + " " + lines[index].strip()
        index += 1
        if match := re.match(r"\s*([A-Za-z]+)\s*=\s*(.*\S)", line):
            yield match[1], match[2], start + 1, match.start(2) + 1
