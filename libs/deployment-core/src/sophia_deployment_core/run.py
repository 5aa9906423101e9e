"""One run: its plan plus its events. Pure.

                       ┌──────────────── rolled back (after SWITCH)
    queued ─► running ─┼─► done          failed, cancelled (before SWITCH: nothing changed)
               │  ▲    └──────────────── any failure undoes what was begun, in the order of the plan's way back
               ▼  │ resumed: what gave up is tried again · cancel, rollback: it goes back
             needs you      going back failed, or would be worse than staying; nobody decides for a day (`HELD_MS`):
                            it ends failed and what serves stays, or, where it was going back, tries that again

`next(view)` says what to do now; the runner obeys, writes what happened, and asks again. Recovery after a crash is the
same call: a step whose start was written and whose outcome was not is begun again, and its verb asks `done?` first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sophia_deployment_core.errors import declare
from sophia_deployment_core.ledger import Event
from sophia_deployment_core.plan import Plan, Step

Phase = Literal["do", "undo"]
State = Literal["queued", "running", "needs you", "done", "rolled back", "failed", "cancelled"]
ENDED: frozenset[str] = frozenset({"done", "rolled back", "failed", "cancelled"})
ENGINE_DEATHS = 25
"""How often an engine may die during a step before the step counts as failed."""
HELD_MS = 24 * 3_600_000
"""So long a run waits for a person."""
BACKOFF_MS = (0, 250, 1_000, 3_000)
"""The pause before attempt n+1 of a failing step."""

ENGINE_DIED = declare(
    "SPH-1240",
    "the engine died during a step, again and again",
    "A step was begun many times, and each time the engine ended before the step did. The step is not begun again by "
    "itself: either it kills the engine, or the machine does. The engine's log has its last words.",
)


@dataclass
class StepView:
    """One step in one phase. `idle` never begun, `lost` begun by an engine that is gone."""

    state: Literal["idle", "running", "lost", "done", "failed"] = "idle"
    begun: int = 0
    failures: int = 0
    deaths: int = 0
    """how often it was begun again because its outcome is not known"""
    epoch: int = 0
    given: dict[str, Any] = field(default_factory=dict)
    """what was resolved with the intent (ports), so that a repeat uses the same"""
    result: dict[str, Any] = field(default_factory=dict)
    error: dict[str, Any] = field(default_factory=dict)
    again: bool = True
    first_ms: int = 0
    """when it was first begun; `started_ms` is the newest attempt's"""
    started_ms: int = 0
    ended_ms: int = 0


@dataclass
class View:
    """A run folded from its events."""

    id: str
    number: int
    plan: Plan
    by: str
    reason: str | None = None
    tags: tuple[str, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)
    """where the release came from, as its client told: `commit`, `branch`, `dirty`, `author`, `subject`"""
    submitted_ms: int = 0
    lane_ms: int | None = None
    ended_ms: int | None = None
    do: dict[str, StepView] = field(default_factory=dict)
    undo: dict[str, StepView] = field(default_factory=dict)
    undoing: dict[str, Any] | None = None
    """why it goes back: `code`, `message`, `by`, `kind` (failure, cancel, rollback)"""
    asked: dict[str, Any] | None = None
    """a person's wish to cancel or roll back, not yet decided on: `kind`, `by`, `reason`"""
    state: State = "queued"
    because: str = ""
    held: str | None = None
    held_ms: int | None = None
    """wall time since when it waits for a person"""

    @property
    def environment(self) -> str:
        return self.plan.environment

    @property
    def kind(self) -> str:
        return self.plan.kind

    def step(self, phase: Phase, step: str) -> StepView:
        """For reading: a step that was never begun is an idle one that is not kept."""
        return (self.do if phase == "do" else self.undo).get(step) or StepView()

    @property
    def switched(self) -> bool:
        """Traffic was moved, or may have been."""
        return any(view.state != "idle" for id, view in self.do.items() if self.plan.by_id[id].verb == "switch")

    @property
    def first_error(self) -> dict[str, Any] | None:
        failed = [view for view in self.do.values() if view.state == "failed"]
        return min(failed, key=lambda view: view.ended_ms).error if failed else None


def apply(view: View | None, event: Event, *, epoch: int | None = None) -> View | None:
    """Fold one event of a run into its view. `epoch` is the engine's own: steps begun by another are lost."""
    body = event.body
    if event.kind == "run submitted":
        return _submitted(event)
    if view is None:
        return None
    if event.kind == "lane taken":
        view.state, view.lane_ms = "running", event.at_ms
        if "plan" in body:
            view.plan = Plan.from_data(body["plan"])
    elif event.kind in ("step started", "step done", "step failed"):
        _apply_step(view, event, epoch)
    elif event.kind in ("cancel asked", "rollback asked"):
        _hear(view, {"kind": event.kind.split()[0], "by": body["by"], "reason": body.get("reason")})
    elif event.kind == "undo decided":
        view.undoing, view.asked = dict(body), None
    elif event.kind == "held":
        view.state, view.held, view.because = "needs you", body["because"], body["because"]
        view.held_ms = event.at_ms
    elif event.kind == "resumed":
        _go_on(view)
    elif event.kind == "run ended":
        view.state, view.because, view.ended_ms = body["state"], body["because"], event.at_ms
        view.held, view.held_ms = None, None
    return view


def _submitted(event: Event) -> View:
    body = event.body
    assert event.run is not None
    return View(
        id=event.run,
        number=body["number"],
        plan=Plan.from_data(body["plan"]),
        by=body["by"],
        reason=body.get("reason"),
        tags=tuple(body.get("tags", ())),
        provenance=body.get("provenance", {}),
        submitted_ms=event.at_ms,
    )


def _apply_step(view: View, event: Event, epoch: int | None) -> None:
    body = event.body
    step = (view.do if body["phase"] == "do" else view.undo).setdefault(body["step"], StepView())
    if event.kind == "step started":
        step.deaths += step.state in ("running", "lost")
        step.state = "running" if epoch is None or event.epoch == epoch else "lost"
        step.begun += 1
        step.epoch, step.given, step.started_ms = event.epoch, body.get("with", {}), event.at_ms
        step.first_ms = step.first_ms or event.at_ms
    elif event.kind == "step done":
        step.state, step.result, step.ended_ms = "done", body.get("result", {}), event.at_ms
    else:
        step.state, step.error, step.ended_ms = "failed", body["error"], event.at_ms
        step.failures += 1
        step.again = body["again"]


def _hear(view: View, wish: dict[str, Any]) -> None:
    """A wish to go back. A run that goes back already can only be told to try again."""
    if view.undoing is None:
        view.asked = wish
    if view.held is not None:
        _go_on(view)


def _go_on(view: View) -> None:
    """No longer held: what gave up may be tried again, as if for the first time."""
    if view.state in ENDED:
        return
    view.state, view.held, view.held_ms, view.because = "running", None, None, ""
    for step in (view.do if view.undoing is None else view.undo).values():
        if step.state in ("failed", "lost"):
            step.failures, step.deaths, step.first_ms, step.again = 0, 0, 0, True


def fold(events: Iterable[Event], *, epoch: int | None = None) -> View | None:
    """The view after all `events` of one run."""
    view: View | None = None
    for event in events:
        view = apply(view, event, epoch=epoch)
    return view


# --- what to do now -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Begin:
    """Write the intent, then do (or undo) this step. `delay_ms` first, if it failed before."""

    step: Step
    phase: Phase
    attempt: int
    delay_ms: int = 0


@dataclass(frozen=True)
class Undo:
    """Decide to go back."""

    because: dict[str, Any]


@dataclass(frozen=True)
class End:
    state: State
    because: str


@dataclass(frozen=True)
class Hold:
    """Only a person can go on from here."""

    because: str


Decision = Begin | Undo | End | Hold


def next(view: View) -> list[Decision]:
    """What to do now. Nothing: wait for the lane, for the steps under way, or for a person.

    Rules, in this order: an ended or held run does nothing · what goes back goes on going back · a wish to go back
    beats going on · a step that failed for good means going back, or holding where that is worse, or failing where
    there is no way back · otherwise every step whose predecessors are done.
    """
    if view.state in ENDED or view.held is not None:
        return []
    if view.undoing is not None:
        return _next_undo(view)
    failed = _given_up(view, "do", view.plan.steps)
    is_over = not failed and all(_is(view, "do", step, "done") for step in view.plan.steps)
    if view.asked is not None and (view.plan.undoable or not is_over):
        return [Undo(_wish(view, view.asked))]
    if view.lane_ms is None:
        return []
    if failed:
        return _next_failed(view, failed[0])
    return [End("done", "")] if is_over else list(_ready(view, "do", view.plan.steps))


def _wish(view: View, asked: dict[str, Any]) -> dict[str, Any]:
    word = "rolled back" if asked["kind"] == "rollback" and view.plan.undoable else "cancelled"
    reason = f": {asked['reason']}" if asked.get("reason") else ""
    return {"kind": asked["kind"], "by": asked["by"], "message": f"{word} by {asked['by']}{reason}"}


def _next_failed(view: View, step: Step) -> list[Decision]:
    error = _error(view, "do", step)
    holds = error.get("hold") or (view.kind == "rollback" and view.switched)  # no ping-pong
    if view.plan.undoable and not holds:
        return [Undo({"kind": "failure", "step": step.id, **error})]
    begins = [] if holds else _ready(view, "do", view.plan.steps)
    if begins or _running(view):
        return list(begins)
    return [Hold(error["message"]) if holds else End("failed", error["message"])]


def _next_undo(view: View) -> list[Decision]:
    assert view.undoing is not None
    begun = [step for step in view.plan.steps if view.plan.undoable and step.undoable and _begun(view, step)]
    if _running(view):
        # What is done is being stopped: its outcome comes first. What is undone side by side goes on.
        return [] if _running(view, "do") else list(_ready(view, "undo", begun))
    if begins := _ready(view, "undo", begun):
        return list(begins)
    if failed := _given_up(view, "undo", begun):
        return [Hold(f"going back failed: {_error(view, 'undo', failed[0])['message']}")]
    return [End(_state_after_undo(view, view.undoing["kind"]), view.undoing.get("message", ""))]


def _state_after_undo(view: View, kind: str) -> State:
    if view.switched and view.plan.previous is not None and not view.plan.was_down:
        return "rolled back"
    return "failed" if kind == "failure" else "cancelled"


def _is(view: View, phase: Phase, step: Step, *states: str) -> bool:
    return view.step(phase, step.id).state in states


def _begun(view: View, step: Step) -> bool:
    return not _is(view, "do", step, "idle")


def _running(view: View, *phases: Phase) -> bool:
    return any(_is(view, phase, step, "running") for phase in phases or ("do", "undo") for step in view.plan.steps)


def _given_up(view: View, phase: Phase, steps: Iterable[Step]) -> list[Step]:
    """Steps that are not tried again, the first cause first."""
    failed = [step for step in steps if _gave_up(view.step(phase, step.id), step)]
    return sorted(failed, key=lambda step: view.step(phase, step.id).ended_ms)


def _gave_up(state: StepView, step: Step) -> bool:
    if state.state == "lost":
        return state.deaths + 1 >= ENGINE_DEATHS
    return state.state == "failed" and (not state.again or state.failures >= step.attempts)


def _error(view: View, phase: Phase, step: Step) -> dict[str, Any]:
    """Why a step was given up, with a code and a message in any case."""
    state = view.step(phase, step.id)
    if state.state == "lost":
        died = f"`{step.id}`: the engine died {state.deaths + 1} times before it was done"
        return {"code": ENGINE_DIED.name, "message": died, "hint": "read the engine's log", "facts": {}}
    return {"message": f"`{step.id}` failed", **state.error}


def _ready(view: View, phase: Phase, steps: Sequence[Step]) -> list[Begin]:
    """Steps that may begin: not begun, lost or to be tried again, and all that they wait for is done."""
    names = {step.id for step in steps}
    begins = []
    for step in steps:
        state = view.step(phase, step.id)
        if state.state in ("running", "done") or _gave_up(state, step):
            continue
        waits = step.after if phase == "do" else names.intersection(step.undo_after)
        if all(view.step(phase, name).state == "done" for name in waits):
            delay = BACKOFF_MS[min(state.failures, len(BACKOFF_MS) - 1)] if state.state == "failed" else 0
            begins.append(Begin(step, phase, state.begun + 1, delay))
    return begins
