"""`keep`: a process that runs a program until it is told to stop."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time

from .ending import kill_rest
from .family import KILL_SECONDS, Family
from .files import remove
from .locks import DOOR, HELD, LAUNCHER, give, take, until
from .logs import Log
from .processes import boot, started
from .resource import grace_seconds

TYPE_CHECKING = False
if TYPE_CHECKING:  # `typing` would cost every launcher half a megabyte
    from collections.abc import Callable
    from typing import Any

    from .resource import Resource

FIRST_DELAY_SECONDS, LAST_DELAY_SECONDS = 0.1, 10.0
STEADY_SECONDS = 10.0
"""Who has run for so long is restarted at once, and its earlier ends are forgotten."""


def keep(resource: Resource, document: dict[str, Any]) -> dict[str, Any]:
    """The record of a running program: of the one that runs already, or of one that was just started."""
    door = resource.enter()
    resource.admit(document["epoch"])
    if resource.standing(door) == "kept" and resource.record().get("state") == "stopping":
        give(door, DOOR)
        until(lambda: resource.standing(door) != "kept", seconds=grace_seconds(resource.record()) + KILL_SECONDS)
        os.close(door)
        return keep(resource, {**document, "again": True}) if not document.get("again") else _found(resource)
    if resource.standing(door) != "gone":
        return _found(resource)
    held, lone = resource.open(), resource.open()  # in this order: a dying process closes the lower one first
    if resource.record():  # it was never ended: something of it may still hold its port
        kill_rest(resource)
        remove(resource.record_path)
    if not (take(lone, LAUNCHER) and take(held, HELD)):
        return _found(resource)
    hear, say = os.pipe()
    if os.fork() == 0:
        _detach()
        os.close(hear)
        try:
            Keeper(resource, document["program"], held).run(lambda record: _announce(record, door, say))
            give(held, HELD)
        except BaseException:
            _confess(document["program"]["log"])
        finally:
            os._exit(0)
    for file in (held, lone, door, say):
        os.close(file)
    with open(hear, "rb") as pipe:
        return json.loads(pipe.read() or b"{}") or _found(resource)


def _found(resource: Resource) -> dict[str, Any]:
    return {**resource.record(), "standing": resource.look()[0]}


def _detach() -> None:
    os.setsid()
    os.chdir("/")
    null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    for number in (0, 1, 2):
        os.dup2(null, number)
    os.close(null)
    for ignored in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        signal.signal(ignored, signal.SIG_IGN)


def _confess(log: str) -> None:
    """Our own fault, where somebody will find it. The program goes on as an orphan."""
    import traceback

    with open(log, "a", encoding="utf-8") as file:
        file.write(f"launcher: {traceback.format_exc()}")


def _announce(record: dict[str, Any], door: int, say: int) -> None:
    give(door, DOOR)
    os.close(door)
    with contextlib.suppress(OSError):  # who asked may be dead by now
        os.write(say, json.dumps({**record, "standing": "kept"}).encode())
    os.close(say)


class Keeper:
    """A launcher at work: it runs the program until it is told to stop."""

    def __init__(self, resource: Resource, program: dict[str, Any], held: int) -> None:
        self._resource, self._program = resource, program
        self._log = Log(program["log"], program["log_bytes"])
        self._family = Family(program, resource, held)
        self._failures = 0
        self._spawned = 0.0
        self._due: float | None = None
        self._written = False
        self._record = {
            "v": 1,
            "resource": resource.name,
            "boot": boot(),
            "state": "starting",
            "launcher_pid": os.getpid(),
            "launcher_start": started(os.getpid()),
            "pid": None,
            "start": None,
            "started_ms": None,
            "restarts": 0,
            "exit": None,
            "limits": "",
            "group": self._family.group,
            "stop_signal": program["stop_signal"],
            "grace_ms": program["grace_ms"],
            "about": program["about"],
        }

    def run(self, announce: Callable[[dict[str, Any]], None]) -> None:
        """Returns once the program was stopped, and nothing of it is left."""
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD, signal.SIGTERM])
        self._spawn()
        announce(self._record)
        while not self._told_to_stop():
            if self._family.reap(kill_group=True):
                self._ended()
            if self._due is not None and time.monotonic() >= self._due:
                self._record["restarts"] = int(self._record["restarts"]) + 1
                self._spawn()
            if not self._written:
                self._write()
        self._stop()

    def _told_to_stop(self) -> bool:
        """Waits for a signal, or for the next thing to do."""
        got = signal.sigtimedwait([signal.SIGCHLD, signal.SIGTERM], self._pause())
        return got is not None and got.si_signo == signal.SIGTERM

    def _pause(self) -> float:
        """Until the next thing to do by itself. The log is looked at whether or not the program runs."""
        pause = self._log.tend()
        return pause if self._due is None else max(0.0, min(pause, self._due - time.monotonic()))

    def _spawn(self) -> None:
        self._family.spawn(self._log)
        self._spawned, self._due = time.monotonic(), None
        if self._family.pid is None:
            self._ended()
            return
        self._write(
            state="running",
            pid=self._family.pid,
            start=self._family.start,
            started_ms=time.time_ns() // 1_000_000,
            limits=self._family.limits,
        )

    def _ended(self) -> None:
        """It ended though nobody asked it to: whatever it left behind would be in its successor's way."""
        if not self._family.empty():
            self._log.say("the program ended and left processes behind, which were killed: it must stay in front")
            self._family.kill()
        steady = time.monotonic() - self._spawned >= STEADY_SECONDS
        delay = 0.0 if steady else min(LAST_DELAY_SECONDS, FIRST_DELAY_SECONDS * 2**self._failures)
        self._failures = 0 if steady else min(self._failures + 1, 16)
        self._due = time.monotonic() + delay
        self._write(state="waiting", pid=None, start=None, exit=self._family.exit)

    def _stop(self) -> None:
        self._write(state="stopping")
        self._family.stop(signal.Signals[str(self._program["stop_signal"])], grace_seconds(self._record))
        self._log.tend()
        self._write(state="gone", pid=None, start=None, exit=self._family.exit)

    def _write(self, **changes: Any) -> None:
        self._record.update(changes)
        self._written = self._resource.write(self._record)
