"""The backend's dependencies without sockets: real MCP servers on the official SDK, found by the port in an address."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import httpx2
import pytest

Application = Callable[[Any, Any, Any], Any]


class Loopback(httpx2.AsyncBaseTransport):
    """Hands a request for 127.0.0.1:PORT to the application of that port; refuses where there is none."""

    def __init__(self) -> None:
        self.applications: dict[int, Application] = {}
        self.asked: list[httpx2.Request] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(request)
        application = self.applications.get(request.url.port or 0)
        if application is None:
            raise httpx2.ConnectError("All connection attempts failed", request=request)
        return await httpx2.ASGITransport(application).handle_async_request(request)


@asynccontextmanager
async def _running(application: Application) -> AsyncIterator[None]:
    """Between its start and its stop, as a server would have it."""
    said: asyncio.Queue[str] = asyncio.Queue()
    told: asyncio.Queue[str] = asyncio.Queue()

    async def receive() -> dict[str, str]:
        return {"type": await told.get()}

    async def send(message: dict[str, str]) -> None:
        await said.put(message["type"])

    life = asyncio.create_task(application({"type": "lifespan", "asgi": {"version": "3.0"}}, receive, send))
    await told.put("lifespan.startup")
    assert await asyncio.wait_for(said.get(), 10) == "lifespan.startup.complete"
    try:
        yield
    finally:
        await told.put("lifespan.shutdown")
        assert await asyncio.wait_for(said.get(), 10) == "lifespan.shutdown.complete"
        await life


@pytest.fixture
def running() -> Callable[[Application], AbstractAsyncContextManager[None]]:
    return _running


@pytest.fixture
def loopback() -> Loopback:
    return Loopback()
