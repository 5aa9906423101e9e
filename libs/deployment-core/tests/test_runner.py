"""Runs from their submission to their end, on fakes and in virtual time; killed before every single append."""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from sophia_deployment_core import planning
from sophia_deployment_core.errors import INTERNAL, SophiaError
from sophia_deployment_core.ledger import Draft, Head, verify
from sophia_deployment_core.platform import Smoke
from sophia_deployment_core.ports import Answer, Counters, Fenced
from sophia_deployment_core.release import Revision
from sophia_deployment_core.report.sentences import serving, summary
from sophia_deployment_core.run import View
from sophia_deployment_core.testing import Ground
from sophia_deployment_core.world import World

from tests.support.stories import Engine, Killed, artifact, begun, names, platform, play, revision, running

ALL = platform()
ONE = revision(ALL, "1")
TWO = revision(ALL, "2")


def fault(message: str, **facts: object) -> SophiaError:
    return SophiaError(INTERNAL, message, facts=facts)


async def first_release(engine: Engine) -> None:
    assert (await engine.over(await engine.deploy(ONE))).state == "done"


def test_a_first_release_is_started_verified_and_switched_to() -> None:
    async def story(ground: Ground) -> None:
        engine = Engine(ground)
        view = await engine.over(await engine.deploy(ONE))
        assert (view.state, view.because) == ("done", "")
        assert engine.standing.live == ONE
        assert ground.traffic.public["local"].table == ONE.table()
        assert set(running(ground)) == names(ONE)
        assert "watch" not in view.plan.by_id
        await engine.stop()

    play(story)


def test_a_second_release_takes_over_is_watched_and_the_first_stays_warm() -> None:
    async def story(ground: Ground) -> None:
        engine = Engine(ground)
        await first_release(engine)
        view = await engine.over(await engine.deploy(TWO))
        assert view.state == "done"
        assert view.do["watch"].result["verdict"]["answer"] == "pass"
        assert engine.standing.live == TWO and engine.standing.before == ONE
        warm = {name for name in names(ONE) if not name.startswith(("ticker", "counter"))}
        assert set(running(ground)) == names(TWO) | warm
        await engine.stop()

    play(story)


def test_the_same_release_again_has_nothing_to_do() -> None:
    async def story(ground: Ground) -> None:
        engine = Engine(ground)
        await first_release(engine)
        assert planning.deploy(engine.standing, ONE).steps == ()
        started = list(ground.runtime.started)
        view = await engine.over(await engine.deploy(ONE))
        assert view.state == "done" and ground.runtime.started == started
        await engine.stop()

    play(story)


def test_a_changed_service_brings_its_callers_and_nobody_else() -> None:
    async def story(ground: Ground) -> None:
        engine = Engine(ground)
        await first_release(engine)
        ground.runtime.started.clear()
        target = revision(ALL, "2", only=["orders"])
        assert (await engine.over(await engine.deploy(target))).state == "done"
        assert {name.split("/")[0] for name in ground.runtime.started} == {"orders", "front"}
        await engine.stop()

    play(story)


def test_a_release_that_is_never_healthy_is_taken_back_before_anybody_sees_it() -> None:
    async def story(ground: Ground) -> None:
        engine = Engine(ground)
        await first_release(engine)
        ground.probes.broken_artifacts.add(artifact("front", "2"))
        before = list(ground.traffic.switches)
        view = await engine.over(await engine.deploy(TWO))
        assert view.state == "failed"
        assert "was not healthy within" in view.because and "answered 503" in view.because
        assert ground.traffic.switches == before
        assert set(running(ground)) == names(ONE)
        assert engine.standing.live == ONE and set(engine.standing.placements) == ONE.keys
        await engine.stop()

    play(story)


def refusal(answers: Callable[[int], Answer]) -> tuple[str, str]:
    """Message and hint of a release whose health probes get these answers, by how often was asked."""

    async def story(ground: Ground) -> tuple[str, str]:
        engine, asked = Engine(ground), itertools.count(1)
        await first_release(engine)
        http = ground.probes.http

        async def probe(port: int, method: str, path: str, **more: Any) -> Answer:
            spec = ground.runtime.running(port)
            is_new = path == "/health" and spec is not None and spec.artifact == artifact("front", "2")
            return answers(next(asked)) if is_new else await http(port, method, path, **more)

        ground.probes.http = probe  # type: ignore[method-assign]
        view = await engine.over(await engine.deploy(revision(ALL, "2", only=["front"])))
        error = next(step.error for step in view.do.values() if step.error)
        await engine.stop()
        return error["message"], error["hint"]

    return play(story)


def test_a_service_that_flaps_is_told_what_was_wanted_and_what_came() -> None:
    message, hint = refusal(lambda count: Answer(200 if count % 2 else 503))
    assert re.search(r"within .*: \d+ of \d+ probes of /health were good, never \d in a row; the", message)
    assert hint == "read its log: `sophia logs local front`"


def test_a_service_that_nobody_hears_is_told_where_it_has_to_listen() -> None:
    message, hint = refusal(lambda _: Answer(0, error="connection refused"))
    assert message.endswith("GET /health was not answered: connection refused")
    assert re.match(r"it has to listen on 127\.0\.0\.1 at `\$PORT` \(2\d{4}\) within .*; read its log: ", hint)


def test_a_release_that_breaks_while_it_is_watched_goes_back_by_itself() -> None:
    async def story(ground: Ground) -> None:
        engine = Engine(ground)
        await first_release(engine)
        view = await engine.deploy(TWO)
        await engine.until(lambda: begun(view, "watch"))
        ground.probes.broken_artifacts.add(artifact("front", "2"))
        await engine.over(view)
        assert view.state == "rolled back"
        assert ground.traffic.public["local"].table == ONE.table()
        assert set(running(ground)) == names(ONE)
        assert engine.standing.live == ONE
        assert [entry.good for entry in engine.standing.history] == [True, False]
        await engine.stop()

    play(story)


def test_what_failed_before_the_proxy_began_to_count_anew_is_not_forgotten() -> None:
    """Four failures before and four after: neither would be proof by itself."""

    async def story(ground: Ground) -> None:
        engine = Engine(ground)
        await first_release(engine)
        view = await engine.deploy(TWO)
        await engine.until(lambda: begun(view, "watch"))
        (key,) = (load.key for service, load in TWO.workloads.items() if service == "front")
        for counted in (Counters(20, 4), Counters(25, 4)):
            ground.traffic.counters[key] = counted
            ground.traffic.started_ms += 1
            await ground.clock.sleep(1_500)
        await engine.over(view)
        assert view.state == "rolled back" and "`front` failed 8 of 45 requests" in view.because
        await engine.stop()

    play(story)


def test_a_bad_release_stays_when_the_version_before_is_broken_too() -> None:
    async def story(ground: Ground) -> None:
        engine = Engine(ground)
        await first_release(engine)
        view = await engine.deploy(TWO)
        await engine.until(lambda: begun(view, "watch"))
        ground.probes.broken_artifacts |= {artifact("front", "1"), artifact("front", "2")}
        await engine.over(view)
        assert view.state == "needs you" and "going back would not help" in view.because
        assert ground.traffic.public["local"].table == TWO.table()
        await engine.ask("rollback asked", view)
        await engine.until(lambda: view.state == "rolled back")
        await engine.stop()

    play(story)


HOURS_MS = 3_600_000


async def later(engine: Engine, *, hours: float) -> None:
    """So much time passes; an engine looks at what waits every second."""
    await engine.ground.clock.sleep(int(hours * HOURS_MS))
    engine.runner.wake()
    await engine.ground.clock.sleep(1_000)


def test_a_run_that_nobody_decides_on_ends_after_a_day_and_what_serves_stays() -> None:
    async def story(ground: Ground) -> None:
        engine = Engine(ground)
        await first_release(engine)
        ground.traffic.unreachable = True
        view = await engine.over(await engine.deploy(TWO))
        await later(engine, hours=23)
        assert view.state == "needs you"
        await engine.ask("resumed", view)
        await engine.until(lambda: view.state == "needs you")
        await later(engine, hours=23)
        assert view.state == "needs you", "somebody was there meanwhile"
        waiting = await engine.deploy(revision(ALL, "3"), reason="it waits")
        ground.traffic.unreachable = False
        await later(engine, hours=2)
        assert view.state == "failed"
        assert view.because.startswith("expired: nobody decided within a day: the proxy's statistics")
        assert engine.standing.live == TWO and ground.traffic.switches[-1].release == TWO.name
        assert (await engine.over(waiting)).state == "done", "the lane is free again"
        assert [event.kind for event in ground.ledger.read(run=view.id)].count("run ended") == 1
        await engine.stop()

    play(story)


def test_an_engine_that_was_away_for_longer_ends_what_waited_meanwhile() -> None:
    async def story(ground: Ground) -> None:
        engine = Engine(ground)
        await first_release(engine)
        ground.traffic.unreachable = True
        view = await engine.over(await engine.deploy(TWO))
        await engine.stop()
        await ground.clock.sleep(30 * HOURS_MS)
        heir = Engine(ground)
        await ground.clock.sleep(1_000)
        assert heir.world.runs[view.id].state == "failed" and heir.standing.live == TWO
        await heir.stop()

    play(story)


def test_going_back_that_nobody_helps_is_tried_again_after_a_day_and_never_left_half_done() -> None:
    async def story(ground: Ground) -> None:
        engine = Engine(ground)
        await first_release(engine)
        view = await engine.deploy(TWO)
        await engine.until(lambda: begun(view, "watch"))
        real = ground.traffic.switch

        async def full(*_: Any, **__: Any) -> None:
            raise fault("the disk is full")

        ground.traffic.switch = full  # type: ignore[method-assign]
        ground.probes.broken_artifacts |= {artifact("front", "2")}
        await engine.over(view)
        assert view.state == "needs you" and "going back failed" in view.because
        await later(engine, hours=25)
        assert view.state == "running", "it is tried again"
        assert (await engine.over(view)).state == "needs you", "the disk is still full"
        ground.traffic.switch = real  # type: ignore[method-assign]
        await later(engine, hours=25)
        assert (await engine.over(view)).state == "rolled back" and engine.standing.live == ONE
        resumed = [event.body for event in ground.ledger.read(run=view.id) if event.kind == "resumed"]
        assert resumed == [{"by": "sophia", "reason": "nobody decided within a day"}] * 2
        await engine.stop()

    play(story)


def test_a_watch_that_learns_nothing_asks_a_person_and_goes_on_when_told_to() -> None:
    async def story(ground: Ground) -> None:
        engine = Engine(ground)
        await first_release(engine)
        ground.traffic.unreachable = True
        view = await engine.over(await engine.deploy(TWO))
        assert view.state == "needs you" and "cannot be reached" in view.because
        assert engine.standing.live == TWO
        ground.traffic.unreachable = False
        await engine.ask("resumed", view)
        await engine.until(lambda: view.state == "done")
        await engine.stop()

    play(story)


def test_a_bad_release_goes_back_to_what_it_had_to_stop_because_it_became_a_single() -> None:
    async def story(ground: Ground) -> None:
        engine = Engine(ground)
        await first_release(engine)
        single = ALL.services["stock"].model_copy(update={"single": True})
        other = ALL.model_copy(update={"services": {**ALL.services, "stock": single}})
        view = await engine.deploy(revision(other, "2", only=["stock"]))
        await engine.until(lambda: begun(view, "watch"))
        assert f"stock/{artifact('stock', '1')[:6]}" not in running(ground)
        ground.probes.broken_artifacts.add(artifact("stock", "2"))
        await engine.over(view)
        assert view.state == "rolled back", view.because
        assert set(running(ground)) == names(ONE)
        await engine.stop()

    play(story)


def test_a_smoke_command_runs_in_the_bundle_and_finds_the_candidate() -> None:
    async def story(ground: Ground) -> None:
        engine = Engine(ground)
        front = ALL.services["front"].model_copy(update={"smoke": (Smoke(run=("./check",)),), "env": {"OWN": "1"}})
        view = await engine.over(
            await engine.deploy(revision(ALL.model_copy(update={"services": {**ALL.services, "front": front}}), "1"))
        )
        assert view.state == "done"
        ((where, env),) = ground.probes.commands
        assert where.name == artifact("front", "1") and env == {
            "PATH": "/bin",
            "SOPHIA_URL": f"http://127.0.0.1:{engine.standing.private_port}",
            "SOPHIA_SERVICE": "front",
            "SOPHIA_ENVIRONMENT": "local",
            "SOPHIA_RUN": view.id,
        }
        await engine.stop()

    play(story)


def test_a_failing_smoke_check_keeps_users_on_the_old_version() -> None:
    async def story(ground: Ground) -> None:
        engine = Engine(ground)
        await first_release(engine)
        ground.probes.said["/version"] = Answer(500, body=b"boom")
        view = await engine.over(await engine.deploy(TWO))
        assert view.state == "failed" and "GET /version answered 500, expected 200" in view.because
        assert len(ground.traffic.switches) == 1
        await engine.stop()

    play(story)


def test_cancel_during_the_start_leaves_nothing_behind() -> None:
    async def story(ground: Ground) -> None:
        engine = Engine(ground)
        await first_release(engine)
        view = await engine.deploy(TWO)
        await engine.until(lambda: begun(view, "start stock"))
        await engine.ask("cancel asked", view)
        await engine.over(view)
        assert view.state == "cancelled" and "by ada" in view.because
        assert set(running(ground)) == names(ONE)
        await engine.stop()

    play(story)


def test_a_newer_release_supersedes_one_that_waits() -> None:
    async def story(ground: Ground) -> None:
        engine = Engine(ground)
        await first_release(engine)
        three = revision(ALL, "3")
        second = await engine.deploy(TWO)
        await engine.until(lambda: second.lane_ms is not None)
        third, fourth = await engine.deploy(three), await engine.deploy(revision(ALL, "4"))
        await engine.over(third)
        assert third.state == "cancelled" and third.because == f"superseded by #{fourth.number}"
        assert (await engine.over(second)).state == "done"
        assert (await engine.over(fourth)).state == "done"
        await engine.stop()

    play(story)


def test_what_the_release_before_left_is_retired_before_the_next_one_starts() -> None:
    async def story(ground: Ground) -> None:
        engine = Engine(ground)
        await first_release(engine)
        await engine.over(await engine.deploy(TWO))
        three = revision(ALL, "3")
        await engine.over(await engine.deploy(three))
        kinds = [view.kind for view in engine.world.runs.values()]
        assert kinds == ["deploy", "deploy", "deploy", "retire"]
        assert not set(running(ground)) & {name for name in names(ONE) if not name.startswith("counter")}
        await engine.stop()

    play(story)


def test_going_back_to_a_warm_version_starts_nothing_but_workers_and_singles() -> None:
    async def story(ground: Ground) -> None:
        engine = Engine(ground)
        await first_release(engine)
        await engine.over(await engine.deploy(TWO))
        ground.runtime.started.clear()
        view = await engine.over(await engine.submit(planning.deploy(engine.standing, ONE, kind="rollback")))
        assert view.state == "done" and engine.standing.live == ONE
        assert {name.split("/")[0] for name in ground.runtime.started} == {"ticker", "counter"}
        await engine.stop()

    play(story)


def test_taken_down_and_started_again_the_same_revision_answers() -> None:
    async def story(ground: Ground) -> None:
        engine = Engine(ground)
        await first_release(engine)
        down = await engine.over(await engine.submit(planning.stop(engine.standing, drain_ms=1_000)))
        assert down.state == "done" and not running(ground) and not ground.traffic.edges
        up = await engine.over(await engine.submit(planning.start(engine.standing)))
        assert up.state == "done" and set(running(ground)) == names(ONE)
        assert ground.traffic.edges["local"][0] == 8080
        assert ground.traffic.public["local"].table == ONE.table()
        await engine.stop()

    play(story)


def test_an_orphan_is_replaced_without_a_gap() -> None:
    async def story(ground: Ground) -> None:
        engine = Engine(ground)
        await first_release(engine)
        front = ONE.workloads["front"]
        plan = planning.restart(engine.standing, instances={front.key: [0]})
        assert (await engine.over(await engine.submit(plan))).state == "done"
        place = engine.standing.placements[front.key]
        assert place.serving == {1} and place.begun == {1}
        assert ground.traffic.endpoints("local", front.key) == (place.ports[1],)
        assert running(ground)[f"front/{front.artifact[:6]}"] == 1
        await engine.stop()

    play(story)


def test_more_instances_are_added_to_what_runs() -> None:
    async def story(ground: Ground) -> None:
        engine = Engine(ground)
        await first_release(engine)
        ground.runtime.started.clear()
        wider = revision(platform(replicas=3), "1")
        assert (await engine.over(await engine.deploy(wider))).state == "done"
        assert len(ground.runtime.started) == 2
        assert len(ground.traffic.endpoints("local", wider.workloads["front"].key)) == 3
        await engine.stop()

    play(story)


def test_a_taken_edge_port_becomes_the_next_free_one_and_is_remembered() -> None:
    async def story(ground: Ground) -> None:
        ground.runtime.taken.add(8080)
        engine = Engine(ground)
        await first_release(engine)
        assert engine.standing.edge_port == 8081
        assert (await engine.over(await engine.deploy(TWO))).state == "done"
        assert engine.standing.edge_port == 8081
        await engine.stop()

    play(story)


@pytest.mark.parametrize("target", [ONE, TWO])
def test_an_open_edge_that_moved_is_refused_where_its_own_port_is_wanted_and_no_other(target: Revision) -> None:
    async def story(ground: Ground) -> None:
        ground.runtime.taken.add(8080)
        engine = Engine(ground)
        await first_release(engine)
        ground.runtime.taken.clear()
        strict = replace(target, settings={**target.settings, "strict_port": True})
        view = await engine.over(await engine.deploy(strict))
        assert view.state == "failed" and view.because == "the edge of `local` serves on port 8081, not on 8080"
        assert view.first_error and "`sophia down local`" in view.first_error["hint"]
        assert engine.standing.live == ONE and set(running(ground)) == names(ONE)
        await engine.over(await engine.submit(planning.stop(engine.standing, drain_ms=1_000)))
        assert (await engine.over(await engine.deploy(strict))).state == "done"
        assert engine.standing.edge_port == 8080
        await engine.stop()

    play(story)


def test_a_rollback_is_not_held_up_by_a_port_that_was_wanted_once() -> None:
    async def story(ground: Ground) -> None:
        engine = Engine(ground)
        await engine.over(await engine.deploy(replace(ONE, settings={**ONE.settings, "strict_port": True})))
        await engine.over(await engine.submit(planning.stop(engine.standing, drain_ms=1_000)))
        ground.runtime.taken.add(8080)
        await engine.over(await engine.deploy(TWO))
        assert engine.standing.edge_port == 8081
        back = planning.deploy(engine.standing, engine.standing.history[0].revision, kind="rollback")
        assert (await engine.over(await engine.submit(back))).state == "done"
        await engine.stop()

    play(story)


def test_a_port_that_becomes_free_in_time_is_found_by_the_next_attempt() -> None:
    async def story(ground: Ground) -> None:
        ground.runtime.taken |= set(range(8080, 8180))
        engine = Engine(ground)
        view = await engine.deploy(ONE)
        await engine.until(lambda: view.step("do", "open").failures)
        ground.runtime.taken.clear()
        assert (await engine.over(view)).state == "done" and engine.standing.edge_port == 8080
        await engine.stop()

    play(story)


def test_a_held_run_begins_nothing_not_even_what_paused_before_another_attempt() -> None:
    async def story(ground: Ground) -> None:
        engine = Engine(ground)
        await first_release(engine)
        await engine.over(await engine.deploy(TWO))
        ground.runtime.fail |= {"start ticker": fault("not now"), "start counter": fault("no", final=True)}
        view = await engine.over(await engine.submit(planning.deploy(engine.standing, ONE, kind="rollback")))
        assert view.state == "needs you" and view.step("do", "start ticker").failures == 1
        told = len(ground.ledger.events)
        await asyncio.sleep(60)
        assert len(ground.ledger.events) == told
        await engine.ask("resumed", view)
        assert (await engine.over(view)).state == "done" and engine.standing.live == ONE
        await engine.stop()

    play(story)


def test_what_another_program_took_meanwhile_is_given_anew() -> None:
    async def story(ground: Ground) -> None:
        engine = Engine(ground)
        await first_release(engine)
        await engine.over(await engine.submit(planning.stop(engine.standing, drain_ms=1_000)))
        front = engine.standing.placements[ONE.workloads["front"].key]
        ground.runtime.taken |= {8080, front.listener_port, front.ports[0], engine.standing.private_port or 0}
        up = await engine.over(await engine.submit(planning.start(engine.standing)))
        assert up.state == "done" and set(running(ground)) == names(ONE)
        assert engine.standing.edge_port == 8081
        assert not engine.standing.ports() & ground.runtime.taken
        assert ground.traffic.endpoints("local", ONE.workloads["front"].key) == (front.ports[0],)
        ground.runtime.taken.clear()
        await engine.over(await engine.submit(planning.stop(engine.standing, drain_ms=1_000)))
        await engine.over(await engine.submit(planning.start(engine.standing)))
        assert engine.standing.edge_port == 8081, "it is remembered"
        await engine.stop()

    play(story)


def test_a_proxy_that_runs_though_opening_failed_keeps_its_ports_and_is_closed_by_down() -> None:
    async def story(ground: Ground) -> None:
        engine = Engine(ground)
        await first_release(engine)
        await engine.over(await engine.submit(planning.stop(engine.standing, drain_ms=1_000)))
        ground.traffic.fail["arrange"] = fault("somebody listens there", final=True)
        assert (await engine.over(await engine.submit(planning.start(engine.standing)))).state == "failed"
        assert ground.traffic.edges and not engine.standing.open
        ground.runtime.taken |= set(ground.traffic.edges["local"])  # by our own proxy
        assert (await engine.over(await engine.submit(planning.start(engine.standing)))).state == "done"
        ground.traffic.fail["arrange"] = fault("somebody listens there", final=True)
        await engine.over(await engine.submit(planning.stop(engine.standing, drain_ms=1_000)))
        await engine.over(await engine.submit(planning.start(engine.standing)))
        assert not engine.standing.open and ground.traffic.edges
        assert (await engine.over(await engine.submit(planning.stop(engine.standing, drain_ms=1_000)))).state == "done"
        assert not ground.traffic.edges
        await engine.stop()

    play(story)


def test_every_step_is_tried_again_after_a_passing_failure() -> None:
    async def story(ground: Ground) -> None:
        engine = Engine(ground)
        ground.runtime.fail["start front"] = fault("the launcher did not answer")
        ground.traffic.fail |= {"open": fault("not yet"), "arrange": fault("not yet"), "switch": fault("not yet")}
        view = await engine.over(await engine.deploy(ONE))
        assert view.state == "done"
        assert view.do["start front"].failures == 1 and view.do["switch"].failures == 1
        await engine.stop()

    play(story)


FOR_GOOD = {
    "open": ("traffic", "open"),
    "place": ("traffic", "arrange"),
    "prepare front": ("runtime", f"prepare {artifact('front', '2')}"),
    "start stock": ("runtime", "start stock"),
    "candidate": ("traffic", "show_candidate"),
    "room": ("ledger", "reserve"),
    "switch": ("traffic", "switch"),
    "start ticker": ("runtime", "start ticker"),
}


async def breaks(ground: Ground, step: str, target: Revision, *, down: bool = False) -> tuple[Engine, View]:
    """A deployment of `target` over `ONE`, in which `step` fails for good: how it ended."""
    place, what = FOR_GOOD[step]
    begins = ("step started", step, "do")
    faults = [fault("for good", final=True)]

    def break_it(drafts: Sequence[Draft]) -> bool:
        """When the step begins, and not before: others use the same verb of the port. And not after it."""
        if any((draft.kind, draft.body.get("step"), draft.body.get("phase")) == begins for draft in drafts) and faults:
            getattr(ground, place).fail[what] = faults.pop()
        return False

    first = Engine(ground)
    await first_release(first)
    if down:
        await first.over(await first.submit(planning.stop(first.standing, drain_ms=1_000), tags=["alone"]))
    await first.stop()
    engine = Engine(ground, die_at=break_it)
    view = await engine.over(await engine.deploy(target))
    assert not getattr(ground, place).fail, "the fault was never met"
    assert view.step("do", step).state == "failed"
    return engine, view


@pytest.mark.parametrize("step", FOR_GOOD)
def test_each_step_failing_for_good_leaves_what_was_before(step: str) -> None:
    async def story(ground: Ground) -> None:
        engine, view = await breaks(ground, step, TWO)
        assert view.state == ("rolled back" if step in ("start ticker", "switch") else "failed")
        assert ground.traffic.public["local"].table == ONE.table()
        assert set(running(ground)) == names(ONE)
        assert engine.standing.live == ONE
        await engine.stop()

    play(story)


@pytest.mark.parametrize("step", FOR_GOOD)
def test_each_step_failing_for_good_leaves_an_environment_down_that_was_down(step: str) -> None:
    async def story(ground: Ground) -> None:
        engine, view = await breaks(ground, step, TWO, down=True)
        assert view.state == "failed" and summary(view).endswith("; `local` is down, as it was")
        assert serving(view) is None and view.first_error and view.first_error["facts"].get("serving") != ONE.name
        assert not ground.traffic.edges and not engine.standing.open and not running(ground)
        assert engine.standing.live == ONE and engine.standing.down_alone
        assert (await engine.over(await engine.submit(planning.start(engine.standing)))).state == "done"
        assert set(running(ground)) == names(ONE) and ground.traffic.public["local"].table == ONE.table()
        await engine.stop()

    play(story)


def test_a_failed_check_in_an_environment_that_was_down_says_that_nothing_serves() -> None:
    async def story(ground: Ground) -> None:
        engine = Engine(ground)
        await first_release(engine)
        await engine.over(await engine.submit(planning.stop(engine.standing, drain_ms=1_000)))
        ground.probes.broken_artifacts.add(artifact("front", "2"))
        view = await engine.over(await engine.deploy(TWO))
        assert view.first_error and view.first_error["facts"]["serving"] == "nothing"
        await engine.stop()

    play(story)


def test_a_first_release_that_fails_leaves_an_edge_that_says_so() -> None:
    async def story(ground: Ground) -> None:
        engine = Engine(ground)
        ground.runtime.fail["start front"] = fault("for good", final=True)
        view = await engine.over(await engine.deploy(ONE))
        assert view.state == "failed" and summary(view).endswith("; nothing is live there: the edge answers 503")
        assert ground.traffic.edges and engine.standing.open and not running(ground)
        await engine.stop()

    play(story)


def test_a_newer_engine_fences_the_older_one_which_writes_nothing_more() -> None:
    async def story(ground: Ground) -> None:
        old = Engine(ground)
        view = await old.deploy(ONE)
        await old.until(lambda: begun(view, "start stock"))
        new = Engine(ground)
        again = new.world.runs[view.id]
        await new.over(again)
        assert again.state == "done"
        with pytest.raises(Fenced):
            await old.task
        assert not [event for event in ground.ledger.events if event.epoch == 1 and event.seq > new.world.head.seq]
        await new.stop()

    play(story)


# --- killed at every instruction ------------------------------------------------------------------------------------


def appends(story_of: str) -> int:
    """How many appends the story makes when nobody is killed."""
    count = 0

    def counting(_drafts: Sequence[Draft]) -> bool:
        nonlocal count
        count += 1
        return False

    play(lambda ground: _told(ground, story_of, counting))
    return count


async def _told(ground: Ground, kind: str, die_at: object) -> None:
    """One release after the other; of the second the engine dies once, and a new one goes on."""
    engine = Engine(ground)
    await first_release(engine)
    if kind == "down":
        await engine.over(await engine.submit(planning.stop(engine.standing, drain_ms=1_000)))
    await engine.stop()
    if kind in ("broken", "down"):
        ground.probes.broken_artifacts.add(artifact("front", "2"))
    dying = Engine(ground, die_at=die_at)  # type: ignore[arg-type]
    id = ""
    try:
        view = await dying.deploy(TWO)
        id = view.id
        if kind == "breaks":
            await dying.until(lambda: begun(view, "watch") or dying.task.done())
            ground.probes.broken_artifacts.add(artifact("front", "2"))
        await dying.over(view)
        await dying.stop()
    except Killed:
        await dying.stop()
        heir = Engine(ground)
        if kind == "breaks":
            ground.probes.broken_artifacts.add(artifact("front", "2"))
        if not id or id not in heir.world.runs:
            await heir.over(await heir.deploy(TWO))
        else:
            await heir.over(heir.world.runs[id])
        await heir.stop()
    _proven(ground, kind)


def _proven(ground: Ground, kind: str) -> None:
    world = World()
    world.apply_all(ground.ledger.read())
    standing = world.standing("local")
    last = next(view for view in reversed(world.runs.values()) if view.kind == "deploy")
    wanted = {
        "good": ("done", TWO),
        "broken": ("failed", ONE),
        "breaks": ("rolled back", ONE),
        "down": ("failed", ONE),
    }[kind]
    if kind == "breaks" and last.state == "failed":  # it broke before the switch
        wanted = ("failed", ONE)
    assert (last.state, standing.live) == wanted
    assert ground.traffic.public["local"].table == wanted[1].table()
    now = set(running(ground))
    if kind == "down":
        assert not now and not standing.open and not ground.traffic.edges
    else:
        assert names(wanted[1]) <= now
    if wanted[1] is ONE:
        assert now <= names(ONE) and set(standing.placements) == ONE.keys
    assert all(count == 1 for count in running(ground).values())
    assert isinstance(verify(ground.ledger.read()), Head)


KINDS = ("good", "broken", "breaks", "down")
COUNTS = {kind: appends(kind) for kind in KINDS}
APPENDS = [(kind, at) for kind in KINDS for at in range(COUNTS[kind])]
"""One in five is enough for a quick look."""


@pytest.mark.parametrize(
    ("kind", "at"), [pytest.param(kind, at, marks=[pytest.mark.slow] if at % 5 else []) for kind, at in APPENDS]
)
def test_an_engine_killed_before_any_append_is_finished_by_the_next_one(kind: str, at: int) -> None:
    left = at

    def die(_drafts: Sequence[Draft]) -> bool:
        nonlocal left
        left -= 1
        return left < 0

    play(lambda ground: _told(ground, kind, die))
