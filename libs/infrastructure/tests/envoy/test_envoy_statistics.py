"""How Envoy's statistics are read. The bodies are what Envoy 1.40 answered, shortened."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sophia_deployment_core.ports import Counters
from sophia_infrastructure.envoy import admin
from sophia_infrastructure.envoy.admin import Unreachable

W = "ab" * 32


def body(*histograms: dict[str, Any], **values: int | str) -> bytes:
    stats: list[dict[str, Any]] = [{"name": name, "value": value} for name, value in values.items()]
    quantiles = {"supported_quantiles": [0, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 100], "computed_quantiles": histograms}
    return json.dumps({"stats": [*stats, {"histograms": quantiles}]}).encode()


def histogram(name: str, *cumulative: float | None) -> dict[str, Any]:
    return {"name": name, "values": [{"cumulative": each, "interval": None} for each in cumulative]}


def of_cluster(**values: int) -> dict[str, int]:
    return {f"cluster.w-{W}.upstream_{name}": value for name, value in values.items()}


def counted(**values: int) -> Counters:
    workloads, _ = admin.counters_in(body(**of_cluster(**values)))
    return workloads[W]


def test_a_request_is_counted_once_whatever_was_tried() -> None:
    found = counted(rq_completed=10, rq_pending_failure_eject=7, rq_retry=7)
    assert (found.requests, found.errors_5xx, found.lost) == (10, 0, 0)


def test_nobody_took_the_connection_is_lost_and_not_an_error_of_the_service() -> None:
    found = counted(rq_completed=5, rq_5xx=2, rq_pending_failure_eject=3, rq_retry=2)
    assert (found.requests, found.errors_5xx, found.lost) == (5, 1, 1)


def test_what_is_about_to_be_tried_again_is_not_lost_yet() -> None:
    found = counted(rq_completed=9, rq_5xx=1, rq_pending_failure_eject=4, rq_retry=1)
    assert (found.errors_5xx, found.lost) == (0, 1), "errors and lost together are Envoy's own sum"


def test_no_instance_at_all_and_too_many_waiting_are_lost() -> None:
    found = counted(rq_completed=9, rq_5xx=9, cx_none_healthy=4, rq_pending_overflow=2)
    assert (found.errors_5xx, found.lost) == (3, 6)


def test_an_answer_that_was_cut_is_lost_beside_its_good_status() -> None:
    found = counted(rq_completed=1, cx_protocol_error=1)
    assert (found.requests, found.errors_5xx, found.lost) == (1, 0, 1)


def test_what_waits_for_a_connection_is_under_way_too() -> None:
    assert counted(rq_active=2, rq_pending_active=1).active == 3


def test_latency_is_in_microseconds_by_quantile() -> None:
    name = f"cluster.w-{W}.upstream_rq_time"
    values = body(histogram(name, 0, 0, 3.05, 15.5, 25.5, 105, 210, 210, 210, 210), **of_cluster(rq_completed=9))
    workloads, _ = admin.counters_in(values)
    assert workloads[W].latency_us == {"p50": 3050, "p95": 105_000, "p99": 210_000}


def test_a_histogram_that_was_not_merged_yet_says_nothing() -> None:
    name = f"cluster.w-{W}.upstream_rq_time"
    workloads, _ = admin.counters_in(body(histogram(name, *[None] * 10), **of_cluster(rq_completed=9)))
    assert workloads[W].latency_us == {}


@pytest.mark.parametrize("release", ["1a2b3c4d5e6f", "1a2b3c4d5e6f+9f00", "v1.2.3"])
def test_releases_are_told_apart_at_the_edge(release: str) -> None:
    prefix = f"vhost.public.route.r-{release}"
    values = body(
        histogram(f"{prefix}.upstream_rq_time", *[7.0] * 10),
        **{f"{prefix}.upstream_rq_completed": 8, f"{prefix}.upstream_rq_5xx": 2, f"{prefix}.upstream_rq_5xx_x": 5},
    )
    _, releases = admin.counters_in(values)
    latency = {"p50": 7000, "p95": 7000, "p99": 7000}
    assert releases == {release: Counters(requests=8, errors_5xx=2, latency_us=latency)}


def test_a_single_is_found_under_its_own_name() -> None:
    workloads, _ = admin.counters_in(body(**{"cluster.w-single-database.upstream_rq_completed": 3}))
    assert workloads == {"single-database": Counters(requests=3)}


@pytest.mark.parametrize("said", [b"", b"no healthy", b"{}", b"[]", b'{"stats": [{"name": 1}]}'])
def test_what_is_not_envoys_answer_is_unknown(said: bytes) -> None:
    with pytest.raises(Unreachable):
        admin.counters_in(said)


def test_envoys_last_word_on_a_refusal_is_found_in_its_log() -> None:
    log = (
        "[warning][config] Filesystem config update failure: in routes.json, Unable to parse JSON\n"
        "[warning][upstream] lds: listener 'w-1' config rejected: cannot bind\n"
        "[warning][config] Filesystem config update rejected: cannot bind '127.0.0.1:1': Address already in use\n\n"
    )
    assert admin.refusal_in(log) == "cannot bind '127.0.0.1:1': Address already in use"
    assert admin.refusal_in("") == "its log does not say why"
