"""What the three servers have in common: one process on loopback, its public face, its logs, its end.

Beside the MCP endpoint `/mcp` (stateless streamable HTTP) each serves

    /health    200 while the process can answer at all; says nothing about others
    /ready     200 when everything it rests on answers, else 503; names each with the reason
    /version   its name and version, and the release that the edge named
    /metrics   Prometheus text

SIGTERM: no new connections, requests in flight are finished (at most `FINISH_SECONDS`), then it ends.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

import structlog
from mcp.server import Server
from mcp.server.mcpserver import MCPServer
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sophia_mcp_servers.requests import Observed

if TYPE_CHECKING:
    from starlette.types import ASGIApp

VERSION = version("sophia-mcp-servers")
KEEP_ALIVE_SECONDS = 75
"""Longer than any caller keeps an idle connection: a server that closes first loses the request just being sent."""
FINISH_SECONDS = 25
"""What requests in flight get after SIGTERM. Below the 30 s of grace that our `sophia.yaml` gives."""
BODY_BYTES = 512 * 1024


class Misconfigured(Exception):
    """The environment lacks what the server needs; the message says all of it."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What every server is told by its environment."""

    service: str
    environment: str
    workload: str
    port: int

    @classmethod
    def read(cls, name: str, environ: Mapping[str, str]) -> Settings:
        """Raises `Misconfigured` where `PORT` is no port."""
        port = environ.get("PORT", "")
        if not port.isdecimal() or not 0 < int(port) < 65536:
            raise Misconfigured(f"`PORT` must be a number from 1 to 65535, it is {port!r}")
        said = {key: environ.get(f"SOPHIA_{key.upper()}", "") for key in ("service", "environment", "workload")}
        return cls(said["service"] or name, said["environment"], said["workload"], int(port))


@dataclass(frozen=True, slots=True)
class Dependency:
    """Whether something a server rests on answers, and why not."""

    name: str
    ready: bool
    why: str = ""


Readiness = Callable[[], Awaitable[Sequence[Dependency]]]


def new_registry() -> CollectorRegistry:
    """A registry of one server's own, so that two in one process (as in tests) do not count for each other."""
    disable_created_metrics()  # type: ignore[no-untyped-call]
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    return registry


def application(server: Server[object] | MCPServer, registry: CollectorRegistry, readiness: Readiness) -> ASGIApp:
    """The server's MCP endpoint and its public face as one ASGI application, observed and limited."""
    served = server.streamable_http_app(stateless_http=True, json_response=True, max_request_body_size=BODY_BYTES)
    served.router.routes.extend(_face(server.name, registry, readiness))
    return Observed(served, registry)


def _face(name: str, registry: CollectorRegistry, readiness: Readiness) -> list[Route]:
    async def health(_request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def ready(_request: Request) -> Response:
        dependencies = await readiness()
        all_ready = all(each.ready for each in dependencies)
        body = {"ready": all_ready, "dependencies": [asdict(each) for each in dependencies]}
        return JSONResponse(body, status_code=200 if all_ready else 503)

    async def version_(request: Request) -> Response:
        release = request.headers.get("x-sophia-release", "")
        return JSONResponse({"service": name, "version": VERSION, "release": release})

    async def metrics(_request: Request) -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    faces = {"/health": health, "/ready": ready, "/version": version_, "/metrics": metrics}
    return [Route(path, endpoint) for path, endpoint in faces.items()]


def log_as(settings: Settings) -> None:
    """Every log line of this process, also a library's, becomes one JSON object on stderr that says who it is from."""
    identity = {key: value for key, value in asdict(settings).items() if value and key != "port"}

    def identified(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        return {**identity, **event}

    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        identified,
        structlog.processors.format_exc_info,
    ]
    handler = logging.StreamHandler(sys.stderr)
    finish: list[structlog.typing.Processor] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.processors.JSONRenderer(),
    ]
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=finish))
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
    )


def run(application: ASGIApp, settings: Settings) -> None:
    """Serves until SIGTERM. Ends as that signal ends a process, after the requests in flight were answered."""
    import uvicorn

    structlog.get_logger().info("starting", port=settings.port, version=VERSION)
    uvicorn.run(
        application,
        host="127.0.0.1",
        port=settings.port,
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=FINISH_SECONDS,
        ws="none",
    )
