"""The picture of a run: steps as bars on a time axis, as an SVG that stands alone, and as text. Pure.

A stretch in which nothing begins or ends (a long watch, a night of waiting for a person) would squeeze all else
together, so the axis is shortened there, drawn broken, and labelled with how long it really was.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby, pairwise

from sophia_deployment_core.report.facts import Bar, Facts
from sophia_deployment_core.report.style import PICTURE
from sophia_deployment_core.report.text import duration

LARGEST_SHARE = 0.45
"""Of the axis, for one stretch in which nothing happens."""
ROUNDS = 40
"""Two long stretches hide each other; each round brings both nearer to their share."""
BROKEN = 1.5
"""An axis shortened by less than this factor is not worth a mark."""
MOST_ROWS = 60
"""More steps than this are drawn one verb a row."""
TICKS_MS = tuple(base * unit for unit in (1, 10, 100, 1_000, 10_000, 60_000, 600_000, 3_600_000) for base in (1, 2, 5))


# --- geometry -------------------------------------------------------------------------------------------------------


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
    return shown


@dataclass(frozen=True)
class Row:
    label: str
    bars: tuple[Bar, ...]


def rows(bars: Sequence[Bar]) -> list[Row]:
    """One row a step in the order of their beginnings; of very many steps, one row a verb."""
    by_verb = len({bar.step for bar in bars}) > MOST_ROWS
    found: dict[str, list[Bar]] = {}
    for bar in bars:
        found.setdefault(bar.verb if by_verb else bar.step, []).append(bar)
    return [Row(_label(name, own, by_verb), tuple(own)) for name, own in found.items()]


def _label(name: str, bars: Sequence[Bar], by_verb: bool) -> str:
    steps = len({bar.step for bar in bars})
    return f"{name} × {steps}" if by_verb and steps > 1 else name


def instants(facts: Facts) -> list[int]:
    """Every time that the picture shows."""
    times = [facts.until_ms, facts.started_ms if facts.started_ms is not None else facts.submitted_ms]
    for bar in facts.bars:
        times += [bar.started_ms, bar.ended_ms]
    return times


def tone(bar: Bar) -> str:
    """What a bar is drawn like: its outcome first, then the way back, then what kind of step it is."""
    if bar.outcome in ("failed", "ended", "lost"):
        return "failed" if bar.outcome == "failed" else "lost"
    if bar.phase == "undo":
        return "undo"
    return _TONES.get(bar.verb, "work")


_TONES = {
    "verify": "check",
    "smoke": "check",
    "candidate": "check",
    "room": "check",
    "switch": "switch",
    "watch": "watch",
}
_MARKS = {"failed": " ✕", "lost": " …", "ended": " …", "running": " ▸"}
LEGEND = {
    "work": "preparing, starting, stopping",
    "check": "checking",
    "switch": "the switch",
    "watch": "watching",
    "undo": "going back",
    "failed": "failed",
    "lost": "cut short",
}


# --- SVG ------------------------------------------------------------------------------------------------------------

WIDTH, LABELS, RIGHT, ROW, TOP = 1000, 190, 70, 24, 74


def svg(facts: Facts) -> str:
    """The picture as one `<svg>` element with its own style; empty if no step was begun."""
    if not facts.bars:
        return ""
    lines, scale = rows(facts.bars), axis(instants(facts))
    bottom = TOP + ROW * len(lines)
    picture = _Picture(facts, scale, bottom)
    body = [
        *picture.grid(),
        *picture.release_band(),
        *(part for index, row in enumerate(lines) for part in picture.row(row, TOP + index * ROW)),
        *picture.marks(),
        *picture.breaks(),
    ]
    title = f"Timeline of run {facts.number}: {len(facts.bars)} attempts of steps in {duration(facts.took_ms)}"
    return (
        f'<svg class="timeline" viewBox="0 0 {WIDTH} {bottom + 12}" role="img" xmlns="http://www.w3.org/2000/svg" '
        f'aria-label="{escape(title)}. {escape(described(facts))}"><style>{PICTURE}</style>\n'
        + "\n".join(body)
        + "\n</svg>"
    )


def described(facts: Facts) -> str:
    """The picture in words, for those who do not see it."""
    start = facts.started_ms if facts.started_ms is not None else facts.submitted_ms
    words = []
    if facts.switched_ms is not None:
        words.append(f"Traffic was moved after {duration(facts.switched_ms - start)}.")
    if facts.back_ms is not None:
        words.append(f"It was moved back after {duration(facts.back_ms - start)}.")
    failed = list(dict.fromkeys(bar.step for bar in facts.bars if bar.outcome == "failed"))
    if failed:
        words.append(f"Failed: {', '.join(failed)}.")
    return " ".join(words)


class _Picture:
    """The parts of the SVG, in the order in which they are drawn."""

    def __init__(self, facts: Facts, scale: Axis, bottom: int) -> None:
        self.facts, self.scale, self.bottom = facts, scale, bottom
        self.origin = scale.stretches[0].start_ms

    def x(self, at_ms: int) -> float:
        return round(LABELS + self.scale.at(at_ms) * (WIDTH - LABELS - RIGHT), 1)

    def grid(self) -> list[str]:
        parts = []
        for time in self.scale.ticks(apart=0.1):
            x = self.x(self.origin + time)
            parts.append(f'<path class="grid" d="M{x} {TOP - 6}V{self.bottom}"/>')
            parts.append(f'<text class="quiet" x="{x}" y="{TOP - 12}" text-anchor="middle">{_tick(time)}</text>')
        return parts

    def release_band(self) -> list[str]:
        """Who answered, over time: all traffic moves at once, so the band has hard borders."""
        facts = self.facts
        if facts.switched_ms is None:
            return []
        parts = ['<text class="quiet" x="0" y="27">who answers</text>']
        edges = [
            self.origin,
            facts.switched_ms,
            *([facts.back_ms] if facts.back_ms is not None else []),
            facts.until_ms,
        ]
        names = [facts.previous or "nothing", facts.release, facts.previous or "nothing"]
        for index, ((start, end), name) in enumerate(zip(pairwise(edges), names, strict=False)):
            left, right = self.x(start), self.x(end)
            tone = "new" if index == 1 else "old"
            parts.append(f'<rect class="{tone}" x="{left}" y="14" width="{max(right - left, 1):.1f}" height="20"/>')
            if right - left > 7 * len(name) + 8:
                on = ' class="on-new"' if index == 1 else ""
                parts.append(
                    f'<text{on} x="{(left + right) / 2:.1f}" y="28" text-anchor="middle">{escape(name)}</text>'
                )
        return parts

    def row(self, row: Row, y: int) -> list[str]:
        label = row.label if len(row.label) <= 28 else f"{row.label[:27]}…"
        parts = [f'<text x="0" y="{y + 16}">{escape(label)}</text>']
        for bar in row.bars:
            left, right = self.x(bar.started_ms), self.x(bar.ended_ms)
            width = max(right - left, 3)
            parts.append(
                f'<rect class="{tone(bar)}" x="{left}" y="{y + 5}" width="{width:.1f}" height="14" rx="2">'
                f"<title>{escape(_told(bar))}</title></rect>"
            )
        last = row.bars[-1]
        mark = {"failed": " ✕", "lost": " …", "ended": " …", "running": " ▸"}.get(
            last.outcome, " ↩" if last.phase == "undo" else ""
        )
        end = max(self.x(bar.ended_ms) for bar in row.bars) + 6
        parts.append(f'<text class="quiet" x="{end:.1f}" y="{y + 16}">{duration(last.took_ms)}{mark}</text>')
        return parts

    def marks(self) -> list[str]:
        parts = []
        for at_ms, word, tone in ((self.facts.switched_ms, "SWITCH", "switch"), (self.facts.back_ms, "BACK", "undo")):
            if at_ms is not None:
                x = self.x(at_ms)
                parts.append(f'<path class="mark {tone}" d="M{x} 12V{self.bottom}"/>')
                parts.append(f'<text class="strong {tone}" x="{x}" y="9" text-anchor="middle">{word}</text>')
        return parts

    def breaks(self) -> list[str]:
        """Where the axis is shortened: a gap across all rows with the true time."""
        parts = []
        for stretch in self.scale.stretches:
            if stretch.broken:
                x = round((self.x(stretch.start_ms) + self.x(stretch.end_ms)) / 2, 1)
                zigzag = " ".join(f"l{dx} 6" for dx in [4, -4] * ((self.bottom - TOP + 11) // 12))
                parts.append(f'<path class="gap" d="M{x - 5} {TOP - 5}h10V{self.bottom}h-10z"/>')
                parts.append(f'<path class="break" d="M{x - 5} {TOP - 5}{zigzag} M{x + 3} {TOP - 5}{zigzag}"/>')
                lasted = duration(stretch.end_ms - stretch.start_ms)
                parts.append(f'<text class="quiet" x="{x}" y="{TOP - 26}" text-anchor="middle">{lasted}</text>')
        return parts


def _tick(time_ms: int) -> str:
    """A round time on the axis, in its largest unit."""
    for size, name in ((86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s")):
        if time_ms >= size:
            return f"{time_ms / size:g} {name}"
    return f"{time_ms} ms" if time_ms else "0"


def _told(bar: Bar) -> str:
    undone = "undo of " if bar.phase == "undo" else ""
    attempt = f", attempt {bar.attempt}" if bar.attempt > 1 else ""
    return f"{undone}{bar.step}{attempt}: {bar.outcome} after {duration(bar.took_ms)}" + (
        f". {bar.note}" if bar.note else ""
    )


# --- text -----------------------------------------------------------------------------------------------------------

COLUMNS = 48
_GLYPHS = {"work": "▬", "check": "▬", "switch": "◆", "watch": "░", "undo": "◀", "failed": "✕", "lost": "…"}


def text(facts: Facts) -> list[str]:
    """The same picture in characters, a line a row."""
    scale = axis(instants(facts))
    lines = rows(facts.bars)
    wide = min(max((len(row.label) for row in lines), default=0), 32)
    return [_line(row, scale, wide) for row in lines]


def _line(row: Row, scale: Axis, wide: int) -> str:
    cells = [" "] * COLUMNS
    for bar in row.bars:
        start = min(int(scale.at(bar.started_ms) * COLUMNS), COLUMNS - 1)
        end = max(min(round(scale.at(bar.ended_ms) * COLUMNS), COLUMNS), start + 1)
        cells[start:end] = [_GLYPHS[tone(bar)]] * (end - start)
    lasted = " + ".join(
        duration(sum(bar.took_ms for bar in own)) for _, own in groupby(row.bars, lambda bar: bar.phase)
    )
    return f"{row.label[:wide]:<{wide}} │{''.join(cells)}│ {lasted}"
