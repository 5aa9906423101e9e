"""The platform that Sophia deploys as its reference, as four real processes on loopback: they find each other by the
environment alone, keep what they were told over restarts, and name who is down."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.ports import free_port

pytestmark = pytest.mark.slow

START_SECONDS = 20.0
STOP_SECONDS = 30.0
COMMANDS = {
    "ai-memory": ["-m", "sophia_mcp_servers", "ai-memory"],
    "code-quality": ["-m", "sophia_mcp_servers", "code-quality"],
    "mcp-gateway": ["-m", "sophia_mcp_servers", "gateway"],
    "api": ["-m", "sophia_api"],
}
NEEDS = {"mcp-gateway": ["ai-memory", "code-quality"], "api": ["ai-memory", "mcp-gateway"]}


class Platform:
    """The four services, each with a port that it keeps when it is started again."""

    def __init__(self, directory: Path) -> None:
        self.ports = {name: free_port() for name in COMMANDS}
        self._directory = directory
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, *names: str, **more: str) -> None:
        """Starts them side by side and returns when all are healthy."""
        for name in names:
            needed = {f"{need.upper().replace('-', '_')}_URL": self._url(need) for need in NEEDS.get(name, [])}
            own = {"PORT": str(self.ports[name]), "DATA_DIR": str(self._directory / name), "SOPHIA_SERVICE": name}
            environment = {"PATH": os.defpath, "HOME": str(self._directory), **own, **needed, **more}
            with self.log(name).open("ab") as log:
                self._processes[name] = subprocess.Popen(
                    [sys.executable, *COMMANDS[name]], env=environment, stdout=log, stderr=log, cwd=self._directory
                )
        for name in names:
            self._wait_until_healthy(name)

    def stop(self, name: str, number: signal.Signals = signal.SIGTERM) -> int:
        """Its exit status."""
        process = self._processes.pop(name)
        process.send_signal(number)
        return process.wait(STOP_SECONDS)

    def end(self) -> None:
        for process in self._processes.values():
            process.kill()
            process.wait(STOP_SECONDS)

    def log(self, name: str) -> Path:
        return self._directory / f"{name}.log"

    def logged(self, name: str, request_id: str) -> list[dict[str, Any]]:
        """What it said about a request. A server writes that down after its answer is out, so it is waited for."""
        deadline = time.monotonic() + 5
        while True:
            complete = self.log(name).read_text().rpartition("\n")[0]
            lines = [json.loads(line) for line in complete.splitlines()]
            about = [line for line in lines if line.get("request_id") == request_id]
            if any(line["event"] == "request answered" for line in about) or time.monotonic() > deadline:
                return about
            time.sleep(0.02)

    def get(self, name: str, path: str) -> tuple[int, str]:
        return self._ask(name, "GET", path)

    def chat(self, message: str, **headers: str) -> dict[str, Any]:
        status, text = self._ask("api", "POST", "/chat", {"message": message}, headers)
        assert status == 200, text
        answer: dict[str, Any] = json.loads(text)
        return answer

    def pid(self, name: str) -> int:
        return self._processes[name].pid

    def _ask(
        self, name: str, method: str, path: str, body: object = None, headers: dict[str, str] | None = None
    ) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.ports[name], timeout=20)
        content = json.dumps(body) if body is not None else None
        connection.request(method, path, content, {"content-type": "application/json"} | (headers or {}))
        response = connection.getresponse()
        text = response.read().decode()
        connection.close()
        return response.status, text

    def _url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.ports[name]}"

    def _wait_until_healthy(self, name: str) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            assert self._processes[name].poll() is None, self.log(name).read_text()
            try:
                if self.get(name, "/health")[0] == 200:
                    return
            except OSError:
                time.sleep(0.05)
        pytest.fail(f"{name} was not healthy within {START_SECONDS} s: {self.log(name).read_text()}")


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    started = Platform(tmp_path_factory.mktemp("platform"))
    try:
        started.start(*COMMANDS)
        yield started
    finally:
        started.end()


def test_all_are_ready_and_say_on_whom_they_rest(platform: Platform) -> None:
    status, text = platform.get("api", "/ready")
    assert status == 200
    assert [each["name"] for each in json.loads(text)["dependencies"]] == ["ai-memory", "mcp-gateway"]


def test_what_is_told_is_recalled_after_the_memory_was_restarted(platform: Platform) -> None:
    platform.chat("remember that the night train leaves on Thursdays")
    assert "night train" in platform.chat("When does the night train leave?")["answer"]
    assert platform.stop("ai-memory") == -signal.SIGTERM
    down = platform.chat("When does the night train leave?")
    assert down["unavailable"][0]["name"] == "ai-memory"
    platform.start("ai-memory")
    recalled = platform.chat("When does the night train leave?")
    assert [memory["text"] for memory in recalled["memories"]] == ["the night train leaves on Thursdays"]
    hits = platform.get("ai-memory", "/metrics")[1]
    assert 'memory_recalls_total{outcome="hit"} 1.0' in hits


def test_the_memory_survives_sigkill(platform: Platform) -> None:
    platform.chat("remember that the spare key is under the fern")
    assert platform.stop("ai-memory", signal.SIGKILL) == -signal.SIGKILL
    platform.start("ai-memory")
    assert "under the fern" in platform.chat("Where is the spare key?")["answer"]
    assert platform.chat("forget that the spare key is under the fern")["tools"][0]["result"] == {"forgotten": True}
    assert platform.chat("Where is the spare key?")["memories"] == []


def test_code_is_looked_at_and_a_missing_server_is_named_by_the_gateway(platform: Platform) -> None:
    question = "Is anything wrong with this?\n```python\nimport subprocess\nsubprocess.call(command, shell=True)\n```"
    found = platform.chat(question)
    rules = {each["rule"] for each in found["tools"][0]["result"]["findings"]}
    assert {"F821", "B602"} <= rules
    platform.stop("code-quality", signal.SIGKILL)
    missing = platform.chat(question)
    assert "`code-quality` is down: connection refused" in missing["answer"]
    assert missing["unavailable"] == [{"name": "code-quality", "why": "connection refused"}]
    status, text = platform.get("api", "/ready")
    assert status == 503 and "`code-quality`: connection refused" in text
    assert platform.get("api", "/health")[0] == 200
    platform.start("code-quality")
    assert platform.chat(question)["tools"][0]["state"] == "succeeded"


def test_the_id_of_a_request_is_in_the_log_of_everyone_who_took_part(platform: Platform) -> None:
    platform.chat('/call ai-memory.recall {"query": "nothing"}', **{"x-request-id": "trace-42"})
    for name in ("api", "mcp-gateway", "ai-memory"):
        took_part = platform.logged(name, "trace-42")
        assert took_part, name
        assert {line["service"] for line in took_part} == {name}


def test_an_idle_connection_outlives_the_proxys_patience(platform: Platform) -> None:
    """A server that closed idle connections before the proxy does would lose requests that are just being sent."""
    connections = [http.client.HTTPConnection("127.0.0.1", port, timeout=10) for port in platform.ports.values()]
    for connection in connections:
        connection.request("GET", "/health")
        connection.getresponse().read()
    time.sleep(6)
    for connection in connections:
        sock = connection.sock
        assert sock is not None
        connection.request("GET", "/health")
        assert connection.getresponse().read() and connection.sock is sock
        connection.close()


def test_sigterm_lets_a_request_in_flight_end(platform: Platform) -> None:
    with socket.create_connection(("127.0.0.1", platform.ports["api"]), timeout=20) as connection:
        body = json.dumps({"message": "check ```\nimport os\n```"}).encode()
        head = (
            f"POST /chat HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        connection.sendall(head.encode() + body[:10])
        time.sleep(0.2)  # the server must have begun to read it
        os.kill(platform.pid("api"), signal.SIGTERM)
        time.sleep(0.3)
        connection.sendall(body[10:])
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    assert answer.startswith(b"HTTP/1.1 200") and b"F401" in answer
    assert platform.stop("api") == -signal.SIGTERM
    platform.start("api")


@pytest.mark.parametrize(("fault", "expected"), [("crash-loop", 70), ("crash-after:100ms", 70), ("nonsense", 2)])
def test_a_fault_ends_the_process_with_its_status(platform: Platform, fault: str, expected: int) -> None:
    environment = {"PATH": os.defpath, "PORT": str(free_port()), "DEMO_FAULT": fault}
    command = [sys.executable, "-m", "sophia_api"]
    ended = subprocess.run(command, env=environment, capture_output=True, timeout=20, check=False)
    assert ended.returncode == expected


def test_a_process_told_to_ignore_sigterm_does(tmp_path: Path) -> None:
    stubborn = Platform(tmp_path)
    try:
        stubborn.start("api", DEMO_FAULT="ignore-sigterm", DEMO_LABEL="stubborn")
        os.kill(stubborn.pid("api"), signal.SIGTERM)
        time.sleep(0.5)
        assert json.loads(stubborn.get("api", "/version")[1])["label"] == "stubborn"
        assert stubborn.stop("api", signal.SIGKILL) == -signal.SIGKILL
    finally:
        stubborn.end()


def test_the_wrong_port_is_listened_on(tmp_path: Path) -> None:
    port = free_port()
    environment = {"PATH": os.defpath, "PORT": str(port), "DEMO_FAULT": "wrong-port"}
    command = [sys.executable, "-m", "sophia_api"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) as process:
        try:
            assert process.stderr is not None
            said = process.stderr.readline().decode()
            assert re.search(r'"port": 0', said)
            time.sleep(0.5)
            with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port), timeout=5):
                pass
        finally:
            process.kill()
