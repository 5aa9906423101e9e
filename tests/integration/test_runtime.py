"""The local runtime with real bundles and processes."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import sys
import urllib.request
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from sophia_deployment_core.errors import SophiaError
from sophia_deployment_core.ports import Fenced, InstanceSpec, Runtime
from sophia_infrastructure.places import Places
from sophia_infrastructure.probes import HttpProbes
from sophia_infrastructure.runtime import LocalRuntime

from tests.support.launching import eventually, is_alive, launchers_in, lines, proc, processes_of
from tests.support.ports import free_port

ROOT = Path(__file__).parents[2]
SERVICE = ROOT / "tests" / "fixtures" / "graph" / "service.py"
DIGEST, OTHER = "a" * 64, "b" * 64
WORKLOAD = "3f2a" * 16


@pytest.fixture
def places(tmp_path):
    return Places.of(tmp_path / "state")


@pytest.fixture
async def launchers(places):
    async with launchers_in(places.state) as launchers:
        yield launchers


@pytest.fixture
def runtime(places, launchers):
    return LocalRuntime(places, launchers)


def bundle(places, digest=DIGEST, **files):
    """A stored bundle, read-only as the store leaves it."""
    tree = places.artifacts / digest
    tree.mkdir(parents=True)
    for name, text in {"file": "as stored\n", **files}.items():
        (tree / name).write_text(text)
        (tree / name).chmod(0o444)
    return tree


def service(places, **changes):
    """An instance of the fixture's service, which calls nobody."""
    port = free_port()
    given = InstanceSpec(
        environment="local",
        service="stock",
        workload=WORKLOAD,
        number=0,
        artifact=DIGEST,
        prepare=None,
        argv=("python3", "-I", "-S", "service.py", "stock"),
        static=None,
        port=port,
        env={"PORT": str(port), "DATA_DIR": str(places.data("local", "stock")), "SOPHIA_WORKLOAD": WORKLOAD[:12]},
        secrets={},
        resources={},
        stop_signal="SIGTERM",
        grace_ms=5_000,
    )
    return replace(given, **changes)


def answer(port, path="/version"):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=2) as response:
            return response.read()
    except OSError:
        return None


# --- preparing ------------------------------------------------------------------------------------------------------


async def test_a_bundle_is_prepared_once_where_it_stays(runtime, places):
    bundle(places, **{"prepare.py": "import os; open('log', 'a').write(os.getcwd() + '\\n')"})
    for _ in range(2):
        await runtime.prepare(DIGEST, prepare=["python3", "prepare.py"], epoch=1)
    (tree,) = [path for path in places.prepared.iterdir() if path.is_dir()]
    assert tree.name.startswith(f"{DIGEST}-")
    assert (tree / "log").read_text() == f"{tree}\n"
    assert (tree / "file").read_text() == "as stored\n"
    assert [path.name for path in places.run.iterdir()] == ["epoch"]


async def test_another_command_prepares_the_same_bundle_anew(runtime, places):
    shutil.copy(SERVICE, bundle(places) / "service.py")
    for command in (None, ["touch", "made"]):
        await runtime.prepare(DIGEST, prepare=command, epoch=1)
    with pytest.raises(SophiaError, match="SPH-2104"):
        await runtime.prepare(DIGEST, prepare=["false"], epoch=1)
    spec = service(places, argv=("sh", "-c", "ls; exec sleep 60"), prepare=("touch", "made"))
    await runtime.start(spec, epoch=1)
    log = runtime.log_path("local", "stock", WORKLOAD, 0)
    assert await eventually(lambda: "made" in lines(log)), "it runs in the tree that its own command made"
    await runtime.stop("local", WORKLOAD, 0, epoch=1)


async def test_two_that_need_the_same_bundle_prepare_it_once(runtime, places):
    bundle(places, **{"prepare.py": "import time; time.sleep(0.2); open('log', 'a').write('x')"})
    await asyncio.gather(*(runtime.prepare(DIGEST, prepare=["python3", "prepare.py"], epoch=1) for _ in range(3)))
    (log,) = places.prepared.glob("*/log")
    assert log.read_text() == "x"


async def test_a_preparation_finds_tools_caches_and_indexes_and_nothing_else(runtime, places, monkeypatch):
    monkeypatch.setenv("UV_INDEX_URL", "http://127.0.0.1:1/simple")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:2")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not for builds")
    bundle(places, **{"prepare.py": "import json, os, sys; print(json.dumps([sys.prefix, dict(os.environ)]))"})
    await runtime.prepare(DIGEST, prepare=["python3", "prepare.py"], epoch=1)
    prefix, env = json.loads(lines(runtime.prepare_log(DIGEST))[0])
    assert prefix == sys.prefix, "`python3` is Sophia's own"
    assert env["UV_INDEX_URL"] and env["https_proxy"] and env["HOME"] == os.environ["HOME"]
    assert "AWS_SECRET_ACCESS_KEY" not in env and "PYTHONPATH" not in env


async def test_a_preparation_that_fails_says_how_and_is_none(runtime, places):
    bundle(places)
    command = ["sh", "-c", "echo first; echo '\x1b[31mno such package: \x07left-pad' >&2; exit 3"]
    with pytest.raises(SophiaError, match=r"SPH-2104.*ended with 3.*no such package") as failed:
        await runtime.prepare(DIGEST, prepare=command, epoch=1)
    assert failed.value.facts["exit"] == 3
    assert failed.value.facts["log"] == ["first", "no such package: \\x07left-pad"]
    assert list(places.prepared.iterdir()) == []
    await runtime.prepare(DIGEST, prepare=["true"], epoch=1)


async def test_a_preparation_that_cannot_be_started_says_so(runtime, places):
    bundle(places)
    with pytest.raises(SophiaError, match=r"cannot run `no-such-tool`"):
        await runtime.prepare(DIGEST, prepare=["no-such-tool"], epoch=1)


async def test_what_a_preparation_leaves_running_is_ended(runtime, places):
    bundle(places, **{"prepare.py": "import os, time\nif not os.fork(): os.setsid(); time.sleep(60)"})
    await runtime.prepare(DIGEST, prepare=["python3", "prepare.py"], epoch=1)
    assert processes_of(places.state) == []


async def test_cancelling_a_preparation_kills_it_and_it_can_be_repeated(runtime, places):
    bundle(places)
    command = ["sh", "-c", "test -e ../../again && exec touch made; sleep 60 & sleep 60"]
    preparing = asyncio.ensure_future(runtime.prepare(DIGEST, prepare=command, epoch=1))
    await eventually(lambda: len(processes_of(places.state)) >= 4)
    preparing.cancel()
    with suppress(asyncio.CancelledError):
        await preparing
    assert processes_of(places.state) == []
    (places.state / "again").touch()
    await runtime.prepare(DIGEST, prepare=command, epoch=1)
    assert [path.name for path in places.prepared.glob("*/made")] == ["made"]


async def test_a_preparation_of_an_older_epoch_is_refused(runtime, places):
    bundle(places)
    await runtime.prepare(DIGEST, prepare=None, epoch=2)
    with pytest.raises(Fenced):
        await runtime.prepare(DIGEST, prepare=None, epoch=1)


async def test_a_virtual_environment_can_be_prepared_and_its_python_started(runtime, places):
    shutil.copy(SERVICE, bundle(places) / "service.py")
    command = ("uv", "venv", "--quiet", "--offline", ".venv")
    await runtime.prepare(DIGEST, prepare=command, epoch=1)
    spec = service(places, prepare=command, argv=(".venv/bin/python", "service.py", "stock"))
    kept = await runtime.start(spec, epoch=1)
    await eventually(lambda: answer(spec.port))
    assert (await runtime.observe("local"))[0].restarts == 0 and kept.pid


# --- instances ------------------------------------------------------------------------------------------------------


async def test_an_instance_is_started_seen_and_stopped(runtime, places):
    shutil.copy(SERVICE, bundle(places) / "service.py")
    await runtime.prepare(DIGEST, prepare=None, epoch=1)
    spec = service(places)
    assert runtime.is_free(spec.port)
    kept = await runtime.start(spec, epoch=1)
    assert (kept.environment, kept.service, kept.workload, kept.number) == ("local", "stock", WORKLOAD, 0)
    assert (kept.state, kept.port, kept.restarts, kept.exit, kept.limits) == ("running", spec.port, 0, None, "")
    await eventually(lambda: answer(spec.port))
    assert not runtime.is_free(spec.port)
    assert await runtime.start(spec, epoch=1) == kept
    assert await runtime.observe("local") == [kept]
    assert await runtime.observe("loc") == [] == await runtime.observe("staging")
    assert runtime.log_path("local", "stock", WORKLOAD, 0).name == f"stock-{WORKLOAD[:12]}-0.log"
    assert runtime.log_tail("local", "stock", WORKLOAD, 0) == [f"listening on {spec.port}"]
    assert await runtime.stop("local", WORKLOAD, 0, epoch=1) == 0
    assert await runtime.observe("local") == [] and runtime.is_free(spec.port)
    assert await runtime.stop("local", WORKLOAD, 0, epoch=1) is None


async def test_an_instance_knows_its_environment_and_nothing_of_ours(runtime, places, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "of the engine's shell")
    bundle(places, **{"show.py": "import json, os, time; print(json.dumps(dict(os.environ))); time.sleep(60)"})
    await runtime.prepare(DIGEST, prepare=None, epoch=1)
    spec = service(places, argv=("python3", "show.py"), secrets={"KEY": "s3cret"})
    await runtime.start(spec, epoch=1)
    (said,) = await eventually(lambda: runtime.log_tail("local", "stock", WORKLOAD, 0))
    env = json.loads(said)
    assert env | dict(spec.env) | {"KEY": "s3cret"} == env
    assert env["HOME"] == str(places.data("local", "stock")) and places.data("local", "stock").is_dir()
    assert "DATABASE_URL" not in env


async def test_an_instance_cannot_alter_the_stored_bundle(runtime, places):
    tree = bundle(
        places, **{"write.py": "import time; open('file', 'w').write('changed'); print('done'); time.sleep(60)"}
    )
    await runtime.prepare(DIGEST, prepare=None, epoch=1)
    await runtime.start(service(places, argv=("python3", "write.py")), epoch=1)
    await eventually(lambda: runtime.log_tail("local", "stock", WORKLOAD, 0) == ["done"])
    assert (tree / "file").read_text() == "as stored\n"


async def test_a_bundle_that_was_not_prepared_is_not_started(runtime, places):
    bundle(places)
    with pytest.raises(SophiaError, match="SPH-2105"):
        await runtime.start(service(places), epoch=1)
    assert await runtime.observe("local") == []


async def test_an_instance_that_crashes_at_once_is_seen_with_its_exit_status_and_last_words(runtime, launchers, places):
    shutil.copy(SERVICE, bundle(places, FAULT="crash-loop") / "service.py")
    await runtime.prepare(DIGEST, prepare=None, epoch=1)
    await runtime.start(service(places), epoch=1)

    seen = await eventually(lambda: (now := launchers.look(f"instance/local/{WORKLOAD}-0")).restarts >= 2 and now)
    (instance,) = await runtime.observe("local")
    assert seen.exit == instance.exit == 1
    assert runtime.log_tail("local", "stock", WORKLOAD, 0)[-1] == "fatal: told to crash at once"


async def test_static_files_are_served_by_our_own_server(runtime, places):
    bundle(places, **{"index.html": "<h1>hello</h1>"})
    await runtime.prepare(DIGEST, prepare=None, epoch=1)
    spec = service(places, argv=None, static={"root": ".", "index": "index.html", "spa": True})
    await runtime.start(spec, epoch=1)
    assert await eventually(lambda: answer(spec.port, "/")) == b"<h1>hello</h1>"
    assert await runtime.stop("local", WORKLOAD, 0, epoch=1) == 0


async def test_a_command_runs_where_an_instance_does(runtime, places, monkeypatch):
    monkeypatch.setenv("LEAKED", "from the engine")
    bundle(places, **{"check.py": "import json, os; print(json.dumps([os.getcwd(), dict(os.environ)]))"})
    await runtime.prepare(DIGEST, prepare=["true"], epoch=1)
    around = runtime.surroundings("local", "stock", DIGEST, prepare=["true"])
    said = await HttpProbes().command(["python3", "check.py"], cwd=around.directory, env=around.env, timeout_ms=9_000)
    where, env = json.loads(said.body)
    assert (Path(where) / "check.py").exists() and Path(where).is_relative_to(places.prepared)
    assert env["HOME"] == str(places.data("local", "stock")) and "PATH" in env and "LEAKED" not in env


async def test_what_an_instance_uses_is_not_pruned(runtime, places):
    for digest in (DIGEST, OTHER):
        shutil.copy(SERVICE, bundle(places, digest) / "service.py")
        await runtime.prepare(digest, prepare=["true"], epoch=1)
    await runtime.start(service(places, prepare=("true",)), epoch=1)
    assert await runtime.prune({OTHER}, epoch=1) == []
    assert await runtime.prune([], epoch=1) == [OTHER]
    await runtime.stop("local", WORKLOAD, 0, epoch=1)
    assert await runtime.prune([], epoch=1) == [DIGEST]
    assert list(places.prepared.iterdir()) == [] == await runtime.prune([], epoch=1)


async def test_an_engine_that_was_replaced_prunes_nothing(runtime, launchers, places, monkeypatch):
    monkeypatch.setattr("sophia_infrastructure.runtime.OLD_LOGS_BYTES", 0)
    shutil.copy(SERVICE, bundle(places) / "service.py")
    await runtime.prepare(DIGEST, prepare=None, epoch=1)
    log = runtime.log_path("local", "stock", WORKLOAD, 0)
    log.parent.mkdir(parents=True)
    log.write_text("said")
    await launchers.once("routes/local", [], epoch=2)
    with pytest.raises(Fenced):
        await runtime.prune([], epoch=1)
    assert log.exists()
    log.unlink()
    with pytest.raises(Fenced):
        await runtime.prune([DIGEST], epoch=1)  # nothing to remove
    await runtime.prepare(DIGEST, prepare=None, epoch=2)
    await runtime.start(service(places), epoch=2)
    await runtime.stop("local", WORKLOAD, 0, epoch=2)
    assert await runtime.prune([], epoch=2) == [DIGEST] and not list(places.prepared.iterdir())
    assert [path.name for path in places.run.iterdir()] == ["epoch"], "nothing is left to be kept"


async def test_a_replaced_engine_that_was_about_to_remove_a_tree_leaves_it(runtime, launchers, places):
    """The newer engine came between its look at the logs and its first removal."""
    shutil.copy(SERVICE, bundle(places) / "service.py")
    await runtime.prepare(DIGEST, prepare=None, epoch=1)
    once = launchers.once

    async def overtaken(resource, effects, *, epoch):
        if resource.startswith("prepared/"):
            await once("routes/local", [], epoch=2)
        await once(resource, effects, epoch=epoch)

    launchers.once = overtaken
    with pytest.raises(Fenced):
        await runtime.prune([], epoch=1)
    assert len(list(places.prepared.iterdir())) == 2, "the tree and its marker"


async def test_of_instances_that_are_gone_the_oldest_logs_go(runtime, places, monkeypatch):
    monkeypatch.setattr("sophia_infrastructure.runtime.OLD_LOGS_BYTES", 25)
    shutil.copy(SERVICE, bundle(places) / "service.py")
    await runtime.prepare(DIGEST, prepare=None, epoch=1)
    await runtime.start(service(places), epoch=1)
    running = runtime.log_path("local", "stock", WORKLOAD, 0)
    running.with_name(f"{running.name}.1").write_text("x" * 99)
    names = [f"front-{number:012x}-0.log" for number in range(3)]
    for age, name in enumerate([*names, f"{names[2]}.1", "envoy.log"]):
        (running.parent / name).write_text("0123456789")
        os.utime(running.parent / name, (1_000 - age, 1_000 - age))
    await runtime.prune([], epoch=1)
    left = {path.name for path in running.parent.iterdir()}
    assert left == {running.name, f"{running.name}.1", "envoy.log", *names[:2]}
    await runtime.stop("local", WORKLOAD, 0, epoch=1)


def test_a_port_that_anybody_listens_on_is_not_free(places):
    runtime: Runtime = LocalRuntime(places, None)
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
        with socket.socket(family) as listener:
            try:
                listener.bind((address, 0))
            except OSError:
                continue  # no IPv6 here
            listener.listen()
            assert not runtime.is_free(listener.getsockname()[1]), address
    assert runtime.is_free(free_port())


# --- kills ----------------------------------------------------------------------------------------------------------


async def engine(state, epoch, *command):
    """An engine in a process of its own that prepares."""
    script = (
        "import asyncio, sys\nfrom pathlib import Path\n"
        "from sophia_infrastructure.launchers import Launchers\nfrom sophia_infrastructure.places import Places\n"
        "from sophia_infrastructure.runtime import LocalRuntime\n"
        "places = Places.of(Path(sys.argv[1]))\n"
        "runtime = LocalRuntime(places, Launchers(places))\n"
        "asyncio.run(runtime.prepare(sys.argv[2], prepare=sys.argv[4:], epoch=int(sys.argv[3])))\n"
    )
    return await asyncio.create_subprocess_exec(sys.executable, "-c", script, state, DIGEST, str(epoch), *command)


async def test_half_a_preparation_is_none_when_the_engine_was_killed(runtime, places):
    bundle(places)
    command = ["sh", "-c", "test -e ../../again && exec test ! -e half; touch half; sleep 60"]
    killed = await engine(places.state, 1, *command)
    try:
        await eventually(lambda: list(places.prepared.glob("*/half")), seconds=20)
    finally:
        killed.kill()
        await killed.wait()
    await eventually(lambda: processes_of(places.state) == [])
    assert not list(places.prepared.glob("*.ready"))
    (places.state / "again").touch()
    await runtime.prepare(DIGEST, prepare=command, epoch=2)
    assert list(places.prepared.glob("*.ready"))


async def test_a_preparation_whose_helper_was_killed_is_ended_before_the_next_one_begins(runtime, places):
    bundle(places)
    command = ["sh", "-c", "test -e ../../again && exec test ! -e half; touch half; sleep 61"]
    preparing = asyncio.ensure_future(runtime.prepare(DIGEST, prepare=command, epoch=1))
    await eventually(lambda: list(places.prepared.glob("*/half")))
    helper = next(pid for pid in processes_of(places.state) if os.getsid(pid) == pid and _is_helper(pid))
    left = [pid for pid in processes_of(places.state) if pid != helper]
    os.kill(helper, signal.SIGKILL)
    with pytest.raises(SophiaError, match="SPH-2101"):
        await preparing
    assert [pid for pid in left if is_alive(pid)], "nobody was there to end it"
    (places.state / "again").touch()
    await runtime.prepare(DIGEST, prepare=command, epoch=1)
    assert not [pid for pid in left if is_alive(pid)]


def _is_helper(pid):
    return b"launcher.py" in proc(pid, "cmdline")


async def test_a_new_engine_waits_for_the_preparation_of_a_killed_one_to_end(runtime, places):
    bundle(places)
    stubborn = "test -e ../../again && exec test ! -e half; trap '' TERM; touch half; sleep 60 & wait; sleep 60"
    killed = await engine(places.state, 1, "sh", "-c", stubborn)
    try:
        await eventually(lambda: list(places.prepared.glob("*/half")), seconds=20)
        (places.state / "again").touch()
        preparing = asyncio.ensure_future(runtime.prepare(DIGEST, prepare=["sh", "-c", stubborn], epoch=2))
        await asyncio.sleep(0.3)
        assert not preparing.done(), "two at once would spoil each other's tree"
    finally:
        killed.kill()
        await killed.wait()
    await preparing
    assert processes_of(places.state) == []
