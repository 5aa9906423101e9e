"""A plan: the exact steps of a run, as data.

A plan is a graph: a step begins when all steps in its `after` are done. The way back is a graph too: `undo_after`.
A plan has a hash; it is stored with its run, shown by `sophia plan`, and (later) approved by that hash.
`planning` computes it from what stands and what is wanted, `run` says which of its steps are due.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

from sophia_deployment_core.canonical import digest
from sophia_deployment_core.release import Revision, Workload

Kind = Literal["deploy", "rollback", "retire", "start", "stop", "restart"]
VERSION = 1
UNDOABLE = frozenset({"place", "start", "stop", "serve", "switch"})
"""Verbs that leave something behind; the others are undone by doing nothing."""

ATTEMPTS = 3


@dataclass(frozen=True)
class Step:
    """One side effect. `id` is readable and unique in the plan; `args` name workloads by identity, never by value."""

    id: str
    verb: str
    args: Mapping[str, Any] = field(default_factory=dict)
    after: tuple[str, ...] = ()
    undo_after: tuple[str, ...] = ()
    limit_ms: int = 30_000
    """How long one attempt may take before it is ended and counts as failed."""
    attempts: int = ATTEMPTS

    @property
    def undoable(self) -> bool:
        return self.verb in UNDOABLE or self.reopens

    @property
    def reopens(self) -> bool:
        """It opens an edge that was taken down, so that going back means to close it again."""
        return bool(self.args.get("was_down"))


@dataclass(frozen=True)
class Change:
    """What happens to one service and why, in words."""

    service: str
    action: Literal["new", "changed", "follows", "unchanged", "scaled", "removed"]
    because: str


@dataclass(frozen=True)
class Plan:
    """Everything a run needs to know, fixed when it takes its lane."""

    kind: Kind
    environment: str
    basis: str
    """hash of what stood when it was computed; another basis needs another plan"""
    steps: tuple[Step, ...]
    workloads: Mapping[str, Workload] = field(default_factory=dict)
    """identity -> workload, for every workload that a step names"""
    target: Revision | None = None
    previous: str | None = None
    """name of the revision that was live"""
    changes: tuple[Change, ...] = ()
    undoable: bool = True
    """False: a failing step is not undone (there is nothing to go back to)"""
    v: int = VERSION

    @cached_property
    def hash(self) -> str:
        return digest(self.to_data())

    @cached_property
    def was_down(self) -> bool:
        """Nothing answered in the environment before, though something is live there."""
        return any(step.reopens for step in self.steps)

    @cached_property
    def by_id(self) -> dict[str, Step]:
        return {step.id: step for step in self.steps}

    def to_data(self) -> dict[str, Any]:
        return {
            "v": self.v,
            "kind": self.kind,
            "environment": self.environment,
            "basis": self.basis,
            "steps": [
                {
                    "id": step.id,
                    "verb": step.verb,
                    "args": dict(step.args),
                    "after": list(step.after),
                    "undo_after": list(step.undo_after),
                    "limit_ms": step.limit_ms,
                    "attempts": step.attempts,
                }
                for step in self.steps
            ],
            "workloads": {identity: load.to_data() for identity, load in self.workloads.items()},
            "target": self.target.to_data() if self.target else None,
            "previous": self.previous,
            "changes": [{"service": c.service, "action": c.action, "because": c.because} for c in self.changes],
            "undoable": self.undoable,
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Plan:
        steps = tuple(
            Step(**{**s, "after": tuple(s["after"]), "undo_after": tuple(s["undo_after"])}) for s in data["steps"]
        )
        return cls(
            kind=data["kind"],
            environment=data["environment"],
            basis=data["basis"],
            steps=steps,
            workloads={identity: Workload.from_data(load) for identity, load in data["workloads"].items()},
            target=Revision.from_data(data["target"]) if data["target"] else None,
            previous=data["previous"],
            changes=tuple(Change(**change) for change in data["changes"]),
            undoable=data["undoable"],
            v=data["v"],
        )


def with_way_back(steps: Sequence[Step]) -> tuple[Step, ...]:
    """The steps with their `undo_after`: the switch before all, else each after whatever waited for it.

    Raises `ValueError` for steps that wait for what is not listed before them.
    """
    dependents = _dependents(steps)
    undoable = {step.id for step in steps if step.undoable}
    switch = {step.id for step in steps if step.verb == "switch"}

    def waits(step: Step) -> set[str]:
        if step.id in switch:
            return set()
        is_late = any(step.id in dependents[first] for first in switch)
        return dependents[step.id] & undoable | (switch if is_late else set())

    return tuple(replace(step, undo_after=tuple(sorted(waits(step)))) for step in steps)


def _dependents(steps: Sequence[Step]) -> dict[str, set[str]]:
    """step -> every step that waits for it, directly or not."""
    dependents: dict[str, set[str]] = {}
    for step in steps:
        if step.id in dependents or not dependents.keys() >= set(step.after):
            raise ValueError(f"`{step.id}` is there twice, or waits for a step that is not listed before it")
        dependents[step.id] = set()
    for step in reversed(steps):  # what is waited for is listed first: one pass is enough
        for earlier in step.after:
            dependents[earlier] |= {step.id} | dependents[step.id]
    return dependents
