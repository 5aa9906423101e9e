"""The way to the engine: HTTP over its unix socket with the standard library, because importing a client library would
take longer than most of what the command line does.

Answers are plain JSON of the shapes in `wire`. Whatever goes wrong is a `SophiaError`: the engine's own problems with
their code, hint and exit code; no engine, a silent one and a lost one with a code of this room (exit 3).

An engine that is kept by a launcher and is away for a moment, because it died, is waited for. What never reached it is
sent again then; what may have reached it only if that makes no difference.
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
RESTART_SECONDS = 5.0
"""How long everybody else does."""
_PAUSES = (0.1, 0.2, 0.5, 1.0)


class _Lost(Exception):
    """No answer. `sent`: the request may have reached an engine."""

    def __init__(self, error: OSError | http.client.HTTPException, *, sent: bool) -> None:
        super().__init__(str(error))
        self.error = error
        self.sent = sent


class Engine:
    """The engine behind a socket. Every call is a connection of its own; nothing is kept open between calls.

    `is_kept`: whether an engine that does not answer will be back by itself.
    """

    def __init__(
        self, path: Path, *, answer_seconds: float = ANSWER_SECONDS, is_kept: Callable[[], bool] = lambda: False
    ) -> None:
        self._path = path
        self._answer_seconds = answer_seconds
        self._is_kept = is_kept

    # --- verbs -------------------------------------------------------------------------------------------------------

    def engine(self) -> dict[str, Any]:
        """`EngineOut`: which engine answers."""
        return self._json("GET", "/v1/engine")

    def answers(self) -> dict[str, Any] | None:
        """`EngineOut`, or None where no engine answers now. A silent or strange engine raises all the same."""
        try:
            return self._json("GET", "/v1/engine", patient=False)
        except SophiaError as error:
            if error.code in (ENGINE_UNREACHABLE, ENGINE_LOST):
                return None
            raise

    def status(self) -> dict[str, Any]:
        """`StatusOut`."""
        return self._json("GET", "/v1/status")

    def plan(self, submission: Mapping[str, Any]) -> dict[str, Any]:
        """`PlanOut` of a `Submission`; nothing is changed."""
        return self._json("POST", "/v1/plan", submission)

    def submit(self, submission: Mapping[str, Any]) -> dict[str, Any]:
        """`RunOut` of a `Submission`. Its id makes it safe to send it again; but a rollback may have made another run
        go back, and would be one more step back if that one has ended by then.
        """
        return self._json("POST", "/v1/runs", submission, again=submission["kind"] != "rollback")

    def runs(self, *, limit: int = 50, environment: str | None = None) -> list[dict[str, Any]]:
        """`RunOut`s without steps, newest first."""
        wanted = {"limit": str(limit)} | ({"environment": environment} if environment else {})
        found: list[dict[str, Any]] = json.loads(self._answer("GET", f"/v1/runs?{urlencode(wanted)}"))
        return found

    def run(self, name: str) -> dict[str, Any]:
        """`RunOut` with steps, by id, the id's beginning, `17` or `#17`."""
        return self._json("GET", f"/v1/runs/{quote(name, safe='')}")

    def cancel(self, name: str, *, reason: str | None = None) -> dict[str, Any]:
        return self._json("POST", f"/v1/runs/{quote(name, safe='')}/cancel", {"reason": reason}, again=False)

    def resume(self, name: str, *, reason: str | None = None) -> dict[str, Any]:
        return self._json("POST", f"/v1/runs/{quote(name, safe='')}/resume", {"reason": reason}, again=False)

    def report(self, name: str, *, form: str = "md") -> str:
        """A run's report as `md`, `html` or `json`."""
        return self._answer("GET", f"/v1/runs/{quote(name, safe='')}/report?form={form}").decode("utf-8", "replace")

    def metrics(self) -> str:
        """The engine's figures in Prometheus' text format, as far as it answers now."""
        return self._answer("GET", "/metrics", patient=False).decode("utf-8", "replace")

    def stop(self) -> None:
        """The engine ends; what serves goes on serving."""
        self._answer("POST", "/v1/engine/stop", patient=False)

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
            except (_Lost, OSError, http.client.HTTPException):
                pass
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

    def _json(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, patient: bool = True, again: bool = True
    ) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._answer(method, path, body, patient=patient, again=again))
        return found

    def _answer(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, patient: bool = True, again: bool = True
    ) -> bytes:
        """The whole of a good answer. `patient`: wait for an engine that is starting again; `again`: send once more
        what may have reached the one before."""
        give_up = time.monotonic() + (RESTART_SECONDS if patient else 0)
        while True:
            try:
                return self._asked(method, path, body)
            except _Lost as lost:
                is_away = not isinstance(lost.error, TimeoutError | PermissionError) and (again or not lost.sent)
                if not is_away or time.monotonic() >= give_up or not self._is_kept():
                    raise self._unanswered(lost) from lost.error
            time.sleep(_PAUSES[0])

    def _asked(self, method: str, path: str, body: Mapping[str, Any] | None) -> bytes:
        with self._request(method, path, body) as response:
            try:
                return response.read()
            except (OSError, http.client.HTTPException) as error:
                raise _Lost(error, sent=True) from error

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
        """The answer, if it is a good one; `within_seconds` bounds every read. Raises `_Lost` where there is none."""
        connection = _UnixConnection(self._path, timeout=within_seconds or self._answer_seconds)
        sent = dict(headers)
        if body is not None:
            sent["Content-Type"] = "application/json"
        with closing(connection):
            try:
                connection.connect()
            except OSError as error:
                raise _Lost(error, sent=False) from error
            try:
                connection.request(method, path, json.dumps(body) if body is not None else None, sent)
                response = connection.getresponse()
                problem = response.read() if response.status >= 400 else None
            except (OSError, http.client.HTTPException) as error:
                raise _Lost(error, sent=True) from error
            if problem is not None:
                raise as_error(problem)
            yield response

    def _unanswered(self, lost: _Lost) -> SophiaError:
        error = lost.error
        if isinstance(error, TimeoutError):
            said = f"the engine has not answered for {self._answer_seconds:.0f} s"
            return SophiaError(ENGINE_SILENT, said, hint="`sophia doctor` looks at its process")
        if isinstance(error, PermissionError):
            said = f"the engine's socket `{self._path}` is not yours to open"
            return SophiaError(ENGINE_UNREACHABLE, said, hint="call `sophia` as the user who started the engine")
        if lost.sent:
            said = "the engine went away before it answered"
            hint = "`sophia up` starts it; what was asked for may still happen: `sophia queue` shows it"
            return SophiaError(ENGINE_LOST, said, hint=hint)
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
