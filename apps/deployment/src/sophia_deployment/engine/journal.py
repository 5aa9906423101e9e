"""The ledger and the world that it tells, in step: an entry is durable first, folded next, then others hear."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import replace

from sophia_deployment_core.ledger import Draft, Event
from sophia_deployment_core.ports import Ledger
from sophia_deployment_core.world import World

AT_ONCE = 500

Listener = Callable[[Event], None]


class Journal:
    """Everything this process appends goes through here. Of one event loop; the ledger is called in threads."""

    def __init__(self, ledger: Ledger, world: World) -> None:
        self.world = world
        self._ledger = ledger
        self._early: dict[int, Event] = {}
        self._listeners: list[Listener] = []
        self._news = asyncio.Event()
        self._numbering = asyncio.Lock()

    def listen(self, listener: Listener) -> None:
        """Call `listener` with every entry, after it was folded."""
        self._listeners.append(listener)

    async def append(self, drafts: Sequence[Draft], epoch: int) -> Sequence[Event]:
        """Durable and folded on return. Raises `Fenced`. Once begun it is not given up: it may be written already."""
        return await asyncio.shield(self._append(drafts, epoch))

    async def _append(self, drafts: Sequence[Draft], epoch: int) -> Sequence[Event]:
        if not any(draft.kind == "run submitted" for draft in drafts):
            return await self._write(drafts, epoch)
        async with self._numbering:
            return await self._write(list(self._numbered(drafts)), epoch)

    def _numbered(self, drafts: Sequence[Draft]) -> Iterator[Draft]:
        """A run's number is the count of submissions: only known when nobody else submits."""
        number = self.world.numbers
        for draft in drafts:
            if draft.kind == "run submitted":
                number += 1
                yield replace(draft, body={**draft.body, "number": number})
            else:
                yield draft

    async def _write(self, drafts: Sequence[Draft], epoch: int) -> Sequence[Event]:
        events = await asyncio.to_thread(self._ledger.append, drafts, epoch=epoch)
        self._early.update({event.seq: event for event in events})
        self._fold()
        return events

    def _fold(self) -> None:
        """In the ledger's order: appends of two tasks may come back the other way round."""
        while (event := self._early.pop(self.world.head.seq + 1, None)) is not None:
            self.world.apply(event)
            for listener in self._listeners:
                listener(event)
        self._news.set()
        self._news = asyncio.Event()

    async def follow(self, *, after: int, run: str | None) -> AsyncIterator[Event]:
        """Entries with `seq > after`, then those to come; ends only when it is closed."""
        while True:
            news, head = self._news, self.world.head.seq
            events = await asyncio.to_thread(self._ledger.read, after=after, run=run, limit=AT_ONCE)
            for event in events:
                after = event.seq
                yield event
            if len(events) < AT_ONCE:
                after = max(after, head) if run is None else after
                if self.world.head.seq == head:
                    await news.wait()
