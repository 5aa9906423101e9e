"""A repository as it lies on disk: which files there are, what they say, and what is no longer or not yet there.

Nothing is ever run, git included: ignore files and submodules are read here. Reading is bounded and never raises; what
could not be read is a `Trouble`, which becomes a finding. Paths are relative to the root, with `/`, and exact.
"""

from __future__ import annotations

import configparser
import hashlib
import os
import posixpath
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from sophia_preflight.ignoring import GitIgnore, any_ignores
from sophia_preflight.packed import Packed
from sophia_preflight.text import plain
from sophia_preflight.tracking import tracked

MOST_FILES = 200_000
MOST_BYTES = 4_000_000
MOST_KEPT = 40_000_000
"""Characters of texts that are kept for who asks again."""
DEEPEST = 60
SKIPPED = frozenset(
    {
        ".git", ".hg", ".svn", "node_modules", ".venv", "venv", "__pycache__", ".mypy_cache", ".ruff_cache", ".tox",
        ".pytest_cache", ".nox", ".turbo", ".terraform", ".next", ".nuxt", ".sophia", "site-packages", ".eggs",
        "bower_components", ".cache", ".idea",
    }
)  # fmt: skip
"""Directories that hold no source of the repository, whether git ignores them or not."""
_HIDDEN = re.compile(r"(^|/)\.(?![./])[^/]+")
_MANY = 40
VENDORED = re.compile(r"(^|/)(vendor|vendored|third[_-]party|_vendor|extern|external_libs)/")


@dataclass(frozen=True)
class Trouble:
    """A file that could not be read as it stands, and what a reader of it should know."""

    path: str
    message: str
    line: int = 1
    column: int = 1


@dataclass(frozen=True, slots=True)
class Entry:
    """A file as the directory listing shows it; `target` is where a symbolic link leads, relative to the root."""

    path: str
    size: int
    modified_ns: int
    executable: bool
    target: str | None = None


class Repository:
    """The files below `root` that belong to the repository: what git tracks (given, or read from its index), and
    what it does not ignore."""

    def __init__(self, root: Path, tracked: frozenset[str] | None = None) -> None:
        self.root = root
        self._tracked = tracked
        self.troubles: list[Trouble] = []
        self._ignores: dict[str, list[tuple[str, GitIgnore]]] = {}
        self._texts: dict[str, str] = {}
        self._glimpses: dict[str, str] = {}
        self._kept = 0
        self._raw: dict[str, bytes] = {}
        self.directories: set[str] = set()
        self.linked_directories: dict[str, str] = {}
        self.broken_links: set[str] = set()
        self.outside_links: set[str] = set()

    # --- which files there are ---------------------------------------------------------------------------------------

    @cached_property
    def entries(self) -> dict[str, Entry]:
        """Path -> entry, sorted; ignored and skipped ones left out. Finding them fills the sets of directories."""
        found: dict[str, Entry] = {}
        for entry in self._walk("", self._outer_ignores(), 0):
            if len(found) >= MOST_FILES:
                self.troubles.append(Trouble(entry.path, f"more than {MOST_FILES:,} files; the rest is not looked at"))
                break
            found[entry.path] = entry
        return dict(sorted(found.items()))

    @cached_property
    def tracked(self) -> frozenset[str]:
        """What git tracks, as far as it can be read."""
        return tracked(self.root) if self._tracked is None else self._tracked

    @cached_property
    def _tracked_directories(self) -> frozenset[str]:
        return frozenset(path[:at] for path in self.tracked for at in range(len(path)) if path[at] == "/")

    def _outer_ignores(self) -> list[tuple[str, GitIgnore]]:
        text = self._raw_text(".git/info/exclude") if (self.root / ".git").is_dir() else None
        return [("", GitIgnore(text))] if text else []

    def _walk(
        self, directory: str, ignores: list[tuple[str, GitIgnore]], depth: int, *, ignored: bool = False
    ) -> Iterator[Entry]:
        try:
            listed = sorted(os.scandir(self.root / directory), key=lambda each: each.name)
        except OSError as error:
            self.troubles.append(Trouble(directory or ".", f"the directory cannot be listed: {error.strerror}"))
            return
        if any(each.name == ".gitignore" for each in listed):
            text = self._raw_text(posixpath.join(directory, ".gitignore"))
            ignores = [*ignores, (directory, GitIgnore(text or ""))]
        self._ignores[directory] = ignores
        for each in listed:
            path = f"{directory}/{each.name}" if directory else each.name
            try:
                yield from self._entry(each, path, ignores, depth, ignored=ignored)
            except OSError as error:
                self.troubles.append(Trouble(path, f"it cannot be looked at: {error.strerror}"))

    def _entry(
        self,
        each: os.DirEntry[str],
        path: str,
        ignores: list[tuple[str, GitIgnore]],
        depth: int,
        *,
        ignored: bool,
    ) -> Iterator[Entry]:
        if each.is_symlink():
            yield from self._link(each, path)
            return
        known = each.stat(follow_symlinks=False)
        if stat.S_ISDIR(known.st_mode):
            if each.name in SKIPPED or self._is_environment(path):
                return
            ignored = ignored or any_ignores(ignores, path, directory=True)
            if ignored and path not in self._tracked_directories:
                return
            if depth >= DEEPEST:
                self.troubles.append(Trouble(path, f"deeper than {DEEPEST} directories; not looked at"))
                return
            self.directories.add(path)
            yield from self._walk(path, ignores, depth + 1, ignored=ignored)
        elif stat.S_ISREG(known.st_mode):
            if (ignored or any_ignores(ignores, path, directory=False)) and path not in self.tracked:
                return
            yield Entry(path, known.st_size, known.st_mtime_ns, bool(known.st_mode & 0o111))

    def _link(self, each: os.DirEntry[str], path: str) -> Iterator[Entry]:
        """A link is an entry of its own and is never walked through, so that loops cannot be walked."""
        target = os.path.realpath(self.root / path)
        inside = os.path.relpath(target, os.path.realpath(self.root))
        try:
            known = each.stat()
        except OSError:
            self.broken_links.add(path)
            return
        if inside.startswith(".."):
            self.outside_links.add(path)
        if stat.S_ISDIR(known.st_mode):
            self.linked_directories[path] = inside
        else:
            yield Entry(path, known.st_size, known.st_mtime_ns, bool(known.st_mode & 0o111), inside)

    def _is_environment(self, path: str) -> bool:
        return (self.root / path / "pyvenv.cfg").is_file()

    @cached_property
    def submodules(self) -> frozenset[str]:
        """Where .gitmodules puts other repositories; what lies there is theirs, checked out or not."""
        text = self._raw_text(".gitmodules")
        parser = configparser.ConfigParser(interpolation=None, strict=False)
        try:
            parser.read_string(text or "")
        except configparser.Error:
            return frozenset()
        return frozenset(parser[name]["path"].strip("/") for name in parser.sections() if "path" in parser[name])

    @cached_property
    def state(self) -> str:
        """A digest of the tree as its directories, git's index and what it is told to ignore show it: with the same
        one, every question about paths has the same answer, and every file the text that it had."""
        shown = (
            list(self.entries.values()), sorted(self.directories), sorted(self.linked_directories.items()),
            sorted(self.broken_links), sorted(self.outside_links), sorted(self.tracked), self.troubles,
            self._raw_text(".git/info/exclude"),
        )  # fmt: skip
        return hashlib.sha256(repr(shown).encode("utf-8", "surrogateescape")).hexdigest()

    # --- questions about paths ---------------------------------------------------------------------------------------

    def is_file(self, path: str) -> bool:
        return self.resolved(path) in self.entries

    def is_directory(self, path: str) -> bool:
        resolved = self.resolved(path)
        return resolved in ("", ".") or resolved in self.directories

    def exists(self, path: str) -> bool:
        return self.is_file(path) or self.is_directory(path)

    def resolved(self, path: str) -> str:
        """The path with linked directories followed; equal to `path` where there are none."""
        self.entries  # noqa: B018  # the walk fills the rest
        for _ in range(8):
            link = next((each for each in self.linked_directories if path == each or path.startswith(each + "/")), None)
            if link is None:
                break
            path = posixpath.normpath(posixpath.join(self.linked_directories[link], path[len(link) + 1 :]))
        return path

    def is_ignored(self, path: str) -> bool:
        """Whether git would ignore a file or directory of that path, were it there: made, not written."""
        self.entries  # noqa: B018  # the walk fills the rest
        parts = path.split("/")
        for length in range(1, len(parts) + 1):
            inner = "/".join(parts[:length])
            if parts[length - 1] in SKIPPED:
                return True
            chain = self._chain("/".join(parts[: length - 1]))
            if any_ignores(chain, inner, directory=length < len(parts)) or any_ignores(chain, inner, directory=True):
                return True
        return False

    def _chain(self, directory: str) -> list[tuple[str, GitIgnore]]:
        while directory and directory not in self._ignores:
            directory = posixpath.dirname(directory)
        return self._ignores.get(directory, [])

    def is_foreign(self, path: str) -> bool:
        """In a submodule or behind a link out of the repository: what is there cannot be known from here."""
        places = (*self.submodules, *self.outside_links, *self.broken_links)
        return any(path == each or path.startswith(each + "/") for each in places)

    def is_left_out(self, path: str) -> bool:
        """Whether the tree was packed without a path: what is hidden, if it has many files of which none is, and what
        archives are told to leave out."""
        hidden = bool(_HIDDEN.search(path)) and len(self.entries) >= _MANY and not self._hides
        return hidden or self._packed.leaves_out(path)

    @cached_property
    def _packed(self) -> Packed:
        return Packed(self)

    @cached_property
    def _hides(self) -> bool:
        return any(map(_HIDDEN.search, self.entries))

    @cached_property
    def by_name(self) -> dict[str, list[str]]:
        """Base name -> paths."""
        found: dict[str, list[str]] = {}
        for path in self.entries:
            found.setdefault(posixpath.basename(path), []).append(path)
        return found

    def ending_with(self, path: str) -> list[str]:
        """Files whose path is `path` or ends with `/path`."""
        named = self.by_name.get(posixpath.basename(path), [])
        return [each for each in named if each == path or each.endswith("/" + path)]

    @cached_property
    def _by_folder(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for path in self.entries:
            found.setdefault(posixpath.dirname(path), []).append(path)
        return found

    def beside(self, directory: str) -> list[str]:
        """Files that lie in a directory itself; those of the top in `""`."""
        return self._by_folder.get(directory, [])

    def inside(self, directory: str) -> Iterator[str]:
        """Files below a directory, at any depth."""
        prefix = "" if directory in ("", ".") else directory.rstrip("/") + "/"
        return (path for path in self.entries if path.startswith(prefix))

    # --- what they say -----------------------------------------------------------------------------------------------

    def text(self, path: str) -> str:
        """The file as text; what is no text is empty, and a `Trouble`."""
        if path not in self._texts:
            self._texts[path] = self._decoded(path)
        return self._texts[path]

    def glimpse(self, path: str) -> str:
        """The file as text, or nothing: what cannot be read is no `Trouble`. Kept as far as `MOST_KEPT` reaches."""
        if path in self._texts:
            return self._texts[path]
        if path in self._glimpses:
            return self._glimpses[path]
        try:
            with (self.root / path).open("rb") as file:
                text = decoded(file.read(MOST_BYTES))
        except (OSError, ValueError):
            text = ""
        if self._kept < MOST_KEPT:
            self._kept += len(text)
            self._glimpses[path] = text
        return text

    def raw(self, path: str) -> bytes:
        """At most `MOST_BYTES` of the file, read once."""
        if path not in self._raw:
            try:
                with (self.root / path).open("rb") as file:
                    self._raw[path] = file.read(MOST_BYTES + 1)
            except (OSError, ValueError) as error:
                said = getattr(error, "strerror", None) or str(error)
                self.troubles.append(Trouble(path, f"it cannot be read: {said}"))
                self._raw[path] = b""
        return self._raw[path]

    def _decoded(self, path: str) -> str:
        raw = self.raw(path)
        if len(raw) > MOST_BYTES:
            self.troubles.append(Trouble(path, f"larger than {MOST_BYTES:,} bytes; not looked at"))
            return ""
        try:
            return decoded(raw)
        except ValueError as error:
            self.troubles.append(Trouble(path, str(error)))
            return ""

    def _raw_text(self, path: str) -> str | None:
        try:
            return (self.root / path).read_bytes()[:MOST_BYTES].decode("utf-8", "replace")
        except OSError:
            return None


def decoded(raw: bytes) -> str:
    """Text from bytes, its lines ended as elsewhere. UTF-8 first, UTF-16 by its mark, else Latin-1; `ValueError` for
    what is binary."""
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        try:
            return plain(raw.decode("utf-16").replace("\r\n", "\n"))
        except UnicodeDecodeError:
            raise ValueError("neither UTF-16, which its first bytes promise, nor other text") from None
    if b"\0" in raw[:8192]:
        raise ValueError("a binary file where text is expected")
    raw = raw.replace(b"\r\n", b"\n")
    try:
        return plain(raw.decode("utf-8-sig"))
    except UnicodeDecodeError:
        return plain(raw.decode("latin-1"))
