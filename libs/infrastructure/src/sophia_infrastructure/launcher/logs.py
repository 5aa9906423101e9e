"""What a program writes goes straight into its log; here it is kept within its bounds."""

from __future__ import annotations

import contextlib
import os
import time

from .files import remove

LOG_PARTS = 4
"""A log and three older parts; each has a quarter of the space."""
LOG_PAUSE_SECONDS = (0.01, 0.25)
"""Between two looks at a log: a busy one, a quiet one."""


class Log:
    """What a program writes goes straight into this file; we keep it within its bounds by copy and truncate."""

    def __init__(self, path: str, limit: int) -> None:
        self._path, self._part = path, max(1, limit // LOG_PARTS)
        self._file = -1
        self._size, self._at = 0, time.monotonic()

    def open(self) -> int:
        """The file to write to; /dev/null if there can be none. Opened anew if somebody moved or removed it."""
        try:
            if self._file < 0 or not os.path.samestat(os.stat(self._path), os.fstat(self._file)):
                raise FileNotFoundError
        except OSError:
            if self._file >= 0:
                os.close(self._file)
            self._file = self._opened()
        return self._file

    def _opened(self) -> int:
        try:
            os.makedirs(os.path.dirname(self._path), mode=0o700, exist_ok=True)
            return os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            return os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)

    def say(self, text: str) -> None:
        with contextlib.suppress(OSError):
            os.write(self._file, f"launcher: {text}\n".encode())

    def tend(self) -> float:
        """Rotate if it is full; in how many seconds to look again, by how fast it grows."""
        size, now = os.fstat(self._file).st_size, time.monotonic()
        rate = max(0.0, (size - self._size) / max(now - self._at, 0.001))
        if size > self._part:
            self._rotate(size)
            size = 0
        self._size, self._at = size, now
        shortest, longest = LOG_PAUSE_SECONDS
        return max(shortest, min(longest, (self._part - size) / rate / 2)) if rate else longest

    def _rotate(self, size: int) -> None:
        """The end of the log becomes its first older part. On a full disk it is given up, not the disk."""
        first = f"{self._path}.1"
        try:
            for number in range(LOG_PARTS - 2, 0, -1):
                if os.path.exists(f"{self._path}.{number}"):
                    os.rename(f"{self._path}.{number}", f"{self._path}.{number + 1}")
            self._copy(first, size)
        except OSError:
            with contextlib.suppress(OSError):
                remove(first)
        os.ftruncate(self._file, 0)

    def _copy(self, path: str, size: int) -> None:
        target = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            at = max(0, size - self._part)
            while at < size and (sent := os.sendfile(target, self._file, at, size - at)):
                at += sent
        finally:
            os.close(target)
