"""Launchers with real processes, files and locks."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path

import pytest
from sophia_deployment_core.errors import SophiaError
from sophia_deployment_core.ports import Fenced
from sophia_infrastructure.launcher.locks import DOOR, give, take
from sophia_infrastructure.launcher.resource import Resource
from sophia_infrastructure.launchers import Launchers, Remove, Rename, Write
from sophia_infrastructure.places import Places

from tests.support.launching import eventually, is_alive, launchers_in, lines, proc, processes_of, program, python

NAME = "instance/local/api-3f2a-0"
ROOT = Path(__file__).parents[2]
MOST_KILOBYTES = 12 * 1024


@pytest.fixture
def state(tmp_path):
    return tmp_path / "state"


@pytest.fixture
async def launchers(state):
    async with launchers_in(state) as launchers:
        yield launchers


def record(state: Path) -> Path:
    return next(iter((state / "run").glob("*.json")))


# --- keep -----------------------------------------------------------------------------------------------------------


async def test_a_program_starts_from_a_clean_environment_in_a_session_of_its_own(launchers, state, monkeypatch):
    monkeypatch.setenv("LEAKED", "from the engine")
    code = (
        "import json, os, sys, time\n"
        "fds = sorted(int(each) for each in os.listdir('/proc/self/fd'))\n"
        "print(json.dumps({'env': dict(os.environ), 'sid': os.getsid(0), 'pid': os.getpid(), 'cwd': os.getcwd(),"
        " 'fds': fds, 'stdin': os.readlink('/proc/self/fd/0')}), flush=True)\n"
        "print('to standard error', file=sys.stderr, flush=True)\n"
        "time.sleep(60)\n"
    )
    asked = python(state, code, env={"LC_ALL": "C.UTF-8"}, secrets={"KEY": "s3cret-value"}, about={"port": 20001})
    kept = await launchers.keep(NAME, asked, epoch=1)
    first, second = await eventually(lambda: (said := lines(asked.log))[1:] and said)
    told = json.loads(first)

    assert second == "to standard error"
    assert told["env"] == {**asked.env, "KEY": "s3cret-value", "SOPHIA_KEPT": f"{state.resolve()}/run:{NAME}"}
    assert told["sid"] == told["pid"] == kept.pid
    assert told["cwd"] == str(state) and told["stdin"] == "/dev/null"
    assert [fd for fd in told["fds"] if fd > 4] == [64], "only the lock is inherited (3 or 4 is the listing itself)"
    assert (kept.state, kept.about, kept.restarts, kept.exit) == ("running", {"port": 20001}, 0, None)
    assert b"LEAKED" not in proc(kept.launcher_pid, "environ")


async def test_secret_values_are_in_no_file_and_no_command_line(launchers, state):
    kept = await launchers.keep(NAME, program(state, "sleep", "60", secrets={"KEY": "s3cret-value"}), epoch=1)
    commands = [proc(pid, "cmdline") for pid in (kept.pid, kept.launcher_pid)]
    files = [path.read_bytes() for path in state.rglob("*") if path.is_file()]
    assert not [text for text in [*commands, *files] if b"s3cret-value" in text]
    assert b"s3cret-value" in proc(kept.pid, "environ")


async def test_keeping_what_is_kept_returns_it_as_it_is(launchers, state):
    first = await launchers.keep(NAME, program(state, "sleep", "60"), epoch=1)
    second = await launchers.keep(NAME, program(state, "sleep", "61"), epoch=2)
    assert second == first == launchers.look(NAME)


async def test_of_many_that_keep_at_once_one_starts_the_program(launchers, state):
    asked = python(state, "import time; print('began', flush=True); time.sleep(60)")
    kept = await asyncio.gather(*(launchers.keep(NAME, asked, epoch=1) for _ in range(8)))
    assert len({(each.pid, each.launcher_pid) for each in kept}) == 1
    await eventually(lambda: lines(asked.log))
    assert asked.log.read_text() == "began\n"


async def test_a_launcher_lives_on_when_who_asked_for_it_is_gone_and_signals_of_terminals_do_not_reach_it(
    launchers, state
):
    script = (
        "import asyncio, sys\nfrom pathlib import Path\nfrom tests.support.launching import program\n"
        "from sophia_infrastructure.launchers import Launchers\nfrom sophia_infrastructure.places import Places\n"
        "state = Path(sys.argv[1])\n"
        "asyncio.run(Launchers(Places.of(state)).keep(sys.argv[2], program(state, 'sleep', '60'), epoch=1))\n"
    )
    asking = await asyncio.create_subprocess_exec(sys.executable, "-c", script, str(state), NAME, cwd=ROOT)
    assert await asyncio.wait_for(asking.wait(), 30) == 0
    kept = launchers.look(NAME)
    assert kept.state == "running" and kept.launcher_pid
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        os.kill(kept.launcher_pid, number)
    await asyncio.sleep(0.1)
    assert launchers.look(NAME) == kept
    assert os.getsid(kept.launcher_pid) == kept.launcher_pid


async def test_a_launcher_is_small(launchers, state):
    kept = await launchers.keep(NAME, program(state, "sleep", "60"), epoch=1)
    status = dict(line.split(":", 1) for line in proc(kept.launcher_pid, "status").decode().splitlines())
    kilobytes = int(status["VmRSS"].split()[0])
    print(f"a launcher takes {kilobytes} kB, {status['RssAnon'].strip()} of it its own")
    assert kilobytes < MOST_KILOBYTES


async def test_a_program_that_ends_is_started_again_later_each_time(launchers, state):
    asked = python(state, "import time; print(time.monotonic(), flush=True); raise SystemExit(3)")
    await launchers.keep(NAME, asked, epoch=1)
    times = await eventually(lambda: (said := lines(asked.log))[3:] and said)
    first, second, third, fourth = (float(each) for each in times[:4])
    assert second - first < third - second < fourth - third
    kept = launchers.look(NAME)
    assert kept.state in ("waiting", "running") and kept.restarts >= 3 and kept.exit == 3


async def test_a_program_that_cannot_be_started_waits_and_its_log_says_why(launchers, state):
    asked = program(state, "./no-such-program")
    await launchers.keep(NAME, asked, epoch=1)
    kept = await eventually(lambda: (now := launchers.look(NAME)).state == "waiting" and now)
    assert kept.exit == 127
    assert "cannot run `./no-such-program`" in asked.log.read_text()
    assert "no such file or directory" in asked.log.read_text()


async def test_what_a_program_leaves_behind_is_killed_before_it_is_started_again(launchers, state):
    """A service that daemonises itself would meet its own daemon on its port, and run twice."""
    code = (
        "import os, time\n"
        "if os.fork(): time.sleep(0.2); os._exit(0)\n"
        "os.setsid()\n"
        "if os.fork(): os._exit(0)\n"
        "open('daemons', 'a').write(f'{os.getpid()}\\n'); time.sleep(60)\n"
    )
    asked = python(state, code)
    await launchers.keep(NAME, asked, epoch=1)
    await eventually(lambda: launchers.look(NAME).restarts >= 2)
    assert "left processes behind" in asked.log.read_text()
    daemons = [int(pid) for pid in lines(state / "daemons")]
    assert len(daemons) >= 2
    assert not [pid for pid in daemons[:-1] if is_alive(pid)]
    await launchers.end(NAME, epoch=1)
    assert not [pid for pid in daemons if is_alive(pid)]


async def test_a_log_stays_within_its_bounds_and_keeps_its_end(launchers, state):
    code = (
        "import os, sys, time\n"
        "for burst in range(40): os.write(1, (b'x' * 99 + b'\\n') * 1000); time.sleep(0.03)\n"
        "os.write(1, b'the last line\\n'); time.sleep(60)\n"
    )
    limit = 1_000_000
    asked = python(state, code, log_bytes=limit)
    await launchers.keep(NAME, asked, epoch=1)

    def parts():
        return {part.name: part.stat().st_size for part in asked.log.parent.glob("program.log*")}

    await eventually(lambda: "the last line" in lines(asked.log) + lines(asked.log.with_suffix(".log.1")), seconds=30)
    await eventually(lambda: sum(parts().values()) <= limit)
    assert sorted(parts()) == ["program.log", "program.log.1", "program.log.2", "program.log.3"]


async def test_a_memory_limit_is_enforced_or_said_not_to_be(launchers, state):
    code = "x = bytearray(2 << 30); print(len(x), flush=True); import time; time.sleep(60)"
    asked = python(state, code, resources={"memory_bytes": 64 << 20})
    kept = await launchers.keep(NAME, asked, epoch=1)
    assert kept.limits in ("cgroup", "rlimit", "none")
    if kept.limits != "none":
        ended = await eventually(lambda: (now := launchers.look(NAME)).exit is not None and now)
        assert ended.exit in (1, -signal.SIGKILL)
    assert (await launchers.keep("instance/local/free-0", program(state, "sleep", "60"), epoch=1)).limits == ""


# --- end ------------------------------------------------------------------------------------------------------------


async def test_ending_asks_waits_and_leaves_nothing(launchers, state):
    code = (
        "import signal, sys, time\n"
        "def leave(*_): time.sleep(0.2); print('left in order', flush=True); sys.exit(7)\n"
        "signal.signal(signal.SIGINT, leave); print('ready', flush=True); time.sleep(60)\n"
    )
    asked = python(state, code, stop_signal="SIGINT", grace_ms=5_000)
    await launchers.keep(NAME, asked, epoch=1)
    await eventually(lambda: lines(asked.log))
    assert await launchers.end(NAME, epoch=1) == 7
    assert "left in order" in asked.log.read_text()
    assert launchers.look(NAME).state == "gone" and launchers.list("") == []
    assert [path.name for path in (state / "run").iterdir()] == ["epoch"]
    assert processes_of(state) == []
    assert await launchers.end(NAME, epoch=1) is None


async def test_who_ignores_the_signal_is_killed_after_the_grace(launchers, state):
    asked = python(
        state,
        "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(60)",
        grace_ms=300,
    )
    await launchers.keep(NAME, asked, epoch=1)
    await eventually(lambda: lines(asked.log))
    began = time.monotonic()
    assert await launchers.end(NAME, epoch=1) == -signal.SIGKILL
    assert 0.3 <= time.monotonic() - began < 3


async def test_ending_reaches_children_in_other_groups_and_sessions(launchers, state):
    code = (
        "import os, signal, time\n"
        "for other in (os.setsid, os.setpgrp, lambda: None):\n"
        "    if not os.fork():\n"
        "        signal.signal(15, signal.SIG_IGN); other(); open('children', 'a').write(f'{os.getpid()}\\n')\n"
        "        time.sleep(60)\n"
        "time.sleep(60)\n"
    )
    await launchers.keep(NAME, python(state, code, grace_ms=300), epoch=1)
    children = await eventually(lambda: (said := lines(state / "children"))[2:] and said)
    assert await launchers.end(NAME, epoch=1) == -signal.SIGTERM
    assert not [pid for pid in children if is_alive(int(pid))]


async def test_children_that_the_program_leaves_have_the_rest_of_the_grace(launchers, state):
    """`sh -c 'server & wait'` dies of the signal and tells nobody."""
    code = (
        "import os, signal, sys, time\n"
        "def finish(*_): time.sleep(0.3); open('finished', 'w').close(); os._exit(0)\n"
        "if os.fork():\n"
        "    time.sleep(60)\n"
        "signal.signal(15, finish); open('ready', 'w').close(); time.sleep(60)\n"
    )
    await launchers.keep(NAME, python(state, code, grace_ms=5_000), epoch=1)
    await eventually((state / "ready").exists)
    assert await launchers.end(NAME, epoch=1) == -signal.SIGTERM
    assert (state / "finished").exists()


async def test_what_is_being_stopped_is_waited_for_and_started_anew(launchers, state):
    slow = python(
        state,
        "import signal, sys, time\n"
        "signal.signal(15, lambda *_: (time.sleep(0.7), sys.exit(0))); print('up', flush=True); time.sleep(60)\n",
        grace_ms=5_000,
    )
    first = await launchers.keep(NAME, slow, epoch=1)
    await eventually(lambda: lines(slow.log))
    ending = asyncio.ensure_future(launchers.end(NAME, epoch=1))
    await eventually(lambda: launchers.look(NAME).state == "stopping")
    second = await launchers.keep(NAME, slow, epoch=1)
    await ending
    assert second.state == "running" and second.pid != first.pid
    assert launchers.look(NAME) == second, "what was started anew is not ended with its predecessor"


@pytest.mark.parametrize("damage", ["", '{"pid": 1, "launc', "[]"])
async def test_a_damaged_record_keeps_nobody_from_seeing_and_ending(launchers, state, damage):
    kept = await launchers.keep(NAME, program(state, "sleep", "60"), epoch=1)
    record(state).write_text(damage)
    assert launchers.look(NAME).state == "starting"
    assert [each.resource for each in launchers.list("instance/local/")] == [NAME]
    await launchers.end(NAME, epoch=1)
    assert not is_alive(kept.pid) and launchers.list("") == []


async def test_a_record_that_is_missing_keeps_nobody_from_seeing_and_ending(launchers, state):
    kept = await launchers.keep(NAME, program(state, "sleep", "60"), epoch=1)
    record(state).unlink()
    assert [each.state for each in launchers.list("instance/local/")] == ["starting"]
    await launchers.end(NAME, epoch=1)
    assert not is_alive(kept.pid) and launchers.list("") == []


# --- once -----------------------------------------------------------------------------------------------------------


async def test_effects_are_done_in_order_and_again_without_harm(launchers, state):
    table = state / "envoy" / "routes.json"
    effects = [
        Write(table, "first\n"),
        Rename(table, state / "envoy" / "old.json"),
        Write(table, "grün 🌱\n", mode=0o644),
        Write(state / "gone", "x"),
        Remove(state / "gone"),
        Remove(state / "never-there"),
    ]
    for _ in range(2):
        await launchers.once("routes/local", effects, epoch=1)
    assert table.read_text() == "grün 🌱\n" and table.stat().st_mode & 0o777 == 0o644
    assert (state / "envoy" / "old.json").read_text() == "first\n"
    assert sorted(path.name for path in state.iterdir()) == ["code", "envoy", "run"]
    assert sorted(path.name for path in (state / "envoy").iterdir()) == ["old.json", "routes.json"]


async def test_a_rename_that_was_done_is_not_done_again(launchers, state):
    await launchers.once("routes/local", [Write(state / "a", "1")], epoch=1)
    for _ in range(2):
        await launchers.once("routes/local", [Rename(state / "a", state / "b")], epoch=1)
    assert (state / "b").read_text() == "1"
    with pytest.raises(SophiaError, match="SPH-2101"):
        await launchers.once("routes/local", [Rename(state / "x", state / "y")], epoch=1)


async def test_a_directory_is_removed_with_all_it_holds(launchers, state):
    (state / "tree" / "inner").mkdir(parents=True)
    (state / "tree" / "inner" / "file").touch()
    await launchers.once("data/local", [Remove(state / "tree")], epoch=1)
    assert not (state / "tree").exists()


async def test_readers_see_all_of_a_file_or_all_of_another(launchers, state):
    path = state / "table"
    texts = ["a" * 200_000, "b" * 200_000]
    await launchers.once("routes/local", [Write(path, texts[0])], epoch=1)
    seen = set()

    async def read():
        for _ in range(400):
            seen.add(path.read_text())
            await asyncio.sleep(0.001)

    reading = asyncio.ensure_future(read())
    for number in range(8):
        await launchers.once("routes/local", [Write(path, texts[number % 2])], epoch=1)
    await reading
    assert seen <= set(texts)


# --- epochs ---------------------------------------------------------------------------------------------------------


async def test_an_older_epoch_is_refused_and_nothing_is_done(launchers, state):
    kept = await launchers.keep(NAME, program(state, "sleep", "60"), epoch=5)
    for call in (
        lambda: launchers.keep("instance/local/other-0", program(state, "sleep", "60"), epoch=4),
        lambda: launchers.keep(NAME, program(state, "sleep", "60"), epoch=4),
        lambda: launchers.once("routes/local", [Write(state / "late", "x")], epoch=4),
        lambda: launchers.end(NAME, epoch=4),
    ):
        with pytest.raises(Fenced):
            await call()
    assert launchers.list("") == [kept]
    assert not (state / "late").exists()


async def test_what_a_newer_engine_has_forgotten_an_older_one_cannot_bring_back(launchers, state):
    await launchers.keep(NAME, program(state, "sleep", "60"), epoch=1)
    await launchers.end(NAME, epoch=2)
    with pytest.raises(Fenced):
        await launchers.keep(NAME, program(state, "sleep", "60"), epoch=1)
    assert processes_of(state) == []


async def test_a_helper_that_stood_at_the_door_while_another_engine_came_does_nothing(launchers, state):
    resource = Resource(str(state.resolve() / "run"), "routes/local")
    (state / "run").mkdir()
    door = resource.open()
    assert take(door, DOOR)
    late = asyncio.ensure_future(launchers.once("routes/local", [Write(state / "late", "x")], epoch=1))
    await eventually(lambda: processes_of(state))
    await asyncio.sleep(0.1)
    resource.admit(2)
    give(door, DOOR)
    os.close(door)
    with pytest.raises(Fenced):
        await late
    assert not (state / "late").exists()


async def test_naming_a_newer_epoch_is_enough_to_keep_older_ones_out(launchers, state):
    await launchers.once("routes/local", [], epoch=7)
    with pytest.raises(Fenced):
        await launchers.once("routes/local", [Write(state / "late", "x")], epoch=6)


# --- the program itself ---------------------------------------------------------------------------------------------


async def test_the_programs_copy_is_made_once_and_again_if_it_is_gone(launchers, state):
    first = launchers.code
    assert Launchers(Places.of(state)).code == first and len(list((state / "code").iterdir())) == 1
    shutil.rmtree(first)
    await launchers.once("routes/local", [], epoch=1)
    assert first.is_dir()


async def test_a_copy_is_in_use_while_its_program_waits_to_be_started_again(launchers, state):
    copies = [state / "code" / name for name in ("envoy-3", "envoy-2", "envoy-1")]
    for age, copy in enumerate(copies):
        copy.mkdir(parents=True)
        os.utime(copy, (1_000_000 - age, 1_000_000 - age))
    old = str(copies[-1] / "envoy")
    await launchers.keep("envoy/local", program(state, "sh", "-c", "exit 1", about={"program": old}), epoch=1)
    await eventually(lambda: launchers.look("envoy/local").state == "waiting")
    assert launchers.prune_code() == []
    await launchers.end("envoy/local", epoch=1)
    assert launchers.prune_code() == ["envoy-1"]
    assert launchers.code.is_dir(), "ours is held"


async def test_a_machine_that_refuses_is_reported_in_words(launchers, state):
    (state / "file").touch()
    with pytest.raises(SophiaError, match=r"routes/local.*once failed") as refused:
        await launchers.once("routes/local", [Write(state / "file" / "below", "x")], epoch=1)
    assert refused.value.hint
