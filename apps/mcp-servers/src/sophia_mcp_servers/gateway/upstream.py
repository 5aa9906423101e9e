"""One MCP server behind the gateway, reached over stateless streamable HTTP: every call stands alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import structlog
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client
from mcp_types import REQUEST_TIMEOUT, CallToolRequest, CallToolRequestParams, CallToolResult, Tool
from mcp_types.version import LATEST_MODERN_VERSION

CONNECT_SECONDS = 1.0
LIST_SECONDS = 3.0
CALL_SECONDS = 20.0
"""Longer than the longest tool of ours may take, shorter than what callers of the gateway wait."""
IDLE_SECONDS = 2.0


class Down(Exception):
    """The server did not answer; the message is the reason alone, without the server's name."""


def new_http_client() -> httpx2.AsyncClient:
    """Shared by all upstreams. It passes the id of the request being served on, so that logs can be put together."""
    return httpx2.AsyncClient(
        timeout=httpx2.Timeout(CALL_SECONDS, connect=CONNECT_SECONDS),
        limits=httpx2.Limits(max_connections=100, keepalive_expiry=IDLE_SECONDS),
        event_hooks={"request": [_name_request], "response": [_refuse_failure]},
        trust_env=False,
    )


async def _name_request(request: httpx2.Request) -> None:
    if identity := structlog.contextvars.get_contextvars().get("request_id"):
        request.headers["x-request-id"] = identity


async def _refuse_failure(response: httpx2.Response) -> None:
    """A call that a proxy or a crashing server answered has failed; the SDK would lose the status that says so."""
    if response.request.method == "POST" and response.status_code >= 500:
        response.raise_for_status()


class Upstream:
    """A server by name and address; an empty address is a server that is not configured."""

    def __init__(self, name: str, url: str, http: httpx2.AsyncClient) -> None:
        self.name = name
        self.tools: dict[str, Tool] = {}
        """What it had when it was last asked. Kept while it is down, so that a call can be told who is down."""
        self._url = url
        self._http = http

    async def ask_tools(self) -> list[Tool]:
        """All its tools. Raises `Down`."""
        async with self._connected(LIST_SECONDS) as client:
            found: list[Tool] = []
            cursor: str | None = None
            while True:
                page = await client.list_tools(cursor=cursor)
                found += page.tools
                cursor = page.next_cursor
                if cursor is None or len(found) > 1000:
                    break
        self.tools = {tool.name: tool for tool in found}
        return found

    async def call(self, tool: str, arguments: dict[str, object]) -> CallToolResult:
        """The tool's own answer, an error of the tool included. Sent once, never repeated. Raises `Down`."""
        request = CallToolRequest(params=CallToolRequestParams(name=tool, arguments=arguments))
        async with self._connected(CALL_SECONDS) as client:
            # Not `client.call_tool`, which lists the tools before each first call to check the answer's shape:
            # here every call is a first one, and the shape is between the server and the caller.
            return await client.session.send_request(request, CallToolResult)

    async def ready(self) -> str:
        """Empty if it is, else why not."""
        if not self._url:
            return self._unset
        try:
            response = await self._http.get(f"{self._url}/ready", timeout=LIST_SECONDS)
        except httpx2.HTTPError as error:
            return reason(error)
        return "" if response.status_code == 200 else f"GET /ready answered {response.status_code}"

    @property
    def _unset(self) -> str:
        return f"`{self.name.upper().replace('-', '_')}_URL` is not set"

    @asynccontextmanager
    async def _connected(self, seconds: float) -> AsyncIterator[Client]:
        if not self._url:
            raise Down(self._unset)
        transport = streamable_http_client(f"{self._url}/mcp", http_client=self._http)
        client = Client(transport, mode=LATEST_MODERN_VERSION, read_timeout_seconds=seconds, cache=None)
        try:
            async with client:
                yield client
        except Exception as error:
            cause = _innermost(error)
            late = isinstance(cause, MCPError) and cause.code == REQUEST_TIMEOUT
            if late or isinstance(cause, httpx2.HTTPError | TimeoutError):
                raise Down(LATE if late else reason(cause)) from error
            raise cause from None


LATE = "it did not answer in time"


def reason(error: Exception) -> str:
    """Why a call failed, in few words."""
    match error:
        case httpx2.ConnectError():
            return "connection refused"
        case httpx2.TimeoutException() | TimeoutError():
            return LATE
        case httpx2.HTTPStatusError():
            return f"it answered with status {error.response.status_code}"
        case _:
            return str(error) or type(error).__name__


def _innermost(error: Exception) -> Exception:
    """The one failure inside the groups that the SDK's tasks wrap it in."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error
