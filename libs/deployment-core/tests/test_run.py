"""Runs of random plans with random ends, deaths and wishes, against a machine that knows what may never happen."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sophia_deployment_core import planning, run
from sophia_deployment_core.plan import Plan, Step, with_way_back
from sophia_deployment_core.run import ENDED, Begin, End, Hold, Undo, View
from sophia_deployment_core.world import World

from tests.support.deciders import ENVIRONMENT, Play, Thing, answering, changed, histories, revision, shapes
from tests.support.examples import at_most

FATAL = ("failed", {"again": False})
AGAIN = ("failed", {"again": True})
HOLDS = ("failed", {"again": False, "hold": True})


# --- whatever happens -----------------------------------------------------------------------------------------------


class Fate:
    """Lets everything happen, and looks after every event and every effect."""

    def __init__(self, play: Play, view: View, *, badness: float, wishes: int, deaths: int, calm: bool) -> None:
        self.play, self.id, self.badness = play, view.id, badness
        self.calm = calm and any(step.verb == "switch" for step in view.plan.steps)
        self.was_down = not play.machine.open
        self.wishes, self.deaths = wishes, deaths
        self.undone: list[str] = []
        play.on_effect = self.looked

    @property
    def view(self) -> View:
        return self.play.view(self.id)

    @property
    def is_calm(self) -> bool:
        """Nothing goes wrong before the switch."""
        return self.calm and not self.view.switched

    def outcome(self, begin: Begin) -> Any:
        random = self.play.random
        if begin.phase == "undo" and begin.attempt > 12:
            return "done"  # else a person would have to come for ever
        if self.deaths and random.random() < 0.08:
            self.deaths -= 1
            return "lost"
        if self.is_calm or random.random() >= self.badness:
            return "done"
        return random.choice([AGAIN, AGAIN, FATAL, HOLDS])

    def step(self) -> None:
        """One thing happens."""
        play, random = self.play, self.play.random
        wants = self.wishes > 0 and not self.is_calm and random.random() < 0.04
        if wants or self.view.state == "needs you":
            self.wishes -= 1
            wish = random.choice(["cancel asked", "rollback asked", "resumed"])
            if wish != "resumed" or self.view.state == "needs you":
                play.ask(wish, self.id)
            return
        due = self.checked()
        if due and (not play.under_way or random.random() < 0.6):
            self.obey(random.choice(due))
        elif play.under_way:
            key = random.choice(sorted(play.under_way))
            said = self.outcome(play.under_way[key])
            if said == "lost":
                play.die(self.id)
            else:
                word, facts = said if isinstance(said, tuple) else (said, {})
                play.finish(self.id, key, word, facts)
                if key[0] == "undo" and word == "done":
                    self.undone.append(key[1])
        else:
            assert self.view.state == "needs you", "nothing is due, nothing is under way, and nobody was asked"

    def checked(self) -> list[Any]:
        """What is due; the same when it is folded again."""
        play = self.play
        if play.random.random() < 0.2:
            assert run.fold(play.of(self.id), epoch=play.epoch) == self.view
        return play.decisions(self.id)

    def obey(self, decision: Any) -> None:
        view, plan = self.view, self.view.plan
        assert view.state not in ENDED and view.held is None
        running = list(self.play.under_way)
        match decision:
            case Begin(step, "do"):
                assert view.undoing is None and view.asked is None
                assert all(view.do[name].state == "done" for name in step.after)
                assert view.step("do", step.id).failures < step.attempts
            case Begin(step, "undo"):
                assert view.undoing is not None and plan.undoable and step.undoable
                assert not [key for key in running if key[0] == "do"], "undone while something is done"
                begun = {id for id, state in view.do.items() if state.state != "idle"}
                assert begun & set(step.undo_after) <= {id for id, state in view.undo.items() if state.state == "done"}
            case End() | Hold():
                assert not running, "it ends while something is under way"
            case Undo():
                assert view.undoing is None
        self.play.obey(self.id, decision)

    def looked(self, play: Play) -> None:
        """After every effect: what users can reach answers."""
        machine = play.machine
        if self.view.kind in ("deploy", "rollback") and not self.was_down:
            for key in machine.table.values():
                assert answering(machine, play.standing.placements, key), "a request meets what does not run"


@st.composite
def lives(draw: st.DrawFn) -> tuple[Play, Plan]:
    """An environment with a past, and the plan of its next run."""
    *past, target = draw(histories(most=3))
    play = Play(random.Random(draw(st.integers(0, 2**32))))
    for shape in past:
        play.run(planning.deploy(play.standing, revision(shape)))
    match draw(st.sampled_from(["released", "released", "retired", "down"] if past else ["released"])):
        case "retired":
            play.run(planning.retire(play.standing, drain_ms=1))
        case "down":
            play.run(planning.stop(play.standing, drain_ms=1))
    kinds = ["deploy", "deploy", "deploy", "rollback", "rollback", "restart", "retire", "stop"]
    kind = draw(st.sampled_from(kinds if past else ["deploy"]))
    match kind:
        case "restart" if play.machine.open:
            keys = {key: sorted(place.begun) for key, place in play.standing.placements.items() if place.begun}
            return play, planning.restart(play.standing, instances=keys)
        case "retire":
            return play, planning.retire(play.standing, drain_ms=1)
        case "stop":
            return play, planning.stop(play.standing, drain_ms=1)
    return play, planning.deploy(play.standing, revision(target), kind="rollback" if kind == "rollback" else "deploy")


@given(lives(), st.sampled_from([0.05, 0.2, 0.4]), st.integers(0, 3), st.integers(0, 8), st.booleans())
@at_most(100)
def test_whatever_happens_a_run_ends_everywhere_or_nowhere(life, badness, wishes, deaths, calm):
    play, plan = life
    was = (dict(play.machine.running), dict(play.machine.backends), dict(play.machine.table))
    was_live, was_placed = play.standing.live, dict(play.standing.placements)
    fate = Fate(play, play.submit(plan), badness=badness, wishes=wishes, deaths=deaths, calm=calm)
    for _ in range(5_000):
        if fate.view.state in ENDED:
            break
        fate.step()
    view = fate.view
    assert view.state in ENDED and not play.under_way and run.next(view) == []
    _refolded(play)
    if view.state == "done" or plan.undoable:
        places = play.standing.placements
        told = {(place.workload.identity, number) for place in places.values() for number in place.begun}
        assert set(play.machine.running) == told, "the ledger knows what runs"
        if play.machine.open:
            assert play.machine.backends == {key: place.serving for key, place in places.items() if place.listener_port}
        assert all(set(place.ports) == place.serving | place.begun for place in places.values())
    if view.state == "done":
        assert all(state.state == "done" for state in view.do.values()) and len(view.do) == len(plan.steps)
        assert plan.kind not in ("deploy", "rollback") or play.standing.live == plan.target
    elif plan.undoable:
        begun = {step.id for step in plan.steps if step.undoable and view.step("do", step.id).state != "idle"}
        assert set(fate.undone) == begun, "everything that was begun is undone, and nothing else"
        for index, id in enumerate(fate.undone):
            assert not set(plan.by_id[id].undo_after) & set(fate.undone[index:])
        assert (set(play.machine.running), play.machine.table) == (set(was[0]), was[2])
        assert {key: told for key, told in play.machine.backends.items() if told} == was[1]
        assert play.standing.live == was_live and play.standing.placements.keys() == was_placed.keys()
        assert not (plan.was_down and play.machine.open), "it is down again"
        stood = plan.previous and not plan.was_down
        assert view.state == ("rolled back" if view.switched and stood else _word(view))


def _word(view: View) -> str:
    assert view.undoing is not None
    return "failed" if view.undoing["kind"] == "failure" else "cancelled"


def _refolded(play: Play) -> None:
    """The whole ledger folded at once, by another engine, tells the same of what stands."""
    for epoch in (play.epoch, None):
        world = World(epoch)
        world.apply_all(play.events)
        assert world.environments == play.world.environments and world.head == play.world.head
        assert [view.state for view in world.runs.values()] == [view.state for view in play.world.runs.values()]


@given(shapes(), st.integers(0, 2**16), st.data())
@at_most(12)
def test_the_view_folded_from_any_beginning_is_the_one_applied_event_by_event(shape, seed, data):
    play = Play(random.Random(seed))
    play.run(planning.deploy(play.standing, revision(shape)))
    target = revision(data.draw(changed(shape)))
    view = play.run(planning.deploy(play.standing, target), lambda begin: play.random.choice(["done", "done", AGAIN]))
    events, grown = play.of(view.id), None
    for count, event in enumerate(events, 1):
        grown = run.apply(grown, event, epoch=1)
        assert grown == run.fold(events[:count], epoch=1)
    assert grown == view


# --- by hand --------------------------------------------------------------------------------------------------------


NOBODY: dict[str, Any] = {"key": "", "numbers": []}
ARGS: dict[str, dict[str, Any]] = {
    "switch": {"generation": 1, "back": {"generation": 2}},
    "open": {"edge_port": 8080},
    "place": {"placements": {}},
    "remove": {"keys": []},
    **dict.fromkeys(("start", "stop", "serve"), NOBODY),
}


def line(*verbs: str, kind: Any = "deploy", undoable: bool = True, previous: str | None = "abc", **more: Any) -> Plan:
    """One step after the other; two with `|` between them side by side."""
    steps: list[Step] = []
    waits: tuple[str, ...] = ()
    for verb in verbs:
        ids = []
        for one in verb.split("|"):
            steps.append(Step(one, one, ARGS.get(one, {}), waits, **more))
            ids.append(one)
        waits = tuple(ids)
    target = revision({0: Thing()})
    return Plan(kind, ENVIRONMENT, "", with_way_back(steps), target=target, previous=previous, undoable=undoable)


class Hand:
    """A run that is told event by event."""

    def __init__(self, plan: Plan, *, lane: bool = True) -> None:
        self.play = Play()
        self.id = self.play.submit(plan, lane=lane).id

    @property
    def view(self) -> View:
        return self.play.view(self.id)

    @property
    def due(self) -> list[Any]:
        return run.next(self.view)

    @property
    def words(self) -> list[str]:
        """`do start`, `undo switch`, `End done`, `Hold …`"""
        return [_said(decision) for decision in self.due]

    def tell(self, kind: str, **body: Any) -> None:
        self.play.append(kind, body, self.id)

    def started(self, step: str, phase: str = "do") -> None:
        self.tell("step started", step=step, phase=phase, attempt=1, until_ms=0, **{"with": {}})

    def did(self, *steps: str, phase: str = "do") -> None:
        for step in steps:
            self.started(step, phase)
            self.tell("step done", step=step, phase=phase, attempt=1, result={})

    def failed(self, step: str, phase: str = "do", *, again: bool = False, **error: Any) -> None:
        if self.view.step(phase, step).state != "running":
            self.started(step, phase)
        told = {"code": "SPH-1999", "message": f"{step} is broken", "hint": "", "facts": {}, **error}
        self.tell("step failed", step=step, phase=phase, attempt=1, error=told, again=again)

    def asked(self, wish: str) -> None:
        self.tell(f"{wish} asked", by="ada", reason="late")

    def obey(self) -> None:
        for decision in self.due:
            if not isinstance(decision, Begin):
                self.play.obey(self.id, decision)

    def dies(self, *, times: int = 1) -> None:
        for _ in range(times):
            self.play.die(self.id)


def _said(decision: Any) -> str:
    match decision:
        case Begin(step, phase):
            return f"{phase} {step.id}"
        case Undo(because):
            return f"Undo {because['kind']}"
        case End(state, _):
            return f"End {state}"
    return f"Hold {decision.because}"


def test_a_run_without_the_lane_begins_nothing():
    hand = Hand(line("place", "start"), lane=False)
    assert hand.words == []
    hand.tell("lane taken", environment=ENVIRONMENT)
    assert hand.words == ["do place"]


def test_a_run_that_waits_for_the_lane_can_be_cancelled():
    hand = Hand(line("place", "start"), lane=False)
    hand.asked("cancel")
    hand.obey()
    assert hand.words == ["End cancelled"]


def test_the_plan_that_counts_is_the_one_of_the_lane():
    hand = Hand(line("place"), lane=False)
    hand.tell("lane taken", environment=ENVIRONMENT, plan=line("start").to_data())
    assert hand.words == ["do start"]


def test_steps_side_by_side_begin_together_and_the_next_waits_for_both():
    hand = Hand(line("place", "start|verify", "switch"))
    hand.did("place")
    assert hand.words == ["do start", "do verify"]
    hand.did("verify")
    assert hand.words == ["do start"]
    hand.did("start")
    assert hand.words == ["do switch"]


def test_a_run_without_steps_is_done():
    assert Hand(line()).words == ["End done"]


def test_a_step_is_tried_again_after_a_growing_pause_and_as_often_as_the_plan_says():
    hand = Hand(line("start", attempts=3))
    pauses = []
    for _ in range(2):
        hand.failed("start", again=True)
        (begin,) = hand.due
        pauses.append(begin.delay_ms)
    assert pauses == [250, 1_000] and begin.attempt == 3
    hand.failed("start", again=True)
    assert hand.words == ["Undo failure"]


def test_a_step_that_need_not_be_tried_again_is_not():
    hand = Hand(line("start", attempts=3))
    hand.failed("start", again=False)
    assert hand.words == ["Undo failure"]


def test_going_back_waits_for_what_is_under_way():
    hand = Hand(line("place", "start|serve", "switch"))
    hand.did("place")
    hand.started("serve")
    hand.failed("start")
    hand.obey()
    assert hand.view.undoing["step"] == "start" and hand.words == []
    hand.failed("serve")
    assert hand.words == ["undo start", "undo serve"]
    hand.did("start", phase="undo")
    assert hand.words == ["undo serve"]
    hand.did("serve", phase="undo")
    assert hand.words == ["undo place"]
    hand.did("place", phase="undo")
    assert hand.words == ["End failed"] and hand.due[0].because == "start is broken"


def test_what_was_begun_by_an_engine_that_died_is_undone_too():
    hand = Hand(line("place", "start", "switch"))
    hand.did("place")
    hand.started("start")
    hand.dies()
    hand.asked("cancel")
    hand.obey()
    assert hand.words == ["undo start"]


def test_a_step_whose_engine_died_is_begun_again_but_not_for_ever():
    hand = Hand(line("place", "start"))
    for attempt in range(1, run.ENGINE_DEATHS + 1):
        assert hand.words == ["do place"] and hand.due[0].attempt == attempt
        hand.started("place")
        hand.dies()
    (undo,) = hand.due
    assert undo.because["message"] == "`place`: the engine died 25 times before it was done"


def test_a_step_that_was_given_up_because_engines_died_is_begun_again_when_somebody_resumes():
    hand = Hand(line("switch", "start", kind="rollback"))
    hand.did("switch")
    for _ in range(run.ENGINE_DEATHS):
        hand.started("start")
        hand.dies()
    assert hand.words == ["Hold `start`: the engine died 25 times before it was done"]
    hand.obey()
    hand.tell("resumed", by="ada")
    assert hand.words == ["do start"]


def test_resuming_forgives_deaths_and_failures_and_does_not_mix_them_up():
    hand = Hand(line("start", "watch", attempts=1))
    hand.did("start")
    for _ in range(2 * run.ENGINE_DEATHS):
        hand.failed("watch", hold=True)
        hand.obey()
        assert hand.view.state == "needs you" and hand.words == []
        hand.tell("resumed", by="ada")
        assert hand.words == ["do watch"]
    hand.started("watch")
    hand.dies()
    assert hand.words == ["do watch"]


def test_a_hold_waits_for_what_is_under_way_and_begins_nothing_more():
    hand = Hand(line("start|watch", "prune"))
    hand.started("start")
    hand.failed("watch", hold=True)
    assert hand.words == []
    hand.tell("step done", step="start", phase="do", attempt=1, result={})
    assert hand.words == ["Hold watch is broken"]


@pytest.mark.parametrize("wish", ["cancel", "rollback"])
def test_a_held_run_goes_back_when_it_is_told_to(wish):
    hand = Hand(line("switch", "watch"))
    hand.did("switch")
    hand.failed("watch", hold=True)
    hand.obey()
    hand.asked(wish)
    assert hand.view.state == "running" and hand.words == [f"Undo {wish}"]
    hand.obey()
    assert hand.words == ["undo switch"]
    hand.did("switch", phase="undo")
    assert hand.words == ["End rolled back"]


def test_going_back_that_fails_is_held_and_every_wish_tries_it_again():
    hand = Hand(line("place", "start", "verify", attempts=1))
    hand.did("place", "start")
    hand.failed("verify")
    hand.obey()
    for wish in ("cancel asked", "rollback asked", "resumed"):
        hand.failed("start", phase="undo")
        assert hand.words == ["Hold going back failed: start is broken"]
        hand.obey()
        hand.tell(wish, by="ada")
        assert hand.words == ["undo start"] and hand.view.asked is None
    hand.did("start", phase="undo")
    hand.did("place", phase="undo")
    assert hand.words == ["End failed"]


def test_a_rollback_that_fails_behind_its_switch_stays_where_it_is_and_asks():
    hand = Hand(line("switch", "start", kind="rollback", attempts=1))
    hand.did("switch")
    hand.failed("start")
    assert hand.words == ["Hold start is broken"]
    hand.obey()
    hand.tell("resumed", by="ada")
    assert hand.words == ["do start"]


def test_a_rollback_that_fails_before_its_switch_changes_nothing():
    hand = Hand(line("start", "switch", kind="rollback", attempts=1))
    hand.failed("start")
    hand.obey()
    hand.did("start", phase="undo")
    assert hand.words == ["End failed"]


def test_a_first_release_that_fails_behind_the_switch_is_failed_not_rolled_back():
    hand = Hand(line("switch", "start", previous=None, attempts=1))
    hand.did("switch")
    hand.failed("start")
    hand.obey()
    hand.did("start", phase="undo")
    hand.did("switch", phase="undo")
    assert hand.words == ["End failed"]


@pytest.mark.parametrize(("wish", "ends"), [("cancel", "cancelled"), ("rollback", "cancelled")])
def test_a_wish_before_the_switch_ends_as_cancelled(wish, ends):
    hand = Hand(line("start", "switch"))
    hand.did("start")
    hand.asked(wish)
    hand.obey()
    hand.did("start", phase="undo")
    assert hand.words == [f"End {ends}"]
    assert hand.due[0].because.endswith("by ada: late")


@pytest.mark.parametrize("wish", ["cancel", "rollback"])
def test_a_wish_behind_the_switch_ends_as_rolled_back_even_when_everything_is_done(wish):
    hand = Hand(line("start", "switch", "watch"))
    hand.did("start", "switch", "watch")
    assert hand.words == ["End done"]
    hand.asked(wish)
    hand.obey()
    hand.did("switch", phase="undo")
    hand.did("start", phase="undo")
    assert hand.words == ["End rolled back"]


def test_a_wish_that_comes_while_it_goes_back_changes_nothing():
    hand = Hand(line("start", "switch", attempts=1))
    hand.failed("start")
    hand.obey()
    hand.asked("cancel")
    assert hand.view.asked is None and hand.words == ["undo start"]


def test_where_there_is_no_way_back_a_failure_lets_the_others_finish():
    hand = Hand(line("close", "drain|remove", "prune", kind="stop", undoable=False, attempts=1))
    hand.did("close")
    hand.failed("drain")
    assert hand.words == ["do remove"]
    hand.started("remove")
    assert hand.words == []
    hand.tell("step done", step="remove", phase="do", attempt=1, result={})
    assert hand.words == ["End failed"] and hand.due[0].because == "drain is broken"


def test_where_there_is_no_way_back_a_cancel_stops_what_is_under_way_and_undoes_nothing():
    hand = Hand(line("stop", "remove", kind="retire", undoable=False))
    hand.started("stop")
    hand.asked("cancel")
    hand.obey()
    assert hand.words == []
    hand.failed("stop")
    assert hand.words == ["End cancelled"]


def test_where_there_is_no_way_back_a_cancel_that_comes_too_late_does_not_unsay_what_was_done():
    hand = Hand(line("stop", kind="stop", undoable=False))
    hand.did("stop")
    hand.asked("cancel")
    assert hand.words == ["End done"]


def test_the_cause_is_the_step_that_failed_first():
    hand = Hand(line("start|verify", "switch", undoable=False, attempts=1))
    hand.started("start")
    hand.failed("verify")
    hand.failed("start")
    assert hand.due[0].because == "verify is broken"


def test_an_ended_run_does_nothing_and_hears_nothing():
    hand = Hand(line("start"))
    hand.did("start")
    hand.obey()
    hand.asked("rollback")
    hand.tell("resumed", by="ada")
    assert hand.words == [] and hand.view.state == "done"


def test_a_step_of_another_engine_is_lost_to_this_one_and_under_way_for_a_reader():
    hand = Hand(line("start"))
    hand.started("start")
    events: Any = hand.play.of(hand.id)
    states = [run.fold(events, epoch=epoch).do["start"].state for epoch in (1, 2, None)]  # type: ignore[union-attr]
    assert states == ["running", "lost", "running"]


def test_a_repeat_uses_what_was_fixed_with_the_first_intent_until_another_is_written():
    hand = Hand(line("open"))
    given: Mapping[str, int] = {"edge_port": 8080, "private_port": 20_000}
    hand.tell("step started", step="open", phase="do", attempt=1, until_ms=0, **{"with": given})
    first = hand.view.do["open"].first_ms
    hand.dies()
    hand.tell("step started", step="open", phase="do", attempt=2, until_ms=0, **{"with": given})
    view = hand.view.do["open"]
    assert (view.given, view.first_ms, view.begun) == (given, first, 2) and view.started_ms > first
    assert replace(view, state="idle").deaths == 1
