"""Plans for random platforms, as graphs; and the stories in which their order matters."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st
from sophia_deployment_core import planning
from sophia_deployment_core.environment import Placement
from sophia_deployment_core.plan import Plan, Step, with_way_back
from sophia_deployment_core.release import Revision
from sophia_deployment_core.run import Begin

from tests.support.deciders import Play, Shape, Thing, before, changed, done, histories, name, revision, shapes, stored
from tests.support.examples import at_most

KINDS = st.sampled_from(["deploy", "rollback"])
SEEDS = st.integers(0, 2**16)


def given(*strategies: Any) -> Any:
    """Fewer examples than usual: each is a whole life of an environment."""
    return lambda test: at_most(20)(drawn(*strategies)(test))


def live(*shape: Shape) -> Play:
    """An environment in which these were released, one after the other."""
    play = Play()
    for one in shape:
        assert play.run(planning.deploy(play.standing, revision(one))).state == "done"
    return play


def bad_watch(begin: Begin) -> Any:
    return ("failed", {"again": False}) if begin.step.verb == "watch" else "done"


def verbs(plan: Plan) -> list[str]:
    return [step.verb for step in plan.steps]


def steps(plan: Plan, *wanted: str) -> list[Step]:
    return [step for step in plan.steps if step.verb in wanted]


def actions(plan: Plan) -> dict[str, str]:
    return {change.service: change.action for change in plan.changes}


def service(step: Step, plan: Plan) -> str:
    return plan.workloads[step.args["workload"]].service


# --- every plan -----------------------------------------------------------------------------------------------------


@st.composite
def plans(draw: st.DrawFn) -> tuple[Play, Plan]:
    """A plan of any kind for an environment with a past."""
    *past, target = draw(histories())
    play = live(*past)
    standing = play.standing
    kinds = ["deploy", "rollback"] + (["start", "stop", "retire", "restart"] if past else [])
    match draw(st.sampled_from(kinds)):
        case "start":
            return play, planning.start(standing)
        case "stop":
            return play, planning.stop(standing, drain_ms=1_000)
        case "retire":
            return play, planning.retire(standing, drain_ms=1_000)
        case "restart":
            instances = {key: sorted(place.begun) for key, place in standing.placements.items() if place.begun}
            return play, planning.restart(standing, instances=instances)
        case kind:
            return play, planning.deploy(standing, revision(target), kind=kind)  # type: ignore[arg-type]


@given(plans())
def test_every_step_waits_for_earlier_steps_only_and_the_way_back_has_no_circle(made):
    _, plan = made
    seen: set[str] = set()
    for step in plan.steps:
        assert set(step.after) <= seen and step.id not in seen
        seen.add(step.id)
    left = {step.id: set(step.undo_after) for step in plan.steps if step.undoable}
    while left:
        free = [id for id, waits in left.items() if not waits & left.keys()]
        assert free, f"{left} wait for each other"
        for id in free:
            del left[id]


@given(plans())
def test_every_workload_and_place_that_a_step_names_is_known(made):
    play, plan = made
    placed = {key: set(place.ports) for key, place in play.standing.placements.items()}
    for step in steps(plan, "place"):
        for key, wanted in step.args["placements"].items():
            assert plan.workloads[wanted["workload"]].key == key
            placed[key] = placed.get(key, set()) | set(wanted["numbers"])
    for step in plan.steps:
        if "workload" in step.args:
            assert step.args["workload"] in plan.workloads
        if "numbers" in step.args:
            assert step.args["numbers"] and set(step.args["numbers"]) <= placed[step.args["key"]]


@given(plans())
def test_steps_that_tell_the_proxy_its_backends_never_run_side_by_side_forth_or_back(made):
    _, plan = made
    telling = steps(plan, "open", "place", "serve", "remove")
    for one, other in pairwise(telling):
        assert before(plan.steps, one.id, other.id)
        assert not (one.undoable and other.undoable) or other.id in one.undo_after


@given(plans())
def test_a_plan_comes_back_from_its_text_with_the_same_hash(made):
    _, plan = made
    again = Plan.from_data(plan.to_data())
    assert again == plan and again.hash == plan.hash


@given(histories(), KINDS)
def test_the_same_plan_is_made_of_what_was_stored(shapes, kind):
    """The ledger keeps mappings in another order than they were made in."""
    *past, target = shapes
    play = live(*past)
    plan = planning.deploy(play.standing, revision(target), kind=kind)
    again = planning.deploy(play.standing, stored(revision(target)), kind=kind)
    assert (again.steps, again.hash) == (plan.steps, plan.hash)


# --- releases -------------------------------------------------------------------------------------------------------


@given(histories(), KINDS)
def test_callees_are_verified_before_their_callers_start(shapes, kind):
    *past, target = shapes
    plan = planning.deploy(live(*past).standing, revision(target), kind=kind)
    verified = {service(step, plan): step.id for step in steps(plan, "verify")}
    for step in steps(plan, "start"):
        load = plan.workloads[step.args["workload"]]
        late = before(plan.steps, "switch", step.id)
        for callee in set(load.needs) & verified.keys():
            is_late = before(plan.steps, "switch", verified[callee])
            assert before(plan.steps, verified[callee], step.id) or (is_late and not late)


@given(histories(), KINDS)
def test_the_switch_waits_for_everything_but_workers_singles_and_the_watch(shapes, kind):
    *past, target = shapes
    play = live(*past)
    plan = planning.deploy(play.standing, revision(target), kind=kind)
    known = [*(place.workload for place in play.standing.placements.values()), *revision(target).workloads.values()]
    singles = {load.service for load in known if load.kind == "single"}
    for step in plan.steps:
        if step.id == "switch" or before(plan.steps, step.id, "switch"):
            continue
        assert before(plan.steps, "switch", step.id)
        if step.verb != "watch":
            load = plan.workloads.get(step.args.get("workload", step.args["key"]))
            is_single = step.args["key"].startswith("single-") or (load is not None and load.service in singles)
            assert is_single or (load is not None and load.kind == "worker")


@given(histories(), KINDS)
def test_nothing_starts_before_every_place_is_given_and_every_bundle_is_ready(shapes, kind):
    *past, target = shapes
    plan = planning.deploy(live(*past).standing, revision(target), kind=kind)
    for step in steps(plan, "start", "stop", "serve"):
        for ready in steps(plan, "open", "place", "prepare"):
            assert before(plan.steps, ready.id, step.id)
    for step in steps(plan, "place"):
        assert before(plan.steps, "open", step.id)


@given(histories(), KINDS)
def test_going_back_the_switch_is_first_then_what_came_after_it_then_what_came_before(shapes, kind):
    *past, target = shapes
    plan = planning.deploy(live(*past).standing, revision(target), kind=kind)
    for step in plan.steps:
        if not step.undoable:
            continue
        if step.id == "switch":
            assert step.undo_after == ()
        else:
            assert "switch" in step.undo_after
        if before(plan.steps, step.id, "switch"):
            late = {s.id for s in plan.steps if s.undoable and before(plan.steps, "switch", s.id)}
            assert late <= set(step.undo_after)


@given(histories(), KINDS)
def test_what_both_revisions_share_is_neither_started_nor_stopped(shapes, kind):
    *past, target = shapes
    play = live(*past)
    plan = planning.deploy(play.standing, revision(target), kind=kind)
    shared = {load.identity for load in revision(target).workloads.values()}
    shared &= {place.workload.identity for place in play.standing.placements.values() if place.begun}
    for step in steps(plan, "start", "stop"):
        running = play.standing.placements[step.args["key"]].begun if step.args["workload"] in shared else set()
        assert not running & set(step.args["numbers"])


@given(shapes(), st.data(), KINDS, SEEDS)
def test_what_becomes_a_single_or_was_one_never_runs_beside_what_it_was(shape, data, kind, seed):
    """The machine that plays runs refuses two; here the plan says why there are none, forth and back."""
    index = data.draw(st.sampled_from(sorted(shape)))
    is_called = any(index in thing.needs for thing in shape.values())
    kinds = [each for each in ("service", "single", *(() if is_called else ("worker",))) if each != shape[index].kind]
    target = newer(shape, index, kind=data.draw(st.sampled_from(kinds)), replicas=1)
    if data.draw(st.booleans()):
        target = data.draw(changed(target))
    play = live(shape)
    plan = planning.deploy(play.standing, revision(target), kind=kind)
    old = {load.service: load for load in revision(shape).workloads.values()}
    for step in steps(plan, "start"):
        new = plan.workloads[step.args["workload"]]
        was = old.get(new.service)
        if was is not None and was.kind != new.kind and "single" in (was.kind, new.kind):
            (stop,) = [each for each in steps(plan, "stop") if each.args["workload"] == was.identity]
            assert before(plan.steps, stop.id, step.id) and step.id in stop.undo_after
            assert stop.args["numbers"] == sorted(play.standing.placements[was.key].begun)
    play.random = random.Random(seed)
    assert play.run(plan, data.draw(st.sampled_from([done, bad_watch]))).state in ("done", "rolled back")


@given(shapes(), KINDS, SEEDS)
def test_the_same_revision_again_has_no_steps(shape, kind, seed):
    play = Play(random.Random(seed))
    play.run(planning.deploy(play.standing, revision(shape)))
    again = planning.deploy(play.standing, stored(revision(shape)), kind=kind)
    assert again.steps == () and set(actions(again).values()) == {"unchanged"}
    assert again.previous == revision(shape).name
    assert play.run(again).state == "done"


@given(shapes())
def test_a_first_release_has_no_watch_and_its_way_back_is_an_empty_table(shape):
    plan = planning.deploy(Play().standing, revision(shape))
    assert "watch" not in verbs(plan) and plan.previous is None
    assert plan.by_id["switch"].args["back"] == {"generation": 2, "release": "none", "table": {}}


@given(histories(), st.booleans(), SEEDS)
def test_generations_of_switches_and_ways_back_are_never_used_twice(shapes, breaks, seed):
    play = Play(random.Random(seed))
    for shape in shapes:
        plan = planning.deploy(play.standing, revision(shape))
        if plan.steps:
            newest = play.standing.generation
            switch = plan.by_id["switch"].args
            assert (switch["generation"], switch["back"]["generation"]) == (newest + 1, newest + 2)
            play.run(plan, bad_watch if breaks else done)
            assert play.standing.generation == newest + 2
    assert play.machine.generations == sorted(set(play.machine.generations))


# --- the stories ----------------------------------------------------------------------------------------------------

DATABASE, API, PAGE, MAILER = range(4)
SHOP: Shape = {
    DATABASE: Thing("single", smoke=True),
    API: Thing(needs=(DATABASE,), smoke=True),
    PAGE: Thing(needs=(API,)),
    MAILER: Thing("worker", needs=(DATABASE,)),
}


def newer(shape: Shape, *indices: int, **changes: object) -> Shape:
    told = changes or None
    return {
        index: replace(thing, **(told or {"version": thing.version + 1})) if index in indices else thing  # type: ignore[arg-type]
        for index, thing in shape.items()
    }


def test_a_first_release_in_full():
    plan = planning.deploy(Play().standing, revision(SHOP))
    database, api, page, mailer = map(name, range(4))
    assert [step.id for step in plan.steps] == [
        "open", "place",
        *(f"prepare {load.service}" for load in revision(SHOP).ordered()),
        f"start {database}", f"verify {database}", f"start {api}", f"verify {api}", f"start {page}", f"verify {page}",
        "candidate", f"smoke {database}", f"smoke {api}", "room", "switch", f"start {mailer}", f"verify {mailer}",
    ]  # fmt: skip


def test_a_changed_service_brings_new_workloads_of_its_callers_and_no_others():
    plan = planning.deploy(live(SHOP).standing, revision(newer(SHOP, API)))
    assert actions(plan) == {
        name(DATABASE): "unchanged",
        name(API): "changed",
        name(PAGE): "follows",
        name(MAILER): "unchanged",
    }
    assert {service(step, plan) for step in steps(plan, "start")} == {name(API), name(PAGE)}
    assert [service(step, plan) for step in steps(plan, "verify") if step.args.get("quick")] == [name(DATABASE)]


def test_a_worker_is_handed_over_behind_the_switch_and_the_old_one_stops_last():
    play = live(SHOP)
    plan = planning.deploy(play.standing, revision(newer(SHOP, MAILER)))
    (stop,) = steps(plan, "stop")
    assert before(plan.steps, "switch", f"start {name(MAILER)}")
    assert stop.after == ("switch", f"verify {name(MAILER)}")
    assert stop.args["workload"] == revision(SHOP).workloads[name(MAILER)].identity
    assert play.run(plan, bad_watch).state == "rolled back"
    mailers = [line.split()[0] for line in play.machine.log if name(MAILER) in line]
    assert mailers == ["start", "start", "stop", "start", "stop"]  # old, new, old away, old again, new away


def test_a_worker_that_is_no_longer_declared_stops_behind_the_switch_and_comes_back_with_the_way_back():
    play = live(SHOP)
    less = {index: thing for index, thing in SHOP.items() if index != MAILER}
    plan = planning.deploy(play.standing, revision(less))
    (stop,) = steps(plan, "stop")
    assert stop.after == ("switch",) and actions(plan)[name(MAILER)] == "removed"
    play.run(plan)
    assert play.run(planning.deploy(play.standing, revision(SHOP), kind="rollback")).state == "done"
    assert [line.split()[0] for line in play.machine.log if name(MAILER) in line] == ["start", "stop", "start"]


def test_a_single_that_needs_nothing_new_is_replaced_before_its_callers_start():
    play = live(SHOP)
    plan = planning.deploy(play.standing, revision(newer(SHOP, DATABASE, API)))
    start = plan.by_id[f"start {name(DATABASE)}"]
    assert before(plan.steps, start.id, f"start {name(API)}") and before(plan.steps, start.id, "switch")
    (stop,) = steps(plan, "stop")
    assert stop.id in start.after and f"check {name(DATABASE)}" not in plan.by_id
    (because,) = [change.because for change in plan.changes if change.service == name(DATABASE)]
    assert because.endswith("replaced in place, with a gap")


def test_a_single_is_only_stopped_when_all_that_can_do_without_it_was_verified():
    other = 4
    shape = {**SHOP, other: Thing()}
    plan = planning.deploy(live(shape).standing, revision(newer(shape, DATABASE, API, other)))
    (stop,) = steps(plan, "stop")
    assert f"verify {name(other)}" in stop.after
    assert before(plan.steps, stop.id, f"start {name(API)}") and before(plan.steps, stop.id, f"start {name(PAGE)}")


def test_a_single_is_only_stopped_when_what_is_shared_was_found_well():
    play = live(SHOP)
    plan = planning.deploy(play.standing, revision(newer(SHOP, DATABASE)))
    (stop,) = steps(plan, "stop")
    assert {f"check {name(API)}", f"check {name(PAGE)}"} <= set(stop.after)


def test_a_single_that_needs_something_new_waits_for_the_switch_and_workers_for_it():
    cache, counter, ticker = 0, 1, 2
    shape = {
        cache: Thing(),
        counter: Thing("single", needs=(cache,), smoke=True),
        ticker: Thing("worker", needs=(counter,)),
    }
    plan = planning.deploy(live(shape).standing, revision(newer(shape, cache, ticker)))
    assert before(plan.steps, "switch", f"start {name(counter)}")
    assert before(plan.steps, f"verify {name(counter)}", f"smoke {name(counter)}")
    assert before(plan.steps, f"verify {name(counter)}", f"start {name(ticker)}")
    assert before(plan.steps, f"smoke {name(counter)}", "watch")


def test_a_single_that_calls_a_single_behind_the_switch_waits_for_it():
    cache, store, index = 0, 1, 2
    shape = {cache: Thing(), store: Thing("single", needs=(cache,)), index: Thing("single", needs=(store,))}
    plan = planning.deploy(live(shape).standing, revision(newer(shape, cache, index)))
    assert before(plan.steps, f"verify {name(store)}", f"start {name(index)}")
    assert before(plan.steps, "switch", f"start {name(store)}")


@pytest.mark.parametrize(("old", "new"), [("service", "single"), ("single", "service")])
def test_another_kind_is_put_in_the_place_of_a_single_when_all_that_can_do_without_it_was_verified(old, new):
    other = 4
    shape = {**newer(SHOP, DATABASE, kind=old), other: Thing()}
    play = live(shape)
    target = newer(newer(shape, DATABASE, kind=new), other)
    plan = planning.deploy(play.standing, revision(target))
    (stop,) = [step for step in steps(plan, "stop") if service(step, plan) == name(DATABASE)]
    assert f"verify {name(other)}" in stop.after
    assert plan.by_id[f"start {name(DATABASE)}"].after[0] == stop.id
    assert before(plan.steps, f"verify {name(DATABASE)}", f"start {name(API)}")
    (because,) = [change.because for change in plan.changes if change.service == name(DATABASE)]
    assert because == f"{old} → {new}; replaced in place, with a gap"
    assert play.run(plan).state == "done"
    back = planning.deploy(play.standing, revision(shape), kind="rollback")
    assert before(back.steps, "switch", f"start {name(DATABASE)}"), "its callers are warm"
    assert play.run(back).state == "done"


def test_a_rollback_puts_another_kind_back_before_callers_that_are_to_be_started():
    play = live(newer(SHOP, DATABASE, kind="service"), SHOP)
    play.run(planning.retire(play.standing, drain_ms=1))
    plan = planning.deploy(play.standing, revision(newer(SHOP, DATABASE, kind="service")), kind="rollback")
    assert before(plan.steps, f"verify {name(DATABASE)}", f"start {name(API)}")
    assert before(plan.steps, f"start {name(API)}", "switch")


def test_a_worker_that_becomes_a_single_stops_once():
    play = live(SHOP)
    plan = planning.deploy(play.standing, revision(newer(SHOP, MAILER, kind="single")))
    (stop,) = steps(plan, "stop")
    assert before(plan.steps, stop.id, f"start {name(MAILER)}") and before(
        plan.steps, f"start {name(MAILER)}", "switch"
    )
    assert play.run(plan).state == "done"
    back = planning.deploy(play.standing, revision(SHOP))
    assert before(back.steps, "switch", steps(back, "stop")[0].id)
    assert play.run(back).state == "done"


def test_a_rollback_renames_first_and_then_puts_singles_back():
    play = live(SHOP, newer(SHOP, DATABASE))
    plan = planning.deploy(play.standing, revision(SHOP), kind="rollback")
    assert before(plan.steps, "switch", f"start {name(DATABASE)}")
    assert not {"candidate", "smoke", "watch"} & set(verbs(plan))


def test_an_undone_release_renames_first_and_then_puts_singles_back():
    play = live(SHOP)
    plan = planning.deploy(play.standing, revision(newer(SHOP, DATABASE)))
    begun = len(play.machine.log)
    assert play.run(plan, bad_watch).state == "rolled back"
    assert [line.split()[0] for line in play.machine.log[begun:]] == [
        "stop",
        "start",
        "switch",
        "switch",
        "stop",
        "start",
    ]


def test_a_rollback_is_not_held_up_by_what_both_revisions_share_but_checks_what_was_warm():
    play = live(SHOP, newer(SHOP, API))
    plan = planning.deploy(play.standing, revision(SHOP), kind="rollback")
    assert {service(step, plan) for step in steps(plan, "verify")} == {name(API), name(PAGE)}
    assert not steps(plan, "start")


def test_a_scaled_service_grows_beside_what_runs_and_shrinks_without_a_stop():
    play = live(SHOP)
    more = planning.deploy(play.standing, revision(newer(SHOP, API, replicas=3)))
    key = revision(SHOP).workloads[name(API)].key
    assert actions(more)[name(API)] == "scaled" and actions(more)[name(PAGE)] == "unchanged"
    assert more.by_id["place"].args["placements"][key]["numbers"] == [1, 2]
    assert more.by_id[f"start {name(API)}"].args["numbers"] == [1, 2]
    assert more.by_id[f"serve {name(API)}"].args == {"key": key, "numbers": [0, 1, 2], "was": [0]}
    assert play.run(more).state == "done"
    less = planning.deploy(play.standing, revision(SHOP))
    assert less.by_id[f"serve {name(API)}"].args == {"key": key, "numbers": [0], "was": [0, 1, 2]}
    assert not steps(less, "start", "stop")
    assert play.run(less).state == "done"
    retired = planning.retire(play.standing, drain_ms=1)
    assert [step.args["numbers"] for step in steps(retired, "stop")] == [[1, 2]]
    assert play.run(retired).state == "done"
    again = planning.deploy(play.standing, revision(newer(SHOP, API, replicas=2)))
    assert again.by_id[f"start {name(API)}"].args["numbers"] == [3], "a number is never given twice"


def test_a_worker_is_scaled_behind_the_switch():
    play = live(SHOP)
    plan = planning.deploy(play.standing, revision(newer(SHOP, MAILER, replicas=2)))
    assert plan.by_id[f"start {name(MAILER)}"].args["numbers"] == [1]
    assert before(plan.steps, "switch", f"serve {name(MAILER)}")
    less = planning.deploy(play.standing, revision(SHOP)) if play.run(plan).state == "done" else None
    assert less is not None and before(less.steps, "switch", f"serve {name(MAILER)}")


def test_a_release_into_an_environment_that_is_down_starts_what_is_asleep_with_the_ports_it_has():
    play = live(SHOP)
    play.run(planning.restart(play.standing, instances={revision(SHOP).workloads[name(API)].key: [0]}))
    assert play.run(planning.stop(play.standing, drain_ms=1)).state == "done"
    assert not play.machine.running and not play.machine.open
    plan = planning.deploy(play.standing, revision(SHOP))
    assert plan.by_id[f"start {name(API)}"].args["numbers"] == [1]
    assert "watch" not in verbs(plan), "there is nothing that traffic could go back to"
    assert play.run(plan).state == "done"


def test_nothing_is_watched_where_the_version_before_does_not_stand():
    play = live(SHOP)
    play.run(planning.stop(play.standing, drain_ms=1))
    assert "watch" not in verbs(planning.deploy(play.standing, revision(newer(SHOP, API))))


def test_what_is_live_behind_a_closed_edge_is_released_again():
    play = live(SHOP)
    play.standing.open = False
    assert "switch" in verbs(planning.deploy(play.standing, revision(SHOP)))


def test_a_watch_of_zero_is_no_watch():
    assert "watch" not in verbs(planning.deploy(live(SHOP).standing, revision(newer(SHOP, API), watch_ms=0)))


def test_more_instances_than_one_of_a_changed_single_never_run():
    play = live(SHOP)
    plan = planning.deploy(play.standing, revision(newer(SHOP, DATABASE)))
    start, (stop,) = plan.by_id[f"start {name(DATABASE)}"], steps(plan, "stop")
    assert start.undo_after and start.id in stop.undo_after, "back: the new one stops before the old one starts"


# --- the other kinds ------------------------------------------------------------------------------------------------


@given(histories(most=5), SEEDS)
def test_retiring_never_touches_what_is_live_or_kept_and_leaves_nothing_else(shapes, seed):
    play = live(*shapes)
    kept = revision(shapes[seed % len(shapes)])
    plan = planning.retire(play.standing, keep=kept.keys, drain_ms=1)
    assert play.standing.live is not None
    wanted = play.standing.live.keys | kept.keys
    for step in steps(plan, "drain", "stop"):
        surplus = step.verb == "stop" and not play.standing.placements[step.args["key"]].serving & set(
            step.args["numbers"]
        )
        assert step.args["key"] not in wanted or surplus
    for step in steps(plan, "remove"):
        assert not set(step.args["keys"]) & wanted
    assert play.run(plan).state == "done"
    assert play.standing.placements.keys() <= wanted
    assert planning.retire(play.standing, keep=kept.keys, drain_ms=1).steps == ()


@given(histories(most=5))
def test_retiring_drains_and_stops_callers_before_callees(shapes):
    play = live(*shapes)
    plan = planning.retire(play.standing, drain_ms=1)
    for verb in ("drain", "stop"):
        for one in steps(plan, verb):
            for other in steps(plan, verb):
                loads = [play.standing.placements[step.args["key"]].workload for step in (one, other)]
                if loads[0].calls(loads[1]) and other.args["key"] not in play.standing.live.keys:
                    assert before(plan.steps, one.id, other.id)
    for stop in steps(plan, "stop"):
        for drain in steps(plan, "drain"):
            assert drain.args["key"] != stop.args["key"] or before(plan.steps, drain.id, stop.id)


def test_retiring_in_full():
    play = live(SHOP, newer(SHOP, API))
    old = {index: revision(SHOP).workloads[name(index)].identity[:6] for index in SHOP}
    api, page = f"{name(API)} {old[API]}", f"{name(PAGE)} {old[PAGE]}"
    plan = planning.retire(play.standing, drain_ms=1)
    assert {step.id: step.after for step in plan.steps} == {
        f"drain {page}": (),
        f"drain {api}": (f"drain {page}",),
        f"stop {page}": (f"drain {page}", f"drain {api}"),
        f"stop {api}": (f"drain {page}", f"drain {api}", f"stop {page}"),
        "remove": (f"drain {page}", f"drain {api}", f"stop {page}", f"stop {api}"),
        "prune": (f"drain {page}", f"drain {api}", f"stop {page}", f"stop {api}", "remove"),
    }


def test_retiring_keeps_a_single_that_kept_workloads_still_call():
    less = {index: thing for index, thing in newer(SHOP, API, needs=()).items() if index in (API, PAGE)}
    play = live(SHOP, less)
    keep = {revision(SHOP).workloads[name(PAGE)].key}
    (remove,) = steps(planning.retire(play.standing, keep=keep, drain_ms=1), "remove")
    assert f"single-{name(DATABASE)}" not in remove.args["keys"]
    (remove,) = steps(planning.retire(play.standing, drain_ms=1), "remove")
    assert f"single-{name(DATABASE)}" in remove.args["keys"]


@given(histories(), SEEDS)
def test_down_and_up_again_is_what_it_was(shapes, seed):
    play = live(*shapes)
    play.random = random.Random(seed)
    backends = dict(play.machine.backends)
    table, generation = play.machine.table, play.machine.generation
    down = planning.stop(play.standing, drain_ms=1)
    assert play.run(down).state == "done"
    assert not play.machine.running and not play.machine.open
    assert verbs(planning.stop(play.standing, drain_ms=1)) == ["close"], "whatever it is that still listens"
    up = planning.start(play.standing)
    assert not up.undoable and play.run(up).state == "done"
    live_places = [play.standing.placements[key] for key in play.standing.live.keys]
    wanted = {(place.workload.identity, number) for place in live_places for number in place.serving}
    assert set(play.machine.running) == wanted
    assert (play.machine.backends, play.machine.table, play.machine.generation) == (backends, table, generation)


def test_up_starts_the_instances_that_served_whatever_their_numbers():
    play = live(SHOP)
    key = revision(SHOP).workloads[name(API)].key
    for plan in (planning.restart(play.standing, instances={key: [0]}), None):
        assert play.run(plan or planning.stop(play.standing, drain_ms=1)).state == "done"
    up = planning.start(play.standing)
    assert up.by_id[f"start {name(API)}"].args["numbers"] == [1] and "place" not in up.by_id
    assert play.run(up).state == "done"


@given(histories())
def test_down_closes_the_edge_first_and_stops_callers_before_callees(shapes):
    play = live(*shapes)
    plan = planning.stop(play.standing, drain_ms=1)
    for one in steps(plan, "stop"):
        assert before(plan.steps, "close", one.id)
        for other in steps(plan, "stop"):
            loads = [plan.workloads[step.args["workload"]] for step in (one, other)]
            assert not loads[0].calls(loads[1]) or before(plan.steps, one.id, other.id)


def test_a_restart_moves_requests_to_fresh_instances_before_the_old_ones_stop():
    play = live(newer(SHOP, API, replicas=2))
    key = play.standing.live.workloads[name(API)].key  # type: ignore[union-attr]
    plan = planning.restart(play.standing, instances={key: [0], f"single-{name(DATABASE)}": [0]})
    (serve,), (stop,) = steps(plan, "serve"), [step for step in steps(plan, "stop") if step.args["key"] == key]
    assert serve.args["numbers"] == [1, 2] and stop.args["numbers"] == [0] and stop.after == (serve.id,)
    assert play.run(plan).state == "done"
    place = play.standing.placements[key]
    assert place.serving == place.begun == set(place.ports) == {1, 2}
    assert [line.split()[0] for line in play.machine.log if name(DATABASE) in line] == ["start", "stop", "start"]


def test_a_restart_replaces_only_what_serves_and_stops_the_surplus():
    play = live(newer(SHOP, API, replicas=3), SHOP)
    key = revision(SHOP).workloads[name(API)].key
    plan = planning.restart(play.standing, instances={key: [0, 1, 2]})
    assert [step.args["numbers"] for step in steps(plan, "start", "serve", "stop")] == [[3], [3], [0, 1, 2]]
    surplus = planning.restart(play.standing, instances={key: [1, 2]})
    assert verbs(surplus) == ["stop"]
    assert play.run(surplus).state == "done" and play.standing.placements[key].begun == {0}


def test_a_step_may_take_as_long_as_taking_it_back_may():
    graceful = {index: replace(thing, grace_s=90) for index, thing in SHOP.items()}
    plan = planning.deploy(live(SHOP).standing, revision(graceful))
    for step in steps(plan, "start", "stop"):
        assert step.limit_ms >= plan.workloads[step.args["workload"]].grace_ms + 15_000


def test_a_restart_that_fails_late_gives_every_instance_back():
    play = live(newer(SHOP, API, PAGE, replicas=2))
    instances = {key: sorted(place.begun) for key, place in play.standing.placements.items()}
    before_it = dict(play.machine.running), dict(play.machine.backends)
    plan = planning.restart(play.standing, instances=instances)
    (last,) = [step for step in plan.steps if step.verb == "stop" and service(step, plan) == name(PAGE)]
    view = play.run(
        plan, lambda begin: ("failed", {"again": False}) if begin.step == last and begin.phase == "do" else "done"
    )
    assert view.state == "failed"
    assert (play.machine.running, play.machine.backends) == before_it


# --- what a plan rests on -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        lambda standing: setattr(standing, "live", None),
        lambda standing: setattr(standing, "generation", standing.generation + 1),
        lambda standing: setattr(standing, "current_generation", standing.current_generation + 1),
        lambda standing: setattr(standing, "open", False),
        lambda standing: setattr(standing, "edge_port", None),
        lambda standing: standing.placements.popitem(),
        lambda standing: place(standing).ports.update({7: 7}),
        lambda standing: place(standing).begun.add(7),
        lambda standing: place(standing).serving.add(7),
        lambda standing: setattr(place(standing), "numbered", 7),
        lambda standing: setattr(place(standing), "listener_port", 0),
        lambda standing: setattr(place(standing), "workload", revision(newer(SHOP, API)).workloads[name(API)]),
    ],
)
def test_the_basis_changes_with_everything_that_a_plan_rests_on(change):
    standing = live(SHOP).standing
    was = planning.basis(standing)
    change(standing)
    assert planning.basis(standing) != was


def place(standing) -> Placement:
    return standing.placements[min(standing.placements)]


@given(histories(), histories())
def test_one_basis_and_one_target_make_one_plan(one, other):
    first, second = live(*one[:-1]), live(*other[:-1])
    target = revision(one[-1])
    if planning.basis(first.standing) == planning.basis(second.standing):
        assert planning.deploy(first.standing, target) == planning.deploy(second.standing, target)
    else:
        assert planning.deploy(first.standing, target).hash != planning.deploy(second.standing, target).hash


def test_steps_that_wait_for_what_is_not_there_are_refused():
    with pytest.raises(ValueError, match="waits for a step that is not listed before it"):
        with_way_back([Step("a", "start", after=("b",)), Step("b", "start")])
    with pytest.raises(ValueError, match="there twice"):
        with_way_back([Step("a", "start"), Step("a", "start")])


def test_why_a_service_is_touched_is_said_in_words():
    old, new = revision(SHOP), revision(newer(newer(SHOP, API, needs=()), MAILER, kind="service"))
    told = {change.service: change.because for change in planning.compare(old, new)}
    assert told[name(API)] == "what it needs"
    assert told[name(PAGE)] == f"it needs `{name(API)}`, which changed"
    assert told[name(MAILER)] == "worker → service"
    gone = {
        change.service: change
        for change in planning.compare(old, Revision.from_data({**new.to_data(), "workloads": {}}))
    }
    assert {change.action for change in gone.values()} == {"removed"}
