"""From what stands to what is wanted: the exact steps, as data, by pure functions.

    open ─► place ─┬─► start ─► verify (callers after callees) ─► candidate ─► smoke ─► room ─► SWITCH ─┐
       prepare ────┘                                                          watch ◄─ workers, singles ◄─┘

A plan is a graph: a step begins when all steps in its `after` are done. The way back is a graph too: `undo_after`.
Going back, the switch comes first, then workers and singles, then what was started. A plan has a hash; it is stored
with its run, shown by `sophia plan`, and (later) approved by that hash.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

from sophia_deployment_core.canonical import digest
from sophia_deployment_core.environment import Placement, Standing
from sophia_deployment_core.release import Revision, Workload

Kind = Literal["deploy", "rollback", "retire", "start", "stop", "restart"]
VERSION = 1
UNDOABLE = frozenset({"place", "start", "stop", "serve", "switch"})
"""Verbs that leave something behind; the others are undone by doing nothing."""

ATTEMPTS = 3
RESTART_DRAIN_MS = 10_000
"""How long requests under way in an instance that is replaced may go on."""


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
        return self.verb in UNDOABLE


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


def basis(standing: Standing) -> str:
    """A hash of everything in an environment that a plan depends on."""
    return digest(
        {
            "live": standing.live.digest if standing.live else None,
            "generation": standing.generation,
            "open": standing.open,
            "placements": {
                key: [place.workload.identity, sorted(place.begun), sorted(place.serving), place.listener_port]
                for key, place in standing.placements.items()
            },
        }
    )


# --- deploy and rollback --------------------------------------------------------------------------------------------


def deploy(standing: Standing, target: Revision, *, kind: Literal["deploy", "rollback"] = "deploy") -> Plan:
    """The plan that makes `target` live. No steps: it is live already and everything it needs stands."""
    changes = compare(standing.live, target)
    if (
        standing.live
        and standing.live.digest == target.digest
        and _complete(standing, target)
        and not _scaled(standing, target)
    ):
        return Plan(kind, standing.name, basis(standing), (), target=target, previous=target.name, changes=changes)
    draft = _Draft(standing, target)
    draft.open()
    fresh = [load for load in target.workloads.values() if load.key not in standing.placements]
    asleep = [load for load in target.workloads.values() if _asleep(standing, load)]
    singles = _replaced_singles(standing, target)
    draft.place(fresh)
    draft.prepare([*fresh, *asleep, *singles])
    draft.verify_shared(target.workloads.values())
    for load in target.workloads.values():
        if load in singles and not _needs_new(load, fresh):
            draft.replace_single(load, standing.placements[load.key], after=draft.ready())
        elif load.kind != "worker" and (load in fresh or load in asleep):
            draft.start(load)
    draft.scale_up()
    if kind == "deploy":
        draft.candidate()
    draft.switch()
    draft.hand_over_workers([load for load in (*fresh, *asleep) if load.kind == "worker"])
    for load in singles:
        if _needs_new(load, fresh):
            draft.replace_single(load, standing.placements[load.key], after=("switch",))
    if kind == "deploy" and standing.live is not None and target.settings["watch_ms"] > 0:
        draft.watch()
    return draft.plan(kind, changes)


def _asleep(standing: Standing, load: Workload) -> bool:
    """Placed, but nothing of it runs (it was stopped, not removed)."""
    place = standing.placements.get(load.key)
    return place is not None and place.workload.identity == load.identity and not place.begun


def _complete(standing: Standing, target: Revision) -> bool:
    def stands(load: Workload) -> bool:
        place = standing.placements.get(load.key)
        return place is not None and place.workload.identity == load.identity and bool(place.begun)

    return all(stands(load) for load in target.workloads.values())


def _scaled(standing: Standing, target: Revision) -> list[Workload]:
    """Shared services whose number of instances is another than wanted."""
    return [
        load
        for load in target.workloads.values()
        if load.kind == "service"
        and (place := standing.placements.get(load.key))
        and len(place.serving) != load.replicas
    ]


def _replaced_singles(standing: Standing, target: Revision) -> list[Workload]:
    return [
        load
        for load in target.workloads.values()
        if load.kind == "single"
        and (place := standing.placements.get(load.key)) is not None
        and place.workload.identity != load.identity
    ]


def _needs_new(load: Workload, fresh: Iterable[Workload]) -> bool:
    new = {other.identity for other in fresh}
    return any(identity in new for identity in load.needs.values() if identity)


class _Draft:
    """Collects the steps of a release in order; each method adds one part of the picture above."""

    def __init__(self, standing: Standing, target: Revision) -> None:
        self.standing = standing
        self.target = target
        self.steps: list[Step] = []
        self.workloads: dict[str, Workload] = {load.identity: load for load in target.workloads.values()}

    def add(
        self, id: str, verb: str, args: Mapping[str, Any] | None = None, *, after: Iterable[str] = (), **more: Any
    ) -> None:
        known = {step.id for step in self.steps}
        self.steps.append(Step(id, verb, args or {}, tuple(dict.fromkeys(a for a in after if a in known)), **more))

    def ids(self, *verbs: str) -> tuple[str, ...]:
        return tuple(step.id for step in self.steps if step.verb in verbs)

    def ready(self) -> tuple[str, ...]:
        """What must be done before anything starts: places assigned, every artifact checked and prepared."""
        return self.ids("open", "place", "prepare")

    def open(self) -> None:
        settings = self.target.settings
        strict = bool(settings.get("strict_port", False))
        self.add("open", "open", {"edge_port": settings["edge_port"], "strict": strict})

    def place(self, fresh: Sequence[Workload]) -> None:
        if fresh:
            placed = {load.key: {"workload": load.identity, "numbers": list(load.numbers)} for load in fresh}
            self.add("place", "place", {"placements": placed}, after=("open",))

    def prepare(self, loads: Iterable[Workload]) -> None:
        for load in loads:
            self.add(f"prepare {load.service}", "prepare", {"workload": load.identity}, limit_ms=600_000, attempts=1)

    def start(self, load: Workload) -> None:
        callees = tuple(f"verify {service}" for service in load.needs)
        numbers = list(load.numbers)
        self.add(
            f"start {load.service}",
            "start",
            {"key": load.key, "workload": load.identity, "numbers": numbers},
            after=(*self.ready(), *callees),
        )
        self.verify(load, numbers)

    def verify(self, load: Workload, numbers: Sequence[int]) -> None:
        within = int(load.health.get("within_ms", 30_000))
        self.add(
            f"verify {load.service}",
            "verify",
            {"key": load.key, "workload": load.identity, "numbers": list(numbers)},
            after=(f"start {load.service}",),
            limit_ms=within + 5_000,
            attempts=1,
        )

    def verify_shared(self, loads: Iterable[Workload]) -> None:
        """What already runs and is to answer after the switch must answer now."""
        for load in loads:
            place = self.standing.placements.get(load.key)
            if place is None or not place.begun or load.kind == "worker" or place.workload.identity != load.identity:
                continue
            args = {"key": load.key, "workload": load.identity, "numbers": sorted(place.serving), "quick": True}
            self.add(f"verify {load.service}", "verify", args, after=("open",), limit_ms=10_000, attempts=1)

    def scale_up(self) -> None:
        for load in _scaled(self.standing, self.target):
            place = self.standing.placements[load.key]
            missing = load.replicas - len(place.serving)
            keep = sorted(place.serving)[: load.replicas]
            numbers: list[int] = []
            if missing > 0:
                numbers = next_numbers(place, missing)
                self.grow(load, numbers)
            self.add(
                f"serve {load.service}",
                "serve",
                {"key": load.key, "numbers": keep + numbers, "was": sorted(place.serving)},
                after=(f"verify more {load.service}", f"verify {load.service}"),
            )

    def grow(self, load: Workload, numbers: list[int]) -> None:
        args = {"key": load.key, "workload": load.identity, "numbers": numbers}
        self.add(f"place more {load.service}", "place", {"placements": {load.key: args}}, after=("open", "place"))
        self.add(f"start more {load.service}", "start", args, after=(f"place more {load.service}", *self.ready()))
        within = int(load.health.get("within_ms", 30_000))
        self.add(
            f"verify more {load.service}",
            "verify",
            args,
            after=(f"start more {load.service}",),
            limit_ms=within + 5_000,
            attempts=1,
        )

    def candidate(self) -> None:
        verified = self.ids("verify", "serve", "open")
        self.add("candidate", "candidate", after=verified)
        for load in self.target.workloads.values():
            if load.smoke and load.kind != "worker":
                args = {"key": load.key, "workload": load.identity}
                self.add(f"smoke {load.service}", "smoke", args, after=("candidate",), limit_ms=120_000, attempts=1)

    def switch(self) -> None:
        generation = self.standing.generation + 1
        self.add("room", "room", after=self.ids("open"), attempts=1)
        everything = [step.id for step in self.steps]
        live = self.standing.live
        args = {
            "generation": generation,
            "release": self.target.name,
            "table": self.target.table(),
            "back": {
                "generation": generation + 1,
                "release": live.name if live else "none",
                "table": live.table() if live else {},
            },
        }
        self.add("switch", "switch", args, after=everything)

    def hand_over_workers(self, loads: Iterable[Workload]) -> None:
        """A worker starts after the switch and is verified; only then its predecessor is told to stop."""
        for load in loads:
            args = {"key": load.key, "workload": load.identity, "numbers": list(load.numbers)}
            self.add(f"start {load.service}", "start", args, after=("switch",))
            self.verify(load, load.numbers)
        wanted = {load.key for load in self.target.workloads.values()}
        for key, place in self.standing.placements.items():
            old = place.workload
            if old.kind == "worker" and key not in wanted and place.begun:
                self.workloads[old.identity] = old
                args = {"key": key, "workload": old.identity, "numbers": sorted(place.begun)}
                after = ("switch", f"verify {old.service}")
                self.add(f"stop old {old.service}", "stop", args, after=after, limit_ms=old.grace_ms + 15_000)

    def replace_single(self, load: Workload, place: Placement, *, after: Iterable[str]) -> None:
        """In place, with a gap: never two of them."""
        old = place.workload
        self.workloads[old.identity] = old
        numbers = sorted(place.ports)
        stop_args = {"key": load.key, "workload": old.identity, "numbers": numbers}
        self.add(f"stop old {load.service}", "stop", stop_args, after=after, limit_ms=old.grace_ms + 15_000)
        args = {"key": load.key, "workload": load.identity, "numbers": numbers}
        self.add(f"start {load.service}", "start", args, after=(f"stop old {load.service}",))
        self.verify(load, numbers)

    def watch(self) -> None:
        settings = dict(self.target.settings)
        limit = int(settings["watch_ms"]) * 4 + 60_000
        self.add("watch", "watch", settings, after=[step.id for step in self.steps], limit_ms=limit, attempts=1)

    def plan(self, kind: Kind, changes: tuple[Change, ...]) -> Plan:
        live = self.standing.live
        return Plan(
            kind,
            self.standing.name,
            basis(self.standing),
            with_way_back(self.steps),
            workloads=self.workloads,
            target=self.target,
            previous=live.name if live else None,
            changes=changes,
        )


def next_numbers(place: Placement, count: int) -> list[int]:
    """Fresh instance numbers: never one that was used before in this placement."""
    highest = max(place.ports, default=-1)
    return list(range(highest + 1, highest + 1 + count))


def with_way_back(steps: Sequence[Step]) -> tuple[Step, ...]:
    """Fill in `undo_after`: the switch first, then what came after it, then what came before it; each in reverse."""
    dependents = _transitive_dependents(steps)
    undoable = {step.id for step in steps if step.undoable}
    late = dependents.get("switch", set())
    result = []
    for step in steps:
        waits = {other for other in dependents[step.id] if other in undoable}
        if step.id == "switch":
            waits = set()
        elif step.id in late and "switch" in undoable:
            waits |= {"switch"}
        result.append(replace(step, undo_after=tuple(sorted(waits))))
    return tuple(result)


def _transitive_dependents(steps: Sequence[Step]) -> dict[str, set[str]]:
    """step -> every step that waits for it, directly or not. What is waited for is listed first: one pass is enough."""
    dependents: dict[str, set[str]] = {step.id: set() for step in steps}
    for step in reversed(steps):
        for earlier in step.after:
            dependents[earlier] |= {step.id} | dependents[step.id]
    return dependents


# --- the other kinds ------------------------------------------------------------------------------------------------


def retire(standing: Standing, *, keep: Iterable[str] = (), drain_ms: int) -> Plan:
    """Drain and remove what the live revision does not use. `keep`: placement keys that stay all the same."""
    wanted = set(keep)
    if standing.live:
        wanted |= {load.key for load in standing.live.workloads.values()}
    old = {key: place for key, place in standing.placements.items() if key not in wanted}
    surplus = {
        key: sorted(set(place.begun) - set(place.serving))
        for key, place in standing.placements.items()
        if key in wanted and place.workload.kind == "service" and place.serving and place.begun - place.serving
    }
    steps: list[Step] = []
    for key, place in _callers_first(old):
        callers = tuple(step.id for step in steps if step.verb == "drain" and _calls(old, step.args["key"], key))
        if place.listener_port:
            steps.append(
                Step(
                    f"drain {_label(place)}",
                    "drain",
                    {"key": key, "cap_ms": drain_ms},
                    callers,
                    limit_ms=drain_ms + 15_000,
                )
            )
    drained = tuple(step.id for step in steps)
    for key, place in old.items():
        if place.begun:
            steps.append(_stop_step(key, place, sorted(place.begun), after=drained))
    for key, numbers in surplus.items():
        steps.append(_stop_step(key, standing.placements[key], numbers, after=()))
    if old:
        stopped = tuple(step.id for step in steps)
        steps.append(Step("remove", "remove", {"keys": sorted(old)}, stopped))
    if steps:
        steps.append(Step("prune", "prune", {}, tuple(step.id for step in steps), limit_ms=120_000))
    used = {place.workload.identity: place.workload for place in standing.placements.values()}
    return Plan(
        "retire", standing.name, basis(standing), tuple(steps), workloads=used, target=standing.live, undoable=False
    )


def _stop_step(key: str, place: Placement, numbers: Sequence[int], *, after: tuple[str, ...]) -> Step:
    args = {"key": key, "workload": place.workload.identity, "numbers": list(numbers)}
    return Step(f"stop {_label(place)}", "stop", args, after, limit_ms=place.workload.grace_ms + 15_000)


def _label(place: Placement) -> str:
    return f"{place.workload.service} {place.workload.identity[:6]}"


def _calls(placements: Mapping[str, Placement], caller: str, callee: str) -> bool:
    return callee in placements[caller].workload.needs.values()


def _callers_first(placements: Mapping[str, Placement]) -> list[tuple[str, Placement]]:
    remaining = dict(placements)
    ordered: list[tuple[str, Placement]] = []
    while remaining:
        free = [
            key for key in remaining if not any(_calls(remaining, other, key) for other in remaining if other != key)
        ]
        ordered.extend((key, remaining.pop(key)) for key in sorted(free or remaining))
    return ordered


def start(standing: Standing) -> Plan:
    """Bring the live revision back: after a reboot, after `down`, or whatever of it is missing. Nothing is undone."""
    assert standing.live is not None
    target = standing.live
    draft = _Draft(standing, target)
    draft.open()
    draft.place([load for load in target.workloads.values() if load.key not in standing.placements])
    draft.prepare(target.workloads.values())
    for load in target.workloads.values():
        place = standing.placements.get(load.key)
        numbers = sorted(place.serving or place.ports) if place and place.ports else list(load.numbers)
        callees = tuple(f"verify {service}" for service in load.needs)
        args = {"key": load.key, "workload": load.identity, "numbers": numbers}
        draft.add(f"start {load.service}", "start", args, after=(*draft.ready(), *callees))
        draft.verify(load, numbers)
    restored = {"generation": standing.current_generation, "release": target.name, "table": target.table()}
    draft.add("restore", "restore", restored, after=("open", "place"))
    return replace(draft.plan("start", ()), undoable=False, previous=target.name)


def stop(standing: Standing, *, drain_ms: int) -> Plan:
    """Take the environment down: the edge first, then callers before callees. Data stays, and so does what is live."""
    steps: list[Step] = []
    if standing.open:
        steps.append(Step("close", "close", {"cap_ms": drain_ms}, limit_ms=drain_ms + 30_000))
    for key, place in _callers_first(standing.placements):
        if place.begun:
            callers = tuple(s.id for s in steps if s.verb == "stop" and _calls(standing.placements, s.args["key"], key))
            steps.append(
                _stop_step(key, place, sorted(place.begun), after=(*(("close",) if standing.open else ()), *callers))
            )
    used = {place.workload.identity: place.workload for place in standing.placements.values()}
    return Plan(
        "stop", standing.name, basis(standing), tuple(steps), workloads=used, target=standing.live, undoable=False
    )


def restart(standing: Standing, *, instances: Mapping[str, Sequence[int]]) -> Plan:
    """Replace running instances by fresh ones, without a gap: start, verify, move, drain, stop."""
    assert standing.live is not None
    draft = _Draft(standing, standing.live)
    for key, numbers in instances.items():
        place = standing.placements[key]
        load = place.workload
        draft.workloads[load.identity] = load
        if load.kind != "service":
            draft.replace_single(load, place, after=()) if load.kind == "single" else None
            continue
        fresh = next_numbers(place, len(numbers))
        draft.grow(load, fresh)
        serving = sorted((place.serving - set(numbers)) | set(fresh))
        args = {"key": key, "numbers": serving, "was": sorted(place.serving)}
        draft.add(f"serve {load.service}", "serve", args, after=(f"verify more {load.service}",))
        stop_args = {"key": key, "workload": load.identity, "numbers": list(numbers), "drain_ms": RESTART_DRAIN_MS}
        draft.add(
            f"stop {load.service}", "stop", stop_args, after=(f"serve {load.service}",), limit_ms=load.grace_ms + 20_000
        )
    return replace(draft.plan("restart", ()), undoable=True)


# --- why ------------------------------------------------------------------------------------------------------------


def compare(live: Revision | None, target: Revision) -> tuple[Change, ...]:
    """What happens to each service, and why it is or is not touched."""
    old = live.workloads if live else {}
    changes = [_change(old.get(name), load) for name, load in target.workloads.items()]
    changes += [
        Change(name, "removed", "it is no longer in `sophia.yaml`") for name in old if name not in target.workloads
    ]
    return tuple(changes)


def _change(old: Workload | None, new: Workload) -> Change:
    if old is None:
        return Change(new.service, "new", "it was not live before")
    if old.identity == new.identity:
        if old.replicas != new.replicas:
            return Change(new.service, "scaled", f"instances {old.replicas} → {new.replicas}")
        return Change(new.service, "unchanged", "same artifact, settings and dependencies; it goes on running")
    own = _own_reasons(old, new)
    if own:
        return Change(new.service, "changed", "; ".join(own))
    callees = [name for name in new.needs if new.needs[name] != old.needs.get(name)]
    return Change(new.service, "follows", f"it needs {', '.join(f'`{name}`' for name in callees)}, which changed")


def _own_reasons(old: Workload, new: Workload) -> list[str]:
    reasons = []
    if old.artifact != new.artifact:
        reasons.append(f"artifact {old.artifact[:8]} → {new.artifact[:8]}")
    for word, was, now in (
        ("env", old.env, new.env),
        ("secret", old.secrets, new.secrets),
        ("resource", old.resources, new.resources),
    ):
        keys = [key for key in sorted({*was, *now}) if was.get(key) != now.get(key)]
        if keys:
            reasons.append(f"{word} {', '.join(keys)}")
    if (old.run, old.static) != (new.run, new.static):
        reasons.append("run command")
    if (old.stop_signal, old.grace_ms) != (new.stop_signal, new.grace_ms):
        reasons.append("stop")
    if set(old.needs) != set(new.needs):
        reasons.append("what it needs")
    return reasons
