"""`end`: stops what is kept, whether or not its launcher still lives."""

from __future__ import annotations

import os
import signal

from .family import KILL_SECONDS
from .limits import end_group
from .locks import LAUNCHER, until
from .processes import pids, started, tell
from .resource import Refused, grace_seconds, launcher_process, main_process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .resource import Resource


def end(resource: Resource, document: dict[str, Any]) -> dict[str, Any]:
    """Stop what is kept, launcher or not, and forget it; the program's exit status, if its launcher could say.

    The door is open while the program takes its time, so that a newer engine need not wait for an older one's grace.
    What was kept anew meanwhile is left alone.
    """
    door = resource.enter()
    resource.admit(document["epoch"])
    record, standing = resource.record(), resource.standing(door)
    launcher = _launcher(resource) if standing == "kept" else None
    orphans = resource.members(record) if standing == "orphaned" else {}
    if launcher:
        tell(*launcher, signal.SIGTERM)
        until(lambda: resource.record().get("state") in ("stopping", "gone"), seconds=1)
    _ask(orphans, record)
    os.close(door)
    if launcher:
        _await_launcher(launcher, grace_seconds(record))
    until(lambda: not alive(orphans), seconds=grace_seconds(record), every=0.05)
    door = resource.enter()
    record, standing = resource.record(), resource.standing(door)
    left_in_order = launcher is not None and record.get("state") == "gone"
    if standing != "kept":
        if standing == "orphaned" or not left_in_order:
            kill_rest(resource, orphans)
        resource.forget()
    os.close(door)
    return {"exit": record.get("exit") if left_in_order else None}


def _launcher(resource: Resource) -> tuple[int, int] | None:
    """By its record, or, where that is missing or damaged, whoever holds the launcher's lock."""
    holders = ((pid, started(pid) or 0) for pid in pids() if resource.holds(pid, LAUNCHER))
    return launcher_process(resource.record()) or next(holders, None)


def _await_launcher(launcher: tuple[int, int], grace: float) -> None:
    """One that does not do as it was told is killed: its program is an orphan then, and had its time."""

    def gone() -> bool:
        return started(launcher[0]) != launcher[1]

    if not until(gone, seconds=grace + KILL_SECONDS):
        tell(*launcher, signal.SIGKILL)
        until(gone, seconds=KILL_SECONDS)


def _ask(orphans: dict[int, int], record: dict[str, Any]) -> None:
    """The program alone, if it is among them: it knows what to tell the others."""
    number = signal.Signals[str(record.get("stop_signal", "SIGTERM"))]
    main = main_process(record)
    for pid, start in [main] if main else orphans.items():
        tell(pid, start, number)


def alive(processes: dict[int, int]) -> list[int]:
    return [pid for pid, start in processes.items() if started(pid) == start]


def kill_rest(resource: Resource, known: dict[int, int] | None = None) -> None:
    """Kill what is left of a resource that has no launcher. Behind the door only, so that nobody starts it anew."""
    record = resource.record()
    left = dict(known or {})

    def gone() -> bool:
        left.update(resource.members(record))
        for pid in alive(left):
            tell(pid, left[pid], signal.SIGKILL)
        return not alive(left)

    if not until(gone, seconds=KILL_SECONDS, every=0.02):
        raise Refused(stuck=f"`{resource.name}` did not end: {', '.join(map(str, alive(left)))}")
    if record.get("group"):
        end_group(record["group"])
