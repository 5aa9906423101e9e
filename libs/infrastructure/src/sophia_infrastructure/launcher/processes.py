"""Processes, each named by its pid and the time it started: a pid alone may be another's by now."""

from __future__ import annotations

import os
import signal

TYPE_CHECKING = False
if TYPE_CHECKING:  # `typing` would cost every launcher half a megabyte
    from collections.abc import Iterator
    from typing import Any


def started(pid: int) -> int | None:
    """When a process started, in the kernel's ticks: pid and start name it for good. None: it is dead."""
    fields = stat(pid)
    return int(fields[19]) if fields and fields[0] not in (b"Z", b"X") else None


def stat(pid: int) -> list[bytes]:
    """/proc/PID/stat from the state on: state, parent, group, session, …; empty if there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()
    except OSError:
        return []


def pids() -> Iterator[int]:
    return (int(name) for name in os.listdir("/proc") if name.isdigit())


def tell(pid: int, start: int, number: int) -> bool:
    """Signal this very process and no other that got its pid later; whether it was there."""
    try:
        handle = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        if started(pid) != start:
            return False
        signal.pidfd_send_signal(handle, number)
        return True
    except OSError:
        return False
    finally:
        os.close(handle)


def boot() -> str:
    """Which start of the machine this is."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()


def libc() -> Any:
    """What Python has no name for. Imported late: most calls do without."""
    import ctypes

    return ctypes.CDLL(None, use_errno=True)
