"""What else can happen to an engine: it freezes and is replaced, its clock jumps, its database is locked by others."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import time
from pathlib import Path

import pytest
from sophia_deployment_core.report.sentences import summary

from tests.support.acting import act
from tests.support.launching import is_alive, proc, processes_of
from tests.support.site import Site
from tests.support.trapped import Trap

FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
SLEEP = "import select, time\ntime.sleep = lambda seconds: select.select([], [], [], seconds)\n"
"""libfaketime 0.9.10 refuses the sleep that Python asks the kernel for, until a moment of a clock, with EINVAL: always,
whatever the offset is. A Python that is told a false time by it has to sleep in another way."""
LEASE_SECONDS = 3.0


@pytest.mark.parametrize(
    ("place", "moment"),
    [
        ("deploy: step started do start front", "after"),
        ("deploy: step started do switch", "after"),
        ("deploy: step done do switch", "before"),
        ("effect: once routes", "before"),
    ],
)
def test_an_engine_that_was_frozen_and_replaced_does_no_harm_when_it_wakes(place: str, moment, site: Site) -> None:
    """It is stopped at its own instruction. The next engine waits for its lease, then ends it for good."""
    with site.traffic() as load:
        site.lay(Trap(place, moment, "stop"))
        run = site.deploy()
        frozen = site.engine_pid
        assert frozen is not None
        site.until(site.sprung, "the engine is frozen")
        time.sleep(LEASE_SECONDS + 0.5)
        site.start()
        with contextlib.suppress(ProcessLookupError):
            os.kill(frozen, signal.SIGCONT)
        site.ended(run)
        assert not is_alive(frozen)
    site.check(run, "done", live="2")
    site.unharmed(load)


@pytest.mark.parametrize("effect", ["once routes", "keep instance", "end instance"])
@pytest.mark.parametrize("wakes", ["while", "after"])
def test_a_helper_that_was_frozen_does_no_harm_when_it_wakes(effect: str, wakes: str, site: Site) -> None:
    """Its engine is dead, and the next one does the same. It wakes while that one works, or long after it."""
    with site.traffic() as load:
        site.lay(Trap(f"effect: {effect}", "during", "freeze"))
        run = site.deploy()
        site.until(lambda: not site.engine_lives(), "the engine is dead")
        frozen = [pid for pid in processes_of(site.places.state) if is_stopped(pid)]
        assert frozen
        site.revive()
        if wakes == "after":  # unless it stopped with the door in its hand: then everybody waits for it
            until = time.monotonic() + 8
            site.ended(run, before=lambda: time.monotonic() > until)
        for pid in frozen:
            os.kill(pid, signal.SIGCONT)
        site.ended(run)
        site.until(lambda: not any(map(is_alive, frozen)), "the helper is gone")
    site.check(run, "done", live="2")
    site.unharmed(load)


def is_stopped(pid: int) -> bool:
    return proc(pid, "stat").rpartition(b")")[2].split()[:1] == [b"T"]


def test_a_second_engine_is_refused_while_the_first_one_lives(site: Site) -> None:
    with site.traffic() as load:
        run = site.deploy()
        first = site.engine_pid
        site.start()
        assert not site.engine_lives() and is_alive(first), "the second one ended, the first one did not"
        site.engine_pid = first
        site.ended(run)
    site.check(run, "done", live="2")
    site.unharmed(load)


@pytest.mark.skipif(FAKETIME is None, reason="libfaketime is not installed")
@pytest.mark.parametrize("jump", ["+3600", "-3600"])
def test_the_clock_may_jump_an_hour_in_the_middle_of_a_release(jump: str, site: Site, tmp_path: Path) -> None:
    offset = tmp_path / "offset"
    offset.write_text("+0")
    (tmp_path / "sitecustomize.py").write_text(SLEEP)
    site.kill()
    site.start(
        env={
            "LD_PRELOAD": str(FAKETIME),
            "PYTHONPATH": str(tmp_path),
            "FAKETIME_TIMESTAMP_FILE": str(offset),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
    )
    with site.traffic() as load:
        run = site.deploy(watch_ms=2_000)
        site.until_seen(run, "step started do verify stock")
        offset.write_text(jump)
        began = time.monotonic()
        released = site.ended(run)
        assert released.state == "done", summary(released)
        assert time.monotonic() - began > 2, "the watch took its time"
        back = site.rollback()
        site.ended(back)
    site.check(back, "done", live="1")
    times = [event.at_ms for event in site.read()]
    assert times == sorted(times), "no time of the ledger goes back"
    site.unharmed(load)


@pytest.mark.parametrize("seconds", [2.0, 8.0])
def test_a_database_that_somebody_locks_for_a_while_delays_a_release_and_no_more(seconds: float, site: Site) -> None:
    """Longer than anybody waits for it: the engine ends, because guessing is the bug, and the next one goes on."""
    with site.traffic() as load:
        run = site.deploy()
        site.until_seen(run, "step started do start stock")
        with contextlib.closing(sqlite3.connect(site.places.state / "state.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            time.sleep(seconds)
            other.execute("ROLLBACK")
        site.ended(run)
    site.check(run, "done", live="2")
    site.unharmed(load)


@pytest.mark.parametrize(
    ("pressed", "place", "moment"),
    [
        ("before", "deploy: step started undo switch", "before"),
        ("before", "deploy: step done undo switch", "before"),
        ("before", "deploy: step started undo start front", "after"),
        ("after", "deploy: undo decided watch", "before"),
        ("after", "deploy: step started undo switch", "after"),
        ("after", "deploy: step done undo switch", "before"),
        ("after", "deploy: run ended", "before"),
    ],
)
def test_a_person_presses_rollback_while_it_goes_back_and_the_engine_is_killed(
    pressed: str, place: str, moment, sites
) -> None:
    """One way back is enough: the wish joins it, or is it, whether it came before the engine died or after."""
    site = sites.take(worker=False)

    def press(_run: str) -> None:
        if pressed == "after":
            site.until(site.sprung, "the engine is killed")
            site.until(lambda: not site.engine_lives(), "it is gone")
            site.revive()
        site.until(lambda: site.client.answers() or not site.engine_lives(), "somebody answers")
        with contextlib.suppress(AssertionError):  # too late: it is over, and there may be nothing to go back to
            site.rollback()

    act("automatic rollback", site, Trap(place, moment), press)
    assert site.sprung()
