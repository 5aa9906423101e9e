"""The repositories that the check is scored against: written by hand, labelled line by line.

A repository is one text file in `repositories/`. Its first line says what it is; `=== PATH` begins a file (`PATH/` an
empty folder). What stands in `⟦…⟧` at the end of a line is its label and is not written:

    ⟦high 1 seed-script-moved⟧   a defect: its severity, its family (numbers of the specification) and name
    ⟦also seed-script-moved⟧     another line where that defect may be shown: the callee, a command's first line
    ⟦trap made-by-heredoc⟧       looks like a defect and is none: a blocking finding here is a false alarm
    ⟦⟧                           nothing; it keeps what looks like a token apart, so that this repository holds none

A `→` at the begin of a line is written as a tab. What begins with `#!` is made executable.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

REPOSITORIES = Path(__file__).parent / "repositories"
BLOCKING = ("critical", "high")
SEVERITIES = (*BLOCKING, "medium", "low", "info")

_LABEL = re.compile(r" *⟦([^⟧]*)⟧")
_HEAD = "=== "


@dataclass(frozen=True)
class Spot:
    """A line of a file, counted from 1."""

    path: str
    line: int


@dataclass
class Defect:
    """Something planted; `spots` are the lines where showing it counts, the first where it is."""

    name: str
    severity: str
    family: int
    spots: list[Spot]

    @property
    def blocking(self) -> bool:
        return self.severity in BLOCKING


@dataclass
class Planted:
    """A repository of the corpus, and what is known about its lines."""

    name: str
    about: str
    files: dict[str, str] = field(default_factory=dict)
    defects: dict[str, Defect] = field(default_factory=dict)
    traps: dict[Spot, str] = field(default_factory=dict)

    @property
    def blocking(self) -> list[Defect]:
        return [each for each in self.defects.values() if each.blocking]

    def defects_at(self, spot: Spot) -> list[Defect]:
        return [each for each in self.defects.values() if spot in each.spots]

    def write(self, root: Path) -> None:
        for path, content in self.files.items():
            target = root / path
            if path.endswith("/"):
                target.mkdir(parents=True, exist_ok=True)
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(content, encoding="utf-8")
            if content.startswith("#!"):
                target.chmod(0o755)


def corpus() -> list[Planted]:
    """All repositories, by name."""
    return [read(path) for path in sorted(REPOSITORIES.glob("*.txt"))]


def read(path: Path) -> Planted:
    """A repository from its text. Raises `ValueError` where a label makes no sense."""
    about, *lines = path.read_text(encoding="utf-8").splitlines()
    planted = Planted(path.stem, about)
    also: list[tuple[str, Spot]] = []
    for name, content in _files(lines):
        written = []
        for number, line in enumerate(content, start=1):
            for label in _LABEL.findall(line):
                _note(planted, also, label, Spot(name, number))
            bare = _LABEL.sub("", line)
            written.append("\t" + bare[1:] if bare.startswith("→") else bare)
        planted.files[name] = "".join(f"{line}\n" for line in written)
    for label, spot in also:
        if label not in planted.defects:
            raise ValueError(f"{path.name}: `also {label}` at {spot.path}:{spot.line} names no defect")
        planted.defects[label].spots.append(spot)
    return planted


def _files(lines: list[str]) -> Iterator[tuple[str, list[str]]]:
    name, content = "", list[str]()
    for line in lines:
        if line.startswith(_HEAD):
            if name:
                yield name, content
            name, content = line.removeprefix(_HEAD), []
        else:
            content.append(line)
    if name:
        yield name, content


def _note(planted: Planted, also: list[tuple[str, Spot]], label: str, spot: Spot) -> None:
    match label.split():
        case []:
            return
        case ["trap", name]:
            planted.traps[spot] = name
        case ["also", name]:
            also.append((name, spot))
        case [severity, family, name] if severity in SEVERITIES:
            known = planted.defects.setdefault(name, Defect(name, severity, int(family), []))
            known.spots.append(spot)
        case _:
            raise ValueError(f"{planted.name}: {spot.path}:{spot.line} has a label that says nothing: {label}")
