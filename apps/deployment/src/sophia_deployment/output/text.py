"""Words, tables and colours. Pure.

The report has words of its own for the same things; importing it would take longer than `sophia status` may.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence

LONGEST = 2_000
"""Characters of one text of somebody else; more is cut and says so."""
GAP = "  "
STATES = {
    "done": "green",
    "steady": "green",
    "ok": "green",
    "rolling out": "cyan",
    "running": "cyan",
    "queued": "cyan",
    "rolled back": "yellow",
    "needs you": "yellow",
    "cancelled": "yellow",
    "held": "yellow",
    "degraded": "yellow",
    "warn": "yellow",
    "failed": "red",
    "bad": "red",
    "down": "dim",
    "empty": "dim",
}
"""The colour of every state that is shown."""

_CODES = {"bold": 1, "dim": 2, "red": 31, "green": 32, "yellow": 33, "cyan": 36}
_PAINTED = re.compile("\x1b\\[[0-9;:]*m|\x1b\\[K")
_HARMFUL = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # control codes
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # text direction
    "\u2028\u2029\ufeff"  # line separators, byte order mark
    "\ud800-\udfff]"  # halves of surrogate pairs
)


def near(word: str, words: Collection[str]) -> str | None:
    """`did you mean …?`, if one of `words` is like `word`."""
    from difflib import get_close_matches

    found = get_close_matches(word, words, n=1, cutoff=0.6)
    return f"did you mean `{found[0]}`?" if found else None


def plain(value: object, *, longest: int = LONGEST) -> str:
    """One line that no terminal can be led astray by: colours dropped, every other control code made visible."""
    text = "" if value is None else str(value)
    text = _PAINTED.sub("", text[: 4 * longest]).replace("\t", "    ").rstrip("\r\n")
    text = text.replace("\r\n", " ⏎ ").replace("\n", " ⏎ ")
    if len(text) > longest:
        text = f"{text[:longest]}…"
    return _HARMFUL.sub(_visible, text)


def _visible(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"


def duration(milliseconds: int) -> str:
    """`850 ms`, `8.2 s`, `4 min 12 s`, `2 h 5 min`: two units at most."""
    if milliseconds < 1_000:
        return f"{max(milliseconds, 0)} ms"
    if milliseconds < 59_950:
        return f"{milliseconds / 1000:.1f} s".replace(".0 s", " s")
    minutes, seconds = divmod((milliseconds + 500) // 1000, 60)
    hours, minutes = divmod(minutes, 60)
    parts = (f"{hours} h", f"{minutes} min" if minutes else "") if hours else (f"{minutes} min", f"{seconds} s")
    return " ".join(part for part in parts if part and part != "0 s")


def several(number: int, noun: str) -> str:
    """`1 request`, `4,210 requests`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def paint(text: str, style: str, *, color: bool) -> str:
    """`text` in a colour of `_CODES`, where colours are wanted."""
    return f"\x1b[{_CODES[style]}m{text}\x1b[0m" if color and style in _CODES and text else text


def table(rows: Iterable[Sequence[str]], *, heads: Sequence[str] = (), indent: str = "") -> list[str]:
    """Lines with aligned columns, without trailing blanks; columns that are empty everywhere are left out."""
    cells = [list(row) for row in rows]
    used = [at for at in range(len(cells[0]) if cells else 0) if any(row[at] for row in cells)]
    shown = [[row[at] for at in used] for row in cells]
    if heads and cells:
        shown.insert(0, [heads[at].upper() for at in used])
    widths = [max(len(_bare(row[at])) for row in shown) for at in range(len(used))]
    return [indent + _joined(row, widths) for row in shown]


def _joined(row: Sequence[str], widths: Sequence[int]) -> str:
    padded = (cell + " " * (width - len(_bare(cell))) for cell, width in zip(row, widths, strict=True))
    return GAP.join(padded).rstrip()


def _bare(text: str) -> str:
    return _PAINTED.sub("", text)


def ago(then_ms: int | None, now_ms: int) -> str:
    """`12 min`: how long ago, in one unit."""
    if then_ms is None:
        return ""
    seconds = max(now_ms - then_ms, 0) // 1000
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def clock(at_ms: int) -> str:
    """Local wall time with its offset, as logs have it."""
    from datetime import datetime

    return datetime.fromtimestamp(at_ms / 1000).astimezone().isoformat(" ", "seconds")


def short(commit: str | None) -> str:
    return plain(commit)[:8]
