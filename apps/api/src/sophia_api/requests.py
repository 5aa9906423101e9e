"""Every request gets an id, a limit, a log line and a place in the metrics."""

from __future__ import annotations

import re
import time
import uuid
from typing import TYPE_CHECKING

import structlog
from prometheus_client import CollectorRegistry, Histogram
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException

from sophia_api.problems import problem

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

BODY_BYTES = 256 * 1024
TOO_LARGE = f"a request may have {BODY_BYTES} bytes"
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
PATHS = {"/chat", "/health", "/ready", "/version", "/metrics", "/openapi.json"}
QUIET = PATHS - {"/chat"}
"""Asked again and again by probes and pages: logged only when they fail."""


def request_id(given: str | None) -> str:
    """The edge's id if it is one that can stand in a log and a header, else a new one."""
    return given if given and REQUEST_ID.fullmatch(given) else str(uuid.uuid4())


class Limited:
    """ASGI: a body that is longer than `BODY_BYTES` ends as 413, whatever its `content-length` claims."""

    def __init__(self, application: ASGIApp) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        claimed = Headers(scope=scope).get("content-length", "0")
        if claimed.isdecimal() and int(claimed) > BODY_BYTES:
            await problem(413, TOO_LARGE)(scope, receive, send)
            return
        taken = 0

        async def limited() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > BODY_BYTES:
                raise HTTPException(413, TOO_LARGE)
            return message

        await self._application(scope, limited, send)


class Observed:
    """ASGI: binds `request_id` and the edge's `release` to the log of a request, answers with the id, measures."""

    def __init__(self, application: ASGIApp, registry: CollectorRegistry) -> None:
        self._application = application
        self._seconds = Histogram(
            "api_request_seconds",
            "Requests by path, method and status",
            ["path", "method", "status"],
            registry=registry,
        )
        self._log = structlog.get_logger()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        headers = Headers(scope=scope)
        bound = {"request_id": request_id(headers.get("x-request-id"))}
        if release := headers.get("x-sophia-release", ""):
            bound["release"] = release[:200]
        with structlog.contextvars.bound_contextvars(**bound):
            await self._observed(scope, receive, send, bound["request_id"])

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
        verb = method if method in ("GET", "HEAD", "POST", "OPTIONS") else "other"
        self._seconds.labels(known, verb, str(status or "none")).observe(seconds)
        if path not in QUIET or status >= 500 or not status:
            self._log.info("request answered", method=method, path=path, status=status, ms=round(seconds * 1000, 1))
