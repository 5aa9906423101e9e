"""Which version of Python a text needs, as far as its grammar says, and which versions a project says it runs on."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass

Version = tuple[int, int]
_TYPE_PARAMETERS = re.compile(r"^\s*(?:type\s+\w+\s*(?:\[.*\])?\s*=|(?:async\s+)?def\s+\w+\s*\[|class\s+\w+\s*\[)")
_PYTHON_2 = re.compile(
    r"Missing parentheses in call to|leading zeros in decimal|invalid decimal literal|multiple exception types must be"
)
_PYTHON_2_LINE = re.compile(
    r"^\s*print\s+[\"'%\w]|^\s*print\s*>>|^\s*except\s+[\w.()\s,]+,\s*[a-z_]\w*\s*:|^\s*raise\s+[\w.]+\s*,|<>|\bur[\"']"
    r"|^\s*exec\s+[\"'\w]|`[^`]+`|\b0[0-7]+\b|\b\d+L\b"
)
_LATER_F_STRING = re.compile(r"\b(?:[rR]?[fF]|[fF][rR])[\"'](?:[^\"'{]|\{\{|\{[^{}\"']*\})*\{[^{}\"']*(?:$|[\"']\\)")
"""An f-string with an expression that goes over lines, or has the f-string's own quotes and a backslash."""
_BOUND = re.compile(r"(?P<sign>[~=!<>^]{0,3})\s*v?(?P<major>\d+)(?:\.(?P<minor>\d+))?")


@dataclass(frozen=True, slots=True)
class Need:
    """The oldest version whose grammar knows the text, and the place that says so."""

    version: Version
    what: str
    line: int


def newer_need(message: str, line_text: str, line: int) -> Need | None:
    """What a text that does not parse here needs, where the fault looks like the grammar of a later version."""
    if _TYPE_PARAMETERS.search(line_text):
        return Need((3, 12), "type parameters are", line)
    if sys.version_info < (3, 12) and (message.startswith("f-string") or _LATER_F_STRING.search(line_text)):
        return Need((3, 12), "such an f-string is", line)
    if "multiple exception types" in message and not _PYTHON_2_LINE.search(line_text):
        return Need((3, 14), "`except` without parentheses is", line)
    if re.search(r"\bt[\"']", line_text) and "invalid syntax" in message:
        return Need((3, 14), "a template string is", line)
    return None


def is_python_2(message: str, line_text: str) -> bool:
    """Whether a fault is the grammar of Python 2."""
    return bool(_PYTHON_2_LINE.search(line_text)) or (
        bool(_PYTHON_2.search(message)) and "multiple exception types" not in message
    )


def oldest_allowed(specifier: str) -> Version | None:
    """The oldest version of Python 3 that a specifier such as `>=3.9,<4` lets in; None where it does not say."""
    lowest: Version | None = None
    for part in re.split(r"[,\s]+(?=[~=!<>^\d])", specifier.split("||")[0].strip()):
        match = _BOUND.match(part.strip())
        if match is None or match["sign"] not in ("", ">=", "~=", "==", "===", ">", "^", "~"):
            continue
        found = (int(match["major"]), int(match["minor"] or 0))
        if match["sign"] == ">" and match["minor"]:
            found = (found[0], found[1] + (0 if part.count(".") > 1 else 1))
        lowest = found if lowest is None or found > lowest else lowest
    return lowest
