"""The engine's rooms on fakes and in virtual time: what is asked, what is tended, what is shown."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, TypeVar

import pytest
from sophia_deployment.engine.commands import EngineCommands
from sophia_deployment.engine.journal import Journal
from sophia_deployment.engine.restoring import Restoring
from sophia_deployment.engine.tending import Tending
from sophia_deployment.wire import EngineOut, EnvironmentOut, ReleaseIn, RunOut, Submission
from sophia_deployment_core.errors import INTERNAL, SophiaError
from sophia_deployment_core.platform import Platform
from sophia_deployment_core.run import ENDED
from sophia_deployment_core.runner import Runner
from sophia_deployment_core.testing import Ground, virtual_time

from tests.support.stories import artifact, names, platform, revision, running

T = TypeVar("T")
ALL = platform()
ABOUT = EngineOut(version="0", build="b", pid=1, epoch=1, since_ms=0, state="/state")


class House:
    """An engine without its process and its socket."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self.hands = ground.hands()
        self.journal = Journal(ground.ledger, self.hands.world)
        self.runner = Runner(self.hands, self.journal.append)
        self.journal.listen(lambda _event: self.runner.wake())
        self.tending = Tending(self.hands, self.journal, Restoring(self.hands, self.journal, lambda *_: None))
        self.commands = EngineCommands(self.hands, self.journal, self.tending, about=ABOUT, end=lambda: None)
        self.tasks = [asyncio.create_task(each) for each in (self.runner.run(), self.tending.run())]

    async def submit(self, kind: str = "deploy", *, version: str = "1", of: Platform = ALL, **more: Any) -> RunOut:
        given = {"id": str(uuid.uuid4()), "kind": kind, "environment": "local", **more}
        if kind == "deploy":
            artifacts = {name: artifact(name, version) for name in of.services}
            self.ground.artifacts.stored |= set(artifacts.values())
            given["release"] = ReleaseIn(platform=of.to_canonical(), artifacts=artifacts)
        return await self.commands.submit(Submission(**given), by="ada")

    async def over(self, run: RunOut, *, seconds: float = 300) -> RunOut:
        until = asyncio.get_running_loop().time() + seconds
        while run.run is not None and (run := await self.commands.run(run.run)).status not in (*ENDED, "needs you"):
            assert asyncio.get_running_loop().time() < until, run
            await asyncio.sleep(0.1)
        return run

    async def deployed(self, version: str = "1", **more: Any) -> RunOut:
        run = await self.over(await self.submit(version=version, **more))
        assert run.status == "done", run
        return run

    async def environment(self) -> EnvironmentOut:
        return (await self.commands.status()).environments[0]

    async def end(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


def play(story: Callable[[House], Awaitable[T]]) -> T:
    async def whole() -> T:
        house = House(Ground())
        try:
            return await story(house)
        finally:
            await house.end()

    with virtual_time() as loop:
        return loop.run_until_complete(whole())


# --- asking ---------------------------------------------------------------------------------------------------------


def test_the_same_submission_twice_is_one_run() -> None:
    async def story(house: House) -> None:
        id = str(uuid.uuid4())
        first, second = await house.submit(id=id), await house.submit(id=id, version="2")
        assert (first.run, first.number) == (second.run, second.number) == (id, 1)
        await house.over(first)
        assert len(house.hands.world.runs) == 1

    play(story)


def test_submissions_side_by_side_get_numbers_of_their_own() -> None:
    async def story(house: House) -> None:
        runs = await asyncio.gather(*(house.submit(version=str(each)) for each in range(20)))
        assert sorted(run.number or 0 for run in runs) == list(range(1, 21))
        ended = [await house.over(run) for run in runs]
        assert {run.status for run in ended} == {"done", "cancelled"}
        assert all("superseded" in run.because for run in ended if run.status == "cancelled")

    play(story)


@pytest.mark.parametrize("kind", ["rollback", "start", "stop", "restart", "retire"])
def test_asking_for_an_environment_that_is_not_there_does_not_make_it(kind: str) -> None:
    async def story(house: House) -> None:
        await house.deployed()
        with pytest.raises(SophiaError, match="nothing was ever live in `lokal`"):
            await house.submit(kind, environment="lokal", reason="why")
        assert [each.name for each in (await house.commands.status()).environments] == ["local"]

    play(story)


def test_what_is_live_already_is_nothing_to_do() -> None:
    async def story(house: House) -> None:
        await house.deployed()
        again = await house.submit()
        assert (again.run, again.nothing_to_do, again.status) == (None, True, "done")
        start = await house.submit("start")
        assert start.nothing_to_do and "is live in `local`" in start.because

    play(story)


def test_a_rollback_while_a_release_is_under_way_makes_that_one_go_back() -> None:
    async def story(house: House) -> None:
        await house.deployed()
        under_way = await house.submit(version="2", watch_ms=60_000)
        await asyncio.sleep(8)
        waiting = await house.submit(version="3")
        back = await house.submit("rollback", reason="I do not like it")
        assert back.run == under_way.run
        ended = await house.over(back)
        assert (ended.status, ended.because) == ("rolled back", "rolled back by ada: I do not like it")
        assert (await house.over(waiting)).status == "cancelled"
        assert (await house.environment()).live.release == revision(ALL, "1").name  # type: ignore[union-attr]

    play(story)


def test_a_run_says_what_serves_in_the_end() -> None:
    async def story(house: House) -> None:
        one = await house.deployed("1")
        house.ground.probes.broken_artifacts |= {artifact("front", "2")}
        failed = await house.over(await house.submit(version="2"))
        assert (failed.status, failed.serving) == ("failed", one.release)
        house.ground.probes.broken_artifacts.clear()
        bad = await house.submit(version="3")
        await asyncio.sleep(2)
        assert (await house.commands.run(str(bad.run))).switched_ms
        house.ground.probes.broken_artifacts |= {artifact("front", "3")}
        bad = await house.over(bad)
        (watch,) = [step for step in bad.steps if step.verb == "watch" and step.phase == "do"]
        assert watch.error is not None and watch.error["facts"]["serving"] == bad.release, "so it was then"
        assert (bad.status, bad.serving) == ("rolled back", one.release)
        held = await house.submit(version="5", watch_ms=4_000)
        house.ground.traffic.unreachable = True
        held = await house.over(held)
        assert (held.status, held.serving) == ("needs you", held.release)

    play(story)


def test_a_rollback_goes_to_the_version_before_and_to_any_that_is_named() -> None:
    async def story(house: House) -> None:
        one, two = await house.deployed("1"), await house.deployed("2")
        await house.deployed("3")
        assert (await house.over(await house.submit("rollback"))).release == two.release
        back = await house.over(await house.submit("rollback", to=f"#{one.number}"))
        assert (back.status, back.release) == ("done", one.release)

    play(story)


@pytest.mark.parametrize(
    ("given", "code", "said"),
    [
        ({"kind": "rollback"}, "SPH-5201", "nothing was ever live"),
        ({"kind": "start"}, "SPH-5201", "nothing was ever live"),
        ({"kind": "deploy", "environment": "moon"}, "SPH-1001", "no environment `moon`"),
        ({"kind": "deploy", "overrides": {"fron": {"A": "b"}}}, "SPH-1101", "no service `fron`"),
    ],
)
def test_a_wish_that_makes_no_sense_is_refused_and_leaves_no_run(given: dict[str, Any], code: str, said: str) -> None:
    async def story(house: House) -> None:
        with pytest.raises(SophiaError) as refused:
            await house.submit(**given)
        assert refused.value.code.name == code and said in refused.value.message and refused.value.hint
        assert not house.hands.world.runs

    play(story)


def test_a_bundle_that_is_not_there_is_refused_by_name() -> None:
    async def story(house: House) -> None:
        artifacts = {name: artifact(name, "1") for name in ALL.services}
        release = ReleaseIn(platform=ALL.to_canonical(), artifacts=artifacts)
        given = Submission(id="x", kind="deploy", environment="local", release=release)
        with pytest.raises(SophiaError, match="no bundle of"):
            await house.commands.submit(given, by="ada")

    play(story)


def test_only_what_needs_somebody_is_resumed_and_only_what_runs_is_cancelled() -> None:
    async def story(house: House) -> None:
        run = await house.deployed()
        for ask in (house.commands.cancel, house.commands.resume):
            with pytest.raises(SophiaError) as refused:
                await ask(str(run.number), by="ada", reason=None)
            assert refused.value.code.exit == 2

    play(story)


# --- tending --------------------------------------------------------------------------------------------------------


def test_an_instance_that_is_gone_is_brought_back() -> None:
    async def story(house: House) -> None:
        await house.deployed()
        load = revision(ALL, "1").workloads["stock"]
        del house.ground.runtime.instances["local", load.identity, 0]
        assert (await house.environment()).state == "degraded"
        await asyncio.sleep(30)
        assert set(running(house.ground)) == names(revision(ALL, "1"))
        newest = list(house.hands.world.runs.values())[-1]
        assert (newest.kind, newest.by, newest.reason) == ("start", "sophia", "no longer running: stock")
        assert (await house.environment()).state == "steady"

    play(story)


def test_an_orphan_is_replaced_by_an_instance_with_a_launcher() -> None:
    async def story(house: House) -> None:
        await house.deployed()
        house.ground.runtime.change("orders", state="orphaned")
        await asyncio.sleep(60)
        kinds = [view.kind for view in house.hands.world.runs.values()]
        assert kinds == ["deploy", "restart"]
        states = {one.state for one in house.ground.runtime.instances.values() if one.service == "orders"}
        assert states == {"running"}

    play(story)


def test_a_proxy_that_cannot_be_reached_is_opened_again() -> None:
    async def story(house: House) -> None:
        await house.deployed()
        house.ground.traffic.unreachable = True
        await asyncio.sleep(15)
        house.ground.traffic.unreachable = False
        assert [view.kind for view in house.hands.world.runs.values()].count("start") >= 1

    play(story)


@pytest.mark.parametrize("file", ["lost", "older"])
def test_a_route_file_that_is_not_the_committed_one_is_written_again(file: str) -> None:
    async def story(house: House) -> None:
        await house.deployed()
        routes = house.ground.traffic.public.pop("local")
        if file == "older":
            house.ground.traffic.public["local"] = replace(routes, generation=0)
        await asyncio.sleep(15)
        assert house.ground.traffic.public["local"] == routes
        assert [view.kind for view in house.hands.world.runs.values()] == ["deploy", "start"]

    play(story)


def test_a_route_file_that_is_newer_than_the_ledger_is_not_touched_by_itself() -> None:
    async def story(house: House) -> None:
        await house.deployed()
        routes = house.ground.traffic.public["local"]
        newer = house.ground.traffic.public["local"] = replace(routes, generation=routes.generation + 7)
        await asyncio.sleep(60)
        assert house.ground.traffic.public["local"] == newer
        assert [view.kind for view in house.hands.world.runs.values()] == ["deploy"]

    play(story)


def test_what_cannot_be_brought_back_is_tried_less_and_less_often() -> None:
    async def story(house: House) -> None:
        await house.deployed()
        house.ground.probes.ill.add("stock")
        load = revision(ALL, "1").workloads["stock"]
        del house.ground.runtime.instances["local", load.identity, 0]
        house.ground.runtime.change("stock", restarts=0)
        real = house.ground.runtime.start

        async def refuse(spec: Any, *, epoch: int) -> Any:
            if spec.service == "stock":
                raise SophiaError(INTERNAL, "not today", facts={"final": True})
            return await real(spec, epoch=epoch)

        house.ground.runtime.start = refuse  # type: ignore[method-assign]
        await asyncio.sleep(600)
        tries = [view for view in house.hands.world.runs.values() if view.kind == "start"]
        assert 3 <= len(tries) <= 7, [view.submitted_ms for view in tries]

    play(story)


def test_the_version_before_is_retired_when_its_warm_time_is_over_and_not_sooner() -> None:
    async def story(house: House) -> None:
        await house.deployed("1")
        await house.deployed("2")
        await asyncio.sleep(40)
        assert (await house.environment()).warm
        await asyncio.sleep(60)
        assert not (await house.environment()).warm
        assert set(running(house.ground)) == names(revision(ALL, "2"))
        await asyncio.sleep(600)
        assert [view.kind for view in house.hands.world.runs.values()] == ["deploy", "deploy", "retire"]

    play(story)


def test_nobody_tends_what_was_taken_down() -> None:
    async def story(house: House) -> None:
        await house.deployed()
        assert (await house.over(await house.submit("stop", alone=True))).status == "done"
        await asyncio.sleep(120)
        environment = await house.environment()
        assert (environment.state, environment.alone, running(house.ground)) == ("down", True, {})
        assert (await house.over(await house.submit("start"))).status == "done"
        assert not (await house.environment()).alone

    play(story)


# --- what crashes after its watch -----------------------------------------------------------------------------------


async def crash(house: House, service: str = "front", *, times: int = 3, every_seconds: float = 10) -> None:
    """An instance of the live version of `service` ends, and its launcher starts it again."""
    await asyncio.sleep(3)  # so that it was seen to run
    standing = house.hands.world.standing("local")
    assert standing.live is not None
    load = standing.live.workloads[service]
    for _ in range(times):
        key = ("local", load.identity, min(standing.placements[load.key].begun))
        one = house.ground.runtime.instances[key]
        house.ground.runtime.instances[key] = replace(one, restarts=one.restarts + 1, exit=-9)
        await asyncio.sleep(every_seconds)


def told(house: House) -> list[tuple[str, str | None]]:
    """The ledger's entries about environments: kind, and why."""
    return [
        (event.kind, event.body.get("because")) for event in house.ground.ledger.events if "environment " in event.kind
    ]


LOOP = ("environment held", "`front` ended 3 times within 2 minutes, last with signal 9")


def test_what_crashes_again_and_again_after_its_watch_is_held_and_nothing_goes_back_by_itself() -> None:
    async def story(house: House) -> None:
        await house.deployed("1")
        await house.deployed("2")
        await crash(house, times=12)
        environment = await house.environment()
        assert (environment.state, environment.because) == ("held", LOOP[1])
        assert environment.warm, "the way back is kept while somebody has to decide"
        assert told(house) == [LOOP]
        load = revision(ALL, "2").workloads["front"]
        (entry,) = [event.body for event in house.ground.ledger.events if event.kind == "environment held"]
        facts = {"service": "front", "workload": load.identity, "number": 0, "restarts": 3, "exit": -9}
        assert entry == {"environment": "local", "because": LOOP[1], "crashing": [facts]}
        assert [view.kind for view in house.hands.world.runs.values()] == ["deploy", "deploy"]

    play(story)


@pytest.mark.parametrize("kind", ["deploy", "rollback"])
def test_a_hold_ends_with_the_next_version_that_somebody_asks_for(kind: str) -> None:
    async def story(house: House) -> None:
        await house.deployed("1")
        await house.deployed("2")
        await crash(house)
        run, states = await house.submit(kind, version="3"), []
        while (await house.commands.run(str(run.run))).status not in ENDED:
            states.append((await house.environment()).state)
            await asyncio.sleep(0.05)
        assert (await house.over(run)).status == "done"
        assert states[-1] == "rolling out"
        assert (await house.environment()).state == "steady"
        await asyncio.sleep(300)
        assert told(house) == [LOOP]

    play(story)


def test_a_version_that_goes_back_to_one_that_crashes_does_not_hide_that() -> None:
    async def story(house: House) -> None:
        await house.deployed("1")
        await crash(house)
        house.ground.probes.broken_artifacts |= {artifact("front", "2")}
        assert (await house.over(await house.submit(version="2"))).status in ("failed", "rolled back")
        await crash(house)
        assert (await house.environment()).state == "held"

    play(story)


def test_a_hold_is_over_when_everything_ran_for_two_minutes_again() -> None:
    async def story(house: House) -> None:
        await house.deployed()
        await crash(house)
        await asyncio.sleep(100)
        assert (await house.environment()).state == "held"
        await crash(house, times=1)
        await asyncio.sleep(100)
        assert (await house.environment()).state == "held", "it ended once more"
        house.ground.runtime.change("stock", state="waiting")
        await asyncio.sleep(100)
        assert (await house.environment()).state == "held", "something is not up"
        house.ground.runtime.change("stock", state="running")
        await asyncio.sleep(125)
        assert (await house.environment()).state == "steady"
        assert told(house) == [LOOP, ("environment steady", None)]

    play(story)


def test_an_instance_that_ends_now_and_then_holds_nothing() -> None:
    async def story(house: House) -> None:
        await house.deployed()
        await crash(house, times=10, every_seconds=61)
        await crash(house, "stock", times=1)
        await crash(house, "orders", times=1)
        assert not told(house)

    play(story)


def test_what_ends_during_a_run_is_that_runs_affair() -> None:
    async def story(house: House) -> None:
        await house.deployed("1")
        house.ground.probes.broken_artifacts |= {artifact("stock", "2")}
        house.ground.runtime.start_ms = 10_000
        await asyncio.sleep(3)
        run = await house.submit(version="2")
        await crash(house, times=4, every_seconds=3)
        assert (await house.commands.run(str(run.run))).status == "running"
        await house.over(run)
        await asyncio.sleep(60)
        assert not told(house)

    play(story)


def test_the_next_engine_neither_holds_twice_nor_lets_go_early() -> None:
    async def story(house: House) -> None:
        await house.deployed()
        await crash(house)
        await house.end()
        heir = House(house.ground)
        await crash(heir, times=4)
        assert (await heir.environment()).state == "held"
        assert told(heir) == [LOOP]
        await heir.end()
        last = House(house.ground)
        await asyncio.sleep(100)
        assert told(last) == [LOOP], "it has not looked for long enough"
        await asyncio.sleep(30)
        assert told(last) == [LOOP, ("environment steady", None)]
        await last.end()

    play(story)


def test_an_entry_that_was_written_just_before_the_engine_died_is_not_written_again() -> None:
    async def story(house: House) -> None:
        await house.deployed()
        append = house.ground.ledger.append

        def die(drafts: Any, **more: Any) -> Any:
            append(drafts, **more)
            raise RuntimeError("killed between the entry and its fold")

        house.ground.ledger.append = die  # type: ignore[method-assign]
        await crash(house)
        assert told(house) == [LOOP] and house.hands.world.standing("local").held is None
        await house.end()
        house.ground.ledger.append = append  # type: ignore[method-assign]
        heir = House(house.ground)
        await crash(heir, times=4)
        assert told(heir) == [LOOP]
        await heir.end()

    play(story)


def test_what_is_taken_down_is_not_held_any_more() -> None:
    async def story(house: House) -> None:
        await house.deployed()
        await crash(house)
        assert (await house.over(await house.submit("stop"))).status == "done"
        assert (await house.environment()).state == "down"
        assert (await house.over(await house.submit("start"))).status == "done"
        assert (await house.environment()).state == "steady"

    play(story)


# --- showing --------------------------------------------------------------------------------------------------------


def test_an_environment_is_told_as_it_is() -> None:
    async def story(house: House) -> None:
        run = await house.submit(watch_ms=0)
        await asyncio.sleep(1)
        assert (await house.environment()).state == "rolling out"
        await house.over(run)
        steady = await house.environment()
        assert (steady.state, steady.url, steady.previous) == ("steady", "http://127.0.0.1:8080", None)
        assert steady.live is not None and (steady.live.run, steady.live.number) == (run.run, 1)
        house.ground.runtime.change("front", restarts=7, state="waiting")
        degraded = await house.environment()
        assert degraded.state == "degraded" and "front (0 of 1, restarted 7 times)" in degraded.because
        now = house.hands.clock.now_ms()
        house.ground.runtime.change("front", state="running", started_ms=now)
        assert (await house.environment()).state == "degraded", "it runs between two crashes"
        house.ground.runtime.change("front", started_ms=now - 10_000)
        assert (await house.environment()).state == "steady"

    play(story)


def test_metrics_tell_runs_and_what_the_edge_answered() -> None:
    async def story(house: House) -> None:
        await house.deployed()
        text = house.commands.metrics().decode()
        assert 'sophia_runs{environment="local",kind="deploy",state="done"} 1.0' in text
        assert "sophia_engine_epoch 1.0" in text

    play(story)


def test_followers_get_every_entry_once_and_in_order() -> None:
    async def story(house: House) -> None:
        seen: list[int] = []

        async def follow() -> None:
            async for event in house.commands.events(after=0, run=None):
                seen.append(event.seq)

        task = asyncio.create_task(follow())
        await house.deployed()
        await asyncio.sleep(1)
        task.cancel()
        assert seen == list(range(1, house.hands.world.head.seq + 1))

    play(story)


def test_a_clock_that_jumps_retires_nothing_early(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(house: House) -> None:
        await house.deployed("1")
        await house.deployed("2")
        await asyncio.sleep(5)
        now_ms = house.hands.clock.now_ms
        monkeypatch.setattr(house.hands.clock, "now_ms", lambda: now_ms() + 3_600_000)
        await asyncio.sleep(30)
        assert not any(view.kind == "retire" for view in house.hands.world.runs.values())
        await asyncio.sleep(60)
        assert any(view.kind == "retire" for view in house.hands.world.runs.values())

    play(story)
