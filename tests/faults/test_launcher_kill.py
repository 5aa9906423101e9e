"""Launchers, programs and helpers under SIGKILL and SIGSTOP, and on a full disk."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest
from sophia_infrastructure.launcher.processes import started
from sophia_infrastructure.launcher.resource import Resource
from sophia_infrastructure.launchers import Write

from tests.support.launching import (
    PYTHON,
    eventually,
    is_alive,
    launchers_in,
    lines,
    processes_of,
    program,
    python,
)

NAME = "instance/local/api-3f2a-0"


@pytest.fixture
def state(tmp_path):
    return tmp_path / "state"


@pytest.fixture
async def launchers(state):
    async with launchers_in(state) as launchers:
        yield launchers


@pytest.fixture
def chance(request):
    print(f"--seed {request.config.option.seed}")
    return random.Random(request.config.option.seed)


async def orphan(launchers, asked):
    """A program whose launcher was killed."""
    kept = await launchers.keep(NAME, asked, epoch=1)
    os.kill(kept.launcher_pid, signal.SIGKILL)
    await eventually(lambda: launchers.look(NAME).state == "orphaned")
    return kept


async def test_a_killed_program_is_started_again_by_its_launcher(launchers, state):
    first = await launchers.keep(NAME, program(state, "sleep", "60"), epoch=1)
    os.kill(first.pid, signal.SIGKILL)
    second = await eventually(lambda: (now := launchers.look(NAME)).restarts == 1 and now)
    assert second.exit == -signal.SIGKILL and second.launcher_pid == first.launcher_pid
    assert is_alive(second.pid) and second.pid != first.pid


async def test_a_program_outlives_its_killed_launcher_and_is_no_reason_for_a_twin(launchers, state):
    kept = await orphan(launchers, program(state, "sleep", "60"))
    again = await launchers.keep(NAME, program(state, "sleep", "60"), epoch=2)
    assert (again.state, again.pid, again.launcher_pid) == ("orphaned", kept.pid, None)
    assert is_alive(kept.pid)
    assert [each.state for each in launchers.list("")] == ["orphaned"]


async def test_an_orphan_is_ended_in_order(launchers, state):
    code = (
        "import signal, time\n"
        "def leave(*_): print('left in order', flush=True); raise SystemExit\n"
        "signal.signal(15, leave); print('up', flush=True); time.sleep(60)\n"
    )
    asked = python(state, code, grace_ms=5_000)
    kept = await launchers.keep(NAME, asked, epoch=1)
    await eventually(lambda: lines(asked.log))
    os.kill(kept.launcher_pid, signal.SIGKILL)
    assert await launchers.end(NAME, epoch=1) is None, "nobody was there to see how it ended"
    assert lines(asked.log) == ["up", "left in order"]
    assert not is_alive(kept.pid) and launchers.list("") == []


async def test_an_orphan_that_ignores_the_signal_is_killed_with_its_children(launchers, state):
    code = (
        "import os, signal, time\n"
        "signal.signal(15, signal.SIG_IGN)\n"
        "if not os.fork(): os.setsid()\n"
        "open('pids', 'a').write(f'{os.getpid()}\\n'); time.sleep(60)\n"
    )
    await launchers.keep(NAME, python(state, code, grace_ms=200), epoch=1)
    pids = await eventually(lambda: (said := lines(state / "pids"))[1:] and said)
    os.kill(launchers.look(NAME).launcher_pid, signal.SIGKILL)
    await launchers.end(NAME, epoch=1)
    assert not [pid for pid in pids if is_alive(int(pid))]


@pytest.mark.parametrize("trace", ["lock", "mark", "session"])
async def test_an_orphans_child_that_left_one_trace_is_found(launchers, state, trace):
    """It inherits a lock, a mark in the environment and a session; one is enough, also when its parent has ended."""
    child = "import os, signal, time; signal.signal(15, signal.SIG_IGN); print(os.getpid(), flush=True); time.sleep(60)"
    code = (
        "import os, signal, sys, time\n"
        "if not os.fork():\n"
        f"    {'' if trace == 'session' else 'os.setsid()'}\n"
        f"    {'' if trace == 'lock' else 'os.closerange(3, 1000)'}\n"
        f"    env = {'os.environ' if trace == 'mark' else '{}'}\n"
        f"    os.execve(sys.executable, {[sys.executable, '-I', '-S', '-c', child]!r}, env)\n"
        "time.sleep(60)\n"
    )
    asked = python(state, code, grace_ms=300)
    kept = await launchers.keep(NAME, asked, epoch=1)
    (pid,) = await eventually(lambda: lines(asked.log))
    os.kill(kept.launcher_pid, signal.SIGKILL)
    await launchers.end(NAME, epoch=1)
    assert not is_alive(int(pid)) and not is_alive(kept.pid)


async def test_an_orphan_that_closed_its_lock_is_still_seen_and_ended(launchers, state):
    code = "import os, time; os.closerange(3, 1000); print('closed', flush=True); time.sleep(60)"
    asked = python(state, code)
    kept = await launchers.keep(NAME, asked, epoch=1)
    await eventually(lambda: lines(asked.log))
    os.kill(kept.launcher_pid, signal.SIGKILL)
    await eventually(lambda: launchers.look(NAME).state == "orphaned")
    assert (await launchers.keep(NAME, asked, epoch=1)).pid == kept.pid
    await launchers.end(NAME, epoch=1)
    assert not is_alive(kept.pid)


@pytest.mark.parametrize("way", ["ended", "kept anew"])
async def test_a_daemon_that_outlived_program_and_launcher_is_found_by_its_mark(launchers, state, way):
    code = (
        "import os, time\n"
        "if not os.fork():\n"
        "    os.setsid(); os.closerange(3, 1000); open('daemon', 'w').write(f'{os.getpid()}\\n')\n"
        "time.sleep(60)\n"
    )
    kept = await launchers.keep(NAME, python(state, code), epoch=1)
    (daemon,) = await eventually(lambda: lines(state / "daemon"))
    os.kill(kept.launcher_pid, signal.SIGKILL)
    os.kill(kept.pid, signal.SIGKILL)
    await eventually(lambda: launchers.look(NAME).state == "gone")
    assert is_alive(int(daemon))
    if way == "ended":
        await launchers.end(NAME, epoch=1)
    else:
        assert (await launchers.keep(NAME, program(state, "sleep", "60"), epoch=1)).state == "running"
    assert not is_alive(int(daemon))


async def test_when_both_are_killed_it_is_gone_and_can_be_started_anew(launchers, state):
    """So it is after a reboot: records are left, locks are not."""
    kept = await launchers.keep(NAME, program(state, "sleep", "60"), epoch=1)
    os.kill(kept.launcher_pid, signal.SIGKILL)
    os.kill(kept.pid, signal.SIGKILL)
    gone = await eventually(lambda: (now := launchers.look(NAME)).state == "gone" and now)
    assert (gone.pid, gone.launcher_pid) == (None, None)
    assert [each.state for each in launchers.list("instance/")] == ["gone"]
    assert (await launchers.keep(NAME, program(state, "sleep", "60"), epoch=1)).state == "running"


@pytest.mark.parametrize("difference", ["start", "boot"])
async def test_a_process_that_got_the_pid_later_is_never_signalled(launchers, state, difference):
    """Its start or the machine's is another than what was recorded."""
    stranger = await asyncio.create_subprocess_exec("sleep", "60")
    try:
        kept = await launchers.keep(NAME, program(state, "sleep", "60"), epoch=1)
        resource = Resource(str(state.resolve() / "run"), NAME)
        record = resource.record()
        os.kill(kept.launcher_pid, signal.SIGKILL)
        os.kill(kept.pid, signal.SIGKILL)
        await eventually(lambda: launchers.look(NAME).state == "gone")
        same = {"pid": stranger.pid, "start": started(stranger.pid)}
        same |= {"launcher_pid": stranger.pid, "launcher_start": started(stranger.pid)}
        other = {"start": 1, "launcher_start": 1} if difference == "start" else {"boot": "another"}
        resource.write({**record, **same, **other})
        assert launchers.look(NAME).state == "gone"
        await launchers.end(NAME, epoch=1)
        assert is_alive(stranger.pid)
    finally:
        stranger.kill()
        await stranger.wait()


@pytest.mark.slow
async def test_a_launcher_that_was_stopped_is_killed_and_its_program_ended(launchers, state):
    kept = await launchers.keep(NAME, program(state, "sleep", "60", grace_ms=100), epoch=1)
    os.kill(kept.launcher_pid, signal.SIGSTOP)
    await launchers.end(NAME, epoch=1)
    assert not is_alive(kept.launcher_pid) and not is_alive(kept.pid)


async def call_and_kill(launchers, operation, document, *, seconds):
    """One call of the launcher's program, killed after so long."""
    command = [sys.executable, "-I", "-S", str(launchers.code / "launcher.py"), operation]
    helper = await asyncio.create_subprocess_exec(
        *command,
        str(launchers._run),
        NAME,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env={},
    )
    helper.stdin.write(json.dumps(document).encode() + b"\n")
    await asyncio.sleep(seconds)
    if helper.returncode is None:
        helper.kill()
    await helper.wait()


async def test_helpers_killed_at_random_instants_leave_one_program_or_none(launchers, state, chance):
    asked = python(state, "import os, time; open('pids', 'a').write(f'{os.getpid()}\\n'); time.sleep(60)")
    for turn in range(12):
        document = {"epoch": 1, "program": asked.to_data()}
        await call_and_kill(launchers, "keep", document, seconds=chance.uniform(0.0, 0.05))
        kept = await launchers.keep(NAME, asked, epoch=1)
        assert kept.state == "running", turn
        await eventually(lambda pid=kept.pid: str(pid) in lines(state / "pids"))
        assert [int(pid) for pid in lines(state / "pids") if is_alive(int(pid))] == [kept.pid], turn
        await call_and_kill(launchers, "end", {"epoch": 1}, seconds=chance.uniform(0.0, 0.05))
        await launchers.end(NAME, epoch=1)
        assert processes_of(state) == [], turn
        assert [path.name for path in (state / "run").iterdir()] == ["epoch"]


async def test_a_file_is_old_or_new_when_its_writer_was_killed(launchers, state, chance):
    path = state / "table"
    texts = {"old" * 100_000, "new" * 100_000}
    for turn in range(12):
        text = sorted(texts)[turn % 2]
        effects = [{"do": "write", "path": str(path), "text": text, "mode": 0o600}]
        await call_and_kill(launchers, "once", {"epoch": 1, "effects": effects}, seconds=chance.uniform(0.0, 0.04))
        assert not path.exists() or path.read_text() in texts
    await launchers.once(NAME, [Write(path, "done")], epoch=1)
    assert path.read_text() == "done"
    assert sorted(each.name for each in state.iterdir()) == ["code", "run", "table"]


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 4 MB; only root can mount one."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    disk = tmp_path / "state"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", disk], capture_output=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"cannot mount a small file system: {mounted.stderr.decode().strip()}")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


@pytest.mark.needs_root
async def test_on_a_full_disk_programs_go_on_are_restarted_and_can_be_ended(small_disk, tmp_path):
    """A program that fills the disk with its log gets it taken away, and never its place."""
    loud = "import os\nwhile True: os.write(1, b'x' * 4096)"
    quiet = "import time; time.sleep(60)"
    async with launchers_in(small_disk) as launchers:
        kept = await launchers.keep(NAME, python(tmp_path, quiet, log=small_disk / "quiet.log"), epoch=1)
        noisy = python(tmp_path, loud, log=small_disk / "loud.log", log_bytes=64 << 20)
        await launchers.keep("instance/local/loud-0", noisy, epoch=1)
        fill(small_disk / "filler")
        os.kill(kept.pid, signal.SIGKILL)
        seen = await eventually(lambda: [each for each in sleepers(quiet) if each != kept.pid])
        assert len(seen) == 1
        assert await launchers.end(NAME, epoch=1) in (-signal.SIGTERM, -signal.SIGKILL, None)
        assert not is_alive(seen[0])
        await launchers.end("instance/local/loud-0", epoch=1)


def fill(path):
    with path.open("wb", buffering=0) as file:
        give_up = time.monotonic() + 5
        while time.monotonic() < give_up:
            try:
                file.write(b"x" * 4096)
            except OSError:
                return


def sleepers(code):
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit() and is_alive(int(name)):
            try:
                with open(f"/proc/{name}/cmdline", "rb") as file:
                    if file.read().split(b"\0")[:-1] == [os.fsencode(word) for word in (*PYTHON, code)]:
                        found.append(int(name))
            except OSError:
                continue
    return found
