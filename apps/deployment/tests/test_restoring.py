"""What was told to run and is gone is brought back before anything goes on, on fakes and in virtual time."""

from __future__ import annotations

import pytest
from sophia_deployment.engine.journal import Journal
from sophia_deployment.engine.restoring import Restoring
from sophia_deployment_core import planning
from sophia_deployment_core.run import View
from sophia_deployment_core.testing import Ground

from tests.support.stories import Engine, Killed, artifact, begun, names, platform, play, revision, running

ALL = platform(watch_ms=20_000)
ONE, TWO = revision(ALL, "1"), revision(ALL, "2")


async def restore(ground: Ground) -> Engine:
    """A new engine that restores and then goes on."""
    hands = ground.hands()
    await Restoring(hands, Journal(ground.ledger, hands.world), lambda *_: None).everywhere()
    return Engine(ground)


async def until_watched(ground: Ground) -> tuple[Engine, View]:
    """Version 2 is live and watched, version 1 warm."""
    engine = Engine(ground)
    await engine.over(await engine.deploy(ONE))
    view = await engine.deploy(TWO)
    await engine.until(lambda: begun(view, "watch"))
    return engine, view


def power_cut(ground: Ground) -> None:
    ground.runtime.instances.clear()


def notes(ground: Ground) -> list[str]:
    return [name for event in ground.ledger.read() if event.kind == "note" for name in event.body["restored"]]


def test_after_a_power_cut_a_run_goes_on_with_both_versions_running() -> None:
    async def story(ground: Ground) -> None:
        engine, view = await until_watched(ground)
        before = running(ground)
        await engine.stop()
        power_cut(ground)
        engine = await restore(ground)
        assert running(ground) == before
        assert (await engine.over(engine.world.runs[view.id])).state == "done"
        assert names(TWO) <= set(running(ground))
        await engine.stop()

    play(story)


def test_nothing_is_written_or_started_where_nothing_is_gone() -> None:
    async def story(ground: Ground) -> None:
        engine, _ = await until_watched(ground)
        await engine.stop()
        started = list(ground.runtime.started)
        engine = await restore(ground)
        assert ground.runtime.started == started and notes(ground) == []
        await engine.stop()

    play(story)


def test_what_a_step_was_about_to_stop_is_left_to_that_step() -> None:
    async def story(ground: Ground) -> None:
        engine = Engine(ground)
        await engine.over(await engine.deploy(ONE))
        view = await engine.deploy(TWO)
        await engine.until(lambda: begun(view, "start stock"))
        await engine.stop()
        power_cut(ground)
        engine = await restore(ground)
        assert notes(ground).count("stock") == 1, "that of version 1; that of version 2 is started by its own step"
        assert (await engine.over(engine.world.runs[view.id])).state == "done"
        await engine.stop()

    play(story)


def test_an_instance_that_cannot_be_started_keeps_nothing_else_away() -> None:
    async def story(ground: Ground) -> None:
        engine, _ = await until_watched(ground)
        await engine.stop()
        power_cut(ground)
        start = ground.runtime.start

        async def broken(spec, *, epoch):
            if spec.service == "stock":
                raise RuntimeError("no such luck")
            return await start(spec, epoch=epoch)

        ground.runtime.start = broken
        engine = await restore(ground)
        assert not any(name.startswith("stock/") for name in running(ground))
        assert any(name.startswith("front/") for name in running(ground))
        await engine.stop()

    play(story)


def test_callees_are_there_before_their_callers() -> None:
    async def story(ground: Ground) -> None:
        engine, _ = await until_watched(ground)
        await engine.stop()
        power_cut(ground)
        before = len(ground.runtime.started)
        engine = await restore(ground)
        order = [name.split("/")[0] for name in ground.runtime.started[before:]]
        assert order.index("stock") < order.index("orders") < order.index("front")
        await engine.stop()

    play(story)


def test_an_edge_that_is_closed_on_the_way_back_is_not_opened_again() -> None:
    async def story(ground: Ground) -> None:
        engine = Engine(ground)
        await engine.over(await engine.deploy(ONE))
        await engine.over(await engine.submit(planning.stop(engine.standing, drain_ms=1_000)))
        await engine.stop()
        ground.probes.broken_artifacts.add(artifact("front", "2"))

        def closed(drafts) -> bool:
            return (
                any((each.kind, each.body.get("step")) == ("step done", "open") for each in drafts) and view.undo != {}
            )

        dying = Engine(ground, die_at=closed)
        view = await dying.deploy(TWO)
        with pytest.raises(Killed):
            await dying.over(view)
        assert not ground.traffic.edges
        ground.traffic.unreachable = True
        engine = await restore(ground)
        assert not ground.traffic.edges
        assert (await engine.over(engine.world.runs[view.id])).state == "failed"
        await engine.stop()

    play(story)
