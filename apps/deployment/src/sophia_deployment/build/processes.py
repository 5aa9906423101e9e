"""Runs the commands of a build: each in a process group of its own, what it prints in a log, all ended together."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from threading import Lock

GRACE_SECONDS = 5.0
NOT_EXECUTABLE, NOT_FOUND = 126, 127
"""Exit codes of shells for a command that cannot be run."""
LAST_LINES = 15
LAST_BYTES = 16 * 1024
_TERMINAL_CODES = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")


class Ended(Exception):
    """The build was broken off; nothing more is started."""


class Processes:
    """The commands that run now. May be used from several threads."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = Lock()
        self._over = False

    def run(
        self, command: Sequence[str], *, cwd: Path, env: Mapping[str, str], log: Path, said: Path | None = None
    ) -> int:
        """The command's exit code (128 + n if signal n killed it), with all it printed at the end of `log`.

        With `said`, its standard output goes there instead. 127 and 126 where it cannot be started; the log says why.
        Raises `Ended` after `end`.
        """
        with log.open("ab", 0) as errors, said.open("wb") if said else nullcontext(errors) as output:
            errors.write(f"$ {shlex.join(command)}\n".encode(errors="replace"))
            try:
                process = self._start(command, cwd, env, output.fileno(), errors.fileno())
            except OSError as error:
                errors.write(f"{command[0]}: {error.strerror}\n".encode(errors="replace"))
                return NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE
            code = process.wait()
        with self._lock:
            self._running.discard(process)
        return code if code >= 0 else 128 - code

    def _start(
        self, command: Sequence[str], cwd: Path, env: Mapping[str, str], output: int, errors: int
    ) -> subprocess.Popen[bytes]:
        with self._lock:  # so that `end` misses none
            if self._over:
                raise Ended
            process = subprocess.Popen(
                command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=errors, process_group=0
            )
            self._running.add(process)
            return process

    def end(self) -> None:
        """SIGTERM to every group; SIGKILL, after `GRACE_SECONDS`, to what is left of them and of all they started.

        Turborepo starts each task in a group of that task's own, and takes longer than we do to give it up.
        """
        with self._lock:
            self._over = True
            ending = list(self._running)
        leaders = {process.pid for process in ending}
        started = _descendants(leaders)
        _signal(ending, signal.SIGTERM)
        until = time.monotonic() + GRACE_SECONDS
        while (any(process.poll() is None for process in ending) or _still(started)) and time.monotonic() < until:
            time.sleep(0.02)
        started |= _descendants(leaders)
        _signal(ending, signal.SIGKILL)
        for pid, _ in _still(started):
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)


@contextmanager
def processes() -> Iterator[Processes]:
    """Processes that end when the block is left by an exception, a Ctrl-C among them."""
    running = Processes()
    try:
        yield running
    except BaseException:
        running.end()
        raise


def _signal(leaders: Sequence[subprocess.Popen[bytes]], number: signal.Signals) -> None:
    for leader in leaders:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(leader.pid, number)


def _descendants(ancestors: Iterable[int]) -> set[tuple[int, str]]:
    """All that these processes started and that has not lost its parent, as (pid, start time). Needs /proc."""
    children: dict[int, list[tuple[int, str]]] = {}
    for directory in Path("/proc").glob("[0-9]*"):
        if (found := _stat(int(directory.name))) is not None:
            children.setdefault(int(found[1]), []).append((int(directory.name), found[19]))
    found_all: set[tuple[int, str]] = set()
    ahead = list(ancestors)
    while ahead:
        below = children.get(ahead.pop(), [])
        found_all.update(below)
        ahead += [pid for pid, _ in below]
    return found_all


def _still(processes: Iterable[tuple[int, str]]) -> list[tuple[int, str]]:
    """Those that run; a start time tells a process from a later one of the same number."""
    stats = [(pid, start, _stat(pid)) for pid, start in processes]
    return [(pid, start) for pid, start, stat in stats if stat and stat[19] == start and stat[0] not in ("Z", "X")]


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat from the state on; None if there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None


def last_lines(log: Path) -> list[str]:
    """The end of a log as it may be printed: no colours, no control codes."""
    with suppress(OSError), log.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - LAST_BYTES))
        text = _TERMINAL_CODES.sub(b"", file.read()).decode(errors="replace")
        lines = ["".join(each if each.isprintable() else " " for each in line).rstrip() for line in text.splitlines()]
        return [line for line in lines if line][-LAST_LINES:]
    return []
