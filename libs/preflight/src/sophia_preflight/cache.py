"""What was found out about files, kept between checks: safe to delete, never trusted further than it is ours.

One file per repository below the user's cache directory (never inside the repository: what is unpickled must not come
from what is checked). Facts are kept by path, size, modification time and the tool's own build; a file whose time
changed and whose text did not is read anew, which costs little.
"""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import stat
import sys
import tempfile
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from operator import attrgetter
from pathlib import Path
from typing import Any, BinaryIO

from sophia_preflight.facts import Facts
from sophia_preflight.memory import uncollected
from sophia_preflight.repository import Entry

MOST_BYTES = 400_000_000
_Key = tuple[str, int, int]


@cache
def build() -> str:
    """A digest of this tool's own source and of the Python that runs it: facts of others are not used."""
    digest = hashlib.sha256(sys.version.encode())
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


class _Plain(pickle.Pickler):
    """Writes what `_Ours` reads, as calls of classes: some releases of Python write the word of an enumeration as a
    call of `getattr`, and asking each small value for its state takes longer than all else."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file, protocol=5)
        self._arguments_of: dict[type[Any], Callable[[Any], tuple[Any, ...]] | None] = {}

    def reducer_override(self, value: Any) -> Any:
        kind = type(value)
        if kind not in self._arguments_of:
            self._arguments_of[kind] = _arguments_of(kind)
        arguments = self._arguments_of[kind]
        return NotImplemented if arguments is None else (kind, arguments(value))


def _arguments_of(kind: type[Any]) -> Callable[[Any], tuple[Any, ...]] | None:
    """What makes the arguments by which a value of a class is made again; None where that is not plain."""
    if issubclass(kind, Enum):
        return lambda value: (value.value,)
    if not is_dataclass(kind) or "__slots__" not in vars(kind) or hasattr(kind, "__post_init__"):
        return None
    names = [each.name for each in fields(kind)]
    if not names or any(not each.init or each.kw_only for each in fields(kind)):
        return None
    return attrgetter(*names) if len(names) > 1 else lambda value: (getattr(value, names[0]),)


class _Ours(pickle.Unpickler):
    """Loads nothing but values of this package."""

    def find_class(self, module: str, name: str) -> Any:
        if module.startswith("sophia_preflight.") or (module, name) == ("builtins", "frozenset"):
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"{module}.{name} is not ours")


class Cache:
    """Facts by file. `complete` once every file asked for was known."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.complete = True
        self._before, self._answers_before = self._load()
        self._now: dict[_Key, Facts] = {}
        self._answers: dict[str, Any] = {}
        self._changed = False

    @classmethod
    def none(cls) -> Cache:
        """Remembers nothing."""
        return cls(None)

    @classmethod
    def of(cls, root: Path) -> Cache:
        """The cache of a repository on this machine, for this user."""
        base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
        name = hashlib.sha256(os.fsencode(root.resolve())).hexdigest()[:20]
        return cls(Path(base) / "sophia-check" / name)

    def known(self, entry: Entry) -> Facts | None:
        key = (entry.path, entry.size, entry.modified_ns)
        found = self._before.get(key)
        if found is None:
            self.complete = False
            return None
        self._now[key] = found
        return found

    def keep(self, entry: Entry, facts: Facts) -> None:
        self._now[entry.path, entry.size, entry.modified_ns] = facts
        self._changed = True

    def recalled(self, key: str) -> Any:
        """What was remembered for a key that names everything it depends on; None if nothing was."""
        found = self._answers_before.get(key)
        if found is not None:
            self._answers[key] = found
        return found

    def remember(self, key: str, value: Any) -> None:
        self._answers[key] = value
        self._changed = True

    def save(self) -> None:
        """Write what this check knew, atomically; a cache that cannot be written is none."""
        if self.path is None or (not self._changed and len(self._now) == len(self._before)):
            return
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(dir=self.path.parent)
            with os.fdopen(descriptor, "wb") as file:
                _Plain(file).dump((build(), self._now, self._answers))
            Path(name).replace(self.path)
        except OSError:
            return

    def _load(self) -> tuple[dict[_Key, Facts], dict[str, Any]]:
        if self.path is None:
            return {}, {}
        try:
            with uncollected(), self.path.open("rb") as file:
                status = os.fstat(file.fileno())
                if status.st_uid != os.getuid() or stat.S_IMODE(status.st_mode) & 0o022 or status.st_size > MOST_BYTES:
                    return {}, {}
                made_by, known, answers = _Ours(io.BytesIO(file.read())).load()
        except (
            OSError,
            pickle.UnpicklingError,
            ValueError,
            TypeError,
            EOFError,
            AttributeError,
            ImportError,
            IndexError,
        ):
            return {}, {}
        fits = made_by == build() and isinstance(known, dict) and isinstance(answers, dict)
        return (known, answers) if fits else ({}, {})
