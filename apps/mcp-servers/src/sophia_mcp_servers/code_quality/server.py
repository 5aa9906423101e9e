"""`code-quality`: looks at a piece of Python with ruff and bandit. It keeps nothing and runs none of it."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from prometheus_client import CollectorRegistry, Counter
from pydantic import BaseModel, Field

from sophia_mcp_servers.code_quality.checking import CODE_BYTES, Checked, check
from sophia_mcp_servers.serving import VERSION, Dependency, application, new_registry

if TYPE_CHECKING:
    from starlette.types import ASGIApp

AT_ONCE = 2
"""Runs at the same time; more wait. Each is two processes."""
WAIT_SECONDS = 5.0


class FoundIn(BaseModel):
    tool: str
    rule: str
    severity: str
    line: int
    column: int
    message: str


class NotLookedAt(BaseModel):
    tool: str
    why: str


class Report(BaseModel):
    complete: bool
    findings: list[FoundIn]
    incomplete: list[NotLookedAt]


def served(_environ: Mapping[str, str]) -> ASGIApp:
    registry = new_registry()

    async def readiness() -> list[Dependency]:
        return [_installed("ruff"), _installed("bandit")]

    return application(server(registry), registry, readiness)


def server(registry: CollectorRegistry) -> MCPServer:
    """The MCP server alone."""
    checks = Counter("code_quality_checks", "Checks by whether both tools finished", ["outcome"], registry=registry)
    turn = asyncio.Semaphore(AT_ONCE)
    mcp = MCPServer(
        "code-quality",
        version=VERSION,
        instructions="Finds likely mistakes and security problems in Python.",
        subscriptions=False,
    )

    @mcp.tool(name="check")
    async def check_code(
        code: Annotated[str, Field(min_length=1, max_length=CODE_BYTES, description="Python source.")],
    ) -> Report:
        """Look at Python source with ruff and bandit. The code is not run."""
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await turn.acquire()
        except TimeoutError:
            raise ToolError(f"{AT_ONCE} checks are running already; try again") from None
        try:
            checked = await check(code)
        except ValueError as error:
            raise ToolError(str(error)) from error
        finally:
            turn.release()
        checks.labels("incomplete" if checked.incomplete else "complete").inc()
        return _report(checked)

    return mcp


def _report(checked: Checked) -> Report:
    return Report(
        complete=not checked.incomplete,
        findings=[FoundIn(**asdict(each)) for each in checked.findings],
        incomplete=[NotLookedAt(tool=each.tool, why=each.why) for each in checked.incomplete],
    )


def _installed(tool: str) -> Dependency:
    there = importlib.util.find_spec(tool) is not None
    return Dependency(tool, ready=there, why="" if there else "it is not installed")
