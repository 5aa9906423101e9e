"""An MCP server as the chat needs it: list its tools, call one, ask whether it is ready.

Since revision 2026-07-28 of the protocol a call is one POST with everything in it and one JSON answer: no session, no
handshake, nothing to take up again after a switch. That is small enough to say here; the SDK, which speaks every
revision in both directions, would double this process's start time and memory. What the servers understand is checked
against the SDK itself: the integration tests talk to real ones.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import httpx2
import structlog

PROTOCOL = "2026-07-28"
CONNECT_SECONDS = 1.0
CALL_SECONDS = 25.0
"""A little longer than the gateway waits for a tool, so that the gateway, who knows who was slow, says it."""
RECALL_SECONDS = 5.0
READY_SECONDS = 4.0
IDLE_SECONDS = 2.0
"""Idle connections are given up long before the other side would close them under a request."""
ANSWER_BYTES = 5_000_000
TOOL_NAME = re.compile(r"[A-Za-z0-9_./-]{1,128}")


class Unavailable(Exception):
    """The server gave no answer; the message says why."""


@dataclass(frozen=True, slots=True)
class Tool:
    name: str
    description: str
    input_schema: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """A tool's answer. Where `ok` is false, `text` is the reason."""

    ok: bool
    value: dict[str, Any] | None
    text: str


def new_http_client(transport: httpx2.AsyncBaseTransport | None = None) -> httpx2.AsyncClient:
    """One for all dependencies of a process. No retries: a call that may have been acted on is never repeated."""
    return httpx2.AsyncClient(
        transport=transport,
        timeout=httpx2.Timeout(CALL_SECONDS, connect=CONNECT_SECONDS),
        limits=httpx2.Limits(max_connections=100, keepalive_expiry=IDLE_SECONDS),
        headers={"user-agent": f"sophia-api/{version('sophia-api')}"},
        trust_env=False,
    )


class McpServer:
    """A server by its name and address. Without an address every call raises `Unavailable`."""

    def __init__(self, name: str, url: str, http: httpx2.AsyncClient) -> None:
        self.name = name
        self._url = url
        self._http = http

    async def tools(self) -> list[Tool]:
        """Its tools (the first page is all our servers have). Raises `Unavailable`."""
        result = await self._ask("tools/list", {}, seconds=RECALL_SECONDS)
        return [
            Tool(each["name"], each.get("description") or "", each.get("inputSchema") or {})
            for each in result.get("tools", [])
        ]

    async def call(self, tool: str, arguments: dict[str, Any], *, seconds: float = CALL_SECONDS) -> Answer:
        """What the tool answers, sent once. A tool that fails is an `Answer`; no answer raises `Unavailable`."""
        if not TOOL_NAME.fullmatch(tool):
            return Answer(ok=False, value=None, text="that is no tool's name")
        params = {"name": tool, "arguments": arguments}
        try:
            result = await self._ask("tools/call", params, seconds=seconds, about=tool)
        except _Refused as error:
            return Answer(ok=False, value=None, text=str(error))
        text = "\n".join(part.get("text", "") for part in result.get("content", []) if part.get("type") == "text")
        value = result.get("structuredContent")
        return Answer(not result.get("isError", False), value if isinstance(value, dict) else None, text)

    async def why_not_ready(self) -> str:
        """Empty if it is ready, else why not, in its own words where it has any."""
        if not self._url:
            return self._unset
        try:
            response = await self._http.get(f"{self._url}/ready", headers=_correlation(), timeout=READY_SECONDS)
        except httpx2.HTTPError as error:
            return reason(error)
        return "" if response.status_code == 200 else _said(response)

    async def _ask(self, method: str, params: dict[str, Any], *, seconds: float, about: str = "") -> dict[str, Any]:
        if not self._url:
            raise Unavailable(self._unset)
        headers = {"accept": "application/json, text/event-stream", "mcp-protocol-version": PROTOCOL}
        headers |= {"mcp-method": method} | ({"mcp-name": about} if about else {}) | _correlation()
        envelope = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params | {"_meta": _META}}
        timeout = httpx2.Timeout(seconds, connect=CONNECT_SECONDS)
        try:
            response = await self._http.post(f"{self._url}/mcp", json=envelope, headers=headers, timeout=timeout)
        except httpx2.HTTPError as error:
            raise Unavailable(reason(error)) from error
        return _result(response)

    @property
    def _unset(self) -> str:
        return f"`{self.name.upper().replace('-', '_')}_URL` is not set"


class _Refused(Unavailable):
    """The server understood the request and refused it."""


_META = {
    "io.modelcontextprotocol/protocolVersion": PROTOCOL,
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": {"name": "sophia-api", "version": version("sophia-api")},
}


def _result(response: httpx2.Response) -> dict[str, Any]:
    try:
        if len(response.content) > ANSWER_BYTES:
            raise Unavailable(f"its answer is longer than {ANSWER_BYTES} bytes")
        body = response.json()
    except ValueError:
        body = None
    if isinstance(body, dict) and isinstance(body.get("error"), dict):
        raise _Refused(str(body["error"].get("message", "it did not say why")))
    if response.status_code != 200 or not isinstance(body, dict) or not isinstance(body.get("result"), dict):
        raise Unavailable(f"it answered with status {response.status_code}")
    result: dict[str, Any] = body["result"]
    return result


def _said(response: httpx2.Response) -> str:
    """What a `/ready` that is not 200 says: who of its own dependencies is not ready."""
    try:
        dependencies = response.json()["dependencies"]
        down = [f"`{each['name']}`: {each['why']}" for each in dependencies if not each["ready"]]
    except (ValueError, KeyError, TypeError):
        down = []
    return "; ".join(down) or f"GET /ready answered {response.status_code}"


def _correlation() -> dict[str, str]:
    """The id of the request being served goes on to whoever is asked for it."""
    identity = structlog.contextvars.get_contextvars().get("request_id")
    return {"x-request-id": identity} if identity else {}


def reason(error: Exception) -> str:
    """Why a request failed, in few words."""
    match error:
        case httpx2.ConnectError():
            return "connection refused"
        case httpx2.ConnectTimeout():
            return "it could not be reached in time"
        case httpx2.TimeoutException() | TimeoutError():
            return "it did not answer in time"
        case _:
            return str(error) or type(error).__name__
