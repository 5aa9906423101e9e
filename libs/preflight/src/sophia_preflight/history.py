"""A repository as it was: a revision laid out in a directory, or the files that are otherwise now.

git is asked for objects only (`rev-parse`, `rev-list`, `ls-tree`, `cat-file`): none of these runs filters, hooks or
anything else that a repository may configure, and none is fetched that is not here.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from sophia_preflight.model import Compared, Lacking
from sophia_preflight.repository import Repository
from sophia_preflight.tracking import top_of

MOST_BYTES = 2_000_000
SECONDS = 120
DEPTHS = (64, 24, 8, 3, 1, 0)
"""How many commits back a check looks by itself, as far as no more files differ than `MOST_CHANGED`: what changed as a
whole is another repository and no change. A name that came and went between two of these is not seen."""
MOST_CHANGED = 600
MOST_BYTES_CHANGED = 300_000


class NoSuchRevision(Exception):
    """The revision cannot be had; the message says why."""


@dataclass(frozen=True)
class Past:
    """What was there at some of the last commits: every path, those of the `first` time, and of each file that is gone
    or is otherwise now the texts that it had, the oldest first.

    Empty where that is not known; `compared` says why."""

    paths: frozenset[str] = frozenset()
    texts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    first: frozenset[str] = frozenset()
    compared: Compared = field(default_factory=Compared)


@dataclass(frozen=True, slots=True)
class _Blob:
    path: str
    digest: str
    size: int
    executable: bool


def lay_out(root: Path, revision: str, into: Path) -> frozenset[str]:
    """Write the files of a revision below `into` and say which; links, submodules and huge files are left out."""
    commit = _commit(root, revision)
    wanted = [each for each in _listed(root, _prefix(root), commit) if each.size <= MOST_BYTES]
    for blob, content in zip(wanted, _contents(root, wanted), strict=True):
        target = into / blob.path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        if blob.executable:
            target.chmod(0o755)
    return frozenset(each.path for each in wanted)


def past(repository: Repository, revision: str = "") -> Past:
    """What differs since a revision, or what did at some of the last commits; never raises."""
    digests: dict[str, str] = {}
    try:
        prefix = _prefix(repository.root)
    except NoSuchRevision:
        return _nothing(Lacking.REPOSITORY)
    if revision:
        try:
            commit = _commit(repository.root, revision)
            return _since(repository, prefix, Compared(commit), None, digests) or Past()
        except (NoSuchRevision, ValueError, IndexError):
            return _nothing(Lacking.REVISION)
    ids = commits(repository.root)
    if not ids:
        return _nothing(Lacking.COMMITS if _is_answering(repository.root) else Lacking.GIT)
    found = []
    for back in dict.fromkeys(min(depth, len(ids) - 1) for depth in DEPTHS):
        with contextlib.suppress(NoSuchRevision, ValueError, IndexError):  # it was not there at that time
            found.append(_since(repository, prefix, Compared(ids[back], back), MOST_CHANGED, digests))
    past = _together([each for each in found if each is not None])
    if past.compared.commits:
        return past
    return replace(past, compared=replace(past.compared, lacking=_lacking(repository.root, ids)))


def _nothing(lacking: Lacking) -> Past:
    return Past(compared=Compared(lacking=lacking))


def _is_answering(root: Path) -> bool:
    """Whether git is there, and takes what is there for a repository that it may read."""
    try:
        return bool(_git(root, "rev-parse", "--git-dir"))
    except NoSuchRevision:
        return False


def _lacking(root: Path, ids: Sequence[str]) -> Lacking:
    """Why no commit but the one that is checked out was compared with."""
    if len(ids) > 1:
        return Lacking.ALIKE
    with contextlib.suppress(NoSuchRevision):
        if _git(root, "rev-parse", "--is-shallow-repository").strip() == b"true":
            return Lacking.FETCHED
    return Lacking.EARLIER


def commits(root: Path) -> tuple[str, ...]:
    """The commit that is checked out and those before it, as far back as a check looks; none where there are none."""
    if top_of(root) is None:
        return ()
    try:
        return tuple(_git(root, "rev-list", "--first-parent", f"-n{DEPTHS[0] + 1}", "HEAD").decode().split())
    except NoSuchRevision:
        return ()


def _together(found: Sequence[Past]) -> Past:
    """What was there at one time or another."""
    texts: dict[str, dict[str, None]] = {}
    for each in found:
        for path, text in each.texts.items():
            texts.setdefault(path, {}).update(dict.fromkeys(text))
    paths = frozenset(path for each in found for path in each.paths)
    return Past(
        paths,
        {path: tuple(said) for path, said in texts.items()},
        *((found[0].first, found[0].compared) if found else ()),
    )


def _since(
    repository: Repository, prefix: str, then: Compared, most: int | None, digests: dict[str, str]
) -> Past | None:
    """What differs since a commit; None where that is more than `most` files."""
    root = repository.root
    before = _listed(root, prefix, then.revision)
    changed = [each for each in before if not _is_still(repository, each, digests)]
    if most is not None and len(changed) > most:
        return None
    wanted = [each for each in changed if each.size <= MOST_BYTES_CHANGED]
    texts = {
        each.path: (content.decode("utf-8", "replace").replace("\r\n", "\n"),)
        for each, content in zip(wanted, _contents(root, wanted), strict=True)
        if b"\0" not in content[:8192]
    }
    paths = frozenset(each.path for each in before)
    return Past(paths, texts, paths, then)


def _is_still(repository: Repository, blob: _Blob, digests: dict[str, str]) -> bool:
    """Whether a file is what it was, and where it was; `digests` are those of files that were asked for."""
    path = repository.root / blob.path
    try:
        if path.is_symlink() or path.stat().st_size != blob.size:
            return False
        if blob.path not in digests:
            content = path.read_bytes()
            digest = hashlib.new("sha256" if len(blob.digest) == 64 else "sha1", usedforsecurity=False)
            digest.update(b"blob %d\0" % len(content) + content)
            digests[blob.path] = digest.hexdigest()
    except (OSError, ValueError):
        return False
    return digests[blob.path] == blob.digest


def _commit(root: Path, revision: str) -> str:
    words = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    return _git(root, *words).decode().strip()


def _prefix(root: Path) -> str:
    """Where in its repository of git a directory lies; `.` is the whole."""
    top = top_of(root)
    if top is None:
        raise NoSuchRevision("there is no repository of git")
    return root.resolve().relative_to(top).as_posix()


def _listed(root: Path, prefix: str, commit: str) -> list[_Blob]:
    """The regular files of a commit at and below `root`, which lies at `prefix`, named from there."""
    tree = commit if prefix == "." else f"{commit}:{prefix}"
    found: list[_Blob] = []
    for entry in _git(root, "ls-tree", "-r", "-l", "-z", "--full-tree", tree).split(b"\0"):
        if not entry:
            continue
        about, _, name = entry.partition(b"\t")
        mode, kind, digest, size = about.split()
        path = name.decode("utf-8", "surrogateescape")
        parts = path.split("/")
        if kind == b"blob" and mode != b"120000" and ".." not in parts and ".git" not in parts:
            found.append(_Blob(path, digest.decode(), int(size), mode == b"100755"))
    return found


def _contents(root: Path, blobs: Sequence[_Blob]) -> Iterator[bytes]:
    said = _git(root, "cat-file", "--batch", given="".join(f"{each.digest}\n" for each in blobs).encode())
    at = 0
    for _ in blobs:
        end = said.index(b"\n", at)
        size = int(said[at:end].split()[2])
        yield said[end + 1 : end + 1 + size]
        at = end + 2 + size


def _git(root: Path, *words: str, given: bytes | None = None) -> bytes:
    command = ["git", "--no-optional-locks", "-C", str(root), *words]
    alone = {**os.environ, "GIT_NO_LAZY_FETCH": "1", "GIT_TERMINAL_PROMPT": "0"}
    try:
        done = subprocess.run(command, input=given, capture_output=True, check=False, timeout=SECONDS, env=alone)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoSuchRevision(f"git does not answer: {error}") from error
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise NoSuchRevision(said[-1] if said else f"git {words[0]} failed: is there such a revision?")
    return done.stdout
