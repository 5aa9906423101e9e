"""What the core needs from outside, each a role with the few verbs its callers use.

Adapters live in `sophia_infrastructure` and `sophia_security`; documented fakes in `sophia_deployment_core.testing`.
Every verb with an effect takes the engine's `epoch` and may be tried twice: its effect happens once. An effect of an
older epoch than the resource has seen is refused with `Fenced`.
Verbs raise `SophiaError` for what a person can act on.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from sophia_deployment_core.ledger import Draft, Event, Head


class Fenced(Exception):
    """A newer engine owns this state; the caller must stop at once and write nothing."""


class Clock(Protocol):
    def now_ms(self) -> int:
        """Wall time, milliseconds since 1970 UTC. For what people read, approvals and schedules."""

    def boot_ms(self) -> int:
        """Milliseconds on the boot clock: counts while the machine sleeps, never jumps. For waits and deadlines."""

    async def sleep(self, ms: int) -> None: ...


# --- the ledger -----------------------------------------------------------------------------------------------------

Guard = Callable[["Reader"], None]
"""Runs inside the appending transaction, before anything is written; raises to refuse the whole batch."""


class Reader(Protocol):
    def read(self, *, after: int = 0, run: str | None = None, limit: int | None = None) -> Sequence[Event]:
        """Entries with `seq > after`, oldest first."""

    def head(self) -> Head: ...


class Ledger(Reader, Protocol):
    """One database, shared by engines; safe to call from several threads. Blocking: call it from a worker thread."""

    def claim(self, *, holder: str, lease_ms: int) -> int:
        """Take the next epoch if no living engine holds the state; raises `SophiaError` if another engine lives."""

    def renew(self, *, epoch: int, lease_ms: int) -> None:
        """Hold the lease on. Raises `Fenced` if a newer epoch exists. Every append renews too."""

    def release(self, *, epoch: int) -> None:
        """Give the lease back, at an orderly end."""

    def reserve(self, size: int) -> None:
        """Make sure that `size` bytes of entries can be appended though the disk fills up, or raise `SophiaError`."""

    def append(self, drafts: Sequence[Draft], *, epoch: int, guard: Guard | None = None) -> Sequence[Event]:
        """All or nothing, durable on return. Raises `Fenced`. A draft whose key exists is left out of the result.

        `epoch` 0 is a person's command: not fenced, guarded only.
        """


# --- artifacts and secrets ------------------------------------------------------------------------------------------


class Artifacts(Protocol):
    """Bundles by digest: content-addressed trees."""

    def has(self, digest: str) -> bool: ...

    def path(self, digest: str) -> Path:
        """The tree of a stored bundle, read-only by convention."""

    def check(self, digest: str) -> None:
        """Hash the stored tree again; raises `SophiaError` if it is not what its digest says (tampered or damaged)."""

    def remove(self, digest: str) -> None: ...

    def digests(self) -> Sequence[str]: ...

    def stored_ms(self, digest: str) -> int:
        """Wall time at which the bundle was stored last (storing it again counts); 0 if it is not there."""


class Secrets(Protocol):
    def versions(self, environment: str) -> Mapping[str, int]:
        """The newest version of each secret's name."""

    def value(self, environment: str, name: str, version: int) -> str:
        """One version's value; raises `SophiaError` if it was never set or is no longer kept."""

    def keep(self, versions: Collection[tuple[str, str, int]]) -> Collection[tuple[str, str, int]]:
        """Forget each (environment, name, version) that is neither current nor in `versions`; what was forgotten."""


# --- the runtime ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class InstanceSpec:
    """One process to be kept running. Its name is (environment, workload, number): never running twice.

    `env` is complete apart from `secrets` (PORT, DATA_DIR, `*_URL` of what it needs, SOPHIA_*); instances start from
    a clean environment. `argv` has placeholders resolved. Secret values reach the launcher by stdin only.
    """

    environment: str
    service: str
    workload: str
    number: int
    artifact: str
    prepare: tuple[str, ...] | None
    argv: tuple[str, ...] | None
    static: Mapping[str, object] | None
    port: int | None
    env: Mapping[str, str]
    secrets: Mapping[str, str] = field(repr=False)
    resources: Mapping[str, int]
    stop_signal: str
    grace_ms: int

    @property
    def name(self) -> str:
        return f"{self.service}-{self.workload[:12]}-{self.number}"


InstanceState = Literal["starting", "running", "waiting", "stopping", "orphaned", "gone"]
"""waiting: it ended and is restarted after a back-off; orphaned: it runs but its launcher is dead."""


@dataclass(frozen=True)
class Instance:
    """One process as observed now. `exit`: last exit status (negative: signal); `restarts` since its launcher began."""

    environment: str
    service: str
    workload: str
    number: int
    state: InstanceState
    port: int | None = None
    pid: int | None = None
    launcher_pid: int | None = None
    started_ms: int | None = None
    restarts: int = 0
    exit: int | None = None
    limits: str = ""
    """how the declared limits are enforced on this machine: `cgroup`, `rlimit`, `none`"""


@dataclass(frozen=True)
class Surroundings:
    """The prepared bundle, and the variables that every instance starts from before it gets its own."""

    directory: Path
    env: Mapping[str, str]


class Runtime(Protocol):
    def is_free(self, port: int) -> bool:
        """Whether nobody on this machine listens on 127.0.0.1:`port` (or on every address) now."""

    def first_port(self) -> int:
        """Where to begin to look for free ports, from 20000 to 29999. Differs between state directories: an instance
        binds its port a while after it was found free, and neighbours that all began at one end would race."""

    async def prepare(self, digest: str, *, prepare: Sequence[str] | None, epoch: int) -> None:
        """Make a bundle ready to run (a virtual environment), once per digest and command; half of it is none."""

    async def start(self, spec: InstanceSpec, *, epoch: int) -> Instance:
        """Return once its launcher holds the instance's lock and spawned it. Running already: return it as it is."""

    async def stop(self, environment: str, workload: str, number: int, *, epoch: int) -> int | None:
        """Stop signal, grace, SIGKILL on the process group; return the exit status once nothing of it is left."""

    async def observe(self, environment: str) -> Sequence[Instance]:
        """Every instance of this environment that exists, from locks and status files; never from memory."""

    def surroundings(
        self, environment: str, service: str, artifact: str, *, prepare: Sequence[str] | None
    ) -> Surroundings:
        """Where instances of a service run, for a command that is to run like one."""

    def log_path(self, environment: str, service: str, workload: str, number: int) -> Path: ...

    def data_path(self, environment: str, service: str) -> Path:
        """A service's own directory, `$DATA_DIR`: shared by its old and new versions."""

    def log_tail(self, environment: str, service: str, workload: str, number: int) -> Sequence[str]:
        """The last lines that the instance wrote, control codes made harmless; none if it wrote nothing."""

    async def prune(self, keep: Collection[str], *, epoch: int) -> Sequence[str]:
        """Remove what was prepared of bundles that are not in `keep`; their digests. Never what an instance uses.

        Raises `Fenced` also where there is nothing to remove, so that its caller removes nothing else either.

        What instances that are gone have logged is kept within bounds, too.
        """


# --- traffic --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Backend:
    """A workload as the proxy sees it: its own loopback listener, and the instances behind it."""

    workload: str
    service: str
    listener_port: int
    endpoints: tuple[int, ...]


@dataclass(frozen=True)
class Routes:
    """The public table of one revision. `generation` is unique and grows; `table` is path prefix -> workload."""

    environment: str
    generation: int
    release: str
    """what the edge says in `x-sophia-release`"""
    table: Mapping[str, str]


@dataclass(frozen=True)
class Counters:
    """Cumulative since the proxy started. Latency in microseconds by quantile of the proxy's histogram, when known."""

    requests: int = 0
    errors_5xx: int = 0
    lost: int = 0
    """never answered by the upstream: connect failures, resets, timeouts"""
    active: int = 0
    latency_us: Mapping[str, int] = field(default_factory=dict)
    """`p50`, `p95`, `p99`"""


@dataclass(frozen=True)
class Reading:
    """One reading: per workload (all its callers), and per release at the edge."""

    at_boot_ms: int
    workloads: Mapping[str, Counters]
    releases: Mapping[str, Counters]
    started_ms: int = 0
    """of the proxy: counters of different starts may not be subtracted"""


class Traffic(Protocol):
    async def ports(self, environment: str) -> tuple[int, int] | None:
        """Edge and private port of the proxy that runs now, `None` when none does."""

    async def open(self, environment: str, *, edge_port: int, private_port: int, epoch: int) -> None:
        """The environment's proxy runs under a launcher and answers; started from its files if it does not."""

    async def arrange(self, environment: str, backends: Sequence[Backend], *, epoch: int) -> None:
        """Exactly these backends have a cluster and a listener; returns when the proxy confirmed it."""

    async def show_candidate(self, routes: Routes, *, epoch: int) -> None:
        """The private listener serves this table."""

    async def switch(self, routes: Routes, *, back: Routes | None, epoch: int) -> None:
        """Validate, write the way back, rename, wait for the proxy's confirmation. Idempotent by generation."""

    async def generation(self, environment: str) -> int | None:
        """What the route file on disk says now; `None` when there is none that can be read."""

    async def read(self, environment: str) -> Reading:
        """Raises `SophiaError` when the proxy's statistics cannot be reached: unknown, not bad."""

    async def close(self, environment: str, *, epoch: int) -> None:
        """Stop the proxy (drains first)."""


# --- probes ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    """What a probe got. `status` 0: no answer, and `error` says why. `body` is the first 64 KiB."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    error: str = ""
    took_ms: int = 0


class Probes(Protocol):
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
        """One request on a fresh loopback connection. Never raises for what the other side does."""

    async def command(self, argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], timeout_ms: int) -> Answer:
        """Run a smoke command there, with this environment alone; `status` is its exit status (124: timed out), `body`
        the end of its output."""
