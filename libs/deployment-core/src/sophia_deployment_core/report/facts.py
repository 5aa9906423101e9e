"""What a report tells, as nouns: everything in `Facts` is ready to be shown.

Foreign text went through `Said`, values of variables and secrets are left out, and whatever a journal does not know is
absent, never a good-looking zero. Times are wall milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sophia_deployment_core.report.sentences import Answers

Outcome = Literal["done", "failed", "ended", "lost", "running"]
Verdict = Literal["pass", "fail", "hold", "running", "ended", "not reached", "skipped"]


@dataclass(frozen=True)
class Origin:
    """Where the release came from, as its client told it; beside the hash, never part of it."""

    commit: str = ""
    branch: str = ""
    author: str = ""
    subject: str = ""
    dirty: bool = False


@dataclass(frozen=True)
class Bar:
    """One attempt of one step.

    `ended`: stopped because the run goes back; `lost`: its engine ended before it could write the outcome.
    """

    step: str
    verb: str
    service: str
    phase: Literal["do", "undo"]
    attempt: int
    started_ms: int
    ended_ms: int
    outcome: Outcome
    note: str = ""
    """what the attempt found out or why it failed, in a few words"""

    @property
    def took_ms(self) -> int:
        return self.ended_ms - self.started_ms


@dataclass(frozen=True)
class Gate:
    """One thing that had to be good before the run went on. `hold`: not enough was known, which is never good."""

    gate: str
    """`verify`, `smoke` or `watch`"""
    service: str
    answer: Verdict
    detail: str


@dataclass(frozen=True)
class Load:
    """What one service of the watched release did, counted over all its callers."""

    service: str
    requests: int | None
    errors: int | None
    restarts: int | None
    p95_us: int | None


@dataclass(frozen=True)
class Watched:
    """What the watch saw. `probes` are the engine's own requests through the edge: sent and failed."""

    loads: tuple[Load, ...] = ()
    answers: tuple[Answers, ...] = ()
    probes: tuple[int, int] | None = None
    lasted_ms: int | None = None

    @property
    def requests(self) -> int:
        return sum(answer.requests for answer in self.answers)

    @property
    def failed(self) -> int:
        return sum(answer.failed for answer in self.answers)


@dataclass(frozen=True)
class Failure:
    """A step that gave up: what its reader needs to find the cause."""

    step: str
    phase: Literal["do", "undo"]
    held: bool
    """it could not tell, and left it to a person"""
    code: str
    message: str
    hint: str
    service: str
    url: str
    answer: str
    body: str
    exit: str
    serving: str
    log: tuple[str, ...]


@dataclass(frozen=True)
class Moment:
    """Something worth a line, with its entry in the ledger."""

    at_ms: int
    seq: int
    text: str


@dataclass(frozen=True)
class Proof:
    """Where the ledger tells this run. `hash` is that of entry `last`: with it a rewritten ledger is found out."""

    first: int
    last: int
    entries: int
    hash: str


@dataclass(frozen=True)
class Users:
    """What it meant for those who are served: `failed` requests of theirs, `None` when nobody counted."""

    failed: int | None
    headline: str
    detail: str


@dataclass(frozen=True)
class Facts:
    """One run, ready to be told. Absent facts are empty or `None`."""

    run: str
    number: int
    kind: str
    environment: str
    state: str
    summary: str
    because: str
    next: str
    by: str
    reason: str
    tags: tuple[str, ...]
    origin: Origin
    release: str
    previous: str
    serving: str
    url: str
    held: str
    plan_hash: str
    overridden: tuple[str, ...]
    """`SERVICE.env.KEY` of each override; their values are left to the ledger"""
    changes: tuple[tuple[str, str, str], ...]
    """service, action, because"""
    submitted_ms: int
    started_ms: int | None
    switched_ms: int | None
    back_ms: int | None
    """when traffic was moved back"""
    until_ms: int
    """the end, or now while it has none"""
    ended: bool
    stood_ms: int
    """how long it stood and waited for a person"""
    bars: tuple[Bar, ...]
    untouched: tuple[str, ...]
    """steps of the plan that were never begun"""
    gates: tuple[Gate, ...]
    watched: Watched
    users: Users
    failures: tuple[Failure, ...]
    moments: tuple[Moment, ...]
    engines: int
    """how many engines worked on it: more than one, and the first was replaced or killed"""
    proof: Proof | None

    @property
    def waited_ms(self) -> int:
        """From submission to the lane."""
        return max((self.started_ms or self.until_ms) - self.submitted_ms, 0)

    @property
    def took_ms(self) -> int:
        """From the lane to the end."""
        return max(self.until_ms - (self.started_ms if self.started_ms is not None else self.submitted_ms), 0)

    @property
    def never_begun(self) -> bool:
        """It ended before its turn came: its steps and gates say nothing."""
        return self.ended and not self.bars
