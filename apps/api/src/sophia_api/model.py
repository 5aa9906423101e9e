"""An OpenAI-compatible model: `POST {MODEL_URL}/chat/completions`, streamed, with the gateway's tools offered to it.

Shown only against a stand-in server of ours that answers in that format: no vendor's model is asked by any test.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx2

from sophia_api.mcp import CONNECT_SECONDS, Tool, Unavailable, reason
from sophia_api.settings import Model

SILENCE_SECONDS = 60.0
"""A model that says nothing for so long is given up."""

Message = dict[str, Any]


@dataclass(slots=True)
class Asked:
    """A call that the model wants made. `tool` is the gateway's name for it, `arguments` JSON as it came."""

    id: str = ""
    tool: str = ""
    arguments: str = ""


@dataclass(slots=True)
class Reply:
    """What one request to the model brought; complete when its stream has ended."""

    text: str = ""
    asked: list[Asked] = field(default_factory=list)


class ChatModel:
    """The configured model."""

    def __init__(self, model: Model, http: httpx2.AsyncClient) -> None:
        self.name = model.name
        self._model = model
        self._http = http

    async def reply(self, messages: Sequence[Message], tools: Sequence[Tool], into: Reply) -> AsyncIterator[str]:
        """Yields the text as it comes and fills `into`. Raises `Unavailable`, also in the middle of the text."""
        names = {_function_name(tool.name): tool.name for tool in tools}
        async for delta in self._deltas(messages, tools):
            for part in delta.get("tool_calls") or []:
                _add(into.asked, part, names)
            if text := delta.get("content"):
                into.text += text
                yield text

    async def _deltas(self, messages: Sequence[Message], tools: Sequence[Tool]) -> AsyncIterator[dict[str, Any]]:
        body: dict[str, Any] = {"model": self.name, "messages": list(messages), "stream": True}
        if tools:
            body["tools"] = [_function(tool) for tool in tools]
        headers = {"authorization": f"Bearer {self._model.key}"} if self._model.key else {}
        timeout = httpx2.Timeout(SILENCE_SECONDS, connect=CONNECT_SECONDS * 3)
        url = f"{self._model.url}/chat/completions"
        try:
            async with self._http.stream("POST", url, json=body, headers=headers, timeout=timeout) as response:
                if response.status_code != 200:
                    raise Unavailable(f"it answered with status {response.status_code}")
                async for line in response.aiter_lines():
                    if line.startswith("data:") and (delta := _delta(line[5:].strip())) is not None:
                        yield delta
        except httpx2.HTTPError as error:
            raise Unavailable(reason(error)) from error


def _delta(data: str) -> dict[str, Any] | None:
    """The piece in one `data:` line; None for the end mark and for what holds no piece, such as usage."""
    if data == "[DONE]":
        return None
    try:
        choices = json.loads(data).get("choices") or [{}]
        delta = choices[0].get("delta")
    except (ValueError, AttributeError, LookupError):
        raise Unavailable("its answer could not be read") from None
    return delta if isinstance(delta, dict) else None


def _add(asked: list[Asked], part: dict[str, Any], names: dict[str, str]) -> None:
    """Puts a piece of a call to the pieces before it; pieces of one call share an index."""
    index = int(part.get("index", 0))
    while len(asked) <= index < 16:
        asked.append(Asked())
    if index >= len(asked):
        return
    function = part.get("function") or {}
    call = asked[index]
    call.id = part.get("id") or call.id or f"call-{index}"
    if name := function.get("name"):
        call.tool = names.get(name, name)
    call.arguments += function.get("arguments") or ""


def _function(tool: Tool) -> dict[str, Any]:
    function = {"name": _function_name(tool.name), "description": tool.description, "parameters": tool.input_schema}
    return {"type": "function", "function": function}


def _function_name(tool: str) -> str:
    """The format allows no dot in a name."""
    return tool.replace(".", "__")


def called(reply: Reply) -> Message:
    """The model's own turn, as it has to be repeated to it before the outcomes of its calls."""
    calls = [
        {
            "id": asked.id,
            "type": "function",
            "function": {"name": _function_name(asked.tool), "arguments": asked.arguments},
        }
        for asked in reply.asked
    ]
    return {"role": "assistant", "content": reply.text or None, "tool_calls": calls}


def came_back(asked: Asked, text: str) -> Message:
    return {"role": "tool", "tool_call_id": asked.id, "content": text}
