"""A revision of a repository laid out in a directory, so that it can be checked as it was.

git is asked for objects only (`rev-parse`, `ls-tree`, `cat-file`): none of these runs filters, hooks or anything else
that a repository may configure.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

MOST_BYTES = 2_000_000
SECONDS = 120


class NoSuchRevision(Exception):
    """The revision cannot be had; the message says why."""


def lay_out(root: Path, revision: str, into: Path) -> frozenset[str]:
    """Write the files of a revision below `into` and say which; links, submodules and huge files are left out."""
    top = Path(_git(root, "rev-parse", "--show-toplevel").decode().strip())
    commit = (
        _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}").decode().strip()
    )
    prefix = root.resolve().relative_to(top.resolve()).as_posix()
    tree = commit if prefix == "." else f"{commit}:{prefix}"
    wanted: list[tuple[str, str, bool]] = []
    for entry in _git(root, "ls-tree", "-r", "-l", "-z", "--full-tree", tree).split(b"\0"):
        if not entry:
            continue
        about, _, name = entry.partition(b"\t")
        mode, kind, digest, size = about.split()
        path = name.decode("utf-8", "surrogateescape")
        parts = path.split("/")
        if (
            kind == b"blob"
            and mode != b"120000"
            and int(size) <= MOST_BYTES
            and ".." not in parts
            and ".git" not in parts
        ):
            wanted.append((digest.decode(), path, mode == b"100755"))
    contents = _git(root, "cat-file", "--batch", given="".join(f"{digest}\n" for digest, _, _ in wanted).encode())
    at = 0
    for _, path, executable in wanted:
        end = contents.index(b"\n", at)
        size_given = int(contents[at:end].split()[2])
        target = into / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(contents[end + 1 : end + 1 + size_given])
        if executable:
            target.chmod(0o755)
        at = end + 2 + size_given
    return frozenset(path for _, path, _ in wanted)


def _git(root: Path, *words: str, given: bytes | None = None) -> bytes:
    command = ["git", "--no-optional-locks", "-C", str(root), *words]
    try:
        done = subprocess.run(command, input=given, capture_output=True, check=False, timeout=SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoSuchRevision(f"git does not answer: {error}") from error
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise NoSuchRevision(said[-1] if said else f"git {words[0]} failed: is there such a revision?")
    return done.stdout
