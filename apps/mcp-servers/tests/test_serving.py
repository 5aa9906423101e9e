"""What the three servers have in common."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import httpx2
import pytest
import structlog
from sophia_mcp_servers.__main__ import SERVERS, main
from sophia_mcp_servers.code_quality.server import served
from sophia_mcp_servers.serving import VERSION, Misconfigured, Settings, log_as

Running = Callable[[Any], AbstractAsyncContextManager[None]]


def client(application: Any) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(application), base_url="http://127.0.0.1:1")


async def test_the_face_of_a_server(running: Running) -> None:
    application = served({})
    async with running(application), client(application) as http:
        assert (await http.get("/health")).json() == {"status": "ok"}
        assert (await http.get("/ready")).json()["ready"] is True
        version = await http.get("/version", headers={"x-sophia-release": "sha256:ab", "x-request-id": "r-1"})
        assert version.json() == {"service": "code-quality", "version": VERSION, "release": "sha256:ab"}
        assert version.headers["x-request-id"] == "r-1"
        metrics = (await http.get("/metrics")).text
    assert 'mcp_request_seconds_count{path="/version",status="200"} 1.0' in metrics


async def test_an_id_that_could_forge_a_log_line_is_replaced(running: Running) -> None:
    application = served({})
    async with running(application), client(application) as http:
        answer = await http.get("/health", headers={"x-request-id": 'x", "level": "error'})
    assert len(answer.headers["x-request-id"]) == 36


async def test_a_page_of_another_site_cannot_speak_to_a_server(running: Running) -> None:
    application = served({})
    async with running(application), client(application) as http:
        answer = await http.post("/mcp", json={}, headers={"host": "evil.example"})
    assert answer.status_code == 421


async def test_a_body_that_is_too_long_is_refused(running: Running) -> None:
    application = served({})
    async with running(application), client(application) as http:
        answer = await http.post("/mcp", content=b"x" * (600 * 1024), headers={"content-type": "application/json"})
    assert answer.status_code == 413


@pytest.mark.parametrize("port", ["", "0", "65536", "http"])
def test_a_port_that_is_none_is_refused(port: str) -> None:
    with pytest.raises(Misconfigured, match="`PORT` must be a number"):
        Settings.read("gateway", {"PORT": port})


def test_a_wrong_call_ends_with_status_2_and_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == main(["nothing"]) == 2
    said = capsys.readouterr().err
    assert all(name in said for name in SERVERS)


def test_a_log_line_says_who_it_is_from(capsys: pytest.CaptureFixture[str]) -> None:
    log_as(Settings(service="gateway", environment="staging", workload="w1", port=1))
    try:
        structlog.get_logger().info("hello", fact=1)
        line = json.loads(capsys.readouterr().err)
    finally:
        structlog.reset_defaults()
    assert line["event"] == "hello" and line["fact"] == 1
    assert (line["service"], line["environment"], line["workload"]) == ("gateway", "staging", "w1")
