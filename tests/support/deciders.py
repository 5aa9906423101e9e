"""Random platforms, and a machine to play their runs on: what deciders are property-tested with.

    play = Play(random)                      # a ledger, the world folded from it, processes and a proxy: all pure
    play.submit(planning.deploy(play.standing, revision(draw(platforms()))))
    play.carry_on(...)                       # obeys `run.next`; steps succeed, fail, are lost with their engine

The machine is as simple as the promises: what runs, what the proxy was told, which table is public. It checks after
every single effect what must always hold, and keeps all events, so that everything can be folded again.
"""

from __future__ import annotations

import random as chance
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from hypothesis import strategies as st
from sophia_deployment_core import run
from sophia_deployment_core.canonical import canonical, digest
from sophia_deployment_core.environment import Placement, Standing
from sophia_deployment_core.ledger import Event
from sophia_deployment_core.plan import Plan, Step
from sophia_deployment_core.platform import Platform
from sophia_deployment_core.release import Release, Revision, Workload, revise
from sophia_deployment_core.run import ENDED, Begin, Decision, End, Hold, Phase, Undo, View
from sophia_deployment_core.world import World

ENVIRONMENT = "local"

# --- platforms ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Thing:
    """One service of a shape; `needs` are indices of earlier ones."""

    kind: str = "service"
    version: int = 1
    replicas: int = 1
    needs: tuple[int, ...] = ()
    smoke: bool = False
    grace_s: int = 10


Shape = Mapping[int, Thing]
"""index -> service; its name is a letter that sorts against the order of dependencies."""


def name(index: int) -> str:
    return f"{'zyxwvutsrq'[index]}-{index}"


@st.composite
def shapes(draw: st.DrawFn, *, most: int = 5) -> Shape:
    things: dict[int, Thing] = {}
    for index in range(draw(st.integers(1, most))):
        callable_ = [other for other, thing in things.items() if thing.kind != "worker"]
        kind = draw(st.sampled_from(["service", "service", "service", "single", "worker"]))
        things[index] = Thing(
            kind=kind,
            version=draw(st.integers(1, 2)),
            replicas=1 if kind == "single" else draw(st.integers(1, 2)),
            needs=tuple(sorted(draw(st.sets(st.sampled_from(callable_), max_size=2)))) if callable_ else (),
            smoke=draw(st.booleans()),
        )
    return things


@st.composite
def histories(draw: st.DrawFn, *, most: int = 4) -> list[Shape]:
    """Shapes one after the other, as a platform changes: other versions, other sizes, services come and go."""
    found = [draw(shapes())]
    for _ in range(draw(st.integers(0, most - 1))):
        found.append(draw(changed(found[-1])))
    return found


@st.composite
def changed(draw: st.DrawFn, shape: Shape) -> Shape:
    things = dict(shape)
    for index in draw(st.lists(st.sampled_from(sorted(things)), min_size=1, max_size=3, unique=True)):
        thing = things[index]
        is_called = any(index in other.needs for other in things.values())
        match draw(st.sampled_from(["version", "version", "replicas", "kind", "remove", "nothing"])):
            case "version":
                things[index] = replace(thing, version=thing.version + 1)
            case "replicas" if thing.kind != "single":
                things[index] = replace(thing, replicas=draw(st.integers(1, 3)))
            case "kind":
                kind = draw(st.sampled_from(["service", "single", *([] if is_called else ["worker"])]))
                things[index] = replace(thing, kind=kind, replicas=1 if kind == "single" else thing.replicas)
            case "remove" if len(things) > 1 and not is_called:
                del things[index]
    return things


def platform(shape: Shape, *, watch_ms: int = 1_000) -> Platform:
    services: dict[str, Any] = {}
    for index, thing in shape.items():
        services[name(index)] = {
            "source": name(index),
            "bundle": {"include": ["*"], "run": ["serve"]},
            "needs": [name(need) for need in thing.needs],
            "routes": [f"/{index}"] if thing.kind == "service" else [],
            "worker": thing.kind == "worker",
            "single": thing.kind == "single",
            "replicas": thing.replicas,
            "stop": {"grace": f"{thing.grace_s}s"},
            "smoke": [{"get": "/version"}] if thing.smoke and thing.kind != "worker" else [],
        }
    blue_green = {"watch_ms": watch_ms}
    local = {"edge": {"port": 8080}, "strategy": {"blue_green": blue_green}}
    return Platform.model_validate({"platform": "random", "services": services, "environments": {ENVIRONMENT: local}})


def revision(shape: Shape, *, watch_ms: int = 1_000) -> Revision:
    return _revision(tuple(sorted(shape.items())), watch_ms)


@lru_cache(maxsize=256)
def _revision(things: tuple[tuple[int, Thing], ...], watch_ms: int) -> Revision:
    shape = dict(things)
    of = platform(shape, watch_ms=watch_ms)
    artifacts = {name(index): digest([name(index), thing.version]) for index, thing in shape.items()}
    return revise(Release(of.to_canonical(), artifacts), of, ENVIRONMENT, secrets={}, overrides={})


def stored(of: Revision) -> Revision:
    """As it comes back from the ledger: keys in another order."""
    text = canonical(of.to_data())
    return Revision.from_data(Event(1, 0, 0, None, "", None, text, "").body)


# --- a machine ------------------------------------------------------------------------------------------------------


@dataclass
class Machine:
    """What really is: it outlives engines."""

    running: dict[tuple[str, int], Workload] = field(default_factory=dict)
    backends: dict[str, frozenset[int]] = field(default_factory=dict)
    """placement key -> instance numbers that get its requests"""
    table: Mapping[str, str] = field(default_factory=dict)
    generation: int = 0
    generations: list[int] = field(default_factory=list)
    open: bool = False
    log: list[str] = field(default_factory=list)
    """`start z-0 1`, `stop z-0 1`, `switch 1`: every effect that changed something, in order"""


def act(machine: Machine, plan: Plan, step: Step, phase: Phase, standing: Standing, given: Mapping[str, Any]) -> None:
    """The effect of a step. Twice is once; `standing` is what the ledger tells while it is done."""
    args = step.args
    match step.verb, phase:
        case ("start", "do") | ("stop", "undo"):
            _start(machine, plan.workloads[args["workload"]], args["numbers"], standing.placements[args["key"]])
        case ("stop", "do") | ("start", "undo"):
            _stop(machine, plan.workloads[args["workload"]], args["numbers"])
        case "open", "do":
            machine.open = True
            _arrange(machine, standing.placements)
        case "open", "undo":
            machine.open = False
        case "place", "do":
            _arrange(machine, standing.placements)
        case "place", "undo":
            gone = {key for key, one in given.get("placements", {}).items() if one["new"]}
            _arrange(machine, {key: place for key, place in standing.placements.items() if key not in gone})
        case "serve", _:
            wanted = set(args["numbers"] if phase == "do" else args["was"])
            changed = {args["key"]: replace(standing.placements[args["key"]], serving=wanted)}
            _arrange(machine, {**standing.placements, **changed})
        case "remove", "do":
            _arrange(machine, {key: p for key, p in standing.placements.items() if key not in args["keys"]})
        case "switch", _:
            _switch(machine, args if phase == "do" else args["back"])
        case "restore", "do":
            _switch(machine, args)
        case "close", "do":
            machine.open = False


def _start(machine: Machine, load: Workload, numbers: Iterable[int], place: Placement) -> None:
    for number in numbers:
        assert number in place.ports, "an instance is started that has no port"
        assert load.kind == "worker" or place.ports[number], "a worker alone has no port"
        if (load.identity, number) not in machine.running:
            machine.running[load.identity, number] = load
            machine.log.append(f"start {load.service} {load.identity[:4]}/{number}")
    beside = [one for one in machine.running.values() if one.service == load.service]
    assert len(beside) == 1 or all(one.kind != "single" for one in beside), "a single was doubled"


def _stop(machine: Machine, load: Workload, numbers: Iterable[int]) -> None:
    for number in numbers:
        if machine.running.pop((load.identity, number), None):
            machine.log.append(f"stop {load.service} {load.identity[:4]}/{number}")


def _arrange(machine: Machine, placements: Mapping[str, Placement]) -> None:
    told = {key: frozenset(place.serving) for key, place in placements.items() if place.listener_port}
    assert set(machine.table.values()) <= set(told), "a backend is removed that the public table names"
    machine.backends = told


def _switch(machine: Machine, routes: Mapping[str, Any]) -> None:
    assert routes["generation"] >= machine.generation, "a table of an older generation"
    assert set(routes["table"].values()) <= set(machine.backends), "a table names what the proxy does not know"
    if routes["generation"] > machine.generation:
        machine.log.append(f"switch {routes['generation']}")
        machine.generations.append(routes["generation"])
    else:
        assert dict(routes["table"]) == dict(machine.table), "two tables of one generation"
    machine.generation, machine.table = routes["generation"], routes["table"]


def answering(machine: Machine, placements: Mapping[str, Placement], key: str) -> bool:
    """Whether every instance that gets requests of `key` runs, and all that it calls answers too; singles may gap, and
    so may what is put in the place of one or makes place for one."""
    load = placements[key].workload
    numbers = machine.backends[key]
    may_gap = any(p.workload.kind == "single" for p in placements.values() if p.workload.service == load.service)
    runs = bool(numbers) and all((load.identity, number) in machine.running for number in numbers)
    callees = (answering(machine, placements, callee) for callee in load.callees.values())
    return (runs or may_gap) and all(callees)


# --- playing --------------------------------------------------------------------------------------------------------

Outcome = Callable[[Begin], str | tuple[str, Mapping[str, Any]]]
"""What becomes of a step: `done`; `failed`, with `again` and `hold`; `lost`: the engine dies."""


def done(_: Begin) -> str:
    return "done"


class Play:
    """One environment's whole life. `random` decides the order in which things under way come to their end."""

    def __init__(self, random: chance.Random | None = None) -> None:
        self.random = random or chance.Random(0)
        self.events: list[Event] = []
        self.epoch = 1
        self.world = World(self.epoch)
        self.machine = Machine()
        self.under_way: dict[tuple[Phase, str], Begin] = {}
        self.on_effect: Callable[[Play], None] = lambda play: None
        self._port = 20_000

    @property
    def standing(self) -> Standing:
        return self.world.standing(ENVIRONMENT)

    def view(self, id: str) -> View:
        return self.world.runs[id]

    def append(self, kind: str, body: Mapping[str, Any], id: str | None, *, by_engine: bool = True) -> None:
        seq = len(self.events) + 1
        event = Event(seq, seq * 10, self.epoch if by_engine else 0, id, kind, None, canonical(body), f"hash {seq}")
        self.events.append(event)
        self.world.apply(event)

    def submit(self, plan: Plan, *, lane: bool = True, **more: Any) -> View:
        number = self.world.numbers + 1
        id = f"run-{number}"
        body = {"plan": plan.to_data(), "number": number, "kind": plan.kind, "environment": ENVIRONMENT, "by": "ada"}
        self.append("run submitted", body | more, id, by_engine=False)
        if lane:
            self.append("lane taken", {"environment": ENVIRONMENT}, id)
        return self.view(id)

    def ask(self, kind: str, id: str) -> None:
        self.append(kind, {"by": "ada", "reason": None}, id, by_engine=False)

    def decisions(self, id: str) -> list[Decision]:
        """What is due, without what is under way already."""
        return [
            decision
            for decision in run.next(self.view(id))
            if not (isinstance(decision, Begin) and (decision.phase, decision.step.id) in self.under_way)
        ]

    def obey(self, id: str, decision: Decision) -> None:
        match decision:
            case Begin():
                self.begin(id, decision)
            case Undo():
                self.append("undo decided", decision.because, id)
                for key in [key for key in self.under_way if key[0] == "do"]:
                    self.finish(id, key, "failed", {"again": False})
            case End():
                self.append("run ended", {"state": decision.state, "because": decision.because}, id)
            case Hold():
                self.append("held", {"because": decision.because}, id)

    def begin(self, id: str, begin: Begin) -> None:
        view = self.view(id)
        done = view.step("do", begin.step.id)
        given = done.given if begin.phase == "undo" or done.begun else self._resolved(view.plan, begin.step)
        about = {"step": begin.step.id, "phase": begin.phase, "attempt": begin.attempt}
        self.append("step started", {**about, "until_ms": 0, "with": given}, id)
        self.under_way[begin.phase, begin.step.id] = begin

    def effect(self, id: str, key: tuple[Phase, str]) -> None:
        begin = self.under_way[key]
        view = self.view(id)
        given = view.step("do", begin.step.id).given
        act(self.machine, view.plan, begin.step, begin.phase, self.standing, given)
        self.on_effect(self)

    def finish(self, id: str, key: tuple[Phase, str], outcome: str, facts: Mapping[str, Any] | None = None) -> None:
        """The outcome of a step under way; a failed one may have had its effect or not."""
        if outcome == "done" or self.random.random() < 0.5:
            self.effect(id, key)
        begin = self.under_way.pop(key)
        about = {"step": begin.step.id, "phase": begin.phase, "attempt": begin.attempt}
        if outcome == "done":
            self.append("step done", {**about, "result": {}}, id)
        else:
            told = dict(facts or {})
            error: dict[str, Any] = {"code": "SPH-1999", "message": f"{begin.step.id} failed", "hint": "", "facts": {}}
            error |= {"hold": True} if told.get("hold") else {}
            self.append("step failed", {**about, "error": error, "again": told.get("again", True)}, id)
        self.on_effect(self)

    def die(self, id: str) -> None:
        """The engine dies; the next one folds the ledger. Effects under way happened or not."""
        for key in list(self.under_way):
            if self.random.random() < 0.5:
                self.effect(id, key)
        self.under_way.clear()
        self.epoch += 1
        self.world = World(self.epoch)
        self.world.apply_all(self.events)

    def carry_on(
        self,
        view: View,
        outcome: Outcome = done,
        *,
        until: Callable[[View], bool] = lambda view: False,
    ) -> View:
        """Obey and finish, in random order, until the run ends or needs somebody. `lost`: the engine dies."""
        for _ in range(3_000):
            view = self.view(view.id)
            if view.state in (*ENDED, "needs you") or until(view):
                return view
            due = self.decisions(view.id)
            if due and (not self.under_way or self.random.random() < 0.6):
                self.obey(view.id, self.random.choice(due))
                continue
            assert self.under_way, f"nothing is due and nothing is under way: {view.state}"
            key = self.random.choice(sorted(self.under_way))
            said = outcome(self.under_way[key])
            word, facts = said if isinstance(said, tuple) else (said, {})
            if word == "lost":
                self.die(view.id)
            else:
                self.finish(view.id, key, word, facts)
        raise AssertionError("the run goes on for ever")

    def run(self, plan: Plan, outcome: Outcome = done) -> View:
        return self.carry_on(self.submit(plan), outcome)

    def of(self, id: str) -> list[Event]:
        return [event for event in self.events if event.run == id]

    def _resolved(self, plan: Plan, step: Step) -> dict[str, Any]:
        if step.verb == "open":
            standing = self.standing
            if standing.edge_port:
                return {"edge_port": standing.edge_port, "private_port": standing.private_port}
            return {"edge_port": step.args["edge_port"], "private_port": self._fresh()}
        if step.verb != "place":
            return {}
        given = {}
        for key, wanted in step.args["placements"].items():
            load, place = plan.workloads[wanted["workload"]], self.standing.placements.get(key)
            has_port = load.kind != "worker"
            given[key] = {
                "workload": load.identity,
                "listener": (place.listener_port if place else self._fresh()) if has_port else 0,
                "ports": {str(number): self._fresh() if has_port else 0 for number in wanted["numbers"]},
                "new": place is None,
            }
        return {"placements": given}

    def _fresh(self) -> int:
        self._port += 1
        assert self._port not in self.world.ports()
        return self._port


def before(steps: Sequence[Step], earlier: str, later: str) -> bool:
    """Whether `later` waits for `earlier`, directly or not."""
    waits: dict[str, set[str]] = {}
    for step in steps:
        waits[step.id] = set(step.after).union(*(waits[name] for name in step.after))
    return earlier in waits[later]
