"""One run: its plan plus its events. Pure.

                       ┌──────────────── rolled back (after SWITCH)
    queued ─► running ─┼─► done          failed, cancelled (before SWITCH: nothing changed)
                 │     └──────────────── any failure undoes what was begun, in the order of the plan's way back
                 ▼
             needs you      undoing failed, or going back would be worse than staying

`next(view)` says what to do now; the runner obeys, writes what happened, and asks again. Recovery after a crash is the
same call: a step whose start was written and whose outcome was not is begun again, and its verb asks `done?` first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from sophia_deployment_core.ledger import Event
from sophia_deployment_core.plan import Plan, Step

Phase = Literal["do", "undo"]
State = Literal["queued", "running", "needs you", "done", "rolled back", "failed", "cancelled"]
ENDED: frozenset[str] = frozenset({"done", "rolled back", "failed", "cancelled"})
ENGINE_DEATHS = 25
"""How often a step may be begun without an outcome before it counts as failed."""
BACKOFF_MS = (0, 250, 1_000, 3_000)
"""The pause before attempt n+1 of a failing step."""


@dataclass
class StepView:
    """One step in one phase. `idle` never begun, `lost` begun by an engine that is gone."""

    state: Literal["idle", "running", "lost", "done", "failed"] = "idle"
    begun: int = 0
    failures: int = 0
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

    @property
    def settled(self) -> bool:
        return self.state in ("idle", "done", "failed")


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
    """a person's wish to cancel or roll back, not yet decided on"""
    state: State = "queued"
    because: str = ""
    held: str | None = None

    @property
    def environment(self) -> str:
        return self.plan.environment

    @property
    def kind(self) -> str:
        return self.plan.kind

    def step(self, phase: Phase, step: str) -> StepView:
        return (self.do if phase == "do" else self.undo).setdefault(step, StepView())

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
        view.asked = {"kind": event.kind.split()[0], "by": body["by"], "reason": body.get("reason")}
        if view.held and event.kind == "rollback asked":
            view.held = None
    elif event.kind == "undo decided":
        view.undoing, view.asked = dict(body), None
    elif event.kind == "held":
        view.state, view.held, view.because = "needs you", body["because"], body["because"]
    elif event.kind == "resumed":
        view.state, view.held, view.because = "running", None, ""
        _forgive(view)
    elif event.kind == "run ended":
        view.state, view.because, view.ended_ms = body["state"], body["because"], event.at_ms
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
    step = view.step(body["phase"], body["step"])
    if event.kind == "step started":
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


def _forgive(view: View) -> None:
    """After `resume` what gave up may be tried again."""
    for step in (*view.do.values(), *view.undo.values()):
        if step.state == "failed" and (view.undoing is None or step in view.undo.values()):
            step.failures, step.again = 0, True


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
    """What to do now. Nothing: wait for the steps under way, or for a person.

    Rules, in this order: an ended or held run does nothing · a wish to go back beats going on · a step that failed for
    good means going back (or failing, where there is no way back) · otherwise every step whose predecessors are done.
    """
    if view.state in ENDED or view.held:
        return []
    if view.undoing is not None:
        return _next_undo(view)
    if view.asked is not None:
        return [Undo(_wish(view))]  # where there is no way back, what was begun is only stopped
    failed = _final_failures(view, "do", view.plan.steps)
    if failed and view.do[failed[0].id].error.get("hold"):
        return [Hold(view.do[failed[0].id].error["message"])]
    if failed and view.plan.undoable:
        step = failed[0]
        return [Undo({"kind": "failure", "step": step.id, **view.do[step.id].error})]
    begins = _ready(view, "do", list(view.plan.steps))
    if begins:
        return list(begins)
    if any(not view.step("do", step.id).settled for step in view.plan.steps):
        return []
    if failed:
        error = view.do[failed[0].id].error
        return [End("failed", error.get("message", "a step failed"))]
    return [End("done", "")]


def _wish(view: View) -> dict[str, Any]:
    assert view.asked is not None
    word = "cancelled" if view.asked["kind"] == "cancel" else "rolled back"
    reason = f": {view.asked['reason']}" if view.asked.get("reason") else ""
    return {"kind": view.asked["kind"], "by": view.asked["by"], "message": f"{word} by {view.asked['by']}{reason}"}


def _next_undo(view: View) -> list[Decision]:
    if any(view.step("do", step.id).state == "running" for step in view.plan.steps):
        return []  # what is under way is being stopped; its outcome comes first
    begun = _begun(view) if view.plan.undoable else []
    begins = _ready(view, "undo", begun)
    if begins:
        return list(begins)
    failed = _final_failures(view, "undo", begun)
    if failed:
        return [Hold(view.undo[failed[0].id].error.get("message", "going back failed"))]
    if any(view.step("undo", step.id).state != "done" for step in begun):
        return []
    return [End(_state_after_undo(view), str((view.undoing or {}).get("message", "")))]


def _begun(view: View) -> list[Step]:
    return [step for step in view.plan.steps if step.undoable and view.step("do", step.id).state != "idle"]


def _state_after_undo(view: View) -> State:
    assert view.undoing is not None
    if view.switched and view.plan.previous is not None:
        return "rolled back"
    return "failed" if view.undoing["kind"] == "failure" else "cancelled"


def _final_failures(view: View, phase: Phase, steps: Iterable[Step]) -> list[Step]:
    return [step for step in steps if _gave_up(view.step(phase, step.id), step)]


def _gave_up(state: StepView, step: Step) -> bool:
    if state.state == "lost":
        return state.begun - state.failures > ENGINE_DEATHS
    return state.state == "failed" and (not state.again or state.failures >= step.attempts)


def _ready(view: View, phase: Phase, steps: list[Step]) -> list[Begin]:
    """Steps that may begin: not begun, lost or to be tried again, and all that they wait for is done."""
    names = {step.id for step in steps}
    begins = []
    for step in steps:
        state = view.step(phase, step.id)
        if state.state in ("running", "done") or _gave_up(state, step):
            continue
        waits = step.after if phase == "do" else tuple(name for name in step.undo_after if name in names)
        if all(view.step(phase, name).state == "done" for name in waits):
            delay = BACKOFF_MS[min(state.failures, len(BACKOFF_MS) - 1)] if state.state == "failed" else 0
            begins.append(Begin(step, phase, state.begun + 1, delay))
    return begins
