"""Following a run: a live region under a normal log on a terminal, plain lines elsewhere, groups in GitHub Actions.

The live region is a few lines at the bottom that vanish at the end; what happened stays above them as ordinary lines.
It never takes the alternate screen, and whatever was on the terminal before stays in its scroll-back.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Self

from sophia_deployment.output.console import Console
from sophia_deployment.output.progress import Line, Progress
from sophia_deployment.output.text import duration, paint, plain, several

if TYPE_CHECKING:
    from rich.console import Console as Terminal
    from rich.live import Live
    from rich.text import Text

    from sophia_deployment.build.progress import Progress as Building

_TONES = {"": "", "good": "green", "bad": "red", "warn": "yellow", "dim": "dim"}
_MARKS = {"healthy": "green", "serving": "green", "waits": "dim"}
COUNT_SECONDS = 1.0
Counted = Callable[[], tuple[int, int] | None]
"""Requests and errors of a release at the edge; None when nobody knows."""
REFRESHES = 8
"""Pictures of the live region a second."""


class Log:
    """Plain lines of what changed, each with the time since the run was submitted. Also the base of the others."""

    def __init__(self, console: Console, progress: Progress) -> None:
        self._console = console
        self._progress = progress

    def __enter__(self) -> Self:
        self._write(title(self._progress))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        pass

    def lines(self, lines: Iterable[Line]) -> None:
        """What happened."""
        for line in lines:
            since = max(line.at_ms - self._progress.submitted_ms, 0) / 1000
            self._write(f"{since:7.1f} s  {self._console.on_err(line.text, _TONES[line.tone])}")

    def note(self, text: str) -> None:
        """Something about the way to the engine, not about the run."""
        self._write(self._console.on_err(f"           {text}", "dim"))

    def _write(self, text: str) -> None:
        self._console.say(text)


class Actions(Log):
    """In GitHub Actions: one group a run."""

    def __enter__(self) -> Self:
        self._console.say(f"::group::{title(self._progress)}")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._console.say("::endgroup::")


class Region(Log):
    """On a terminal."""

    _terminal: Terminal
    _live: Live

    def __init__(self, console: Console, progress: Progress, counted: Counted) -> None:
        super().__init__(console, progress)
        self._counted = counted
        self._over = threading.Event()

    def __enter__(self) -> Self:
        from rich.console import Console as Terminal
        from rich.live import Live

        self._terminal = Terminal(stderr=True, no_color=not self._console.color(sys.stderr), highlight=False)
        self._live = Live(
            console=self._terminal,
            transient=True,
            refresh_per_second=REFRESHES,
            get_renderable=self._picture,
            redirect_stdout=False,
            redirect_stderr=False,
            vertical_overflow="crop",
        )
        self._live.start()
        threading.Thread(target=self._count, daemon=True).start()
        return super().__enter__()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        self._live.stop()

    def _count(self) -> None:
        """While the release is watched: how many requests it answered since, and how many of them were errors."""
        first: tuple[int, int] | None = None
        while not self._over.wait(COUNT_SECONDS):
            now = self._counted() if self._progress.watching else None
            first = first or now
            if first is not None and now is not None:
                self._progress.seen = (now[0] - first[0], now[1] - first[1])

    def _write(self, text: str) -> None:
        from rich.text import Text

        self._terminal.print(Text.from_ansi(text), soft_wrap=True)

    def _picture(self) -> Text:
        from rich.text import Text

        width = self._terminal.width
        color = self._console.color(sys.stderr)
        lines = picture(self._progress, now_ms=time.time_ns() // 1_000_000, room=self._terminal.height // 2)
        shown = [paint(text[: width - 1], style, color=color) for text, style in lines]
        return Text.from_ansi("\n".join(shown))


@contextmanager
def building(console: Console, *, quiet: bool = False) -> Iterator[Callable[[Building], None]]:
    """Yields whom to tell of a build's progress: a line each, with the time since it began; one group in CI.

    `quiet`: one line when all of it is built, and one if it has to wait. What failed says so itself.
    """
    began, is_group = time.monotonic(), bool(os.environ.get("GITHUB_ACTIONS")) and not quiet

    def tell(progress: Building) -> None:
        if quiet and progress.phase != "waiting":
            return
        took = f" in {duration(progress.took_ms)}" if progress.phase == "built" else ""
        console.say(f"{time.monotonic() - began:7.1f} s  {plain(progress.said)}{took}")

    if is_group:
        console.say("::group::build")
    try:
        yield tell
        if quiet:
            console.say(f"{time.monotonic() - began:7.1f} s  built")
    finally:
        if is_group:
            console.say("::endgroup::")


def view(console: Console, progress: Progress, counted: Counted) -> Log:
    """The one that fits where the output goes. `counted` tells what the edge counted of the run's release so far."""
    if console.live:
        return Region(console, progress, counted)
    return Actions(console, progress) if os.environ.get("GITHUB_ACTIONS") else Log(console, progress)


def title(progress: Progress) -> str:
    """`deploy #17 in local: 3f2a9c41d0e1`."""
    number = f" #{progress.number}" if progress.number else ""
    release = f": {progress.release}" if progress.release else ""
    return f"{progress.kind}{number} in {progress.environment}{release}".strip()


def picture(progress: Progress, *, now_ms: int, room: int) -> list[tuple[str, str]]:
    """The live region's lines with their styles, at most `room`."""
    elapsed = duration(max(now_ms - progress.submitted_ms, 0)) if progress.submitted_ms else ""
    lines = [(f"{title(progress)}  {_phase(progress, now_ms)}  {elapsed}", "bold")]
    if not progress.watching:
        services = progress.services()
        widest = max((len(name) for name, _ in services), default=0)
        lines += [(f"  {name.ljust(widest)}  {state}", _MARKS.get(state, "")) for name, state in services]
    if len(lines) > max(room, 3):
        lines = [*lines[: max(room, 3) - 1], (f"  … and {len(lines) - max(room, 3) + 1} more", "dim")]
    return lines


def _phase(progress: Progress, now_ms: int) -> str:
    if progress.going_back:
        return "going back"
    watch = progress.watching
    if watch is not None:
        seconds, of = max(now_ms - watch.started_ms, 0) // 1000, int(watch.args.get("watch_ms", 0)) // 1000
        seen = progress.seen
        requests = f", {several(seen[0], 'request')}, {several(seen[1], 'error')}" if seen else ""
        return f"watching, {seconds} of {of} s{requests}"
    if progress.queued:
        return "queued"
    return f"{progress.done} of {len(progress.steps)} steps"
