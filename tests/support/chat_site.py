"""The chat page on one origin with a backend: a stand-in for the edge and Sophia's static server.

It serves a built page (hashed assets of earlier pages stay, as the static server keeps them) and either answers
`/chat` and `/version` itself, from a script that can be cut in the middle, or hands them on to a real backend. What it
answers itself proves things about the page only.
"""

from __future__ import annotations

import http.client
import json
import mimetypes
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

STEP_SECONDS = 20


class Answer:
    """One answer of the backend, sent piece by piece by the test: `event` and `say`, then `finish` or `cut`."""

    def __init__(self, body: dict[str, Any]) -> None:
        self.body = body
        self.left = threading.Event()
        """Set when the page has hung up or the answer is over."""
        self._pieces: list[bytes | None] = []
        self._changed = threading.Condition()

    def event(self, name: str, data: object) -> Answer:
        return self._put(f"event: {name}\ndata: {json.dumps(data)}\n\n".encode())

    def say(self, text: str) -> Answer:
        for word in text.split(" "):
            self.event("token", {"text": f"{word} "})
        return self

    def finish(self) -> None:
        """`done`, and a proper end of the stream."""
        self.event("done", {"conversation": "c-1"})._put(None)

    def cut(self) -> None:
        """The end of the connection in the middle of an event, as when an instance is killed."""
        self._put(b'event: token\ndata: {"te')._put(None)

    def _put(self, piece: bytes | None) -> Answer:
        with self._changed:
            self._pieces.append(piece)
            self._changed.notify_all()
        return self

    def pieces(self) -> Iterator[bytes]:
        """What is sent, as the test puts it in; ends with the answer, or when the test says nothing more for long."""
        sent = 0
        while not self.left.is_set() and (piece := self._piece(sent)) is not None:
            sent += 1
            yield piece

    def _piece(self, number: int) -> bytes | None:
        with self._changed:
            came = self._changed.wait_for(lambda: len(self._pieces) > number, STEP_SECONDS)
            return self._pieces[number] if came else None


class Site:
    """What the origin serves now; a test changes it while the page is open."""

    def __init__(self, page: Path, backend: int | None = None) -> None:
        self.pages = [page]
        """Built pages, the live one last; of the others only the hashed assets are served."""
        self.backend = backend
        """Port of a real backend; None: the test answers."""
        self.release, self.label = "sha256:" + "a1" * 32, "blue"
        self.down = False
        """Whether connections are closed without an answer."""
        self.status = 200
        """What `/chat` answers with; a stream only follows a 200."""
        self.answers: list[Answer] = []
        """One for each POST that came, in order."""
        self.url = ""
        self._asked = threading.Condition()

    def take_over(self, page: Path, *, release: str, label: str) -> None:
        """Another release is live from now on; what streams goes on, and hashed assets stay."""
        self.pages.append(page)
        self.release, self.label = release, label

    def asked(self, count: int) -> Answer:
        """The answer to the `count`-th question, when it has come."""
        with self._asked:
            assert self._asked.wait_for(lambda: len(self.answers) >= count, STEP_SECONDS), f"no question {count}"
            return self.answers[count - 1]

    def take(self, body: dict[str, Any]) -> Answer:
        with self._asked:
            self.answers.append(Answer(body))
            self._asked.notify_all()
            return self.answers[-1]

    def file(self, path: str) -> Path | None:
        """The file for a path: the live page's, or an older page's where its name has a hash."""
        places = self.pages if path.startswith("/assets/") else self.pages[-1:]
        wanted = [page / (path.lstrip("/") or "index.html") for page in reversed(places)]
        return next((file for file in wanted if file.is_file()), None)


class _Handler(BaseHTTPRequestHandler):
    site: Site

    def do_GET(self) -> None:
        if self.site.down:
            return self._hang_up()
        if self.path == "/version":
            return self._pass_on() if self.site.backend else self._version()
        file = self.site.file(self.path)
        if file is None:
            return self._answer(404, b"not found\n", "text/plain")
        return self._answer(200, file.read_bytes(), mimetypes.guess_type(file.name)[0] or "application/octet-stream")

    def do_POST(self) -> None:
        if self.site.down:
            return self._hang_up()
        if self.site.backend:
            return self._pass_on()
        answer = self.site.take(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        if self.site.status != 200:
            return self._answer(self.site.status, b"no healthy upstream", "text/plain")
        self._head(200, "text/event-stream")
        return self._stream(answer)

    def _version(self) -> None:
        body = {"service": "sophia-api", "version": "0.1.0", "release": self.site.release, "label": self.site.label}
        self._answer(200, json.dumps(body).encode(), "application/json")

    def _stream(self, answer: Answer) -> None:
        try:
            for piece in answer.pieces():
                self.wfile.write(piece)
        except OSError:
            pass  # the page hung up, as after Stop
        answer.left.set()

    def _pass_on(self) -> None:
        backend = http.client.HTTPConnection("127.0.0.1", self.site.backend, timeout=STEP_SECONDS)
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        named = {"x-sophia-release": self.site.release}
        kept = {name: self.headers[name] for name in ("content-type", "accept") if name in self.headers}
        backend.request(self.command, self.path, body, kept | named)
        response = backend.getresponse()
        self._head(response.status, response.headers["content-type"])
        while piece := response.read1(65536):
            self.wfile.write(piece)
        backend.close()

    def _hang_up(self) -> None:
        self.connection.shutdown(socket.SHUT_RDWR)

    def _head(self, status: int, kind: str) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("x-sophia-release", self.site.release)
        self.send_header("connection", "close")
        self.end_headers()

    def _answer(self, status: int, body: bytes, kind: str) -> None:
        self._head(status, kind)
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Silent: the test says what it saw."""


@contextmanager
def serving(site: Site) -> Iterator[Site]:
    """Serves it on a free loopback port, named by `site.url`, until the block ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"site": site}))
    server.daemon_threads = True
    site.url = f"http://127.0.0.1:{server.server_port}/"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        for answer in site.answers:
            answer.left.set()
        server.shutdown()
        server.server_close()
        thread.join(STEP_SECONDS)
