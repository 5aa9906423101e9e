"""Who found what: findings against labels.

A finding counts for a defect when it is shown where the defect is, or names that line among its places. A line beside
is good enough when nothing is known of it (a command over several lines). Blocking and for no defect is a false alarm;
so is blocking on a trap. Blocking for a defect that does not block is told apart, as too heavy.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from benchmarks.check.corpus import Defect, Planted, Spot


@dataclass(frozen=True)
class Found:
    """What a tool says: whether it blocks, in which words, and where; the first place is where it is shown."""

    blocking: bool
    said: str
    spots: tuple[Spot, ...]
    severity: str = ""


@dataclass
class Score:
    """Of one repository: defects by name, false alarms as they were said."""

    planted: int = 0
    found: dict[str, Found] = field(default_factory=dict)
    missed: list[Defect] = field(default_factory=list)
    alarms: list[Found] = field(default_factory=list)
    heavier: list[tuple[Defect, Found]] = field(default_factory=list)
    families: dict[int, tuple[int, int]] = field(default_factory=dict)

    @property
    def recall(self) -> float:
        return len(self.found) / self.planted if self.planted else 1.0

    @property
    def precision(self) -> float:
        said = len(self.found) + len(self.alarms)
        return len(self.found) / said if said else 1.0


def score(planted: Planted, findings: Iterable[Found]) -> Score:
    """The blocking findings against the blocking defects."""
    result = Score(planted=len(planted.blocking))
    for each in findings:
        if not each.blocking:
            continue
        defects = _meant(planted, each)
        if not defects:
            result.alarms.append(each)
        for defect in defects:
            if defect.blocking:
                result.found.setdefault(defect.name, each)
            else:
                result.heavier.append((defect, each))
    result.missed = [each for each in planted.blocking if each.name not in result.found]
    for defect in planted.blocking:
        found, all_of = result.families.get(defect.family, (0, 0))
        result.families[defect.family] = (found + (defect.name in result.found), all_of + 1)
    return result


def _meant(planted: Planted, finding: Found) -> list[Defect]:
    shown = finding.spots[0]
    if at := planted.defects_at(shown):
        return at
    if shown in planted.traps:
        return []
    for spot in finding.spots[1:]:
        if at := planted.defects_at(spot):
            return at
    for line in (shown.line - 1, shown.line + 1):
        if at := planted.defects_at(Spot(shown.path, line)):
            return at
    return []


def total(scores: Iterable[Score]) -> Score:
    """All of them as one."""
    result = Score()
    for number, each in enumerate(scores):
        result.planted += each.planted
        result.found |= {f"{number} {name}": found for name, found in each.found.items()}
        result.missed += each.missed
        result.alarms += each.alarms
        result.heavier += each.heavier
        for family, (found, all_of) in each.families.items():
            before = result.families.get(family, (0, 0))
            result.families[family] = (before[0] + found, before[1] + all_of)
    return result
