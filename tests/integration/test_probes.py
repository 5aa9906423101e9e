"""Probes against sockets and commands that misbehave: whatever they do, a probe answers in time and leaves nothing."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from sophia_deployment_core.ports import Answer
from sophia_infrastructure.probes import HttpProbes

from tests.support.ports import free_port

PROBES = HttpProbes()
LIMIT_MS = 300
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def served(talk: Talk) -> AsyncIterator[int]:
    """A loopback server that talks like this; at the end every connection is closed."""
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.current_task())  # type: ignore[arg-type]
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            await talk(reader, writer)
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks)


def says(*parts: bytes, then_seconds: float = 0, between_seconds: float = 0) -> Talk:
    """Reads a request's head, says these parts, and closes after a while."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(between_seconds)
        await asyncio.sleep(then_seconds)

    return talk


async def asked(talk: Talk, *, method: str = "GET", path: str = "/health", **more: object) -> Answer:
    async with served(talk) as port:
        began = time.monotonic()
        answer = await PROBES.http(port, method, path, timeout_ms=LIMIT_MS, **more)  # type: ignore[arg-type]
        took = time.monotonic() - began
    assert took < 2 * LIMIT_MS / 1000, "the time is limited as a whole"
    assert abs(answer.took_ms - took * 1000) < 50
    return answer


# --- answers --------------------------------------------------------------------------------------------------------


async def test_a_plain_answer_comes_whole():
    answer = await asked(says(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: 1\r\nx-a: 2\r\n\r\nok", then_seconds=9))
    assert (answer.status, answer.body, answer.error) == (200, b"ok", "")
    assert answer.headers == {"content-length": "2", "x-a": "1, 2"}


@pytest.mark.parametrize(
    ("said", "status", "body"),
    [
        (b"HTTP/1.1 503 Down\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 503, b"abc"),
        (b"HTTP/1.0 200\r\n\r\nuntil the end", 200, b"until the end"),
        (b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n", 302, b""),
        (b"HTTP/1.1 204 None\r\n\r\n", 204, b""),
        (b"HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1", 200, b"1"),
    ],
)
async def test_every_way_to_end_a_body_is_understood(said, status, body):
    answer = await asked(says(said))
    assert (answer.status, answer.body, answer.error) == (status, body, "")


async def test_an_answer_to_head_has_no_body():
    answer = await asked(says(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", then_seconds=9), method="HEAD")
    assert (answer.status, answer.body) == (200, b"")


async def test_only_the_beginning_of_a_large_body_is_kept_and_it_need_not_end():
    endless = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
    answer = await asked(says(endless, *[b"x" * 30_000] * 5, then_seconds=9))
    assert (answer.status, answer.body) == (200, b"x" * 65536)


async def test_what_is_asked_arrives_as_it_was_meant():
    heard = bytearray()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.extend(await reader.readuntil(b"{}"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    headers = {"Host": "shop.example", "X-Sophia-Release": "abc"}
    assert (await asked(talk, method="POST", path="/a?b=c", body=b"{}", headers=headers)).status == 200
    head, body = bytes(heard).split(b"\r\n\r\n")
    first, *rest = head.decode().lower().split("\r\n")
    assert (first, body) == ("post /a?b=c http/1.1", b"{}")
    assert {"host: shop.example", "x-sophia-release: abc", "content-length: 2", "connection: close"} <= set(rest)


async def test_an_answer_before_the_body_was_read_counts():
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await asyncio.sleep(9)

    assert (await asked(talk, method="POST", body=bytes(50_000))).status == 413


# --- no answers -----------------------------------------------------------------------------------------------------


async def test_nobody_listens():
    answer = await PROBES.http(free_port(), "GET", "/", timeout_ms=LIMIT_MS)
    assert (answer.status, answer.error) == (0, "connection refused")


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
DRIP = [b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n", *[b"."] * 99]


@pytest.mark.parametrize(
    ("talk", "error"),
    [
        (says(then_seconds=9), "no answer within 0.3 s"),
        (says(*[b"HTTP/1.1 103 Early\r\n\r\n"] * 99, between_seconds=0.05), "no answer within 0.3 s"),
        (says(*DRIP, between_seconds=0.05), "answered 200, but its body did not end within 0.3 s"),
        (says(), "closed the connection without an answer"),
        (says(b"SSH-2.0-OpenSSH_9.2\r\n\x1b[2J"), "not HTTP: it said 'SSH-2.0-OpenSSH_9.2\\r\\n\\x1b[2J'"),
        (says(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab"), "answered 200, but its body is broken: "),
        (
            says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
            "answered 200, but its body is broken: ",
        ),
        (says(b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n"), "not HTTP: "),
        (says(b"HTTP/1.1 200 OK\r\n" + b"x" * 200_000), "not HTTP: "),
        (says(b"HTTP/1.1 101 Switching Protocols\r\n\r\n"), "not HTTP: "),
    ],
)
async def test_whatever_is_wrong_is_said_in_words(talk, error):
    answer = await asked(talk)
    assert answer.status == 0
    assert answer.error.startswith(error) if error.endswith(": ") else answer.error == error


async def test_a_connection_that_is_reset_is_said_to_be():
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab")
        await writer.drain()
        await asyncio.sleep(0.05)
        _reset(writer)

    assert (await asked(talk)).error == "connection reset by peer before the answer was complete"


def _reset(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


# --- commands -------------------------------------------------------------------------------------------------------

ENV = {"PATH": os.environ["PATH"]}


async def ran(*argv: str, timeout_ms: int = 5_000, **env: str) -> Answer:
    return await PROBES.command(argv, cwd=Path("/"), env=ENV | env, timeout_ms=timeout_ms)


async def test_a_command_gets_its_environment_and_nothing_else_and_no_input(monkeypatch):
    monkeypatch.setenv("ELSE", "leaked")
    answer = await ran("sh", "-c", 'cat; echo "$SOPHIA_URL-$ELSE"; echo oops >&2; exit 3', SOPHIA_URL="http://x")
    assert (answer.status, answer.body, answer.error) == (3, b"http://x-\noops\n", "")


@pytest.mark.parametrize(
    ("argv", "status", "error"),
    [
        (["no-such-program"], 127, "`no-such-program` was not found"),
        (["/etc/passwd"], 126, "`/etc/passwd` cannot be started: permission denied"),
        (["sh", "-c", "kill -9 $$"], 137, "`sh` was killed by SIGKILL"),
    ],
)
async def test_a_command_that_cannot_run_or_is_killed_has_a_shells_status(argv, status, error):
    answer = await ran(*argv)
    assert (answer.status, answer.error) == (status, error)


async def test_only_the_end_of_the_output_is_kept_though_it_is_endless():
    answer = await ran("sh", "-c", "yes | head -c 10000000; echo end", timeout_ms=20_000)
    assert answer.status == 0 and len(answer.body) == 65536 and answer.body.endswith(b"y\nend\n")


def _is_gone(pid_file: Path) -> bool:
    pid = int(pid_file.read_text())
    until = time.monotonic() + 5
    while time.monotonic() < until:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rsplit(")")[-1].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.02)
    return False


BACKGROUND = 'sleep 60 & echo $! > "$PIDS"; '


async def test_a_command_that_takes_too_long_is_killed_with_its_children(tmp_path):
    answer = await ran("sh", "-c", BACKGROUND + "echo waiting; wait", timeout_ms=LIMIT_MS, PIDS=str(tmp_path / "pid"))
    assert (answer.status, answer.body) == (124, b"waiting\n")
    assert answer.error == "`sh` did not end within 0.3 s"
    assert answer.took_ms < 2 * LIMIT_MS
    assert _is_gone(tmp_path / "pid")


async def test_a_child_left_behind_with_the_output_in_its_hand_delays_nothing_and_is_killed(tmp_path):
    answer = await ran("sh", "-c", BACKGROUND + "echo done", PIDS=str(tmp_path / "pid"))
    assert (answer.status, answer.body) == (0, b"done\n")
    assert answer.took_ms < 2_000
    assert _is_gone(tmp_path / "pid")


AWAY = "import os, time\nif os.fork() == 0:\n os.setsid()\n time.sleep(3)\nelse:\n print('away', flush=True)"


async def test_one_that_moved_to_a_session_of_its_own_delays_nothing_either(tmp_path):
    answer = await ran(sys.executable, "-c", AWAY)
    assert (answer.status, answer.body) == (0, b"away\n")
    assert answer.took_ms < 2_500


async def test_a_cancelled_probe_leaves_no_process(tmp_path):
    probe = asyncio.create_task(ran("sh", "-c", BACKGROUND + "wait", PIDS=str(tmp_path / "pid")))
    for _ in range(500):
        await asyncio.sleep(0.01)
        if (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip():
            break
    probe.cancel()
    with pytest.raises(asyncio.CancelledError):
        await probe
    assert _is_gone(tmp_path / "pid")


async def test_probes_leave_no_descriptor_open():
    async with served(says(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")) as port:

        async def once() -> None:
            await PROBES.http(port, "GET", "/", timeout_ms=LIMIT_MS)
            await ran("true")
            await ran("no-such-program")
            await ran(sys.executable, "-c", AWAY)
            await asyncio.sleep(0.02)

        await once()
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(5):
            await once()
        assert len(os.listdir("/proc/self/fd")) <= before
