"""Whatever goes wrong is told as a problem (RFC 9457, `application/problem+json`) with the id of its request."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response


def tell_problems(app: FastAPI) -> None:
    """Every error of this application is answered as a problem from now on."""
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(Exception, _failed)


def problem(status: int, detail: str, **more: Any) -> Response:
    """`more` become members beside the standard ones."""
    identity = structlog.contextvars.get_contextvars().get("request_id")
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail, **more}
    if identity:
        body["instance"] = f"urn:request:{identity}"
    return JSONResponse(body, status_code=status, media_type="application/problem+json")


def _invalid(_request: Request, error: Exception) -> Response:
    """400 where the body is not JSON, else 422 with every mistake: where it is (JSON Pointer) and what."""
    assert isinstance(error, RequestValidationError)
    mistakes = error.errors()
    if any(each["type"] == "json_invalid" for each in mistakes):
        return problem(400, "the body is not JSON")
    errors = [{"pointer": _pointer(each["loc"]), "detail": each["msg"]} for each in mistakes]
    return problem(422, "the message was not understood", errors=errors)


def _pointer(location: tuple[Any, ...]) -> str:
    within = location[1:] if location[:1] == ("body",) else location
    return "#" + "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in within)


def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    response = problem(error.status_code, str(error.detail))
    response.headers.update(error.headers or {})
    return response


def _failed(_request: Request, _error: Exception) -> Response:
    """Nobody outside is told what: the log has it, under the request's id."""
    return problem(500, "something failed here; the log has it under this request's id")
