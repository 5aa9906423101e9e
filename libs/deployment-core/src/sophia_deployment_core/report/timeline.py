"""The picture of a run: steps as bars on a time axis, as an SVG that stands alone, and as text. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby, pairwise

from sophia_deployment_core.report.axis import Axis, axis
from sophia_deployment_core.report.facts import Bar, Facts
from sophia_deployment_core.report.style import PICTURE
from sophia_deployment_core.report.text import duration

MOST_ROWS = 60
"""More steps than this are drawn one verb a row."""


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

WIDTH, LABELS, RIGHT, ROW = 1000, 190, 70, 24
BAND, HEAD = 40, 34
"""Heights: who answers (of runs that move traffic), and the axis with its labels."""


def svg(facts: Facts) -> str:
    """The picture as one `<svg>` element with its own style; empty if no step was begun."""
    if not facts.bars:
        return ""
    lines = rows(facts.bars)
    picture = _Picture(facts, axis(instants(facts)), len(lines))
    body = [
        picture.ground(),
        *picture.release_band(),
        *picture.marks(),
        *picture.grid(),
        *(part for index, row in enumerate(lines) for part in picture.row(row, picture.top + index * ROW)),
        *picture.breaks(),
    ]
    return "\n".join([f"{picture.opening()}<style>{PICTURE}</style>", *body, "</svg>"])


def described(facts: Facts) -> str:
    """The picture in words, for those who do not see it."""
    words = [f"Timeline of run {facts.number}: {len(facts.bars)} attempts of steps in {duration(facts.took_ms)}."]
    start = facts.started_ms if facts.started_ms is not None else facts.submitted_ms
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

    def __init__(self, facts: Facts, scale: Axis, rows: int) -> None:
        self.facts, self.scale = facts, scale
        self.origin = scale.stretches[0].start_ms
        self.moves = facts.kind in ("deploy", "rollback")
        self.top = HEAD + (BAND if self.moves else 0)
        self.bottom = self.top + ROW * rows

    def opening(self) -> str:
        size = f'viewBox="0 0 {WIDTH} {self.bottom + 12}"'
        name = f'role="img" aria-label="{escape(described(self.facts))}"'
        return f'<svg class="timeline" xmlns="http://www.w3.org/2000/svg" {size} {name}>'

    def ground(self) -> str:
        """What it is drawn on, with a margin for who shows it alone: elsewhere the page may be of another colour."""
        return f'<rect class="ground" x="-16" y="-16" width="{WIDTH + 32}" height="{self.bottom + 44}"/>'

    def x(self, at_ms: int) -> float:
        return round(LABELS + self.scale.at(at_ms) * (WIDTH - LABELS - RIGHT), 1)

    def grid(self) -> list[str]:
        parts = []
        for time in self.scale.ticks(apart=0.1):
            x = self.x(self.origin + time)
            parts.append(f'<path class="grid" d="M{x} {self.top - 6}V{self.bottom}"/>')
            parts.append(_centred(x, self.top - 12, "quiet over", _tick(time)))
        return parts

    def release_band(self) -> list[str]:
        """Who answered, over time: all traffic moves at once, so the band has hard borders."""
        facts = self.facts
        if not self.moves:
            return []
        parts = ['<text class="quiet" x="0" y="28">who answers</text>']
        moved = [at_ms for at_ms in (facts.switched_ms, facts.back_ms) if at_ms is not None]
        edges = [self.origin, *moved, facts.until_ms]
        before = (facts.previous or "nothing", "old", "")
        looks = [before, (facts.release, "new", "on-new"), before]
        for (start, end), (name, look, on) in zip(pairwise(edges), looks, strict=False):
            left, right = self.x(start), self.x(end)
            parts.append(_box(left, 14, right - left, 20, look))
            if right - left > 7 * len(name) + 8:
                parts.append(_centred(round((left + right) / 2, 1), 28, on, name))
        return parts

    def row(self, row: Row, y: int) -> list[str]:
        label = row.label if len(row.label) <= 28 else f"{row.label[:27]}…"
        parts = [f'<text x="0" y="{y + 16}">{escape(label)}</text>']
        for bar in row.bars:
            left, right = self.x(bar.started_ms), self.x(bar.ended_ms)
            parts.append(_box(left, y + 5, max(right - left, 3), 14, tone(bar), _told(bar)))
        last = row.bars[-1]
        mark = _MARKS.get(last.outcome, " ↩" if last.phase == "undo" else "")
        end = round(max(self.x(bar.ended_ms) for bar in row.bars) + 6, 1)
        parts.append(f'<text class="quiet over" x="{end}" y="{y + 16}">{duration(last.took_ms)}{mark}</text>')
        return parts

    def marks(self) -> list[str]:
        parts = []
        for at_ms, word, look in ((self.facts.switched_ms, "SWITCH", "switch"), (self.facts.back_ms, "BACK", "undo")):
            if at_ms is not None:
                x = self.x(at_ms)
                parts.append(f'<path class="mark {look}" d="M{x} 12V{self.bottom}"/>')
                parts.append(_centred(x, 9, f"strong {look}", word))
        return parts

    def breaks(self) -> list[str]:
        """Where the axis is shortened: a gap across all rows with the true time."""
        parts = []
        for stretch in self.scale.stretches:
            if stretch.broken:
                x = round((self.x(stretch.start_ms) + self.x(stretch.end_ms)) / 2, 1)
                top = self.top - 5
                zigzag = " ".join(f"l{dx} 6" for dx in [4, -4] * ((self.bottom - top + 6) // 12))
                parts.append(f'<path class="gap" d="M{x - 5} {top}h10V{self.bottom}h-10z"/>')
                parts.append(f'<path class="break" d="M{x - 5} {top}{zigzag} M{x + 3} {top}{zigzag}"/>')
                parts.append(_centred(x, self.top - 26, "quiet over", duration(stretch.end_ms - stretch.start_ms)))
        return parts


def _box(x: float, y: int, width: float, height: int, look: str, title: str = "") -> str:
    told = f"<title>{escape(title)}</title>" if title else ""
    size = f'x="{x}" y="{y}" width="{max(width, 1):.1f}" height="{height}" rx="2"'
    return f'<rect class="{look}" {size}>{told}</rect>'


def _centred(x: float, y: int, look: str, text: str) -> str:
    return f'<text class="{look}" x="{x}" y="{y}" text-anchor="middle">{escape(text)}</text>'


def _tick(time_ms: int) -> str:
    """A round time on the axis: `0`, `500 ms`, `1.5 s`, `9 h 10 s`."""
    if time_ms < 1_000:
        return f"{time_ms} ms" if time_ms else "0"
    words, rest = [], time_ms
    for size, name in ((86_400_000, "d"), (3_600_000, "h"), (60_000, "min")):
        count, rest = divmod(rest, size)
        words += [f"{count} {name}"] if count else []
    return " ".join([*words, *([f"{rest / 1000:g} s"] if rest else [])])


def _told(bar: Bar) -> str:
    undone = "undo of " if bar.phase == "undo" else ""
    attempt = f", attempt {bar.attempt}" if bar.attempt > 1 else ""
    note = f". {bar.note}" if bar.note else ""
    return f"{undone}{bar.step}{attempt}: {bar.outcome} after {duration(bar.took_ms)}{note}"


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
