"""The backend as an ASGI application.

    POST /chat       {message, conversation?}; JSON, or server-sent events where `accept` names text/event-stream
    GET  /health     200 while the process can answer at all; says nothing about others
    GET  /ready      200 when every dependency is ready, else 503; names each with the reason
    GET  /version    its own version and label, and the release that the edge named
    GET  /metrics    Prometheus text

The events of an answer: `release` {release, version, label, conversation} first, then those of `chat.News`, or `error`
{message} as the last where something failed in here. An answer that is JSON has the same facts in one object.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import httpx2
import structlog
from fastapi import FastAPI, Request
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response, StreamingResponse

from sophia_api.chat import Chat, News
from sophia_api.mcp import McpServer, new_http_client
from sophia_api.model import ChatModel
from sophia_api.problems import tell_problems
from sophia_api.requests import Limited, Observed
from sophia_api.settings import Settings
from sophia_api.streams import stream

if TYPE_CHECKING:
    from starlette.types import ASGIApp

VERSION = version("sophia-api")
MESSAGE_CHARACTERS = 100_000
log = structlog.get_logger()


class Question(BaseModel):
    """Fields that are not known here are ignored: during a switch a newer page may talk to an older backend."""

    message: str = Field(min_length=1, max_length=MESSAGE_CHARACTERS, pattern=r"\S", description="What is asked.")
    conversation: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9._-]{1,64}$",
        description="What an earlier answer of the same conversation named; it is in the log.",
    )


def create_app(settings: Settings, http: httpx2.AsyncClient | None = None) -> ASGIApp:
    """The application. `http` reaches the dependencies; it is closed with the application."""
    http = http or new_http_client()
    memory = McpServer("ai-memory", settings.memory_url, http)
    gateway = McpServer("mcp-gateway", settings.gateway_url, http)
    model = ChatModel(settings.model, http) if settings.model else None

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with http:
            yield

    registry = _new_registry()
    app = FastAPI(title="Sophia", version=VERSION, lifespan=lifespan, docs_url=None, redoc_url=None)
    tell_problems(app)
    _add_face(app, settings, registry, [memory, gateway])
    _add_chat(app, settings, registry, Chat(memory, gateway, model))
    # Around all of it, not as middleware within: an answer to an error in here has an id and a log line, too.
    return Observed(Limited(app), registry)


def _new_registry() -> CollectorRegistry:
    disable_created_metrics()  # type: ignore[no-untyped-call]
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    return registry


def _add_face(app: FastAPI, settings: Settings, registry: CollectorRegistry, dependencies: list[McpServer]) -> None:
    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/ready")
    async def ready() -> Response:
        reasons = await asyncio.gather(*(each.why_not_ready() for each in dependencies))
        listed = [
            {"name": each.name, "ready": not why, "why": why} for each, why in zip(dependencies, reasons, strict=True)
        ]
        model = settings.model.name if settings.model else None
        body = {"ready": not any(reasons), "dependencies": listed, "model": model}
        return JSONResponse(body, status_code=503 if any(reasons) else 200)

    @app.get("/version")
    async def version_(request: Request) -> dict[str, str]:
        return {
            "service": settings.service,
            "version": VERSION,
            "label": settings.label,
            "release": _release(request),
            "environment": settings.environment,
            "workload": settings.workload,
        }

    @app.get("/metrics")
    async def metrics() -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


def _add_chat(app: FastAPI, settings: Settings, registry: CollectorRegistry, chat: Chat) -> None:
    answers = Counter("api_answers", "Answers by who wrote them", ["by"], registry=registry)
    missing = Counter("api_unavailable", "Dependencies an answer had to do without", ["name"], registry=registry)

    async def counted(question: Question, conversation: str) -> AsyncGenerator[News]:
        """The news of the answer, and at its end its place in the metrics and the log."""
        async for name, fields in chat.answer(question.message):
            if name == "done":
                answers.labels(fields["by"]).inc()
                for each in fields["unavailable"]:
                    missing.labels(each["name"]).inc()
                log.info("answered", conversation=conversation, by=fields["by"], unavailable=fields["unavailable"])
                fields = {**fields, "conversation": conversation}
            yield name, fields

    @app.post("/chat", responses={200: {"content": {"text/event-stream": {}}}})
    async def ask(question: Question, request: Request) -> Response:
        conversation = question.conversation or uuid.uuid4().hex
        begin = {"release": _release(request), "version": VERSION, "label": settings.label}
        begin["conversation"] = conversation
        news = counted(question, conversation)
        if "text/event-stream" in request.headers.get("accept", ""):
            headers = {"cache-control": "no-store", "x-accel-buffering": "no", "vary": "accept"}
            told = stream(_told(begin, news))
            return StreamingResponse(told, media_type="text/event-stream", headers=headers)
        return JSONResponse(await _whole(begin, news), headers={"cache-control": "no-store", "vary": "accept"})


async def _told(begin: dict[str, str], news: AsyncIterator[News]) -> AsyncGenerator[News]:
    """A stream that has begun has no status left to fail with: what fails in here becomes its last event."""
    yield "release", dict(begin)
    try:
        async for each in news:
            yield each
    except Exception:
        log.exception("answer failed")
        identity = structlog.contextvars.get_contextvars().get("request_id", "")
        yield "error", {"message": f"something failed here; the log has it under {identity}"}


async def _whole(begin: dict[str, str], news: AsyncIterator[News]) -> dict[str, Any]:
    """The whole answer as one object: what the stream's events say, tools with their outcome only."""
    answer: dict[str, Any] = {**begin, "memories": [], "tools": []}
    async for name, fields in news:
        if name == "memory":
            answer["memories"] += fields["memories"]
        elif name == "tool" and fields["state"] != "running":
            answer["tools"].append(fields)
        elif name == "done":
            answer |= fields
    return answer


def _release(request: Request) -> str:
    """What the edge named; instances know of no release."""
    return request.headers.get("x-sophia-release", "")
