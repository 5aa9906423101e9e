"""What a message asks for, beside an answer. Pure.

remember that the train leaves on Thursday      keeps it
forget that the train leaves on Thursday        forgets exactly that; `forget #7` the memory of that number
check this: ```python … ```                     looks at the code
/call ai-memory.recall {"query": "train"}       calls any tool of the gateway; a line of its own
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

_REMEMBER = re.compile(r"(?:please\s+)?remember(?:\s*:\s*|\s+that\s+|\s+)(?P<text>\S.*)", re.IGNORECASE | re.DOTALL)
_FORGET = re.compile(r"(?:please\s+)?forget(?:\s*:\s*|\s+that\s+|\s+)(?P<text>\S.*)", re.IGNORECASE | re.DOTALL)
_NUMBER = re.compile(r"#(\d{1,15})")
_CODE = re.compile(r"```(?P<language>[A-Za-z0-9]*)[ \t]*\n(?P<code>.*?)(?:```|\Z)", re.DOTALL)
_LOOK = re.compile(
    r"\b(check|review|lint|analy[sz]e|scan|inspect|quality|secur\w*|safe|wrong|problems?|bugs?|mistakes?)\b",
    re.IGNORECASE,
)
_CALL = re.compile(r"^/call[ \t]+(?P<tool>\S+)[ \t]*(?P<arguments>.*)$", re.MULTILINE)
CALLS = 5
"""More calls than these in one message are left out."""


@dataclass(frozen=True, slots=True)
class Remember:
    text: str


@dataclass(frozen=True, slots=True)
class Forget:
    """By its exact text, or by its number where that is not None."""

    text: str
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Check:
    code: str


@dataclass(frozen=True, slots=True)
class Call:
    """`arguments` is None where what was written is no JSON object."""

    tool: str
    arguments: dict[str, Any] | None


Wish = Remember | Forget | Check | Call


def wishes(message: str) -> tuple[Wish, ...]:
    """What to do before the answer, in order; empty where the message is only a question."""
    message = message.strip()
    if calls := tuple(_call(match) for match in _CALL.finditer(message)):
        return calls[:CALLS]
    if kept := _told(_REMEMBER, message):
        return (Remember(kept),)
    if gone := _told(_FORGET, message):
        number = _NUMBER.fullmatch(gone)
        return (Forget(gone, int(number[1]) if number else None),)
    code = _CODE.search(message)
    if code and code["code"].strip() and _LOOK.search(without_code(message)):
        return (Check(code["code"]),)
    return ()


def without_code(message: str) -> str:
    """The message without its fenced code, as one looks for memories with it."""
    return _CODE.sub(" ", message).strip()


def _told(pattern: re.Pattern[str], message: str) -> str:
    """What is to be kept or forgotten. A question (`remember when …?`) asks, and tells nothing."""
    match = pattern.fullmatch(message)
    return "" if match is None or message.endswith("?") else match["text"].strip().strip('"“”').strip()


def _call(match: re.Match[str]) -> Call:
    try:
        arguments = json.loads(match["arguments"] or "{}")
    except ValueError:
        arguments = None
    return Call(match["tool"], arguments if isinstance(arguments, dict) else None)
