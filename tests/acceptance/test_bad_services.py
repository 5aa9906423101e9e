"""Services that misbehave, released by their owner with traffic on: users keep the version before, or get it back.

`tests/faults/test_bad_releases.py` shows the same engine under load and with every detail of the ledger; here is what
somebody at a shell sees of it, and what is left on the machine.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest

from tests.support.graph import Graph, make_graph
from tests.support.launching import is_alive, proc, processes_of
from tests.support.load.process import LoadProcess
from tests.support.load.result import Mix
from tests.support.owner import Owner, until
from tests.support.refusal import commands, lasting, refused

pytestmark = pytest.mark.slow
MIX = Mix(1, 1, 1, events=0, websocket=0, http2=0, rate=30)
HEALTH = {"path": "/health", "every": "100ms", "consecutive": 2, "within": "2s"}
NAP = 4_000_000 + os.getpid()
"""Nobody else on this machine sleeps just so long."""

RUN = [sys.executable, "-I", "-S", "service.py", "front", "--calls", "stock"]
SMALL: dict[str, Any] = {
    "services": {
        "orders": None,
        "prices": None,
        "front": {"needs": ["stock"], "bundle": {"run": RUN}, "health": HEALTH, "stop": {"grace": "1s"}},
        "stock": {"health": HEALTH},
    },
    "environments": {"local": {"strategy": {"blue_green": {"watch": "0s", "warm": "1s"}}}},
}
"""front -> stock, an impatient probe, and a version before that is soon retired."""
MOST_LOG_BYTES = 50 << 20


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Graph:
    return make_graph(tmp_path_factory.mktemp("bad-services"), changes=SMALL)


@pytest.fixture(scope="module")
def owner(graph: Graph) -> Iterator[Owner]:
    owner = Owner(graph.root)
    try:
        owner.does("up")
        yield owner
    finally:
        owner.end()
        assert processes_of(owner.state) == []


@pytest.fixture
def release(graph: Graph, owner: Owner) -> Iterator[Callable[..., None]]:
    """Writes the next version of `front`, broken or not."""
    good = (graph.root / "sophia.yaml").read_text()

    def write(fault: str = "", **changes: Any) -> None:
        graph.configure({"services": {"front": changes}})
        graph.release(str(time.time_ns()), services=["front"], fault=fault)

    yield write
    (graph.root / "sophia.yaml").write_text(good)


def never_live(owner: Owner, code: str) -> str:
    """The release fails before any user sees it, and all of it is gone; what was said."""
    until(lambda: not owner.environment()["warm"])
    before, processes = owner.live(), lasting(owner)
    with LoadProcess(str(owner.environment()["url"]), MIX) as load:
        said = refused(owner.call("deploy"), code, exit=1)
    assert (load.result.lost, len(load.result.chains)) == (0, 1), load.result.table()
    assert owner.live() == before and f"`{before}` went on serving" in said
    until(lambda: lasting(owner) == processes)
    assert "sophia logs local front" in said
    return said


def instance(owner: Owner) -> dict[str, Any]:
    """The one instance of `front` that is live."""
    front = next(each for each in owner.environment()["services"] if each["name"] == "front")
    found: dict[str, Any] = front["instances"][0]
    return found


# --- never seen by anybody ------------------------------------------------------------------------------------------


def test_a_service_that_goes_into_the_background_is_told_to_stay_in_front(owner: Owner, release: Any) -> None:
    release("daemonise")
    said = never_live(owner, "SPH-1211")
    assert "ended 3 times before it was healthy, last with exit status 0" in said
    assert "left processes behind, which were killed: it must stay in front" in said


def test_a_service_on_another_port_is_told_which_one_it_was_given(owner: Owner, release: Any) -> None:
    release("wrong-port")
    said = never_live(owner, "SPH-1210")
    assert "was not answered: connection refused" in said and "it has to listen on 127.0.0.1 at `$PORT` (2" in said
    assert "| listening on " in said, "its own words say where it listens"


def test_a_service_that_starts_too_slowly_is_told_how_long_it_may_take(owner: Owner, release: Any) -> None:
    release("slow-start:20")
    said = never_live(owner, "SPH-1210")
    assert "`front` was not healthy within 2.0 s" in said
    assert "within 2.0 s (`health: {within: …}`)" in said


def test_a_service_that_flaps_is_told_how_many_answers_were_good(owner: Owner, release: Any) -> None:
    release("flapping")
    assert "probes of /health were good, never 2 in a row; the last one answered" in never_live(owner, "SPH-1210")


def test_a_service_that_ends_at_once_is_told_with_its_last_words(owner: Owner, release: Any) -> None:
    release("crash-loop")
    said = never_live(owner, "SPH-1211")
    assert "last with exit status 1" in said and "| fatal: told to crash at once" in said


def test_no_service_commands_the_terminal_of_whoever_looks(owner: Owner, release: Any) -> None:
    release("control-codes,never-healthy")
    shown = r"\x1b[2Jred\x07 \x1b]0;title\x07"
    assert shown in never_live(owner, "SPH-1210")
    number = str(owner.does("queue", "-n", "1", "-o", "json").json[0]["number"])
    page = Path(owner.does("report", number, "--html").out.strip())
    texts = [owner.does(*words).out for words in (("logs", "local", "front"), ("report", number))]
    assert all(shown in text and not commands(text) for text in texts)
    assert "title" in page.read_text() and not commands(page.read_text())
    assert "\x1b" not in owner.does("logs", "local", "front", "-o", "json").out


# --- live, and a burden ---------------------------------------------------------------------------------------------


def test_what_a_service_leaves_in_the_background_goes_with_it(owner: Owner, release: Any) -> None:
    """A daemon in a session of its own, with neither its parent nor its output."""
    daemon = f"setsid sh -c 'sleep {NAP} >/dev/null 2>&1 &' & exec \"$@\""
    release(bundle={"run": ["sh", "-c", daemon, "sh", *RUN]})
    owner.does("deploy")
    assert len(sleepers()) == 1
    release(bundle={"run": RUN})
    owner.does("deploy")
    until(lambda: not sleepers(), seconds=60)


def sleepers() -> list[str]:
    command = f"sleep\0{NAP}\0".encode()
    return [pid for pid in os.listdir("/proc") if pid.isdigit() and proc(int(pid), "cmdline") == command]


def test_a_service_that_ignores_the_stop_signal_is_killed_after_its_grace(owner: Owner, release: Any) -> None:
    release("ignore-sigterm")
    owner.does("deploy")
    pid = instance(owner)["pid"]
    release()
    owner.does("deploy")
    until(lambda: not is_alive(pid), seconds=60)


def test_two_hundred_megabytes_of_logs_take_fifty(owner: Owner, release: Any) -> None:
    release("spam-logs:200000000", health={"within": "20s"})
    owner.does("deploy")
    logs = [path for path in (owner.state / "logs" / "local").glob("front-*") if instance_of(path, owner)]
    assert sum(path.stat().st_size for path in logs) <= MOST_LOG_BYTES
    began = time.monotonic()
    assert len(owner.does("logs", "local", "front", "-n", "5").out.splitlines()) >= 5
    assert time.monotonic() - began < 10


def instance_of(path: Path, owner: Owner) -> bool:
    front = next(each for each in owner.environment()["services"] if each["name"] == "front")
    return front["workload"] in path.name


def test_a_service_that_takes_more_and_more_memory_is_kept_within_its_limit_or_that_is_said(
    owner: Owner, release: Any
) -> None:
    """By a group of its own, else by what one process may ask for: the machine says which, and `status` too."""
    release("leak:100", resources={"memory": "64MB"})
    owner.does("deploy")
    limits = str(instance(owner)["limits"])
    shown = owner.does("status", "local").out
    assert limits in ("cgroup", "rlimit", "none") and f"  {limits}\n" in shown
    machine = next(line for line in owner.call("doctor").out.splitlines() if "cgroups" in line)
    assert ("enforced" in machine) == (limits == "cgroup"), machine
    if limits == "rlimit":
        until(lambda: "MemoryError" in owner.does("logs", "local", "front").out, seconds=60)
        assert instance(owner)["restarts"] == 0, "it was refused more, and goes on"
    elif limits == "cgroup":
        until(lambda: instance(owner)["restarts"] > 0, seconds=60)
    release(resources=None)
    owner.does("deploy")


def test_a_service_that_crashes_after_the_watch_holds_its_environment_until_somebody_decides(
    owner: Owner, release: Any
) -> None:
    release()
    owner.does("deploy")
    before, flag = owner.live(), owner.state / "data" / "local" / "front" / "later"
    release("crash-when:later")
    owner.does("deploy")
    bad = owner.live()
    flag.touch()
    try:
        until(lambda: owner.environment()["state"] == "held", seconds=60)
        for _ in range(5):
            found = owner.environment()
            assert (found["state"], found["live"]["release"]) == ("held", bad), "between two crashes, too"
        shown = owner.does("status").out
        assert "local: `front` ended 3 times within 2 minutes, last with exit" in shown, shown
        assert "nothing goes back by itself now: `sophia logs local` says why" in shown
        assert f"`sophia rollback local --reason WHY` goes back to `{before}`" in shown
        kinds = {run["kind"] for run in owner.does("queue", "-n", "3", "-o", "json").json}
        assert "rollback" not in kinds
        owner.does("rollback", "--reason", "it crashes")
        assert owner.live() == before and answers(owner)
    finally:
        flag.unlink()


def answers(owner: Owner) -> bool:
    try:
        return owner.get(str(owner.environment()["url"]))[0] == 200
    except HTTPError:
        return False
