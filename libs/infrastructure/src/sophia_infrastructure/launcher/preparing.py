"""`prepare`: makes a tree ready, all of it or nothing."""

from __future__ import annotations

import os
import select
import signal
import time

from .ending import kill_rest
from .family import KILL_SECONDS, Family
from .files import remove, replace
from .locks import HELD, LAUNCHER, take, until
from .logs import Log
from .processes import libc
from .resource import Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .resource import Resource


def prepare(resource: Resource, document: dict[str, Any]) -> dict[str, Any]:
    """Copy `source` to `target`, run the program there, then make `marker`. No marker: what is there is wiped.

    It ends, and all it started, when its caller closes our standard input, or dies.
    """
    held = _hold(resource, document["epoch"])
    try:
        return {"exit": 0 if os.path.exists(document["marker"]) else _prepare(resource, document, held)}
    finally:
        door = resource.enter()
        resource.forget()
        os.close(door)


def _prepare(resource: Resource, document: dict[str, Any], held: int) -> int | None:
    remove(document["target"])
    exit: int | None = 0
    try:
        _copy_tree(document["source"], document["target"])
        if document["program"]:
            exit = _run(resource, document["program"], held, document["seconds"])
        if exit == 0:
            _flush_all(document["target"])
            replace(document["marker"], "")
    finally:
        if not os.path.exists(document["marker"]):
            remove(document["target"])
    return exit


def _hold(resource: Resource, epoch: int) -> int:
    """The resource, for as long as we live. Who else prepares it is an earlier engine's, and ends with that engine."""
    give_up = time.monotonic() + KILL_SECONDS
    while True:
        door = resource.enter()
        resource.admit(epoch)
        held, lone = resource.open(), resource.open()
        if take(lone, LAUNCHER):
            break
        for file in (lone, held, door):  # the other one needs the door to leave
            os.close(file)
        if time.monotonic() > give_up:
            raise Refused(busy=f"another process is at work on `{resource.name}`")
        time.sleep(0.05)
    kill_rest(resource)
    if not until(lambda: take(held, HELD), seconds=1):
        raise Refused(busy=f"another process is at work on `{resource.name}`")
    os.close(door)
    return held


def _copy_tree(source: str, target: str) -> None:
    import shutil

    shutil.copytree(source, target, symlinks=True, copy_function=shutil.copy)
    for directory, _, files in os.walk(target):
        for path in (directory, *(os.path.join(directory, name) for name in files)):
            if not os.path.islink(path):
                os.chmod(path, os.stat(path).st_mode | 0o200)


def _run(resource: Resource, program: dict[str, Any], held: int, seconds: float) -> int | None:
    """Exit status of the program; None if the time was over."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
    log = Log(program["log"], program["log_bytes"])
    remove(program["log"])
    family = Family(program, resource, held)
    family.spawn(log)
    give_up = time.monotonic() + seconds
    watched = select.poll()
    watched.register(0, select.POLLIN | select.POLLHUP)
    watched.register(os.pidfd_open(family.pid or 0), select.POLLIN)
    over = alone = False
    while not (over or alone) and time.monotonic() < give_up:
        alone = 0 in dict(watched.poll(log.tend() * 1000))
        over = family.reap(kill_group=False)
    family.stop(signal.SIGKILL, 0)
    if alone and not over:
        raise Refused(failed="who asked for it is gone")
    return family.exit if over else None


def _flush_all(path: str) -> None:
    """All of a tree is on the disk; one call for its whole file system, as a tree has thousands of files."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    libc().syncfs(file)
    os.close(file)
