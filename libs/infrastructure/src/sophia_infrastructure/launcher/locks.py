"""Locks of open file descriptions, each on one byte of a file.

Unlike those of `flock` they can be asked about without being taken, so that looking disturbs nobody. Like them they
are inherited, and last until the last process that has the open file closes it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

DOOR, HELD, LAUNCHER = 0, 1, 2


def _range(kind: int, byte: int) -> bytes:
    return struct.pack("hhqqi4x", kind, os.SEEK_SET, byte, 1, 0)


def take(file: int, byte: int) -> bool:
    """Take a lock for this open file; whether it was free."""
    try:
        fcntl.fcntl(file, fcntl.F_OFD_SETLK, _range(fcntl.F_WRLCK, byte))
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EACCES):
            return False
        raise
    return True


def give(file: int, byte: int) -> None:
    fcntl.fcntl(file, fcntl.F_OFD_SETLK, _range(fcntl.F_UNLCK, byte))


def taken(file: int, byte: int) -> bool:
    """Whether another open file has the lock. Asking takes nothing, so it disturbs nobody."""
    answer = fcntl.fcntl(file, fcntl.F_OFD_GETLK, _range(fcntl.F_WRLCK, byte))
    return bool(struct.unpack("hhqqi4x", answer)[0] != fcntl.F_UNLCK)


def until(condition: Callable[[], bool], *, seconds: float, every: float = 0.01) -> bool:
    """Wait for the condition, which is asked once more at the end; what it said last."""
    give_up = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= give_up:
            return condition()
        time.sleep(every)
    return True
