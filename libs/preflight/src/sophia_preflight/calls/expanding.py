"""What follows from words alone: what a few commands print, what `${name%pattern}` leaves, what braces stand for."""

from __future__ import annotations

import fnmatch
import operator
import posixpath
import re
from collections.abc import Callable, Sequence

from sophia_preflight.text import MANY, ROOT, UNKNOWN, Word, is_known, joined


def printed(words: Sequence[Word], directory: str) -> str | None:
    values = [word.value for word in words]
    operands = [value for value in values[1:] if not value.startswith("-")]
    match values:
        case ["pwd", *_]:
            return directory
        case ["dirname", *_] if operands:
            return _dirname(operands[0])
        case ["basename", *_] if operands and is_known(operands[0]):
            base = posixpath.basename(operands[0].rstrip("/"))
            return base.removesuffix(operands[1]) if len(operands) > 1 else base
        case ["realpath" | "readlink", *_] if operands:
            return joined(directory, operands[-1])
        case ["echo", *_] if operands:
            return " ".join(operands)
        case ["git", "rev-parse", "--show-toplevel", *_]:
            return ROOT
        case ["which" | "command", *_] if operands and is_known(operands[-1]):
            return operands[-1]
        case _:
            return None


def _dirname(value: str) -> str:
    head, slash, _ = value.rstrip("/").rpartition("/")
    if slash:
        return head or "/"
    return UNKNOWN if value[:1] in (UNKNOWN, MANY) else "."


def stripped(value: str, operator: str, pattern: str) -> str:
    """`${value#pattern}` and its three kin; what is unknown stays so."""
    if not is_known(value) and operator in ("##", "%%"):
        return UNKNOWN
    lengths = range(len(value) + 1)
    longest = len(operator) == 2
    for length in reversed(lengths) if longest else lengths:
        piece = value[:length] if operator[0] == "#" else value[len(value) - length :]
        if fnmatch.fnmatchcase(piece, pattern):
            return value[length:] if operator[0] == "#" else value[: len(value) - length]
    return value


def line(words: Sequence[Word]) -> str:
    """Words as one text, which is the same words again where nothing quotes it: `command=$@; $command`."""
    return " ".join(word.value for word in words)


def braces(value: str) -> list[str]:
    found = re.search(r"\{([^{}]*,[^{}]*)\}", value)
    if not found:
        return [value if not re.search(r"\{\d+\.\.\d+\}", value) else MANY]
    return [
        inner for each in found[1].split(",") for inner in braces(value[: found.start()] + each + value[found.end() :])
    ]


_COMPARED: dict[str, Callable[[int, int], bool]] = {
    "-eq": operator.eq, "-ne": operator.ne, "-lt": operator.lt, "-le": operator.le, "-gt": operator.gt,
    "-ge": operator.ge, "=": operator.eq, "==": operator.eq, "!=": operator.ne,
}  # fmt: skip


def holds(test: Sequence[str]) -> bool | None:
    """Whether a test of known words holds; None for a test that is none of the plain ones."""
    match test:
        case ["-z", value]:
            return not value
        case ["-n", value]:
            return bool(value)
        case [one, sign, two] if one.isdigit() and two.isdigit() and sign in _COMPARED:
            return _COMPARED[sign](int(one), int(two))
        case _:
            return None
