"""The disk is full from some entry on: nobody's request is lost, and the way back needs no space."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.conftest import sampled
from tests.support.rows import rows
from tests.support.site import Site
from tests.support.trapped import Trap

DISK = "48m"
SAMPLED = 2

pytestmark = [
    pytest.mark.needs_root,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk"),
]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """On a small disk, version 1 live. What services write themselves goes to another disk: theirs is not our fault."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(disk)], check=True, timeout=10)
    try:
        state = disk / "state"
        state.mkdir()
        (tmp_path / "data").mkdir()
        (state / "data").symlink_to(tmp_path / "data")
        with Site(tmp_path, state=state) as site:
            site.start()
            site.released()
            yield site
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True, timeout=10)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "trap" in metafunc.fixturenames:
        places = [place for place in rows(worker=False)["deploy"] if place.startswith("deploy: ")][1:]
        chosen = sampled(metafunc.config, places, SAMPLED)
        metafunc.parametrize("trap", [Trap(place, "before", "fill") for place in chosen], ids=chosen)


def test_a_release_on_a_disk_that_fills_up_ends_old_or_new_and_loses_nothing(trap: Trap, site: Site) -> None:
    with site.traffic() as load:
        site.lay(trap)
        run = site.deploy()
        site.until(site.sprung, "the disk is full")
        time.sleep(1.5)
        site.ballast.unlink()
        view = site.ended(run)
        assert view.state in ("done", "failed", "rolled back"), view.because
    site.check(run, view.state, live="2" if view.state == "done" else "1", restarts=True)
    site.unharmed(load)
    with site.traffic() as load:
        run = site.deploy()
        site.ended(run)
    site.check(run, "done", live="3", restarts=True)
    site.unharmed(load)


def test_an_automatic_rollback_needs_no_space(site: Site) -> None:
    with site.traffic() as load:
        site.lay(Trap("deploy: step started do watch", "after", "fill"))
        run = site.deploy(fault="unhealthy-when:sick", watch_ms=6_000)
        site.until(site.sprung, "the disk is full")
        (site.data("front") / "sick").touch()
        engine = site.engine_pid
        view = site.ended(run)
        assert view.state == "rolled back" and site.engine_pid == engine
        site.check_standing(live="1")
    site.unharmed(load)
    site.ballast.unlink()
    site.check(run, "rolled back", live="1")  # and the report is written after all
