"""From what stands to what is wanted: plans, computed by pure functions.

    open ─► place ─┬─► start ─► verify (callees before callers) ─► candidate ─► smoke ─► room ─► SWITCH ─┐
       prepare ────┘                                                      watch ◄─ workers ◄─ singles ◄──┘

Going back, the switch comes first, then workers and singles, then what was started. What can fail is before the
switch; behind it is only what must be. Steps that tell the proxy its backends never run side by side.
The same standing gives the same plan, in whatever order its parts were stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from sophia_deployment_core.canonical import digest
from sophia_deployment_core.environment import Placement, Standing
from sophia_deployment_core.plan import Change, Kind, Plan, Step, with_way_back
from sophia_deployment_core.release import Revision, Workload

START_MS = 30_000
PREPARE_MS = 600_000
CHECK_MS = 10_000
SMOKE_MS = 120_000
PRUNE_MS = 120_000
SLACK_MS = 15_000
"""What a step may take beyond the time that its own wait is allowed."""
RESTART_DRAIN_MS = 10_000
"""How long requests under way in an instance that is replaced may go on."""


def basis(standing: Standing) -> str:
    """A hash of everything in an environment that a plan depends on; another basis needs another plan."""
    return digest(
        {
            "live": standing.live.digest if standing.live else None,
            "generations": [standing.generation, standing.current_generation],
            "edge": [standing.open, standing.edge_port],
            "placements": {
                key: {
                    "workload": place.workload.identity,
                    "listener": place.listener_port,
                    "numbers": [sorted(place.ports), sorted(place.begun), sorted(place.serving), place.numbered],
                }
                for key, place in standing.placements.items()
            },
        }
    )


# --- deploy and rollback --------------------------------------------------------------------------------------------


def deploy(standing: Standing, target: Revision, *, kind: Literal["deploy", "rollback"] = "deploy") -> Plan:
    """The plan that makes `target` live. No steps: it is live already and everything it needs stands.

    A rollback trusts what served before: it checks nothing that both revisions share, sends nothing to a private
    listener, watches nothing, and replaces singles after the switch.
    """
    draft, live, changes = _Draft(standing, target), standing.live, compare(standing.live, target)
    is_live = live is not None and live.digest == target.digest and standing.open
    if kind == "deploy" and target.settings.get("strict_port"):
        is_live = is_live and standing.edge_port == target.settings["edge_port"]
    if is_live and not any(part.differs for part in draft.parts):
        return draft.plan(kind, changes)
    early, late = _around_the_switch(draft.parts, kind)
    draft.open(was_down=live is not None and not standing.open)
    draft.place((part.load, part.unplaced) for part in draft.parts)
    draft.prepare(part.load for part in draft.parts if part.unstarted or part.replaced)
    draft.check(part for part in early if kind == "deploy" or not _shared(live, part.load))
    for group in _gaps_last(early):
        ready = draft.so_far()
        for part in group:
            draft.begin(part, after=ready)
    if kind == "deploy":
        draft.candidate()
        draft.smoke(early, after=("candidate",))
    draft.switch()
    for part in late:
        draft.begin(part, after=("switch",))
        if kind == "deploy":
            draft.smoke([part], after=draft.proofs([part.load.service]))
    draft.stop_old_workers()
    if kind == "deploy" and live and _stands(standing, live):
        draft.watch()
    return draft.plan(kind, changes)


@dataclass(frozen=True)
class _Part:
    """One workload of the target against what stands of it."""

    load: Workload
    place: Placement | None
    numbers: tuple[int, ...]
    """the instances that shall serve: those that do, as many as are wanted, and new ones for the rest"""
    others: tuple[tuple[str, Placement], ...] = ()
    """where its service runs as another kind, one of the two a single: by key, to be stopped before this one starts"""

    @property
    def unplaced(self) -> list[int]:
        return [number for number in self.numbers if self.place is None or number not in self.place.ports]

    @property
    def unstarted(self) -> list[int]:
        return [number for number in self.numbers if self.place is None or number not in self.place.begun]

    @property
    def running(self) -> list[int]:
        return [number for number in self.numbers if self.place is not None and number in self.place.begun]

    @property
    def replaced(self) -> bool:
        """Another version of a single stands under its address."""
        return self.place is not None and self.place.workload.identity != self.load.identity

    @property
    def gaps(self) -> bool:
        """For a while nothing of the service runs, so that it never runs twice."""
        return self.replaced or bool(self.others)

    @property
    def scaled(self) -> bool:
        return self.place is not None and self.place.serving != set(self.numbers)

    @property
    def differs(self) -> bool:
        return bool(self.unplaced or self.unstarted or self.replaced or self.scaled)


def _part(standing: Standing, load: Workload) -> _Part:
    place = standing.placements.get(load.key)
    others = _other_kinds(standing, load)
    if place is None:
        return _Part(load, None, load.numbers, others)
    kept = sorted(place.serving)[: load.replicas]
    part = _Part(load, place, (*kept, *next_numbers(place, load.replicas - len(kept))), others)
    return part if part.unstarted else replace(part, others=())


def _other_kinds(standing: Standing, load: Workload) -> tuple[tuple[str, Placement], ...]:
    return tuple(
        (key, place)
        for key, place in sorted(standing.placements.items())
        if place.workload.service == load.service
        and place.begun
        and place.workload.kind != load.kind
        and "single" in (place.workload.kind, load.kind)
    )


def next_numbers(place: Placement, count: int) -> range:
    """Fresh instance numbers: never one that was used before in this placement."""
    return range(place.numbered, place.numbered + count)


def _around_the_switch(parts: Sequence[_Part], kind: str) -> tuple[list[_Part], list[_Part]]:
    """What is begun before the switch and what after it: workers, and singles that need something new.

    Such a single cannot serve the old revision. In a rollback everything with a gap waits: the rename comes first. But
    not what is put in the place of another kind for callers that are to be started: they could not be verified.
    """
    late: list[_Part] = []
    early = [part.load for part in parts if part.unstarted and part.load.kind != "worker"]
    called = {callee for load in early for callee in load.callees.values()}
    new: set[str] = set()
    for part in parts:
        needs_new = bool(new & set(part.load.callees.values()))
        is_put_back = kind == "rollback" and (part.replaced or (bool(part.others) and part.load.key not in called))
        if part.load.kind == "worker" or (part.replaced and needs_new) or is_put_back:
            late.append(part)
        if part.place is None or part in late:
            new.add(part.load.key)
    return [part for part in parts if part not in late], late


def _gaps_last(parts: Sequence[_Part]) -> tuple[list[_Part], list[_Part]]:
    """What can be begun unnoticed, then what is replaced with a gap and what calls it.

    A release that fails over the first has made no gap.
    """
    gaps: set[str] = set()
    for part in parts:
        if part.gaps or gaps & set(part.load.callees.values()):
            gaps.add(part.load.key)
    return [part for part in parts if part.load.key not in gaps], [part for part in parts if part.load.key in gaps]


def _shared(live: Revision | None, load: Workload) -> bool:
    """What the live revision uses too: a switch changes nothing for it."""
    other = live.workloads.get(load.service) if live else None
    return other is not None and other.identity == load.identity


def _stands(standing: Standing, revision: Revision) -> bool:
    """Whether traffic could go back to `revision`: all of it is there and was told to run."""
    places = [standing.placements.get(load.key) for load in revision.workloads.values()]
    return standing.open and all(place is not None and place.begun for place in places)


class _Draft:
    """Collects the steps of a plan in order; each method adds one part of the picture above."""

    def __init__(self, standing: Standing, target: Revision) -> None:
        self.standing = standing
        self.target = target
        self.parts = [_part(standing, load) for load in target.ordered()]
        self.steps: list[Step] = []
        self.workloads = {load.identity: load for load in target.workloads.values()}

    def add(self, id: str, verb: str, args: Mapping[str, Any], *, after: Iterable[str], **more: Any) -> None:
        self.steps.append(Step(id, verb, args, tuple(dict.fromkeys(after)), **more))

    def ids(self, *verbs: str) -> tuple[str, ...]:
        return tuple(step.id for step in self.steps if step.verb in verbs)

    def so_far(self) -> tuple[str, ...]:
        return tuple(step.id for step in self.steps)

    def proofs(self, services: Iterable[str]) -> list[str]:
        """The steps so far that show that the new instances of these services answer."""
        wanted = {f"verify {service}" for service in services}
        return [step.id for step in self.steps if step.id in wanted]

    def open(self, *, was_down: bool = False) -> None:
        """An edge that was taken down is closed again by going back; a first one stays, and answers 503."""
        settings = self.target.settings
        args = {"edge_port": settings["edge_port"], "strict": bool(settings.get("strict_port", False))}
        self.add("open", "open", args | ({"was_down": True} if was_down else {}), after=())

    def place(self, wanted: Iterable[tuple[Workload, Sequence[int]]]) -> None:
        placed = {
            load.key: {"workload": load.identity, "numbers": list(numbers)} for load, numbers in wanted if numbers
        }
        if placed:
            self.add("place", "place", {"placements": placed}, after=self.ids("open"))

    def prepare(self, loads: Iterable[Workload]) -> None:
        for load in loads:
            args = {"workload": load.identity}
            self.add(f"prepare {load.service}", "prepare", args, after=(), limit_ms=PREPARE_MS, attempts=1)

    def check(self, parts: Iterable[_Part]) -> None:
        """What already runs and is to answer after the switch must answer now."""
        for part in parts:
            if part.running and not part.replaced:
                args = {**_instances(part.load, part.running), "quick": True}
                self.add(f"check {part.load.service}", "verify", args, after=(), limit_ms=CHECK_MS, attempts=1)

    def begin(self, part: _Part, *, after: Iterable[str]) -> None:
        """Everything that makes one workload serve with its declared instances."""
        if part.others:
            after = self.stop_others(part, after=after)
        if part.place is not None and part.replaced:
            self.replace_in_place(part.load, part.place, after=after)
        elif part.unstarted:
            self.start(part.load, part.unstarted, after=after)
        if part.place is not None and part.scaled:
            proofs = self.proofs([part.load.service])
            self.serve(part.load.service, part.load.key, part.place, part.numbers, after=(*after, *proofs))

    def stop_others(self, part: _Part, *, after: Iterable[str]) -> tuple[str, ...]:
        """With a gap: a single never runs beside its predecessor or its successor of another kind."""
        after = (*after, *self.proofs(part.load.needs))
        stops = [_stop(place, key, sorted(place.begun), after=after) for key, place in part.others]
        self.workloads |= {place.workload.identity: place.workload for _, place in part.others}
        self.steps += stops
        return tuple(step.id for step in stops)

    def start(self, load: Workload, numbers: Sequence[int], *, after: Iterable[str], name: str = "") -> None:
        """Start and verify, once what it calls is verified."""
        name = name or load.service
        args = _instances(load, numbers)
        callees = self.proofs(load.needs)
        limit = START_MS + load.grace_ms  # enough to stop it again
        self.add(f"start {name}", "start", args, after=(*after, *callees), limit_ms=limit)
        limit = int(load.health.get("within_ms", 0)) + SLACK_MS
        self.add(f"verify {name}", "verify", args, after=(f"start {name}",), limit_ms=limit, attempts=1)

    def replace_in_place(self, load: Workload, place: Placement, *, after: Iterable[str]) -> None:
        """With a gap: never two of a single."""
        old, numbers = place.workload, sorted(place.serving)
        after = (*after, *self.proofs(load.needs))
        if place.begun:
            self.workloads[old.identity] = old
            self.steps.append(_stop(place, load.key, sorted(place.begun), after=after))
            after = (self.steps[-1].id,)
        self.start(load, numbers, after=after)

    def serve(self, name: str, key: str, place: Placement, numbers: Iterable[int], *, after: Iterable[str]) -> None:
        """From now on these instances get the workload's requests."""
        args = {"key": key, "numbers": sorted(numbers), "was": sorted(place.serving)}
        self.add(f"serve {name}", "serve", args, after=(*self.ids("serve")[-1:], *after))

    def candidate(self) -> None:
        self.add("candidate", "candidate", {}, after=self.so_far())

    def smoke(self, parts: Iterable[_Part], *, after: Iterable[str]) -> None:
        for load in (part.load for part in parts):
            if load.smoke and load.kind != "worker":
                args = {"key": load.key, "workload": load.identity}
                self.add(f"smoke {load.service}", "smoke", args, after=after, limit_ms=SMOKE_MS, attempts=1)

    def switch(self) -> None:
        """Room for the way back is made last, so that nothing else uses it up."""
        self.add("room", "room", {}, after=self.so_far(), attempts=1)
        live, generation = self.standing.live, self.standing.generation + 1
        back = {
            "generation": generation + 1,
            "release": live.name if live else "none",
            "table": live.table() if live else {},
        }
        there = {"generation": generation, "release": self.target.name, "table": self.target.table()}
        self.add("switch", "switch", {**there, "back": back}, after=("room",))

    def stop_old_workers(self) -> None:
        """A worker's predecessor is told to stop only when the new one is verified."""
        stopped = {step.args["key"] for step in self.steps if step.verb == "stop"}
        for key, place in sorted(self.standing.placements.items()):
            old = place.workload
            if old.kind == "worker" and key not in self.target.keys and place.begun and key not in stopped:
                self.workloads[old.identity] = old
                self.steps.append(_stop(place, key, sorted(place.begun), after=("switch", *self.proofs([old.service]))))

    def watch(self) -> None:
        settings = dict(self.target.settings)
        if settings["watch_ms"] > 0:
            ids = self.so_far()
            limit = settings["watch_ms"] * 4 + 60_000
            self.add("watch", "watch", settings, after=ids[ids.index("switch") :], limit_ms=limit, attempts=1)

    def plan(self, kind: Kind, changes: tuple[Change, ...] = ()) -> Plan:
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


def _instances(load: Workload, numbers: Iterable[int]) -> dict[str, Any]:
    return {"key": load.key, "workload": load.identity, "numbers": list(numbers)}


def _label(place: Placement) -> str:
    return f"{place.workload.service} {place.workload.identity[:6]}"


def _stop(place: Placement, key: str, numbers: Sequence[int], *, after: Iterable[str], drain_ms: int = 0) -> Step:
    load = place.workload
    args = {"key": key, "workload": load.identity, "numbers": list(numbers)} | (
        {"drain_ms": drain_ms} if drain_ms else {}
    )
    limit = load.grace_ms + drain_ms + SLACK_MS
    return Step(f"stop {_label(place)}", "stop", args, tuple(dict.fromkeys(after)), limit_ms=limit)


# --- the other kinds ------------------------------------------------------------------------------------------------


def start(standing: Standing) -> Plan:
    """Bring the live revision back: after a reboot, after `down`, or whatever of it is missing. Nothing is undone."""
    assert standing.live is not None
    target = standing.live
    draft = _Draft(standing, target)
    draft.open()
    draft.place((part.load, part.numbers) for part in draft.parts if part.place is None)
    draft.prepare(target.ordered())
    ready = draft.so_far()
    for part in draft.parts:
        numbers = sorted(part.place.serving) if part.place else part.numbers
        draft.start(part.load, numbers, after=ready)
    restored = {"generation": standing.current_generation, "release": target.name, "table": target.table()}
    draft.add("restore", "restore", restored, after=draft.ids("open", "place"))
    return replace(draft.plan("start"), undoable=False)


def restart(standing: Standing, *, instances: Mapping[str, Sequence[int]]) -> Plan:
    """Replace running instances (placement key -> numbers) by fresh ones without a gap; a single with one."""
    assert standing.live is not None
    draft = _Draft(standing, standing.live)
    places = {key: standing.placements[key] for key in sorted(instances)}
    draft.workloads = {place.workload.identity: place.workload for place in places.values()} | draft.workloads
    fresh = {
        key: next_numbers(place, len(place.serving & set(instances[key])))
        for key, place in places.items()
        if place.workload.kind != "single"
    }
    draft.place((places[key].workload, numbers) for key, numbers in fresh.items())
    for key, place in places.items():
        name, numbers = _label(place), set(instances[key])
        if key not in fresh:
            draft.replace_in_place(place.workload, place, after=())
            continue
        served: tuple[str, ...] = ()
        if fresh[key]:
            draft.start(place.workload, fresh[key], after=("place",), name=name)
            draft.serve(name, key, place, (place.serving - numbers) | set(fresh[key]), after=(f"verify {name}",))
            served = (f"serve {name}",)
        draft.steps.append(_stop(place, key, sorted(numbers), after=served, drain_ms=RESTART_DRAIN_MS))
    return draft.plan("restart")


def retire(standing: Standing, *, keep: Iterable[str] = (), drain_ms: int) -> Plan:
    """Drain and remove what the live revision does not use. `keep`: placement keys that stay, with what they call."""
    places = standing.placements
    wanted = _with_callees(places, {*keep, *(standing.live.keys if standing.live else ())})
    old = {key: place for key, place in places.items() if key not in wanted}
    steps: list[Step] = []
    for key, place in _callers_first(old):
        if place.listener_port and place.begun and standing.open:
            args = {"key": key, "cap_ms": drain_ms}
            callers = _of_callers(steps, "drain", places, place)
            steps.append(Step(f"drain {_label(place)}", "drain", args, callers, limit_ms=drain_ms + SLACK_MS))
    drained = tuple(step.id for step in steps)
    for key, place in _callers_first(old):
        if place.begun:
            after = (*drained, *_of_callers(steps, "stop", places, place))
            steps.append(_stop(place, key, sorted(place.begun), after=after))
    for key, place in sorted(places.items()):
        if key in wanted and (surplus := place.begun - place.serving):
            steps.append(_stop(place, key, sorted(surplus), after=()))
    if old:
        steps.append(Step("remove", "remove", {"keys": sorted(old)}, tuple(step.id for step in steps)))
    if steps:
        steps.append(Step("prune", "prune", {}, tuple(step.id for step in steps), limit_ms=PRUNE_MS))
    return _one_way("retire", standing, steps)


def stop(standing: Standing, *, drain_ms: int) -> Plan:
    """Take the environment down: the edge first, then callers before callees. Data stays, and so does what is live."""
    places = standing.placements
    steps: list[Step] = []
    if standing.open or standing.edge_port:  # a proxy may run though it never got as far as `open`
        steps.append(Step("close", "close", {"cap_ms": drain_ms}, limit_ms=drain_ms + 2 * SLACK_MS))
    closed = tuple(step.id for step in steps)
    for key, place in _callers_first(places):
        if place.begun:
            after = (*closed, *_of_callers(steps, "stop", places, place))
            steps.append(_stop(place, key, sorted(place.begun), after=after))
    return _one_way("stop", standing, steps)


def _one_way(kind: Kind, standing: Standing, steps: Sequence[Step]) -> Plan:
    return Plan(
        kind,
        standing.name,
        basis(standing),
        with_way_back(steps),
        workloads={place.workload.identity: place.workload for place in standing.placements.values()},
        target=standing.live,
        previous=standing.live.name if standing.live else None,
        undoable=False,
    )


def _with_callees(places: Mapping[str, Placement], keys: Iterable[str]) -> set[str]:
    """The placements, and all that they call, directly or not."""
    found, open_ends = set[str](), list(keys)
    while open_ends:
        key = open_ends.pop()
        if key not in found:
            found.add(key)
            open_ends += places[key].workload.callees.values() if key in places else ()
    return found


def _of_callers(
    steps: Iterable[Step], verb: str, places: Mapping[str, Placement], callee: Placement
) -> tuple[str, ...]:
    """The steps so far that do `verb` to what calls `callee`."""
    return tuple(
        step.id for step in steps if step.verb == verb and places[step.args["key"]].workload.calls(callee.workload)
    )


def _callers_first(places: Mapping[str, Placement]) -> list[tuple[str, Placement]]:
    remaining = dict(sorted(places.items()))
    ordered: list[tuple[str, Placement]] = []
    while remaining:
        called = {key for place in remaining.values() for key in place.workload.callees.values()}
        free = [key for key in remaining if key not in called] or list(remaining)
        ordered.extend((key, remaining.pop(key)) for key in free)
    return ordered


# --- why ------------------------------------------------------------------------------------------------------------


def compare(live: Revision | None, target: Revision) -> tuple[Change, ...]:
    """What happens to each service, and why it is or is not touched."""
    old = live.workloads if live else {}
    changes = [_change(old.get(load.service), load) for load in target.ordered()]
    changes += [
        Change(name, "removed", "it is no longer in `sophia.yaml`")
        for name in sorted(old)
        if name not in target.workloads
    ]
    return tuple(changes)


def _change(old: Workload | None, new: Workload) -> Change:
    if old is None:
        return Change(new.service, "new", "it was not live before")
    if old.identity == new.identity:
        if old.replicas != new.replicas:
            return Change(new.service, "scaled", f"instances {old.replicas} → {new.replicas}")
        return Change(new.service, "unchanged", "same artifact, settings and dependencies; it goes on running")
    gap = "; replaced in place, with a gap" if "single" in (old.kind, new.kind) else ""
    own = _own_reasons(old, new)
    if own:
        return Change(new.service, "changed", "; ".join(own) + gap)
    callees = [name for name in sorted(new.needs) if new.needs[name] != old.needs.get(name)]
    return Change(new.service, "follows", f"it needs {', '.join(f'`{name}`' for name in callees)}, which changed{gap}")


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
    if old.kind != new.kind:
        reasons.append(f"{old.kind} → {new.kind}")
    if old.prepare != new.prepare:
        reasons.append("prepare command")
    if (old.run, old.static) != (new.run, new.static):
        reasons.append("run command")
    if (old.stop_signal, old.grace_ms) != (new.stop_signal, new.grace_ms):
        reasons.append("stop")
    if set(old.needs) != set(new.needs):
        reasons.append("what it needs")
    return reasons
