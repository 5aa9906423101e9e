"""HTTP/2 with prior knowledge, of hyperframe's frames and hpack's headers, as much as bodyless requests need.

Not the `h2` library: after a GOAWAY it refuses the answers that are still on their way, and these are what we count.
"""

from __future__ import annotations

import asyncio
from typing import Self

from hpack import Decoder, Encoder
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from tests.support.load.http1 import CUT, REFUSED, RESET
from tests.support.load.tally import Lost

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
LAST_STREAM = 2**31 - 1


class Stream:
    def __init__(self) -> None:
        self.status = 0
        self.body = b""
        self.headers = b""
        self.over = False
        self.answer: asyncio.Future[tuple[int, bytes]] = asyncio.get_running_loop().create_future()

    def lose(self, reason: str) -> None:
        if not self.answer.done():
            self.answer.set_exception(Lost(reason))


class Http2(asyncio.Protocol):
    """One connection with many exchanges at once. `usable` is false once it takes no new ones."""

    def __init__(self) -> None:
        self.usable = True
        self._next = 1
        self._streams: dict[int, Stream] = {}
        self._buffer = b""
        self._encoder, self._decoder = Encoder(), Decoder()
        self._transport: asyncio.Transport | None = None

    @classmethod
    async def connect(cls, host: str, port: int) -> Self:
        try:
            _, connection = await asyncio.get_running_loop().create_connection(cls, host, port)
        except OSError as error:
            raise Lost(REFUSED) from error
        return connection

    async def exchange(self, method: str, target: str, host: str, id: str) -> tuple[int, bytes]:
        """Status and body; raises Lost."""
        number, self._next = self._next, self._next + 2
        self.usable = self.usable and self._next < LAST_STREAM
        stream = self._streams[number] = Stream()
        headers = [
            (":method", method),
            (":scheme", "http"),
            (":authority", host),
            (":path", target),
            ("x-strict-id", id),
        ]
        frame = HeadersFrame(number, data=self._encoder.encode(headers), flags=["END_HEADERS", "END_STREAM"])
        self._send(frame)
        try:
            return await stream.answer
        finally:
            del self._streams[number]

    def close(self) -> None:
        self.usable = False
        if self._transport is not None:
            self._transport.close()

    def _send(self, *frames: Frame) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"".join(frame.serialize() for frame in frames))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(PREFACE)
        self._send(SettingsFrame(0), WindowUpdateFrame(0, window_increment=2**30))

    def connection_lost(self, exc: Exception | None) -> None:
        self.usable = False
        for stream in self._streams.values():
            stream.lose(CUT if exc is None else RESET)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while len(self._buffer) >= 9:
            frame, size = Frame.parse_frame_header(memoryview(self._buffer[:9]))
            if len(self._buffer) < 9 + size:
                break
            frame.parse_body(memoryview(self._buffer[9 : 9 + size]))
            self._buffer = self._buffer[9 + size :]
            self._take(frame)

    def _take(self, frame: Frame) -> None:
        match frame:
            case HeadersFrame() | ContinuationFrame():
                self._headers(frame)
            case DataFrame():
                self._data(frame)
            case RstStreamFrame() if stream := self._streams.get(frame.stream_id):
                stream.lose(f"stream reset ({frame.error_code})")
            case GoAwayFrame():
                self._going_away(frame.last_stream_id)
            case SettingsFrame() if "ACK" not in frame.flags:
                self._send(SettingsFrame(0, flags=["ACK"]))
            case PingFrame() if "ACK" not in frame.flags:
                self._send(PingFrame(0, opaque_data=frame.opaque_data, flags=["ACK"]))

    def _headers(self, frame: HeadersFrame | ContinuationFrame) -> None:
        stream = self._streams.get(frame.stream_id) or Stream()  # of one that timed out, the table must still be fed
        stream.headers += frame.data
        stream.over = stream.over or "END_STREAM" in frame.flags
        if "END_HEADERS" in frame.flags:
            for name, value in self._decoder.decode(stream.headers, raw=True):
                if name == b":status":
                    stream.status = int(value)
            stream.headers = b""
            _end(stream)

    def _data(self, frame: DataFrame) -> None:
        if frame.flow_controlled_length:
            self._send(WindowUpdateFrame(0, window_increment=frame.flow_controlled_length))
        if stream := self._streams.get(frame.stream_id):
            stream.body += frame.data
            stream.over = "END_STREAM" in frame.flags
            _end(stream)

    def _going_away(self, last: int) -> None:
        """What the other side did not begin is lost too: a client may send it again, but this one never does."""
        self.usable = False
        for number, stream in self._streams.items():
            if number > last:
                stream.lose("refused by goaway")


def _end(stream: Stream) -> None:
    if stream.over and not stream.answer.done():
        stream.answer.set_result((stream.status, stream.body))
