"""Kills at instants that nobody chose: of the engine alone, and of everything at once, as when the power fails."""

from __future__ import annotations

import random
import time

import pytest

from tests.support.acting import STORIES, Story, act
from tests.support.site import Site

INSTANTS, SAMPLED_INSTANTS = 200, 5
CUTS, SAMPLED_CUTS = 20, 1
LONGEST_SECONDS = {"deploy": 4.0, "rollback": 1.5, "automatic rollback": 3.0}
"""How long a story's run takes, about, from where the kill may come."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    for name, all_of_them, sampled in (("instant", INSTANTS, SAMPLED_INSTANTS), ("cut", CUTS, SAMPLED_CUTS)):
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, range(all_of_them if metafunc.config.option.faults == "all" else sampled))


def test_a_run_outlives_an_engine_that_is_killed_at_any_instant(instant: int, sites, record_property, pytestconfig):
    chance = random.Random(f"{pytestconfig.option.seed} {instant}")
    story: Story = chance.choice(STORIES)
    seconds = chance.random() * LONGEST_SECONDS[story]
    site = sites.take(worker=False)
    deaths = len(site.deaths)

    def kill(_run: str) -> None:
        time.sleep(seconds)
        site.kill()

    act(story, site, meanwhile=kill)
    record_property("killed", (story, "random: instants", "during"))
    record_property("back_seconds", [death.seconds for death in site.deaths[deaths:]])


def test_after_a_power_cut_the_platform_comes_back_old_or_new(cut: int, site: Site, record_property, pytestconfig):
    """Everything dies, in the middle of a release. Requests of that moment are lost; nothing else is."""
    chance = random.Random(f"{pytestconfig.option.seed} {cut}")
    run = site.deploy()
    time.sleep(chance.random() * LONGEST_SECONDS["deploy"])
    site.kill_everything()
    began = time.monotonic()
    site.start()
    assert site.ended(run).state in ("done", "failed", "rolled back")
    site.bring_back()
    record_property("measured", f"everything was back {time.monotonic() - began:.1f} s after a power cut")
    site.check_standing(live=site.live)
    assert site.live in ("1", "2")
    with site.traffic() as load:
        next_run = site.deploy()
        site.ended(next_run)
    site.check(next_run, "done", live="3")
    site.unharmed(load)
