"""A time axis that is shortened where nothing happens. Pure.

A stretch in which nothing begins or ends (a long watch, a night of waiting for a person) would squeeze all else
together, so it gets no more than its share of the axis, and whoever draws it is told that it is broken there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

LARGEST_SHARE = 0.45
"""Of the axis, for one stretch in which nothing happens."""
ROUNDS = 40
"""Two long stretches hide each other; each round brings both nearer to their share."""
BROKEN = 1.5
"""Shortening by less than this factor is not worth it: the axis stays true, and unbroken."""
TICKS_MS = tuple(base * unit for unit in (1, 10, 100, 1_000, 10_000, 60_000, 600_000, 3_600_000) for base in (1, 2, 5))


@dataclass(frozen=True)
class Stretch:
    """A piece of the axis: from `start_ms` to `end_ms`, drawn from `left` to `right` (shares of the whole, 0 to 1)."""

    start_ms: int
    end_ms: int
    left: float
    right: float
    broken: bool


@dataclass(frozen=True)
class Axis:
    stretches: tuple[Stretch, ...]

    def at(self, at_ms: int) -> float:
        """Where a time lies, 0 to 1; times outside lie at the border."""
        for stretch in self.stretches:
            if at_ms <= stretch.end_ms:
                inside = max(at_ms - stretch.start_ms, 0) / max(stretch.end_ms - stretch.start_ms, 1)
                return stretch.left + inside * (stretch.right - stretch.left)
        return 1.0

    def ticks(self, *, apart: float) -> list[int]:
        """Round times from the start of the axis, at least `apart` (a share of the whole) from each other."""
        whole = [stretch for stretch in self.stretches if not stretch.broken]
        spread = sum(stretch.right - stretch.left for stretch in whole)
        lasted = sum(stretch.end_ms - stretch.start_ms for stretch in whole)
        if not spread or not lasted:
            return [0]
        step = next((tick for tick in TICKS_MS if tick / lasted * spread >= apart), lasted)
        origin, found, last = self.stretches[0].start_ms, [0], 0.0
        for stretch in whole:
            first = -(-(stretch.start_ms - origin) // step) * step
            for time in range(first, min(stretch.end_ms - origin, first + 100 * step) + 1, step):
                at = self.at(origin + time)
                if time and at - last >= apart * 0.9:
                    found.append(time)
                    last = at
        return found


def axis(times: Iterable[int]) -> Axis:
    """The axis over these instants, shortened where nothing happens for very long."""
    known = sorted(set(times))
    if len(known) < 2:
        known = [known[0] if known else 0, (known[0] if known else 0) + 1]
    lengths = [float(end - start) for start, end in pairwise(known)]
    shown = _shortened(lengths)
    total, left, stretches = sum(shown), 0.0, []
    for (start, end), length, width in zip(pairwise(known), lengths, shown, strict=True):
        right = min(left + width / total, 1.0)
        stretches.append(Stretch(start, end, left, right, broken=length / width > BROKEN))
        left = right
    return Axis(tuple(stretches))


def _shortened(lengths: Sequence[float]) -> list[float]:
    """Each length, those cut that would take more than their share of what is shown then."""
    shown = list(lengths)
    longest = sorted(range(len(shown)), key=lambda index: -lengths[index])[:3]
    for _ in range(ROUNDS):
        for index in longest:
            others = sum(shown) - shown[index]
            if others:
                shown[index] = min(shown[index], others * LARGEST_SHARE / (1 - LARGEST_SHARE))
    return [length if length <= width * BROKEN else width for length, width in zip(lengths, shown, strict=True)]
