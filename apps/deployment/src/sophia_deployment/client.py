"""The way to the engine: HTTP over its unix socket with the standard library, because importing a client library would
take longer than most of what the command line does.

Answers are plain JSON of the shapes in `wire`. Whatever goes wrong is a `SophiaError`: the engine's own problems with
their code, hint and exit code; no engine, a silent one and a lost one with a code of this room (exit 3).
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from sophia_deployment_core.errors import CATALOG, INTERNAL, Code, SophiaError

from sophia_deployment.codes import ENGINE_LOST, ENGINE_SILENT, ENGINE_UNREACHABLE

ANSWER_SECONDS = 30.0
SILENCE_SECONDS = 20.0
"""A stream of events without even a heartbeat for so long has lost its engine."""
PATIENCE_SECONDS = 60.0
"""How long a reader of events waits for an engine to come back."""
_PAUSES = (0.1, 0.2, 0.5, 1.0)


class Engine:
    """The engine behind a socket. Every call is a connection of its own; nothing is kept open between calls."""

    def __init__(self, path: Path, *, answer_seconds: float = ANSWER_SECONDS) -> None:
        self._path = path
        self._answer_seconds = answer_seconds

    # --- verbs -------------------------------------------------------------------------------------------------------

    def engine(self) -> dict[str, Any]:
        """`EngineOut`: which engine answers."""
        return self._json("GET", "/v1/engine")

    def answers(self) -> dict[str, Any] | None:
        """`EngineOut`, or None where no engine answers. A silent or strange engine raises all the same."""
        try:
            return self.engine()
        except SophiaError as error:
            if error.code is ENGINE_UNREACHABLE:
                return None
            raise

    def status(self) -> dict[str, Any]:
        """`StatusOut`."""
        return self._json("GET", "/v1/status")

    def plan(self, submission: Mapping[str, Any]) -> dict[str, Any]:
        """`PlanOut` of a `Submission`; nothing is changed."""
        return self._json("POST", "/v1/plan", submission)

    def submit(self, submission: Mapping[str, Any]) -> dict[str, Any]:
        """`RunOut` of a `Submission`. Its id makes it safe to send it again."""
        return self._json("POST", "/v1/runs", submission)

    def runs(self, *, limit: int = 50, environment: str | None = None) -> list[dict[str, Any]]:
        """`RunOut`s without steps, newest first."""
        wanted = {"limit": str(limit)} | ({"environment": environment} if environment else {})
        with self._request("GET", f"/v1/runs?{urlencode(wanted)}") as response:
            found: list[dict[str, Any]] = json.loads(response.read())
            return found

    def run(self, name: str) -> dict[str, Any]:
        """`RunOut` with steps, by id, the id's beginning, `17` or `#17`."""
        return self._json("GET", f"/v1/runs/{quote(name, safe='')}")

    def cancel(self, name: str, *, reason: str | None = None) -> dict[str, Any]:
        return self._json("POST", f"/v1/runs/{quote(name, safe='')}/cancel", {"reason": reason})

    def resume(self, name: str, *, reason: str | None = None) -> dict[str, Any]:
        return self._json("POST", f"/v1/runs/{quote(name, safe='')}/resume", {"reason": reason})

    def report(self, name: str, *, form: str = "md") -> str:
        """A run's report as `md`, `html` or `json`."""
        with self._request("GET", f"/v1/runs/{quote(name, safe='')}/report?form={form}") as response:
            return response.read().decode("utf-8", "replace")

    def metrics(self) -> str:
        """The engine's figures in Prometheus' text format."""
        with self._request("GET", "/metrics") as response:
            return response.read().decode("utf-8", "replace")

    def stop(self) -> None:
        """The engine ends; what serves goes on serving."""
        with self._request("POST", "/v1/engine/stop") as response:
            response.read()

    # --- events ------------------------------------------------------------------------------------------------------

    def events(
        self,
        *,
        after: int = 0,
        run: str | None = None,
        on_break: Callable[[str], None],
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> Iterator[dict[str, Any]]:
        """`EventOut`s, each once and in order, over as many connections as it takes. Ends only by its reader.

        An engine is back when it told something, not when it took the connection.

        `on_break` is told a sentence when the engine is gone, and once more when it is back. Raises `SophiaError`
        (`ENGINE_LOST`) when it stays away for `patience_seconds`.
        """
        lost_at: float | None = None
        while True:
            try:
                for heard, event in enumerate(self._stream(after, run)):
                    if lost_at is not None and (heard or event is not None):  # first comes a comment, at once
                        on_break("the engine is back")
                        lost_at = None
                    if event is not None:
                        after = event["seq"]
                        yield event
            except (OSError, http.client.HTTPException, SophiaError) as error:
                if isinstance(error, SophiaError) and error.code not in (ENGINE_UNREACHABLE, ENGINE_SILENT):
                    raise
            if lost_at is None:
                lost_at = time.monotonic()
                on_break("the engine is gone; waiting for it to come back")
            if time.monotonic() - lost_at > patience_seconds:
                raise SophiaError(
                    ENGINE_LOST,
                    f"the engine went away and did not come back within {patience_seconds:.0f} s",
                    hint="what serves goes on; `sophia up` starts an engine, and it goes on with the run",
                )
            time.sleep(_PAUSES[min(int(time.monotonic() - lost_at), len(_PAUSES) - 1)])

    def _stream(self, after: int, run: str | None) -> Iterator[dict[str, Any] | None]:
        """What one connection brings: events, and None for each comment."""
        wanted = {"after": str(after)} | ({"run": run} if run else {})
        headers = {"Last-Event-ID": str(after), "Accept": "text/event-stream"}
        path = f"/v1/events?{urlencode(wanted)}"
        with self._request("GET", path, headers=headers, within_seconds=SILENCE_SECONDS) as response:
            yield from parsed_events(response)

    # --- one request -------------------------------------------------------------------------------------------------

    def _json(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        with self._request(method, path, body) as response:
            found: dict[str, Any] = json.loads(response.read())
            return found

    @contextmanager
    def _request(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        headers: Mapping[str, str] = {},
        within_seconds: float | None = None,
    ) -> Iterator[http.client.HTTPResponse]:
        """The answer, if it is a good one; `within_seconds` bounds every read."""
        connection = _UnixConnection(self._path, timeout=within_seconds or self._answer_seconds)
        sent = dict(headers)
        if body is not None:
            sent["Content-Type"] = "application/json"
        with closing(connection):
            try:
                connection.request(method, path, json.dumps(body) if body is not None else None, sent)
                response = connection.getresponse()
            except (OSError, http.client.HTTPException) as error:
                raise self._unanswered(error) from error
            if response.status >= 400:
                raise as_error(response.read())
            yield response

    def _unanswered(self, error: OSError | http.client.HTTPException) -> SophiaError:
        if isinstance(error, TimeoutError):
            said = f"the engine has not answered for {self._answer_seconds:.0f} s"
            return SophiaError(ENGINE_SILENT, said, hint="`sophia doctor` looks at its process")
        if isinstance(error, PermissionError):
            said = f"the engine's socket `{self._path}` is not yours to open"
            return SophiaError(ENGINE_UNREACHABLE, said, hint="call `sophia` as the user who started the engine")
        return SophiaError(ENGINE_UNREACHABLE, "no engine answers here", hint="start it: `sophia up`")


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, *, timeout: float) -> None:
        super().__init__("engine", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(os.fspath(self._path))


def as_error(raw: bytes) -> SophiaError:
    """The engine's problem as the error it was; with a code that this build does not know, what the problem says."""
    try:
        found = json.loads(raw)
        name, detail = str(found["code"]), str(found["detail"])
    except (ValueError, KeyError, TypeError):
        return SophiaError(INTERNAL, "the engine gave an answer that is none of its own", hint="`sophia doctor`")
    code = CATALOG.get(name) or Code(name, str(found.get("title", "")), "", int(found.get("exit", 1)))
    return SophiaError(code, detail, hint=found.get("hint"), facts=found.get("facts") or {})


def parsed_events(lines: Iterator[bytes] | http.client.HTTPResponse) -> Iterator[dict[str, Any] | None]:
    """Server-sent events whose data is JSON, from the lines of a stream; None for each comment.

    An event whose end did not arrive is none: the next connection brings it whole.
    """
    data: list[str] = []
    for raw in lines:
        line = raw.decode("utf-8", "replace").rstrip("\r\n")
        if line.startswith(":"):
            yield None
        elif line.startswith("data:"):
            data.append(line[5:].removeprefix(" "))
        elif not line and data:
            yield json.loads("\n".join(data))
            data = []
