"""What Envoy's files say; whether Envoy agrees is for tests/integration."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sophia_deployment_core.ports import Backend, Routes
from sophia_infrastructure.envoy import config
from sophia_infrastructure.envoy.config import Files, Resources, Unreadable

FRONT, API = "aa" * 32, "bb" * 32
PREFIXES = st.from_regex(r"/([a-z]{1,6}(/[a-z]{1,6}){0,2})?", fullmatch=True)


def table(**changes: Any) -> Routes:
    return Routes(**{"environment": "local", "generation": 7, "release": "r1", "table": {"/": FRONT}, **changes})


def route_file(routes: Routes) -> dict[str, Any]:
    raw: dict[str, Any] = json.loads(config.routes_text(routes, name=config.PUBLIC, nonce="abcd"))
    return raw


def hosts_routes(routes: Routes) -> list[dict[str, Any]]:
    (resource,) = route_file(routes)["resources"]
    (host,) = resource["virtual_hosts"]
    found: list[dict[str, Any]] = host["routes"]
    return found


def manager_of(listener: dict[str, Any]) -> dict[str, Any]:
    manager: dict[str, Any] = listener["filter_chains"][0]["filters"][0]["typed_config"]
    return manager


def bootstrap() -> dict[str, Any]:
    raw: dict[str, Any] = json.loads(
        config.bootstrap_text(
            "local",
            Files(Path("/state/envoy/local")),
            edge_port=8080,
            private_port=20000,
            admin_socket=Path("/run/a.admin"),
            max_connections=500,
        )
    )
    return raw


@pytest.mark.parametrize("workload", ["ab" * 32, "single-database", "single-my-cache"])
def test_a_workload_has_one_name_in_envoy_and_back(workload: str) -> None:
    assert config.workload_of(config.cluster_name(workload)) == workload
    assert "." not in config.cluster_name(workload)


@given(st.dictionaries(PREFIXES, st.sampled_from([FRONT, API]), max_size=6))
def test_longer_prefixes_come_first_and_the_last_route_answers_everybody_else(prefixes: dict[str, str]) -> None:
    probe, *others = hosts_routes(table(table=prefixes))
    matched = [each["match"].get("path_separated_prefix") or each["match"]["prefix"] for each in others]
    assert probe["match"] == {"path": config.PROBE_PATH}
    assert [len(each) for each in matched] == sorted((len(each) for each in matched), reverse=True)
    assert set(matched) == set(prefixes) | {"/"}
    assert matched[-1] == "/"


def test_a_prefix_ends_at_a_slash() -> None:
    _, api, rest = hosts_routes(table(table={"/api": API, "/": FRONT}))
    assert api["match"] == {"path_separated_prefix": "/api"}
    assert (api["route"]["cluster"], rest["route"]["cluster"]) == (f"w-{API}", f"w-{FRONT}")


def test_an_empty_table_says_that_nothing_is_deployed() -> None:
    _, rest = hosts_routes(config.nothing_deployed("local"))
    body = json.loads(rest["direct_response"]["body"]["inline_string"])
    assert (rest["direct_response"]["status"], body["status"], body["title"]) == (503, 503, "nothing is deployed")


def test_a_path_that_nobody_serves_is_not_found() -> None:
    *_, rest = hosts_routes(table(table={"/api": API}))
    assert rest["direct_response"]["status"] == 404


def test_a_file_of_routes_is_one_route_configuration_with_one_virtual_host_for_every_name() -> None:
    (resource,) = route_file(table())["resources"]
    assert (resource["name"], resource["validate_clusters"]) == ("public", True)
    assert [host["domains"] for host in resource["virtual_hosts"]] == [["*"]]


def test_the_release_replaces_whatever_a_request_or_a_service_says_it_is() -> None:
    (resource,) = route_file(table(release="1a2b+3c4d"))["resources"]
    for headers in (resource["request_headers_to_add"], resource["response_headers_to_add"]):
        assert headers == [
            {
                "header": {"key": "x-sophia-release", "value": "1a2b+3c4d"},
                "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
            }
        ]


@pytest.mark.parametrize("release", ["", "a b", "100%", "a\r\nx-evil: 1", "x" * 200])
def test_a_release_that_is_not_fit_for_a_header_is_refused(release: str) -> None:
    with pytest.raises(ValueError, match="cannot be the value of a header"):
        config.routes_text(table(release=release), name=config.PUBLIC, nonce="a")


def test_only_what_was_never_sent_is_tried_again() -> None:
    (resource,) = route_file(table())["resources"]
    inside = manager_of(config.listeners([Backend(FRONT, "front", 20001, ())])[f"w-{FRONT}"])
    for host in (*resource["virtual_hosts"], *inside["route_config"]["virtual_hosts"]):
        assert host["retry_policy"]["retry_on"] == "connect-failure"


def test_no_route_has_a_timeout_that_would_cut_a_stream() -> None:
    to_services = [each["route"] for each in hosts_routes(table(table={"/": FRONT, "/api": API})) if "route" in each]
    assert [each["timeout"] for each in to_services] == ["0s", "0s"]


def test_a_file_of_routes_says_its_generation_and_the_clusters_that_it_needs() -> None:
    text = config.routes_text(table(table={"/": FRONT, "/api": API}), name=config.PUBLIC, nonce="abcd")
    assert config.read_table(text) == config.Table("7.abcd", 7, frozenset({f"w-{FRONT}", f"w-{API}"}))


@pytest.mark.parametrize("cut", [0, 1, 40, -3])
def test_a_truncated_file_is_not_read_as_something_else(cut: int) -> None:
    routes = config.routes_text(table(), name=config.PUBLIC, nonce="abcd")
    resources = Resources("v", config.clusters([Backend(FRONT, "front", 20001, (1,))])).text()
    with pytest.raises(Unreadable):
        config.read_table(routes[:cut])
    with pytest.raises(Unreadable):
        config.read_resources(resources[:cut])


@pytest.mark.parametrize("text", ["null", "[]", "{}", '{"version_info": "x.y", "resources": [{"virtual_hosts": []}]}'])
def test_another_files_content_is_not_read_as_ours(text: str) -> None:
    with pytest.raises(Unreadable):
        config.read_table(text)
    with pytest.raises(Unreadable):
        config.read_resources(text.replace("[]}", '["a"]}'))


def test_what_does_not_change_is_written_alike_whatever_is_around_it() -> None:
    front, api = Backend(FRONT, "front", 20001, (1, 2)), Backend(API, "api", 20002, (3,))
    for of in (config.clusters, config.listeners):
        assert of([front])[f"w-{FRONT}"] == of([api, front])[f"w-{FRONT}"]
    both = Resources("v", config.clusters([front, api])).text()
    assert both == Resources("v", config.clusters([api, front])).text()
    assert config.read_resources(both).named == config.clusters([front, api])


def test_a_cluster_is_its_instances_on_loopback_and_is_left_before_a_service_leaves() -> None:
    cluster = config.clusters([Backend(FRONT, "front", 20001, (20010, 20011))])[f"w-{FRONT}"]
    endpoints = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"]
    addresses = [each["endpoint"]["address"]["socket_address"] for each in endpoints]
    assert addresses == [{"address": "127.0.0.1", "port_value": port} for port in (20010, 20011)]
    (options,) = cluster["typed_extension_protocol_options"].values()
    assert options["common_http_protocol_options"]["idle_timeout"] == "4s"
    assert cluster["circuit_breakers"]["thresholds"][0]["max_retries"] == 1000


def test_every_listener_is_on_loopback_and_lets_no_second_envoy_share_its_port() -> None:
    inside = config.listeners([Backend(FRONT, "front", 20001, ())]).values()
    listeners = [*bootstrap()["static_resources"]["listeners"], *inside]
    assert [each["address"]["socket_address"]["port_value"] for each in listeners] == [8080, 20000, 20001]
    assert {each["address"]["socket_address"]["address"] for each in listeners} == {"127.0.0.1"}
    assert {each["enable_reuse_port"] for each in listeners} == {False}


def test_only_the_edge_is_under_the_limit_of_connections() -> None:
    edge, private = bootstrap()["static_resources"]["listeners"]
    inside = config.listeners([Backend(FRONT, "front", 20001, ())])[f"w-{FRONT}"]
    assert ["ignore_global_conn_limit" in each for each in (edge, private, inside)] == [False, True, True]


def test_the_two_tables_come_from_two_files() -> None:
    edge, private = (manager_of(each)["rds"] for each in bootstrap()["static_resources"]["listeners"])
    paths = [each["config_source"]["path_config_source"]["path"] for each in (edge, private)]
    assert paths == ["/state/envoy/local/routes.json", "/state/envoy/local/candidate.json"]
    assert [each["route_config_name"] for each in (edge, private)] == ["public", "candidate"]


def test_a_probes_answer_names_the_generation_and_no_other_answer_does() -> None:
    probe, *_ = hosts_routes(table())
    body = probe["direct_response"]["body"]["inline_string"].encode()
    assert config.read_probe(body) == 7
    assert [config.read_probe(each) for each in (b"", b"<html>", b"[]", b"{}", b'{"generation": null}')] == [None] * 5


def test_the_ways_back_are_those_files_alone(tmp_path: Path) -> None:
    files = Files(tmp_path)
    for path in (files.routes, files.candidate, files.way_back(4), files.way_back(12)):
        path.write_text("")
    assert set(files.ways_back()) == {files.way_back(4), files.way_back(12)}
