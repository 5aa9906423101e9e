"""Reading a ledger to prove or to keep it: `verify` a live database or an exported file, `export` one.

Constant memory, and no lock that an engine would feel: entries are read in short transactions of a few thousand,
which is one consistent story because nothing that was appended ever changes.

An export is NDJSON, one entry a line with its body's stored text, and ends with a line that holds the head:

    {"seq":1,"at_ms":…,"epoch":0,"run":"…","kind":"run submitted","key":"…","text":"{…}","hash":"…"}
    {"head":{"seq":1,"hash":"…"}}

An export whose end was lost has no head line. Who can rewrite the file can also rewrite that line and every hash:
against that helps only a head kept elsewhere, which `verify` takes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from sophia_deployment_core import ledger as chain
from sophia_deployment_core.errors import SophiaError
from sophia_deployment_core.ledger import ORIGIN, Broken, Event, Head

from sophia_infrastructure.codes import NOT_A_LEDGER

_AT_ONCE = 5000
_ENCODE = json.JSONEncoder(separators=(",", ":"), ensure_ascii=True).encode
_LONGEST_LINE = 64 * 1024 * 1024
_FIELDS = ("seq", "at_ms", "epoch", "run", "kind", "key", "text", "hash")


class _Unreadable(Exception):
    """An entry that no engine can have written."""


def verify(source: Path, *, head: Head | None = None) -> Broken | Head:
    """The verified head of `source` (a state directory, its database, or an export), or its first bad entry.

    `head` is one kept elsewhere; with it a rewritten history and a cut tail are found. Raises `SophiaError` when
    `source` is no ledger or cannot be read at all.
    """
    if (source / "state.db").is_file():
        return _verify_database(source / "state.db", head)
    if not source.is_file():
        raise SophiaError(
            NOT_A_LEDGER,
            f"there is no ledger in `{source}`",
            hint="name a state directory (`.sophia`) or an exported file",
        )
    with source.open("rb") as file:
        if file.read(16).startswith(b"SQLite format 3\0"):
            return _verify_database(source, head)
        file.seek(0)
        return _verify_export(file, source, head)


def export(database: Path, out: IO[str]) -> Head:
    """Write every entry as it is stored, then the head. Verifies nothing. Returns the head that was written last."""
    last = Head(0, ORIGIN)
    for event in _stored(database):
        out.write(_line({name: getattr(event, name) for name in _FIELDS}))
        last = Head(event.seq, event.hash)
    out.write(_line({"head": {"seq": last.seq, "hash": last.hash}}))
    return last


def _verify_database(path: Path, head: Head | None) -> Broken | Head:
    recorded = _recorded_head(path)
    return _judged(_stored(path), recorded, head, "the database's own head")


def _verify_export(file: IO[bytes], path: Path, head: Head | None) -> Broken | Head:
    lines = _Lines(file, path)
    found = _judged(lines, None, head, "")
    if isinstance(found, Broken):
        return found
    if lines.head is None and found.seq == 0:
        raise _no_export(path)
    if lines.head is None:
        return Broken(found.seq + 1, "the file ends without its head line: its tail is cut")
    return found if lines.head == found else _disagrees(found, lines.head, "the file's head line")


def _judged(events: Iterable[Event], recorded: Head | None, head: Head | None, name: str) -> Broken | Head:
    seen = _Last()
    try:
        found = chain.verify(seen.follow(events), head=head)
    except (_Unreadable, TypeError, ValueError) as error:
        return Broken(seen.seq + 1, f"it is not an entry that an engine wrote: {error}")
    if isinstance(found, Head) and recorded is not None and found.seq <= recorded.seq and found != recorded:
        return _disagrees(found, recorded, name)
    return found


def _disagrees(found: Head, recorded: Head, name: str) -> Broken:
    if found.seq < recorded.seq:
        return Broken(found.seq + 1, f"the tail is cut: {name} is entry {recorded.seq}")
    return Broken(found.seq, f"{name} does not belong to it: one of the two was changed")


class _Last:
    """Remembers how far a stream of entries came, for the one at which it breaks."""

    def __init__(self) -> None:
        self.seq = 0

    def follow(self, events: Iterable[Event]) -> Iterator[Event]:
        for event in events:
            yield event
            self.seq = event.seq


class _Lines:
    """The entries of an export; `head` is set when its last line was read."""

    def __init__(self, file: IO[bytes], path: Path) -> None:
        self._file = file
        self._path = path
        self.head: Head | None = None

    def __iter__(self) -> Iterator[Event]:
        first = True
        while line := self._file.readline(_LONGEST_LINE):
            if self.head is not None:
                raise _Unreadable("there is something after the head line")
            entry = _parsed(line)
            if first and not ({"seq", "head"} & entry.keys()):
                raise _no_export(self._path)
            first = False
            if "head" in entry:
                self.head = _head(entry["head"])
            else:
                yield _event(entry)


def _no_export(path: Path) -> SophiaError:
    return SophiaError(NOT_A_LEDGER, f"`{path}` is not an exported ledger", hint="make one with `sophia audit export`")


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return entry if isinstance(entry, dict) else {}


def _event(entry: dict[str, Any]) -> Event:
    if entry.keys() != set(_FIELDS):
        raise _Unreadable("the line does not have an entry's fields")
    return _typed(Event(**entry))


def _typed(event: Event) -> Event:
    numbers = type(event.seq) is type(event.at_ms) is type(event.epoch) is int
    texts = type(event.kind) is type(event.text) is type(event.hash) is str
    maybe = all(name is None or type(name) is str for name in (event.run, event.key))
    if not (numbers and texts and maybe):
        raise _Unreadable("a field has a value of another type")
    return event


def _head(value: Any) -> Head:
    if not isinstance(value, dict) or type(value.get("seq")) is not int or type(value.get("hash")) is not str:
        raise _Unreadable("the head line has no head")
    return Head(value["seq"], value["hash"])


def _stored(path: Path) -> Iterator[Event]:
    from sophia_infrastructure.state import archive

    after = 0
    with archive.reading(path) as read:
        while events := read(after, _AT_ONCE):
            for event in events:
                yield _typed(event)
                after = event.seq


def _recorded_head(path: Path) -> Head:
    from sophia_infrastructure.state import archive

    return archive.head(path)


def _line(value: dict[str, Any]) -> str:
    return _ENCODE(value) + "\n"
