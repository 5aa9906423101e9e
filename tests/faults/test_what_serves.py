"""What serves users is killed or damaged: Envoy, launchers, services, the route file."""

from __future__ import annotations

import os
import signal
import time

import pytest
from sophia_infrastructure.envoy import config

from tests.support.graph import acted
from tests.support.load import join
from tests.support.site import Site


def kill(pid: int | None) -> None:
    assert pid is not None
    os.kill(pid, signal.SIGKILL)


def gap(load, site: Site, record_property, what: str) -> None:
    """Requests of a gap are lost; none is doubled or mixed."""
    result = load.result
    joined = join(result, acted(site.places.state / "data"))
    assert not joined.doubled and result.mixed() == 0 and result.ok, result.line()
    record_property("measured", f"{what}: {result.lost} of {result.begun} lost")


def moved_on(site: Site, **more) -> None:
    """Another release, with nothing lost."""
    with site.traffic() as load:
        run = site.deploy()
        site.ended(run)
    site.check(run, "done", live=site.newest, **more)
    site.unharmed(load)


def test_envoy_that_is_killed_at_rest_is_back_at_once(site: Site, record_property) -> None:
    before = site.envoy()
    with site.traffic() as load:
        time.sleep(0.5)
        kill(before.pid)
        site.until(lambda: site.envoy().pid not in (None, before.pid), "Envoy runs again")
        time.sleep(1)
    gap(load, site, record_property, "Envoy killed at rest")
    site.check_standing(live="1")
    moved_on(site)


@pytest.mark.parametrize("place", ["step done do room", "step started do switch", "step done do switch"])
def test_envoy_that_is_killed_around_a_switch_comes_back_to_one_version(
    place: str, site: Site, record_property
) -> None:
    """The run may go either way: a watch that saw the gap's errors goes back, or asks."""
    with site.traffic() as load:
        run = site.deploy()
        site.until_seen(run, place)
        kill(site.envoy().pid)
        view = site.ended(run)
        if view.state == "needs you":
            site.client.resume(run)
            site.until(lambda: site.look() and view.state == "done", "it was good after all")
    gap(load, site, record_property, f"Envoy killed after `{place}`")
    site.check(run, "done", "rolled back", live="2" if view.state == "done" else "1")
    moved_on(site)


def test_envoy_and_its_launcher_killed_in_a_release_are_back_within_seconds(site: Site, record_property) -> None:
    with site.traffic() as load:
        run = site.deploy()
        site.until_seen(run, "step started do start stock")
        envoy = site.envoy()
        kill(envoy.launcher_pid)
        kill(envoy.pid)
        site.until(lambda: site.envoy().pid not in (None, envoy.pid), "Envoy runs again", seconds=12)
        view = site.ended(run)
    gap(load, site, record_property, "Envoy and its launcher killed in a release")
    site.check(run, "done", "failed", live="2" if view.state == "done" else "1")
    moved_on(site)


def test_a_service_whose_launcher_is_killed_is_replaced_without_a_loss(site: Site) -> None:
    before = site.kept("front")
    with site.traffic() as load:
        kill(before.launcher_pid)
        site.until(
            lambda: site.kept("front").state == "running" and site.kept("front").pid != before.pid,
            "another instance has a launcher",
        )
        site.until(lambda: site.look() and not site.world.open_runs(), "the orphan is gone")
    site.unharmed(load)
    site.check_standing(live="1")
    moved_on(site)


def test_a_service_killed_together_with_its_launcher_is_started_again(site: Site, record_property) -> None:
    before = site.kept("stock")
    with site.traffic() as load:
        kill(before.launcher_pid)
        kill(before.pid)
        site.until(lambda: site.kept("stock").pid not in (None, before.pid), "it runs again")
        site.until(lambda: site.look() and not site.world.open_runs(), "whoever started it is done")
    gap(load, site, record_property, "a service killed with its launcher")
    site.check_standing(live="1", restarts=True)
    moved_on(site, restarts=True)


def test_a_warm_version_that_was_killed_can_still_be_gone_back_to(site: Site) -> None:
    run = site.deploy()
    site.ended(run)
    site.look()
    (warm,) = [
        place
        for place in site.standing.placements.values()
        if place.workload.service == "front" and place.workload.identity != site.place("front").workload.identity
    ]
    kept = site.launchers.look(f"instance/{site.environment}/{warm.workload.identity}-0")
    kill(kept.launcher_pid)
    kill(kept.pid)
    site.until(lambda: site.launchers.look(kept.resource).pid not in (None, kept.pid), "it is warm again")
    with site.traffic() as load:
        back = site.rollback()
        site.ended(back)
    site.check(back, "done", live="1", restarts=True)
    site.unharmed(load)


# --- the route file ---------------------------------------------------------------------------------------------------


def routes(site: Site):
    return config.Files(site.places.envoy(site.environment)).routes


@pytest.mark.parametrize("damage", ["truncated", "empty", "gone", "older"])
def test_a_route_file_that_was_damaged_while_the_engine_was_away_is_written_again(damage: str, site: Site) -> None:
    old = routes(site).read_bytes()
    with site.traffic() as load:
        site.released()
        site.kill()
        now = routes(site).read_bytes()
        if damage == "gone":
            routes(site).unlink()
        else:  # in place: Envoy does not notice, until it starts again
            routes(site).write_bytes({"truncated": now[:100], "empty": b"", "older": old}[damage])
        site.revive()
        site.until(lambda: generation(site) == site.standing.current_generation, "the file is written again")
        site.until(lambda: site.look() and not site.world.open_runs(), "whoever wrote it is done")
    site.check_standing(live="2")
    site.unharmed(load)
    moved_on(site)


def generation(site: Site) -> int | None:
    try:
        return config.read_table(routes(site).read_text()).generation
    except (OSError, config.Unreadable):
        return None


def test_a_route_file_newer_than_the_ledger_is_left_alone_and_told(site: Site) -> None:
    """Whoever put an old ledger back decides; traffic is not touched meanwhile."""
    now = routes(site).read_text()
    with site.traffic() as load:
        site.kill()
        routes(site).write_text(now.replace(f'"{site.standing.current_generation}.', '"99.', 1))
        assert generation(site) == 99
        site.revive()
        run = site.submit("start")
        view = site.ended(run)
        assert view.state == "failed" and "has generation 99" in view.because
        routes(site).rename(site.directory / "away")  # as the hint says
        site.bring_back()
    site.check_standing(live="1")
    site.unharmed(load)
