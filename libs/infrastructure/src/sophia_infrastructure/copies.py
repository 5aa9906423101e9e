"""Copies of programs that must outlive the installed ones: made once, held by who uses them, removed when nobody does.

code/<digest>/          our own standard-library programs
code/envoy-<version>/   Envoy, as a hard link

No release needs one: what a program is started from is chosen anew each time it is started. So a copy is in use while
a process holds it or runs from it. Holding is a lock on its directory, which dies with who holds it; who was started
by a holder names the copy on its command line. Removing takes the same lock first, so that it cannot come between
somebody's finding a copy and starting from it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
import weakref
from collections.abc import Callable, Collection
from pathlib import Path
from threading import Lock

from sophia_infrastructure.launcher.files import flush, remove
from sophia_infrastructure.launcher.locks import until
from sophia_infrastructure.launcher.processes import pids

KEPT = 2
"""So many of each kind stay whoever uses them: the one of now and the one before, which an older engine would want."""
LOCK_SECONDS = 10.0
"""Who has a copy's lock for itself renames it, and does nothing else."""
LEFT_SECONDS = 3600
"""What is half made or half removed for so long was left by somebody who is dead."""

Fill = Callable[[Path, Path], None]
"""Writes a copy into the first, a fresh directory, which becomes the second."""


class Copies:
    """The copies in one directory. May be used from several threads."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._held: dict[str, int] = {}
        self._lock = Lock()
        weakref.finalize(self, _give_back, self._held)

    def hold(self, name: str, fill: Fill) -> Path:
        """The copy `name`, made if it is not there; it stays at least as long as we do. Raises `OSError`."""
        path = self._directory / name
        with self._lock:
            while not _is(path, self._held.get(name)):
                if name in self._held:  # it was removed in spite of us
                    os.close(self._held.pop(name))
                if not path.is_dir():
                    self._make(path, fill)
                with contextlib.suppress(FileNotFoundError):  # removed just now: once more
                    self._held[name] = _held(path)
        return path

    def prune(self, used: Collection[str]) -> list[str]:
        """Remove what is neither held, nor named in `used` or by the command line of a process, nor one of the `KEPT`
        of its kind that were used last; the names. `used` are paths. What cannot be removed stays."""
        removed = []
        for path in self._old():
            with contextlib.suppress(OSError):
                if aside := _set_aside(path, used):
                    removed.append(path.name)
                    remove(str(aside))
        return removed

    def _make(self, path: Path, fill: Fill) -> None:
        """All of the directory or nothing of it; somebody else may be as far at the same time."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=".new-", dir=self._directory))
        try:
            fill(fresh, path)
            for place, _, files in os.walk(fresh):
                for file in (*files, "."):
                    flush(os.path.join(place, file))
            fresh.rename(path)
            flush(str(self._directory))
        except OSError:
            if not path.is_dir():
                raise
        finally:
            shutil.rmtree(fresh, ignore_errors=True)

    def _old(self) -> list[Path]:
        """What may go, if nobody uses it."""
        try:
            found = sorted(self._directory.iterdir(), key=_used_seconds, reverse=True)
        except FileNotFoundError:
            return []
        kinds: dict[str, list[Path]] = {"left": [], "envoy": [], "ours": []}
        for path in found:
            kinds["left" if path.name[0] == "." else "envoy" if path.name.startswith("envoy-") else "ours"].append(path)
        left = [path for path in kinds["left"] if time.time() - _used_seconds(path) > LEFT_SECONDS]
        return [*kinds["ours"][KEPT:], *kinds["envoy"][KEPT:], *left]


def _held(path: Path) -> int:
    """An open directory with our share of its lock. Held is used: the copies used last are known by their times."""
    file = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if not until(lambda: _locked(file, fcntl.LOCK_SH), seconds=LOCK_SECONDS):
            raise TimeoutError(f"`{path}` is being removed by a process that does not get on")
        os.utime(path)
    except BaseException:
        os.close(file)
        raise
    return file


def _set_aside(path: Path, used: Collection[str]) -> Path | None:
    """Out of the way, so that nobody finds it any more; None if somebody uses it."""
    file = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if not _locked(file, fcntl.LOCK_EX) or any(f"{path}/" in line for line in (*used, *_command_lines())):
            return None
        return path.rename(path.with_name(f".old-{path.name}"))
    finally:
        os.close(file)


def _command_lines() -> list[str]:
    """Of all processes. A process that was started by who held a copy has one by the time that lock is free."""
    found = []
    for pid in pids():
        with contextlib.suppress(OSError):
            found.append(Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="surrogateescape"))
    return found


def _locked(file: int, kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is(path: Path, file: int | None) -> bool:
    try:
        return file is not None and os.path.samestat(path.stat(), os.fstat(file))
    except FileNotFoundError:
        return False


def _used_seconds(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _give_back(held: dict[str, int]) -> None:
    for file in held.values():
        os.close(file)
