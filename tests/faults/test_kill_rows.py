"""The engine is killed before and after every entry of a release, of a rollback and of an automatic rollback.

The entries come from the plans themselves (`tests.support.rows`). Each case is one kill in one run, under load; the
site goes on to the next case, so that every case shows too that the one before left the lane free.
"""

from __future__ import annotations

import pytest

from tests.support.acting import STORIES, Story, act
from tests.support.rows import rows
from tests.support.trapped import Trap

SAMPLED = {"deploy": 6, "rollback": 3, "automatic rollback": 3}
EFFECTS = tuple(
    ("deploy", place)
    for place in (
        "effect: prepare prepared",
        "effect: keep instance",
        "effect: once routes",
        "effect: end instance",
    )
)
"""What an engine asks launchers for; killed also while the helper acts: between spawn and record, rename and event."""
SAMPLED_EFFECTS = 2

Case = tuple[Story, bool, Trap]


def cases(story: Story) -> list[Case]:
    plain, more = rows(worker=False)[story], rows(worker=True)[story]
    of_workers = [place for place in more if place not in plain]
    return [
        (story, worker, Trap(place, moment))
        for worker, places in ((False, plain), (True, of_workers))
        for place in places
        for moment in ("before", "after")
    ]


def of_effects() -> list[Case]:
    return [("deploy", False, Trap(place, moment)) for _, place in EFFECTS for moment in ("before", "during", "after")]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "case" in metafunc.fixturenames:
        from tests.faults.conftest import sampled

        chosen = [case for story in STORIES for case in sampled(metafunc.config, cases(story), SAMPLED[story])]
        chosen += sampled(metafunc.config, of_effects(), SAMPLED_EFFECTS)
        metafunc.parametrize("case", chosen, ids=[f"{story}: {trap}" for story, _, trap in chosen])


def test_a_run_is_finished_by_the_next_engine(case: Case, sites, record_property) -> None:
    story, worker, trap = case
    site = sites.take(worker=worker)
    deaths = len(site.deaths)
    act(story, site, trap)
    assert site.sprung(), f"the run never came to: {trap}"
    assert len(site.deaths) == deaths + 1
    record_property("killed", (story, trap.place, trap.moment))
    record_property("back_seconds", [death.seconds for death in site.deaths[deaths:]])
