"""`ai-memory` as an MCP server, spoken to by the SDK's own client."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from sophia_mcp_servers.ai_memory.server import served, server
from sophia_mcp_servers.ai_memory.store import Store
from sophia_mcp_servers.serving import Misconfigured, new_registry

Running = Callable[[Any], AbstractAsyncContextManager[None]]


async def test_remember_recall_and_forget_over_the_protocol(tmp_path: Path) -> None:
    registry = new_registry()
    async with Client(server(Store(tmp_path), registry)) as client:
        kept = await client.call_tool("remember", {"text": "the train leaves on Thursday"})
        assert kept.structured_content == {"id": 1, "text": "the train leaves on Thursday", "new": True}
        found = await client.call_tool("recall", {"query": "train"})
        assert [each["text"] for each in (found.structured_content or {})["memories"]] == [
            "the train leaves on Thursday"
        ]
        gone = await client.call_tool("forget", {"id": 1})
        assert gone.structured_content == {"forgotten": True}
        missed = await client.call_tool("recall", {"query": "train"})
        assert missed.structured_content == {"memories": []}
    assert registry.get_sample_value("memory_recalls_total", {"outcome": "hit"}) == 1
    assert registry.get_sample_value("memory_recalls_total", {"outcome": "miss"}) == 1
    assert registry.get_sample_value("memory_changes_total", {"change": "kept"}) == 1


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("remember", {}),
        ("remember", {"text": "  "}),
        ("remember", {"text": "x" * 4001}),
        ("recall", {"query": "x", "limit": 0}),
        ("forget", {}),
        ("forget", {"text": "x", "id": 1}),
    ],
)
async def test_arguments_out_of_bounds_are_the_callers_error(
    tmp_path: Path, tool: str, arguments: dict[str, Any]
) -> None:
    async with Client(server(Store(tmp_path), new_registry())) as client:
        assert (await client.call_tool(tool, arguments)).is_error


async def test_a_store_that_broke_is_told_to_the_caller_and_to_ready(tmp_path: Path, running: Running) -> None:
    application = served({"DATA_DIR": str(tmp_path)})
    http = httpx2.AsyncClient(transport=httpx2.ASGITransport(application), base_url="http://127.0.0.1:1")
    async with running(application), http:
        assert (await http.get("/ready")).json() == {
            "ready": True,
            "dependencies": [{"name": "store", "ready": True, "why": ""}],
        }
        for name in os.listdir(tmp_path):
            os.unlink(tmp_path / name)
        answer = await http.get("/ready")
        assert answer.status_code == 503
        assert "no such table" in answer.json()["dependencies"][0]["why"]
        assert (await http.get("/health")).status_code == 200


def test_it_does_not_start_without_a_place_to_keep_memories(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="`DATA_DIR` is not set"):
        served({})
    (tmp_path / "file").touch()
    with pytest.raises(Misconfigured, match="cannot be used"):
        served({"DATA_DIR": str(tmp_path / "file")})


@pytest.mark.parametrize("mode", ["legacy", "auto", "2026-07-28"])
async def test_both_eras_of_the_protocol_are_served_without_a_session(
    tmp_path: Path, running: Running, mode: str
) -> None:
    application = served({"DATA_DIR": str(tmp_path)})
    http = httpx2.AsyncClient(transport=httpx2.ASGITransport(application))
    transport = streamable_http_client("http://127.0.0.1:1/mcp", http_client=http)
    async with running(application), Client(transport, mode=mode) as client:
        assert {tool.name for tool in (await client.list_tools()).tools} == {"remember", "recall", "forget"}
