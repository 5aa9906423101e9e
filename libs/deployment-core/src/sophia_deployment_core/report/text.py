"""Words of a report: foreign text made harmless, and numbers as people read them. Pure.

`plain` is the border: whatever a service, a person or a commit said goes through it once. What comes out is one line
that no terminal, page or text direction can be led astray by; escaping for HTML or Markdown is the renderers' part.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

LONGEST = 2_000
"""Characters of one text; more is cut and says so."""

_COLOUR = re.compile(r"\x1b\[[0-9;:]*m|\x1b\[K")
_CODE = re.compile(r"`([^`]+)`")
_HARMFUL = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # control codes
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # text direction
    "\u2028\u2029\ufeff"  # line separators, byte order mark
    "\ud800-\udfff]"  # halves of surrogate pairs
)


def plain(value: object, *, longest: int = LONGEST) -> str:
    """One line of harmless text: colours dropped, line ends and every other control code made visible."""
    text = "" if value is None else str(value)
    if len(text) > 4 * longest:
        text = text[: 4 * longest]
    text = _COLOUR.sub("", text)
    text = text.replace("\t", "    ").replace("\r\n", " ⏎ ").replace("\n", " ⏎ ")
    if len(text) > longest:
        text = f"{text[:longest]}…"
    return _HARMFUL.sub(_visible, text)


def _visible(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"


Mask = Callable[[str], str]
"""Takes secrets out of a text."""


class Said:
    """Foreign text at the border: secrets masked, then made harmless."""

    def __init__(self, mask: Mask) -> None:
        self._mask = mask

    def __call__(self, value: object, *, longest: int = LONGEST) -> str:
        return plain(self._mask("" if value is None else str(value)), longest=longest)


def parts(text: str) -> Iterator[tuple[str, bool]]:
    """The pieces of a sentence in order, each with whether it stands in backticks (given without them)."""
    end = 0
    for match in _CODE.finditer(text):
        if match.start() > end:
            yield text[end : match.start()], False
        yield match[1], True
        end = match.end()
    if end < len(text):
        yield text[end:], False


# --- numbers --------------------------------------------------------------------------------------------------------


def duration(milliseconds: int) -> str:
    """`8.2 s`, `4 min 12 s`, `2 h 5 min`: two units at most."""
    if milliseconds < 1_000:
        return f"{max(milliseconds, 0)} ms"
    if milliseconds < 59_950:
        return f"{milliseconds / 1000:.1f} s"
    seconds = (milliseconds + 500) // 1000
    for size, smaller, names in ((86_400, 3_600, ("d", "h")), (3_600, 60, ("h", "min")), (60, 1, ("min", "s"))):
        if seconds >= size:
            first, rest = divmod(seconds, size)
            second = rest // smaller
            return f"{first} {names[0]} {second} {names[1]}" if second else f"{first} {names[0]}"
    raise AssertionError


def count(number: int) -> str:
    return f"{number:,}"


def several(number: int, noun: str) -> str:
    """`1 request`, `4,210 requests`."""
    return f"{count(number)} {noun}" if number == 1 else f"{count(number)} {noun}s"


def share(part: int, whole: int) -> str:
    """A percentage that is `0 %` only for none and `100 %` only for all."""
    if whole <= 0 or part <= 0:
        return "0 %"
    percent = 100 * part / whole
    if percent < 0.01:
        return "< 0.01 %"
    if part < whole and percent > 99.99:
        return "> 99.99 %"
    return f"{percent:.2f} %" if percent < 1 else f"{percent:.1f} %"


def moment(at_ms: int) -> str:
    """Wall time for people, in UTC."""
    try:
        return f"{datetime.fromtimestamp(at_ms // 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (ValueError, OverflowError, OSError):
        return f"{at_ms} ms since 1970"


def latency(microseconds: int) -> str:
    return f"{microseconds / 1000:.1f} ms" if microseconds < 100_000 else duration(microseconds // 1000)


# --- facts of any shape ---------------------------------------------------------------------------------------------
# A journal of another version may lack a fact or have it in another form; a report leaves such a fact out.


def mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def listing(value: object) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else ()


def whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
