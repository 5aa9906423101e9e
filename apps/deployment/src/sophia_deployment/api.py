"""The engine's HTTP interface: what `sophia` and other programs talk to, on a unix socket of mode 0600.

`create_app` puts HTTP in front of `Commands`; `bind` and `Server` put the application on the socket. Whoever speaks is
known by the kernel's word (SO_PEERCRED): the user who runs the engine is obeyed and named in the ledger, nobody else.

    /v1/engine  /v1/status  /v1/plan  /v1/runs  /v1/runs/{name}[/cancel|/resume|/report]  /v1/events  /metrics

A failure is a problem (RFC 9457) with the same code, message, hint and exit code that `sophia` shows. `/v1/events` are
server-sent events of the ledger: `id` is the entry's number, so that `Last-Event-ID` goes on where a stream broke.
"""

from __future__ import annotations

import asyncio
import json
import os
import pwd
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol, cast

import uvicorn
from fastapi import Depends, FastAPI, Header, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from sophia_deployment_core.errors import INTERNAL, Code, SophiaError
from sophia_deployment_core.ledger import Event
from starlette.exceptions import HTTPException
from uvicorn.protocols.http.h11_impl import H11Protocol

from sophia_deployment.codes import BAD_REQUEST, FOREIGN_ENGINE
from sophia_deployment.wire import EngineOut, EventOut, PlanOut, RunOut, StatusOut, Submission, Wish

HEARTBEAT_SECONDS = 5.0
"""How long a stream of events is silent at most; a reader that hears nothing for much longer has lost the engine."""
GRACE_SECONDS = 3
"""How long requests under way may take when the engine ends."""

ReportForm = Literal["md", "html", "json"]

_STATUS = {
    "SPH-1001": 404,
    "SPH-1999": 500,
    "SPH-2002": 507,
    "SPH-2003": 503,
    "SPH-2005": 500,
    "SPH-2006": 500,
    "SPH-5005": 403,
    "SPH-5200": 409,
    "SPH-5201": 409,
    "SPH-5202": 404,
}
"""Where the exit code alone does not tell the HTTP status."""


class Commands(Protocol):
    """What the engine does for its callers. `by` is the user who asks; a run's `name` as in `wire`.

    Everything raises `SophiaError` for what the caller can act on.
    """

    async def engine(self) -> EngineOut: ...

    async def status(self) -> StatusOut: ...

    async def plan(self, submission: Submission, *, by: str) -> PlanOut: ...

    async def submit(self, submission: Submission, *, by: str) -> RunOut:
        """The same id again is the same run."""

    async def runs(self, *, limit: int, environment: str | None) -> list[RunOut]:
        """Newest first, without steps."""

    async def run(self, name: str) -> RunOut:
        """Whole, with its steps."""

    async def cancel(self, name: str, *, by: str, reason: str | None) -> RunOut: ...

    async def resume(self, name: str, *, by: str, reason: str | None) -> RunOut: ...

    async def report(self, name: str, *, form: ReportForm) -> str: ...

    def events(self, *, after: int, run: str | None) -> AsyncIterator[Event]:
        """Entries with `seq > after`, then what is appended from now on; ends only when it is closed."""

    def metrics(self) -> bytes:
        """In Prometheus' text format."""

    async def stop(self) -> None:
        """The engine ends soon after the answer; what serves goes on serving."""


# --- who asks -------------------------------------------------------------------------------------------------------


class PeerProtocol(H11Protocol):
    """HTTP/1.1 whose `client` in the scope is the name and the uid of the user at the other end of a unix socket."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        peer = transport.get_extra_info("socket")
        if peer is not None and peer.family == socket.AF_UNIX:
            _, uid, _ = struct.unpack("3i", peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
            self.client = (user_name(uid), uid)


def user_name(uid: int) -> str:
    """What people call a user; `uid 1000` where the machine has no name for it."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


async def _actor(request: Request) -> str:
    """The user who asks. Refuses everybody but the engine's own, and connections whose user is not known."""
    name, uid = request.client or ("somebody unknown", -1)
    if uid != os.getuid():
        owner = user_name(os.getuid())
        raise SophiaError(
            FOREIGN_ENGINE,
            f"this engine belongs to `{owner}`, and `{name}` asks",
            hint=f"call `sophia` as `{owner}`",
        )
    return name


Actor = Annotated[str, Depends(_actor)]


# --- the interface --------------------------------------------------------------------------------------------------


def create_app(commands: Commands) -> FastAPI:
    """The application; `app.state.closing` is an event that ends the streams of events when it is set."""
    app = FastAPI(
        title="Sophia's engine",
        version=version("sophia-deployment"),
        description="Deploys one platform's environments. Failures are problems (RFC 9457) with a code that "
        "`sophia explain` knows.",
        docs_url=None,
        redoc_url=None,
        dependencies=[Depends(_actor)],
    )
    app.state.closing = asyncio.Event()
    _add_failures(app)
    _add_engine(app, commands)
    _add_runs(app, commands)
    _add_events(app, commands)
    return app


def _add_engine(app: FastAPI, commands: Commands) -> None:
    @app.get("/v1/engine", summary="Which engine answers")
    async def engine() -> EngineOut:
        return await commands.engine()

    @app.post("/v1/engine/stop", status_code=202, summary="End the engine; what serves goes on serving")
    async def stop() -> None:
        app.state.closing.set()
        await commands.stop()

    @app.get("/v1/status", summary="Every environment: what is live, what runs, what waits")
    async def status() -> StatusOut:
        return await commands.status()

    @app.get("/metrics", response_class=PlainTextResponse, summary="Figures for Prometheus")
    async def metrics() -> Response:
        return Response(commands.metrics(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _add_runs(app: FastAPI, commands: Commands) -> None:
    @app.post("/v1/plan", summary="What a submission would do; nothing is changed")
    async def plan(submission: Submission, by: Actor) -> PlanOut:
        return await commands.plan(submission, by=by)

    @app.post("/v1/runs", status_code=202, summary="Submit a run; the same id again is the same run")
    async def submit(submission: Submission, by: Actor) -> RunOut:
        return await commands.submit(submission, by=by)

    @app.get("/v1/runs", summary="Runs, newest first")
    async def runs(
        limit: Annotated[int, Query(ge=1, le=1000)] = 50, environment: Annotated[str | None, Query()] = None
    ) -> list[RunOut]:
        return await commands.runs(limit=limit, environment=environment)

    @app.get("/v1/runs/{name}", summary="One run with its steps")
    async def run(name: str) -> RunOut:
        return await commands.run(name)

    @app.post("/v1/runs/{name}/cancel", status_code=202, summary="Take a run back")
    async def cancel(name: str, wish: Wish, by: Actor) -> RunOut:
        return await commands.cancel(name, by=by, reason=wish.reason)

    @app.post("/v1/runs/{name}/resume", status_code=202, summary="Go on with a run that needed a person")
    async def resume(name: str, wish: Wish, by: Actor) -> RunOut:
        return await commands.resume(name, by=by, reason=wish.reason)

    @app.get("/v1/runs/{name}/report", response_class=PlainTextResponse, summary="A run's report")
    async def report(name: str, form: Annotated[ReportForm, Query()] = "md") -> Response:
        kinds = {"md": "text/markdown", "html": "text/html", "json": "application/json"}
        return Response(await commands.report(name, form=form), media_type=kinds[form])


def _add_events(app: FastAPI, commands: Commands) -> None:
    @app.get(
        "/v1/events",
        summary="The ledger, entry by entry, as server-sent events",
        response_class=StreamingResponse,
        responses={200: {"content": {"text/event-stream": {"schema": EventOut.model_json_schema()}}}},
    )
    async def events(
        after: Annotated[int, Query(ge=0, description="Entries after this number.")] = 0,
        run: Annotated[str | None, Query(description="Only this run's, by its id.")] = None,
        last_event_id: Annotated[int | None, Header(ge=0, description="Instead of `after`, to go on.")] = None,
    ) -> StreamingResponse:
        start = after if last_event_id is None else last_event_id
        return StreamingResponse(
            _stream(commands.events(after=start, run=run), app.state.closing),
            media_type="text/event-stream",
            headers={"cache-control": "no-store"},
        )


async def _stream(events: AsyncIterator[Event], closing: asyncio.Event) -> AsyncIterator[bytes]:
    """Events as they come, a comment when none came for a while, until the reader or the engine goes."""
    ending = asyncio.ensure_future(closing.wait())
    entry: asyncio.Future[Event] = asyncio.ensure_future(anext(events))
    try:
        yield b": the ledger\n\n"
        while not closing.is_set():
            done, _ = await asyncio.wait((entry, ending), timeout=HEARTBEAT_SECONDS, return_when="FIRST_COMPLETED")
            if entry in done:
                yield sse(entry.result())
                entry = asyncio.ensure_future(anext(events))
            elif not done:
                yield b": still here\n\n"
    except StopAsyncIteration:
        return
    finally:
        ending.cancel()
        entry.cancel()
        with suppress(asyncio.CancelledError, StopAsyncIteration):
            await entry
        if hasattr(events, "aclose"):
            await events.aclose()


def sse(event: Event) -> bytes:
    """One entry as a server-sent event. The body is spliced in as it is stored; it is compact JSON on one line."""
    head = json.dumps(
        {"seq": event.seq, "at_ms": event.at_ms, "epoch": event.epoch, "run": event.run, "kind": event.kind}
    )
    return f'id: {event.seq}\nevent: {event.kind}\ndata: {head[:-1]}, "body": {event.text}}}\n\n'.encode()


# --- failures -------------------------------------------------------------------------------------------------------


def _add_failures(app: FastAPI) -> None:
    @app.exception_handler(SophiaError)
    async def known(_: Request, error: SophiaError) -> JSONResponse:
        return problem(error.code, error.message, hint=error.hint, facts=dict(error.facts))

    @app.exception_handler(RequestValidationError)
    async def misshapen(_: Request, error: RequestValidationError) -> JSONResponse:
        found = [f"`{'.'.join(map(str, each['loc']))}`: {_lower(each['msg'])}" for each in error.errors()]
        return problem(BAD_REQUEST, "; ".join(found), hint="see /openapi.json", status=422)

    @app.exception_handler(HTTPException)
    async def unrouted(request: Request, error: HTTPException) -> JSONResponse:
        said = f"{request.method} {request.url.path}: {_lower(str(error.detail))}"
        return problem(BAD_REQUEST, said, hint="see /openapi.json", status=error.status_code)

    @app.exception_handler(Exception)
    async def unexpected(_: Request, __: Exception) -> JSONResponse:
        return problem(INTERNAL, "something happened that the engine did not expect", hint="its log says what")


def problem(
    code: Code, detail: str, *, hint: str | None = None, facts: dict[str, Any] | None = None, status: int | None = None
) -> JSONResponse:
    """A failure as RFC 9457 has it, with what `sophia` needs to show it."""
    status = status or _STATUS.get(code.name) or {2: 422, 3: 503}.get(code.exit, 409)
    body = {
        "type": f"urn:sophia:{code.name}",
        "title": code.title,
        "status": status,
        "detail": detail,
        "code": code.name,
        "hint": hint,
        "facts": facts or {},
        "exit": code.exit,
    }
    return JSONResponse(body, status_code=status, media_type="application/problem+json")


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


# --- the socket -----------------------------------------------------------------------------------------------------


def bind(path: Path) -> socket.socket:
    """Listen on a unix socket that only its owner can open; what a dead engine left there is replaced.

    Call it only as the owner of the state: it does not ask whether somebody still listens.
    """
    new = path.with_name(f"{path.name}.{os.getpid()}")
    new.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listener.bind(str(new))
    finally:
        os.umask(before)
    listener.listen(128)
    new.replace(path)
    return listener


class Server(uvicorn.Server):
    """Serves an application of `create_app` on sockets from `bind`: `await Server(app).serve(sockets=[bind(path)])`.

    Set `should_exit` to end it; streams of events end at once, other requests have `GRACE_SECONDS`.
    """

    def __init__(self, app: FastAPI) -> None:
        self._closing = cast("asyncio.Event", app.state.closing)
        super().__init__(
            uvicorn.Config(
                app,
                http=PeerProtocol,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=GRACE_SECONDS,
            )
        )

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._closing.set()
        await super().shutdown(sockets)
