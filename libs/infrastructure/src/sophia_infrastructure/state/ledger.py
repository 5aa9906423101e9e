"""The `Ledger` port on SQLAlchemy Core.

    append:  lock head · epoch not mine: fenced · guard · keys seen before are left out · chain · one INSERT · head
    claim:   the owner is dead, or was killed after its lease · take the next epoch's lock · compare and set

Batches that wait while a transaction is flushed share the next one (`group`). A batch is checked and guarded before
any of its rows exists, so a refused batch leaves nothing behind and harms no other.
After an error that leaves open whether a commit happened, every later append raises it again: the engine must stop
and fold the ledger anew, because guessing is the bug.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from sophia_deployment_core.canonical import canonical
from sophia_deployment_core.errors import SophiaError
from sophia_deployment_core.ledger import Draft, Event, Head, chain
from sophia_deployment_core.ports import Clock, Fenced, Guard
from sqlalchemy import Connection, bindparam, insert, select, update
from sqlalchemy.exc import DBAPIError

from sophia_infrastructure.state import sqlite
from sophia_infrastructure.state.directory import prepare
from sophia_infrastructure.state.entries import COLUMNS, entries
from sophia_infrastructure.state.group import Batch, Group
from sophia_infrastructure.state.liveness import Locks
from sophia_infrastructure.state.ownership import Lease, Ownership
from sophia_infrastructure.state.schema import head, ledger
from sophia_infrastructure.state.upgrade import upgrade

_NAMES = tuple(column.name for column in COLUMNS)
_TAKEN = select(ledger.c.key).where(ledger.c.key.in_(bindparam("keys", expanding=True)))
_TIP = select(head.c.seq, head.c.hash, head.c.at_ms, head.c.epoch).where(head.c.id == 1).with_for_update()
_HEAD = select(head.c.seq, head.c.hash).where(head.c.id == 1)
_KEYS_AT_ONCE = 500

Listener = Callable[[Head], None]


class SqlLedger:
    """The ledger of one state directory. Safe to call from several threads; blocking; not to be used after a fork.

    A guard runs in whichever thread leads the group commit, and may read but not append.
    """

    def __init__(self, directory: Path, *, clock: Clock) -> None:
        """Open or make `directory/state.db`. Raises `SophiaError` when it is newer, damaged or cannot be used."""
        prepare(directory)
        self.path = directory / "state.db"
        self._clock = clock
        self._pid = os.getpid()
        self._engine = sqlite.open_database(self.path)
        self._ownership = Ownership(self._engine, Locks(directory / "run"), clock=clock, path=self.path)
        self._group = Group(self._commit)
        self._news = threading.Condition()
        self._newest = Head(0, "")
        self._listeners: list[Listener] = []
        self._lease_ms = 0
        self._uncertain: BaseException | None = None
        with sqlite.reported(self.path):
            upgrade(self._engine, self.path, refuse_if_owned=self._ownership.refuse_if_owned)
            self._newest = self.head()

    def close(self) -> None:
        """Close every connection and let go of the epoch's lock, as death would: another engine can claim at once."""
        self._engine.dispose()
        self._ownership.forget()

    # --- ownership ---------------------------------------------------------------------------------------------------

    def claim(self, *, holder: str, lease_ms: int) -> int:
        """As the port says; kills a holder that holds its lock but let its lease run out (invariant 9)."""
        with sqlite.reported(self.path):
            epoch = self._ownership.claim(holder=holder, lease_ms=lease_ms)
        self._lease_ms = lease_ms
        return epoch

    def renew(self, *, epoch: int, lease_ms: int) -> None:
        self._lease_ms = lease_ms
        self._group.submit(Batch((), epoch))

    def release(self, *, epoch: int) -> None:
        with sqlite.reported(self.path):
            self._ownership.release(epoch)

    # --- reading -----------------------------------------------------------------------------------------------------

    def read(self, *, after: int = 0, run: str | None = None, limit: int | None = None) -> list[Event]:
        """Entries with `seq > after`, oldest first, from one snapshot."""
        self._refuse_after_fork()
        with sqlite.reported(self.path), self._engine.connect() as connection:
            return entries(connection, after=after, run=run, limit=limit)

    def head(self) -> Head:
        self._refuse_after_fork()
        with sqlite.reported(self.path), self._engine.connect() as connection:
            return Head(*connection.execute(_HEAD).one())

    def wait(self, after: int, *, timeout: float) -> Head:
        """Return once an entry newer than `after` was appended by this process, or after `timeout` seconds."""
        with self._news:
            self._news.wait_for(lambda: self._newest.seq > after, timeout)
            return self._newest

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with the new head after every commit, from the committing thread; returns what ends it.

        For event loops: `listener` should only call `loop.call_soon_threadsafe`.
        """
        with self._news:
            self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    # --- writing -----------------------------------------------------------------------------------------------------

    def append(self, drafts: Sequence[Draft], *, epoch: int, guard: Guard | None = None) -> list[Event]:
        """All or nothing, durable on return. `SophiaError.facts["written"]` is false where nothing was written."""
        self._refuse_after_fork()
        return self._group.submit(Batch([(draft, canonical(draft.body)) for draft in drafts], epoch, guard))

    def room(self) -> int:
        """Bytes of entries that can be appended though the disk is full."""
        with sqlite.reported(self.path):
            return sqlite.room(self._engine)

    def reserve(self, size: int) -> None:
        """Make `room() >= size`, or raise `SophiaError` (disk full). Cheap where the room is there; ask again often."""
        with sqlite.reported(self.path):
            sqlite.reserve(self._engine, size)

    def _commit(self, batches: Sequence[Batch]) -> None:
        if self._uncertain is not None:
            raise self._uncertain
        try:
            with sqlite.reported(self.path), sqlite.writing(self._engine) as connection:
                transaction = _Transaction(connection, batches, now_ms=self._clock.now_ms())
                for batch in batches:
                    transaction.add(batch)
                tip = transaction.finish(self._ownership.lease(self._lease_ms))
        except BaseException as error:  # an interrupt too: nobody knows whether the commit happened
            if not (isinstance(error, SophiaError) and error.facts.get("written") is False):
                self._uncertain = error
            raise
        if tip is not None:
            self._tell(tip)

    def _tell(self, tip: Head) -> None:
        with self._news:
            self._newest = tip
            self._news.notify_all()
            listeners = tuple(self._listeners)
        for listener in listeners:
            listener(tip)

    def _refuse_after_fork(self) -> None:
        # The parent's close would delete the log under the child, and with it the child's commits.
        if os.getpid() != self._pid:
            raise RuntimeError("a ledger cannot be used after a fork; open it in the new process")


class _Transaction:
    """One group's transaction. It is the `Reader` of the guards too, which see the batches before theirs."""

    def __init__(self, connection: Connection, batches: Sequence[Batch], *, now_ms: int) -> None:
        self._connection = connection
        tip = connection.execute(_TIP).one()
        self._seq, self._hash, self._epoch = tip.seq, tip.hash, tip.epoch
        self._first = tip.seq
        self._at_ms = max(tip.at_ms, now_ms)
        self._keys = self._taken(batches)
        self._rows: list[dict[str, Any]] = []
        self._renews = False

    def add(self, batch: Batch) -> None:
        """Append the batch, or set its error. Database errors are everybody's and go up."""
        try:
            if batch.epoch not in (0, self._epoch):
                raise Fenced(f"epoch {batch.epoch} was replaced by epoch {self._epoch}")
            if batch.guard is not None:
                batch.guard(self)
        except (DBAPIError, MemoryError):
            raise
        except Exception as refusal:
            batch.error = refusal
            return
        self._renews = self._renews or batch.epoch != 0
        batch.events = [self._chain(draft, text, batch.epoch) for draft, text in batch.drafts if self._is_new(draft)]

    def read(self, *, after: int = 0, run: str | None = None, limit: int | None = None) -> list[Event]:
        self._flush()
        return entries(self._connection, after=after, run=run, limit=limit)

    def head(self) -> Head:
        return Head(self._seq, self._hash)

    def finish(self, lease: Lease) -> Head | None:
        """Write what is left and the head. Returns the new head, or `None` when nothing was appended."""
        self._flush()
        values: dict[str, Any] = {}
        if self._seq > self._first:
            values.update(seq=self._seq, hash=self._hash, at_ms=self._at_ms)
        if self._renews and lease.ms > 0:
            values.update(until_ms=lease.until_ms)
        if values:
            self._connection.execute(update(head).where(head.c.id == 1), values)
        return self.head() if self._seq > self._first else None

    def _taken(self, batches: Sequence[Batch]) -> set[str]:
        keys = [draft.key for batch in batches for draft, _ in batch.drafts if draft.key is not None]
        taken: set[str] = set()
        for start in range(0, len(keys), _KEYS_AT_ONCE):
            found = self._connection.execute(_TAKEN, {"keys": keys[start : start + _KEYS_AT_ONCE]}).scalars()
            taken.update(key for key in found if key is not None)
        return taken

    def _is_new(self, draft: Draft) -> bool:
        if draft.key is None:
            return True
        if draft.key in self._keys:
            return False
        self._keys.add(draft.key)
        return True

    def _chain(self, draft: Draft, text: str, epoch: int) -> Event:
        self._seq += 1
        facts = (self._seq, self._at_ms, epoch, draft.run, draft.kind, draft.key, text)
        self._hash = chain(
            self._hash,
            seq=self._seq,
            at_ms=self._at_ms,
            epoch=epoch,
            run=draft.run,
            kind=draft.kind,
            key=draft.key,
            text=text,
        )
        self._rows.append(dict(zip(_NAMES, (*facts, self._hash), strict=True)))
        return Event(*facts, self._hash)

    def _flush(self) -> None:
        if self._rows:
            self._connection.execute(insert(ledger), self._rows)
            self._rows = []
