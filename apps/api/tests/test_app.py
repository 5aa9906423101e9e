"""The backend over ASGI, in front of real MCP servers made with the official SDK (their answers are the test's)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any

import httpx2
import pytest
from mcp.server import Server
from mcp.server.mcpserver import MCPServer
from sophia_api.app import VERSION, create_app
from sophia_api.mcp import McpServer, new_http_client
from sophia_api.settings import Settings
from sophia_api.streams import HEARTBEAT, event, stream
from starlette.responses import JSONResponse, PlainTextResponse

Running = Callable[[Any], AbstractAsyncContextManager[None]]
SETTINGS = Settings(port=1, memory_url="http://127.0.0.1:1", gateway_url="http://127.0.0.1:2", label="blue")
STREAM = {"accept": "text/event-stream"}


def memory() -> Any:
    mcp = MCPServer("memory", subscriptions=False)

    @mcp.tool()
    def recall(query: str, limit: int) -> dict[str, Any]:
        found = [{"id": 1, "text": "The train leaves on Thursdays.", "score": 0.5}]
        return {"memories": found if "train" in query else []}

    @mcp.tool()
    def remember(text: str) -> dict[str, Any]:
        return {"id": 2, "text": text, "new": True}

    return mcp.streamable_http_app(stateless_http=True, json_response=True)


def gateway() -> Any:
    mcp = MCPServer("gateway", subscriptions=False)

    @mcp.tool(name="code-quality.check")
    def check(code: str) -> dict[str, Any]:
        return {"complete": True, "findings": [], "incomplete": []}

    @mcp.tool(name="fails")
    def fails() -> dict[str, Any]:
        raise RuntimeError("a bug")

    return mcp.streamable_http_app(stateless_http=True, json_response=True)


@pytest.fixture
def backend(loopback: Any, running: Running) -> Callable[..., AbstractAsyncContextManager[httpx2.AsyncClient]]:
    """The running backend with these dependencies (by port); a client that speaks to it."""

    @asynccontextmanager
    async def started(
        *ports: int, settings: Settings = SETTINGS, others: dict[int, Any] | None = None
    ) -> AsyncIterator[httpx2.AsyncClient]:
        made = {1: memory, 2: gateway}
        loopback.applications = {port: made[port]() for port in ports} | (others or {})
        app = create_app(settings, new_http_client(loopback))
        async with AsyncExitStack() as stack:
            for port in ports:
                await stack.enter_async_context(running(loopback.applications[port]))
            await stack.enter_async_context(running(app))
            transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
            yield await stack.enter_async_context(httpx2.AsyncClient(transport=transport, base_url="http://api"))

    return started


def events(text: str) -> list[tuple[str, dict[str, Any]]]:
    blocks = [block.split("\n") for block in text.strip().split("\n\n")]
    return [(block[0].removeprefix("event: "), json.loads(block[1].removeprefix("data: "))) for block in blocks]


async def test_an_answer_rests_on_memories_and_says_that_it_is_composed(backend: Any) -> None:
    async with backend(1, 2) as http:
        asked = {"message": "When does the train leave?", "conversation": "c-1", "unknown": 1}
        response = await http.post("/chat", json=asked, headers={"x-sophia-release": "sha256:ab"})
    answer = response.json()
    assert response.status_code == 200
    assert answer["release"] == "sha256:ab" and answer["conversation"] == "c-1" and answer["label"] == "blue"
    assert [each["text"] for each in answer["memories"]] == ["The train leaves on Thursdays."]
    assert answer["answer"].startswith("Composed without a model.")
    assert (answer["by"], answer["model"], answer["unavailable"]) == ("composed", None, [])


async def test_a_stream_tells_the_same_in_order(backend: Any) -> None:
    async with backend(1, 2) as http:
        body = {"message": "is anything wrong with the train code? ```\nx = 1\n```"}
        response = await http.post("/chat", json=body, headers=STREAM | {"x-sophia-release": "r1"})
    told = events(response.text)
    assert response.headers["content-type"].startswith("text/event-stream")
    names = [name for name, _ in told]
    assert names[:4] == ["release", "memory", "tool", "tool"]
    assert names[-1] == "done" and set(names[4:-1]) == {"token"}
    assert told[0][1]["release"] == "r1" and told[0][1]["conversation"]
    assert [fields["state"] for name, fields in told if name == "tool"] == ["running", "succeeded"]
    assert "".join(fields["text"] for name, fields in told if name == "token") == told[-1][1]["answer"]


async def test_what_is_to_be_remembered_goes_to_the_memory(backend: Any) -> None:
    async with backend(1, 2) as http:
        answer = (await http.post("/chat", json={"message": "remember that tea is at four"})).json()
    assert answer["tools"][0]["name"] == "ai-memory.remember"
    assert answer["tools"][0]["result"] == {"id": 2, "text": "tea is at four", "new": True}
    assert "I will remember: tea is at four" in answer["answer"]


@pytest.mark.parametrize("message", ["any question", "remember x", "check ```\nx\n```", "/call fails"])
async def test_with_everything_down_an_answer_still_comes_and_says_so(backend: Any, message: str) -> None:
    async with backend() as http:
        response = await http.post("/chat", json={"message": message})
    assert response.status_code == 200
    assert "connection refused" in response.json()["answer"]
    assert response.json()["unavailable"]


async def test_a_tool_that_fails_is_told_and_is_not_called_unavailable(backend: Any) -> None:
    async with backend(1, 2) as http:
        answer = (await http.post("/chat", json={"message": "/call fails\n/call nothing {}\n/call fails [1]"})).json()
    assert [tool["state"] for tool in answer["tools"]] == ["failed"] * 3
    assert answer["tools"][2]["error"] == "its arguments are no JSON object"
    assert answer["unavailable"] == []


async def test_a_server_that_refuses_a_call_is_not_called_down(backend: Any, running: Running) -> None:
    toolless = Server("no tools at all").streamable_http_app(stateless_http=True, json_response=True)
    async with running(toolless), backend(others={2: toolless}) as http:
        answer = (await http.post("/chat", json={"message": "/call anything"})).json()
    assert answer["tools"][0]["error"] == "Method not found"
    assert answer["unavailable"] == []


@pytest.mark.parametrize("status", [200, 404, 503])
async def test_an_answer_that_is_no_mcp_is_told_by_its_status(backend: Any, status: int) -> None:
    async with backend(others={1: PlainTextResponse("no healthy upstream", status)}) as http:
        answer = (await http.post("/chat", json={"message": "train"})).json()
    assert answer["unavailable"] == [{"name": "ai-memory", "why": f"it answered with status {status}"}]


async def test_dependencies_get_the_request_id_and_are_asked_once(backend: Any, loopback: Any) -> None:
    async with backend(1, 2) as http:
        response = await http.post("/chat", json={"message": "train"}, headers={"x-request-id": "trace-7"})
    assert response.headers["x-request-id"] == "trace-7"
    assert [(request.url.port, request.headers["x-request-id"]) for request in loopback.asked] == [(1, "trace-7")]


@pytest.mark.parametrize(
    ("content", "status", "pointer"),
    [
        (b'{"message": ""}', 422, "#/message"),
        (b'{"message": "   "}', 422, "#/message"),
        (b"{}", 422, "#/message"),
        (b'{"message": "x", "conversation": "a b"}', 422, "#/conversation"),
        (b'{"message": "%s"}' % (b"x" * 100_001), 422, "#/message"),
        (b"{broken", 400, None),
        (b'{"message": "%s"}' % (b"x" * 300_000), 413, None),
    ],
)
async def test_what_cannot_be_answered_is_a_problem(
    backend: Any, content: bytes, status: int, pointer: str | None
) -> None:
    async with backend() as http:
        response = await http.post("/chat", content=content, headers={"content-type": "application/json"})
    problem = response.json()
    assert (response.status_code, problem["status"]) == (status, status)
    assert response.headers["content-type"] == "application/problem+json"
    assert problem["instance"] == f"urn:request:{response.headers['x-request-id']}"
    assert [each["pointer"] for each in problem.get("errors", [])] == ([pointer] if pointer else [])


async def test_a_body_without_a_length_is_limited_too(backend: Any) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(300):
            yield b"x" * 1024

    async with backend() as http:
        response = await http.post("/chat", content=pieces(), headers={"content-type": "application/json"})
    assert response.status_code == 413


async def test_a_body_that_claims_to_be_too_long_is_not_even_read() -> None:
    sent: list[Any] = []

    async def unread() -> Any:
        raise AssertionError("it was read")

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"content-length", b"300000")]
    scope = {"type": "http", "method": "POST", "path": "/chat", "query_string": b"", "headers": headers}
    await create_app(SETTINGS)(scope, unread, send)
    assert sent[0]["status"] == 413


async def test_a_bug_is_a_problem_that_tells_nobody_what(backend: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("s3cret")

    monkeypatch.setattr(McpServer, "call", broken)
    async with backend(1, 2) as http:
        plain = await http.post("/chat", json={"message": "train"})
        streamed = await http.post("/chat", json={"message": "train"}, headers=STREAM)
    assert plain.status_code == 500 and plain.json()["instance"].startswith("urn:request:")
    assert plain.headers["x-request-id"] in plain.json()["instance"]
    name, fields = events(streamed.text)[-1]
    assert name == "error" and streamed.headers["x-request-id"] in fields["message"]
    assert "s3cret" not in plain.text + streamed.text


async def test_ready_names_each_dependency_and_why_not(backend: Any) -> None:
    down = {"ready": False, "dependencies": [{"name": "code-quality", "ready": False, "why": "connection refused"}]}
    settings = Settings(port=1, gateway_url="http://127.0.0.1:2")
    async with backend(settings=settings, others={2: JSONResponse(down, 503)}) as http:
        response = await http.get("/ready")
        health = await http.get("/health")
    assert response.status_code == 503 and health.status_code == 200
    assert response.json()["dependencies"] == [
        {"name": "ai-memory", "ready": False, "why": "`AI_MEMORY_URL` is not set"},
        {"name": "mcp-gateway", "ready": False, "why": "`code-quality`: connection refused"},
    ]


async def test_version_names_itself_its_label_and_the_edges_release(backend: Any) -> None:
    async with backend() as http:
        version = (await http.get("/version", headers={"x-sophia-release": "sha256:cd"})).json()
        without = (await http.get("/version")).json()
    assert (version["service"], version["version"], version["label"]) == ("api", VERSION, "blue")
    assert (version["release"], without["release"]) == ("sha256:cd", "")


async def test_metrics_count_answers_and_who_was_missing(backend: Any) -> None:
    async with backend() as http:
        await http.post("/chat", json={"message": "x"})
        await http.get("/no/such/path")
        metrics = (await http.get("/metrics")).text
    assert 'api_answers_total{by="composed"} 1.0' in metrics
    assert 'api_unavailable_total{name="ai-memory"} 1.0' in metrics
    assert 'api_request_seconds_count{method="POST",path="/chat",status="200"} 1.0' in metrics
    assert 'path="other",status="404"' in metrics


async def test_tools_are_listed_as_the_sdk_lists_them(backend: Any, loopback: Any) -> None:
    async with backend(2):
        found = await McpServer("gateway", "http://127.0.0.1:2", new_http_client(loopback)).tools()
    assert [tool.name for tool in found] == ["code-quality.check", "fails"]
    assert found[0].input_schema["required"] == ["code"]


async def test_a_silent_stream_says_that_it_is_still_here() -> None:
    go_on = asyncio.Event()

    async def slow() -> AsyncIterator[Any]:
        yield "token", {"text": "a"}
        await go_on.wait()
        yield "done", {}

    told = []
    async for piece in stream(slow(), every_seconds=0.01):
        told.append(piece)
        if piece == HEARTBEAT:
            go_on.set()
    assert told[0] == event("token", {"text": "a"})
    assert HEARTBEAT in told and told[-1] == event("done", {})


async def test_news_end_when_nobody_listens_any_more() -> None:
    ended = asyncio.Event()

    async def endless() -> AsyncIterator[Any]:
        try:
            while True:
                yield "token", {"text": "a"}
                await asyncio.sleep(0)
        finally:
            ended.set()

    listening = stream(endless())
    await anext(listening)
    await listening.aclose()
    assert ended.is_set()
