"""A copy of this checkout's sources that a test may build, change and throw away."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.support.repository import commit, make_repository

ROOT = Path(__file__).resolve().parents[2]
TURBO = ROOT / "node_modules/.bin/turbo"


def copy_checkout(copy: Path) -> Path:
    """A repository at `copy` with the sources of this one, committed, and with its installed npm packages."""
    for name in _sources():
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, copy / name)
    make_repository(copy)
    commit(copy, "all of it")
    (copy / "node_modules").symlink_to(ROOT / "node_modules")
    return copy


def _sources() -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "apps", "libs", ":(top,glob)*"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return [name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]
