"""The engine's process, from outside: started where none answers, replaced where another build runs, and ended."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from sophia_deployment_core.errors import SophiaError
from sophia_infrastructure.places import Places
from sophia_infrastructure.state import directory

from sophia_deployment.client import Engine
from sophia_deployment.codes import ENGINE_DIED
from sophia_deployment.output.console import Console
from sophia_deployment.output.text import plain
from sophia_deployment.versions import build_hash

START_SECONDS = 30.0
STOP_SECONDS = 30.0
POLL_SECONDS = 0.05
LOG_LINES = 15


def command(state: Path) -> list[str]:
    """The engine's command line. `-P`: nothing is imported from wherever it happens to start."""
    return [sys.executable, "-P", "-m", "sophia_deployment.engine", "--state", str(state)]


def ensure(places: Places, engine: Engine, console: Console) -> dict[str, Any]:
    """An engine of this build answers: the one that does already, or a new one. Its `EngineOut`."""
    found = engine.answers()
    if found is not None and found["build"] == build_hash():
        return found
    if found is not None:
        console.say(f"the engine is of another build ({plain(found['version'])}): replacing it")
        stop(engine, found)
    return start(places, engine, console)


def start(places: Places, engine: Engine, console: Console) -> dict[str, Any]:
    """Start an engine and wait until it answers. Raises `SophiaError` with its last words if it does not."""
    directory.prepare(places.state)
    places.engine_log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    console.say("starting the engine")
    with places.engine_log.open("ab") as log:
        said_before = log.tell()
        process = subprocess.Popen(
            command(places.state),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=places.state,
            start_new_session=True,
        )
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        ended = process.poll()
        found = engine.answers()
        if found is not None:
            return found
        if ended is not None:
            raise _died(f"the engine ended with exit status {ended} before it answered", places, said_before)
        time.sleep(POLL_SECONDS)
    raise _died(f"the engine did not answer within {START_SECONDS:.0f} s", places, said_before)


def stop(engine: Engine, found: dict[str, Any]) -> None:
    """End an engine and wait until its process is gone; what serves goes on. Raises `SophiaError` if it stays."""
    engine.stop()
    deadline = time.monotonic() + STOP_SECONDS
    while is_alive(int(found["pid"])):
        if time.monotonic() > deadline:
            raise SophiaError(
                ENGINE_DIED,
                f"the engine (pid {found['pid']}) did not end within {STOP_SECONDS:.0f} s",
                hint=f"`kill {found['pid']}`, then `sophia up`; what serves goes on serving",
            )
        time.sleep(POLL_SECONDS)


def is_alive(pid: int) -> bool:
    """Whether the process is there and no zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return _signalled(pid)
    return stat.rpartition(b")")[2].split()[:1] != [b"Z"]


def _signalled(pid: int) -> bool:
    if Path("/proc/self/stat").exists():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _died(message: str, places: Places, said_before: int) -> SophiaError:
    with places.engine_log.open("rb") as log:
        log.seek(said_before)
        words = log.read()[-64_000:].decode("utf-8", "replace").splitlines()[-LOG_LINES:]
    said = "\n".join(f"  | {plain(line, longest=300)}" for line in words)
    return SophiaError(
        ENGINE_DIED,
        f"{message}\n{said}" if said else message,
        hint=f"`{places.engine_log}` has the rest; `sophia doctor` looks for what is in its way",
    )
