"""The server of files over real connections."""

from __future__ import annotations

import gzip
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.ports import free_port

SERVER = Path(__file__).parents[2] / "libs/infrastructure/src/sophia_infrastructure/static_server.py"
LARGE = 64 << 20


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "dist"
    (root / "assets").mkdir(parents=True)
    (root / "index.html").write_text("<h1>home</h1>")
    (root / "assets" / "index-BfX3kd9a.js").write_text("let a = 1\n" * 500)
    with (root / "large.bin").open("wb") as file:
        file.truncate(LARGE)
    return root


@pytest.fixture
def server(root, tmp_path):
    """A running server; `.port`, and its process as `.process`."""
    with serving(root, data=tmp_path / "data") as running:
        yield running


class serving:  # noqa: N801  # used like a function
    def __init__(self, root, *, data):
        self.port = free_port()
        settings = json.dumps({"root": str(root), "index": "index.html", "spa": True})
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(SERVER), settings],
            env={"PORT": str(self.port), "DATA_DIR": str(data)},
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self):
        assert "serving" in self.process.stdout.readline()
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=5)

    def client(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)

    def get(self, target, **headers):
        client = self.client()
        client.request("GET", target, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = client.getresponse()
        body = answer.read()
        client.close()
        return answer, body


def exchange(connection, data):
    """Send, and read until the other side closes."""
    connection.sendall(data)
    said = b""
    while part := connection.recv(65536):
        said += part
    return said


def test_many_requests_go_over_one_connection(server):
    client = server.client()
    for _ in range(3):
        client.request("GET", "/")
        assert client.getresponse().read() == b"<h1>home</h1>"
    client.request("HEAD", "/assets/index-BfX3kd9a.js", headers={"accept-encoding": "gzip"})
    answer = client.getresponse()
    assert answer.read() == b"" and answer.headers["content-encoding"] == "gzip"
    client.request("GET", "/assets/index-BfX3kd9a.js", headers={"accept-encoding": "gzip"})
    packed = client.getresponse()
    assert packed.headers["content-length"] == answer.headers["content-length"]
    assert gzip.decompress(packed.read()) == b"let a = 1\n" * 500
    client.request("GET", "/", headers={"if-none-match": "*"})
    unchanged = client.getresponse()
    assert (unchanged.status, unchanged.read()) == (304, b"")
    client.close()


def test_requests_that_come_at_once_are_answered_in_order(server):
    with server.connect() as connection:
        said = exchange(connection, b"GET / HTTP/1.1\r\n\r\nGET /no.js HTTP/1.1\r\nconnection: close\r\n\r\n")
    assert said.index(b"200 OK") < said.index(b"404 Not Found")


def test_a_large_file_is_whole_and_its_ranges_too(server):
    answer, body = server.get("/large.bin")
    assert len(body) == LARGE == int(answer.headers["content-length"])
    answer, body = server.get("/large.bin", range=f"bytes={LARGE - 3}-")
    assert (answer.status, body) == (206, b"\0\0\0")


def test_who_sends_a_body_or_no_request_gets_an_answer_and_the_connection_ends(server):
    for data, status in (
        (b"POST / HTTP/1.1\r\ncontent-length: 100000\r\n\r\n" + b"x" * 100_000, b"405"),
        (b"GET / HTTP/1.1\r\ncontent-length: 3\r\n\r\nGET", b"200"),
        (b"nonsense\r\n\r\n", b"400"),
    ):
        with server.connect() as connection:
            said = exchange(connection, data)
        assert said.split(b" ")[1] == status and b"connection: close" in said
        assert said.count(b"HTTP/1.1 ") == 1


def test_a_head_without_end_is_not_collected_for_ever(server):
    with server.connect() as connection, suppress(OSError):
        assert exchange(connection, b"GET / HTTP/1.1\r\n" + b"x-filler: " + b"x" * 100_000) == b""
    assert server.get("/")[0].status == 200


def test_it_listens_on_this_machine_alone(server):
    listening = {line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines()}
    assert f"0100007F:{server.port:04X}" in listening
    assert f"00000000:{server.port:04X}" not in listening


def test_an_unused_connection_outlives_the_four_seconds_of_the_edge(server):
    with server.connect() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
        time.sleep(0.1)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")
        time.sleep(4.5)
        connection.sendall(b"GET / HTTP/1.1\r\nconnection: close\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")


def test_what_is_under_way_is_finished_before_it_leaves(server):
    with server.connect() as slow, server.connect() as idle:
        idle.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert idle.recv(65536).startswith(b"HTTP/1.1 200")
        slow.sendall(b"GET /large.bin HTTP/1.1\r\n\r\n")
        received = len(slow.recv(65536))
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.4)
        assert server.process.poll() is None, "it waits for the slow one"
        idle.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert b"connection: close" in idle.recv(65536)
        while part := slow.recv(1 << 20):
            received += len(part)
        assert received > LARGE
    assert server.process.wait(5) == 0


def test_it_leaves_at_once_when_nothing_is_under_way(server):
    with server.connect() as idle:
        idle.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert idle.recv(65536)
        began = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(5) == 0
    assert time.monotonic() - began < 2


def test_many_clients_at_once_are_served(server):
    wrong = []

    def fetch():
        for _ in range(20):
            answer, body = server.get("/assets/index-BfX3kd9a.js")
            if answer.status != 200 or body != b"let a = 1\n" * 500:
                wrong.append(answer.status)

    threads = [threading.Thread(target=fetch) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not wrong


def test_a_page_loaded_before_a_switch_finds_its_chunks_after_it(server, root, tmp_path):
    kept = tmp_path / "data" / "assets-kept" / "assets" / "index-BfX3kd9a.js"
    until = time.monotonic() + 5
    while not kept.exists() and time.monotonic() < until:
        time.sleep(0.01)
    newer = tmp_path / "newer"
    newer.mkdir()
    (newer / "index.html").write_text("<h1>newer</h1>")
    with serving(newer, data=tmp_path / "data") as after:
        answer, body = after.get("/assets/index-BfX3kd9a.js")
        assert (answer.status, body) == (200, b"let a = 1\n" * 500)
        assert after.get("/")[1] == b"<h1>newer</h1>"


def test_it_serves_though_it_can_keep_nothing(root, tmp_path):
    (tmp_path / "data").write_text("in the way")
    with serving(root, data=tmp_path / "data") as running:
        assert running.get("/")[0].status == 200
        assert os.path.exists(f"/proc/{running.process.pid}")
