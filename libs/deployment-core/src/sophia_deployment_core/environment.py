"""What stands in an environment: a fold over the ledger. Pure.

    live        the revision that answers, by committed intent
    placements  every workload that was started and not yet removed, with its ports
    history     revisions that were live, newest last

The ledger is the truth; what really runs is observed by the runtime and compared with this.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sophia_deployment_core.ports import Backend
from sophia_deployment_core.release import Revision, Workload


@dataclass
class Placement:
    """Where one workload is. `ports` are by instance number; workers have no listener and port 0."""

    workload: Workload
    listener_port: int
    ports: dict[int, int] = field(default_factory=dict)
    begun: set[int] = field(default_factory=set)
    """instance numbers whose start was at least intended and whose stop was not yet done"""
    serving: set[int] = field(default_factory=set)
    """instance numbers that the proxy sends requests to; of a worker, those that shall run"""
    numbered: int = 0
    """how many instance numbers were ever given: none is given again"""


@dataclass
class Shipped:
    """A revision that was made live. `at_ms` is wall time, `run` the run that made it so."""

    revision: Revision
    at_ms: int
    run: str
    number: int
    good: bool = True
    """False once it was rolled back from; what is live is good"""
    pinned: bool = False
    """the run was tagged `pinned`: kept whatever its age"""


@dataclass
class Standing:
    """An environment as the ledger tells it."""

    name: str
    live: Revision | None = None
    live_since_ms: int | None = None
    live_run: str | None = None
    """the run that made it live"""
    generation: int = 0
    """the newest generation a route file was written for, ways back included"""
    current_generation: int = 0
    placements: dict[str, Placement] = field(default_factory=dict)
    history: list[Shipped] = field(default_factory=list)
    edge_port: int | None = None
    edge_wanted: int | None = None
    """the port that was declared when `edge_port` was chosen"""
    private_port: int | None = None
    open: bool = False
    held: str | None = None
    """why a person has to judge what is live, though no run is under way: it ends again and again"""
    down_alone: bool = False
    """taken down by name: `up` without a name leaves it down"""
    before: Revision | None = None
    """what was live before the newest switch"""

    def backends(self) -> tuple[Backend, ...]:
        """The proxy's whole list."""
        return backends(self.placements)

    def ports(self) -> set[int]:
        """Every port that is spoken for here."""
        taken = {port for port in (self.edge_port, self.private_port) if port}
        for place in self.placements.values():
            taken.add(place.listener_port)
            taken.update(place.ports.values())
        return taken - {0}

    def shipped(self, name: str) -> Shipped | None:
        """The newest entry of the history whose revision or release name starts with `name`, or whose run is `#n`."""
        for entry in reversed(self.history):
            if name in (f"#{entry.number}", entry.revision.name, entry.revision.digest):
                return entry
        for entry in reversed(self.history):
            if len(name) >= 4 and (entry.revision.name.startswith(name) or entry.revision.release.startswith(name)):
                return entry
        return None

    def previous(self) -> Shipped | None:
        """The newest good revision before the live one: what `rollback` goes to unless told otherwise."""
        live = self.live.digest if self.live else None
        return next((entry for entry in reversed(self.history) if entry.good and entry.revision.digest != live), None)

    def newest(self, revision: Revision | None) -> Shipped | None:
        """The newest entry of the history that made `revision` live."""
        digest = revision.digest if revision else None
        return next((entry for entry in reversed(self.history) if entry.revision.digest == digest), None)

    def kept(self, *, now_ms: int) -> list[Revision]:
        """What can be gone back to: what is live, was before it or is pinned, and the newest that are not too old."""
        retention = self.live.settings.get("retention", {}) if self.live else {}
        most, age_ms = int(retention.get("releases", 10)), int(retention.get("age_ms", 2_592_000_000))
        found = {revision.digest: revision for revision in (self.live, self.before) if revision is not None}
        for entry in reversed(self.history):
            is_young = len(found) < most and now_ms - entry.at_ms <= age_ms
            if is_young or entry.pinned:
                found.setdefault(entry.revision.digest, entry.revision)
        return list(found.values())

    def placed(self, identity: str) -> bool:
        return identity in self.placements


def backends(placements: Mapping[str, Placement]) -> tuple[Backend, ...]:
    """What the proxy is told of these placements: every one that has a listener."""
    return tuple(
        Backend(
            workload=key,
            service=place.workload.service,
            listener_port=place.listener_port,
            endpoints=tuple(place.ports[number] for number in sorted(place.serving) if number in place.ports),
        )
        for key, place in sorted(placements.items())
        if place.listener_port
    )


@dataclass(frozen=True)
class Deed:
    """One step's event, with all that its meaning depends on."""

    what: str
    """`started`, `done` or `failed`"""
    phase: str
    verb: str
    args: Mapping[str, Any]
    given: Mapping[str, Any]
    workloads: Mapping[str, Workload]
    target: Revision | None
    run: str
    kind: str
    """of the run"""
    number: int
    at_ms: int
    pinned: bool = False


def apply(standing: Standing, deed: Deed) -> None:
    """Fold one step's event into what stands. Verbs without an effect on it are passed over."""
    handler = _HANDLERS.get((deed.phase, deed.verb, deed.what))
    if handler is not None:
        handler(standing, deed)


def settle(standing: Standing) -> None:
    """The run that had the lane is over: instances that it left neither running nor serving give their ports back."""
    for place in standing.placements.values():
        kept = place.serving | place.begun
        place.ports = {number: port for number, port in place.ports.items() if number in kept}


# Ports are taken with the intent. They are free again when no step of the run, back or forth, can need them any more.
# A step may fail before its intent says anything: then `given` is empty.


def _open_intended(standing: Standing, deed: Deed) -> None:
    standing.edge_port = deed.given.get("edge_port", standing.edge_port)
    standing.private_port = deed.given.get("private_port", standing.private_port)
    standing.edge_wanted = deed.args["edge_port"]
    for key, given in deed.given.get("moved", {}).items():
        place = standing.placements[key]
        place.listener_port = given["listener"]
        place.ports = {int(number): port for number, port in given["ports"].items()}


def _opened(standing: Standing, _: Deed) -> None:
    standing.open = True


def _closed(standing: Standing, _: Deed) -> None:
    standing.open, standing.held = False, None


def _place_intended(standing: Standing, deed: Deed) -> None:
    for key, given in deed.given.get("placements", {}).items():
        ports = {int(number): port for number, port in given["ports"].items()}
        place = standing.placements.get(key)
        if place is None:
            load = deed.workloads[given["workload"]]
            place = standing.placements[key] = Placement(load, given["listener"], serving=set(ports))
        place.ports |= ports
        place.numbered = max([place.numbered, *(number + 1 for number in ports)])


def _unplaced(standing: Standing, deed: Deed) -> None:
    for key, given in deed.given.get("placements", {}).items():
        if given["new"]:
            standing.placements.pop(key, None)
        elif key in standing.placements:
            for number in given["ports"]:
                standing.placements[key].ports.pop(int(number), None)


def _begun(standing: Standing, deed: Deed) -> None:
    place = standing.placements.get(deed.args["key"])
    if place is not None:
        place.workload = deed.workloads[deed.args["workload"]]
        place.begun |= set(deed.args["numbers"])


def _stopped(standing: Standing, deed: Deed) -> None:
    place = standing.placements.get(deed.args["key"])
    if place is not None:
        place.begun -= set(deed.args["numbers"])


def _serving(standing: Standing, deed: Deed) -> None:
    place = standing.placements.get(deed.args["key"])
    if place is not None:
        place.serving = set(deed.args["numbers"] if deed.phase == "do" else deed.args["was"])


def _removed(standing: Standing, deed: Deed) -> None:
    for key in deed.args["keys"]:
        standing.placements.pop(key, None)


def _switch_intended(standing: Standing, deed: Deed) -> None:
    standing.before = standing.live
    standing.generation = max(standing.generation, deed.args["back"]["generation"])


def _switched(standing: Standing, deed: Deed) -> None:
    assert deed.target is not None
    if deed.kind == "rollback":
        _turn_bad(standing, standing.live)
    standing.live, standing.live_since_ms, standing.live_run = deed.target, deed.at_ms, deed.run
    standing.current_generation = deed.args["generation"]
    standing.held = None
    standing.history.append(Shipped(deed.target, deed.at_ms, deed.run, deed.number, pinned=deed.pinned))


def _switched_back(standing: Standing, deed: Deed) -> None:
    standing.current_generation = deed.args["back"]["generation"]
    if not standing.history or standing.history[-1].run != deed.run:
        return  # it never was live
    _turn_bad(standing, standing.live)
    standing.live, standing.live_since_ms, standing.live_run = standing.before, deed.at_ms, None
    again = standing.newest(standing.before)
    if again is not None:
        again.good, standing.live_run = True, again.run


def _turn_bad(standing: Standing, revision: Revision | None) -> None:
    """Nothing goes back to it by itself, whenever it was live."""
    for entry in standing.history:
        if revision is not None and entry.revision.digest == revision.digest:
            entry.good = False


_HANDLERS = {
    ("do", "open", "started"): _open_intended,
    ("do", "open", "done"): _opened,
    ("undo", "open", "done"): _closed,
    ("do", "close", "done"): _closed,
    ("do", "place", "started"): _place_intended,
    ("undo", "place", "done"): _unplaced,
    ("do", "start", "started"): _begun,
    ("undo", "start", "done"): _stopped,
    ("do", "stop", "done"): _stopped,
    ("undo", "stop", "started"): _begun,
    ("do", "serve", "done"): _serving,
    ("undo", "serve", "done"): _serving,
    ("do", "remove", "done"): _removed,
    ("do", "switch", "started"): _switch_intended,
    ("do", "switch", "done"): _switched,
    ("undo", "switch", "done"): _switched_back,
}
