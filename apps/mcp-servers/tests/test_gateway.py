"""The gateway before real MCP servers, without sockets: routing, and telling who is down."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client
from mcp.server.mcpserver import MCPServer
from mcp_types import CallToolRequest, CallToolRequestParams, CallToolResult
from sophia_mcp_servers.gateway import upstream as upstreams
from sophia_mcp_servers.gateway.routing import Destination, Unroutable, destination
from sophia_mcp_servers.gateway.server import UNAVAILABLE_KEY, Gateway, served
from sophia_mcp_servers.serving import Dependency, Misconfigured, application, new_registry
from starlette.responses import PlainTextResponse

Running = Callable[[Any], AbstractAsyncContextManager[None]]
names = st.text("abc-", min_size=1, max_size=4)


@given(st.dictionaries(names, st.sets(names, max_size=4), max_size=4), names, names)
def test_a_full_name_goes_to_its_server_and_a_short_one_only_where_it_is_unique(
    tools: dict[str, set[str]], server: str, tool: str
) -> None:
    if server in tools:
        assert destination(f"{server}.{tool}", tools) == Destination(server, tool)
    owners = [owner for owner, had in tools.items() if tool in had]
    if len(owners) == 1:
        assert destination(tool, tools) == Destination(owners[0], tool)
    else:
        with pytest.raises(Unroutable):
            destination(tool, tools)


def test_an_ambiguous_name_is_answered_with_the_full_ones() -> None:
    with pytest.raises(Unroutable, match=r"say `a\.find` or `b\.find`"):
        destination("find", {"b": ["find"], "a": ["find"]})


def test_an_unknown_name_says_which_servers_were_never_heard() -> None:
    with pytest.raises(Unroutable, match="no server has a tool `x`; not heard from yet: `b`"):
        destination("x", {"a": ["find"], "b": []})


def echo(name: str) -> Any:
    """A real MCP server with one tool of its own, and one that both have."""
    mcp = MCPServer(name, subscriptions=False)

    @mcp.tool(name=f"{name}-echo")
    def its_own(text: str) -> dict[str, str]:
        return {"from": name, "text": text}

    @mcp.tool()
    async def both(seconds: float = 0) -> str:
        await asyncio.sleep(seconds)
        return name

    async def readiness() -> list[Dependency]:
        return []

    return application(mcp, new_registry(), readiness)


@pytest.fixture
def gateway(loopback: Any) -> Gateway:
    """Over `one` (port 1) and `two` (port 2); nothing answers until a test puts it into the loopback."""
    http = httpx2.AsyncClient(transport=loopback, event_hooks=upstreams.new_http_client().event_hooks)
    return Gateway({"one": "http://127.0.0.1:1", "two": "http://127.0.0.1:2"}, http, new_registry())


async def test_all_tools_are_listed_under_their_servers_names(
    gateway: Gateway, loopback: Any, running: Running
) -> None:
    loopback.applications = {1: echo("one"), 2: echo("two")}
    async with (
        running(loopback.applications[1]),
        running(loopback.applications[2]),
        Client(gateway.server()) as client,
    ):
        listed = {tool.name for tool in (await client.list_tools()).tools}
        assert listed == {"one.one-echo", "one.both", "two.two-echo", "two.both"}
        answer = await client.call_tool("two.two-echo", {"text": "hello"})
        assert answer.structured_content == {"from": "two", "text": "hello"}
        assert (await client.call_tool("one-echo", {"text": "x"})).structured_content == {"from": "one", "text": "x"}
        assert (await client.call_tool("both", {})).is_error


async def test_a_server_that_is_down_is_named_and_the_others_go_on(
    gateway: Gateway, loopback: Any, running: Running
) -> None:
    loopback.applications = {1: echo("one")}
    async with running(loopback.applications[1]), Client(gateway.server()) as client:
        listing = await client.list_tools()
        assert {tool.name for tool in listing.tools} == {"one.one-echo", "one.both"}
        assert (listing.meta or {})[UNAVAILABLE_KEY] == {"two": "connection refused"}
        answer = await client.call_tool("two.both", {})
        assert answer.is_error and answer.structured_content == {"server": "two", "why": "connection refused"}
        assert not (await client.call_tool("one.both", {})).is_error
        assert await gateway.readiness() == [Dependency("one", True), Dependency("two", False, "connection refused")]
    labels = {"server": "two", "outcome": "down"}
    assert gateway.registry.get_sample_value("gateway_call_seconds_count", labels) == 1


async def test_a_short_name_still_finds_a_server_that_went_down(
    gateway: Gateway, loopback: Any, running: Running
) -> None:
    loopback.applications = {1: echo("one"), 2: echo("two")}
    async with (
        running(loopback.applications[1]),
        running(loopback.applications[2]),
        Client(gateway.server()) as client,
    ):
        await client.list_tools()
        del loopback.applications[2]
        answer = await client.call_tool("two-echo", {"text": "x"})
    assert answer.structured_content == {"server": "two", "why": "connection refused"}


async def test_a_server_that_hangs_is_given_up_and_named(
    gateway: Gateway, loopback: Any, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upstreams, "CALL_SECONDS", 0.2)
    loopback.applications = {1: echo("one")}
    async with running(loopback.applications[1]), Client(gateway.server()) as client:
        answer = await client.call_tool("one.both", {"seconds": 30})
    assert answer.structured_content == {"server": "one", "why": "it did not answer in time"}


async def test_an_answer_of_a_proxy_is_told_by_its_status(gateway: Gateway, loopback: Any) -> None:
    loopback.applications = {1: PlainTextResponse("no healthy upstream", 503)}
    async with Client(gateway.server()) as client:
        answer = await client.call_tool("one.both", {})
    assert answer.structured_content == {"server": "one", "why": "it answered with status 503"}


async def test_a_tools_own_error_is_passed_on_as_it_is(gateway: Gateway, loopback: Any, running: Running) -> None:
    loopback.applications = {1: echo("one")}
    async with running(loopback.applications[1]), Client(gateway.server()) as client:
        answer = await client.call_tool("one.one-echo", {})
    assert answer.is_error and "Field required" in answer.content[0].text
    labels = {"server": "one", "outcome": "failed"}
    assert gateway.registry.get_sample_value("gateway_call_seconds_count", labels) == 1


async def test_a_call_is_sent_once_with_the_callers_request_id(
    gateway: Gateway, loopback: Any, running: Running
) -> None:
    loopback.applications = {1: echo("one")}
    front = application(gateway.server(), new_registry(), gateway.readiness)
    http = httpx2.AsyncClient(transport=httpx2.ASGITransport(front), headers={"x-request-id": "trace-7"})
    transport = streamable_http_client("http://127.0.0.1:9/mcp", http_client=http)
    async with running(loopback.applications[1]), running(front), Client(transport, mode="2026-07-28") as client:
        call = CallToolRequest(params=CallToolRequestParams(name="one.both", arguments={"seconds": 0}))
        await client.session.send_request(call, CallToolResult)
    assert [request.headers["x-request-id"] for request in loopback.asked] == ["trace-7"]


async def test_a_server_without_an_address_is_told_by_the_missing_variable(running: Running) -> None:
    front = served({"MCP_SERVERS": "code-quality"})
    http = httpx2.AsyncClient(transport=httpx2.ASGITransport(front), base_url="http://127.0.0.1:9")
    async with running(front):
        ready = await http.get("/ready")
    assert ready.status_code == 503
    assert ready.json()["dependencies"] == [
        {"name": "code-quality", "ready": False, "why": "`CODE_QUALITY_URL` is not set"}
    ]


def test_names_that_are_none_are_refused_at_the_start() -> None:
    with pytest.raises(Misconfigured, match=r"names `Bad_One`"):
        served({"MCP_SERVERS": "good Bad_One"})


def test_a_protocol_error_is_not_mistaken_for_a_server_that_is_down() -> None:
    assert isinstance(upstreams._innermost(ExceptionGroup("x", [ExceptionGroup("y", [MCPError(1, "no")])])), MCPError)
