"""What Envoy is told: every file of one environment as text, decided here and written elsewhere. Pure.

    bootstrap.json   ports, limits, the two public-facing listeners; read once, when Envoy starts
    clusters.json    one cluster per workload (CDS)                   ┐
    listeners.json   one loopback listener per workload (LDS)         │ replaced by one atomic rename each,
    routes.json      the edge's table: ONE RouteConfiguration (RDS)   │ read again when that happens
    candidate.json   the private listener's table (RDS)               ┘
    routes-N.json    the way back from generation N-1, not read by Envoy until it is renamed to routes.json

Every setting here that is not a default was measured or closes a door:
- One RouteConfiguration in one file, so that one rename moves everything; virtual hosts by name are reachable from
  outside with a forged Host header, so there is one for all.
- Envoy tries again only what was never sent (`connect-failure`). It trusts nobody by address, so it obeys none of the
  headers by which a caller could ask for more (`x-envoy-retry-on`), inside neither.
- Idle connections to services end after 4 s, before a service ends them (uvicorn: 5 s): a request sent into that
  moment would be lost.
- No route has a timeout: it would cut event streams and websockets. A stream without a byte for an hour is ended, a
  connection without a request after 5 minutes, headers that take longer than 10 s get a 408.
- Paths are normalised, `//` merged, escaped slashes redirected; header names with underscores are refused.
- `enable_reuse_port: false`: a second Envoy started by mistake fails instead of taking half of the connections.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sophia_deployment_core.ports import Backend, Routes

PROBE_PATH = "/.well-known/sophia"
"""Answered by the proxy itself, for whoever wants to know what the edge serves; acts on nothing."""

UPSTREAM_IDLE_SECONDS = 4
STREAM_IDLE_SECONDS = 3600
CONNECTION_IDLE_SECONDS = 300
HEADERS_SECONDS = 10
HEADERS_KILOBYTES = 32

PUBLIC, CANDIDATE = "public", "candidate"
"""Names of the two RouteConfigurations, and of the virtual host in each."""
EDGE, PRIVATE, INTERNAL = "edge", "private", "internal"
"""Prefixes of the listeners' statistics."""

_FORGEABLE = ("forwarded", "x-forwarded-host", "x-forwarded-port", "x-original-url", "x-real-ip", "x-rewrite-url")
"""Headers that services believe to come from the proxy in front of them; `x-forwarded-for` and `-proto` we set."""
_RELEASE = re.compile(r"[A-Za-z0-9+_.-]{1,128}")
_TYPE = "type.googleapis.com/envoy."

Json = dict[str, Any]


@dataclass(frozen=True)
class Files:
    """Paths of one environment's files."""

    directory: Path

    @property
    def bootstrap(self) -> Path:
        return self.directory / "bootstrap.json"

    @property
    def clusters(self) -> Path:
        return self.directory / "clusters.json"

    @property
    def listeners(self) -> Path:
        return self.directory / "listeners.json"

    @property
    def routes(self) -> Path:
        return self.directory / "routes.json"

    @property
    def candidate(self) -> Path:
        return self.directory / "candidate.json"

    def way_back(self, generation: int) -> Path:
        return self.directory / f"routes-{generation}.json"

    def ways_back(self) -> list[Path]:
        """Those that are there."""
        return sorted(self.directory.glob("routes-*.json"))


class Unreadable(Exception):
    """A file is not one of ours: truncated, empty, edited; the text says what is wrong with it."""


@dataclass(frozen=True)
class Resources:
    """What a file of clusters or listeners holds, by name. Each version is unique, so that Envoy can confirm it."""

    version: str
    named: Mapping[str, Json]

    def text(self) -> str:
        in_order = [self.named[name] for name in sorted(self.named)]
        return _render({"version_info": self.version, "resources": in_order})


def read_resources(text: str) -> Resources:
    """The inverse of `Resources.text`. Raises Unreadable."""
    try:
        raw = json.loads(text)
        named = {str(each["name"]): each for each in raw["resources"]}
        return Resources(str(raw["version_info"]), named)
    except (ValueError, KeyError, TypeError) as error:
        raise Unreadable(f"it is not a file of resources: {error!r}") from error


@dataclass(frozen=True)
class Table:
    """A file of routes as read. `generation` 0: the table of an environment where nothing is deployed."""

    version: str
    generation: int
    clusters: frozenset[str]
    """the clusters that it names; without one of them Envoy refuses it"""


def read_table(text: str) -> Table:
    """What a file of routes says. Raises Unreadable."""
    try:
        raw = json.loads(text)
        version = str(raw["version_info"])
        (table,) = raw["resources"]
        (host,) = table["virtual_hosts"]
        clusters = [route["route"]["cluster"] for route in host["routes"] if "route" in route]
        return Table(version, generation_of(version), frozenset(clusters))
    except (ValueError, KeyError, TypeError) as error:
        raise Unreadable(f"it is not a file of routes: {error!r}") from error


def read_probe(body: bytes) -> int | None:
    """The generation that answered at PROBE_PATH; None for an answer that no table of ours gives."""
    try:
        return int(json.loads(body)["generation"])
    except (ValueError, KeyError, TypeError):
        return None


def cluster_name(workload: str) -> str:
    """What Envoy calls a workload, as a cluster and as a listener; `workload_of` is its inverse."""
    return f"w-{workload}"


def workload_of(cluster: str) -> str:
    return cluster.removeprefix("w-")


def clusters(backends: Iterable[Backend]) -> dict[str, Json]:
    """One cluster per backend, by name.

    Their endpoints are static: endpoint files (EDS) would take an inotify instance each, and Linux gives a user 128.
    """
    return {cluster_name(each.workload): _cluster(each) for each in backends}


def listeners(backends: Iterable[Backend]) -> dict[str, Json]:
    """One loopback listener per backend, by name."""
    return {cluster_name(each.workload): _internal_listener(each) for each in backends}


def nothing_deployed(environment: str) -> Routes:
    """The table of an environment without a release."""
    return Routes(environment, generation=0, release="none", table={})


def version_of(routes: Routes, nonce: str) -> str:
    """What Envoy says when it runs this table; the nonce tells it from every other file of the generation."""
    return f"{routes.generation}.{nonce}"


def generation_of(version: str) -> int:
    """Raises ValueError for what is not a version of a table."""
    return int(version.partition(".")[0])


def routes_text(routes: Routes, *, name: str, nonce: str) -> str:
    """A file of routes; `name` is PUBLIC or CANDIDATE."""
    if not _RELEASE.fullmatch(routes.release):
        raise ValueError(f"{routes.release!r} cannot be the value of a header and part of a statistic's name")
    release = {
        "header": {"key": "x-sophia-release", "value": routes.release},
        "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
    }
    table = {
        "@type": _TYPE + "config.route.v3.RouteConfiguration",
        "name": name,
        "validate_clusters": True,
        "request_headers_to_add": [release],
        "response_headers_to_add": [release],
        "virtual_hosts": [
            {"name": name, "domains": ["*"], "retry_policy": _RETRY_WHAT_WAS_NEVER_SENT, "routes": _routes(routes)}
        ],
    }
    return _render({"version_info": version_of(routes, nonce), "resources": [table]})


def bootstrap_text(
    environment: str,
    files: Files,
    *,
    edge_port: int,
    private_port: int,
    admin_socket: Path,
    max_connections: int,
) -> str:
    """`bootstrap.json`. `max_connections` is for the edge alone; one more is accepted and closed at once."""
    edge = {
        **_listener(EDGE, edge_port, _edge_manager(EDGE, PUBLIC, files.routes)),
        "traffic_direction": "INBOUND",
    }
    private = {
        **_listener(PRIVATE, private_port, _edge_manager(PRIVATE, CANDIDATE, files.candidate)),
        "traffic_direction": "INBOUND",
        "ignore_global_conn_limit": True,
    }
    limit = {
        "name": "envoy.resource_monitors.global_downstream_max_connections",
        "typed_config": {
            "@type": _TYPE + "extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
            "max_active_downstream_connections": max_connections,
        },
    }
    return _render(
        {
            "node": {"id": environment, "cluster": "sophia"},
            "admin": {"address": {"pipe": {"path": str(admin_socket), "mode": 0o600}}},
            "dynamic_resources": {"cds_config": _from_file(files.clusters), "lds_config": _from_file(files.listeners)},
            "static_resources": {"listeners": [edge, private]},
            "overload_manager": {"resource_monitors": [limit]},
            "stats_flush_interval": "1s",
        }
    )


# --- parts ----------------------------------------------------------------------------------------------------------

_RETRY_WHAT_WAS_NEVER_SENT = {
    "retry_on": "connect-failure",
    "num_retries": 2,
    "retry_host_predicate": [
        {
            "name": "envoy.retry_host_predicates.previous_hosts",
            "typed_config": {
                "@type": _TYPE + "extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate",
            },
        }
    ],
    "host_selection_retry_max_attempts": 3,
}


def _routes(routes: Routes) -> list[Json]:
    """The probe's answer, then longest prefixes first, then what is said to everybody else."""
    about = json.dumps({"release": routes.release, "generation": routes.generation})
    probe = _answer({"path": PROBE_PATH}, 200, "application/json", about)
    longest_first = sorted(routes.table.items(), key=lambda item: (-len(item[0]), item[0]))
    to_workloads = [_route(prefix, workload, release=routes.release) for prefix, workload in longest_first]
    if "/" in routes.table:
        return [probe, *to_workloads]
    return [probe, *to_workloads, _nothing_here() if routes.table else _nothing_yet()]


def _route(prefix: str, workload: str, *, release: str) -> Json:
    """`/api` is `/api` and what is below it, not `/apix`."""
    match = {"prefix": "/"} if prefix == "/" else {"path_separated_prefix": prefix}
    return {
        "match": match,
        "route": {"cluster": cluster_name(workload), "timeout": "0s"},
        "stat_prefix": f"r-{release}",
    }


def _nothing_here() -> Json:
    return _problem(404, "not found", "no service of this platform answers this path")


def _nothing_yet() -> Json:
    return _problem(503, "nothing is deployed", "this environment has no live release yet")


def _problem(status: int, title: str, detail: str) -> Json:
    body = json.dumps({"title": title, "status": status, "detail": detail})
    return _answer({"prefix": "/"}, status, "application/problem+json", body)


def _answer(match: Json, status: int, media_type: str, body: str) -> Json:
    headers = {"content-type": media_type, "cache-control": "no-store"}
    return {
        "match": match,
        "direct_response": {"status": status, "body": {"inline_string": body + "\n"}},
        "response_headers_to_add": [
            {"header": {"key": key, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
            for key, value in headers.items()
        ],
    }


def _cluster(backend: Backend) -> Json:
    endpoints = [{"endpoint": {"address": _address(port)}} for port in backend.endpoints]
    http = {
        "@type": _TYPE + "extensions.upstreams.http.v3.HttpProtocolOptions",
        "common_http_protocol_options": {"idle_timeout": f"{UPSTREAM_IDLE_SECONDS}s"},
        "explicit_http_config": {"http_protocol_options": {}},
    }
    name = cluster_name(backend.workload)
    return {
        "@type": _TYPE + "config.cluster.v3.Cluster",
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "lb_policy": "LEAST_REQUEST",
        "per_connection_buffer_limit_bytes": 65536,
        "circuit_breakers": {
            "thresholds": [
                {"max_connections": 20000, "max_pending_requests": 20000, "max_requests": 100000, "max_retries": 1000}
            ]
        },
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": http},
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}]},
    }


def _internal_listener(backend: Backend) -> Json:
    """What callers inside use: everything goes to one workload, with the trust that the edge's work is done."""
    name = cluster_name(backend.workload)
    route = {"match": {"prefix": "/"}, "route": {"cluster": name, "timeout": "0s"}}
    host = {"name": INTERNAL, "domains": ["*"], "retry_policy": _RETRY_WHAT_WAS_NEVER_SENT, "routes": [route]}
    manager = {
        **_manager(INTERNAL, []),
        "route_config": {"name": INTERNAL, "virtual_hosts": [host]},
    }
    return {
        "@type": _TYPE + "config.listener.v3.Listener",
        **_listener(name, backend.listener_port, manager),
        "traffic_direction": "OUTBOUND",
        "ignore_global_conn_limit": True,
    }


def _edge_manager(prefix: str, table: str, file: Path) -> Json:
    """Everything that stands between strangers and services."""
    removed = [_starting_with("x-envoy-"), _starting_with("x-sophia-"), *({"exact": name} for name in _FORGEABLE)]
    strip = {
        "@type": _TYPE + "extensions.filters.http.header_mutation.v3.HeaderMutation",
        "mutations": {"request_mutations": [{"remove_on_match": {"key_matcher": each}} for each in removed]},
    }
    return {
        **_manager(prefix, [{"name": "envoy.filters.http.header_mutation", "typed_config": strip}]),
        "rds": {"route_config_name": table, "config_source": _from_file(file)},
        "use_remote_address": True,
        "always_set_request_id_in_response": True,
        "request_headers_timeout": f"{HEADERS_SECONDS}s",
        "max_request_headers_kb": HEADERS_KILOBYTES,
        "normalize_path": True,
        "merge_slashes": True,
        "path_with_escaped_slashes_action": "UNESCAPE_AND_REDIRECT",
        "common_http_protocol_options": {
            "idle_timeout": f"{CONNECTION_IDLE_SECONDS}s",
            "headers_with_underscores_action": "REJECT_REQUEST",
        },
        "http2_protocol_options": {
            "max_concurrent_streams": 100,
            "initial_stream_window_size": 65536,
            "initial_connection_window_size": 1048576,
        },
    }


def _manager(prefix: str, filters: Sequence[Json]) -> Json:
    """What all listeners share. A request id that a client sent is replaced at the edge and kept inside."""
    router = {"@type": _TYPE + "extensions.filters.http.router.v3.Router", "suppress_envoy_headers": True}
    return {
        "@type": _TYPE + "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": prefix,
        "codec_type": "AUTO",
        "server_name": "sophia",
        "stream_idle_timeout": f"{STREAM_IDLE_SECONDS}s",
        "upgrade_configs": [{"upgrade_type": "websocket"}],
        "http_filters": [*filters, {"name": "envoy.filters.http.router", "typed_config": router}],
    }


def _listener(name: str, port: int, manager: Json) -> Json:
    http = {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}
    return {
        "name": name,
        "address": _address(port),
        "enable_reuse_port": False,
        "per_connection_buffer_limit_bytes": 65536,
        "filter_chains": [{"filters": [http]}],
    }


def _starting_with(prefix: str) -> Json:
    return {"prefix": prefix, "ignore_case": True}


def _address(port: int) -> Json:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _from_file(path: Path) -> Json:
    return {"path_config_source": {"path": str(path)}, "resource_api_version": "V3"}


def _render(value: Json) -> str:
    return json.dumps(value, indent=1) + "\n"
