"""The load itself: so many clients of each kind, each asking for one thing after the other until told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from tests.support.load.http1 import Http1, request
from tests.support.load.http2 import Http2
from tests.support.load.result import Kind, Mix
from tests.support.load.streams import Ended, EventStream, WebSocket
from tests.support.load.tally import Lost, Tally

AFTER_A_LOSS_SECONDS = 0.005  # a port that refuses would otherwise be asked a hundred thousand times a second


class Load:
    """Run with `await load.run()`; ends at `seconds`, at `count` requests or at `stop()`, whichever is first.

    What is under way then is waited for; event streams are closed, which is not a loss.
    """

    def __init__(self, tally: Tally, mix: Mix, url: str, *, http2_url: str, seconds: float, count: int) -> None:
        self._tally, self._mix = tally, mix
        self._host, self._port = _address(url)
        self._http2 = _address(http2_url)
        self._authority = f"{self._host}:{self._port}"
        self._seconds, self._count = seconds, count
        self._stopping = asyncio.Event()
        self._silent = 0
        self.flowing = asyncio.Event()
        """Set once every client had its first answer, or lost it."""

    def stop(self) -> None:
        self._stopping.set()

    async def run(self) -> None:
        mix = self._mix
        clients: list[Callable[[], Awaitable[None]]] = [
            *[lambda: self._keep_alive("keep-alive GET", "GET")] * mix.keep_alive_get,
            *[lambda: self._keep_alive("keep-alive POST", "POST")] * mix.keep_alive_post,
            *[self._new_connections] * mix.new_connection,
            *[self._events] * mix.events,
            *[self._websocket] * mix.websocket,
            *[self._http2_connection] * mix.http2,
        ]
        self._silent = len(clients) + mix.http2 * (mix.http2_streams - 1)
        asyncio.get_running_loop().call_later(self._seconds, self.stop)
        async with asyncio.TaskGroup() as group:
            for client in clients:
                group.create_task(_each(client))

    def _over(self) -> bool:
        return self._stopping.is_set() or self._tally.begun >= self._count

    async def _turns(self, seconds: float) -> AsyncIterator[None]:
        """One turn after the other, `seconds` apart (0: at once), until the end; an overdue one is left out.

        Each client has a phase of its own and keeps it, or all would ask in the same moment and none between.
        """
        phase = time.monotonic() + random.random() * seconds
        flows = self._first_answer()
        while not self._over():
            yield
            flows()
            if seconds:
                await self._sleep((phase - time.monotonic()) % seconds)

    def _first_answer(self) -> Callable[[], None]:
        """To be called after each answer of one client; only the first one counts."""
        calls = itertools.count()

        def flows() -> None:
            if next(calls) == 0:
                self._silent -= 1
                if self._silent == 0:
                    self.flowing.set()

        return flows

    async def _sleep(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()

    @property
    def _pause(self) -> float:
        return self._mix.requesters / self._mix.rate if self._mix.rate else 0.0

    @asynccontextmanager
    async def _slot(self, kind: Kind) -> AsyncIterator[tuple[int, str]]:
        """A request's slot and id; whatever goes wrong inside is recorded there."""
        slot = self._tally.begin(kind)
        try:
            async with asyncio.timeout(self._mix.timeout_seconds):
                yield slot, self._tally.id(slot)
        except Lost as lost:
            self._tally.lost(slot, str(lost))
        except TimeoutError:
            self._tally.lost(slot, "timeout")
        else:
            return
        await asyncio.sleep(AFTER_A_LOSS_SECONDS)

    def _answered(self, slot: int, answer: tuple[int, bytes]) -> None:
        status, body = answer
        if status != 200:
            raise Lost(f"status {status}")
        self._tally.answered(slot, body)

    async def _keep_alive(self, kind: Kind, method: str) -> None:
        connection: Http1 | None = None
        body = b'{"quantity": 1}' if method == "POST" else b""
        async for _ in self._turns(self._pause):
            done = False
            async with self._slot(kind) as (slot, id):
                if connection is None or not connection.usable:
                    connection = await Http1.connect(self._host, self._port)
                wanted = request(method, self._mix.path, self._authority, id, body=body)
                self._answered(slot, await connection.exchange(wanted))
                done = True
            if not done and connection is not None:
                connection.close()
        if connection is not None:
            connection.close()

    async def _new_connections(self) -> None:
        async for _ in self._turns(self._pause):
            async with self._slot("new connection") as (slot, id):
                connection = await Http1.connect(self._host, self._port)
                try:
                    wanted = request("POST", self._mix.path, self._authority, id, keep=False)
                    self._answered(slot, await connection.exchange(wanted))
                finally:
                    connection.close()

    async def _http2_connection(self) -> None:
        connections: list[Http2] = []
        opening = asyncio.Lock()
        async with asyncio.TaskGroup() as group:
            for _ in range(self._mix.http2_streams):
                group.create_task(self._http2_requests(connections, opening))
        for connection in connections:
            connection.close()

    async def _http2_requests(self, connections: list[Http2], opening: asyncio.Lock) -> None:
        host, port = self._http2
        async for _ in self._turns(self._pause):
            async with self._slot("HTTP/2") as (slot, id):
                async with opening:
                    if not connections or not connections[-1].usable:
                        connections[:] = [await Http2.connect(host, port)]
                    connection = connections[-1]
                self._answered(slot, await connection.exchange("POST", self._mix.path, f"{host}:{port}", id))

    async def _events(self) -> None:
        """Streams have no deadline of their own; a silent one is lost after the same time as any request."""
        mix = self._mix
        target = f"/events?count={mix.events_count}&every={mix.events_every_ms:g}"
        flows = self._first_answer()
        while not self._over():
            slot = self._tally.begin("events")
            stream = EventStream(self._tally.id(slot))
            try:
                await self._follow(stream, target, flows)
                self._tally.answered(slot, stream.first)
                self._tally.ended_early += stream.last < mix.events_count and not self._stopping.is_set()
            except Lost as lost:
                self._tally.lost(slot, str(lost))
                await asyncio.sleep(AFTER_A_LOSS_SECONDS)
            flows()

    async def _follow(self, stream: EventStream, target: str, flows: Callable[[], None]) -> None:
        """Until its end, ours, or a silence; raises Lost."""

        def seen() -> None:
            self._tally.events += 1
            flows()
            silence.reschedule(asyncio.get_running_loop().time() + self._mix.timeout_seconds)

        stopped = asyncio.create_task(self._stopping.wait())
        try:
            async with asyncio.timeout(self._mix.timeout_seconds) as silence:
                following = asyncio.create_task(stream.follow(self._host, self._port, target, on_event=seen))
                try:
                    await asyncio.wait([following, stopped], return_when=asyncio.FIRST_COMPLETED)
                    if not following.done() and not stream.first:
                        await asyncio.wait([following], timeout=1)  # told to stop before the first event
                finally:
                    following.cancel()
                    await asyncio.wait([following])
                if not following.cancelled():
                    following.result()
        except TimeoutError as error:
            raise Lost("silence") from error
        finally:
            stopped.cancel()

    async def _websocket(self) -> None:
        socket: WebSocket | None = None
        async for _ in self._turns(self._mix.websocket_every_ms / 1000):
            if socket is not None and self._said_goodbye(socket):
                socket = None
            done = False
            async with self._slot("websocket") as (slot, id):
                if socket is None:
                    socket = await WebSocket.open(self._host, self._port, self._mix.websocket_path)
                try:
                    self._tally.answered(slot, await socket.echo(id))
                except Ended as ended:
                    raise Lost("closed before the echo") from ended
                done = True
            if not done and socket is not None:
                await socket.close()
                socket = None
        if socket is not None:
            await socket.close()

    def _said_goodbye(self, socket: WebSocket) -> bool:
        """Whether it ended properly between two messages; one that was cut there is found by the next message."""
        try:
            socket.check()
        except Ended:
            self._tally.ended_early += 1
            return True
        except Lost:
            return False
        return False


async def _each(client: Callable[[], Awaitable[None]]) -> None:
    await client()


def _address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname:
        raise ValueError(f"`{url}` is not an address such as http://127.0.0.1:8080")
    return parts.hostname, parts.port or 80
