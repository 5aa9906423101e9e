"""Secret values out of what people see: logs, reports, error messages.

A value is also found where it was base64-encoded (alone or inside a longer text, as in basic authentication),
percent-encoded, or escaped as JSON; of a value of several lines each line of 8 characters or more too, because logs
break lines. Other transformations (hex, hashes, compression, a value printed in pieces) are not found.
Values shorter than 4 characters are not masked: `on` or `42` would black out everything, and say nothing.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

MASK = "***"
SHORTEST = 4
SHORTEST_LINE = 8


def mask(text: str, values: Iterable[str]) -> str:
    """`text` with every occurrence of a value replaced by `***`; occurrences that overlap become one."""
    masker = Masker(values)
    return masker.feed(text) + masker.flush()


class Masker:
    """The same for a stream: a value is found across the borders of chunks, and the result does not depend on them.

    `feed` returns what is surely no part of a value and holds the rest back until it is decided.
    """

    def __init__(self, values: Iterable[str]) -> None:
        self._needles = sorted({needle for value in values for needle in forms(value)})
        self._text = ""
        self._covered = 0  # characters at the start of `_text` whose mask was written already

    def feed(self, chunk: str) -> str:
        self._text += chunk
        return self._written(self._undecided())

    def flush(self) -> str:
        """What was held back. At the end of the stream."""
        return self._written(len(self._text))

    def _written(self, end: int) -> str:
        """Write the text before `end` and forget it."""
        out: list[str] = []
        at = self._covered
        covered = self._covered
        for start, stop in _united(self._found(), self._covered):
            if start >= end:
                break
            if start >= self._covered:
                out.append(self._text[at:start] + MASK)
            at = covered = stop
        if at < end:
            out.append(self._text[at:end])
        self._text = self._text[end:]
        self._covered = max(covered - end, 0)
        return "".join(out)

    def _found(self) -> Iterator[tuple[int, int]]:
        for needle in self._needles:
            start = self._text.find(needle)
            while start >= 0:
                yield start, start + len(needle)
                start = self._text.find(needle, start + 1)

    def _undecided(self) -> int:
        """Where the text may go on to be a value."""
        earliest = len(self._text)
        for needle in self._needles:
            start = max(len(self._text) - len(needle) + 1, 0)
            while (start := self._text.find(needle[0], start, earliest)) >= 0:
                if needle.startswith(self._text[start:]):
                    earliest = start
                    break
                start += 1
        return earliest


def forms(value: str) -> frozenset[str]:
    """Every text under which `value` is looked for; empty when it is too short."""
    if len(value) < SHORTEST:
        return frozenset()
    lines = [line for line in value.splitlines() if len(line) >= SHORTEST_LINE] if "\n" in value else []
    found = {value, quote(value), quote(value, safe=""), quote_plus(value), json.dumps(value)[1:-1], *lines}
    found.add(json.dumps(value, ensure_ascii=False)[1:-1])
    found.update(_encoded(value.encode("utf-8", "surrogatepass")))
    return frozenset(form for form in found if len(form) >= SHORTEST)


def _encoded(raw: bytes) -> Iterator[str]:
    """Base64 at each of the three offsets at which the value may begin, without the characters its neighbours share."""
    for offset in range(3):
        text = base64.b64encode(b"\0" * offset + raw).rstrip(b"=").decode("ascii")
        whole = (offset + len(raw)) % 3 == 0
        inner = text[(0, 2, 3)[offset] : len(text) if whole else -1]
        if len(inner) >= SHORTEST:
            yield inner
            yield inner.replace("+", "-").replace("/", "_")


def _united(found: Iterable[tuple[int, int]], covered: int) -> Iterator[tuple[int, int]]:
    """Intervals in order, overlapping ones joined; the first may go on from what is covered already."""
    start, stop = (0, covered) if covered else (-1, -1)
    for begin, end in sorted(found):
        if begin < stop:
            stop = max(stop, end)
            continue
        if stop >= 0:
            yield start, stop
        start, stop = begin, end
    if stop >= 0:
        yield start, stop
