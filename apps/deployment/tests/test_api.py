"""The engine's HTTP interface over its real unix socket."""

import http.client
import json
import os
import pwd
import socket
import stat
from pathlib import Path

import pytest
from sophia_deployment import api
from sophia_deployment.wire import RunOut, StatusOut
from sophia_deployment_core.errors import CATALOG, Code, SophiaError

from apps.deployment.tests.scripted import GOOD_RUN, RUN, Running, run_out


def ask(path: Path, method: str, target: str, body: object = None, **headers: str) -> tuple[int, dict, bytes]:
    connection = http.client.HTTPConnection("engine", timeout=5)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.settimeout(5)
    connection.sock.connect(str(path))
    sent = json.dumps(body) if body is not None else None
    connection.request(method, target, sent, {"content-type": "application/json", **headers})
    response = connection.getresponse()
    found = response.status, dict(response.getheaders()), response.read()
    connection.close()
    return found


@pytest.fixture
def answer(commands, engine):
    def call(method: str, target: str, body: object = None, **headers: str):
        status, _, content = ask(commands.place, method, target, body, **headers)
        return status, json.loads(content)

    return call


def test_only_the_owner_can_open_the_socket(commands, engine):
    assert stat.S_IMODE(commands.place.stat().st_mode) == 0o600


def test_binding_again_replaces_what_a_dead_engine_left(tmp_path):
    first = api.bind(tmp_path / "s")
    first.close()
    second = api.bind(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as probe:
        probe.connect(str(tmp_path / "s"))
    second.close()
    assert [each.name for each in tmp_path.iterdir()] == ["s"]


def test_whoever_submits_is_named_by_the_kernel(commands, answer):
    seen = []

    async def submit(submission, *, by):
        seen.append(by)
        return run_out()

    commands.submit = submit
    status, body = answer("POST", "/v1/runs", {"id": RUN, "kind": "start", "environment": "local"})
    assert status == 202
    assert seen == [pwd.getpwuid(os.getuid()).pw_name]
    assert RunOut(**body) == run_out()


def test_another_user_is_refused_whatever_is_asked(answer, monkeypatch):
    monkeypatch.setattr(api.os, "getuid", lambda: 54321)
    for target in ("/v1/status", "/v1/engine", "/metrics", f"/v1/runs/{RUN}"):
        status, body = answer("GET", target)
        assert (status, body["code"], body["exit"]) == (403, "SPH-5005", 3)
    assert "`uid 54321`" in body["detail"]


def test_a_connection_that_names_nobody_is_refused(commands):
    """As over TCP, where the kernel does not say who asks."""
    from starlette.testclient import TestClient

    with TestClient(api.create_app(commands), client=("127.0.0.1", 50000)) as client:
        assert client.get("/v1/status").status_code == 403


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (CATALOG["SPH-1001"], 404),
        (Code("SPH-9999", "", "", exit=2), 422),
        (Code("SPH-9999", "", "", exit=1), 409),
        (Code("SPH-9999", "", "", exit=3), 503),
    ],
)
def test_a_failure_is_a_problem_that_carries_what_people_are_shown(commands, answer, code, status):
    commands.failure = SophiaError(code, "`api` is not there", hint="look", facts={"service": "api"})
    found, body = answer("GET", "/v1/status")
    assert found == body["status"] == status
    assert body["type"] == f"urn:sophia:{code.name}"
    assert {key: body[key] for key in ("code", "detail", "hint", "facts", "exit")} == {
        "code": code.name,
        "detail": "`api` is not there",
        "hint": "look",
        "facts": {"service": "api"},
        "exit": code.exit,
    }


def test_a_fault_of_ours_tells_nothing_of_the_inside(commands, answer):
    commands.failure = RuntimeError("password=hunter2")
    status, body = answer("GET", "/v1/status")
    assert (status, body["code"]) == (500, "SPH-1999")
    assert "hunter2" not in json.dumps(body)


@pytest.mark.parametrize(
    "body", [{}, {"id": RUN, "kind": "explode", "environment": "local"}, {"id": RUN, "unknown": 1}, [], "x"]
)
def test_a_misshapen_request_is_refused_with_the_place(answer, body):
    status, found = answer("POST", "/v1/runs", body)
    assert (status, found["code"], found["exit"]) == (422, "SPH-5006", 2)
    assert found["detail"].startswith("`body")


def test_an_unknown_path_is_a_problem_too(answer):
    status, body = answer("GET", "/v1/nothing")
    assert (status, body["code"]) == (404, "SPH-5006")


def test_runs_are_found_listed_cancelled_and_reported(commands, answer):
    commands.known[RUN] = run_out()
    assert answer("GET", "/v1/runs?limit=5&environment=local")[1][0]["number"] == 17
    assert answer("GET", "/v1/runs/%2317")[1]["run"] == RUN
    assert answer("POST", "/v1/runs/17/cancel", {"reason": "no"})[0] == 202
    assert answer("POST", "/v1/runs/17/resume", {})[0] == 202
    assert commands.asked == [("cancel", ("17", "no")), ("resume", ("17", None))]
    status, headers, content = ask(commands.place, "GET", "/v1/runs/17/report?form=html")
    assert (status, headers["content-type"], content) == (200, "text/html; charset=utf-8", b"html of 17\n")
    assert answer("GET", "/v1/runs?limit=0")[0] == 422


def test_status_and_openapi_have_the_documented_shapes(answer):
    StatusOut(**answer("GET", "/v1/status")[1])
    paths = answer("GET", "/openapi.json")[1]["paths"]
    assert {"/v1/status", "/v1/runs", "/v1/events", "/v1/plan", "/metrics"} <= paths.keys()


# --- events ---------------------------------------------------------------------------------------------------------


def read_stream(path: Path, target: str, until: bytes, **headers: str) -> bytes:
    """What a stream brings until a text was seen; the connection is cut then."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        connection.connect(str(path))
        sent = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        connection.sendall(f"GET {target} HTTP/1.1\r\nhost: engine\r\n{sent}\r\n".encode())
        found = b""
        while until not in found:
            more = connection.recv(65536)
            assert more, found
            found += more
        return found


def test_events_carry_their_number_their_kind_and_their_body(commands, engine):
    commands.tell(RUN, GOOD_RUN)
    found = read_stream(commands.place, f"/v1/events?run={RUN}", b"id: 15\n")
    assert b"id: 2\nevent: lane taken\ndata: {" in found
    line = next(line for line in found.split(b"\n") if line.startswith(b"data: ") and b'"seq": 2,' in line)
    assert json.loads(line[6:])["body"] == {"environment": "local"}


def test_a_stream_goes_on_after_the_last_event_that_was_seen(commands, engine):
    commands.tell(RUN, GOOD_RUN)
    assert b"id: 13\n" not in read_stream(commands.place, "/v1/events?after=3", b"id: 15\n", last_event_id="13")
    assert b"id: 3\n" not in read_stream(commands.place, "/v1/events?after=3", b"id: 15\n")


def test_a_silent_stream_is_kept_alive_by_comments(commands, engine, monkeypatch):
    monkeypatch.setattr(api, "HEARTBEAT_SECONDS", 0.01)
    read_stream(commands.place, "/v1/events", b": still here\n\n")


def test_an_engine_that_ends_does_not_wait_for_those_who_listen(commands):
    running = Running(commands, commands.place)
    commands.end = running.end
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        connection.connect(str(commands.place))
        connection.sendall(b"GET /v1/events HTTP/1.1\r\nhost: engine\r\n\r\n")
        found = b""
        while b"the ledger" not in found:
            found += connection.recv(65536)
        status, _, _ = ask(commands.place, "POST", "/v1/engine/stop")
        assert status == 202
        while connection.recv(65536):
            pass
    running.stop()
