"""What Envoy says of itself, over the unix socket of its admin interface: confirmations, statistics, draining.

`Admin` asks; what comes back is read by pure functions. Statistics are Envoy's own counters since it started:

    requests    answers that began, each request once whatever was tried: `upstream_rq_completed`. A client that went
                away before it was answered is not counted; a websocket is one request
    lost        never answered: no instance took the connection (after the attempts of the retry policy), no instance
                is there, too many wait; or the answer was cut or was not HTTP
    errors_5xx  answers of 500 and more that are not `lost`; among them the proxy's own 503 for a connection that a
                service closed instead of answering
    active      requests under way or waiting for a connection; websockets and event streams count until they end
    latency_us  of whole answers, in Envoy's precision: milliseconds, two digits; up to a second late
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sophia_deployment_core.ports import Counters

from sophia_infrastructure.envoy.config import CANDIDATE, EDGE, PRIVATE, PUBLIC, workload_of

TIMEOUT_SECONDS = 2.0
_BROKEN = (OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError)


class Unreachable(Exception):
    """Envoy did not answer: it is not there, not ready, or busy. Says nothing about the traffic."""


@dataclass(frozen=True)
class Reply:
    status: int
    body: bytes


@dataclass(frozen=True)
class Subscription:
    """How far Envoy got with one file: the version it runs, and how many versions it refused since it started."""

    version: str
    refused: int


CLUSTERS = "cluster_manager.cds"
LISTENERS = "listener_manager.lds"
ROUTES = f"http.{EDGE}.rds.{PUBLIC}"
CANDIDATE_ROUTES = f"http.{PRIVATE}.rds.{CANDIDATE}"
"""Prefixes of the statistics of each file's subscription."""

_CLUSTER_STATISTICS = (
    "upstream_cx_none_healthy",
    "upstream_cx_protocol_error",
    "upstream_rq_5xx",
    "upstream_rq_active",
    "upstream_rq_completed",
    "upstream_rq_pending_active",
    "upstream_rq_pending_failure_eject",
    "upstream_rq_pending_overflow",
    "upstream_rq_retry",
    "upstream_rq_time",
    "upstream_rq_timeout",
)
_RELEASE_STATISTICS = ("upstream_rq_5xx", "upstream_rq_completed", "upstream_rq_time")
_OF_CLUSTER = re.compile(r"cluster\.(w-[^.]+)\.(\w+)")
_OF_RELEASE = re.compile(rf"vhost\.{PUBLIC}\.route\.r-(.+)\.(\w+)")
_QUANTILES = {50: "p50", 95: "p95", 99: "p99"}


class Admin:
    """One request per connection, each bounded by `TIMEOUT_SECONDS`. Everything raises Unreachable."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    async def subscription(self, prefix: str) -> Subscription:
        """Speaks for Envoy's main thread: its workers follow within 100 ms."""
        names = f"^{re.escape(prefix)}\\.(version_text|update_rejected|update_failure)$"
        values, _ = read_statistics(await self._statistics(names))
        refused = sum(int(values.get(f"{prefix}.{name}", 0)) for name in ("update_rejected", "update_failure"))
        return Subscription(str(values.get(f"{prefix}.version_text", "")), refused)

    async def counters(self) -> tuple[dict[str, Counters], dict[str, Counters]]:
        """By workload and, as the edge saw them, by release; what was never asked for anything may be missing."""
        of_cluster, of_release = "|".join(_CLUSTER_STATISTICS), "|".join(_RELEASE_STATISTICS)
        names = rf"^(cluster\.w-[^.]+\.({of_cluster})|vhost\.{PUBLIC}\.route\.r-.+\.({of_release}))$"
        return counters_in(await self._statistics(names))

    async def active_at_the_edge(self) -> int:
        """Requests under way, websockets and event streams included."""
        name = f"http.{EDGE}.downstream_rq_active"
        values, _ = read_statistics(await self._statistics(f"^{re.escape(name)}$"))
        return int(values.get(name, 0))

    async def leave(self) -> None:
        """Refuse new connections from outside and ask those that are open to close after their next answer."""
        await self._ask("POST", "/healthcheck/fail")
        await self._ask("POST", "/drain_listeners?inboundonly")

    async def _statistics(self, names: str) -> bytes:
        return await self._ask("GET", f"/stats?format=json&usedonly&filter={quote(names, safe='')}")

    async def _ask(self, method: str, path: str) -> bytes:
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                reader, writer = await asyncio.open_unix_connection(self._socket)
                reply = await _exchange(reader, writer, method, path)
        except _BROKEN as error:
            raise Unreachable(f"{method} {path.partition('?')[0]}: {error!r}") from error
        if reply.status != 200:
            raise Unreachable(f"{method} {path.partition('?')[0]} answered {reply.status}")
        return reply.body


async def get(port: int, path: str) -> Reply:
    """One GET on a fresh loopback connection. Raises Unreachable."""
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            return await _exchange(reader, writer, "GET", path)
    except _BROKEN as error:
        raise Unreachable(f"GET {path} on port {port}: {error!r}") from error


async def _exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, method: str, path: str) -> Reply:
    try:
        writer.write(f"{method} {path} HTTP/1.1\r\nhost: sophia\r\nconnection: close\r\n\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        size = re.search(rb"\r\ncontent-length: *(\d+)", head)  # its end is later: Envoy waits a second for ours
        body = await reader.readexactly(int(size[1])) if size else await _chunks(reader)
        return Reply(int(head[9:12]), body)
    finally:
        writer.close()


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    parts = []
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        parts.append((await reader.readexactly(size + 2))[:-2])
    return b"".join(parts)


# --- reading what came back -----------------------------------------------------------------------------------------

Values = dict[str, int | str]
Quantiles = dict[str, dict[str, int]]


def read_statistics(body: bytes) -> tuple[Values, Quantiles]:
    """Values by name, and of each histogram with values `p50`, `p95` and `p99` in its own unit times 1000."""
    try:
        listed = json.loads(body)["stats"]
        values = {each["name"]: each["value"] for each in listed if "name" in each}
        histograms = next((each["histograms"] for each in listed if "histograms" in each), None)
        return values, _quantiles(histograms) if histograms else {}
    except (ValueError, KeyError, TypeError) as error:
        raise Unreachable(f"the statistics cannot be read: {error!r}") from error


def _quantiles(histograms: Any) -> Quantiles:
    wanted = {
        index: _QUANTILES[each] for index, each in enumerate(histograms["supported_quantiles"]) if each in _QUANTILES
    }
    found: Quantiles = {}
    for histogram in histograms["computed_quantiles"]:
        values = [each["cumulative"] for each in histogram["values"]]
        if values[0] is not None:
            found[histogram["name"]] = {name: round(values[index] * 1000) for index, name in wanted.items()}
    return found


def counters_in(body: bytes) -> tuple[dict[str, Counters], dict[str, Counters]]:
    """Counters by workload and by release. Raises Unreachable for what is not Envoy's answer."""
    values, quantiles = read_statistics(body)
    clusters = _grouped(_OF_CLUSTER, values)
    releases = _grouped(_OF_RELEASE, values)
    return (
        {
            workload_of(name): _of_cluster(found, quantiles.get(f"cluster.{name}.upstream_rq_time", {}))
            for name, found in clusters.items()
        },
        {
            name: _of_release(found, quantiles.get(f"vhost.{PUBLIC}.route.r-{name}.upstream_rq_time", {}))
            for name, found in releases.items()
        },
    )


def _grouped(pattern: re.Pattern[str], values: Values) -> dict[str, dict[str, int]]:
    groups: dict[str, dict[str, int]] = {}
    for name, value in values.items():
        match = pattern.fullmatch(name)
        if match is not None:
            groups.setdefault(match[1], {})[match[2].removeprefix("upstream_")] = int(value)
    return groups


def _of_cluster(found: Mapping[str, int], latency: Mapping[str, int]) -> Counters:
    """Each attempt that found nobody is an eject, each but the last of a request was followed by a retry.

    Before it is retried it looks like the last: what is lost has its 5xx too, so more are not. Errors and lost together
    are then sums of Envoy's counters, which never fall unless they begin anew.
    """

    def of(name: str) -> int:
        return found.get(name, 0)

    never_taken = max(0, of("rq_pending_failure_eject") - of("rq_retry"))
    never_answered = never_taken + of("cx_none_healthy") + of("rq_pending_overflow") + of("rq_timeout")
    lost_with_5xx = min(of("rq_5xx"), never_answered)
    return Counters(
        requests=of("rq_completed"),
        errors_5xx=of("rq_5xx") - lost_with_5xx,
        lost=lost_with_5xx + of("cx_protocol_error"),
        active=of("rq_active") + of("rq_pending_active"),
        latency_us=latency,
    )


def _of_release(found: Mapping[str, int], latency: Mapping[str, int]) -> Counters:
    return Counters(requests=found.get("rq_completed", 0), errors_5xx=found.get("rq_5xx", 0), latency_us=latency)


def refusal_in(log: str) -> str:
    """Envoy's reason in its log for not taking a file; the last one, or what to say when there is none."""
    found = re.findall(r"Filesystem config update (?:rejected|failure): (.+)", log)
    return found[-1].strip() if found else "its log does not say why"
