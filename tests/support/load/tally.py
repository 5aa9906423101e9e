"""The running record of one load run: every request takes a slot when it begins and fills it when it ends."""

from __future__ import annotations

import json
import time
from collections import Counter

from tests.support.load.result import KINDS, UNANSWERED, Answers, Kind, OfKind, Result, percentile


class Lost(Exception):
    """A request without a good answer; the text is the reason, one of a few."""


class Tally:
    """Counts, and 19 bytes per request, so that a million of them fit."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.answers = Answers()
        self.events = 0
        self.ended_early = 0
        self._known: dict[str, int] = {"unanswered": UNANSWERED}
        self._started_ns = time.monotonic_ns()

    @property
    def begun(self) -> int:
        return len(self.answers.begun_ns)

    def begin(self, kind: Kind) -> int:
        """A slot for a request that is sent now."""
        self.answers.begun_ns.append(time.monotonic_ns())
        self.answers.ended_ns.append(0)
        self.answers.kind.append(KINDS.index(kind))
        self.answers.outcome.append(UNANSWERED)
        return self.begun - 1

    def id(self, slot: int) -> str:
        return f"{self.prefix}{slot}"

    def answered(self, slot: int, body: bytes | str) -> None:
        """Record who answered; raises Lost when the answer is not the one to this request."""
        self._end(slot, chain_in(body, self.id(slot)))

    def lost(self, slot: int, reason: str) -> None:
        self._end(slot, f"lost: {reason}")

    def _end(self, slot: int, outcome: str) -> None:
        index = self._known.get(outcome)
        if index is None:
            index = self._known[outcome] = len(self.answers.outcomes)
            self.answers.outcomes.append(outcome)
        self.answers.ended_ns[slot] = time.monotonic_ns()
        self.answers.outcome[slot] = index

    def result(self) -> Result:
        """Everything so far; a request without an outcome is lost."""
        seconds = (time.monotonic_ns() - self._started_ns) / 1e9
        outcomes, given = self.answers.outcomes, self.answers.outcome
        good = [not each.startswith("lost: ") and index != UNANSWERED for index, each in enumerate(outcomes)]
        lost = {
            self.id(slot): outcomes[index].removeprefix("lost: ") for slot, index in enumerate(given) if not good[index]
        }
        return Result(
            prefix=self.prefix,
            seconds=seconds,
            begun=self.begun,
            ok=self.begun - len(lost),
            lost_ids={id: f"{KINDS[self.answers.kind[self._slot(id)]]}: {reason}" for id, reason in lost.items()},
            kinds=self._kinds(good),
            chains={outcomes[index]: count for index, count in sorted(Counter(given).items()) if good[index]},
            events=self.events,
            ended_early=self.ended_early,
        )

    def _slot(self, id: str) -> int:
        return int(id.removeprefix(self.prefix))

    def _kinds(self, good: list[bool]) -> dict[str, OfKind]:
        took: dict[int, list[float]] = {index: [] for index in range(len(KINDS))}
        begun = Counter(self.answers.kind)
        rows = zip(self.answers.kind, self.answers.begun_ns, self.answers.ended_ns, self.answers.outcome, strict=True)
        for kind, started, ended, outcome in rows:
            if good[outcome]:
                took[kind].append((ended - started) / 1e6)
        return {KINDS[kind]: _of_kind(count, sorted(took[kind])) for kind, count in sorted(begun.items())}


def _of_kind(begun: int, took: list[float]) -> OfKind:
    p50, p99, longest = (round(percentile(took, share), 3) for share in (0.5, 0.99, 1.0))
    return OfKind(begun, len(took), p50, p99, longest)


def chain_in(body: bytes | str, id: str) -> str:
    """`service/workload/version …` of an answer to request `id`; raises Lost for anything else."""
    try:
        answer = json.loads(body)
        mine = answer["id"] == id
        chain = " ".join(f"{node['service']}/{node['workload']}/{node['version']}" for node in answer["chain"])
    except (ValueError, KeyError, TypeError) as error:
        raise Lost("nonsense") from error
    if not mine or not chain:
        raise Lost("answer to another request")
    return chain
