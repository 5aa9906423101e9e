"""A resource's files: the way in for who wants to change it, and what they tell everybody else."""

from __future__ import annotations

import contextlib
import json
import os

from .files import replace
from .locks import DOOR, HELD, LAUNCHER, take, taken, until
from .processes import boot, pids, started, stat

TYPE_CHECKING = False
if TYPE_CHECKING:  # `typing` would cost every launcher half a megabyte
    from collections.abc import Mapping
    from typing import Any

DOOR_SECONDS = 10.0
"""Behind the door nothing waits; who stands there for longer is stopped or has a sick disk."""


class Refused(Exception):
    """Nothing was done; `answer` says why."""

    def __init__(self, **answer: Any) -> None:
        super().__init__(answer)
        self.answer = answer


def file_name(resource: str) -> str:
    """A resource's name as the name of a file: all but ASCII letters, digits and `._-` as %XX."""
    plain = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"
    return "".join(chr(byte) if byte in plain else f"%{byte:02X}" for byte in resource.encode())


class Resource:
    """What the files say of one resource, and the way in for who wants to change it."""

    def __init__(self, run: str, name: str) -> None:
        self.run, self.name = run, name
        base = os.path.join(run, file_name(name))
        self.lock_path, self.record_path = base + ".lock", base + ".json"

    @property
    def mark(self) -> str:
        """In the environment of everything that belongs to this resource."""
        return f"{self.run}:{self.name}"

    def open(self) -> int:
        return os.open(self.lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def enter(self, *, seconds: float = DOOR_SECONDS) -> int:
        """The lock file with its door taken. The file may have been removed while we stood there: then once more."""
        while True:
            file = self.open()
            if not until(lambda file=file: take(file, DOOR), seconds=seconds, every=0.002):  # type: ignore[misc]
                os.close(file)
                raise Refused(busy=f"another process changes `{self.name}`")
            try:
                if os.path.samestat(os.stat(self.lock_path), os.fstat(file)):
                    return file
            except FileNotFoundError:
                pass
            os.close(file)

    def admit(self, epoch: int) -> None:
        """Refuse an epoch that is older than one we have seen, remember a newer one. Behind the door only."""
        file = os.open(os.path.join(self.run, "epoch"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if not until(lambda: take(file, DOOR), seconds=DOOR_SECONDS, every=0.001):
                raise Refused(busy="another process changes the epoch")
            seen = int(os.pread(file, 20, 0) or b"0")
            if epoch < seen:
                raise Refused(fenced=seen)
            if epoch > seen:
                os.pwrite(file, b"%020d" % epoch, 0)
        finally:
            os.close(file)

    def record(self) -> dict[str, Any]:
        """What the launcher wrote last; empty if there is nothing that can be read."""
        try:
            with open(self.record_path, "rb") as file:
                record = json.loads(file.read())
        except (OSError, ValueError):
            return {}
        return record if isinstance(record, dict) else {}

    def write(self, record: dict[str, Any]) -> bool:
        """Replace the record in one step; False if the disk does not take it."""
        try:
            replace(self.record_path, json.dumps(record), durable=False)
        except OSError:
            return False
        return True

    def look(self) -> tuple[str, dict[str, Any]]:
        """`kept` (by a launcher), `orphaned` or `gone`, and the record. Asks the locks, disturbs nobody."""
        try:
            file = os.open(self.lock_path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return "gone", self.record()
        try:
            return self.standing(file), self.record()
        finally:
            os.close(file)

    def standing(self, file: int) -> str:
        """The first word of `look`. A launcher takes its own lock first and loses it last, hence the order."""
        if taken(file, LAUNCHER):
            return "kept"
        if taken(file, HELD):
            return "kept" if taken(file, LAUNCHER) else "orphaned"
        return "orphaned" if main_process(self.record()) else "gone"

    def forget(self) -> None:
        """Remove the files. Behind the door only, and with nothing left of the resource."""
        for path in (self.record_path, self.lock_path):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)

    def members(self, record: dict[str, Any]) -> dict[int, int]:
        """pid -> start of what still belongs to the resource though no launcher is there to say so.

        That is who has inherited the lock or the mark in the environment, and the session of the program while it
        lives itself.
        """
        main = main_process(record)
        found = {}
        for pid in pids():
            start = started(pid)
            if start is None or pid == os.getpid():
                continue
            in_session = main is not None and int((stat(pid) or [b"0"] * 4)[3]) == main[0]
            if in_session or self._marked(pid) or self.holds(pid, HELD):
                found[pid] = start
        return found

    def _marked(self, pid: int) -> bool:
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                return f"SOPHIA_KEPT={self.mark}".encode() in file.read().split(b"\0")
        except OSError:
            return False

    def holds(self, pid: int, byte: int) -> bool:
        """Whether the process has our lock file open with this very lock."""
        try:
            ours = os.stat(self.lock_path)
            for name in os.listdir(f"/proc/{pid}/fd"):
                try:
                    if not os.path.samestat(os.stat(f"/proc/{pid}/fd/{name}"), ours):
                        continue
                    with open(f"/proc/{pid}/fdinfo/{name}", encoding="ascii") as file:
                        locks = [line.split() for line in file if line.startswith("lock:")]
                except OSError:
                    continue
                if any(fields[-2] == str(byte) for fields in locks):
                    return True
        except OSError:
            pass
        return False


def main_process(record: dict[str, Any]) -> tuple[int, int] | None:
    """pid and start of the recorded program, if it lives."""
    return _recorded(record, "pid", "start")


def launcher_process(record: dict[str, Any]) -> tuple[int, int] | None:
    return _recorded(record, "launcher_pid", "launcher_start")


def _recorded(record: dict[str, Any], pid: str, start: str) -> tuple[int, int] | None:
    if record.get("boot") != boot() or not record.get(pid) or started(record[pid]) != record.get(start):
        return None
    return record[pid], record[start]


def grace_seconds(record: Mapping[str, Any]) -> float:
    return float(record.get("grace_ms", 30_000)) / 1000
