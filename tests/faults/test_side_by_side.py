"""Many at once: a hundred releases of one environment, two clones of a repository, two platforms on one machine."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from sophia_deployment_core.run import ENDED

from tests.support.ports import free_port
from tests.support.site import Site

RACERS = 100


def test_a_hundred_racing_releases_go_one_at_a_time_and_none_collides(site: Site) -> None:
    release = site.release()

    def race(number: int) -> str:
        overrides = {"front": {"RACER": str(number)}}
        return site.submit("deploy", release=release, overrides=overrides, watch_ms=0)

    with site.traffic() as load:
        with ThreadPoolExecutor(20) as racers:
            runs = list(racers.map(race, range(RACERS)))
        for run in runs:
            site.ended(run)
    views = [site.world.runs[run] for run in runs]
    assert {view.state for view in views} <= {"done", "cancelled"}
    assert all(view.because.startswith("superseded by #") for view in views if view.state == "cancelled")
    newest = max(views, key=lambda view: view.number)
    assert newest.state == "done" and site.standing.live_run == newest.id
    assert len({view.number for view in views}) == RACERS
    assert one_at_a_time(site), "two runs had the lane at once"
    site.check(newest.id, "done", live="2")
    site.unharmed(load)


def one_at_a_time(site: Site) -> bool:
    holders: set[str | None] = set()
    for event in site.read():
        if event.kind == "lane taken":
            if holders:
                return False
            holders.add(event.run)
        elif event.kind == "run ended":
            holders.discard(event.run)
    return not holders


def test_a_second_clone_and_a_second_platform_do_not_touch_the_first(make_site) -> None:
    """All of them declare the same port. One dies altogether while the others release."""
    port = free_port()
    sites = [make_site(edge_port=port) for _ in range(3)]
    ports = {site.standing.edge_port for site in sites}
    assert len(ports) == 3 and port in ports
    first, second, third = sites
    with first.traffic() as load, second.traffic() as more:
        runs = [(site, site.deploy()) for site in sites]
        third.kill_everything()
        for site, run in runs[:2]:
            assert site.ended(run).state in ENDED
    for site, run in runs[:2]:
        site.check(run, "done", live="2")
    first.unharmed(load)
    second.unharmed(more)
