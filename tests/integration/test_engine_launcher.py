"""What is kept without gathering: when it is killed or ended, what it started goes on. So it is with the engine."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sophia_deployment import starting
from sophia_deployment.client import Engine
from sophia_deployment.output.console import Console
from sophia_infrastructure.launchers import Launchers, Program
from sophia_infrastructure.places import Places

STARTER = """
import pathlib, subprocess, sys, time
child = subprocess.Popen(["sleep", "60"], start_new_session=True)
with open(sys.argv[1], "a") as file:
    print(child.pid, file=file)
time.sleep(60)
"""


def until(holds: Callable[[], object], seconds: float = 10) -> None:
    give_up = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < give_up, "it never came true"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("gathers", [False, True])
def test_what_it_started_lives_on_unless_it_gathers(tmp_path: Path, gathers: bool) -> None:
    launchers, started = Launchers(Places.of(tmp_path)), tmp_path / "started"
    argv = (sys.executable, "-c", STARTER, str(started))
    program = Program(argv, tmp_path, dict(os.environ), tmp_path / "log", gathers=gathers)

    def children() -> list[int]:
        return [int(pid) for pid in started.read_text().split()] if started.exists() else []

    try:
        asyncio.run(launchers.keep("engine", program, epoch=1))
        until(lambda: len(children()) == 1)
        os.kill(launchers.look("engine").pid or 0, signal.SIGKILL)
        until(lambda: len(children()) == 2)  # the program is back

        assert [alive(pid) for pid in children()] == ([False, True] if gathers else [True, True])

        asyncio.run(launchers.end("engine", epoch=1))
        assert [alive(pid) for pid in children()] == ([False, False] if gathers else [True, True])
    finally:
        asyncio.run(launchers.end("engine", epoch=1))
        for pid in filter(alive, children()):
            os.kill(pid, signal.SIGKILL)


def test_an_engine_that_started_removes_what_earlier_builds_ran_theirs_from(tmp_path: Path) -> None:
    places = Places.of(tmp_path / ".sophia")
    copies = [places.state / "engine" / "code" / name for name in ("before", "older", "oldest")]
    for age, copy in enumerate(copies):
        copy.mkdir(parents=True)
        os.utime(copy, (1_000_000 - age, 1_000_000 - age))
    engine = Engine(places.engine_socket)
    try:
        found = starting.start(places, engine, Console(quiet=True))
        (running,) = [path for path in copies[0].parent.iterdir() if path not in copies]
        assert sorted(path.name for path in copies[0].parent.iterdir()) == sorted(["before", running.name])
        starting.stop(places, engine, found)
    finally:
        asyncio.run(starting.launchers(places).end(starting.RESOURCE, epoch=starting.EPOCH))
