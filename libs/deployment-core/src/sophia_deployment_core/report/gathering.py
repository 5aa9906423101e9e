"""The facts of a run, gathered from its view, its events and what stands around it. Pure.

A journal of another version may lack a fact or have it in another form; such a fact is left out, and nothing raises.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sophia_deployment_core.environment import Standing
from sophia_deployment_core.ledger import Event
from sophia_deployment_core.plan import Step
from sophia_deployment_core.report import sentences
from sophia_deployment_core.report.attempts import attempts, moments, moved, stood_ms
from sophia_deployment_core.report.facts import Facts, Failure, Origin, Proof
from sophia_deployment_core.report.gates import gates, users, watched
from sophia_deployment_core.report.text import Mask, Said, listing, mapping
from sophia_deployment_core.run import ENDED, StepView, View

LOG_LINES = 40
"""The last lines of a log that a failure shows."""


def gather(
    view: View,
    events: Iterable[Event],
    *,
    now_ms: int,
    provenance: Mapping[str, Any] | None,
    before: Standing | None,
    after: Standing | None,
    mask: Mask,
) -> Facts:
    """The facts of a run. `events` are those of this run, in order; others are passed over."""
    own = [event for event in events if event.run == view.id]
    say = Said(mask)
    until_ms = view.ended_ms if view.ended_ms is not None else max(now_ms, view.submitted_ms)
    bars = attempts(view, own, until_ms, say)
    seen = watched(view, say)
    switched_ms, back_ms = moved(bars, "do"), moved(bars, "undo")
    target = view.plan.target
    return Facts(
        run=say(view.id),
        number=view.number,
        kind=view.kind,
        environment=say(view.environment),
        state=view.state,
        summary=say(sentences.summary(view)),
        because=say(sentences.why(view)),
        next=say(sentences.next_step(view)),
        by=say(view.by),
        reason=say(view.reason),
        tags=tuple(say(tag) for tag in view.tags),
        origin=_origin(provenance if provenance is not None else _submitted_with(own), say),
        release=say(sentences.release_name(view)),
        previous=say(_previous(view, before)),
        serving=say(_serving(view, after)),
        url=f"http://127.0.0.1:{after.edge_port}" if after and after.open and after.edge_port else "",
        held=say((after.held if after else None) or view.held),
        plan_hash=view.plan.hash,
        overridden=tuple(
            say(f"{service}.env.{key}") for service, env in (target.overrides if target else {}).items() for key in env
        ),
        changes=tuple((say(c.service), say(c.action), say(c.because)) for c in view.plan.changes),
        submitted_ms=view.submitted_ms,
        started_ms=view.lane_ms,
        switched_ms=switched_ms,
        back_ms=back_ms,
        until_ms=until_ms,
        ended=view.state in ENDED,
        stood_ms=stood_ms(own, until_ms),
        bars=bars,
        untouched=tuple(say(step.id) for step in view.plan.steps if view.do.get(step.id, StepView()).state == "idle"),
        gates=gates(view, say),
        watched=seen,
        users=users(view, seen, switched_ms),
        failures=_failures(view, say),
        moments=moments(own, say),
        engines=len({event.epoch for event in own if event.epoch > 0}),
        proof=Proof(own[0].seq, own[-1].seq, len(own), own[-1].hash) if own else None,
    )


def _submitted_with(events: Sequence[Event]) -> Mapping[str, Any]:
    return mapping(events[0].body.get("provenance")) if events and events[0].kind == "run submitted" else {}


def _origin(told: Mapping[str, Any], say: Said) -> Origin:
    commit, branch, author, subject = (say(told.get(key)) for key in ("commit", "branch", "author", "subject"))
    return Origin(commit, branch, author, subject, dirty=bool(told.get("dirty")))


def _previous(view: View, before: Standing | None) -> str | None:
    return before.live.name if before and before.live else view.plan.previous


def _serving(view: View, after: Standing | None) -> str | None:
    if after is None:
        return sentences.serving(view)
    return after.live.name if after.live and after.open else None


def _failures(view: View, say: Said) -> tuple[Failure, ...]:
    """Steps that gave up, the cause first."""
    found: list[tuple[int, Failure]] = []
    for phase, states in (("do", view.do), ("undo", view.undo)):
        for step in view.plan.steps:
            state = states.get(step.id)
            if state is not None and state.state == "failed" and state.error.get("code") != sentences.ENDED_EARLY:
                found.append((state.ended_ms, _failure(view, step, phase, state, say)))
    return tuple(failure for _, failure in sorted(found, key=lambda pair: pair[0]))


def _failure(view: View, step: Step, phase: str, state: StepView, say: Said) -> Failure:
    error = mapping(state.error)
    facts = mapping(error.get("facts"))
    log = facts.get("log")
    lines = log.splitlines() if isinstance(log, str) else listing(log)
    return Failure(
        step=say(step.id),
        phase="undo" if phase == "undo" else "do",
        held=bool(error.get("hold") or facts.get("hold")),
        code=say(error.get("code")),
        message=say(error.get("message")),
        hint=say(error.get("hint")),
        service=say(facts.get("service") or sentences.service_of(view, step)),
        url=say(facts.get("url")),
        answer=say(facts.get("answer")),
        body=say(facts.get("body"), longest=500),
        exit=say(facts.get("exit")),
        serving=say(facts.get("serving")),
        log=tuple(say(line, longest=400) for line in lines[-LOG_LINES:]),
    )
