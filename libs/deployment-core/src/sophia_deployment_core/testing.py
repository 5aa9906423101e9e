"""Fakes of the ports, for tests of whoever calls them. In memory, with virtual time, and with ways to break them.

    ground = Ground()                          # what outlives an engine: ledger, runtime, proxy, stores
    with virtual_time() as loop: loop.run_until_complete(story(ground))

`Ground` stands for the machine. Several engines, one after the other, can be set on it; each gets `Hands` of its own.
What a fake does is what the port's docstring promises and no more. Production may not import this module.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar, TypeVarTuple

from sophia_deployment_core.canonical import canonical
from sophia_deployment_core.errors import INTERNAL, SophiaError
from sophia_deployment_core.ledger import ORIGIN, Draft, Event, Head, chain
from sophia_deployment_core.ports import (
    Answer,
    Backend,
    Counters,
    Fenced,
    Guard,
    Instance,
    InstanceSpec,
    Reading,
    Routes,
    Surroundings,
)
from sophia_deployment_core.steps import Hands
from sophia_deployment_core.world import World

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

# --- time -----------------------------------------------------------------------------------------------------------


class _Jumping(selectors.SelectSelector):
    """Instead of waiting for the next timer, time jumps to it."""

    now = 1_000.0

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise RuntimeError("nothing will ever happen: every task waits for another")
            self.now += max(0.0, timeout)
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop whose `sleep` takes no time. A loop in which nothing can happen any more raises.

    Threads would need real time, in which virtual time runs away: what is meant for one is done at once.
    """

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now

    def run_in_executor(self, executor: Any, func: Callable[[*Ts], T], *args: *Ts) -> asyncio.Future[T]:
        """At once, and not in a thread: time would jump on while it works."""
        future: asyncio.Future[T] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:
            future.set_exception(error)
        return future


@contextmanager
def virtual_time() -> Iterator[VirtualTimeLoop]:
    loop = VirtualTimeLoop()
    try:
        yield loop
    finally:
        loop.close()


class FakeClock:
    """Reads the running loop's time; wall and boot clock agree but for an offset."""

    def now_ms(self) -> int:
        return 1_700_000_000_000 + self.boot_ms()

    def boot_ms(self) -> int:
        return int(asyncio.get_running_loop().time() * 1000)

    async def sleep(self, ms: int) -> None:
        await asyncio.sleep(ms / 1000)


# --- the ledger -----------------------------------------------------------------------------------------------------


class MemoryLedger:
    """The `Ledger` port. `claim` always succeeds, as if the owner before were dead: its epoch is fenced then."""

    def __init__(self, clock: FakeClock) -> None:
        self.events: list[Event] = []
        self.epoch = 0
        self.reserved = 0
        self.fail: dict[str, SophiaError] = {}
        self._clock = clock
        self._keys: set[str] = set()

    def read(self, *, after: int = 0, run: str | None = None, limit: int | None = None) -> list[Event]:
        found = [event for event in self.events[after:] if run in (None, event.run)]
        return found[:limit]

    def head(self) -> Head:
        return Head(len(self.events), self.events[-1].hash) if self.events else Head(0, ORIGIN)

    def claim(self, *, holder: str, lease_ms: int) -> int:
        self.epoch += 1
        return self.epoch

    def renew(self, *, epoch: int, lease_ms: int) -> None:
        self._fence(epoch)

    def release(self, *, epoch: int) -> None:
        self._fence(epoch)

    def reserve(self, size: int) -> None:
        if "reserve" in self.fail:
            raise self.fail.pop("reserve")
        self.reserved = max(self.reserved, size)

    def append(self, drafts: Sequence[Draft], *, epoch: int, guard: Guard | None = None) -> list[Event]:
        if epoch:
            self._fence(epoch)
        if guard is not None:
            guard(self)
        return [self._add(draft, epoch) for draft in drafts if draft.key is None or draft.key not in self._keys]

    def take_key(self, key: str) -> None:
        """As if an entry with this key had been appended."""
        self._keys.add(key)

    def _fence(self, epoch: int) -> None:
        if epoch != self.epoch:
            raise Fenced(f"epoch {epoch} was replaced by epoch {self.epoch}")

    def _add(self, draft: Draft, epoch: int) -> Event:
        head, text = self.head(), canonical(draft.body)
        at_ms = max(self._clock.now_ms(), self.events[-1].at_ms if self.events else 0)
        if draft.key is not None:
            self._keys.add(draft.key)
        facts = {"seq": head.seq + 1, "at_ms": at_ms, "epoch": epoch, "run": draft.run, "kind": draft.kind}
        hash = chain(head.hash, **facts, key=draft.key, text=text)  # type: ignore[arg-type]  # the names are its own
        event = Event(**facts, key=draft.key, text=text, hash=hash)  # type: ignore[arg-type]  # the names are its own
        self.events.append(event)
        return event


# --- the machine ----------------------------------------------------------------------------------------------------


@dataclass
class FakeRuntime:
    """Instances by name. `fail` names what goes wrong: {"start front": SophiaError(...)} is raised once per entry."""

    clock: FakeClock
    instances: dict[tuple[str, str, int], Instance] = field(default_factory=dict)
    specs: dict[tuple[str, str, int], InstanceSpec] = field(default_factory=dict)
    prepared: set[str] = field(default_factory=set)
    taken: set[int] = field(default_factory=set)
    """ports of other programs"""
    started: list[str] = field(default_factory=list)
    """every start that really happened, in order: `service/number/artifact`"""
    stopped: list[str] = field(default_factory=list)
    fail: dict[str, SophiaError] = field(default_factory=dict)
    start_ms: int = 50

    def is_free(self, port: int) -> bool:
        return port not in self.taken

    def first_port(self) -> int:
        return 20_000

    async def prepare(self, digest: str, *, prepare: Sequence[str] | None, epoch: int) -> None:
        self._maybe_fail(f"prepare {digest}")
        await self.clock.sleep(10)
        self.prepared.add(digest)

    async def start(self, spec: InstanceSpec, *, epoch: int) -> Instance:
        self._maybe_fail(f"start {spec.service}")
        await self.clock.sleep(self.start_ms)
        key = (spec.environment, spec.workload, spec.number)
        if key not in self.instances:
            self.started.append(f"{spec.service}/{spec.number}/{spec.artifact[:6]}")
            self.specs[key] = spec
            pid = 1000 + len(self.started)
            self.instances[key] = Instance(
                spec.environment, spec.service, spec.workload, spec.number, "running", spec.port, pid, pid + 1
            )
        return self.instances[key]

    async def stop(self, environment: str, workload: str, number: int, *, epoch: int) -> int | None:
        key = (environment, workload, number)
        spec = self.specs.get(key)
        self._maybe_fail(f"stop {spec.service if spec else workload}")
        await self.clock.sleep(20)
        if self.instances.pop(key, None) is None:
            return None
        assert spec is not None
        self.stopped.append(f"{spec.service}/{number}/{spec.artifact[:6]}")
        return 0

    async def observe(self, environment: str) -> list[Instance]:
        return [instance for instance in self.instances.values() if instance.environment == environment]

    def surroundings(
        self, environment: str, service: str, artifact: str, *, prepare: Sequence[str] | None
    ) -> Surroundings:
        return Surroundings(Path("/prepared") / artifact, {"PATH": "/bin"})

    def log_path(self, environment: str, service: str, workload: str, number: int) -> Path:
        return Path("logs") / environment / f"{service}-{workload[:12]}-{number}.log"

    def data_path(self, environment: str, service: str) -> Path:
        return Path("/data") / environment / service

    def log_tail(self, environment: str, service: str, workload: str, number: int) -> list[str]:
        return [f"{service} said something"]

    async def prune(self, keep: Collection[str], *, epoch: int) -> list[str]:
        gone = [digest for digest in self.prepared if digest not in keep]
        self.prepared -= set(gone)
        return gone

    def change(self, service: str, **changes: Any) -> None:
        """Let every instance of `service` be otherwise: `restarts=3`, `state="orphaned"`."""
        for key, instance in self.instances.items():
            if instance.service == service:
                self.instances[key] = replace(instance, **changes)

    def running(self, port: int) -> InstanceSpec | None:
        """Who listens on `port`."""
        return next((spec for key, spec in self.specs.items() if spec.port == port and key in self.instances), None)

    def _maybe_fail(self, what: str) -> None:
        if what in self.fail:
            raise self.fail.pop(what)


@dataclass
class FakeTraffic:
    """The proxy's files, as they are on disk. Switching to an older generation is refused, as the port says."""

    clock: FakeClock
    edges: dict[str, tuple[int, int]] = field(default_factory=dict)
    """open environments -> (edge port, private port)"""
    backends: dict[str, tuple[Backend, ...]] = field(default_factory=dict)
    public: dict[str, Routes] = field(default_factory=dict)
    private: dict[str, Routes] = field(default_factory=dict)
    switches: list[Routes] = field(default_factory=list)
    counters: dict[str, Counters] = field(default_factory=dict)
    releases: dict[str, Counters] = field(default_factory=dict)
    started_ms: int = 0
    """of the proxy, from whose start `counters` and `releases` count"""
    unreachable: bool = False
    fail: dict[str, SophiaError] = field(default_factory=dict)

    async def ports(self, environment: str) -> tuple[int, int] | None:
        return self.edges.get(environment)

    async def open(self, environment: str, *, edge_port: int, private_port: int, epoch: int) -> None:
        self._maybe_fail("open")
        self.edges[environment] = (edge_port, private_port)

    async def arrange(self, environment: str, backends: Sequence[Backend], *, epoch: int) -> None:
        self._maybe_fail("arrange")
        await self.clock.sleep(5)
        known = {backend.workload for backend in backends}
        named = {*self._table(self.public, environment), *self._table(self.private, environment)}
        assert named <= known, "a backend that a route table names may not be removed"
        self.backends[environment] = tuple(backends)

    async def show_candidate(self, routes: Routes, *, epoch: int) -> None:
        self._maybe_fail("show_candidate")
        self._refuse_unknown(routes)
        self.private[routes.environment] = routes

    async def switch(self, routes: Routes, *, back: Routes | None, epoch: int) -> None:
        self._maybe_fail("switch")
        self._refuse_unknown(routes)
        there = self.public.get(routes.environment)
        assert there is None or there.generation <= routes.generation, "a switch never goes to an older generation"
        if there != routes:
            self.public[routes.environment] = routes
            self.switches.append(routes)
        await self.clock.sleep(100)

    async def generation(self, environment: str) -> int | None:
        routes = self.public.get(environment)
        return routes.generation if routes else None

    async def read(self, environment: str) -> Reading:
        if self.unreachable:
            raise SophiaError(INTERNAL, "the statistics cannot be reached")
        return Reading(self.clock.boot_ms(), dict(self.counters), dict(self.releases), self.started_ms)

    async def close(self, environment: str, *, epoch: int) -> None:
        self._maybe_fail("close")
        self.edges.pop(environment, None)

    def endpoints(self, environment: str, workload: str) -> tuple[int, ...]:
        return next((one.endpoints for one in self.backends.get(environment, ()) if one.workload == workload), ())

    def _table(self, files: Mapping[str, Routes], environment: str) -> set[str]:
        return set(files[environment].table.values()) if environment in files else set()

    def _refuse_unknown(self, routes: Routes) -> None:
        known = {backend.workload for backend in self.backends.get(routes.environment, ())}
        assert set(routes.table.values()) <= known, "a route table names a backend that is not there"

    def _maybe_fail(self, what: str) -> None:
        if what in self.fail:
            raise self.fail.pop(what)


@dataclass
class FakeProbes:
    """Whoever runs answers 200; services in `ill` 503; `said` overrides by path."""

    runtime: FakeRuntime
    traffic: FakeTraffic
    clock: FakeClock
    ill: set[str] = field(default_factory=set)
    broken_artifacts: set[str] = field(default_factory=set)
    """instances of these artifacts answer 503 wherever they are asked, also through the edge"""
    said: dict[str, Answer] = field(default_factory=dict)
    asked: list[tuple[int, str]] = field(default_factory=list)
    commands: list[tuple[Path, dict[str, str]]] = field(default_factory=list)
    """where commands were run, and with which environment"""

    async def http(
        self,
        port: int,
        method: str,
        path: str,
        *,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        timeout_ms: int,
    ) -> Answer:
        self.asked.append((port, path))
        await self.clock.sleep(2)
        if path in self.said:
            return self.said[path]
        spec = self._behind(port, path)
        if spec is None:
            return Answer(0, error="connection refused")
        is_bad = spec.service in self.ill or spec.artifact in self.broken_artifacts
        return Answer(503 if is_bad else 200, took_ms=2)

    async def command(self, argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], timeout_ms: int) -> Answer:
        self.commands.append((cwd, dict(env)))
        return self.said.get(argv[0], Answer(0))

    def _behind(self, port: int, path: str) -> InstanceSpec | None:
        for environment, (edge, private) in self.traffic.edges.items():
            files = self.traffic.public if port == edge else self.traffic.private if port == private else {}
            routes = files.get(environment)
            if routes is not None:
                prefixes = [prefix for prefix in routes.table if path.startswith(prefix)]
                workload = routes.table[max(prefixes, key=len)] if prefixes else ""
                ports = self.traffic.endpoints(environment, workload)
                return self.runtime.running(ports[0]) if ports else None
        for backends in self.traffic.backends.values():
            for backend in backends:
                if backend.listener_port == port and backend.endpoints:
                    return self.runtime.running(backend.endpoints[0])
        return self.runtime.running(port)


@dataclass
class FakeArtifacts:
    stored: set[str] = field(default_factory=set)
    tampered: dict[str, SophiaError] = field(default_factory=dict)

    def has(self, digest: str) -> bool:
        return digest in self.stored

    def path(self, digest: str) -> Path:
        return Path("artifacts") / digest

    def check(self, digest: str) -> None:
        if digest in self.tampered:
            raise self.tampered[digest]

    def remove(self, digest: str) -> None:
        self.stored.discard(digest)

    def digests(self) -> list[str]:
        return sorted(self.stored)

    def stored_ms(self, digest: str) -> int:
        return 0


@dataclass
class FakeSecrets:
    kept: dict[tuple[str, str, int], str] = field(default_factory=dict)

    def versions(self, environment: str) -> dict[str, int]:
        found: dict[str, int] = {}
        for where, name, version in self.kept:
            if where == environment:
                found[name] = max(version, found.get(name, 0))
        return found

    def value(self, environment: str, name: str, version: int) -> str:
        return self.kept[environment, name, version]

    def keep(self, versions: Collection[tuple[str, str, int]]) -> list[tuple[str, str, int]]:
        gone = [
            (where, name, version)
            for where, name, version in self.kept
            if version != self.versions(where)[name] and (where, name, version) not in versions
        ]
        for each in gone:
            del self.kept[each]
        return gone


class Ground:
    """Everything that is there whether an engine runs or not."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.ledger = MemoryLedger(self.clock)
        self.runtime = FakeRuntime(self.clock)
        self.traffic = FakeTraffic(self.clock)
        self.probes = FakeProbes(self.runtime, self.traffic, self.clock)
        self.artifacts = FakeArtifacts()
        self.secrets = FakeSecrets()

    def hands(self) -> Hands:
        """Those of a new engine, which has just claimed the state and folded the ledger."""
        epoch = self.ledger.claim(holder="test", lease_ms=3_000)
        world = World(epoch)
        world.apply_all(self.ledger.read())
        return Hands(
            clock=self.clock,
            ledger=self.ledger,
            artifacts=self.artifacts,
            secrets=self.secrets,
            runtime=self.runtime,
            traffic=self.traffic,
            probes=self.probes,
            world=world,
            epoch=epoch,
        )

    def append(
        self, hands: Hands, *, before: Callable[[Sequence[Draft]], None] = lambda _drafts: None
    ) -> Callable[[Sequence[Draft], int], Awaitable[list[Event]]]:
        """What a `Runner` appends with; `before` may raise, as a killed engine would write no more."""

        async def append(drafts: Sequence[Draft], epoch: int) -> list[Event]:
            before(drafts)
            events = self.ledger.append(drafts, epoch=epoch)
            hands.world.apply_all(events)
            return events

        return append
