"""Everything that is SQLite's own: settings, transactions, errors in the reader's words, and room on a full disk.

synchronous=FULL, because with NORMAL a power cut forgets the last commits, and an intent whose effect happened would
vanish. Writers begin IMMEDIATE: a transaction that starts reading and then wants to write fails under load. Readers
begin plainly and see one snapshot; they never take the write lock.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sophia_deployment_core.errors import SophiaError
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from sophia_infrastructure.codes import (
    DISK_FULL,
    STATE_DAMAGED,
    STATE_FAILED,
    STATE_LOCKED,
    STATE_UNWRITABLE,
)

BUSY_SECONDS = 5.0
CHECKPOINT_PAGES = 500
WAL_ROOM = 2 * CHECKPOINT_PAGES * 4096
"""The log grows to one checkpoint's pages before it is used again from its start; the rest is for a slow reader."""


def open_database(path: Path, *, busy_seconds: float = BUSY_SECONDS) -> Engine:
    """An engine for `path`. Its transactions begin plainly, or IMMEDIATE inside `writing`."""
    url = URL.create("sqlite", database=str(path))
    engine = create_engine(
        url,
        pool_size=4,
        max_overflow=28,
        pool_timeout=30,
        connect_args={"timeout": busy_seconds, "isolation_level": None, "check_same_thread": False},
    )
    event.listen(engine, "connect", _set_up)
    event.listen(engine, "begin", _begin)
    return engine


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """One transaction that holds the write lock from its start; rolled back if the body raises."""
    with engine.connect().execution_options(sophia_writes=True) as connection, connection.begin():
        yield connection


@contextmanager
def reported(path: Path) -> Iterator[None]:
    """Turn the database's errors into `SophiaError`; `facts["written"]` is false where surely nothing was written."""
    try:
        yield
    except DBAPIError as error:
        raise translated(error, path) from error


def translated(error: DBAPIError, path: Path) -> SophiaError | DBAPIError:
    """The `SophiaError` for what SQLite said, or the error itself where it is our own fault (wrong SQL)."""
    name = getattr(error.orig, "sqlite_errorname", "") or ""
    said = str(error.orig)
    not_written = {"written": False}
    if name == "SQLITE_FULL":
        return SophiaError(
            DISK_FULL,
            f"no space left for `{path}`: nothing was written",
            hint=f"free some space on the file system of `{path.parent}`",
            facts=not_written,
        )
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return SophiaError(
            STATE_LOCKED,
            f"`{path}` has been locked by another program for {BUSY_SECONDS:.0f} s: nothing was written",
            hint=f"find the program with `fuser -v {path}`",
            facts=not_written,
        )
    if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_AUTH")):
        return SophiaError(
            STATE_UNWRITABLE,
            f"`{path}` cannot be used: {said}",
            hint="check the owner and mode of the file and of its directory",
            facts=not_written,
        )
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")) or "Could not decode" in said:
        return SophiaError(
            STATE_DAMAGED,
            f"`{path}` is damaged: {said}",
            hint="keep the file, see how far it can be read with `sophia audit verify`, and put back a copy",
        )
    if name.startswith("SQLITE_IOERR"):
        return SophiaError(
            STATE_FAILED,
            f"the storage of `{path}` failed: {said} ({name})",
            hint="look at the kernel's log (`dmesg`) for the disk",
        )
    return error


def room(engine: Engine) -> int:
    """Bytes of entries that can be written though the disk is full.

    They need pages of the database that are allocated and free, and a log that is long enough to be used again.
    On a file system that copies on write (btrfs, zfs) allocated does not mean writable; there this is no promise.
    """
    with engine.connect() as connection:
        page = int(_pragma(connection, "page_size"))
        free = int(_pragma(connection, "freelist_count")) * page
        size = int(_pragma(connection, "page_count")) * page
    is_allocated = _size(engine) >= size and _size(engine, "-wal") >= WAL_ROOM
    return free if is_allocated else 0


def reserve(engine: Engine, size: int) -> None:
    """Make `room` at least `size`, or raise (disk full, or a reader in the way). Cheap where the room is there.

    Pages are written, checkpointed into the file, then freed: their blocks stay with the file. Random bytes, because
    a file system may store zeros as a hole.
    """
    if room(engine) >= size:
        return
    filler = os.urandom(max(size, WAL_ROOM) + 65536)
    with writing(engine) as connection:
        connection.exec_driver_sql("DROP TABLE IF EXISTS room")
        connection.exec_driver_sql("CREATE TABLE room (filler BLOB)")
        connection.exec_driver_sql("INSERT INTO room VALUES (?)", (filler,))
    _checkpoint(engine)
    with writing(engine) as connection:
        connection.exec_driver_sql("DROP TABLE IF EXISTS room")
    _checkpoint(engine)
    if room(engine) < size:
        raise SophiaError(
            STATE_LOCKED,
            f"no room could be reserved in `{engine.url.database}`: another program reads an old state of it",
            hint=f"find the program with `fuser -v {engine.url.database}`",
            facts={"written": False},
        )


def _set_up(connection: Any, _record: Any) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
    connection.execute("PRAGMA temp_store=MEMORY")  # a full disk must not need a temporary file


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("sophia_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _pragma(connection: Connection, name: str) -> Any:
    return connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()


def _size(engine: Engine, suffix: str = "") -> int:
    try:
        return os.stat(f"{engine.url.database}{suffix}").st_size
    except FileNotFoundError:
        return 0


def _checkpoint(engine: Engine) -> None:
    """Copy the log into the database and let the next writer use it again from its start (it keeps its size)."""
    connection = engine.raw_connection()
    try:
        connection.cursor().execute("PRAGMA wal_checkpoint(RESTART)").fetchall()
    finally:
        connection.close()
