"""What a real Envoy lets in, sends on and answers by itself with the files that we write."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from sophia_deployment_core.ports import Backend, Routes
from sophia_infrastructure.envoy import config, proxy

from tests.support.echo import Echo, echoing, raw
from tests.support.envoy import Site, workload
from tests.support.ports import free_port

FRONT, API = workload("front", "1"), workload("api", "1")


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def seen(self) -> dict[str, str]:
        """The headers as the service saw them."""
        headers: dict[str, str] = self.json["headers"]
        return headers


def ask(port: int, path: str = "/", *, method: str = "GET", **headers: str) -> Answer:
    """`x_y` as the name of a header is sent as `x-y`."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
    finally:
        connection.close()


@dataclass(frozen=True)
class Edge:
    site: Site
    front: Echo
    api: Echo
    inside: dict[str, int]

    @property
    def port(self) -> int:
        return self.site.edge_port


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    """`/` is served by front, `/api` by api; nobody switches here."""
    site = Site(tmp_path_factory.mktemp("edge"))
    inside = {"front": free_port(), "api": free_port()}
    with site, echoing("front") as front, echoing("api") as api:
        backends = [
            Backend(FRONT, "front", inside["front"], (front.port,)),
            Backend(API, "api", inside["api"], (api.port,)),
        ]
        site.run(site.traffic.arrange("local", backends, epoch=1))
        table = Routes("local", 1, "r1", {"/": FRONT, "/api": API})
        site.run(site.traffic.switch(table, back=None, epoch=1))
        yield Edge(site, front, api, inside)


# --- who answers ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/", "front"),
        ("/api", "api"),
        ("/api/", "api"),
        ("/api?q=/", "api"),
        ("/api/v1", "api"),
        ("/apix", "front"),
        ("/x/api", "front"),
        ("/x/../api/v1", "api"),
        ("/api/../x", "front"),
        ("//api//v1", "api"),
        ("/%61pi", "api"),
        ("/api/%2e%2e/x", "front"),
    ],
)
def test_a_path_is_made_plain_and_then_goes_to_its_longest_prefix(edge: Edge, path: str, name: str) -> None:
    assert ask(edge.port, path).json["name"] == name


@pytest.mark.parametrize("path", ["/x%2Fapi", "/x%2f..%2fapi", "/x%5Capi"])
def test_an_escaped_slash_is_sent_back_in_plain_before_any_service_sees_it(edge: Edge, path: str) -> None:
    answer = ask(edge.port, path)
    assert answer.status == 307
    assert "%" not in answer.headers["location"]


def test_a_forged_host_reaches_nothing_but_the_public_table(edge: Edge) -> None:
    for host in (f"127.0.0.1:{edge.inside['api']}", config.cluster_name(API), "api", "localhost:1"):
        assert ask(edge.port, "/", host=host).json["name"] == "front"


def test_inside_every_path_goes_to_the_listeners_own_service_as_it_is(edge: Edge) -> None:
    answer = ask(edge.inside["api"], "/x//y%2Fz")
    assert (answer.json["name"], answer.json["path"]) == ("api", "/x//y%2Fz")


def test_the_edge_itself_tells_what_it_serves(edge: Edge) -> None:
    answer = ask(edge.port, config.PROBE_PATH)
    assert (answer.status, answer.json) == (200, {"release": "r1", "generation": 1})
    assert answer.headers["cache-control"] == "no-store"


# --- what is believed -----------------------------------------------------------------------------------------------


def test_the_release_is_the_edges_word_whatever_client_and_service_say(edge: Edge) -> None:
    answer = ask(edge.port, "/claims", x_sophia_release="forged", x_sophia_admin="1")
    assert answer.seen["x-sophia-release"] == "r1"
    assert answer.headers["x-sophia-release"] == "r1"
    assert "x-sophia-admin" not in answer.seen
    assert answer.headers["server"] == "sophia"


def test_no_header_from_outside_gives_envoy_orders(edge: Edge) -> None:
    orders = {"x_envoy_retry_on": "5xx,reset", "x_envoy_max_retries": "5", "x_envoy_upstream_rq_timeout_ms": "1"}
    for port in (edge.port, edge.inside["front"]):
        edge.front.asked.clear()
        assert ask(port, "/status/503", **orders).status == 503
        assert edge.front.asked == ["/status/503"]
        answer = ask(port, "/slow/50", **orders)
        assert answer.status == 200
        assert not [name for name in answer.seen if name.startswith("x-envoy-")]


def test_a_service_learns_who_asked_from_the_edge_alone(edge: Edge) -> None:
    claims = {
        "x_forwarded_for": "203.0.113.9",
        "x_forwarded_proto": "https",
        "x_forwarded_host": "bank.example",
        "x_real_ip": "203.0.113.9",
        "x_original_url": "/admin",
        "forwarded": "for=203.0.113.9",
    }
    seen = ask(edge.port, "/", host="shop.example", **claims).seen
    assert seen["host"] == "shop.example"
    claimed, _, known = seen["x-forwarded-for"].rpartition(",")
    assert claimed == "203.0.113.9" != known
    assert seen["x-forwarded-proto"] == "http"
    assert not {"x-forwarded-host", "x-real-ip", "x-original-url", "forwarded"} & seen.keys()


def test_every_request_has_an_id_of_the_edges_own_and_keeps_it_inside(edge: Edge) -> None:
    first, second = (ask(edge.port, "/", x_request_id="mine") for _ in range(2))
    assert first.seen["x-request-id"] == first.headers["x-request-id"] != "mine"
    assert first.headers["x-request-id"] != second.headers["x-request-id"]
    assert ask(edge.inside["api"], "/", x_request_id="from-the-edge").seen["x-request-id"] == "from-the-edge"


# --- what is refused ------------------------------------------------------------------------------------------------


def test_a_header_with_an_underscore_is_refused(edge: Edge) -> None:
    answer = raw(edge.port, b"GET / HTTP/1.1\r\nhost: a\r\nx_sophia_release: forged\r\nconnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")


def test_headers_that_are_too_large_are_refused(edge: Edge) -> None:
    assert ask(edge.port, "/", cookie="x" * 40_000).status == 431


def test_what_is_not_http_is_refused(edge: Edge) -> None:
    assert raw(edge.port, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n").startswith(b"HTTP/1.1 400 ")


def test_two_lengths_are_not_a_way_to_smuggle_a_request(edge: Edge) -> None:
    edge.front.asked.clear()
    smuggled = (
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n"
        b"0\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n"
    )
    assert raw(edge.port, smuggled, seconds=1).startswith(b"HTTP/1.1 400 ")
    assert edge.front.asked == []


@pytest.mark.slow
def test_headers_that_do_not_come_are_waited_for_ten_seconds(edge: Edge) -> None:
    began = time.monotonic()
    answer = raw(edge.port, b"GET / HTTP/1.1\r\nhost: a\r\n", seconds=15)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert 9 < time.monotonic() - began < 13


@pytest.mark.slow
def test_more_connections_than_the_limit_are_closed_and_do_not_keep_services_from_each_other(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proxy, "MAX_CONNECTIONS", 100)
    inside = free_port()
    with Site(tmp_path_factory.mktemp("limit")) as site, echoing("front") as front:
        site.run(site.traffic.arrange("local", [Backend(FRONT, "front", inside, (front.port,))], epoch=1))
        held = [socket.create_connection(("127.0.0.1", site.edge_port), timeout=5) for _ in range(130)]
        try:
            time.sleep(0.5)
            open_ones = [each for each in held if not _closed(each)]
            assert len(open_ones) == 100
            assert ask(inside, "/").status == 200
        finally:
            for each in held:
                each.close()
        time.sleep(0.2)
        assert ask(site.edge_port, config.PROBE_PATH).status == 200


def _closed(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


# --- what the edge says by itself -----------------------------------------------------------------------------------


def test_before_the_first_release_the_edge_says_so(tmp_path_factory: pytest.TempPathFactory) -> None:
    with Site(tmp_path_factory.mktemp("empty")) as site:
        for port in (site.edge_port, site.private_port):
            answer = ask(port, "/anything")
            assert (answer.status, answer.json["title"]) == (503, "nothing is deployed")
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.headers["x-sophia-release"] == "none"


def test_a_path_that_no_service_has_is_not_found(tmp_path_factory: pytest.TempPathFactory) -> None:
    with Site(tmp_path_factory.mktemp("partly")) as site, echoing("api") as api:
        site.run(site.traffic.arrange("local", [Backend(API, "api", free_port(), (api.port,))], epoch=1))
        site.run(site.traffic.switch(Routes("local", 1, "r1", {"/api": API}), back=None, epoch=1))
        answer = ask(site.edge_port, "/apix")
        assert (answer.status, answer.json["status"]) == (404, 404)
        assert ask(site.edge_port, "/api").status == 200


# --- what is counted ------------------------------------------------------------------------------------------------


def test_requests_are_counted_to_the_unit(tmp_path_factory: pytest.TempPathFactory) -> None:
    inside, dead = free_port(), free_port()
    with Site(tmp_path_factory.mktemp("counters")) as site, echoing("front") as front:
        backend = Backend(FRONT, "front", inside, (front.port,))
        refusing = Backend(API, "api", free_port(), (dead,))
        site.run(site.traffic.arrange("local", [backend, refusing], epoch=1))
        table = Routes("local", 1, "r1", {"/": FRONT, "/api": API})
        site.run(site.traffic.show_candidate(table, epoch=1))
        site.run(site.traffic.switch(table, back=None, epoch=1))
        for path in ("/", "/", "/", "/status/404", "/status/500", "/status/503", "/close"):
            ask(site.edge_port, path)
        ask(site.edge_port, config.PROBE_PATH)
        with pytest.raises(http.client.IncompleteRead):
            ask(site.edge_port, "/cut")
        for port in (inside, inside, site.private_port):
            ask(port, "/")
        assert [ask(site.edge_port, "/api").status for _ in range(4)] == [503] * 4
        time.sleep(1.2)  # histograms are merged once a second
        reading = site.read()
    front_, api = reading.workloads[FRONT], reading.workloads[API]
    assert (front_.requests, front_.errors_5xx, front_.lost, front_.active) == (11, 3, 1, 0)
    assert (api.requests, api.errors_5xx, api.lost, api.active) == (4, 0, 4, 0)
    assert (reading.releases["r1"].requests, reading.releases["r1"].errors_5xx) == (12, 7)
    assert 0 <= front_.latency_us["p50"] <= front_.latency_us["p99"] < 1_000_000


def test_what_is_under_way_is_seen_until_it_ends(edge: Edge) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", edge.port, timeout=10)
    connection.request("GET", "/slow/600")
    time.sleep(0.2)
    assert edge.site.read().workloads[FRONT].active == 1
    connection.getresponse().read()
    connection.close()
    assert edge.site.wait_idle(FRONT, seconds=2)


def test_a_websocket_is_under_way_for_as_long_as_it_is_open(tmp_path_factory: pytest.TempPathFactory) -> None:
    shake = (
        b"GET /ws HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
        b"sec-websocket-version: 13\r\nsec-websocket-key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
    )
    with Site(tmp_path_factory.mktemp("websocket")) as site:
        site.release("1")
        with socket.create_connection(("127.0.0.1", site.edge_port), timeout=5) as connection:
            connection.sendall(shake)
            assert connection.recv(4096).startswith(b"HTTP/1.1 101 ")
            assert not site.wait_idle(FRONT, seconds=1)
        assert site.wait_idle(FRONT, seconds=5)


def test_a_release_that_comes_back_goes_on_counting(tmp_path_factory: pytest.TempPathFactory) -> None:
    with Site(tmp_path_factory.mktemp("again")) as site, echoing("front") as front:
        backends = [Backend(each, "front", free_port(), (front.port,)) for each in (FRONT, API)]
        site.run(site.traffic.arrange("local", backends, epoch=1))
        for generation, (release, identity) in enumerate((("r1", FRONT), ("r2", API), ("r1", FRONT)), start=1):
            table = Routes("local", generation, release, {"/": identity})
            site.run(site.traffic.switch(table, back=None, epoch=1))
            assert [ask(site.edge_port, "/").status for _ in range(5)] == [200] * 5
        releases = site.read().releases
    assert (releases["r1"].requests, releases["r2"].requests) == (10, 5)
