"""An engine's HTTP interface that answers from a script, on a real unix socket, and `sophia` called against it."""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest
from sophia_deployment import api, versions
from sophia_deployment.cli import outcome
from sophia_deployment.wire import (
    ChangeOut,
    EngineOut,
    EnvironmentOut,
    InstanceOut,
    LiveOut,
    PlanOut,
    Provenance,
    RunOut,
    ServiceOut,
    StatusOut,
    StepOut,
    Submission,
)
from sophia_deployment_core.errors import NOT_FOUND, SophiaError
from sophia_deployment_core.ledger import Event
from sophia_infrastructure.places import Places

BEGAN_MS = 1_790_000_000_000
RUN = "01990000-0000-7000-8000-000000000017"

YAML = """\
platform: shop
services:
  api:
    source: .
    bundle: {include: [app.py], run: [python, app.py]}
    routes: [/]
    env: {LOG_LEVEL: info}
    secrets: [MODEL_KEY]
environments:
  local: {edge: {port: 8080}}
  production: {edge: {port: 8082}}
"""


def run_out(**given: Any) -> RunOut:
    """Run #17, done."""
    done: dict[str, Any] = {
        "run": RUN,
        "number": 17,
        "kind": "deploy",
        "environment": "local",
        "status": "done",
        "because": "",
        "release": "3f2a9c41d0e1",
        "previous": "77aa01b2c3d4",
        "by": "ann",
        "submitted_ms": BEGAN_MS,
        "started_ms": BEGAN_MS,
        "ended_ms": BEGAN_MS + 17_200,
        "serving": "3f2a9c41d0e1",
        "summary": "`local` moved from `77aa01b2c3d4` to `3f2a9c41d0e1`; 312 requests under watch, none failed",
    }
    return RunOut(**{**done, **given})


def plan_data() -> dict[str, Any]:
    steps = [
        ("open", "open", {"edge_port": 8080}, []),
        ("prepare api", "prepare", {"workload": "w1"}, []),
        ("start api", "start", {"workload": "w1", "numbers": [0, 1]}, ["open", "prepare api"]),
        ("verify api", "verify", {"workload": "w1", "numbers": [0, 1]}, ["start api"]),
        ("switch", "switch", {"release": "3f2a9c41d0e1", "back": {"release": "77aa01b2c3d4"}}, ["verify api"]),
        ("watch", "watch", {"watch_ms": 15_000}, ["switch"]),
    ]
    return {
        "kind": "deploy",
        "environment": "local",
        "previous": "77aa01b2c3d4",
        "workloads": {"w1": {"service": "api"}},
        "steps": [{"id": id, "verb": verb, "args": args, "after": after} for id, verb, args, after in steps],
    }


def submitted() -> tuple[int, str, dict[str, Any]]:
    return (0, "run submitted", {"plan": plan_data(), "number": 17, "by": "ann"})


def step(at: int, what: str, name: str, *, phase: str = "do", **body: Any) -> tuple[int, str, dict[str, Any]]:
    """An event of a step; `what`: started, done, failed."""
    return (at, f"step {what}", {"step": name, "phase": phase, "attempt": 1, **body})


GOOD_RUN = [
    submitted(),
    (5, "lane taken", {"environment": "local"}),
    step(10, "started", "open"),
    step(20, "done", "open", result={"edge_port": 8080}),
    step(20, "started", "prepare api"),
    step(1_400, "done", "prepare api"),
    step(1_400, "started", "start api"),
    step(1_500, "done", "start api"),
    step(1_500, "started", "verify api"),
    step(2_000, "done", "verify api", result={"took_ms": 480}),
    step(2_000, "started", "switch"),
    step(2_010, "done", "switch", result={"confirmed_ms": 9}),
    step(2_010, "started", "watch"),
    step(17_100, "done", "watch", result={"verdict": {"answer": "pass", "because": "312 requests, none failed"}}),
    (17_200, "run ended", {"state": "done", "because": ""}),
]

NOT_HEALTHY = {
    "code": "SPH-1210",
    "message": "`api` was not healthy within 30 s: GET /health answered 503",
    "hint": "read its log: `sophia logs local api`",
    "facts": {
        "service": "api",
        "url": "http://127.0.0.1:20017/health",
        "answer": "answered 503",
        "exit": 1,
        "restarts": 2,
        "log": ["Traceback (most recent call last):", "KeyError: 'DATABASE_URL' \x1b]0;owned\x07"],
        "serving": "77aa01b2c3d4",
    },
}

BAD_RUN = [
    *GOOD_RUN[:9],
    step(31_500, "failed", "verify api", error=NOT_HEALTHY, again=False),
    (31_510, "undo decided", {"kind": "failure", "message": NOT_HEALTHY["message"]}),
    step(31_520, "started", "start api", phase="undo"),
    step(31_700, "done", "start api", phase="undo"),
    (31_800, "run ended", {"state": "failed", "because": NOT_HEALTHY["message"]}),
]


def failed_run() -> RunOut:
    return run_out(
        status="failed",
        because=NOT_HEALTHY["message"],
        ended_ms=BEGAN_MS + 31_800,
        serving="77aa01b2c3d4",
        summary="`3f2a9c41d0e1` did not go live in `local`: `api` was not healthy within 30 s: GET /health answered "
        "503; `77aa01b2c3d4` went on serving",
        steps=[StepOut(id="verify api", verb="verify", phase="do", state="failed", error=NOT_HEALTHY)],
    )


def environment_out(now_ms: int, **given: Any) -> EnvironmentOut:
    """`local`, steady for twelve minutes."""
    live = LiveOut(
        release="3f2a9c41d0e1",
        since_ms=now_ms - 12 * 60_000 - 500,
        run=RUN,
        number=17,
        provenance=Provenance(commit="1a2b3c4d5e6f", branch="main", subject="Fix it"),
    )
    service = ServiceOut(
        name="api",
        kind="service",
        workload="9d3c21aa77f0",
        wanted=2,
        running=2,
        routes=["/"],
        instances=[
            InstanceOut(number=0, state="running", pid=4711, port=20017, since_ms=now_ms - 720_500, limits="cgroup"),
            InstanceOut(number=1, state="running", pid=4712, port=20018, restarts=1, since_ms=now_ms - 60_500, exit=-9),
        ],
    )
    steady: dict[str, Any] = {
        "name": "local",
        "state": "steady",
        "url": "http://127.0.0.1:8080",
        "live": live,
        "previous": "77aa01b2c3d4",
        "warm": True,
        "services": [service],
        "history": [live],
    }
    return EnvironmentOut(**{**steady, **given})


@dataclass
class Scripted:
    """The engine's commands, answered from what a test put here. Everything asked for is kept in `asked`."""

    place: Path
    about: EngineOut
    environments: list[EnvironmentOut] = field(default_factory=list)
    known: dict[str, RunOut] = field(default_factory=dict)
    outcomes: list[tuple[RunOut, list[tuple[int, str, dict[str, Any]]]]] = field(default_factory=list)
    """what the next submissions become, and the events that tell it"""
    failure: Exception | None = None
    asked: list[tuple[str, Any]] = field(default_factory=list)
    ledger: list[Event] = field(default_factory=list)
    end: Callable[[], None] = lambda: None

    def tell(self, run: str, events: list[tuple[int, str, dict[str, Any]]]) -> None:
        """Append events; times are milliseconds after `BEGAN_MS`."""
        for at, kind, body in events:
            seq = len(self.ledger) + 1
            self.ledger.append(Event(seq, BEGAN_MS + at, 1, run, kind, None, json.dumps(body), "0" * 64))

    def _refuse(self) -> None:
        if self.failure is not None:
            raise self.failure

    def _find(self, name: str) -> RunOut:
        for run in self.known.values():
            if name in (run.run, str(run.number), f"#{run.number}"):
                return run
        raise SophiaError(NOT_FOUND, f"there is no run `{name}`", "`sophia queue` lists runs")

    async def engine(self) -> EngineOut:
        self._refuse()
        return self.about

    async def status(self) -> StatusOut:
        self._refuse()
        return StatusOut(engine=self.about, platform="shop", environments=self.environments)

    async def plan(self, submission: Submission, *, by: str) -> PlanOut:
        self.asked.append(("plan", submission))
        self._refuse()
        changes = [
            ChangeOut(service="api", action="changed", because="artifact 12345678 → 87654321"),
            ChangeOut(service="web", action="unchanged", because="same artifact, settings and dependencies"),
        ]
        steps = plan_data()["steps"]
        return PlanOut(
            hash="ab" * 32, nothing_to_do=False, release="3f2a9c41d0e1", previous=None, changes=changes, steps=steps
        )

    async def submit(self, submission: Submission, *, by: str) -> RunOut:
        self.asked.append(("submit", submission))
        self._refuse()
        run, events = self.outcomes.pop(0)
        if run.run:
            self.known[run.run] = run
            self.tell(run.run, events)
        return run

    async def runs(self, *, limit: int, environment: str | None) -> list[RunOut]:
        found = [run for run in self.known.values() if environment in (None, run.environment)]
        return list(reversed(found))[:limit]

    async def run(self, name: str) -> RunOut:
        return self._find(name)

    async def cancel(self, name: str, *, by: str, reason: str | None) -> RunOut:
        self.asked.append(("cancel", (name, reason)))
        return self._find(name)

    async def resume(self, name: str, *, by: str, reason: str | None) -> RunOut:
        self.asked.append(("resume", (name, reason)))
        return self._find(name)

    async def report(self, name: str, *, form: api.ReportForm) -> str:
        return f"{form} of {self._find(name).number}\n"

    async def events(self, *, after: int, run: str | None) -> AsyncIterator[Event]:
        while True:
            for event in self.ledger[after:]:
                after = event.seq
                if run in (None, event.run):
                    yield event
            await asyncio.sleep(0.005)  # a test may tell more from its own thread

    def metrics(self) -> bytes:
        return b"sophia_runs_total 1\n"

    async def stop(self) -> None:
        self.end()


class Running:
    """Serves scripted commands until `stop`."""

    def __init__(self, commands: Scripted | _Current, path: Path) -> None:
        self.path = path
        self.app = api.create_app(cast("api.Commands", commands))
        self.server = api.Server(self.app)
        self._listener = api.bind(path)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        asyncio.run(self.server.serve(sockets=[self._listener]))

    def end(self) -> None:
        self.server.should_exit = True

    def stop(self) -> None:
        self.end()
        self._thread.join(10)
        assert not self._thread.is_alive()


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """A repository with a `sophia.yaml`, and its state directory."""
    (tmp_path / "sophia.yaml").write_text(YAML)
    (tmp_path / "app.py").write_text("")
    (tmp_path / ".sophia").mkdir(mode=0o700)
    (tmp_path / ".sophia" / "format").write_text("1\n")
    places = Places.of(tmp_path / ".sophia")
    places.make_sockets()
    yield tmp_path
    shutil.rmtree(places.engine_socket.parent)


@pytest.fixture
def places(root: Path) -> Places:
    return Places.of(root / ".sophia")


@pytest.fixture
def commands(places: Places) -> Scripted:
    about = EngineOut(
        version="0.1.0", build=versions.build_hash(), pid=1, epoch=1, since_ms=BEGAN_MS, state=str(places.state)
    )
    return Scripted(places.engine_socket, about)


class _Current:
    """Whatever the test under way has scripted: one server is enough for all tests, and starting one takes time."""

    commands: Scripted

    def __getattr__(self, name: str) -> Any:
        return getattr(self.commands, name)


@pytest.fixture(scope="session")
def server() -> Iterator[tuple[_Current, Running]]:
    sockets = Path(tempfile.mkdtemp(prefix="sophia-test-"))
    current = _Current()
    running = Running(current, sockets / "engine.sock")
    yield current, running
    running.stop()
    shutil.rmtree(sockets)


@pytest.fixture
def engine(commands: Scripted, places: Places, server: tuple[_Current, Running]) -> Running:
    """The scripted engine answers."""
    current, running = server
    current.commands = commands
    running.app.state.closing.clear()  # a test before may have ended it
    places.engine_socket.symlink_to(running.path)
    commands.place = running.path
    return running


@dataclass(frozen=True)
class Called:
    """What a call left: its exit code and both streams, whole."""

    exit: int
    out: str
    err: str


@pytest.fixture
def sophia(root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Called]:
    """Calls `sophia`, in the repository, as from a program: no terminal, no CI."""
    for name in ("CI", "GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "FORCE_COLOR", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(root)

    def call(*args: str) -> Called:
        capsys.readouterr()
        code = outcome(args)
        streams = capsys.readouterr()
        return Called(code, streams.out, streams.err)

    return call
