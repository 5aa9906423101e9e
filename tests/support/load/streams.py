"""Server-sent events and websockets, written out by hand: each tells a proper end from a cut."""

from __future__ import annotations

import asyncio
import base64
import json
import os
from collections.abc import Callable

from tests.support.load.http1 import CUT, REFUSED, RESET, request
from tests.support.load.tally import Lost

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10


class Ended(Exception):
    """The other side closed a websocket as the protocol wants it, with no message under way."""


async def connect(host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    try:
        return await asyncio.open_connection(host, port)
    except OSError as error:
        raise Lost(REFUSED) from error


async def head_of(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Status and lower-case header block."""
    head = await reader.readuntil(b"\r\n\r\n")
    return int(head[9:12]), head.lower()


class EventStream:
    """One GET of server-sent events. `chain` is who sends them; `last` the number of the last one seen."""

    def __init__(self, id: str) -> None:
        self.id = id
        self.first = ""
        self.last = 0
        self.over = False

    async def follow(self, host: str, port: int, target: str, *, on_event: Callable[[], None]) -> None:
        """Until the stream ended properly (an event `end`, then the last chunk); raises Lost."""
        reader, writer = await connect(host, port)
        try:
            writer.write(request("GET", target, f"{host}:{port}", self.id))
            status, head = await head_of(reader)
            if status != 200:
                raise Lost(f"status {status}")
            if b"\r\ntransfer-encoding: chunked\r\n" not in head:
                raise Lost("nonsense")
            await self._chunks(reader, on_event)
        except asyncio.IncompleteReadError as error:
            raise Lost(CUT) from error
        except ConnectionError as error:
            raise Lost(RESET) from error
        finally:
            writer.close()
        if not self.over:
            raise Lost("last chunk without the end event")

    async def _chunks(self, reader: asyncio.StreamReader, on_event: Callable[[], None]) -> None:
        text = b""
        while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
            text += (await reader.readexactly(size + 2))[:-2]
            *events, text = text.split(b"\n\n")
            for event in events:
                self._event(event.decode())
                on_event()
        await reader.readuntil(b"\r\n")

    def _event(self, event: str) -> None:
        fields = dict(line.partition(": ")[::2] for line in event.splitlines())
        if fields.get("event") == "end":
            self.over = True
            return
        self.first = self.first or fields.get("data", "")
        number = json.loads(fields.get("data", "{}")).get("n")
        if number != self.last + 1:
            raise Lost("events missing")
        self.last = number


class WebSocket:
    """One websocket with at most one message of ours under way; it listens all the time, as a browser does."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._ended: Exception | None = None
        self._waiting: asyncio.Future[bytes] | None = None
        self._listening = asyncio.create_task(self._listen())

    @classmethod
    async def open(cls, host: str, port: int, path: str) -> WebSocket:
        """Raises Lost."""
        reader, writer = await connect(host, port)
        key = base64.b64encode(os.urandom(16)).decode()
        writer.write(
            f"GET {path} HTTP/1.1\r\nhost: {host}:{port}\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
            f"sec-websocket-key: {key}\r\nsec-websocket-version: 13\r\n\r\n".encode()
        )
        try:
            status, _ = await head_of(reader)
            if status != 101:
                raise Lost(f"status {status}")
        except asyncio.IncompleteReadError as error:
            writer.close()
            raise Lost(CUT) from error
        except ConnectionError as error:
            raise Lost(RESET) from error
        return cls(reader, writer)

    async def echo(self, text: str) -> bytes:
        """The answer to `text`. Raises Lost, or Ended when it was already over and nothing was sent."""
        self.check()
        self._waiting = asyncio.get_running_loop().create_future()
        self._writer.write(masked(TEXT, text.encode()))
        try:
            return await self._waiting
        finally:
            self._waiting = None

    def check(self) -> None:
        """Raises Ended when the other side said goodbye, Lost when it just went away."""
        if self._ended is not None:
            raise self._ended

    async def close(self) -> None:
        """Say goodbye and wait, a moment, for the other side to do so."""
        if self._ended is None:
            self._writer.write(masked(CLOSE, (1000).to_bytes(2, "big")))
            await asyncio.wait([self._listening], timeout=1)
        self._listening.cancel()
        self._writer.close()

    async def _listen(self) -> None:
        try:
            while True:
                code, data = await self._frame()
                if code == CLOSE:
                    self._over(Ended(), Lost("closed before the echo"))
                    return
                if code == PING:
                    self._writer.write(masked(PONG, data))
                elif code == TEXT and self._waiting is not None and not self._waiting.done():
                    self._waiting.set_result(data)
        except asyncio.IncompleteReadError:
            self._over(Lost(CUT), Lost(CUT))
        except ConnectionError:
            self._over(Lost(RESET), Lost(RESET))

    def _over(self, ended: Exception, under_way: Lost) -> None:
        self._ended = ended
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(under_way)

    async def _frame(self) -> tuple[int, bytes]:
        first, second = await self._reader.readexactly(2)
        size = second & 0x7F
        if size > 125:
            size = int.from_bytes(await self._reader.readexactly(2 if size == 126 else 8), "big")
        return first & 0x0F, await self._reader.readexactly(size)


def masked(code: int, data: bytes) -> bytes:
    """A client's frame; short, for that is all we send."""
    assert len(data) < 126
    mask = os.urandom(4)
    return bytes([0x80 | code, 0x80 | len(data)]) + mask + bytes(byte ^ mask[n & 3] for n, byte in enumerate(data))
