"""An engine that dies where a test wants it to: at an entry of the ledger, or at an effect outside of it.

    Trap("deploy: step done do switch", "before").lay(file)     # springs once, in whichever engine gets there first

A trap is a file, so that it can be laid before an engine starts or while it runs. Places are named by what the engine
was about to write, `RUN KIND: ENTRY KIND PHASE STEP` (without the identity that the names of some steps end with), or
by what it asked a launcher for, `effect: OPERATION RESOURCE` (`once routes`, `keep instance`, …). Moments:

    before    nothing of it happened        after    it happened, and the engine knows of nothing that follows
    during    (effects) the helper is at work; its master dies under it

What happens to the engine there: it is killed, it is stopped (and woken by whoever likes), or it goes on, with the disk
of its state full to the last byte. `freeze`, during an effect: its helper is stopped, and then the engine is killed.

Production knows nothing of traps: this module starts the engine and lays its own hands on two methods.

Engines are forked from a process that has imported one, because an engine dies every few seconds in these tests, and
imports are most of its start.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from sophia_deployment.engine import process
from sophia_deployment.engine.journal import Journal
from sophia_deployment_core.ledger import Draft, Event
from sophia_infrastructure.launchers import Launchers

Moment = Literal["before", "during", "after"]
Deed = Literal["kill", "stop", "fill", "freeze"]
DURING_SECONDS = 0.03
"""A helper needs 40 ms and more until it has acted."""


@dataclass(frozen=True)
class Trap:
    place: str
    moment: Moment
    deed: Deed = "kill"
    ballast: str = ""
    """what fills the disk"""

    def __str__(self) -> str:
        return f"{self.moment} {self.place}"

    def lay(self, file: Path) -> None:
        new = file.with_suffix(".new")
        new.write_text(json.dumps(asdict(self)))
        new.replace(file)


def place_of(run_kind: str | None, kind: str, body: Mapping[str, Any]) -> str:
    """The name of an entry's place. The run's kind is None for what belongs to no run."""
    words = [kind, *(str(body[key]) for key in ("phase", "step") if key in body)]
    return f"{run_kind or 'engine'}: {bare(' '.join(words))}"


def bare(step: str) -> str:
    """A step's name without the identity that some end with."""
    return re.sub(r" [0-9a-f]{6}$", "", step)


# --- engines --------------------------------------------------------------------------------------------------------


def start(state: Path, log: Path, trap: Path) -> int:
    """Start the engine of a state directory, with a trap; its pid. Nobody needs to wait for it."""
    nursery = _nursery()
    assert nursery.stdin is not None and nursery.stdout is not None
    nursery.stdin.write(json.dumps([str(state), str(log), str(trap)]).encode() + b"\n")
    return int(nursery.stdout.readline())


@functools.cache
def _nursery() -> subprocess.Popen[bytes]:
    """One per process of the tests. It ends with them; whoever has engines ends those."""
    command = [sys.executable, "-m", "tests.support.trapped"]
    root = Path(__file__).parents[2]
    return subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)


def _nurse() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel collects those who end
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            _be_the_engine(*map(Path, json.loads(line)))
        os.write(1, b"%d\n" % pid)


def _be_the_engine(state: Path, log: Path, trap: Path) -> None:
    """Never returns."""
    code = 70
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        _redirect(log)
        _watch_entries(trap)
        _watch_effects(trap)
        code = process.main(state)
    finally:
        sys.stdout.flush()
        os._exit(code)


def _redirect(log: Path) -> None:
    with open("/dev/null", "rb") as nothing, log.open("ab") as output:
        os.dup2(nothing.fileno(), 0)
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    sys.stdout = open(1, "w", buffering=1, closefd=False)  # noqa: SIM115  # for the rest of this process
    sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115


# --- traps ----------------------------------------------------------------------------------------------------------


def _watch_entries(trap: Path) -> None:
    write = Journal._write

    async def watched(self: Journal, drafts: Sequence[Draft], epoch: int) -> Sequence[Event]:
        kinds = {draft.run: draft.body.get("kind") for draft in drafts if draft.kind == "run submitted"}
        kinds |= {run: view.kind for run, view in self.world.runs.items()}
        places = [place_of(kinds.get(draft.run), draft.kind, draft.body) for draft in drafts]
        _spring(trap, places, "before")
        events = await write(self, drafts, epoch)
        _spring(trap, places, "after")  # it is durable, and nobody else had a turn yet
        return events

    Journal._write = watched  # type: ignore[method-assign]


def _watch_effects(trap: Path) -> None:
    ask, create = Launchers._ask, asyncio.create_subprocess_exec

    async def watched(self: Launchers, operation: str, resource: str, *rest: Any, **more: Any) -> dict[str, Any]:
        places = [f"effect: {operation} {resource.partition('/')[0]}"]
        _spring(trap, places, "before")
        laid = _laid(trap, places, "during")
        stopped = asyncio.get_running_loop().create_future() if laid and laid.deed == "freeze" else None
        _STOPPED.set(stopped)  # for the task that is made now
        asking = asyncio.ensure_future(ask(self, operation, resource, *rest, **more))
        _STOPPED.set(None)
        if laid:
            if stopped is not None:
                _until_stopped(await stopped)
            else:
                await asyncio.wait([asking], timeout=DURING_SECONDS)
            _spring(trap, places, "during")
        answer = await asking
        _spring(trap, places, "after")
        return answer

    async def stopping(*command: str, **more: Any) -> asyncio.subprocess.Process:
        helper = await create(*command, **more)
        if (stopped := _STOPPED.get()) is not None:
            os.kill(helper.pid, signal.SIGSTOP)
            stopped.set_result(helper.pid)
        return helper

    Launchers._ask = watched  # type: ignore[method-assign]
    asyncio.create_subprocess_exec = stopping  # type: ignore[assignment]  # as it is called here


_STOPPED: ContextVar[asyncio.Future[int] | None] = ContextVar("stopped", default=None)
"""Of the task whose helper is stopped before it is told what to do: then it is told, and finds that when it wakes."""


def _until_stopped(pid: int) -> None:
    """A signal is taken when its process gets its turn, on a busy machine long after it was sent."""
    os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOWAIT)


def _laid(trap: Path, places: Iterable[str], moment: Moment) -> Trap | None:
    try:
        laid = Trap(**json.loads(trap.read_text()))
    except FileNotFoundError:
        return None
    return laid if laid.moment == moment and laid.place in places else None


def _spring(trap: Path, places: Iterable[str], moment: Moment) -> None:
    if (laid := _laid(trap, places, moment)) is None:
        return
    trap.unlink()
    if laid.deed == "fill":
        fill(Path(laid.ballast))
    else:
        os.kill(os.getpid(), signal.SIGSTOP if laid.deed == "stop" else signal.SIGKILL)


def fill(ballast: Path) -> None:
    """Take every byte that the file's disk has left, whatever may be read there afterwards."""
    with ballast.open("ab", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            with contextlib.suppress(OSError):
                while file.write(b"x" * size):
                    pass


if __name__ == "__main__":
    _nurse()
