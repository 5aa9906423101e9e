"""What stands in an environment after everything that can become of a run."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from sophia_deployment_core import planning
from sophia_deployment_core.environment import Shipped, Standing
from sophia_deployment_core.release import Revision
from sophia_deployment_core.run import Begin, View
from sophia_deployment_core.world import World

from tests.support.deciders import ENVIRONMENT, Play, Thing, histories, revision
from tests.support.examples import at_most

A, B, C, D = (revision({0: Thing(version=version)}) for version in (1, 2, 3, 4))
FATAL = ("failed", {"again": False})


def bad(verb: str) -> Any:
    """That step fails for good when it is done; what goes back goes well."""
    return lambda begin: FATAL if (begin.step.verb, begin.phase) == (verb, "do") else "done"


def shipped(*revisions: Revision) -> Play:
    play = Play()
    for one in revisions:
        assert deploy(play, one).state == "done"
    return play


def deploy(play: Play, target: Revision, outcome: Any = lambda begin: "done") -> View:
    return play.run(planning.deploy(play.standing, target), outcome)


def back(play: Play, outcome: Any = lambda begin: "done") -> View:
    """What `rollback` does without being told where to."""
    previous = play.standing.previous()
    assert previous is not None
    return play.run(planning.deploy(play.standing, previous.revision, kind="rollback"), outcome)


def goes_to(play: Play) -> Revision | None:
    previous = play.standing.previous()
    return previous.revision if previous else None


# --- folding --------------------------------------------------------------------------------------------------------


@given(histories(), st.integers(0, 2**32), st.sampled_from([0.0, 0.15]))
@at_most(15)
def test_the_world_folded_from_any_beginning_is_the_one_applied_entry_by_entry(shapes, seed, badness):
    play = Play(random.Random(seed))

    def outcome(begin: Begin) -> Any:
        return FATAL if begin.phase == "do" and play.random.random() < badness else "done"

    for shape in shapes:
        deploy(play, revision(shape), outcome)
        play.run(planning.retire(play.standing, drain_ms=1))
    grown = World(play.epoch)
    stops = set(play.random.choices(range(len(play.events)), k=8))
    for count, event in enumerate(play.events):
        grown.apply(event)
        if count in stops:
            again = World(play.epoch)
            again.apply_all(play.events[: count + 1])
            assert again == grown
    assert grown == play.world


@given(histories(), st.integers(0, 2**32), st.sampled_from([0.0, 0.2]))
@at_most(15)
def test_no_port_is_ever_spoken_for_twice(shapes, seed, badness):
    play = Play(random.Random(seed))

    def looked(play: Play) -> None:
        standing = play.standing
        every = [port for port in (standing.edge_port, standing.private_port) if port]
        for place in standing.placements.values():
            every += [port for port in (place.listener_port, *place.ports.values()) if port]
        assert len(every) == len(set(every)) and set(every) == standing.ports()
        for _, number in play.machine.running:
            assert any(number in place.ports for place in standing.placements.values())

    play.on_effect = looked
    for shape in shapes:
        deploy(play, revision(shape), lambda begin: FATAL if play.random.random() < badness else "done")
        if play.world.open_runs():
            return  # going back failed: somebody is needed
        keys = {key: sorted(place.begun) for key, place in play.standing.placements.items() if place.begun}
        if play.standing.live:
            play.run(planning.restart(play.standing, instances=keys))


def test_a_worker_has_neither_listener_nor_port():
    play = shipped(revision({0: Thing("worker")}))
    (place,) = play.standing.placements.values()
    assert (place.listener_port, place.ports, place.serving) == (0, {0: 0}, {0})
    assert play.standing.backends() == () and play.machine.backends == {}


def test_a_step_that_failed_before_its_intent_said_anything_can_be_folded():
    play = Play()
    view = play.submit(planning.deploy(play.standing, A))
    for step in ("open", "place"):
        about = {"step": step, "phase": "do", "attempt": 1}
        play.append("step started", {**about, "until_ms": 0, "with": {}}, view.id)
        error = {"code": "SPH-1203", "message": "no port", "hint": "", "facts": {}}
        play.append("step failed", {**about, "error": error, "again": False}, view.id)
    assert play.carry_on(view).state == "failed"
    assert play.standing.placements == {} and not play.standing.open


def test_ports_of_an_edge_are_taken_with_the_intent():
    play = Play()
    view = play.submit(planning.deploy(play.standing, A))
    play.obey(view.id, next(one for one in play.decisions(view.id) if one.step.verb == "open"))  # type: ignore[union-attr]
    assert play.world.ports() == {8080, play.standing.private_port} and not play.standing.open


# --- what is live ---------------------------------------------------------------------------------------------------


def test_after_a_deployment_the_new_revision_is_live_and_the_old_one_is_where_a_rollback_goes():
    play = shipped(A)
    assert (play.standing.live, play.standing.before, goes_to(play)) == (A, None, None)
    view = deploy(play, B)
    standing = play.standing
    assert (standing.live, standing.before, standing.live_run, goes_to(play)) == (B, A, view.id, A)
    assert (standing.generation, standing.current_generation) == (4, 3)
    assert [entry.revision for entry in standing.history] == [A, B]


def test_after_an_undone_switch_the_old_revision_is_live_and_the_new_one_is_not_good():
    play = shipped(A, B)
    was = play.standing.live_run
    assert deploy(play, C, bad("watch")).state == "rolled back"
    standing = play.standing
    assert (standing.live, standing.live_run, goes_to(play)) == (B, was, A)
    assert (standing.generation, standing.current_generation) == (6, 6)
    assert [entry.good for entry in standing.history] == [True, True, False]


def test_a_switch_that_failed_is_no_history():
    play = shipped(A)
    since = play.standing.live_since_ms
    assert deploy(play, B, bad("switch")).state == "rolled back" and play.standing.live_since_ms == since
    assert (play.standing.live, len(play.standing.history), play.standing.live_run) == (A, 1, "run-1")
    assert deploy(play, B).state == "done" and goes_to(play) == A


def test_a_release_that_failed_before_its_switch_leaves_everything_as_it_was():
    play = shipped(A)
    generation, placed = play.standing.generation, set(play.standing.placements)
    assert deploy(play, B, bad("verify")).state == "failed"
    assert (play.standing.live, play.standing.generation, set(play.standing.placements)) == (A, generation, placed)


def test_a_first_release_that_failed_behind_the_switch_leaves_nothing_live():
    play, shape = Play(), {0: Thing(), 1: Thing("worker")}
    fails = lambda begin: FATAL if begin.step.id == "verify y-1" else "done"  # noqa: E731
    assert deploy(play, revision(shape), fails).state == "failed"
    assert play.standing.live is None and play.standing.live_run is None and goes_to(play) is None
    assert play.machine.table == {} and play.machine.running == {}
    assert deploy(play, revision(shape)).state == "done"


def test_rollback_goes_one_good_revision_further_back_each_time():
    play = shipped(A, B, C)
    assert back(play).state == "done" and play.standing.live == B and goes_to(play) == A
    assert back(play).state == "done" and play.standing.live == A and goes_to(play) is None
    assert deploy(play, D).state == "done" and goes_to(play) == A


def test_what_was_rolled_back_from_is_good_again_once_it_is_released_again():
    play = shipped(A, B)
    back(play)
    deploy(play, B)
    deploy(play, C)
    assert goes_to(play) == B


def test_a_revision_that_failed_the_second_time_is_not_gone_back_to_because_of_the_first():
    play = shipped(A, B)
    assert deploy(play, A, bad("watch")).state == "rolled back"
    assert play.standing.live == B and goes_to(play) is None


def test_a_rollback_that_is_undone_leaves_what_it_came_from_good():
    play = shipped(A, B)
    view = play.submit(planning.deploy(play.standing, A, kind="rollback"))
    play.carry_on(view, until=lambda view: play.standing.live == A)
    play.ask("cancel asked", view.id)
    assert play.carry_on(view).state == "rolled back" and play.standing.live == B
    assert deploy(play, C).state == "done" and goes_to(play) == B


@given(st.lists(st.tuples(st.sampled_from("ABCD"), st.sampled_from(["deploy", "rollback", "bad"])), max_size=7))
@at_most(25)
def test_what_is_live_was_shipped_is_good_and_is_never_where_a_rollback_goes(moves):
    play = shipped(A)
    for letter, how in moves:
        target = {"A": A, "B": B, "C": C, "D": D}[letter]
        kind = "rollback" if how == "rollback" else "deploy"
        play.run(planning.deploy(play.standing, target, kind=kind), bad("watch") if how == "bad" else _well)  # type: ignore[arg-type]
        standing = play.standing
        newest = standing.newest(standing.live)
        assert newest is not None and newest.good and newest.run == standing.live_run
        assert play.machine.table == standing.live.table()  # type: ignore[union-attr]
        assert play.machine.generation == standing.current_generation <= standing.generation
        previous = standing.previous()
        if previous is not None:
            assert previous.good and previous.revision != standing.live
            assert standing.shipped(f"#{previous.number}") is previous


def _well(_: Begin) -> str:
    return "done"


def test_a_shipped_revision_is_found_by_its_name_its_release_and_its_runs_number():
    play = shipped(A, B)
    standing = play.standing
    for name in (A.name, A.digest, A.release, A.release[:4], "#1"):
        found = standing.shipped(name)
        assert isinstance(found, Shipped) and found.revision == A
    assert standing.shipped(A.release[:3]) is standing.shipped("#9") is standing.shipped("") is None


def test_the_newest_of_several_is_meant_by_a_name():
    play = shipped(A, B, A)
    assert play.standing.shipped(A.name).number == 3  # type: ignore[union-attr]


def test_retiring_forgets_the_old_placement_and_scaling_gives_back_what_is_gone():
    more = revision({0: Thing(version=2, replicas=3)})
    play = shipped(A, B, more, B)
    (key,) = B.keys
    assert play.standing.placements.keys() == A.keys | B.keys
    assert play.standing.placements[key].begun == {0, 1, 2} and play.standing.placements[key].serving == {0}
    play.run(planning.retire(play.standing, drain_ms=1))
    assert play.standing.placements.keys() == B.keys
    assert set(play.standing.placements[key].ports) == {0} and play.standing.placements[key].numbered == 3


def test_a_queued_run_that_ends_takes_nothing_from_the_run_that_has_the_lane():
    play = shipped(A)
    view = play.submit(planning.deploy(play.standing, revision({0: Thing(replicas=2)})))
    play.carry_on(view, until=lambda view: view.step("do", "place").state == "done")
    waiting = play.submit(planning.deploy(play.standing, B), lane=False)
    play.append("run ended", {"state": "cancelled", "because": "superseded"}, waiting.id)
    assert set(play.standing.placements[A.workloads["z-0"].key].ports) == {0, 1}
    assert play.carry_on(view).state == "done"


# --- the world ------------------------------------------------------------------------------------------------------


def test_an_environment_taken_down_by_its_name_stays_down_until_it_is_started():
    play = shipped(A)
    stop = lambda tags: play.carry_on(play.submit(planning.stop(play.standing, drain_ms=1), tags=tags))  # noqa: E731
    stop(["alone"])
    assert play.standing.down_alone
    stop([])
    assert play.standing.down_alone, "taking everything down does not unsay it"
    play.run(planning.start(play.standing))
    assert not play.standing.down_alone
    stop([])
    assert not play.standing.down_alone


def test_a_run_is_found_by_its_number_and_by_the_beginning_of_its_id():
    world = World()
    plan = planning.deploy(Standing(ENVIRONMENT), A)
    play = Play()
    play.submit(plan)
    play.submit(plan)
    world.apply_all(play.events)
    for id in ("01987654-1111", "01987654-2222", "01990000-3333"):
        world.runs[id] = View(id, 40, plan, "ada")
    assert world.find("2") is world.find("#2") is world.find("run-2") is world.runs["run-2"]
    assert world.find("019900") is world.runs["01990000-3333"], "a beginning of digits is no number"
    assert world.find("01987654") is None, "two runs begin like this"
    assert world.find("01990") is None and world.find("²") is None and world.find("#") is None


def test_the_lane_is_held_until_the_run_has_ended_also_while_it_needs_somebody():
    play = shipped(A)
    view = play.submit(planning.deploy(play.standing, B), lane=False)
    assert play.world.holder(ENVIRONMENT) is None
    play.append("lane taken", {"environment": ENVIRONMENT}, view.id)
    play.carry_on(
        view, lambda begin: ("failed", {"again": False, "hold": True}) if begin.step.verb == "watch" else "done"
    )
    assert play.view(view.id).state == "needs you" and play.world.holder(ENVIRONMENT) is play.view(view.id)
    play.ask("rollback asked", view.id)
    assert play.carry_on(view).state == "rolled back" and play.world.holder(ENVIRONMENT) is None


def test_an_environment_is_held_until_it_is_steady_or_something_else_is_live():
    play = shipped(A)
    held = {"environment": ENVIRONMENT, "because": "it crashes"}
    play.append("environment held", held, None)
    assert play.standing.held == "it crashes"
    play.append("environment steady", {"environment": ENVIRONMENT, "because": "it no longer does"}, None)
    assert play.standing.held is None
    play.append("environment held", held, None)
    deploy(play, B)
    assert play.standing.held is None
