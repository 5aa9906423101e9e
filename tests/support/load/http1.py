"""HTTP/1.1 for a client that must notice everything: one exchange at a time on a connection, and never a second try."""

from __future__ import annotations

import asyncio
from typing import Self

from tests.support.load.tally import Lost

REFUSED = "refused"
CUT = "cut"
RESET = "reset"


class Http1(asyncio.Protocol):
    """One connection. `usable` is false once the other side closed it or said that it would."""

    def __init__(self) -> None:
        self.usable = True
        self._buffer = b""
        self._waiting: asyncio.Future[tuple[int, bytes]] | None = None
        self._transport: asyncio.Transport | None = None

    @classmethod
    async def connect(cls, host: str, port: int) -> Self:
        try:
            _, connection = await asyncio.get_running_loop().create_connection(cls, host, port)
        except OSError as error:
            raise Lost(REFUSED) from error
        return connection

    async def exchange(self, request: bytes) -> tuple[int, bytes]:
        """Status and body; raises Lost."""
        assert self._transport is not None
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        try:
            return await self._waiting
        finally:
            self._waiting = None

    def close(self) -> None:
        self.usable = False
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._waiting is None or self._waiting.done():
            self.close()  # said something unasked, such as a 408: nothing can follow it
            return
        try:
            answer = response_in(self._buffer)
        except ValueError:
            self._waiting.set_exception(Lost("nonsense"))
            self.close()
            return
        if answer is not None:
            status, body, keep, size = answer
            self._buffer = self._buffer[size:]
            self.usable = self.usable and keep
            self._waiting.set_result((status, body))

    def connection_lost(self, exc: Exception | None) -> None:
        self.usable = False
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(Lost(CUT if exc is None else RESET))


def response_in(data: bytes) -> tuple[int, bytes, bool, int] | None:
    """(status, body, whether the connection stays, bytes used) of the response at the start; None: more is needed.

    Raises ValueError for what is no HTTP/1.1 response with a length.
    """
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return None
    if not data.startswith(b"HTTP/1.1 "):
        raise ValueError("not an HTTP/1.1 response")
    head = data[: end + 2].lower()
    keep = b"\r\nconnection: close\r\n" not in head
    start = head.find(b"\r\ncontent-length:")
    if start >= 0:
        size = int(head[start + 17 : head.index(b"\r\n", start + 17)])
        used = end + 4 + size
        return (int(data[9:12]), data[end + 4 : used], keep, used) if len(data) >= used else None
    if b"\r\ntransfer-encoding: chunked\r\n" not in head:
        raise ValueError("neither a length nor chunks")
    body, used = chunks_in(data, end + 4)
    return None if used < 0 else (int(data[9:12]), body, keep, used)


def chunks_in(data: bytes, start: int) -> tuple[bytes, int]:
    """The body whose chunks begin at `start`, and where it ends; -1 for the end when it is not all there yet."""
    body = b""
    while (line := data.find(b"\r\n", start)) >= 0:
        size = int(data[start:line].split(b";")[0], 16)
        after = line + 2 + size + 2
        if len(data) < after:
            break
        if size == 0:
            return body, after
        body += data[line + 2 : line + 2 + size]
        start = after
    return body, -1


def request(method: str, target: str, host: str, id: str, *, body: bytes = b"", keep: bool = True) -> bytes:
    length = f"content-length: {len(body)}\r\n" if method == "POST" else ""
    close = "" if keep else "connection: close\r\n"
    return f"{method} {target} HTTP/1.1\r\nhost: {host}\r\nx-strict-id: {id}\r\n{length}{close}\r\n".encode() + body
