"""Who owns the state: one lock file per epoch, held by the engine of that epoch for as long as it lives.

The kernel frees a lock when its process dies, however it dies, so a free lock proves a dead owner. One file per
epoch, because with a single one a third engine would take the death of the old owner for that of the new one.
A lock that is held proves little (a stopped process holds it too), so the lease in the ledger's head decides then.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Holder:
    """An engine's process. `start` is its start time in ticks since boot, because a pid is given out again."""

    name: str
    pid: int
    start: int
    boot: str
    since_ms: int

    def text(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def parse(cls, text: str) -> Holder:
        return cls(**json.loads(text))


def this_process(name: str, *, since_ms: int) -> Holder:
    """The calling process as a holder."""
    pid = os.getpid()
    return Holder(name, pid, start_of(pid) or 0, boot_id(), since_ms)


def boot_id() -> str:
    """What differs after a reboot and between machines; empty where the kernel does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def start_of(pid: int) -> int | None:
    """The start time of a process, `None` when there is no such process (or no `/proc`)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    return int(stat.rpartition(b")")[2].split()[19])


def kill(holder: Holder) -> bool:
    """SIGKILL exactly this process; false when it is not here to be killed (gone, elsewhere, or ourselves)."""
    if holder.boot != boot_id() or not holder.start or holder.pid == os.getpid():
        return False
    try:
        handle = os.pidfd_open(holder.pid)  # from here on the number cannot be given to another process
    except OSError:
        return False
    try:
        if start_of(holder.pid) != holder.start:
            return False
        signal.pidfd_send_signal(handle, signal.SIGKILL)
        return True
    except OSError:
        return False
    finally:
        os.close(handle)


class Locks:
    """The lock files of one state directory, `engine-EPOCH.lock`. Holds at most one of them."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._held: int | None = None

    def is_held(self, epoch: int) -> bool:
        """Whether some living process holds the lock of `epoch`. Asking never looks like holding to another asker."""
        try:
            file = os.open(self._path(epoch), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(file)
        return False

    def take(self, epoch: int) -> bool:
        """Hold the lock of `epoch` until `drop` or death; false when another process has it."""
        assert self._held is None, "an engine holds one epoch"
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = os.open(self._path(epoch), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            return False
        self._held = file
        return True

    def drop(self) -> None:
        if self._held is not None:
            os.close(self._held)
            self._held = None

    def remove_older(self, epoch: int) -> None:
        """Remove the lock files of epochs before `epoch`; they are of engines that are dead."""
        for path in self._directory.glob("engine-*.lock"):
            number = path.stem.partition("-")[2]
            if number.isdigit() and int(number) < epoch:
                path.unlink(missing_ok=True)

    def _path(self, epoch: int) -> Path:
        return self._directory / f"engine-{epoch}.lock"
