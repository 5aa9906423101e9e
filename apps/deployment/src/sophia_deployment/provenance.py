"""Where a release comes from: commit, branch, author and whether anything was changed since; told beside its hash."""

from __future__ import annotations

import os
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path

GIT_SECONDS = 30.0
ELSEWHERE = {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY", "GIT_NAMESPACE"}


@dataclass(frozen=True)
class Provenance:
    """What git says about a checkout. Without git, or before the first commit, `commit` is None.

    `dirty`: a file is changed, added or removed against the commit (ignored files do not count). `author` wrote the
    commit, `Name <address>`; `subject` is its first line.
    """

    commit: str | None = None
    branch: str | None = None
    dirty: bool = False
    author: str | None = None
    subject: str | None = None

    def to_data(self) -> dict[str, str | bool | None]:
        return asdict(self)


def of(root: Path) -> Provenance:
    """The provenance of what lies in `root` now. Never raises: where git cannot say, nothing is said."""
    changes = git(root, "status", "--porcelain", "--untracked-files=normal")
    if changes is None:
        return Provenance()
    branch = (git(root, "symbolic-ref", "--quiet", "--short", "HEAD") or "").strip() or None
    head = git(root, "log", "-1", "--no-show-signature", "--format=%H%x00%an <%ae>%x00%s")
    if head is None:
        return Provenance(branch=branch, dirty=bool(changes))
    commit, author, subject = os.fsencode(head).decode(errors="replace").rstrip("\n").split("\0")
    return Provenance(commit, branch, bool(changes), author, subject)


def git(root: Path, *arguments: str, told: str = "") -> str | None:
    """What git prints about the repository that `root` lies in, `told` on its standard input.

    None where there is no git, no repository, no answer.
    Variables that name another repository, as hooks have them, are not passed on; no lock is taken.
    """
    env = {name: value for name, value in os.environ.items() if name not in ELSEWHERE}
    command = ["git", "-C", str(root), *arguments]
    try:
        done = subprocess.run(
            command,
            check=False,
            env={**env, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"},
            input=os.fsencode(told),
            capture_output=True,
            timeout=GIT_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return os.fsdecode(done.stdout) if done.returncode == 0 else None
