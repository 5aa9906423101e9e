"""The route file after a loss: the ledger's table is written again, unless the file is newer than the ledger."""

from __future__ import annotations

from dataclasses import replace

from sophia_deployment_core import planning
from sophia_deployment_core.errors import INTERNAL, SophiaError
from sophia_deployment_core.ports import Routes
from sophia_deployment_core.run import View
from sophia_deployment_core.testing import Ground

from tests.support.stories import Engine, artifact, begun, platform, play, revision

ALL = platform()
ONE = revision(ALL, "1")
TWO = revision(ALL, "2")


async def released(engine: Engine) -> Routes:
    """Version 2 is live; its routes as they were switched to."""
    for each in (ONE, TWO):
        assert (await engine.over(await engine.deploy(each))).state == "done"
    return engine.ground.traffic.public["local"]


async def restored(engine: Engine) -> View:
    return await engine.over(await engine.submit(planning.start(engine.standing)))


def test_a_route_file_that_is_gone_or_cannot_be_read_is_written_again() -> None:
    async def story(ground: Ground) -> None:
        engine = Engine(ground)
        routes = await released(engine)
        del ground.traffic.public["local"]
        view = await restored(engine)
        assert (view.state, ground.traffic.public["local"]) == ("done", routes)
        assert view.do["restore"].result == {"generation": routes.generation, "found": None}
        await engine.stop()

    play(story)


def test_an_older_route_file_gives_way_to_what_is_live() -> None:
    async def story(ground: Ground) -> None:
        engine = Engine(ground)
        old = Routes("local", 1, ONE.name, ONE.table())
        routes = await released(engine)
        ground.traffic.public["local"] = old
        view = await restored(engine)
        assert (view.state, ground.traffic.public["local"]) == ("done", routes)
        assert view.do["restore"].result["found"] == 1
        await engine.stop()

    play(story)


def test_after_going_back_it_is_the_way_back_that_is_restored() -> None:
    async def story(ground: Ground) -> None:
        engine = Engine(ground)
        assert (await engine.over(await engine.deploy(ONE))).state == "done"
        bad = await engine.deploy(TWO)
        await engine.until(lambda: begun(bad, "watch"))
        ground.probes.broken_artifacts |= {artifact("front", "2")}
        assert (await engine.over(bad)).state == "rolled back"
        back = ground.traffic.public.pop("local")
        assert (await restored(engine)).state == "done"
        assert ground.traffic.public["local"] == back and back.table == ONE.table()
        await engine.stop()

    play(story)


def test_a_route_file_that_is_newer_than_the_ledger_is_left_to_a_person() -> None:
    async def story(ground: Ground) -> None:
        engine = Engine(ground)
        routes = await released(engine)
        foreign = replace(routes, generation=routes.generation + 7, release="elsewhere")
        ground.traffic.public["local"] = foreign
        switches = len(ground.traffic.switches)
        view = await restored(engine)
        error = view.first_error or {}
        assert (view.state, error["code"]) == ("failed", "SPH-1204")
        assert f"generation {foreign.generation}, the ledger {routes.generation}" in view.because
        assert "`.sophia/envoy/local/routes.json`" in error["hint"], "it says which file"
        assert view.do["restore"].begun == 1, "trying again would find the same"
        assert ground.traffic.public["local"] == foreign and len(ground.traffic.switches) == switches
        assert engine.standing.live == TWO and engine.standing.current_generation == routes.generation

        del ground.traffic.public["local"]  # as the hint says
        assert (await restored(engine)).state == "done"
        assert ground.traffic.public["local"] == routes
        await engine.stop()

    play(story)


def test_restoring_what_is_as_it_should_be_moves_nothing() -> None:
    async def story(ground: Ground) -> None:
        engine = Engine(ground)
        routes = await released(engine)
        switches = len(ground.traffic.switches)
        for _ in range(2):
            assert (await restored(engine)).state == "done"
        assert ground.traffic.public["local"] == routes and len(ground.traffic.switches) == switches
        await engine.stop()

    play(story)


def test_a_file_that_cannot_be_written_at_once_is_tried_again() -> None:
    async def story(ground: Ground) -> None:
        engine = Engine(ground)
        routes = await released(engine)
        del ground.traffic.public["local"]
        ground.traffic.fail["switch"] = SophiaError(INTERNAL, "the disk is full")
        view = await restored(engine)
        assert (view.state, view.do["restore"].begun) == ("done", 2)
        assert ground.traffic.public["local"] == routes
        await engine.stop()

    play(story)
