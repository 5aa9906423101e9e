"""The engine's process: claims the state, folds the ledger, starts what works on it, and ends in an orderly way.

Everything else that ends it (a newer engine, a fault of the ledger, SIGKILL) is like death: nothing more is written,
and the next engine goes on from the ledger.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from importlib.metadata import version
from pathlib import Path
from typing import Any

import structlog
from sophia_deployment_core.errors import SophiaError
from sophia_deployment_core.ledger import Draft, Event
from sophia_deployment_core.ports import Fenced
from sophia_deployment_core.runner import Runner
from sophia_deployment_core.steps import Hands
from sophia_deployment_core.world import World
from sophia_infrastructure.artifacts import FileArtifacts
from sophia_infrastructure.clock import SystemClock
from sophia_infrastructure.envoy.traffic import EnvoyTraffic
from sophia_infrastructure.launchers import Launchers
from sophia_infrastructure.places import Places
from sophia_infrastructure.probes import HttpProbes
from sophia_infrastructure.runtime import LocalRuntime
from sophia_infrastructure.state.ledger import SqlLedger
from sophia_security.secrets import LocalSecrets

from sophia_deployment.api import Server, bind, create_app
from sophia_deployment.engine.commands import EngineCommands
from sophia_deployment.engine.journal import Journal
from sophia_deployment.engine.reports import Reports
from sophia_deployment.engine.restoring import Restoring
from sophia_deployment.engine.tending import Tending
from sophia_deployment.output.console import error_lines
from sophia_deployment.versions import build_hash
from sophia_deployment.wire import EngineOut

LEASE_MS = 3_000
RENEW_SECONDS = 1.0
READ_AT_ONCE = 10_000

REFUSED = 1
REPLACED = 75
"""Exit status when a newer engine owns the state, or the ledger failed; nothing to be afraid of."""

log = structlog.get_logger("engine")


def main(state: Path) -> int:
    """Run the engine of a state directory until it is told to end; the exit status."""
    os.umask(0o077)
    _set_up_logs()
    try:
        return asyncio.run(_main(Places.of(state)))
    except SophiaError as error:
        log.error("engine refused", code=error.code.name, message=error.message, hint=error.hint)
        sys.stderr.write("".join(f"{line}\n" for line in error_lines(error, color=False)))
        return REFUSED


async def _main(places: Places) -> int:
    clock = SystemClock()
    ledger = SqlLedger(places.state, clock=clock)
    try:
        epoch = ledger.claim(holder="sophia engine", lease_ms=LEASE_MS)
        places.make_sockets()
        return await _own(places, ledger, clock, epoch)
    finally:
        ledger.close()


async def _own(places: Places, ledger: SqlLedger, clock: SystemClock, epoch: int) -> int:
    world = _folded(ledger, epoch)
    journal = Journal(ledger, world)
    hands = _hands(places, ledger, clock, world, epoch)
    about = EngineOut(
        version=version("sophia-deployment"),
        build=build_hash(),
        pid=os.getpid(),
        epoch=epoch,
        since_ms=clock.now_ms(),
        state=str(places.state),
    )
    await journal.append(
        [Draft("engine owns", {"holder": f"pid {about.pid}", "version": about.version, "build": about.build})], epoch
    )
    runner = Runner(hands, journal.append, _tell)
    restoring = Restoring(hands, journal, _tell)
    tending = Tending(hands, journal, restoring)
    reports = Reports(places.reports, hands, _tell)
    server: Server | None = None

    def end() -> None:
        if server is not None:
            server.should_exit = True

    commands = EngineCommands(hands, journal, tending, about=about, end=end)
    server = Server(create_app(commands))
    for listener in (_log_event, lambda _event: runner.wake(), reports.hear):
        journal.listen(listener)
    reports.catch_up()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: end())
    log.info("engine owns", epoch=epoch, pid=about.pid, entries=world.head.seq, build=about.build)
    restored = asyncio.create_task(restoring.everywhere())
    return await _until_one_ends(
        server.serve(sockets=[bind(places.engine_socket)]),
        _after(restored, runner.run),
        _after(restored, tending.run),
        reports.run(),
        _renew(ledger, epoch, runner),
        ledger=ledger,
        places=places,
        epoch=epoch,
    )


async def _after(restored: asyncio.Task[None], work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Runs go on when what they rely on is there again."""
    await asyncio.shield(restored)
    await work()


def _folded(ledger: SqlLedger, epoch: int) -> World:
    world, after = World(epoch), 0
    while events := ledger.read(after=after, limit=READ_AT_ONCE):
        world.apply_all(events)
        after = events[-1].seq
    return world


def _hands(places: Places, ledger: SqlLedger, clock: SystemClock, world: World, epoch: int) -> Hands:
    launchers = Launchers(places)
    return Hands(
        clock=clock,
        ledger=ledger,
        artifacts=FileArtifacts(places),
        secrets=LocalSecrets(places.state),
        runtime=LocalRuntime(places, launchers),
        traffic=EnvoyTraffic(places, launchers),
        probes=HttpProbes(),
        world=world,
        epoch=epoch,
    )


async def _until_one_ends(
    serving: Coroutine[Any, Any, None],
    *others: Coroutine[Any, Any, None],
    ledger: SqlLedger,
    places: Places,
    epoch: int,
) -> int:
    """The server ends when it is told to: orderly. Anything else that ends is a fault."""
    server, *rest = tasks = [asyncio.create_task(each) for each in (serving, *others)]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        broken = next((task.exception() for task in rest if task.done() and task.exception() is not None), None)
        if broken is not None:
            return _give_up(broken)
        server.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    places.leave_sockets()
    await asyncio.to_thread(ledger.release, epoch=epoch)
    log.info("engine ends", epoch=epoch)
    return 0


def _give_up(error: BaseException) -> int:
    if isinstance(error, Fenced):
        log.warning("engine replaced", because=str(error))
    else:
        log.error("engine stops", error=f"{type(error).__name__}: {error}", exc_info=error)
    return REPLACED


async def _renew(ledger: SqlLedger, epoch: int, runner: Runner) -> None:
    """Hold the lease on; and let runs whose time in the queue is over be noticed."""
    while True:
        await asyncio.sleep(RENEW_SECONDS)
        await asyncio.to_thread(ledger.renew, epoch=epoch, lease_ms=LEASE_MS)
        runner.wake()


# --- logs -----------------------------------------------------------------------------------------------------------


def _set_up_logs() -> None:
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stdout),
    )


def _tell(event: str, facts: dict[str, Any]) -> None:
    log.info(event, **facts)


def _log_event(event: Event) -> None:
    """Every entry is a line of the log, with its run as correlation id."""
    body = {key: value for key, value in event.body.items() if key in ("step", "phase", "attempt", "state", "because")}
    error = event.body.get("error")
    if isinstance(error, dict):
        body["error"] = error.get("message")
    log.info(event.kind, seq=event.seq, run=event.run, **body)
