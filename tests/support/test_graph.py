"""The fixture graph itself: what the engine's tests rely on."""

from __future__ import annotations

import http.client
import json
import signal
import time
from pathlib import Path

import pytest

from tests.support.graph import SERVICES, acted, make_graph, running, start
from tests.support.repository import git

pytestmark = pytest.mark.slow
"""Real processes: they take seconds."""


def ask(port: int, path: str = "/", *, id: str = "", method: str = "GET") -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(method, path, headers={"x-strict-id": id} if id else {})
    answer = connection.getresponse()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()


def test_an_answer_names_everybody_who_took_part_and_each_of_them_logs_the_id(tmp_path: Path) -> None:
    with running(tmp_path, version="7") as graph:
        status, _, body = ask(graph.ports["front"], id="a-1", method="POST")
    chain = [(node["service"], node["version"]) for node in json.loads(body)["chain"]]
    assert status == 200
    assert chain == [(name, "7") for name in ("front", "orders", "stock", "prices", "stock")]
    assert sorted((act.service, act.caller) for act in acted(tmp_path)) == [
        ("front", "-"),
        ("orders", "front"),
        ("prices", "front"),
        ("stock", "orders"),
        ("stock", "prices"),
    ]


def test_a_request_under_way_is_finished_after_sigterm_and_told_to_close(tmp_path: Path) -> None:
    graph = start(tmp_path, services=["stock"], FAULT="slow:300")
    process = graph.processes["stock"]
    connection = http.client.HTTPConnection("127.0.0.1", graph.ports["stock"], timeout=10)
    connection.request("POST", "/", headers={"x-strict-id": "a-1"})
    time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    answer = connection.getresponse()
    assert (answer.status, answer.getheader("connection")) == (200, "close")
    assert process.wait(5) == 0


def test_an_idle_connection_is_closed_after_its_time_as_uvicorn_does(tmp_path: Path) -> None:
    with running(tmp_path, services=["stock"], IDLE_TIMEOUT="0.2") as graph:
        connection = http.client.HTTPConnection("127.0.0.1", graph.ports["stock"], timeout=10)
        connection.request("GET", "/version")
        connection.getresponse().read()
        assert connection.sock.recv(1) == b""


def test_an_event_stream_ends_with_its_end_event(tmp_path: Path) -> None:
    with running(tmp_path, services=["stock"]) as graph:
        _, headers, body = ask(graph.ports["stock"], "/events?count=3&every=1", id="a-1")
    assert headers["content-type"] == "text/event-stream"
    assert body.count(b"data: {") == 4 and body.endswith(b"event: end\ndata: {}\n\n")


def test_faults_begin_when_the_test_says_so(tmp_path: Path) -> None:
    with running(tmp_path, services=["stock"], FAULT="errors-when:bad,unhealthy-when:sick,crash-when:gone") as graph:
        port, data = graph.ports["stock"], tmp_path / "stock"
        assert (ask(port)[0], ask(port, "/health")[0]) == (200, 200)
        (data / "bad").touch()
        assert (ask(port)[0], ask(port, "/health")[0]) == (500, 200)
        (data / "sick").touch()
        assert ask(port, "/health")[0] == 503
        (data / "gone").touch()
        assert graph.processes["stock"].wait(5) == 1


@pytest.mark.parametrize("fault", ["crash-loop", "wrong-port", "never-healthy", "slow-start:30", "daemonise"])
def test_a_service_that_cannot_start_never_is_healthy(tmp_path: Path, fault: str) -> None:
    with pytest.raises(TimeoutError):
        start(tmp_path, services=["stock"], healthy_within_seconds=1, FAULT=fault)


def test_a_release_changes_only_the_services_it_names(tmp_path: Path) -> None:
    graph = make_graph(tmp_path, worker=True, single=True)
    before = git(graph.root, "rev-parse", "HEAD")
    assert graph.services == sorted([*SERVICES, "ticker", "counter"])
    assert graph.release("2", services=["stock"]) != before
    assert git(graph.root, "diff", "--name-only", before) == "services/stock/VERSION"
    assert git(graph.root, "status", "--porcelain") == ""


def test_a_fault_is_in_one_service_and_gone_with_the_next_release(tmp_path: Path) -> None:
    graph = make_graph(tmp_path, fault="flapping", fault_in="orders")
    assert (graph.root / "services/orders/FAULT").read_text() == "flapping\n"
    graph.release("2")
    assert (graph.root / "services/orders/FAULT").read_text() == "\n"


def test_settings_of_the_platform_can_be_changed_and_removed(tmp_path: Path) -> None:
    graph = make_graph(tmp_path, changes={"services": {"front": {"replicas": 2, "smoke": None}}})
    text = (graph.root / "sophia.yaml").read_text()
    assert "replicas: 2" in text and "smoke" not in text and f"port: {graph.edge_port}" in text
