"""Git repositories in temporary directories, independent of whoever runs the tests and of their settings."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

ENVIRONMENT = {
    "PATH": os.environ.get("PATH", os.defpath),
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "An Owner",
    "GIT_AUTHOR_EMAIL": "owner@example.org",
    "GIT_COMMITTER_NAME": "An Owner",
    "GIT_COMMITTER_EMAIL": "owner@example.org",
}


def git(root: Path, *arguments: str) -> str:
    """What git prints; raises CalledProcessError with its message."""
    command = ["git", "-C", str(root), *arguments]
    return subprocess.run(
        command, env=ENVIRONMENT, check=True, capture_output=True, text=True, timeout=60
    ).stdout.strip()


def make_repository(root: Path) -> None:
    """Make `root` a repository on branch main; nothing is committed yet."""
    git(root, "init", "--quiet", "--initial-branch", "main")


def commit(root: Path, message: str) -> str:
    """Commit everything in `root`, even when nothing changed; the commit's id."""
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--allow-empty", "--message", message)
    return git(root, "rev-parse", "HEAD")
