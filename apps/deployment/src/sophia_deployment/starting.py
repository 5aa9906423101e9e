"""The engine's process, from outside: started where none answers, replaced where another build runs, and ended.

It runs under a launcher of its own, which starts it again when it dies: a run goes on by itself after a SIGKILL of the
engine. The launcher's locks lie in `.sophia/engine`, apart from those that the engine itself uses.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sophia_deployment_core.errors import CATALOG, SophiaError
from sophia_infrastructure.launchers import Launchers, Program
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
RESOURCE = "engine"
EPOCH = 1
"""Whoever may write the state directory may start and end its engine; the ledger decides which one owns it."""


def command(state: Path) -> list[str]:
    """The engine's command line. `-P`: nothing is imported from wherever it happens to start."""
    return [sys.executable, "-P", "-m", "sophia_deployment.engine", "--state", str(state)]


def launchers(places: Places) -> Launchers:
    return Launchers(Places(places.state / "engine"))


def is_kept(places: Places) -> bool:
    """Whether a launcher keeps the engine: one that died is started again by itself."""
    return launchers(places).look(RESOURCE).state in ("starting", "running", "waiting")


def ensure(places: Places, engine: Engine, console: Console) -> dict[str, Any]:
    """An engine of this build answers: the one that does already, or a new one. Its `EngineOut`."""
    found = engine.answers()
    if found is not None and found["build"] == build_hash():
        return found
    if found is not None:
        console.say(f"the engine is of another build ({plain(found['version'])}): replacing it")
        stop(places, engine, found)
    return start(places, engine, console)


def start(places: Places, engine: Engine, console: Console) -> dict[str, Any]:
    """Start an engine and wait until it answers. Raises `SophiaError` with its last words if it does not.

    Then what earlier builds ran their engines from is removed.
    """
    directory.prepare(places.state)
    places.engine_log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    console.say("starting the engine")
    said_before = places.engine_log.stat().st_size if places.engine_log.exists() else 0
    program = Program(tuple(command(places.state)), places.state, dict(os.environ), places.engine_log, gathers=False)
    keeper = launchers(places)
    asyncio.run(keeper.end(RESOURCE, epoch=EPOCH))  # one that is kept and does not answer is started anew
    asyncio.run(keeper.keep(RESOURCE, program, epoch=EPOCH))
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        found = engine.answers()
        if found is not None:
            keeper.prune_code()
            return found
        kept = keeper.look(RESOURCE)
        if kept.restarts or kept.state in ("waiting", "gone"):
            asyncio.run(keeper.end(RESOURCE, epoch=EPOCH))
            raise _died(f"the engine ended with exit status {kept.exit} before it answered", places, said_before)
        time.sleep(POLL_SECONDS)
    asyncio.run(keeper.end(RESOURCE, epoch=EPOCH))
    raise _died(f"the engine did not answer within {START_SECONDS:.0f} s", places, said_before)


def stop(places: Places, engine: Engine, found: dict[str, Any]) -> None:
    """End an engine and wait until its process is gone; what serves goes on. Raises `SophiaError` if it stays."""
    asyncio.run(launchers(places).end(RESOURCE, epoch=EPOCH))
    if not is_alive(int(found["pid"])):
        return
    engine.stop()  # it was started by somebody else: in a terminal, by systemd
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
        log.seek(said_before if said_before <= os.fstat(log.fileno()).st_size else 0)
        words = said_once(log.read()[-64_000:].decode("utf-8", "replace").splitlines())[-LOG_LINES:]
    if (refused := _refusal(words)) is not None:
        return refused
    said = "\n".join(f"  | {plain(line, longest=300)}" for line in words)
    return SophiaError(
        ENGINE_DIED,
        f"{message}\n{said}" if said else message,
        hint=f"`{places.engine_log}` has the rest; `sophia doctor` looks for what is in its way",
    )


def said_once(lines: list[str]) -> list[str]:
    """Lines without those at their end that only say again what stands before: the engine may have been started again
    before anybody saw that it had ended."""
    for many in range(1, len(lines) // 2 + 1):
        if lines[-many:] == lines[-2 * many : -many]:
            return said_once(lines[:-many])
    return lines


def _refusal(lines: Sequence[str]) -> SophiaError | None:
    """What the engine itself gave as its reason not to start; None where it died otherwise."""
    for line in reversed(lines):
        try:
            said = json.loads(line)
        except ValueError:
            continue
        if isinstance(said, dict) and said.get("event") == "engine refused":
            return SophiaError(CATALOG.get(said["code"], ENGINE_DIED), said["message"], hint=said["hint"])
    return None
