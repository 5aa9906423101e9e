"""A service that says what it was asked, and misbehaves where the path asks for it.

Answers `{"name", "method", "path", "headers"}`. `/status/CODE` has that status, `/close` closes instead of answering,
`/cut` sends half of an answer, `/slow/MS` waits first, `/claims` says things that only the edge may say.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Echo(ThreadingHTTPServer):
    """Listens on a free loopback port until it is closed; `asked` are the paths it was asked for."""

    daemon_threads = True

    def __init__(self, name: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.name = name
        self.port = int(self.server_address[1])
        self.asked: list[str] = []


class _Handler(BaseHTTPRequestHandler):
    server: Echo
    protocol_version = "HTTP/1.1"
    timeout = 5
    disable_nagle_algorithm = True

    def _answer(self) -> None:
        self.server.asked.append(self.path)
        self.rfile.read(int(self.headers.get("content-length", "0")))
        match self.path.split("/")[1:]:
            case ["close"]:
                self.close_connection = True
            case ["cut"]:
                self._send(200, b"{", size=100)
                self.close_connection = True
            case ["status", code]:
                self._send(int(code), self._echo())
            case ["slow", ms]:
                time.sleep(int(ms) / 1000)
                self._send(200, self._echo())
            case ["claims"]:
                self._send(200, self._echo(), {"x-sophia-release": "forged", "server": "secret/1.0"})
            case _:
                self._send(200, self._echo())

    do_GET = do_POST = do_PUT = do_HEAD = _answer  # noqa: N815  # names that the base class looks for

    def _echo(self) -> bytes:
        said = {
            "name": self.server.name,
            "method": self.command,
            "path": self.path,
            "headers": {name.lower(): value for name, value in self.headers.items()},
        }
        return json.dumps(said).encode()

    def _send(self, status: int, body: bytes, headers: Mapping[str, str] = {}, *, size: int | None = None) -> None:
        self.send_response_only(status)
        for name, value in {"content-type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body) if size is None else size))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Says nothing."""


@contextmanager
def echoing(name: str) -> Iterator[Echo]:
    """One that answers, and at the end does not even listen any more."""
    server = Echo(name)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def raw(port: int, text: bytes, *, seconds: float = 5) -> bytes:
    """What comes back for these very bytes until the other side closes, or nothing came for `seconds`."""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
        connection.sendall(text)
        answer = b""
        try:
            while more := connection.recv(65536):
                answer += more
        except TimeoutError:
            pass
        return answer
