"""Where Node comes from: from this Python's environment, where the bootstrap put one, else from the machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

NODE_MINIMUM = 20
VERSION_SECONDS = 10


def node_home(*, environment: Path | None = None, path: str | None = None) -> Path | None:
    """The directory with `node` and `npm`, to be put first on a child's PATH; None where there is neither.

    `environment` (default: this Python's own) wins over `path` (default: PATH): it holds a Node only where the
    machine's was missing or too old when the environment was made.
    """
    own = (Path(sys.prefix) if environment is None else environment) / "bin"
    for place in (str(own), *(os.environ.get("PATH", "") if path is None else path).split(os.pathsep)):
        if place and shutil.which("node", path=place) and shutil.which("npm", path=place):
            return Path(place)
    return None


def node_version(home: Path) -> tuple[int, ...]:
    """`(20, 11, 0)`; empty, and so older than any, where `node` does not say it."""
    try:
        done = subprocess.run(
            [str(home / "node"), "--version"], capture_output=True, text=True, timeout=VERSION_SECONDS, check=False
        )
        return tuple(int(part) for part in done.stdout.strip().removeprefix("v").split(".") if done.stdout)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return ()
