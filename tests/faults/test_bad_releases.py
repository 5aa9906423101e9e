"""Releases that are bad in every way we could think of: users keep the version before, or get it back."""

from __future__ import annotations

import time

from tests.support.graph import acted
from tests.support.load import Mix, join
from tests.support.site import SMALL, Site

TWICE = {"path": "/health", "every": "50ms", "consecutive": 2, "within": "2s"}
IMPATIENT = {
    "services": {
        **SMALL["services"],
        "front": {**SMALL["services"]["front"], "health": TWICE},
        "stock": {"health": TWICE},
    }
}
"""Two good answers in a row are wanted within two seconds."""


def refused(site: Site, *, fault: str, fault_in: str = "front") -> str:
    """Deploy what must fail before anybody sees it; why it failed."""
    live = site.live
    with site.traffic() as load:
        run = site.deploy(fault=fault, fault_in=fault_in)
        view = site.ended(run)
    site.check(run, "failed", live=live, restarts=True)
    assert not view.switched
    site.unharmed(load)
    with site.traffic() as load:
        good = site.deploy()
        site.ended(good)
    site.check(good, "done", live=site.newest, restarts=True)
    site.unharmed(load)
    return view.because


def test_a_release_that_is_never_healthy_is_seen_by_nobody(make_site) -> None:
    assert "answered 503" in refused(make_site(changes=IMPATIENT), fault="never-healthy")


def test_a_flapping_release_is_seen_by_nobody(make_site) -> None:
    assert "was not healthy within" in refused(make_site(changes=IMPATIENT), fault="flapping")


def test_a_release_that_crashes_at_once_is_seen_by_nobody(make_site) -> None:
    assert "ended" in refused(make_site(), fault="crash-loop", fault_in="stock")


def test_a_release_on_the_wrong_port_is_seen_by_nobody(make_site) -> None:
    assert "was not answered" in refused(make_site(changes=IMPATIENT), fault="wrong-port")


def test_one_bad_service_of_five_takes_the_whole_release_back(make_site) -> None:
    site = make_site(changes={"services": {"prices": {"health": {**TWICE, "within": "2s"}}}})
    assert "`prices`" in refused(site, fault="never-healthy", fault_in="prices")


def test_errors_after_the_switch_end_within_ten_seconds(site: Site, record_property) -> None:
    """Users of the bad version get its errors until the watch has seen enough; that much is lost, and not more."""
    live, flag = site.live, "bad"
    with site.traffic() as load:
        run = site.deploy(fault=f"errors-when:{flag}", watch_ms=10_000)
        site.ended(run, before=lambda: site.seen(run, "step started do watch"))
        began = time.monotonic()
        (site.data("front") / flag).touch()
        site.until(lambda: site.seen(run, "step done undo switch"), "traffic is back")
        seconds = time.monotonic() - began
        site.ended(run)
    site.check(run, "rolled back", live=live)
    joined = join(load.result, acted(site.places.state / "data"))
    assert seconds < 10 and not joined.doubled and load.result.mixed() == 0
    assert all("status 50" in reason for reason in load.result.lost_ids.values()), load.result.reasons
    record_property("measured", f"errors after the switch: back after {seconds:.1f} s, {load.result.lost} lost")
    with site.traffic() as load:
        time.sleep(0.5)
    site.unharmed(load)


def test_a_crash_loop_after_the_watch_holds_the_environment_and_nothing_goes_back_by_itself(site: Site) -> None:
    """Once watched, a version stays until a person decides. What it serves meanwhile is lost."""
    run = site.deploy(fault="crash-when:later")
    site.ended(run)
    site.check(run, "done", live="2")
    (site.data("front") / "later").touch()
    site.until(lambda: site.state_now() == "held", "the environment is held")
    site.kill()
    site.revive()
    time.sleep(6)  # longer than it takes whoever would go back by himself, or say so again, to look
    (held,) = [event.body for event in site.read() if event.kind.startswith("environment ")]
    (crashing,) = held["crashing"]
    assert crashing["service"] == "front" and crashing["restarts"] >= 3 and crashing["exit"] not in (None, 0)
    assert crashing["workload"] == site.place("front").workload.identity and "`front` ended" in held["because"]
    assert site.live == "2" and not any(view.kind == "rollback" for view in site.world.runs.values())
    assert site.state_now() == "held"
    back = site.rollback()
    assert site.ended(back).state == "done" and site.live == "1"
    assert site.state_now() == "steady"
    with site.traffic() as load:
        run = site.deploy()  # and what crashes is cleared away
        site.ended(run)
    site.check(run, "done", live="3")
    site.unharmed(load)


def test_a_broken_way_back_means_stop_and_ask(make_site) -> None:
    site = make_site(fault="unhealthy-when:old")
    with site.traffic() as load:
        run = site.deploy(fault="unhealthy-when:new", watch_ms=6_000)
        site.ended(run, before=lambda: site.seen(run, "step started do watch"))
        for flag in ("old", "new"):
            (site.data("front") / flag).touch()
        view = site.ended(run)
        assert view.state == "needs you" and "going back would not help" in view.because
        assert site.state_now() == "held"
        site.check_standing(live="2")
        for flag in ("old", "new"):
            (site.data("front") / flag).unlink()
        site.client.resume(run)
        site.until(lambda: site.look() and site.world.runs[run].state == "done", "the watch goes on and passes")
    site.check(run, "done", live="2")
    site.unharmed(load)


def test_statistics_out_of_reach_are_neither_good_nor_bad(site: Site) -> None:
    """Unknown is a third answer: the run asks, and goes on when somebody has mended what was broken."""
    admin = site.places.admin_socket(site.environment)
    with site.traffic() as load:
        run = site.deploy(watch_ms=3_000)
        site.ended(run, before=lambda: site.seen(run, "step started do watch"))
        admin.rename(admin.with_name("away"))
        view = site.ended(run)
        assert view.state == "needs you" and "cannot be reached" in view.because
        admin.with_name("away").rename(admin)
        site.client.resume(run)
        site.until(lambda: site.look() and site.world.runs[run].state == "done", "the watch goes on and passes")
    site.check(run, "done", live="2")
    site.unharmed(load)


def test_a_version_that_ignores_sigterm_is_ended_all_the_same(make_site) -> None:
    stubborn = {"services": {**SMALL["services"], "front": {**SMALL["services"]["front"], "stop": {"grace": "1s"}}}}
    site = make_site(changes=stubborn, fault="ignore-sigterm")
    with site.traffic() as load:
        for _ in range(2):  # the second one retires the stubborn version
            run = site.deploy()
            site.ended(run)
    site.check(run, "done", live="3")
    site.unharmed(load)


def test_versions_that_die_at_once_when_told_to_stop_are_drained_first(make_site) -> None:
    """They finish nothing themselves, and always have requests under way."""
    abrupt = {"stop": {"signal": "SIGQUIT", "grace": "1s"}}
    services = {name: {**SMALL["services"][name], **abrupt} for name in ("front", "stock")}
    site = make_site(changes={"services": {**SMALL["services"], **services}}, fault="slow:300")
    with site.traffic() as load:
        for _ in range(2):  # the second one retires the first version
            site.released(fault="slow:300")
        run = site.deploy(fault="slow:300,unhealthy-when:sick", watch_ms=6_000)
        site.ended(run, before=lambda: site.seen(run, "step started do watch"))
        (site.data("front") / "sick").touch()
        site.ended(run)
    site.check(run, "rolled back", live="3")
    site.unharmed(load)


def test_requests_of_ten_seconds_are_answered_over_a_switch(make_site) -> None:
    site = make_site(fault="slow:10000")
    mix = Mix(4, 4, 2, events=0, websocket=0, http2=1, http2_streams=2, timeout_seconds=25)
    with site.traffic(mix) as load:
        began = time.monotonic()
        run = site.deploy()
        assert site.ended(run).state == "done"
        time.sleep(max(0, 11 - (time.monotonic() - began)))  # so that everybody asks once more
    site.check(run, "done", live="2")
    result = site.unharmed(load)
    assert {version for chain in result.chains for version in chain.split()[0].split("/")[2:]} == {"1", "2"}


def test_a_thousand_websockets_live_through_a_switch_and_back(site: Site) -> None:
    mix = Mix(1, 1, 0, events=0, websocket=1_000, websocket_every_ms=4_000, http2=0, rate=20, timeout_seconds=25)
    with site.traffic(mix) as load:
        run = site.deploy(watch_ms=2_000)
        assert site.ended(run).state == "done"
        back = site.rollback()
        assert site.ended(back).state == "done"
        site.check(back, "done", live="1")
    assert site.unharmed(load).ended_early == 0
