"""Asking services how they are: the `Probes` port over loopback HTTP and with commands.

What a service does wrong is an answer, never an exception: it may refuse, hang, drip, talk another protocol, or print
without end. Time is limited as a whole, what is kept is limited too, and nothing that a probe started outlives it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import h11
from sophia_deployment_core.ports import Answer

KEPT_BYTES = 64 * 1024
READ_BYTES = 64 * 1024
QUOTED_BYTES = 60
LAST_WORDS_SECONDS = 0.5
"""How long a command's output is still read after it ended: something it left behind may hold the pipe open."""
TIMED_OUT, NOT_EXECUTABLE, NOT_FOUND, KILLED = 124, 126, 127, 128
"""Exit statuses as shells and `timeout` use them; killed by signal n is 128 + n."""


class HttpProbes:
    async def http(
        self,
        port: int,
        method: str,
        path: str,
        *,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        timeout_ms: int,
    ) -> Answer:
        """One request on a fresh loopback connection; redirects are not followed. Header names come in lower case.

        An answer that did not end within the time is none: `status` is 0, and `error` says how far it came.
        """
        exchange = _Exchange(port, method, path, body, headers or {})
        return await _timed(exchange.run, timeout_ms, late=exchange.late)

    async def command(self, argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], timeout_ms: int) -> Answer:
        """Run a command in a process group of its own, with this environment alone; see the port.

        A name without a slash is looked for on that environment's PATH.

        `status` is 124 when it took too long, 126 or 127 when it could not be started, 128 + n when signal n killed it;
        `error` then says so. Standard input is empty; output and errors come as one.
        """
        command = _Command(argv, cwd, env)
        return await _timed(command.run, timeout_ms, late=command.late)


async def _timed(run: Callable[[], Awaitable[Answer]], timeout_ms: int, *, late: Callable[[str], Answer]) -> Answer:
    began = time.monotonic()
    try:
        async with asyncio.timeout(timeout_ms / 1000):
            answer = await run()
    except TimeoutError:
        answer = late(f"{timeout_ms / 1000:g} s")
    return replace(answer, took_ms=round((time.monotonic() - began) * 1000))


# --- HTTP -----------------------------------------------------------------------------------------------------------


class _Exchange:
    """One request and its answer. Its fields say how far it came, for when there is no time left."""

    def __init__(self, port: int, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> None:
        self._port = port
        self._body = body
        own = {"host": f"127.0.0.1:{port}", "user-agent": "sophia-probe", "accept": "*/*", "connection": "close"}
        if body or method not in ("GET", "HEAD"):
            own["content-length"] = str(len(body))
        given = {name.lower(): value for name, value in headers.items()}
        self._request = h11.Request(method=method, target=path, headers=list({**own, **given}.items()))
        self._http = h11.Connection(h11.CLIENT)
        self._connected = False
        self._response: h11.Response | None = None
        self._heard = b""

    def late(self, time_limit: str) -> Answer:
        if self._response is not None:
            status = self._response.status_code
            return Answer(0, error=f"answered {status}, but its body did not end within {time_limit}")
        return Answer(0, error=f"no {'answer' if self._connected else 'connection'} within {time_limit}")

    async def run(self) -> Answer:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError as error:
            return Answer(0, error=_because(error))
        self._connected = True
        try:
            return await self._ask(reader, writer)
        except OSError as error:
            return Answer(0, error=f"{_because(error)} before the answer was complete")
        except h11.RemoteProtocolError as error:
            return Answer(0, error=self._not_http(error))
        finally:
            writer.transport.abort()

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Answer:
        for part in (self._request, h11.Data(data=self._body), h11.EndOfMessage()):
            writer.write(self._http.send(part) or b"")
        await writer.drain()
        body = bytearray()
        while len(body) < KEPT_BYTES:
            event = await self._next(reader)
            if isinstance(event, h11.Response):
                self._response = event
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage | h11.ConnectionClosed):
                break
        return self._answer(bytes(body[:KEPT_BYTES]))

    async def _next(self, reader: asyncio.StreamReader) -> object:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            data = await reader.read(READ_BYTES)
            self._heard = self._heard or data[:QUOTED_BYTES]
            self._http.receive_data(data)
        return event

    def _answer(self, body: bytes) -> Answer:
        if self._response is None:
            return Answer(0, error="closed the connection without an answer")
        headers: dict[str, str] = {}
        for raw_name, raw_value in self._response.headers:
            name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        return Answer(self._response.status_code, headers, body)

    def _not_http(self, error: h11.RemoteProtocolError) -> str:
        if self._response is not None:
            return f"answered {self._response.status_code}, but its body is broken: {error}"
        if not self._heard:
            return "closed the connection without an answer"
        if self._heard.startswith(b"HTTP/"):
            return f"not HTTP: {error}"
        return f"not HTTP: it said {self._heard.decode('latin-1')!a}"


# --- commands -------------------------------------------------------------------------------------------------------


class _Command:
    """One command, and the end of what it printed so far."""

    def __init__(self, argv: Sequence[str], cwd: Path, env: Mapping[str, str]) -> None:
        self._argv = argv
        self._cwd = cwd
        self._env = env
        self._output = bytearray()

    def late(self, time_limit: str) -> Answer:
        return self._answered(TIMED_OUT, f"`{self._argv[0]}` did not end within {time_limit}")

    async def run(self) -> Answer:
        # A pipe of our own: with asyncio's, `wait` goes on until everybody who inherited it is gone.
        ours, theirs = os.pipe()
        reader = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(ours, "rb", 0)
        )
        try:
            process = await self._spawn(theirs)
            return await self._follow(process, reader)
        except FileNotFoundError:
            return self._answered(NOT_FOUND, f"`{self._argv[0]}` was not found")
        except OSError as error:
            return self._answered(NOT_EXECUTABLE, f"`{self._argv[0]}` cannot be started: {_because(error)}")
        finally:
            transport.close()

    async def _spawn(self, output: int) -> asyncio.subprocess.Process:
        try:
            return await asyncio.create_subprocess_exec(
                *self._argv,
                cwd=self._cwd,
                env=dict(self._env),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        finally:
            os.close(output)

    async def _follow(self, process: asyncio.subprocess.Process, output: asyncio.StreamReader) -> Answer:
        reading = asyncio.create_task(self._read(output))
        try:
            status = await process.wait()
            await asyncio.wait([reading], timeout=LAST_WORDS_SECONDS)
        finally:
            _kill_group(process.pid)
            reading.cancel()
        if status >= 0:
            return self._answered(status)
        return self._answered(KILLED - status, f"`{self._argv[0]}` was killed by {signal.Signals(-status).name}")

    async def _read(self, output: asyncio.StreamReader) -> None:
        while chunk := await output.read(READ_BYTES):
            self._output += chunk
            del self._output[:-KEPT_BYTES]

    def _answered(self, status: int, error: str = "") -> Answer:
        return Answer(status, body=bytes(self._output), error=error)


def _kill_group(leader: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def _because(error: OSError) -> str:
    return os.strerror(error.errno).lower() if error.errno else str(error).lower()
