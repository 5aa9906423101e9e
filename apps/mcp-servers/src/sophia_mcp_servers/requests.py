"""Every request gets an id, a log line and a place in the metrics."""

from __future__ import annotations

import re
import time
import uuid
from typing import TYPE_CHECKING

import structlog
from prometheus_client import CollectorRegistry, Histogram
from starlette.datastructures import Headers, MutableHeaders

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
PATHS = {"/mcp", "/health", "/ready", "/version", "/metrics"}
QUIET = PATHS - {"/mcp"}
"""Asked every second by probes: logged only when they fail."""


def request_id(given: str | None) -> str:
    """The caller's id if it is one that can stand in a log and a header, else a new one."""
    return given if given and REQUEST_ID.fullmatch(given) else str(uuid.uuid4())


class Observed:
    """ASGI: binds `request_id` to the log for as long as a request lasts, answers with it, logs and measures."""

    def __init__(self, application: ASGIApp, registry: CollectorRegistry) -> None:
        self._application = application
        self._seconds = Histogram(
            "mcp_request_seconds", "Requests by path and status", ["path", "status"], registry=registry
        )
        self._log = structlog.get_logger()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        identity = request_id(Headers(scope=scope).get("x-request-id"))
        with structlog.contextvars.bound_contextvars(request_id=identity):
            await self._observed(scope, receive, send, identity)

    async def _observed(self, scope: Scope, receive: Receive, send: Send, identity: str) -> None:
        status = 0
        began = time.perf_counter()

        async def named(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["x-request-id"] = identity
            await send(message)

        try:
            await self._application(scope, receive, named)
        finally:
            self._note(scope["method"], scope["path"], status, time.perf_counter() - began)

    def _note(self, method: str, path: str, status: int, seconds: float) -> None:
        known = path if path in PATHS else "other"
        self._seconds.labels(known, str(status or "none")).observe(seconds)
        if path not in QUIET or status >= 500 or not status:
            self._log.info("request answered", method=method, path=path, status=status, ms=round(seconds * 1000, 1))
