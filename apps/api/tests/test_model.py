"""Answers that a model writes.

The model is a stand-in of ours that streams in the format of OpenAI's `chat/completions`; no vendor's is asked. What
these tests show is what the backend does with such a stream, not that any vendor sends one.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from mcp.server.mcpserver import MCPServer
from sophia_api.chat import Chat
from sophia_api.mcp import McpServer, new_http_client
from sophia_api.model import ChatModel
from sophia_api.settings import Model
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse

Running = Callable[[Any], AbstractAsyncContextManager[None]]
Piece = dict[str, Any]


class StandIn:
    """Answers each request with the next script: pieces of text, calls, or an exception that breaks the stream."""

    def __init__(self, *scripts: list[Piece | Exception | str]) -> None:
        self.scripts = list(scripts)
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str | None] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        request = Request(scope, receive)
        self.asked.append(await request.json())
        self.keys.append(request.headers.get("authorization"))
        script = self.scripts.pop(0)
        await StreamingResponse(self._stream(script), media_type="text/event-stream")(scope, receive, send)

    async def _stream(self, script: list[Piece | Exception | str]) -> AsyncIterator[str]:
        for piece in script:
            if isinstance(piece, Exception):
                raise piece
            data = piece if isinstance(piece, str) else json.dumps({"choices": [{"index": 0, "delta": piece}]})
            yield f"data: {data}\n\n"
        yield "data: [DONE]\n\n"


def words(*texts: str) -> list[Any]:
    return [{"role": "assistant"}, *({"content": text} for text in texts), json.dumps({"choices": [], "usage": {}})]


def call(name: str, *arguments: str, index: int = 0) -> list[Any]:
    first = {"index": index, "id": f"c{index}", "function": {"name": name, "arguments": ""}}
    rest = [{"index": index, "function": {"arguments": part}} for part in arguments]
    return [{"tool_calls": [part]} for part in (first, *rest)]


def tools() -> Any:
    mcp = MCPServer("gateway", subscriptions=False)

    @mcp.tool(name="weather.today")
    def weather(city: str) -> dict[str, str]:
        return {"city": city, "sky": "clear"}

    return mcp.streamable_http_app(stateless_http=True, json_response=True)


async def answered(loopback: Any, message: str = "hello") -> list[tuple[str, dict[str, Any]]]:
    http = new_http_client(loopback)
    model = ChatModel(Model("http://127.0.0.1:3/v1", "small", "key-1"), http)
    memory, gateway = (
        McpServer("ai-memory", "http://127.0.0.1:1", http),
        McpServer("gateway", "http://127.0.0.1:2", http),
    )
    return [news async for news in Chat(memory, gateway, model).answer(message)]


async def test_a_model_writes_the_answer_as_it_comes(loopback: Any, running: Running) -> None:
    model = StandIn(words("It leaves", " today."))
    loopback.applications = {2: tools(), 3: model}
    async with running(loopback.applications[2]):
        news = await answered(loopback)
    assert [fields["text"] for name, fields in news if name == "token"] == ["It leaves", " today."]
    done = news[-1][1]
    assert (done["answer"], done["by"], done["model"], done["complete"]) == ("It leaves today.", "model", "small", True)
    assert model.keys == ["Bearer key-1"]
    assert model.asked[0]["model"] == "small" and model.asked[0]["stream"] is True
    assert model.asked[0]["tools"][0]["function"]["name"] == "weather__today"
    assert "`ai-memory` could not be asked: connection refused" in model.asked[0]["messages"][0]["content"]


async def test_a_model_gets_the_outcome_of_the_calls_it_asks_for(loopback: Any, running: Running) -> None:
    model = StandIn(call("weather__today", '{"ci', 'ty": "Ulm"}'), words("Clear in Ulm."))
    loopback.applications = {2: tools(), 3: model}
    async with running(loopback.applications[2]):
        news = await answered(loopback)
    called = [fields for name, fields in news if name == "tool"]
    assert [each["state"] for each in called] == ["running", "succeeded"]
    assert called[1]["result"] == {"city": "Ulm", "sky": "clear"}
    asked, outcome = model.asked[1]["messages"][-2:]
    assert asked["tool_calls"][0]["function"] == {"name": "weather__today", "arguments": '{"city": "Ulm"}'}
    assert outcome["tool_call_id"] == "c0" and "clear" in outcome["content"]
    assert news[-1][1]["answer"] == "Clear in Ulm."


async def test_a_model_that_only_ever_calls_is_made_to_answer(loopback: Any, running: Running) -> None:
    model = StandIn(*(call("weather__today", '{"city": "Ulm"}') for _ in range(3)), words("Enough."))
    loopback.applications = {2: tools(), 3: model}
    async with running(loopback.applications[2]):
        news = await answered(loopback)
    assert [bool(asked.get("tools")) for asked in model.asked] == [True, True, True, False]
    assert news[-1][1]["answer"] == "Enough."


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (None, "connection refused"),
        (PlainTextResponse("slow down", 429), "it answered with status 429"),
        (StandIn(["no JSON"]), "its answer could not be read"),
    ],
)
async def test_a_model_that_cannot_be_asked_leaves_a_composed_answer_that_says_why(
    loopback: Any, model: Any, why: str
) -> None:
    loopback.applications = {3: model} if model else {}
    done = (await answered(loopback))[-1][1]
    assert done["answer"].startswith(f"Composed without a model: the model could not be asked ({why}).")
    assert (done["by"], done["model"]) == ("composed", None)
    assert {"name": "model", "why": why} in done["unavailable"]


async def test_a_model_that_breaks_off_is_told_as_such(loopback: Any) -> None:
    loopback.applications = {3: StandIn([{"content": "It lea"}, "no JSON"])}
    done = (await answered(loopback))[-1][1]
    assert done["answer"] == "It lea\n\n(The model broke off here: its answer could not be read.)"
    assert (done["by"], done["complete"]) == ("model", False)


async def test_a_model_that_says_nothing_at_all_leaves_a_composed_answer(loopback: Any) -> None:
    loopback.applications = {3: StandIn([{"content": ""}])}
    done = (await answered(loopback))[-1][1]
    assert done["by"] == "composed" and done["answer"].startswith("Composed without a model")
