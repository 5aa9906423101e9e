"""The state directory, `.sophia/`: its mode and its `format` file."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

from sophia_deployment_core.errors import SophiaError

from sophia_infrastructure.codes import DISK_FULL, STATE_NEWER, STATE_UNWRITABLE

FORMAT = 1
"""The layout of the directory. It grows when an older version could no longer find its way in it."""


def prepare(directory: Path) -> None:
    """Make the state directory (0700) with its `format` file; refuse one of a newer format. Idempotent."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        check(directory)
        if not (directory / ".gitignore").exists():
            (directory / ".gitignore").write_text("*\n")  # it lies in somebody's repository
        if not (directory / "format").exists():
            _write_whole(directory / "format", f"{FORMAT}\n")
    except OSError as error:
        raise unusable(directory, error) from error


def check(directory: Path) -> None:
    """Raise `SophiaError` if the directory's format is not one that this version knows."""
    try:
        text = (directory / "format").read_text()
    except FileNotFoundError:
        return
    if text.strip() != str(FORMAT):
        raise SophiaError(
            STATE_NEWER,
            f"`{directory}` has format `{text.strip()[:20]}`, this version of Sophia knows {FORMAT}",
            hint="use the version of Sophia that wrote it, or a newer one",
        )


def unusable(path: Path, error: OSError) -> SophiaError:
    """What a person should read when the operating system refuses `path`."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return SophiaError(DISK_FULL, f"no space left for `{path}`", hint="free some space on that file system")
    because = "it is not a directory" if isinstance(error, FileExistsError) else (error.strerror or str(error)).lower()
    return SophiaError(
        STATE_UNWRITABLE,
        f"`{path}` cannot be used: {because}",
        hint="check its owner and mode, or use another directory",
    )


def _write_whole(path: Path, text: str) -> None:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # several threads may come at once
    new = Path(name)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
        new.replace(path)
    except OSError:
        new.unlink()
        raise
