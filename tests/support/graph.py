"""The fixture graph (front -> orders -> stock, front -> prices -> stock; worker; single) as a repository of its own.

    graph = make_graph(tmp_path)                     # version 1, committed
    graph.release("2")                               # the next one: every service has a new artifact
    graph.release("3", services=["stock"])           # only stock's bundle changes
    graph.release("4", fault="never-healthy")        # front is broken

`running(...)` starts the four services without any engine, for tests of the client and for comparisons.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import yaml

from tests.support.ports import free_port
from tests.support.repository import commit, make_repository

FIXTURE = Path(__file__).parents[1] / "fixtures" / "graph"
SERVICES = ("front", "orders", "prices", "stock")
CALLS = {"front": ("orders", "prices"), "orders": ("stock",), "prices": ("stock",), "stock": ()}


@dataclass(frozen=True)
class Graph:
    """A repository in `root`; `edge_port` is what its `sophia.yaml` asks for in its first environment."""

    root: Path
    edge_port: int

    @property
    def services(self) -> list[str]:
        return sorted(each.name for each in (self.root / "services").iterdir())

    def release(self, version: str, *, services: Iterable[str] = (), fault: str = "", fault_in: str = "front") -> str:
        """Write `version` into `services` (or all), break `fault_in`, mend the others; the commit."""
        for service in services or self.services:
            _write(self.root, service, "VERSION", version)
        for service in self.services:
            _write(self.root, service, "FAULT", fault if service == fault_in else "")
        return commit(self.root, f"release {version}")

    def configure(self, changes: Mapping[str, Any]) -> str:
        """Merge `changes` into `sophia.yaml` (None removes a key) and commit; the commit."""
        path = self.root / "sophia.yaml"
        path.write_text(yaml.safe_dump(merged(yaml.safe_load(path.read_text()), changes), sort_keys=False))
        return commit(self.root, "configure")


def make_graph(
    directory: Path,
    *,
    version: str = "1",
    fault: str = "",
    fault_in: str = "front",
    worker: bool = False,
    single: bool = False,
    edge_port: int = 0,
    watch: str = "1s",
    changes: Mapping[str, Any] | None = None,
) -> Graph:
    """A committed repository `directory`/graph with the four services, and the worker and the single when asked for."""
    root = directory / "graph"
    graph = Graph(root, edge_port or free_port())
    for service in (*SERVICES, *(["ticker"] if worker else []), *(["counter"] if single else [])):
        (root / "services" / service).mkdir(parents=True)
        shutil.copy(FIXTURE / "service.py", root / "services" / service)
    _copy_platform(root, without=[name for name, wanted in (("ticker", worker), ("counter", single)) if not wanted])
    make_repository(root)
    graph.release(version, fault=fault, fault_in=fault_in)
    environment = {"edge": {"port": graph.edge_port}, "strategy": {"blue_green": {"watch": watch}}}
    graph.configure({"environments": {"local": environment}})
    if changes:
        graph.configure(changes)
    return graph


def _copy_platform(root: Path, *, without: Iterable[str]) -> None:
    """The fixture's `sophia.yaml` with this Python instead of whichever the PATH names first."""
    platform = yaml.safe_load((FIXTURE / "sophia.yaml").read_text())
    for name in without:
        del platform["services"][name]
    if "counter" in without:
        del platform["services"]["stock"]["needs"]
        platform["services"]["stock"]["bundle"]["run"] = platform["services"]["stock"]["bundle"]["run"][:-2]
    for service in platform["services"].values():
        service["bundle"]["run"][0] = sys.executable
    (root / "sophia.yaml").write_text(yaml.safe_dump(platform, sort_keys=False))


def _write(root: Path, service: str, name: str, text: str) -> None:
    (root / "services" / service / name).write_text(text + "\n")


def merged(base: Any, changes: Mapping[str, Any]) -> Any:
    """`base` with `changes` laid over it, mapping by mapping; None removes."""
    result = dict(base) if isinstance(base, Mapping) else {}
    for key, value in changes.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value) if isinstance(value, Mapping) else value
    return result


@dataclass(frozen=True)
class Acted:
    """One line of a service's log: it acted on the request `id` for `caller` (`-`: somebody outside the graph)."""

    id: str
    service: str
    workload: str
    version: str
    method: str
    caller: str


def acted(*directories: Path) -> list[Acted]:
    """What every service process below `directories` acted on; a process's lines are in its order."""
    files = sorted(file for directory in directories for file in directory.rglob("acted-*.log"))
    return [Acted(*line.split("\t")) for file in files for line in file.read_text().splitlines()]


def acted_twice(acts: Iterable[Acted]) -> set[str]:
    """The ids that one service acted on more than once for one caller (`stock` is asked by two: that is right)."""
    times = Counter((each.id, each.service, each.caller) for each in acts)
    return {id for (id, _, _), count in times.items() if count > 1}


@dataclass
class Running:
    """The four services as plain processes, calling each other directly; `ports` by name."""

    ports: dict[str, int]
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ports['front']}"

    def terminate(self) -> None:
        """SIGTERM to all at once; each finishes what it has."""
        for process in self.processes.values():
            process.send_signal(signal.SIGTERM)

    def stop(self, *, grace_seconds: float = 12) -> None:
        self.terminate()
        until = time.monotonic() + grace_seconds
        for process in self.processes.values():
            try:
                process.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # a fault may have left a daemon in the session


def start(
    data: Path,
    *,
    version: str = "1",
    services: Iterable[str] = SERVICES,
    healthy_within_seconds: float = 10,
    **environment: str,
) -> Running:
    """Start `services` at `version`, wait until each is healthy; `environment` (IDLE_TIMEOUT, FAULT, …) goes to all."""
    running = Running({name: free_port() for name in services})
    settings = {"VERSION": version, "SOPHIA_WORKLOAD": f"w{version}", **environment}
    for name in running.ports:
        running.processes[name] = _spawn(name, running.ports, data / name, settings)
    try:
        for name, process in running.processes.items():
            _wait_healthy(running.ports[name], process, seconds=healthy_within_seconds)
    except BaseException:
        running.stop(grace_seconds=1)
        raise
    return running


@contextlib.contextmanager
def running(
    data: Path, *, version: str = "1", services: Iterable[str] = SERVICES, **environment: str
) -> Iterator[Running]:
    """`start` and, at the end, `stop`."""
    started = start(data, version=version, services=services, healthy_within_seconds=10, **environment)
    try:
        yield started
    finally:
        started.stop()


def _spawn(name: str, ports: Mapping[str, int], data: Path, settings: Mapping[str, str]) -> subprocess.Popen[bytes]:
    data.mkdir(parents=True, exist_ok=True)
    calls = [each for each in CALLS[name] if each in ports]
    urls = {f"{each.upper()}_URL": f"http://127.0.0.1:{ports[each]}" for each in calls}
    environment = {"PATH": os.environ["PATH"], "PORT": str(ports[name]), "DATA_DIR": str(data), **urls, **settings}
    command = [sys.executable, "-I", "-S", str(FIXTURE / "service.py"), name, "--calls", *calls]
    with (data / "output.txt").open("ab") as output:
        return subprocess.Popen(command, env=environment, stdout=output, stderr=output, start_new_session=True)


def _wait_healthy(port: int, process: subprocess.Popen[bytes], *, seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError), urlopen(f"http://127.0.0.1:{port}/health", timeout=2) as answer:
            if answer.status == 200:
                return
        time.sleep(0.02)
    raise TimeoutError(f"the service on port {port} was not healthy within {seconds:g} s (exit code {process.poll()})")
