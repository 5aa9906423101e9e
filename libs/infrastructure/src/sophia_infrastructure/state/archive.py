"""A database of somebody else, read only: nothing is created, upgraded or trusted."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import quote

from sophia_deployment_core.errors import SophiaError
from sophia_deployment_core.ledger import Event, Head
from sqlalchemy import Connection, create_engine, event, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from sophia_infrastructure.codes import NOT_A_LEDGER
from sophia_infrastructure.state import sqlite
from sophia_infrastructure.state.entries import entries
from sophia_infrastructure.state.schema import head as _head

Read = Callable[[int, int], Sequence[Event]]


@contextmanager
def reading(path: Path) -> Iterator[Read]:
    """Yields `read(after, limit)`; each call is a snapshot of its own."""
    with _connected(path) as connection:

        def read(after: int, limit: int) -> Sequence[Event]:
            with connection.begin():
                return entries(connection, after=after, limit=limit)

        yield read


def head(path: Path) -> Head:
    """What the database itself says its head is."""
    with _connected(path) as connection:
        row = connection.execute(select(_head.c.seq, _head.c.hash).where(_head.c.id == 1)).one_or_none()
    if row is None:
        raise _no_ledger(path)
    return Head(*row)


def is_given_back(path: Path) -> bool:
    """Whether the newest engine that owned it gave it back at its orderly end. False where none ever did own it."""
    with _connected(path) as connection:
        row = connection.execute(select(_head.c.epoch, _head.c.holder).where(_head.c.id == 1)).one_or_none()
    return row is not None and row.epoch > 0 and row.holder is None


@contextmanager
def _connected(path: Path) -> Iterator[Connection]:
    engine = create_engine("sqlite://", poolclass=NullPool, creator=lambda: _open(path))
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    try:
        with engine.connect() as connection:
            yield connection
    except DBAPIError as error:
        if "no such table" in str(error.orig) or "no such column" in str(error.orig):
            raise _no_ledger(path) from error
        raise sqlite.translated(error, path) from error


def _open(path: Path) -> sqlite3.Connection:
    how = "mode=ro"
    if not os.access(path.parent, os.W_OK) and not path.with_name(f"{path.name}-wal").exists():
        how = "mode=ro&immutable=1"  # without a log nothing needs the shared memory file, which cannot be made here
    uri = f"file:{quote(str(path.absolute()))}?{how}"
    connection = sqlite3.connect(uri, uri=True, timeout=sqlite.BUSY_SECONDS, isolation_level=None)
    # Bytes that are no text become others, so that the entry's hash tells instead of an error without a number.
    connection.text_factory = partial(str, encoding="utf-8", errors="replace")
    return connection


def _no_ledger(path: Path) -> SophiaError:
    return SophiaError(NOT_A_LEDGER, f"`{path}` is a database, but not a ledger", hint="name a state directory")
