"""`status` while no engine answers: that everything is down, or that an engine is missing."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from sophia_deployment_core.ledger import Draft, Event
from sophia_infrastructure.clock import SystemClock
from sophia_infrastructure.places import Places
from sophia_infrastructure.state.ledger import SqlLedger

from apps.deployment.tests.scripted import Called
from apps.deployment.tests.test_engine import House, play
from tests.support.stories import platform, revision

Sophia = Callable[..., Called]
LIVE = revision(platform(), "1").name


def story(*, stop: bool, alone: bool = False) -> list[Event]:
    """The ledger of a platform that was deployed, and stopped."""

    async def whole(house: House) -> list[Event]:
        await house.deployed()
        if stop:
            assert (await house.over(await house.submit("stop", alone=alone))).status == "done"
        return house.ground.ledger.events

    return play(whole)


def leave(places: Places, events: list[Event], *, orderly: bool = True) -> None:
    """An engine wrote this, and is gone: it gave the state back, or it died."""
    ledger = SqlLedger(places.state, clock=SystemClock())
    try:
        epoch = ledger.claim(holder="a test", lease_ms=3_000)
        ledger.append([Draft(event.kind, event.body, run=event.run, key=event.key) for event in events], epoch=epoch)
        if orderly:
            ledger.release(epoch=epoch)
    finally:
        ledger.close()


def test_after_down_everything_is_told_as_down(sophia: Sophia, places: Places) -> None:
    leave(places, story(stop=True))
    called = sophia("status")
    assert (called.exit, called.err) == (0, "")
    assert called.out.startswith(f"ENVIRONMENT  STATE  LIVE          SINCE\nlocal        down   {LIVE}")
    assert called.out.endswith(
        "\nlocal: `sophia up` brings it back\neverything is down, the engine too: `sophia up` starts it\n"
    )
    found = json.loads(sophia("status", "-o", "json").out)
    assert (found["engine"], found["platform"]) == (None, "story")
    (local,) = found["environments"]
    assert (local["state"], local["url"], local["live"]["release"]) == ("down", None, LIVE)
    assert json.loads(sophia("status", "local", "-o", "json").out) == found
    assert sophia("status", "moon").exit == 2


def test_what_was_taken_down_by_name_is_brought_back_by_name(sophia: Sophia, places: Places) -> None:
    leave(places, story(stop=True, alone=True))
    assert "local: `sophia up local` brings it back\n" in sophia("status").out


def test_an_engine_that_ended_before_anything_was_live_leaves_nothing_to_tell(sophia: Sophia, places: Places) -> None:
    leave(places, [])
    called = sophia("status")
    assert (called.exit, called.out) == (0, "everything is down, the engine too: `sophia up` starts it\n")
    assert json.loads(sophia("status", "-o", "json").out)["environments"] == []


@pytest.mark.parametrize(
    ("stop", "orderly"),
    [
        (True, False),  # it died
        (False, True),  # somebody ended it alone: what serves goes on
        (False, False),
    ],
)
def test_an_engine_that_is_missing_is_an_error(sophia: Sophia, places: Places, stop: bool, orderly: bool) -> None:
    leave(places, story(stop=stop), orderly=orderly)
    called = sophia("status")
    assert (called.exit, called.out) == (3, "")
    assert called.err == "error: no engine answers here [SPH-5001]\nhint: start it: `sophia up`\n"


@pytest.mark.parametrize("text", [None, "", "no database"])
def test_a_state_that_cannot_be_read_is_an_error_of_the_engine(
    sophia: Sophia, places: Places, text: str | None
) -> None:
    if text is not None:
        (places.state / "state.db").write_text(text)
    called = sophia("status")
    assert called.exit == 3 and "no engine answers here" in called.err
