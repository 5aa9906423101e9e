"""Envoy as the `Traffic` port: one rename is the switch, and Envoy's own statistics confirm it.

A change is over when Envoy's main thread says which version it runs and its workers had 100 ms to follow. When Envoy is
down at that moment, the wait lasts, within bounds, until its launcher has it back. What Envoy refuses is put back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from sophia_deployment_core.errors import SophiaError
from sophia_deployment_core.ports import Backend, Reading, Routes

from sophia_infrastructure.clock import SystemClock
from sophia_infrastructure.codes import OLDER_GENERATION, STATISTICS_UNREACHABLE, UNKNOWN_BACKEND
from sophia_infrastructure.envoy import config
from sophia_infrastructure.envoy.admin import Unreachable
from sophia_infrastructure.envoy.config import Files, Json, Resources, Unreadable
from sophia_infrastructure.envoy.proxy import WORKERS_SECONDS, Proxy, nonce
from sophia_infrastructure.launchers import Effect, Launchers, Remove, Rename, Write
from sophia_infrastructure.places import Places


class EnvoyTraffic:
    """The `Traffic` port over one Envoy per environment. Keeps nothing in memory."""

    def __init__(self, places: Places, launchers: Launchers) -> None:
        self._places = places
        self._launchers = launchers

    async def ports(self, environment: str) -> tuple[int, int] | None:
        """As its launcher knows them, or the orphan's record."""
        about = self._proxy(environment).running()
        return (int(about["edge_port"]), int(about["private_port"])) if about else None

    async def open(self, environment: str, *, edge_port: int, private_port: int, epoch: int) -> None:
        """Returns when the edge answers through its route configuration; a fit table on disk is served at once.

        A running Envoy is left as it is: other ports are an error (EDGE_ELSEWHERE), and a `bootstrap.json` that this
        version would write differently is written when `open` next finds Envoy ended (after `close` or a reboot; a
        launcher that restarts it after a crash takes the old one). An orphan serves on; when it dies, `open` starts
        another. Files that Envoy could not start from are replaced by empty ones: `generation` then says `None`, and
        `arrange` and `switch` bring back what is wanted.
        """
        await self._proxy(environment, epoch).start(edge_port=edge_port, private_port=private_port)

    async def arrange(self, environment: str, backends: Sequence[Backend], *, epoch: int) -> None:
        """Clusters come before their listeners and go after them; what does not change is not touched.

        A cluster that the table on disk or the candidate names stays, even when it is no longer among the backends.
        """
        proxy = self._proxy(environment, epoch)
        wanted = config.clusters(backends)
        before = _named(proxy, proxy.files.clusters)
        await _replace_resources(proxy, proxy.files.clusters, {**before, **wanted})
        await _replace_resources(proxy, proxy.files.listeners, config.listeners(backends))
        needed = {name: before[name] for name in _routed(proxy) & before.keys()}
        await _replace_resources(proxy, proxy.files.clusters, {**needed, **wanted})
        await asyncio.sleep(WORKERS_SECONDS)

    async def show_candidate(self, routes: Routes, *, epoch: int) -> None:
        """Written anew each time: a candidate has no generation to go by. What is needed to switch is made ready."""
        proxy = self._proxy(routes.environment, epoch)
        _refuse_unknown(proxy, [routes])
        version, write = _written(proxy.files.candidate, routes, name=config.CANDIDATE)
        await proxy.replace(proxy.files.candidate, version, [write])
        await asyncio.gather(asyncio.sleep(WORKERS_SECONDS), proxy.ready())

    async def switch(self, routes: Routes, *, back: Routes | None, epoch: int) -> None:
        """Everybody is answered by the new table when this returns.

        The way back is on disk before the rename; going there is one rename, which needs no space and no time to get
        ready. For the generation that is on disk already this only confirms; an older one is refused.
        """
        proxy = self._proxy(routes.environment, epoch)
        on_disk = proxy.table(proxy.files.routes)
        if on_disk is not None and on_disk.generation > routes.generation:
            raise SophiaError(
                OLDER_GENERATION,
                f"generation {routes.generation} of the routes of `{routes.environment}` is older than "
                f"{on_disk.generation}, which is serving",
            )
        if on_disk is not None and on_disk.generation == routes.generation:
            await proxy.confirm(proxy.files.routes, on_disk.version)
        else:
            _refuse_unknown(proxy, [routes, back] if back else [routes])
            version, effects = _switching(proxy.files, routes, back)
            await proxy.replace(proxy.files.routes, version, effects)
        await asyncio.gather(asyncio.sleep(WORKERS_SECONDS), *([proxy.ready()] if back else []))

    async def generation(self, environment: str) -> int | None:
        """`None` also when the file cannot be read, or is the one of an environment where nothing is deployed."""
        proxy = self._proxy(environment)
        table = proxy.table(proxy.files.routes)
        return table.generation or None if table else None

    async def read(self, environment: str) -> Reading:
        """What is counted, and how: see `admin`. A workload or release that was never asked for anything is missing.

        Releases count what was answered for services, not the edge's own answers (404, 503 before the first release).
        """
        proxy = self._proxy(environment)
        started_ms = proxy.look().started_ms or 0
        try:
            workloads, releases = await proxy.admin.counters()
        except Unreachable as error:
            raise SophiaError(
                STATISTICS_UNREACHABLE,
                f"the statistics of `{environment}`'s proxy cannot be reached: {error}",
                hint="unknown is not bad: traffic does not depend on them",
            ) from error
        return Reading(SystemClock().boot_ms(), workloads, releases, started_ms=started_ms)

    async def close(self, environment: str, *, epoch: int) -> None:
        """New connections are refused, requests under way have 5 s, then Envoy ends. Its files stay."""
        await self._proxy(environment, epoch).end()

    def _proxy(self, environment: str, epoch: int = 0) -> Proxy:
        return Proxy(environment, self._places, self._launchers, epoch=epoch)


def _named(proxy: Proxy, path: Path) -> Mapping[str, Json]:
    found = proxy.resources(path)
    return found.named if found else {}


def _routed(proxy: Proxy) -> set[str]:
    """The clusters that a table names; Envoy would refuse it without them."""
    tables = [proxy.table(proxy.files.routes), proxy.table(proxy.files.candidate)]
    return {name for table in tables if table for name in table.clusters}


async def _replace_resources(proxy: Proxy, path: Path, named: Mapping[str, Json]) -> None:
    """Write only what differs; in any case wait until Envoy runs it."""
    on_disk = proxy.resources(path)
    if on_disk is not None and on_disk.named == named:
        await proxy.confirm(path, on_disk.version)
    else:
        wanted = Resources(nonce(), named)
        await proxy.replace(path, wanted.version, [Write(path, wanted.text())])


def _refuse_unknown(proxy: Proxy, tables: Iterable[Routes]) -> None:
    """Envoy would refuse the whole table, and would start without any after a crash."""
    known = _named(proxy, proxy.files.clusters)
    for routes in tables:
        lost = {prefix: load for prefix, load in routes.table.items() if config.cluster_name(load) not in known}
        if lost:
            raise SophiaError(
                UNKNOWN_BACKEND,
                f"{', '.join(f'`{prefix}`' for prefix in sorted(lost))} of release `{routes.release}` would lead to "
                f"workloads that the proxy of `{routes.environment}` does not know",
                facts={"workloads": sorted(set(lost.values()))},
            )


def _switching(files: Files, routes: Routes, back: Routes | None) -> tuple[str, list[Effect]]:
    """The version that will serve, and what brings it there: the way back first, then one rename, then tidying up."""
    effects: list[Effect] = []
    staged = files.way_back(routes.generation)
    ways = {staged}
    if back is not None:
        ways.add(files.way_back(back.generation))
        effects.append(_written(files.way_back(back.generation), back, name=config.PUBLIC)[1])
    version = _staged_version(staged, routes)
    if version is not None:
        effects.append(Rename(staged, files.routes))
    else:
        version, write = _written(files.routes, routes, name=config.PUBLIC)
        effects.append(write)
    return version, [*effects, *(Remove(path) for path in files.ways_back() if path not in ways)]


def _written(path: Path, routes: Routes, *, name: str) -> tuple[str, Write]:
    fresh = nonce()
    return config.version_of(routes, fresh), Write(path, config.routes_text(routes, name=name, nonce=fresh))


def _staged_version(staged: Path, routes: Routes) -> str | None:
    """The version of the way back that is on disk, if it is the very table that is wanted."""
    try:
        text = staged.read_text()
        version = config.read_table(text).version
    except (OSError, Unreadable):
        return None
    same = config.routes_text(routes, name=config.PUBLIC, nonce=version.partition(".")[2])
    return version if text == same else None
