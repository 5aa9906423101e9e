"""Envoy, its launcher and who asked for them are killed from outside, and the disk fills, under a strict client."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sophia_deployment_core.errors import SophiaError
from sophia_infrastructure.envoy import admin, config

from tests.support.envoy import Site
from tests.support.graph import acted
from tests.support.load import LoadProcess, Mix, Result, join
from tests.support.load.result import percentile

ROOT = Path(__file__).parents[2]
KILLS = 3


def generation_at(port: int) -> int | None:
    """What the edge says it serves; None while it does not answer."""
    try:
        return config.read_probe(asyncio.run(admin.get(port, config.PROBE_PATH)).body)
    except admin.Unreachable:
        return None


def wait_until(condition: Callable[[], bool], *, seconds: float = 10) -> float:
    """Milliseconds until it is true."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, f"not within {seconds:g} s"
        time.sleep(0.002)
    return (time.monotonic() - began) * 1000


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


@contextmanager
def load_on(site: Site, *, rate: float = 150) -> Iterator[LoadProcess]:
    """Requests only: streams die with Envoy, which the measured gap says already."""
    with LoadProcess(site.url, Mix(rate=rate, events=0, websocket=0), http2_url=site.url) as load:
        yield load


def doubled(site: Site, result: Result) -> int:
    return len(join(result, acted(site.data)).doubled)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with Site(tmp_path) as site:
        site.release("1")
        yield site


@pytest.mark.slow
def test_a_killed_envoy_is_back_from_its_files_by_itself(site: Site) -> None:
    """One that lived for 10 s is restarted at once, which is measured; a younger one after a growing pause."""
    gaps = []
    with load_on(site) as load:
        for _ in range(KILLS):
            time.sleep(10.5)
            pid = site.pid()
            kill(pid)
            gaps.append(wait_until(lambda: generation_at(site.edge_port) == 1))
            assert site.pid() != pid
    result = load.result
    print(result.line())
    print(f"gap after SIGKILL: p50 {percentile(sorted(gaps), 0.5):.0f} ms, max {max(gaps):.0f} ms")
    assert doubled(site, result) == 0
    assert result.lost < sum(gaps) / 1000 * 150 * 3 + KILLS * 20, "more was lost than was asked in the gaps"
    assert max(gaps) < 3000


def test_counters_of_another_start_can_be_told_apart(site: Site) -> None:
    before = site.read().started_ms
    kill(site.pid())
    wait_until(lambda: generation_at(site.edge_port) == 1)
    assert site.read().started_ms > before > 0


@pytest.mark.slow
def test_envoy_killed_in_the_middle_of_a_switch_serves_the_new_table_in_the_end(
    site: Site, pytestconfig: pytest.Config
) -> None:
    seed = pytestconfig.option.seed
    print(f"--seed {seed}")
    chance = random.Random(seed)
    site.start("2")
    for _ in range(4):
        time.sleep(0.5)
        wanted = "2" if site.live == "1" else "1"
        killer = subprocess.Popen(["/bin/sh", "-c", f"sleep {chance.uniform(0, 0.06):.3f}; kill -9 {site.pid()}"])
        site.switch(wanted)
        killer.wait(5)
        wait_until(lambda: generation_at(site.edge_port) == site.generation - 1)
        for _ in range(5):
            body = asyncio.run(admin.get(site.edge_port, "/")).body
            assert f'"version": "{wanted}"'.encode() in body


@pytest.mark.slow
def test_traffic_goes_on_when_who_asked_for_it_is_killed(tmp_path: Path) -> None:
    """The whole session of a stand-in for the engine is killed; Envoy answers, and is back when it is killed too."""
    site = Site(tmp_path)
    script = (
        "import asyncio, sys, time\n"
        "from tests.support.envoy import Site\n"
        "from pathlib import Path\n"
        "site = Site(Path(sys.argv[1])); site.edge_port, site.private_port = int(sys.argv[2]), int(sys.argv[3])\n"
        "site.open(); print('open', flush=True); time.sleep(60)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path), str(site.edge_port), str(site.private_port)]
    engine = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, start_new_session=True)
    try:
        assert engine.stdout is not None
        assert engine.stdout.readline() == b"open\n"
        site.release("1")
        with load_on(site) as load:
            time.sleep(0.5)
            os.killpg(engine.pid, signal.SIGKILL)
            engine.wait(5)
            time.sleep(1)
        assert (load.result.lost, doubled(site, load.result)) == (0, 0), load.result
        kill(site.pid())
        wait_until(lambda: generation_at(site.edge_port) == 1)
    finally:
        engine.kill()
        engine.wait()
        site.close()


@pytest.mark.slow
def test_an_envoy_without_a_launcher_serves_on_and_has_a_successor_when_it_dies(site: Site) -> None:
    kept = site.launchers.look("envoy/local")
    assert kept.launcher_pid is not None
    with load_on(site) as load:
        kill(kept.launcher_pid)
        wait_until(lambda: site.launchers.look("envoy/local").state == "orphaned")
        site.open()
        site.release("2")
        time.sleep(0.5)
    assert (load.result.lost, doubled(site, load.result)) == (0, 0), load.result
    assert site.pid() == kept.pid
    kill(site.pid())
    wait_until(lambda: site.launchers.look("envoy/local").state == "gone")
    site.open()
    assert generation_at(site.edge_port) == site.generation - 1
    assert site.launchers.look("envoy/local").state == "running"


def test_everything_killed_at_once_is_opened_again_over_what_is_left(site: Site) -> None:
    """As after a reboot: the admin socket is stale, locks are free, records speak of the dead."""
    kept = site.launchers.look("envoy/local")
    assert kept.launcher_pid is not None
    kill(kept.launcher_pid)
    kill(site.pid())
    wait_until(lambda: site.launchers.look("envoy/local").state == "gone")
    assert site.places.admin_socket("local").is_socket()
    site.open()
    assert asyncio.run(admin.get(site.edge_port, "/")).status == 200
    assert site.read().releases["release-1"].requests == 1


def test_the_table_of_a_dead_envoy_can_be_switched_and_is_served_once_it_is_back(site: Site) -> None:
    site.start("2")
    kept = site.launchers.look("envoy/local")
    assert kept.launcher_pid is not None
    kill(kept.launcher_pid)
    kill(site.pid())
    wait_until(lambda: generation_at(site.edge_port) is None)

    async def switch_and_open() -> None:
        table = site.routes("2", 2)
        switching = asyncio.create_task(site.traffic.switch(table, back=None, epoch=1))
        await asyncio.sleep(0.5)
        await site.traffic.open("local", edge_port=site.edge_port, private_port=site.private_port, epoch=1)
        await switching

    site.run(switch_and_open())
    site.generation, site.live = 2, "2"
    assert generation_at(site.edge_port) == 2
    assert b'"version": "2"' in asyncio.run(admin.get(site.edge_port, "/")).body


def test_a_port_that_was_taken_while_envoy_was_dead_is_said_and_nobody_is_left_behind(site: Site) -> None:
    site.run(site.traffic.close("local", epoch=1))
    with socket.create_server(("127.0.0.1", site.edge_port)), pytest.raises(SophiaError) as error:
        site.open()
    assert error.value.code.name == "SPH-2201"
    assert site.launchers.look("envoy/local").state == "gone"
    site.open()
    assert generation_at(site.edge_port) == 1


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A site whose state has 4 MB; its services' data lies elsewhere."""
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
def test_on_a_full_disk_the_way_back_is_open_and_the_way_forward_changes_nothing(
    small_disk: Path, tmp_path: Path
) -> None:
    with Site(tmp_path) as site:
        site.release("1")
        site.start("2")
        site.switch("2")
        with (small_disk / "filler").open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(b"x" * 512)
        with pytest.raises(SophiaError) as error:
            site.run(site.traffic.show_candidate(site.routes("1", 9), epoch=1))
        assert error.value.code.name == "SPH-2002"
        with pytest.raises(SophiaError) as error:
            site.run(site.traffic.switch(site.routes("1", 9), back=site.routes("2", 10), epoch=1))
        assert error.value.code.name == "SPH-2002"
        assert generation_at(site.edge_port) == 2
        site.run(site.traffic.switch(site.routes("1", 3), back=None, epoch=1))
        assert generation_at(site.edge_port) == 3
        assert b'"version": "1"' in asyncio.run(admin.get(site.edge_port, "/")).body
