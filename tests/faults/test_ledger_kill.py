"""The ledger under SIGKILL, SIGSTOP, races and full disks, with real processes and a real file system."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sophia_deployment_core.errors import SophiaError
from sophia_deployment_core.ledger import Draft, Head, verify
from sophia_infrastructure.clock import SystemClock
from sophia_infrastructure.state import audit
from sophia_infrastructure.state.ledger import SqlLedger

sys.path.insert(0, str(Path(__file__).parent))  # for the fork server, which imports by name

import ledger_processes

KILLS = int(os.environ.get("SOPHIA_LEDGER_KILLS", "25"))
SEED = int(os.environ.get("SOPHIA_SEED", str(random.SystemRandom().randrange(2**32))))
context = multiprocessing.get_context("forkserver")
context.set_forkserver_preload(["ledger_processes"])


@pytest.fixture
def start():
    """Starts a function of `ledger_processes` in a process that is killed at the end of the test."""
    processes = []

    def start(function, *arguments):
        process = context.Process(target=function, args=arguments, daemon=True)
        process.start()
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.join(10)


def until(condition, seconds=20.0):
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up, "waited in vain"
        time.sleep(0.002)


def opened(directory) -> SqlLedger:
    return SqlLedger(directory, clock=SystemClock())


def test_what_was_acknowledged_survives_kills_at_random_instants(tmp_path, start):
    print(f"seed {SEED}, {KILLS} kills")
    chance = random.Random(SEED)
    acknowledged = tmp_path / "acknowledged"
    acknowledged.touch()
    before = Head(0, "")
    for turn in range(1, KILLS + 1):
        size = acknowledged.stat().st_size
        writer = start(ledger_processes.write_for_ever, tmp_path / "state", acknowledged, turn)
        if chance.random() < 0.8:  # otherwise while it opens, claims and begins
            until(lambda size=size: acknowledged.stat().st_size > size)
        time.sleep(chance.random() * 0.1)
        writer.kill()
        writer.join(10)
        ledger = opened(tmp_path / "state")
        events = ledger.read()
        keys = [event.key for event in events]
        assert verify(events, head=before if before.seq else None) == ledger.head()
        assert set(acknowledged.read_text().splitlines()) <= set(keys)
        assert len(keys) == len(set(keys))
        if keys:
            assert ledger.append([Draft("note", key=chance.choice(keys))], epoch=0) == []
        before = ledger.head()
        ledger.close()
    assert before.seq > KILLS


@pytest.mark.parametrize("owned_before", [False, True])
def test_of_racing_engines_one_wins(tmp_path, start, owned_before):
    ledger = opened(tmp_path / "state")
    if owned_before:
        ledger.claim(holder="dead", lease_ms=60_000)
    ledger.close()
    for turn in range(3):
        results = tmp_path / f"results {turn}"
        results.mkdir()
        at = time.monotonic() + 0.3
        racers = [start(ledger_processes.race, tmp_path / "state", results, at) for _ in range(4)]
        until(lambda results=results: len(list(results.glob("*.said"))) == 4)
        said = sorted(path.read_text() for path in results.glob("*.said"))
        assert said == [str(turn + 1 + owned_before), "SPH-2001", "SPH-2001", "SPH-2001"]
        for racer in racers:
            racer.kill()
            racer.join(10)


@pytest.mark.parametrize("stop_inside", [False, True], ids=["between transactions", "inside a transaction"])
def test_a_stopped_engine_is_killed_and_replaced_once_its_lease_is_over(tmp_path, start, stop_inside):
    lease_ms = 700
    holder = start(ledger_processes.hold, tmp_path / "state", tmp_path / "ready", lease_ms, stop_inside)
    until((tmp_path / "ready").exists)
    ledger = opened(tmp_path / "state")
    if not stop_inside:
        time.sleep(lease_ms / 500)  # it renews: twice the lease later it still owns
    with pytest.raises(SophiaError, match=f"pid {holder.pid}"):
        ledger.claim(holder="second", lease_ms=lease_ms)
    os.kill(holder.pid, signal.SIGSTOP)
    time.sleep(lease_ms / 1000 + 0.05)
    began = time.monotonic()
    assert ledger.claim(holder="second", lease_ms=lease_ms) == 2
    assert time.monotonic() - began < 2
    holder.join(10)
    assert holder.exitcode == -signal.SIGKILL
    assert len(ledger.append([Draft("note")], epoch=2)) == 1
    assert [event.kind for event in ledger.read()] == ["note"]
    ledger.close()


# --- full and read-only file systems --------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 32 MB."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", disk], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"cannot mount a small file system: {mounted.stderr.decode().strip()}")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


def fill(disk: Path) -> Path:
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                continue
    return filler


ROLLBACK = [Draft("step done", {"step": "switch", "result": {"text": "x" * 800}}, run="r") for _ in range(2)]


def test_with_reserved_room_a_rollback_can_be_written_on_a_full_disk(small_disk):
    ledger = opened(small_disk / "state")
    epoch = ledger.claim(holder="engine", lease_ms=60_000)
    ledger.append(ROLLBACK, epoch=epoch)
    ledger.reserve(1 << 20)
    fill(small_disk)
    for _ in range(300):  # 600 entries, 0.8 MB, more than two checkpoints
        assert len(ledger.append(ROLLBACK, epoch=epoch)) == 2
    assert verify(ledger.read()) == ledger.head()
    ledger.close()


def test_reserved_room_is_there_for_the_engine_after_a_killed_one(small_disk, start, tmp_path):
    ledger = opened(small_disk / "state")
    ledger.reserve(1 << 20)
    holder = start(ledger_processes.hold, small_disk / "state", tmp_path / "ready", 60_000, False)
    until((tmp_path / "ready").exists)
    fill(small_disk)
    holder.kill()
    holder.join(10)
    epoch = ledger.claim(holder="next", lease_ms=60_000)
    for _ in range(200):
        assert len(ledger.append(ROLLBACK, epoch=epoch)) == 2
    ledger.close()


def test_without_room_the_error_says_so_nothing_is_written_and_it_goes_on_when_there_is_space(small_disk):
    ledger = opened(small_disk / "state")
    ledger.append(ROLLBACK, epoch=0)
    filler = fill(small_disk)
    with pytest.raises(SophiaError) as caught:
        for _ in range(2000):
            ledger.append(ROLLBACK, epoch=0)
    assert caught.value.code.name == "SPH-2002" and caught.value.facts["written"] is False
    with pytest.raises(SophiaError, match="SPH-2002"):
        ledger.reserve(1 << 20)
    count = len(ledger.read())
    with pytest.raises(SophiaError, match="SPH-2002"):
        opened(small_disk / "another")
    filler.unlink()
    assert len(ledger.append(ROLLBACK, epoch=0)) == 2
    assert len(ledger.read()) == count + 2
    assert verify(ledger.read()) == ledger.head()
    ledger.close()


def test_a_read_only_file_system_is_a_clear_error_and_can_still_be_verified(small_disk):
    ledger = opened(small_disk / "state")
    ledger.append(ROLLBACK, epoch=0)
    head = ledger.head()
    ledger.close()
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with pytest.raises(SophiaError, match="SPH-2004"):
        opened(small_disk / "state")
    with pytest.raises(SophiaError, match="SPH-2004"):
        opened(small_disk / "another")
    assert audit.verify(small_disk / "state") == head
