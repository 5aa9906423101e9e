"""Deployments, rollbacks, races, the engine at rest and the command line, on the fixture graph. Prints one table.

    python -m benchmarks.deployment [--rollbacks 20] [--races 100] [--only rest]

Our own share: from the submission to the end of the run, without the watch, less what the services needed until they
were healthy along the longest chain. A rollback: from the submission to the end of the last old answer of a client that
asks without a pause. All services are tiny and written in Python; goals are the project's own.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import os
import platform
import resource
import shutil
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml
from sophia_deployment.cli.following import new_id
from sophia_deployment.client import Engine
from sophia_infrastructure.places import Places

from tests.support.graph import Graph, make_graph
from tests.support.load.result import percentile
from tests.support.owner import SOPHIA, Owner, until


@dataclass
class Stage:
    """A graph that is up, its owner and a client of its engine."""

    graph: Graph
    owner: Owner
    engine: Engine
    version: int = 1

    @classmethod
    @contextmanager
    def up(cls, directory: Path, **more: Any) -> Iterator[Stage]:
        graph = make_graph(directory, **more)
        owner = Owner(graph.root)
        try:
            owner.does("up")
            yield cls(graph, owner, Engine(Places.of(owner.state).engine_socket))
        finally:
            owner.end()

    @property
    def url(self) -> str:
        return str(self.owner.environment()["url"])

    def deploy(self, *words: str, code: int = 0, fault: str = "") -> dict[str, Any]:
        self.version += 1
        self.graph.release(str(self.version), fault=fault)
        ended: dict[str, Any] = self.owner.does("deploy", "-o", "json", *words, code=code).json
        return ended

    def submit(self, kind: str, **more: Any) -> dict[str, Any]:
        return self.engine.submit({"id": new_id(), "kind": kind, "environment": "local", **more})

    def over(self, run: dict[str, Any]) -> dict[str, Any]:
        ended = ("done", "failed", "rolled back", "cancelled", "needs you")
        found: dict[str, Any] = until(
            lambda: (now := self.engine.run(run["run"])) and now["status"] in ended and now, seconds=300
        )
        return found


@dataclass
class Watcher:
    """A client that asks without a pause and keeps when it asked, when it was answered, and by whom."""

    url: str
    answers: list[tuple[float, float, int, str]] = field(default_factory=list)

    @contextmanager
    def asking(self) -> Iterator[Watcher]:
        stopping = threading.Event()
        thread = threading.Thread(target=self._ask, args=(stopping,))
        thread.start()
        try:
            yield self
        finally:
            stopping.set()
            thread.join(10)

    def _ask(self, stopping: threading.Event) -> None:
        parts = urlsplit(self.url)
        connection = HTTPConnection(str(parts.hostname), parts.port, timeout=10)
        while not stopping.wait(0.002):
            asked = time.monotonic()
            try:
                connection.request("GET", "/")
                answer = connection.getresponse()
                answer.read()
            except (OSError, HTTPException):
                self.answers.append((asked, time.monotonic(), 0, ""))
                connection.close()
                continue
            release = answer.headers.get("x-sophia-release", "")
            self.answers.append((asked, time.monotonic(), answer.status, release))
        connection.close()

    def last_of(self, release: str, since: float) -> float:
        """Seconds from `since` to the end of the last answer of `release` to a request begun after it."""
        ends = [end for asked, end, _, name in self.answers if asked >= since and name == release]
        return max(ends, default=since) - since


# --- what is measured -----------------------------------------------------------------------------------------------

Row = tuple[str, str, str]
"""What, figure, goal."""


def own_share(stage: Stage, _given: argparse.Namespace) -> list[Row]:
    add_a_service(stage)
    alone = statistics.median(_shares(stage, retired=True))
    behind = statistics.median(_shares(stage, retired=False))
    return [
        ("our own share of a deployment of five services, without the watch (median of 5)", f"{alone:.2f} s", "≤ 2 s"),
        ("the same while the version before the live one is still warm and is retired first", f"{behind:.2f} s", ""),
    ]


def add_a_service(stage: Stage) -> None:
    """The graph's four services and one beside them that nobody needs: five that start and are verified."""
    orders = yaml.safe_load((stage.graph.root / "sophia.yaml").read_text())["services"]["orders"]
    run = [*orders["bundle"]["run"][:4], "notes"]
    notes = {"bundle": orders["bundle"] | {"run": run}, "needs": [], "source": "services/notes"}
    shutil.copytree(stage.graph.root / "services" / "orders", stage.graph.root / "services" / "notes")
    stage.graph.configure({"services": {"notes": orders | notes}})
    stage.deploy("--watch", "0")


def _shares(stage: Stage, *, retired: bool) -> list[float]:
    """Seconds, of five deployments one after the other."""
    shares = []
    for _ in range(5):
        if retired:
            stage.over(stage.submit("retire"))
        run = stage.deploy("--watch", "0")
        took = {step["service"]: step["result"]["took_ms"] for step in run["steps"] if step["id"].startswith("verify ")}
        assert len(took) == 5, f"{len(took)} services were started"
        chain = took["stock"] + max(took["orders"], took["prices"]) + took["front"]
        shares.append((run["ended_ms"] - run["submitted_ms"] - chain) / 1000)
    return shares


def rollbacks(stage: Stage, given: argparse.Namespace) -> list[Row]:
    warm = sorted(_one_rollback(stage) for _ in range(given.rollbacks))
    cold = sorted(_one_rollback(stage, cold=True) for _ in range(max(1, given.rollbacks // 5)))
    return [
        (f"rollback, warm, to the last old answer ({len(warm)})", _spread(warm), "p99 ≤ 2 s"),
        (f"rollback, cold ({len(cold)})", _spread(cold), "≤ 30 s"),
    ]


def _one_rollback(stage: Stage, *, cold: bool = False) -> float:
    """Seconds until nobody is answered by what is rolled back from."""
    run = stage.deploy("--watch", "0")
    if cold:
        stage.over(stage.submit("retire"))
    with Watcher(stage.url).asking() as watcher:
        began = time.monotonic()
        back = stage.over(stage.submit("rollback", reason="measured"))
        time.sleep(0.3)
    assert back["status"] == "done", back
    return watcher.last_of(run["release"], began)


def hard_errors(stage: Stage, _given: argparse.Namespace) -> list[Row]:
    with Watcher(stage.url).asking() as watcher:
        run = stage.deploy("--watch", "30s", code=4, fault="errors-after:4")
        time.sleep(0.5)
    bad = [(asked, end) for asked, end, status, _ in watcher.answers if status >= 500]
    lost = sum(status == 0 for _, _, status, _ in watcher.answers)
    assert run["status"] == "rolled back" and bad
    figure = f"{bad[-1][1] - bad[0][0]:.2f} s, {len(bad)} answers, {lost} lost"
    return [("hard 5xx after the switch until everything is back", figure, "≤ 10 s")]


def races(stage: Stage, given: argparse.Namespace) -> list[Row]:
    platform_, artifacts = _releases(stage, given.races)
    began = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        release = [{"platform": platform_, "artifacts": each} for each in artifacts]
        runs = list(pool.map(lambda each: stage.submit("deploy", release=each, watch_ms=0), release))
    submitted = time.monotonic() - began
    ended = [stage.over(run) for run in runs if run["run"]]
    states = {state: sum(run["status"] == state for run in ended) for state in ("done", "cancelled", "failed")}
    spans = sorted((run["started_ms"], run["ended_ms"]) for run in ended if run["started_ms"])
    apart = all(end <= begin for (_, end), (begin, _) in pairwise(spans))
    figure = f"{states['done']} done, {states['cancelled']} superseded, {states['failed']} failed; submitted in "
    figure += f"{submitted:.2f} s; {'one at a time' if apart else 'SIDE BY SIDE'}"
    return [(f"{len(runs)} racing deploys of one environment", figure, "one at a time, none fails")]


def _releases(stage: Stage, count: int) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """Releases that all differ: two bundles of each of two services, and the environment's variables."""
    from sophia_deployment_core import loading

    platform_ = loading.load(stage.graph.root / "sophia.yaml").to_canonical()
    found = []
    for version in range(2):
        stage.graph.release(f"race {version}")
        found.append(stage.owner.does("build", "-o", "json").json["artifacts"])
    names = list(found[0])
    mixes = [{name: found[number >> bit & 1][name] for bit, name in enumerate(names)} for number in range(count)]
    return platform_, mixes


def at_rest(stage: Stage, _given: argparse.Namespace) -> list[Row]:
    stage.graph.configure({"services": {name: {"replicas": 4} for name in ("front", "orders")}})
    stage.deploy("--watch", "0")
    stage.over(stage.submit("retire"))
    instances = sum(len(service["instances"]) for service in stage.owner.environment()["services"])
    pid = int(stage.engine.engine()["pid"])
    seconds = 20.0
    before = _cpu(pid)
    time.sleep(seconds)
    share = (_cpu(pid) - before) / seconds
    launchers = [_resident(each) for each in _launchers(stage.owner.state)]
    return [
        (f"engine at rest with {instances} instances: memory", f"{_resident(pid):.0f} MB", "≤ 150 MB"),
        (f"engine at rest with {instances} instances: processor", f"{share:.1%} of a core", "≤ 3 %"),
        (f"launchers ({len(launchers)})", f"{max(launchers):.1f} MB each at most", "≤ 12 MB"),
    ]


def command_line(stage: Stage, _given: argparse.Namespace) -> list[Row]:
    rows = []
    for words, goal in ((("--help",), "≤ 150 ms"), (("status",), "≤ 250 ms")):
        cpu, wall = zip(*(_timed(stage, *words) for _ in range(20)), strict=True)
        figure = f"{statistics.median(cpu) * 1000:.0f} ms of CPU, {statistics.median(wall) * 1000:.0f} ms"
        rows.append((f"`sophia {' '.join(words)}` (median of 20)", figure, goal))
    return rows


def back_up(stage: Stage, _given: argparse.Namespace) -> list[Row]:
    stage.owner.does("down")
    began = time.monotonic()
    stage.owner.does("up")
    return [("`sophia up` after `down`", f"{time.monotonic() - began:.1f} s", "≤ 15 s")]


PARTS: dict[str, Callable[[Stage, argparse.Namespace], list[Row]]] = {
    "share": own_share,
    "rollbacks": rollbacks,
    "errors": hard_errors,
    "races": races,
    "rest": at_rest,
    "command-line": command_line,
    "up": back_up,
}


# --- how ------------------------------------------------------------------------------------------------------------


def _spread(seconds: list[float]) -> str:
    return f"p50 {percentile(seconds, 0.5):.2f} s, p99 {percentile(seconds, 0.99):.2f} s"


def _timed(stage: Stage, *words: str) -> tuple[float, float]:
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run([str(SOPHIA), *words], cwd=stage.graph.root, capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return cpu, time.monotonic() - began


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _resident(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in status if line.startswith("VmRSS:")).split()[1]) / 1024


def _launchers(state: Path) -> list[int]:
    """Processes that run this state directory's launcher."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if any(word.endswith(b"launcher.py") and str(state).encode() in word for word in words):
            found.append(int(path.parent.name))
    return found


def main() -> None:
    options = argparse.ArgumentParser(prog="python -m benchmarks.deployment", description="What a deployment costs.")
    options.add_argument("--rollbacks", type=int, default=20)
    options.add_argument("--races", type=int, default=100)
    options.add_argument("--only", action="append", choices=sorted(PARTS), help="may be given several times")
    given = options.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}\n")
    print("| what | measured | goal |\n|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="sophia-deployment-") as directory, Stage.up(Path(directory)) as stage:
        for name in given.only or PARTS:
            for row in PARTS[name](stage, given):
                print(f"| {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
