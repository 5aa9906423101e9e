"""One engine owns a state directory: the lease in the ledger's head, and the lock file of its epoch.

    lock free                          -> the owner is dead: take over
    lock held, lease not over          -> the owner lives: refuse
    lock held, lease over              -> the owner is stopped: SIGKILL by pid and start time, wait for the lock
    lock held by another boot          -> another machine shares the directory: refuse, whatever the lease says

Leases count on the boot clock, which no one can set; after a reboot they mean nothing, and need not: no lock is held.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sophia_deployment_core.errors import SophiaError
from sophia_deployment_core.ports import Clock
from sqlalchemy import Engine, select, update

from sophia_infrastructure.codes import ANOTHER_ENGINE, ENGINE_STUCK
from sophia_infrastructure.state.liveness import Holder, Locks, boot_id, kill, this_process
from sophia_infrastructure.state.schema import head
from sophia_infrastructure.state.sqlite import writing

CLAIM_SECONDS = 10.0
POLL_SECONDS = 0.02


@dataclass(frozen=True)
class Lease:
    """`until_ms` on the boot clock; `ms` 0 means that this process never claimed."""

    ms: int
    until_ms: int


@dataclass(frozen=True)
class Owner:
    """What the head says about who owns the state. Epoch 0: nobody ever did."""

    epoch: int
    holder: Holder | None
    until_ms: int


class Ownership:
    """Claims, refuses and gives back. `path` is for messages."""

    def __init__(self, engine: Engine, locks: Locks, *, clock: Clock, path: Path) -> None:
        self._engine = engine
        self._locks = locks
        self._clock = clock
        self._path = path

    def lease(self, lease_ms: int) -> Lease:
        return Lease(lease_ms, self._clock.boot_ms() + lease_ms)

    def claim(self, *, holder: str, lease_ms: int) -> int:
        """Take the next epoch; at most about `CLAIM_SECONDS`. Raises `SophiaError` when an engine lives."""
        give_up = time.monotonic() + CLAIM_SECONDS
        while True:
            owner = self._owner()
            if owner.epoch and self._locks.is_held(owner.epoch):
                self._oust(owner, give_up)
            me = this_process(holder, since_ms=self._clock.now_ms())
            if self._locks.take(owner.epoch + 1):
                if self._set(owner.epoch, Owner(owner.epoch + 1, me, self.lease(lease_ms).until_ms)):
                    self._locks.remove_older(owner.epoch + 1)
                    return owner.epoch + 1
                self._locks.drop()
            if time.monotonic() > give_up:
                raise self._alive(self._owner())
            time.sleep(POLL_SECONDS)  # another engine is starting: see who it is

    def release(self, epoch: int) -> None:
        """Give the lease back; nothing happens if somebody else has it by now."""
        with writing(self._engine) as connection:
            connection.execute(
                update(head).where(head.c.id == 1, head.c.epoch == epoch), {"holder": None, "until_ms": 0}
            )
        self._locks.drop()

    def forget(self) -> None:
        """Let go of the lock, as death would."""
        self._locks.drop()

    def refuse_if_owned(self) -> None:
        """Raise `SophiaError` while an engine's lock is held."""
        owner = self._owner()
        if owner.epoch and self._locks.is_held(owner.epoch):
            raise self._alive(owner)

    def _owner(self) -> Owner:
        query = select(head.c.epoch, head.c.holder, head.c.until_ms).where(head.c.id == 1)
        with self._engine.connect() as connection:
            row = connection.execute(query).one()
        return Owner(row.epoch, Holder.parse(row.holder) if row.holder else None, row.until_ms)

    def _set(self, expected: int, owner: Owner) -> bool:
        values = {
            "epoch": owner.epoch,
            "holder": owner.holder.text() if owner.holder else None,
            "until_ms": owner.until_ms,
        }
        with writing(self._engine) as connection:
            done = connection.execute(update(head).where(head.c.id == 1, head.c.epoch == expected), values)
            return done.rowcount == 1

    def _oust(self, owner: Owner, give_up: float) -> None:
        """Return once the owner's lock is free; raises if its lease is not over, or if it cannot be ended."""
        if owner.holder is not None:
            if owner.holder.boot != boot_id() or self._clock.boot_ms() < owner.until_ms:
                raise self._alive(owner)
            kill(owner.holder)
        while self._locks.is_held(owner.epoch):
            if time.monotonic() > give_up:
                raise self._stuck(owner)
            time.sleep(POLL_SECONDS)

    def _alive(self, owner: Owner) -> SophiaError:
        who = _described(owner.holder)
        return SophiaError(
            ANOTHER_ENGINE,
            f"another engine ({who}) owns `{self._path.parent}`",
            hint="use it, or stop it first with `sophia down`",
            facts={"pid": owner.holder.pid if owner.holder else None, "epoch": owner.epoch},
        )

    def _stuck(self, owner: Owner) -> SophiaError:
        return SophiaError(
            ENGINE_STUCK,
            f"the engine that owns `{self._path.parent}` ({_described(owner.holder)}) let its lease run out, "
            "holds its lock and could not be killed",
            hint=f"end it yourself: `kill -KILL {owner.holder.pid}`" if owner.holder else "end it yourself",
            facts={"pid": owner.holder.pid if owner.holder else None, "epoch": owner.epoch},
        )


def _described(holder: Holder | None) -> str:
    if holder is None:
        return "which is just starting or ending"
    since = datetime.fromtimestamp(holder.since_ms / 1000, UTC)
    return f"`{holder.name}`, pid {holder.pid}, since {since:%Y-%m-%d %H:%M:%S} UTC"
