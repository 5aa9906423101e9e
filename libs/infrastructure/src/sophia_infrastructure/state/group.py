"""Group commit: what waits while one transaction is being flushed goes into the next one, together.

There is no writer thread. Who comes while nobody leads commits for everybody in the queue; the others sleep until
their batch is settled, or until the leader, done, makes one of them the next. So a quiet ledger pays for no hand-over.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sophia_deployment_core.ledger import Draft, Event
from sophia_deployment_core.ports import Guard


@dataclass(eq=False)
class Batch:
    """One caller's drafts with their bodies' text, and what became of them: `events`, or `error` and nothing."""

    drafts: Sequence[tuple[Draft, str]]
    epoch: int
    guard: Guard | None = None
    events: list[Event] = field(default_factory=list)
    error: BaseException | None = None
    settled: bool = False
    woken: threading.Event = field(default_factory=threading.Event)


class Group:
    """`commit` gets every waiting batch, in the order they came, and fills in `events` or `error` of each.

    When it raises, the error is that of every batch it was given.
    """

    def __init__(self, commit: Callable[[Sequence[Batch]], None]) -> None:
        self._commit = commit
        self._waiting: list[Batch] = []
        self._lock = threading.Lock()
        self._leader: int | None = None

    def submit(self, batch: Batch) -> list[Event]:
        """Return once the batch is durable; raise what refused it. Not to be called from a guard."""
        me = threading.get_ident()
        assert self._leader != me, "a guard may not append"
        with self._lock:
            self._waiting.append(batch)
            leads = self._leader is None
            if leads:
                self._leader = me
        if not leads:
            batch.woken.wait()
        if not batch.settled:
            self._lead(me)
        if batch.error is not None:
            raise batch.error
        return batch.events

    def _lead(self, me: int) -> None:
        with self._lock:
            self._leader = me
            batches, self._waiting = self._waiting, []
        try:
            self._commit(batches)
        except BaseException as failure:
            for batch in batches:
                batch.events, batch.error = [], failure
        finally:
            self._hand_over(batches)

    def _hand_over(self, batches: Sequence[Batch]) -> None:
        with self._lock:
            successor = self._waiting[0] if self._waiting else None
            self._leader = -1 if successor else None
        if successor:
            successor.woken.set()
        for batch in batches:
            batch.settled = True
            batch.woken.set()
