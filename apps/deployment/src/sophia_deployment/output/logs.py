"""What instances wrote, read from their files. Works with a dead engine: instances write their files themselves.

    api-3f2a9c41d0e1-0.log   .log.1  .log.2  .log.3      service, workload, instance number; older parts, oldest last
    envoy.log                                            the edge proxy, shown as the service `edge`

Lines are masked and made harmless by `Shown`; nothing else here changes them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from sophia_deployment.output.text import plain

EDGE = "edge"
RECENT_SECONDS = 3600
"""Of a service's files those are shown that were written to at most so long before its newest."""
LONGEST = 16_384
"""Characters of one shown line."""
_BLOCK = 64 * 1024
_NAME = re.compile(r"(?P<service>[a-z][a-z0-9-]*)-(?P<workload>[0-9a-f]{6,64})-(?P<number>\d+)\.log")
_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?")


@dataclass(frozen=True)
class Source:
    """One instance's file with its older parts."""

    path: Path
    service: str
    workload: str = ""
    number: int = 0

    @property
    def name(self) -> str:
        return f"{self.service}-{self.number}" if self.workload else self.service

    @property
    def written(self) -> float:
        try:
            return self.path.stat().st_mtime
        except OSError:
            return 0.0

    def parts(self) -> list[Path]:
        """Its files, newest first."""
        older = (self.path.with_name(f"{self.path.name}.{number}") for number in range(1, 10))
        return [path for path in (self.path, *older) if path.is_file()]


def sources(directory: Path, *, service: str | None = None, number: int | None = None) -> list[Source]:
    """The files of an environment that match, of each service the recent ones, longest untouched first."""
    found = [source for path in directory.glob("*.log") if (source := _source(path)) is not None]
    if service is None:
        found = [source for source in found if source.service != EDGE]
    found = [s for s in found if service in (None, s.service) and number in (None, s.number)]
    newest: dict[str, float] = {}
    for source in found:
        newest[source.service] = max(newest.get(source.service, 0.0), source.written)
    recent = [source for source in found if source.written >= newest[source.service] - RECENT_SECONDS]
    return sorted(recent, key=lambda source: (source.written, source.name))


def services(directory: Path) -> list[str]:
    """Which services have logs here."""
    found = (_source(path) for path in directory.glob("*.log"))
    return sorted({source.service for source in found if source is not None})


def _source(path: Path) -> Source | None:
    if path.name == "envoy.log":
        return Source(path, EDGE)
    match = _NAME.fullmatch(path.name)
    return Source(path, match["service"], match["workload"], int(match["number"])) if match else None


# --- reading --------------------------------------------------------------------------------------------------------


def last_lines(source: Source, count: int, *, end: int | None = None) -> list[str]:
    """The last `count` lines of an instance, older parts included; of its newest part what stands before `end`."""
    found: list[str] = []
    for path in source.parts():
        found = _tail(path, count - len(found), end if path == source.path else None) + found
        if len(found) >= count:
            break
    return found


def _tail(path: Path, count: int, end: int | None) -> list[str]:
    try:
        with path.open("rb") as file:
            at, data = file.seek(0, 2) if end is None else end, b""
            while at > 0 and data.count(b"\n") <= count:
                step = min(_BLOCK, at)
                at -= step
                file.seek(at)
                data = file.read(step) + data
    except OSError:
        return []
    lines = data.decode("utf-8", "replace").split("\n")
    return (lines if lines[-1] else lines[:-1])[-count:] if count > 0 else []


def since(lines: Iterable[str], moment: datetime, *, written: float) -> Iterator[str]:
    """Lines from `moment` on. A line without a time goes with the one before it; a file without any, with its last
    change (`written`, seconds since 1970)."""
    inside = None
    held = list(lines)
    if not any(time_of(line) for line in held):
        yield from held if written >= moment.timestamp() else ()
        return
    for line in held:
        at = time_of(line)
        inside = at >= moment if at is not None else bool(inside)
        if inside:
            yield line


def time_of(line: str) -> datetime | None:
    """The time that a line says at or near its beginning; without an offset it is taken as UTC."""
    match = _TIME.search(line[:200])
    if match is None:
        return None
    try:
        found = datetime.fromisoformat(match[0].replace(",", "."))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


@dataclass
class Follower:
    """Whole lines that are appended to a file from `at` on; a file that was rotated is read from its start again."""

    source: Source
    at: int
    rest: bytes = b""

    @classmethod
    def from_end(cls, source: Source) -> Follower:
        """From the last line on that is not whole yet."""
        with source.path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(size - LONGEST * 4, 0))
            unfinished = file.read(size).rpartition(b"\n")[2]
        return cls(source, size - len(unfinished))

    def new_lines(self) -> list[str]:
        """What was appended since the last call."""
        try:
            with self.source.path.open("rb") as file:
                size = file.seek(0, 2)
                if size < self.at:
                    self.at, self.rest = 0, b""
                file.seek(self.at)
                data = file.read(max(size - self.at, 0))
        except OSError:
            return []
        self.at += len(data)
        *lines, self.rest = (self.rest + data).split(b"\n")
        if len(self.rest) > LONGEST * 4:
            lines, self.rest = [*lines, self.rest], b""
        return [line.decode("utf-8", "replace") for line in lines]


@dataclass
class Shown:
    """Lines as they may be shown: secrets masked, control codes visible, the instance's name in front."""

    mask: Callable[[str], str]
    paint: Callable[[str, str], str]
    widest: int = 0
    _colours: dict[str, str] = field(default_factory=dict)

    def line(self, source: Source, text: str) -> str:
        self.widest = max(self.widest, len(source.name))
        colour = self._colours.setdefault(source.name, _CYCLE[len(self._colours) % len(_CYCLE)])
        return f"{self.paint(source.name.ljust(self.widest), colour)} | {self.harmless(text)}"

    def harmless(self, text: str) -> str:
        return plain(self.mask(text.rstrip("\r")), longest=LONGEST)


_CYCLE = ("cyan", "yellow", "green", "dim")
