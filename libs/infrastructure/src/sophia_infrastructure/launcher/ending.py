"""`end`: stops what is kept, whether or not its launcher still lives."""

from __future__ import annotations

import os
import signal

from .family import KILL_SECONDS
from .limits import end_group
from .locks import DOOR, LAUNCHER, give, taken, until
from .processes import pids, started, tell
from .resource import Refused, grace_seconds, launcher_process, main_process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .resource import Resource


def end(resource: Resource, document: dict[str, Any]) -> dict[str, Any]:
    """Stop what is kept, launcher or not, and forget it; the program's exit status, if its launcher could say."""
    door = resource.enter()
    resource.admit(document["epoch"])
    grace = grace_seconds(resource.record())
    exit = None
    if resource.standing(door) == "kept":
        _tell_launcher(resource, signal.SIGTERM)
        until(lambda: resource.record().get("state") in ("stopping", "gone"), seconds=1)
        give(door, DOOR)
        if not until(lambda: not taken(door, LAUNCHER), seconds=grace + KILL_SECONDS):
            _tell_launcher(resource, signal.SIGKILL)
            until(lambda: not taken(door, LAUNCHER), seconds=KILL_SECONDS)
        record = resource.record()
        exit = record.get("exit") if record.get("state") == "gone" else None
    os.close(door)
    end_orphans(resource, grace)
    door = resource.enter()
    if resource.standing(door) == "gone":
        resource.forget()
    os.close(door)
    return {"exit": exit}


def _tell_launcher(resource: Resource, number: int) -> None:
    """By its record, or, where that is missing or damaged, whoever holds the launcher's lock."""
    process = launcher_process(resource.record())
    if process is None:
        process = next(((pid, started(pid) or 0) for pid in pids() if resource.holds(pid, LAUNCHER)), None)
    if process is not None:
        tell(*process, number)


def end_orphans(resource: Resource, grace: float) -> None:
    record = resource.record()
    members = resource.members(record)
    if members:
        _end_members(resource, record, members, grace)
    if record.get("group"):
        end_group(record["group"])


def _end_members(resource: Resource, record: dict[str, Any], members: dict[int, int], grace: float) -> None:
    main = main_process(record)
    number = signal.Signals[str(record.get("stop_signal", "SIGTERM"))]
    for pid, start in [main] if main else members.items():
        tell(pid, start, number)

    def gone() -> bool:
        members.update(resource.members(record))
        return not any(started(pid) == start for pid, start in members.items())

    if until(gone, seconds=grace, every=0.05):
        return

    def killed() -> bool:
        for pid, start in members.items():
            tell(pid, start, signal.SIGKILL)
        return gone()

    if not until(killed, seconds=KILL_SECONDS, every=0.05):
        left = ", ".join(str(pid) for pid, start in members.items() if started(pid) == start)
        raise Refused(stuck=f"`{resource.name}` did not end: {left}")
