"""Launchers for tests: a state directory of their own, small programs, and nothing left running afterwards."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from sophia_infrastructure.launchers import Launchers, Program
from sophia_infrastructure.places import Places

LAST_EPOCH = 10**9
PYTHON = (sys.executable, "-I", "-S", "-c")


@asynccontextmanager
async def launchers_in(state: Path) -> AsyncIterator[Launchers]:
    """Launchers of this state directory. At the end everything they keep is ended, and what escaped is a failure."""
    places = Places.of(state)
    places.state.mkdir(exist_ok=True)
    launchers = Launchers(places)
    try:
        yield launchers
    finally:
        for kept in launchers.list(""):
            await launchers.end(kept.resource, epoch=LAST_EPOCH)
        left = processes_of(state)
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        assert not left, f"left behind: {left}"


def program(state: Path, *argv: str, **changes: Any) -> Program:
    """`argv` with a log in the state directory, and one second to stop."""
    given = {
        "cwd": state,
        "env": {"PATH": os.environ["PATH"]},
        "log": state / "logs" / "program.log",
        "grace_ms": 1_000,
    }
    return Program(argv=argv, **{**given, **changes})


def python(state: Path, code: str, **changes: Any) -> Program:
    return program(state, *PYTHON, code, **changes)


def processes_of(state: Path) -> list[int]:
    """Everything alive that runs for this state directory: launchers, helpers, programs and what they started."""
    needle = os.fsencode(os.path.realpath(state))
    found = []
    for pid in (int(name) for name in os.listdir("/proc") if name.isdigit()):
        words = proc(pid, "cmdline").split(b"\0")[:8]
        marks = [each for each in proc(pid, "environ").split(b"\0") if each.startswith(b"SOPHIA_KEPT=")]
        if any(needle in each for each in [*words, *marks]) and pid != os.getpid() and is_alive(pid):
            found.append(pid)
    return found


def proc(pid: int | None, name: str) -> bytes:
    """A file of /proc/PID; empty if it cannot be read."""
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""


def is_alive(pid: int | None) -> bool:
    """Whether the process runs; one that ended and was not collected does not."""
    fields = proc(pid, "stat").rpartition(b")")[2].split()
    return bool(fields) and fields[0] not in (b"Z", b"X")


def lines(path: Path) -> list[str]:
    """What a program has written so far."""
    return path.read_text().splitlines() if path.exists() else []


async def eventually(condition: Callable[[], Any], *, seconds: float = 10) -> Any:
    """What the condition says once it is truthy; a failure if it never is."""
    give_up = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < give_up, "waited in vain"
        await asyncio.sleep(0.01)
    return answer
