"""Bundles by what they hold: the `Artifacts` port on directories, and how a bundle gets in.

    artifacts/<digest>/       the tree; files are read-only
    artifacts/<digest>.json   its entries, so that a tampered file can be named
    artifacts/.new-*          a store at work, or what one that was killed left behind

A digest is the sha256 of the entries' canonical JSON: paths, the executable bit, contents, targets of links. Times,
owners, umask and the order of reading are no part of it; neither are empty directories, which a bundle does not have.
A tree is complete and on the disk before it gets its name, so what has a name is whole.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, Literal, TypeVar

from sophia_deployment_core.canonical import canonical
from sophia_deployment_core.canonical import digest as digest_of
from sophia_deployment_core.errors import SophiaError

from sophia_infrastructure.codes import ARTIFACT_MISSING, ARTIFACT_REFUSED, ARTIFACT_TAMPERED
from sophia_infrastructure.places import Places
from sophia_infrastructure.state.directory import unusable

CHUNK_BYTES = 1 << 20
WORKERS = 4
"""Reading, hashing and flushing side by side: hashing leaves Python's lock, and flushes wait for the disk together."""
MOST_HOPS = 40
"""As many links as Linux follows for one path."""
MOST_NAMED = 5

_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

Tree = Iterable[tuple[str, Path]]
"""Path inside the bundle, written with `/`, and the file or link that is to lie there."""
Progress = Callable[[int, int], None]
"""Told bytes done and bytes in all; called from other threads, one at a time."""


@dataclass(frozen=True, order=True)
class Entry:
    """One file or link of a bundle; `size` and `sha256` are a file's, `target` a link's."""

    path: str
    kind: Literal["file", "link"] = "file"
    executable: bool = False
    size: int = 0
    sha256: str = ""
    target: str = ""

    def to_data(self) -> dict[str, Any]:
        if self.kind == "link":
            return {"path": self.path, "kind": "link", "target": self.target}
        return {
            "path": self.path,
            "kind": "file",
            "executable": self.executable,
            "size": self.size,
            "sha256": self.sha256,
        }


def bundle_digest(entries: Iterable[Entry]) -> str:
    """What names a bundle of these entries, in whatever order they come."""
    return digest_of({"v": 1, "entries": [entry.to_data() for entry in sorted(entries)]})


class FileArtifacts:
    """The bundles of one state directory. Several processes may use it at once, storing the same bundle too."""

    def __init__(self, places: Places) -> None:
        self._root = places.artifacts

    # --- the port ---------------------------------------------------------------------------------------------------

    def has(self, digest: str) -> bool:
        return bool(_DIGEST.fullmatch(digest)) and (self._root / digest).is_dir()

    def path(self, digest: str) -> Path:
        """The tree of a stored bundle. Raises `SophiaError` if there is none."""
        if not self.has(digest):
            raise SophiaError(
                ARTIFACT_MISSING,
                f"there is no bundle `{digest[:12]}`",
                hint="`sophia build` makes the bundles of the sources you have now",
                facts={"digest": digest},
            )
        return self._root / digest

    def check(self, digest: str) -> None:
        """Hash the stored tree again; raises `SophiaError` that names what is not as it was stored."""
        if faults := self._faults(digest):
            named = ", ".join(faults[:MOST_NAMED]) + (
                f" and {len(faults) - MOST_NAMED} more" if len(faults) > MOST_NAMED else ""
            )
            raise SophiaError(
                ARTIFACT_TAMPERED,
                f"bundle `{digest[:12]}` is not what was stored: {named}",
                hint="`sophia build` from the same sources stores it anew; find out who changed "
                f"`{self._root / digest}` first",
                facts={"digest": digest, "faults": list(faults)},
            )

    def remove(self, digest: str) -> None:
        """Remove a bundle. It is gone at once, and removing it again does nothing."""
        if self.has(digest):
            try:
                self._set_aside(digest)
                self._entries_file(digest).unlink(missing_ok=True)
            except OSError as error:
                raise unusable(self._root / digest, error) from error
        self._sweep()

    def digests(self) -> Sequence[str]:
        try:
            names = os.listdir(self._root)
        except FileNotFoundError:
            return []
        return sorted(name for name in names if self.has(name))

    # --- storing ----------------------------------------------------------------------------------------------------

    def stored_ms(self, digest: str) -> int:
        """Wall time at which the bundle was stored last; storing what is there already counts."""
        try:
            return self._entries_file(digest).stat().st_mtime_ns // 1_000_000
        except FileNotFoundError:
            return 0

    def store(self, tree: Tree, *, on_progress: Progress | None = None) -> str:
        """Keep a copy of these files and links and return its digest, once it is on the disk whole.

        Nothing is written if the bundle is there already; one that was tampered with is replaced. Raises `SophiaError`
        for what no bundle may hold (links that are absolute or lead out of it, devices, sockets, names that are not
        UTF-8), for files that change meanwhile, and when the disk is full; then nothing new has a name.
        """
        listing = _listed(tree)
        count = _Count(sum(_size(source) for _, source in listing), on_progress)
        entries = list(_side_by_side(lambda each: _read(*each, count=count), listing))
        _refuse_links_out(entries)
        digest = bundle_digest(entries)
        try:
            if self.has(digest) and not self._faults(digest):
                with contextlib.suppress(FileNotFoundError):  # stored anew by somebody else at this moment
                    os.utime(self._entries_file(digest))
            else:
                self._write(digest, entries, dict(listing))
        except OSError as error:
            raise unusable(self._root, error) from error
        return digest

    def _write(self, digest: str, entries: Sequence[Entry], sources: Mapping[str, Path]) -> None:
        self._root.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._root.mkdir(mode=0o700, exist_ok=True)
        self._sweep()
        with self._workspace() as place:
            tree = place / "tree"
            for entry in entries:
                (tree / entry.path).parent.mkdir(parents=True, exist_ok=True)
            for _ in _side_by_side(lambda entry: _copy(entry, sources[entry.path], tree / entry.path), entries):
                pass
            for directory, _, _ in os.walk(tree, topdown=False):
                os.chmod(directory, 0o755)
                _flush(Path(directory))
            _write_durably(place / "entries", canonical([entry.to_data() for entry in sorted(entries)]))
            os.replace(place / "entries", self._entries_file(digest))
            self._name(digest, tree)
        _flush(self._root)

    def _name(self, digest: str, tree: Path) -> None:
        """Give the finished tree its name. Another store of the same content may be first: then its tree is as good."""
        try:
            os.rename(tree, self._root / digest)
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise
            if self._faults(digest):
                self._set_aside(digest)
                os.rename(tree, self._root / digest)

    def _entries_file(self, digest: str) -> Path:
        return self._root / f"{digest}.json"

    @contextmanager
    def _workspace(self) -> Iterator[Path]:
        """A directory that is locked while we work in it, so that others know whether it is still wanted."""
        while True:
            place = Path(tempfile.mkdtemp(prefix=".new-", dir=self._root))
            try:
                descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
            except FileNotFoundError:  # swept away already
                continue
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if place.exists():  # nobody swept it away between making and locking it
                break
            os.close(descriptor)
        try:
            yield place
        finally:
            shutil.rmtree(place, ignore_errors=True)
            os.close(descriptor)

    def _set_aside(self, digest: str) -> None:
        """Take a tree's name away in one step; what is left of it is swept."""
        with suppress(FileNotFoundError):
            os.rename(self._root / digest, tempfile.mkdtemp(prefix=".new-", dir=self._root))

    def _sweep(self) -> None:
        """Remove what killed stores and removals left behind."""
        for place in self._root.glob(".new-*"):
            with suppress(OSError):
                descriptor = os.open(place, os.O_RDONLY | os.O_NOFOLLOW)
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(place) if place.is_dir() else place.unlink()
                finally:
                    os.close(descriptor)

    # --- checking ---------------------------------------------------------------------------------------------------

    def _faults(self, digest: str) -> Sequence[str]:
        """How the stored tree differs from what its digest says, each as a few words; none if it does not."""
        root = self.path(digest)
        listing, strange = _walked(root)
        found = []
        for each in listing:
            try:
                found.append(_read(*each))
            except SophiaError as error:
                strange.append(error.message)
        if not strange and bundle_digest(found) == digest:
            return ()
        return strange + _difference(self._stored_entries(digest), [entry.to_data() for entry in found])

    def _stored_entries(self, digest: str) -> list[dict[str, Any]] | None:
        """What was stored, if the note about it is itself as it was."""
        try:
            entries = json.loads(self._entries_file(digest).read_bytes())
            return entries if digest_of({"v": 1, "entries": entries}) == digest else None
        except (OSError, ValueError, TypeError):
            return None


# --- trees ----------------------------------------------------------------------------------------------------------


def _listed(tree: Tree) -> list[tuple[str, Path]]:
    """The tree sorted by path; refuses paths that cannot lie beside each other in a directory."""
    listing: dict[str, Path] = {}
    for path, source in tree:
        if path in listing and listing[path] != source:
            raise _refused(f"`{shown(path)}` comes from two files: `{shown(listing[path])}` and `{shown(source)}`")
        listing[path] = source
    for path in listing:
        if "\0" in path or any(part in ("", ".", "..") for part in path.split("/")):
            raise _refused(f"`{shown(path)}` is not a path inside a bundle")
        if _not_utf8(path):
            raise _refused(f"the name of `{shown(path)}` is not UTF-8", hint="rename the file")
        for parent in Path(path).parents:
            if str(parent) in listing:
                raise _refused(f"`{shown(parent)}` would be both a file and the directory of `{shown(path)}`")
    if not listing:
        raise _refused("a bundle with nothing in it", hint="name the files to ship under `bundle.include`")
    return sorted(listing.items())


def _read(path: str, source: Path, count: _Count | None = None) -> Entry:
    """The entry of what lies at `source` now."""
    try:
        found = source.lstat()
        if stat.S_ISLNK(found.st_mode):
            return Entry(path, "link", target=os.readlink(source))
        with _opened(source) as file:
            executable = bool(os.fstat(file).st_mode & stat.S_IXUSR)
            size, sha256 = _drain(file, lambda chunk: count.add(len(chunk)) if count else None)
            return Entry(path, executable=executable, size=size, sha256=sha256)
    except OSError as error:
        raise _refused(f"`{shown(source)}` cannot be read: {_because(error)}", hint="who owns it?") from error


@contextmanager
def _opened(source: Path) -> Iterator[int]:
    """A descriptor of a regular file; everything else is refused, and nothing is waited for."""
    if kind := _kind(source):
        raise _refused(f"`{shown(source)}` is {kind}", hint="a bundle holds files and links")
    file = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        yield file
    finally:
        os.close(file)


def _drain(file: int, take: Callable[[bytes], object]) -> tuple[int, str]:
    """Size and sha256 of what was read, after `take` had each part of it."""
    sha256, size = hashlib.sha256(), 0
    while chunk := os.read(file, CHUNK_BYTES):
        sha256.update(chunk)
        take(chunk)
        size += len(chunk)
    return size, sha256.hexdigest()


def _copy(entry: Entry, source: Path, destination: Path) -> None:
    """Write the entry; what is written is what was hashed, or it is refused."""
    if entry.kind == "link":
        os.symlink(entry.target, destination)
        return
    with _opened(source) as file:
        written = os.open(destination, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            size, sha256 = _drain(file, lambda chunk: _write_all(written, chunk))
            os.fchmod(written, 0o555 if entry.executable else 0o444)
            os.fsync(written)
        finally:
            os.close(written)
    if (size, sha256) != (entry.size, entry.sha256):
        raise _refused(
            f"`{shown(source)}` changed while it was stored", hint="is another build running? then try again"
        )


def _write_all(file: int, chunk: bytes) -> None:
    view = memoryview(chunk)
    while view:
        view = view[os.write(file, view) :]


def _walked(root: Path) -> tuple[list[tuple[str, Path]], list[str]]:
    """Every file and link below `root`, and what else is there, in words."""
    listing, strange = [], []
    for directory, names, files in os.walk(root):
        place = Path(directory)
        links = [name for name in names if (place / name).is_symlink()]
        inside = [(str((place / name).relative_to(root)), place / name) for name in sorted([*files, *links])]
        listing += [each for each in inside if not _not_utf8(each[0])]
        strange += [f"`{shown(path)}` was added" for path, _ in inside if _not_utf8(path)]
        if not inside and not names:
            strange.append(f"`{shown(place.relative_to(root))}` was added")
    return listing, strange


def _refuse_links_out(entries: Iterable[Entry]) -> None:
    links = {entry.path: entry.target for entry in entries if entry.kind == "link"}
    for path, target in links.items():
        if _not_utf8(target):
            raise _refused(
                f"`{shown(path)}` is a link to `{shown(target)}`, which is not UTF-8", hint="rename the file"
            )
        if leads_out(path, links):
            raise _refused(
                f"`{shown(path)}` is a link to `{shown(target)}`, which leads out of the bundle",
                hint="ship the file itself, or make the link relative to something that is shipped too",
            )


def leads_out(path: str, links: Mapping[str, str]) -> bool:
    """Whether following the link at `path` leaves the tree, in which all links are `links` (path -> target).

    Not a matter of counting `..`: behind another link, `..` is the parent of where that one leads.
    """
    here, ahead, hops = path.split("/")[:-1], [links[path]], 0
    while ahead and hops <= MOST_HOPS:  # more than that is a circle, which leads nowhere
        if ahead[-1].startswith("/"):
            return True
        part, _, rest = ahead.pop().partition("/")
        if rest := rest.lstrip("/"):
            ahead.append(rest)
        if part == "..":
            if not here:
                return True
            here.pop()
        elif part not in ("", "."):
            here.append(part)
            if (inner := links.get("/".join(here))) is not None:
                hops += 1
                here.pop()
                ahead.append(inner)
    return False


def _difference(stored: list[dict[str, Any]] | None, found: list[dict[str, Any]]) -> list[str]:
    if stored is None:
        return ["its list of files does not fit its digest either"]
    was, now = ({entry["path"]: entry for entry in entries} for entries in (stored, found))
    return [
        *(f"`{shown(path)}` is missing" for path in sorted(was.keys() - now.keys())),
        *(f"`{shown(path)}` was added" for path in sorted(now.keys() - was.keys())),
        *(_changed(path, was[path], now[path]) for path in sorted(was.keys() & now.keys()) if was[path] != now[path]),
    ]


def _changed(path: str, was: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    if was["kind"] != now["kind"]:
        return f"`{shown(path)}` was a {was['kind']} and is a {now['kind']}"
    if was["kind"] == "link":
        return f"`{shown(path)}` led to `{shown(was['target'])}` and leads to `{shown(now['target'])}`"
    if was["sha256"] == now["sha256"]:
        return f"`{shown(path)}` {'became' if now['executable'] else 'is no longer'} executable"
    return f"`{shown(path)}` was changed ({was['size']} bytes, now {now['size']})"


# --- words and small things -----------------------------------------------------------------------------------------


class _Count:
    """Adds up what several threads have read, and tells it, one at a time."""

    def __init__(self, total: int, tell: Progress | None) -> None:
        self._done, self._total, self._tell, self._lock = 0, total, tell, Lock()

    def add(self, size: int) -> None:
        with self._lock:
            self._done += size
            if self._tell:
                self._tell(self._done, self._total)


def _side_by_side(act: Callable[[_Item], _Result], items: Sequence[_Item]) -> Iterator[_Result]:
    """`act` of each item, in order. The first failure stops the rest."""
    pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="artifacts")
    try:
        yield from pool.map(act, items)
    finally:
        pool.shutdown(cancel_futures=True)


def _write_durably(path: Path, text: str) -> None:
    with path.open("w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _flush(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def shown(path: str | Path) -> str:
    """A path as it may stand in a message: no control codes, and bytes that are not UTF-8 as `\\udc..`."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in str(path))


def _size(source: Path) -> int:
    try:
        found = source.lstat()
    except OSError:  # told when it is read
        return 0
    return found.st_size if stat.S_ISREG(found.st_mode) else 0


def _kind(source: Path) -> str:
    mode = source.lstat().st_mode
    kinds = {stat.S_IFREG: "", stat.S_IFDIR: "a directory", stat.S_IFSOCK: "a socket", stat.S_IFIFO: "a named pipe"}
    return kinds.get(stat.S_IFMT(mode), "a device")


def _not_utf8(name: str) -> bool:
    return not name.isascii() and any("\ud800" <= character <= "\udfff" for character in name)


def _because(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def _refused(message: str, hint: str | None = None) -> SophiaError:
    return SophiaError(ARTIFACT_REFUSED, message, hint=hint)
