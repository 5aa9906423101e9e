"""What git tracks, read from its index: a tracked file belongs to the repository whatever .gitignore says of it.

Reading the index runs nothing. What cannot be read as one (none there, damaged, of a later form) tracks nothing.
"""

from __future__ import annotations

import os
import re
import struct
from pathlib import Path

MOST_BYTES = 200_000_000
_STAT_BYTES = 40
_EXTENDED = 0x4000


def tracked(root: Path) -> frozenset[str]:
    """Paths below `root` that the repository around it tracks, relative to `root`."""
    top = top_of(root)
    if top is None:
        return frozenset()
    inner = root.resolve().relative_to(top).as_posix()
    prefix = "" if inner == "." else f"{inner}/"
    return frozenset(path[len(prefix) :] for path in _listed(_administration(top)) if path.startswith(prefix))


def top_of(root: Path) -> Path | None:
    """The directory of the working tree of git that `root` is or lies in; None where there is none."""
    here = root.resolve()
    return next((each for each in (here, *here.parents) if os.path.exists(f"{each}/.git")), None)


def _administration(directory: Path) -> Path:
    """The directory of git's own files, which a working tree or submodule only points to."""
    marker = directory / ".git"
    if marker.is_dir():
        return marker
    said = _start_of(marker, 4096).decode("utf-8", "surrogateescape")
    return directory / said.partition("gitdir:")[2].strip()


def _listed(administration: Path) -> list[str]:
    raw = _start_of(administration / "index", MOST_BYTES)
    digest = 32 if re.search(rb"objectformat\s*=\s*sha256", _start_of(administration / "config", 65_536)) else 20
    try:
        return _entries(raw, digest)
    except (struct.error, ValueError, IndexError):
        return []


def _start_of(path: Path, most: int) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(most)
    except OSError:
        return b""


def _entries(raw: bytes, digest: int) -> list[str]:
    """Paths of an index of version 2, 3 or 4 (git's `index-format` documentation)."""
    mark, version, count = struct.unpack_from(">4sII", raw)
    if mark != b"DIRC" or version not in (2, 3, 4):
        return []
    found: list[str] = []
    at, name = 12, b""
    for _ in range(count):
        (flags,) = struct.unpack_from(">H", raw, at + _STAT_BYTES + digest)
        start = at + _STAT_BYTES + digest + (4 if flags & _EXTENDED else 2)
        if version == 4:
            dropped, start = _number(raw, start)
            end = raw.index(b"\0", start)
            name = name[: len(name) - dropped] + raw[start:end]
            at = end + 1
        else:
            end = raw.index(b"\0", start)
            name = raw[start:end]
            at += (end - at + 8) // 8 * 8
        found.append(name.decode("utf-8", "surrogateescape"))
    return found


def _number(raw: bytes, at: int) -> tuple[int, int]:
    """A number in git's form of variable width, and where it ends."""
    value = raw[at] & 0x7F
    while raw[at] & 0x80:
        at += 1
        value = ((value + 1) << 7) | (raw[at] & 0x7F)
    return value, at + 1
