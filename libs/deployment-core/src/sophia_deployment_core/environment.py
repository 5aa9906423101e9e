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
    """instance numbers that the proxy sends requests to"""


@dataclass
class Shipped:
    """A revision that was live. `at_ms` is wall time, `run` the run that made it so."""

    revision: Revision
    at_ms: int
    run: str
    number: int
    good: bool = True
    """False once it was rolled back from"""


@dataclass
class Standing:
    """An environment as the ledger tells it."""

    name: str
    live: Revision | None = None
    live_since_ms: int | None = None
    live_run: str | None = None
    generation: int = 0
    """the newest generation a route file was written for, ways back included"""
    current_generation: int = 0
    placements: dict[str, Placement] = field(default_factory=dict)
    history: list[Shipped] = field(default_factory=list)
    edge_port: int | None = None
    private_port: int | None = None
    open: bool = False
    held: str | None = None
    down_alone: bool = False
    """taken down by name: `up` without a name leaves it down"""
    before: Revision | None = None
    """what was live before the newest switch"""

    def backends(self) -> tuple[Backend, ...]:
        """The proxy's whole list: every placement that has a listener."""
        return tuple(
            Backend(
                workload=identity,
                service=place.workload.service,
                listener_port=place.listener_port,
                endpoints=tuple(place.ports[number] for number in sorted(place.serving)),
            )
            for identity, place in sorted(self.placements.items())
            if place.listener_port
        )

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

    def kept(self, *, now_ms: int) -> list[Revision]:
        """What can be gone back to: what is live and was before it, and the newest releases that are not too old."""
        retention = self.live.settings.get("retention", {}) if self.live else {}
        most, age_ms = int(retention.get("releases", 10)), int(retention.get("age_ms", 2_592_000_000))
        found = {revision.digest: revision for revision in (self.live, self.before) if revision is not None}
        for entry in reversed(self.history):
            if len(found) >= most or now_ms - entry.at_ms > age_ms:
                break
            found.setdefault(entry.revision.digest, entry.revision)
        return list(found.values())

    def placed(self, identity: str) -> bool:
        return identity in self.placements


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
    number: int
    at_ms: int


def apply(standing: Standing, deed: Deed) -> None:
    """Fold one step's event into what stands. Verbs without an effect on it are passed over."""
    handler = _HANDLERS.get((deed.phase, deed.verb, deed.what))
    if handler is not None:
        handler(standing, deed)


def _opened(standing: Standing, deed: Deed) -> None:
    standing.open = True
    standing.edge_port, standing.private_port = deed.given["edge_port"], deed.given["private_port"]


def _closed(standing: Standing, _: Deed) -> None:
    standing.open = False


def _place_intended(standing: Standing, deed: Deed) -> None:
    for key, given in deed.given["placements"].items():
        place = standing.placements.get(key)
        if place is None:
            place = standing.placements[key] = Placement(deed.workloads[given["workload"]], given["listener"])
        place.ports.update({int(number): port for number, port in given["ports"].items()})


def _placed(standing: Standing, deed: Deed) -> None:
    for key, given in deed.given["placements"].items():
        if given["new"]:
            standing.placements[key].serving = {int(number) for number in given["ports"]}


def _unplaced(standing: Standing, deed: Deed) -> None:
    for key, given in deed.given["placements"].items():
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
    if place is None:
        return
    place.begun -= set(deed.args["numbers"])
    if place.serving:
        place.ports = {number: port for number, port in place.ports.items() if number in place.serving | place.begun}


def _serving(standing: Standing, deed: Deed) -> None:
    place = standing.placements[deed.args["key"]]
    place.serving = set(deed.args["numbers"] if deed.phase == "do" else deed.args["was"])


def _removed(standing: Standing, deed: Deed) -> None:
    for key in deed.args["keys"]:
        standing.placements.pop(key, None)


def _switch_intended(standing: Standing, deed: Deed) -> None:
    if standing.generation < deed.args["generation"]:
        standing.before = standing.live
    standing.generation = max(standing.generation, deed.args["back"]["generation"])


def _switched(standing: Standing, deed: Deed) -> None:
    assert deed.target is not None
    standing.live, standing.live_since_ms, standing.live_run = deed.target, deed.at_ms, deed.run
    standing.current_generation = deed.args["generation"]
    standing.held = None
    standing.history.append(Shipped(deed.target, deed.at_ms, deed.run, deed.number))


def _switched_back(standing: Standing, deed: Deed) -> None:
    standing.live, standing.live_since_ms = standing.before, deed.at_ms
    standing.current_generation = deed.args["back"]["generation"]
    if standing.history and standing.history[-1].run == deed.run:
        standing.history[-1].good = False


_HANDLERS = {
    ("do", "open", "done"): _opened,
    ("do", "close", "done"): _closed,
    ("do", "place", "started"): _place_intended,
    ("do", "place", "done"): _placed,
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
