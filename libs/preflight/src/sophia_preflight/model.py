"""What a check finds: the words that rules, outputs, baselines and callers share.

Severity is by what happens, not by taste: `CRITICAL` a deployment or production start that somebody runs fails, `HIGH`
a build, a workflow, a service or a documented command that somebody runs fails, or a secret is exposed; these two are
blocking. `MEDIUM` works but is fragile or unsafe; `LOW` and `INFO` are the rest. A guess never blocks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Literal


class Severity(StrEnum):
    """By what happens; the order is by weight, the heaviest first."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    INFO = "info"

    @property
    def rank(self) -> int:
        return list(Severity).index(self)

    def at_most(self, limit: Severity) -> Severity:
        """This severity, or `limit` where this one is heavier."""
        return limit if self.rank < limit.rank else self


class Confidence(StrEnum):
    """How sure the finding is: `CERTAIN` follows from the files, `LIKELY` from them and a convention, `GUESS` not."""

    CERTAIN = "certain"
    LIKELY = "likely"
    GUESS = "guess"

    @property
    def rank(self) -> int:
        return list(Confidence).index(self)

    def at_most(self, limit: Confidence) -> Confidence:
        """This confidence, or `limit` where this one is surer."""
        return limit if self.rank < limit.rank else self


@dataclass(frozen=True, order=True, slots=True)
class Place:
    """A position in a file of the repository: path relative to its root, line and column counted from 1."""

    path: str
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Involved:
    """A place with its part in the finding: `call`, `callee`, `declaration`, …"""

    place: Place
    role: str


@dataclass(frozen=True, slots=True)
class Edit:
    """Replace the text between two columns of one line; columns count from 1, `end` is exclusive."""

    path: str
    line: int
    start: int
    end: int
    text: str


@dataclass(frozen=True)
class Finding:
    """One defect. `anchor` says what is wrong in words that survive line moves; `blocks` what fails because of it."""

    rule: str
    severity: Severity
    confidence: Confidence
    message: str
    why: str
    fix: str
    places: tuple[Involved, ...]
    anchor: str
    blocks: str = ""
    edits: tuple[Edit, ...] = ()
    ordinal: int = 0

    @property
    def place(self) -> Place:
        """Where a person would begin to look."""
        return self.places[0].place

    @property
    def id(self) -> str:
        """Stable as long as the same thing is wrong in the same file, wherever its line moves."""
        said = "\0".join((self.rule, self.place.path, self.anchor, str(self.ordinal)))
        return hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()[:12]

    @property
    def blocking(self) -> bool:
        return self.severity in (Severity.CRITICAL, Severity.HIGH) and self.confidence is not Confidence.GUESS

    @property
    def order(self) -> tuple[int, int, Place, str, str]:
        return (self.severity.rank, self.confidence.rank, self.place, self.rule, self.anchor)


Tree = Mapping[str, str]
"""An example repository: path -> text."""


Resort = Literal[0, 1, 2, 3]
"""How little a rule understands of what it tells: 0 both ends; 1 texts, whatever their grammar; 2 what was changed
where something is asked for; 3 that two texts differ, of either end of which no other rule may tell."""


@dataclass(frozen=True)
class Rule:
    """What a rule is about, for people: its defaults, and the words that `explain` shows."""

    id: str
    title: str
    severity: Severity
    why: str
    fix: str
    family: str
    resort: Resort = 0
    """When it is asked: 0 always, higher for what no rule of a lower one tells of the same place."""

    def found(
        self,
        message: str,
        *places: Place | Involved,
        anchor: str,
        severity: Severity | None = None,
        confidence: Confidence = Confidence.CERTAIN,
        why: str | None = None,
        fix: str | None = None,
        blocks: str = "",
        edits: Sequence[Edit] = (),
    ) -> Finding:
        """A finding of this rule; the first place is where it is shown, without a role it is the `call`."""
        involved = tuple(each if isinstance(each, Involved) else Involved(each, "here") for each in places)
        return Finding(
            self.id,
            severity or self.severity,
            confidence,
            message,
            why if why is not None else self.why,
            fix if fix is not None else self.fix,
            involved,
            anchor,
            blocks,
            tuple(edits),
        )


class Verdict(StrEnum):
    CLEAN = "clean"
    BLOCKED = "blocked"
    INCOMPLETE = "incomplete"


EXIT = {Verdict.CLEAN: 0, Verdict.BLOCKED: 1, Verdict.INCOMPLETE: 7}
USAGE_EXIT = 2


@dataclass(frozen=True)
class NotAssessed:
    """Something that was not looked at; `required` makes the verdict incomplete."""

    what: str
    because: str
    required: bool = False


class Lacking(StrEnum):
    """Why there is nothing to compare a tree with."""

    REPOSITORY = "no-repository"
    GIT = "no-answer"
    COMMITS = "no-commits"
    EARLIER = "first-commit"
    FETCHED = "clone-of-one-commit"
    ALIKE = "too-different"
    REVISION = "no-such-revision"


@dataclass(frozen=True)
class Compared:
    """What a tree was compared with, to see what changes took away: the revision, and how many `commits` back it is
    where the check chose it itself; or what is lacking."""

    revision: str = ""
    commits: int = 0
    lacking: Lacking | None = None


@dataclass(frozen=True)
class Suppressed:
    """A finding that a baseline accepts, with who accepts it, why and until when."""

    finding: Finding
    reason: str
    owner: str
    expires: str


@dataclass(frozen=True)
class Report:
    """The outcome of one check; findings are sorted and numbered."""

    root: str
    findings: tuple[Finding, ...]
    not_assessed: tuple[NotAssessed, ...] = ()
    suppressed: tuple[Suppressed, ...] = ()
    files: int = 0
    seconds: float = 0.0
    cached: bool = False
    sources: Mapping[str, str] = field(default_factory=dict, repr=False)
    compared: Compared | None = None
    """None where no rule that was asked looks at the past."""

    @property
    def blocking(self) -> tuple[Finding, ...]:
        return tuple(each for each in self.findings if each.blocking)

    @property
    def verdict(self) -> Verdict:
        if self.blocking:
            return Verdict.BLOCKED
        return Verdict.INCOMPLETE if any(each.required for each in self.not_assessed) else Verdict.CLEAN

    @property
    def exit(self) -> int:
        return EXIT[self.verdict]


def settled(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """In stable order, repetitions dropped, what shares an anchor numbered, what a file is told twice put together."""
    seen: dict[tuple[str, Place, str], Finding] = {}
    for each in findings:
        key = (each.rule, each.place, each.anchor)
        if key not in seen or each.order < seen[key].order:
            seen[key] = each
    counted: dict[tuple[str, str, str], int] = {}
    numbered = []
    for each in sorted(seen.values(), key=lambda one: (one.place, one.rule, one.anchor)):
        same = (each.rule, each.place.path, each.anchor)
        counted[same] = counted.get(same, -1) + 1
        numbered.append(replace(each, ordinal=counted[same]))
    return tuple(sorted(_together(numbered), key=lambda one: one.order))


def _together(findings: Sequence[Finding]) -> Iterator[Finding]:
    """Findings that say the same of one file are one with several places, as bad as the worst of them."""
    alike: dict[tuple[object, ...], list[Finding]] = {}
    for each in sorted(findings, key=lambda one: one.order):
        alike.setdefault((each.rule, each.place.path, each.message, each.confidence), []).append(each)
    for first, *others in alike.values():
        places = dict.fromkeys(place for each in (first, *others) for place in each.places)
        edits = tuple(edit for each in (first, *others) for edit in each.edits)
        stopped = len({each.blocks for each in (first, *others) if each.blocks}) - 1
        blocks = f"{first.blocks}, and {stopped} more" if stopped > 0 else first.blocks
        yield replace(first, places=tuple(places), edits=edits, blocks=blocks) if others else first
