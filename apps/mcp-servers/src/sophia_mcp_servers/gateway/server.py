"""`gateway`: one MCP endpoint for the tools of all servers, and the one who knows which of them is down.

`MCP_SERVERS` names the servers (`ai-memory code-quality` if unset); each one's address is in `<NAME>_URL`.
A tool of theirs is called by `server.tool`, or by its own name where that is unique.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx2
import structlog
from mcp.server import Server
from mcp.server.context import ServerRequestContext
from mcp_types import (
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
    Tool,
)
from prometheus_client import CollectorRegistry, Histogram

from sophia_mcp_servers.gateway.routing import SEPARATOR, Destination, Unroutable, destination
from sophia_mcp_servers.gateway.upstream import Down, Upstream, new_http_client
from sophia_mcp_servers.serving import VERSION, Dependency, Misconfigured, application, new_registry

if TYPE_CHECKING:
    from starlette.types import ASGIApp

DEFAULT_SERVERS = "ai-memory code-quality"
NAME = re.compile(r"[a-z][a-z0-9-]*")
UNAVAILABLE_KEY = "sophia/unavailable"
"""In a listing's `_meta`: the servers whose tools are not in it, each with the reason."""

Context = ServerRequestContext[Any]


def served(environ: Mapping[str, str]) -> ASGIApp:
    """The gateway over the servers that the environment names. Raises `Misconfigured` for names that are none."""
    names = environ.get("MCP_SERVERS", DEFAULT_SERVERS).split()
    if wrong := [name for name in names if not NAME.fullmatch(name)]:
        raise Misconfigured(f"`MCP_SERVERS` names {', '.join(f'`{name}`' for name in wrong)}; use a-z, 0-9 and -")
    addresses = {name: environ.get(f"{name.upper().replace('-', '_')}_URL", "").rstrip("/") for name in names}
    gateway = Gateway(addresses, new_http_client(), new_registry())
    return application(gateway.server(), gateway.registry, gateway.readiness)


class Gateway:
    """Lists, routes and calls. Servers come and go while it runs; a server that is down is named, never waited for."""

    def __init__(self, addresses: Mapping[str, str], http: httpx2.AsyncClient, registry: CollectorRegistry) -> None:
        """`addresses` by the servers' names; `http` is closed when the server ends."""
        self.registry = registry
        self._http = http
        self._upstreams = {name: Upstream(name, url, http) for name, url in addresses.items()}
        self._log = structlog.get_logger()
        self._seconds = Histogram(
            "gateway_call_seconds", "Tool calls by server and outcome", ["server", "outcome"], registry=registry
        )

    def server(self) -> Server[Any]:
        """The MCP server alone; to be called once."""
        return Server(
            "mcp-gateway",
            version=VERSION,
            instructions="All tools of Sophia's MCP servers, named `server.tool`.",
            lifespan=self._lifespan,
            get_tool_input_schema=lambda _name: None,  # headers are between the caller and the server behind us
            on_list_tools=self._list,
            on_call_tool=self._call,
        )

    @asynccontextmanager
    async def _lifespan(self, _server: Server[Any]) -> AsyncIterator[None]:
        async with self._http:
            yield

    async def readiness(self) -> list[Dependency]:
        reasons = await asyncio.gather(*(upstream.ready() for upstream in self._upstreams.values()))
        return [Dependency(name, ready=not why, why=why) for name, why in zip(self._upstreams, reasons, strict=True)]

    async def _list(self, _context: Context, _params: PaginatedRequestParams | None) -> ListToolsResult:
        """The tools of all servers that answer; who did not is in `_meta`."""
        listed, unavailable = await self._ask_all()
        tools = [
            tool.model_copy(update={"name": f"{name}{SEPARATOR}{tool.name}"})
            for name, tools in listed.items()
            for tool in tools
        ]
        return ListToolsResult(tools=tools, _meta={UNAVAILABLE_KEY: unavailable} if unavailable else None)

    async def _ask_all(self) -> tuple[dict[str, list[Tool]], dict[str, str]]:
        answers = await asyncio.gather(
            *(upstream.ask_tools() for upstream in self._upstreams.values()), return_exceptions=True
        )
        listed: dict[str, list[Tool]] = {}
        unavailable: dict[str, str] = {}
        for name, answer in zip(self._upstreams, answers, strict=True):
            if isinstance(answer, list):
                listed[name] = answer
            elif isinstance(answer, Exception):
                unavailable[name] = str(answer)
                self._log.warning("server did not list its tools", server=name, why=str(answer))
            else:
                raise answer
        return listed, unavailable

    async def _call(self, _context: Context, params: CallToolRequestParams) -> CallToolResult:
        """The tool's own answer. Where there is none, an error that names the server and says why."""
        try:
            target = await self._destination(params.name)
        except Unroutable as error:
            return refusal(str(error), {"tool": params.name})
        began = time.perf_counter()
        outcome = "down"
        try:
            result = await self._upstreams[target.server].call(target.tool, params.arguments or {})
            outcome = "failed" if result.is_error else "succeeded"
        except Down as error:
            self._log.warning("server is down", server=target.server, tool=target.tool, why=str(error))
            return refusal(f"`{target.server}` is down: {error}", {"server": target.server, "why": str(error)})
        finally:
            self._seconds.labels(target.server, outcome).observe(time.perf_counter() - began)
        return result

    async def _destination(self, name: str) -> Destination:
        """Where the call goes. Asks the servers for their tools only if what is known does not say."""
        try:
            return destination(name, self._known())
        except Unroutable:
            await self._ask_all()
            return destination(name, self._known())

    def _known(self) -> dict[str, list[str]]:
        return {name: list(upstream.tools) for name, upstream in self._upstreams.items()}


def refusal(sentence: str, facts: dict[str, str]) -> CallToolResult:
    """An answer that is an error of the call, for the model or person who made it to read."""
    return CallToolResult(content=[TextContent(text=sentence)], structured_content=dict(facts), is_error=True)
