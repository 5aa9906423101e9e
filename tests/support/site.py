"""The fixture graph released by a real engine: a repository, an engine, Envoy, services, and ways to break them.

    with Site(tmp_path) as site:
        site.start()                              # the engine, under nobody: whoever kills it starts it again
        site.ended(site.deploy())                 # version 1 is live
        with site.traffic() as load:
            run = site.deploy()                   # the next version, whatever it takes
            site.ended(run)                       # an engine that died is started again, a lost wish sent again
        site.check(run, "done")                   # old everywhere or new everywhere, and nothing left over
        site.unharmed(load)                       # nothing lost, doubled or mixed

The ledger is read from its database, so that looking needs no engine.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sophia_deployment.build import build
from sophia_deployment.client import Engine
from sophia_deployment.codes import ENGINE_LOST, ENGINE_UNREACHABLE
from sophia_deployment.starting import command
from sophia_deployment_core import loading
from sophia_deployment_core.environment import Placement, Standing
from sophia_deployment_core.errors import SophiaError
from sophia_deployment_core.ledger import Event, Head
from sophia_deployment_core.platform import Platform
from sophia_deployment_core.release import Revision
from sophia_deployment_core.run import ENDED, View
from sophia_deployment_core.world import World
from sophia_infrastructure.envoy import config
from sophia_infrastructure.launchers import Kept, Launchers
from sophia_infrastructure.places import Places
from sophia_infrastructure.state import audit, sqlite
from sophia_infrastructure.state.entries import entries
from sqlalchemy import Engine as Database

from tests.support import trapped
from tests.support.graph import Graph, acted, make_graph
from tests.support.launching import is_alive, proc, processes_of
from tests.support.load import LoadProcess, Mix, Result, join
from tests.support.trapped import Trap

ENVIRONMENT = "local"
WAIT_SECONDS = 45.0
"""Nothing that a test waits for takes so long, on a machine that is busy with other things too."""
CALM = Mix(
    keep_alive_get=2, keep_alive_post=2, new_connection=1, http2_streams=2, websocket=0, events_count=10, rate=80
)
"""Without websockets: draining waits for them."""

HEALTH = {"path": "/health", "every": "50ms", "consecutive": 1, "within": "10s"}
_RUN = [sys.executable, "-I", "-S", "service.py"]
SMALL: dict[str, Any] = {
    "services": {
        "orders": None,
        "prices": None,
        "front": {"needs": ["stock"], "bundle": {"run": [*_RUN, "front", "--calls", "stock"]}, "health": HEALTH},
        "stock": {"health": HEALTH},
    }
}
"""front -> stock, and quick probes: what a case needs to see two releases mixed, and no more."""
SINGLE: dict[str, Any] = {"services": {"counter": {"health": HEALTH}}}
"""Quick probes for the single."""
PATIENT: dict[str, Any] = {
    "environments": {"local": {"strategy": {"blue_green": {"thresholds": {"latency_floor": "30s"}}}}}
}
"""No release is too slow: where engines die and disks fill up beside it, the machine itself is, for a while."""


@dataclass
class Death:
    """An engine that died, and when the next one had written its first entry."""

    died: float
    back: float

    @property
    def seconds(self) -> float:
        return self.back - self.died


@dataclass
class Site:
    """One platform in a directory of its own. Everything that it started is gone when it ends."""

    directory: Path
    worker: bool = False
    single: bool = True
    changes: Mapping[str, Any] = field(default_factory=lambda: SMALL)
    state: Path | None = None
    edge_port: int = 0
    environment: str = ENVIRONMENT
    deaths: list[Death] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.graph: Graph = make_graph(
            self.directory, worker=self.worker, single=self.single, edge_port=self.edge_port, changes=self.changes
        )
        self.graph.configure(PATIENT)
        if self.single:
            self.graph.configure(SINGLE)
        self.places = Places.of(self.state or self.graph.root / ".sophia")
        self.places.engine_log.parent.mkdir(parents=True, exist_ok=True)
        self.launchers = Launchers(self.places)
        self.trap = self.directory / "trap"
        self.world = World()
        self._wishes: dict[str, dict[str, Any]] = {}
        self._starts_before: dict[str, Counter[str]] = {}
        self.engine_pid: int | None = None
        self._program: subprocess.Popen[bytes] | None = None
        self._released = 0

    @cached_property
    def platform(self) -> Platform:
        return loading.load_checked(self.graph.root / "sophia.yaml")

    @property
    def client(self) -> Engine:
        return Engine(self.places.engine_socket)

    # --- the engine --------------------------------------------------------------------------------------------------

    def start(self, *, env: Mapping[str, str] | None = None) -> None:
        """Start an engine and wait until it answers or has died of a trap. With `env` it is a program of its own."""
        log = self.places.engine_log
        if env is None:
            self.engine_pid = trapped.start(self.places.state, log, self.trap)
        else:
            with log.open("ab") as output:
                self._program = subprocess.Popen(
                    command(self.places.state),
                    env={**os.environ, **env},
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )
            self.engine_pid = self._program.pid
        self.until(lambda: not self.engine_lives() or self._answers(), "the engine answers")

    def _answers(self) -> bool:
        return (found := self.client.answers()) is not None and found["pid"] == self.engine_pid

    def engine_lives(self) -> bool:
        if self._program is not None:
            self._program.poll()
        return is_alive(self.engine_pid)

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Kill the engine and wait until it is gone."""
        if self.engine_pid is not None and self.engine_lives():
            os.kill(self.engine_pid, number)
            self.until(lambda: not self.engine_lives(), "the engine is gone")

    def lay(self, trap: Trap | None) -> None:
        if trap is not None:
            replace(trap, ballast=str(self.ballast)).lay(self.trap)

    @property
    def ballast(self) -> Path:
        """The file that fills the disk of the state directory."""
        return self.places.state / "ballast"

    def sprung(self) -> bool:
        """Whether there is no trap waiting."""
        return not self.trap.exists()

    def revive(self) -> None:
        """Start the engine that died, until one lives, and note how long it was away."""
        before, died = self.look(), time.monotonic()

        def writes() -> bool:
            if not self.engine_lives():
                self.start()
            return self.look() > before

        self.until(writes, "the engine has written something")
        self.deaths.append(Death(died, time.monotonic()))

    # --- wishes ------------------------------------------------------------------------------------------------------

    def release(self, *, fault: str = "", fault_in: str = "front", services: Iterable[str] = ()) -> dict[str, Any]:
        """The next version of `services` (all, unless named), built; what a submission says of it."""
        self._released += 1
        version = str(self._released)
        for service in list(services) or list(self.platform.services):
            self._write(service, "VERSION", version)
        for service in self.platform.services:
            self._write(service, "FAULT", fault if service == fault_in else "")
        artifacts = build(self.platform, self.graph.root, state=self.places.state)
        return {"platform": self.platform.to_canonical(), "artifacts": artifacts}

    def _write(self, service: str, name: str, text: str) -> None:
        (self.graph.root / "services" / service / name).write_text(text + "\n")

    @property
    def newest(self) -> str:
        """The version that was built last."""
        return str(self._released)

    def deploy(
        self,
        *,
        fault: str = "",
        fault_in: str = "front",
        services: Iterable[str] = (),
        watch_ms: int = 1_000,
        **more: Any,
    ) -> str:
        """Ask for the next version; the run's id."""
        release = self.release(fault=fault, fault_in=fault_in, services=services)
        return self.submit("deploy", release=release, watch_ms=watch_ms, **more)

    def released(self, **more: Any) -> str:
        """The run of the next version, which is live now. Whatever else it came to is the test's failure, and told."""
        run = self.deploy(**more)
        view = self.ended(run)
        assert view.state == "done", f"{view.state}: {view.because}\n{view.first_error}\n{self.last_words()}"
        return run

    def rollback(self, to: str | None = None, **more: Any) -> str:
        return self.submit("rollback", to=to, reason="a test", **more)

    def submit(self, kind: str, **more: Any) -> str:
        """Send a wish; the run's id. No engine answers: `ended` sends it again."""
        wish = {"id": str(uuid.uuid4()), "kind": kind, "environment": self.environment, **more}
        self._wishes[wish["id"]], self._starts_before[wish["id"]] = wish, self._starts()
        return self._send(wish)

    def _send(self, wish: dict[str, Any]) -> str:
        """The id of the run that the engine made of it: that of another where one is undone instead."""
        with contextlib.suppress(SophiaError):
            try:
                sent = self.client.submit(wish)
            except SophiaError as error:
                if error.code not in (ENGINE_LOST, ENGINE_UNREACHABLE):
                    raise AssertionError(f"refused: {error.message}") from error
                raise
            return str(sent["run"] or wish["id"])
        return str(wish["id"])

    def ended(self, run: str, *, before: Callable[[], bool] = lambda: False, seconds: float = WAIT_SECONDS) -> View:
        """The run once it has ended or needs somebody, or is as far as `before` says. An engine that died is started
        again, a wish that was lost is sent again."""

        def over() -> bool:
            self.look()
            if not self.engine_lives():
                self.revive()
            if run not in self.world.runs:
                if run in self._wishes:
                    self._send(self._wishes[run])
                return False
            return self.world.runs[run].state in (*ENDED, "needs you") or before()

        self.until(over, f"run {run[:8]} is over", seconds=seconds)
        return self.world.runs[run]

    def bring_back(self) -> None:
        """What `sophia up` asks for where an environment is not as it should be."""
        sent = self.client.submit({"id": str(uuid.uuid4()), "kind": "start", "environment": self.environment})
        if sent["run"]:
            assert self.ended(sent["run"]).state == "done"

    def state_now(self) -> str:
        """The environment's state, as `sophia status` tells it."""
        found = {each["name"]: each["state"] for each in self.client.status()["environments"]}
        return str(found[self.environment])

    # --- the ledger --------------------------------------------------------------------------------------------------

    @cached_property
    def _database(self) -> Database:
        return sqlite.open_database(self.places.state / "state.db")

    def read(self, *, after: int = 0, run: str | None = None) -> list[Event]:
        if not (self.places.state / "state.db").exists():
            return []
        with self._database.connect() as connection:
            return entries(connection, after=after, run=run)

    def look(self) -> int:
        """Fold what is new; the newest entry's number."""
        self.world.apply_all(self.read(after=self.world.head.seq))
        return self.world.head.seq

    @property
    def standing(self) -> Standing:
        return self.world.standing(self.environment)

    @property
    def live(self) -> str:
        """The version that the ledger says is live; empty for none."""
        self.look()
        return self.version_of(self.standing.live) if self.standing.live else ""

    def version_of(self, revision: Revision) -> str:
        """What its services answer with."""
        artifact = revision.workloads["front"].artifact
        return (self.places.artifacts / artifact / "VERSION").read_text().strip()

    def seen(self, run: str, place: str) -> bool:
        """Whether an entry of this name (`step started do switch`) is there."""
        self.look()
        view = self.world.runs.get(run)
        kind = view.kind if view else None
        found = (trapped.place_of(kind, event.kind, event.body) for event in self.read(run=run))
        return any(name == f"{kind}: {place}" for name in found)

    def until(self, condition: Callable[[], object], what: str, *, seconds: float = WAIT_SECONDS) -> None:
        give_up = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < give_up, f"waited {seconds:g} s in vain until {what}\n{self.last_words()}"
            time.sleep(0.03)

    def until_seen(self, run: str, place: str) -> None:
        self.until(lambda: self.seen(run, place), f"there is `{place}`")

    def last_words(self) -> str:
        """The end of the ledger, for who has to find out what went wrong."""
        last = self.read(after=max(0, self.look() - 25))
        return "\n".join(f"{event.seq} {event.epoch} {event.kind} {_brief(event)}" for event in last)

    # --- what users see ----------------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        self.look()
        return f"http://127.0.0.1:{self.standing.edge_port}"

    def traffic(self, mix: Mix = CALM, **more: Any) -> LoadProcess:
        return LoadProcess(self.url, mix, **more)

    def ask(self, path: str = "/") -> tuple[str, list[str]]:
        """The release that the edge names, and the versions of everybody who took part."""
        with urllib.request.urlopen(self.url + path, timeout=10) as answer:
            body = json.loads(answer.read())
            chain = body.get("chain", [body])
            return str(answer.headers["x-sophia-release"]), [node["version"] for node in chain]

    def unharmed(self, load: LoadProcess, *, lost: int = 0) -> Result:
        """Nothing was lost (but `lost` at most), doubled, mixed, or acted on without an answer."""
        result = load.result
        joined = join(result, acted(self.places.state / "data"))
        said = f"{result.line()}; {joined.line()}"
        assert result.begun > 0 and joined.unlogged == 0, said
        assert result.lost <= lost and not joined.doubled and result.mixed() == 0, said
        assert lost or not joined.unanswered, said
        return result

    # --- what is left ------------------------------------------------------------------------------------------------

    def check(self, run: str, *states: str, live: str, restarts: bool = False) -> None:
        """The run ended so, `live` is what everybody knows and sees, nothing is left over, nothing was started twice.

        `restarts`: launchers may have started instances again.
        """
        self.until(lambda: self._is_reported(run), "the report is written", seconds=20)
        found = [*self._unfinished(run, states), *self._complaints(live, restarts=restarts)]
        found += [] if restarts else self._started_twice(run)
        assert not found, "\n".join(["", *found, self.last_words()])

    def check_standing(self, *, live: str, restarts: bool = False) -> None:
        """`live` is what everybody knows and sees, and nothing is left over."""
        found = list(self._complaints(live, restarts=restarts))
        assert not found, "\n".join(["", *found, self.last_words()])

    def _is_reported(self, run: str) -> bool:
        """An engine that died with its last entry leaves the report to the next one."""
        if not self.engine_lives():
            self.revive()
        view = self.world.runs[run]
        return (self.places.reports / f"{view.number}-{view.kind}-{view.environment}" / "report.html").exists()

    def _unfinished(self, run: str, states: Iterable[str]) -> Iterator[str]:
        self.look()
        view = self.world.runs[run]
        if view.state not in states:
            yield f"run #{view.number} is {view.state}: {view.because}"
        if view.state in ENDED and self.world.open_runs(self.environment):
            yield f"not over: {[(each.number, each.kind, each.state) for each in self.world.open_runs()]}"
        done = Counter((e.body["phase"], e.body["step"]) for e in self.read(run=run) if e.kind == "step done")
        yield from (f"`{step}` was done ({phase}) {times} times" for (phase, step), times in done.items() if times > 1)

    def _complaints(self, live: str, *, restarts: bool) -> Iterator[str]:
        self.look()
        if not isinstance(verified := audit.verify(self.places.state), Head):
            yield f"the ledger is broken at {verified}"
        yield from self._wrong_traffic(live)
        yield from self._wrong_instances(restarts=restarts)

    def _wrong_traffic(self, live: str) -> Iterator[str]:
        """Ledger, files and edge say the same."""
        standing = self.standing
        assert standing.live is not None
        if self.live != live:
            yield f"version {self.live} is live in the ledger, not {live}"
        for _ in range(4):
            release, versions = self.ask()
            if set(versions) != {live} or release != standing.live.name:
                yield f"the edge answers with {versions} as {release}, not {live} as {standing.live.name}"
        files = config.Files(self.places.envoy(self.environment))
        table = config.read_table(files.routes.read_text())
        if table.generation != standing.current_generation:
            yield f"the route file has generation {table.generation}, the ledger {standing.current_generation}"
        wanted = standing.backends()
        listed = config.read_resources(files.clusters.read_text()).named
        if listed != config.clusters(wanted):
            yield f"the proxy's clusters {sorted(listed)} are not {[backend.workload[:9] for backend in wanted]}"
        if config.read_resources(files.listeners.read_text()).named != config.listeners(wanted):
            yield "the proxy's listeners are others"

    def _wrong_instances(self, *, restarts: bool) -> Iterator[str]:
        """What runs is what the ledger places, each once."""
        wanted = {
            f"instance/{self.environment}/{place.workload.identity}-{number}"
            for place in self.standing.placements.values()
            for number in place.begun
        }
        kept = {each.resource: each for each in self.launchers.list(f"instance/{self.environment}/")}
        if kept.keys() != wanted:
            yield f"kept are {_names(kept.values())}, wanted {sorted(map(self._service_of, wanted))}"
        for each in kept.values():
            if each.state != "running" or (each.restarts and not restarts):
                yield f"{_name(each)} is {each.state}, was restarted {each.restarts} times, exit {each.exit}"
        members = Counter(filter(None, map(_mark, processes_of(self.places.state))))
        for mark, count in members.items():
            resource = mark.partition(":")[2]
            if resource.startswith("instance/") and (resource not in wanted or count > 1):
                yield f"{count} processes of {self._service_of(resource)}, which {'is' * (resource in wanted)} wanted"
        if twins := list((self.places.state / "data").rglob("twin-*")):
            yield f"a single was started beside itself: {twins}"

    def _started_twice(self, run: str) -> list[str]:
        more = self._starts() - self._starts_before[run]
        return [f"`{name}` was started {count} times" for name, count in more.items() if count > 1]

    def _starts(self) -> Counter[str]:
        """Instance -> how often it was ever started."""
        logs = self.places.logs(self.environment).glob("*.log")
        return Counter({log.stem: log.read_text(errors="replace").count("listening on") for log in logs})

    def _service_of(self, resource: str) -> str:
        identity = resource.rpartition("/")[2].rpartition("-")[0]
        places = [each for each in self.standing.placements.values() if each.workload.identity == identity]
        return f"{places[0].workload.service if places else '?'} {identity[:6]}"

    # --- the machine -------------------------------------------------------------------------------------------------

    def place(self, service: str) -> Placement:
        """Where the live version of a service is."""
        self.look()
        assert self.standing.live is not None
        return self.standing.placements[self.standing.live.workloads[service].key]

    def kept(self, service: str) -> Kept:
        """An instance of the live version of a service."""
        place = self.place(service)
        return self.launchers.look(f"instance/{self.environment}/{place.workload.identity}-{min(place.begun)}")

    def envoy(self) -> Kept:
        return self.launchers.look(f"envoy/{self.environment}")

    def data(self, service: str) -> Path:
        return self.places.data(self.environment, service)

    def kill_everything(self) -> None:
        """A power cut: engine, launchers, helpers, Envoy, services, all at once."""
        if self.engine_pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.engine_pid, signal.SIGKILL)
        for _ in range(100):
            left = processes_of(self.places.state)
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            if not left:
                return
            time.sleep(0.02)
        raise AssertionError(f"still there: {left}")

    # --- its end -----------------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Nothing of it runs any more, and its directory is empty again."""
        self.kill_everything()
        if self._program is not None:
            self._program.wait(10)
        if "_database" in self.__dict__:
            self._database.dispose()
        shutil.rmtree(self.places.engine_socket.parent, ignore_errors=True)
        shutil.rmtree(self.places.state / "prepared", ignore_errors=True)
        shutil.rmtree(self.places.state / "code", ignore_errors=True)


def _brief(event: Event) -> str:
    body = event.body
    error = body.get("error") or {}
    words = [body.get("phase"), body.get("step"), body.get("state"), body.get("because"), error.get("message")]
    return " ".join(str(word) for word in words if word)


def _mark(pid: int) -> str | None:
    """The resource that a process belongs to, if a launcher keeps it; launchers themselves have no mark."""
    for each in proc(pid, "environ").split(b"\0"):
        if each.startswith(b"SOPHIA_KEPT="):
            return os.fsdecode(each.partition(b"=")[2])
    return None


def _name(kept: Kept) -> str:
    return f"{kept.about.get('service')} {str(kept.about.get('workload'))[:6]}"


def _names(kept: Iterable[Kept]) -> list[str]:
    return sorted(map(_name, kept))
