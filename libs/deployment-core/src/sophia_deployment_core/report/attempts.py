"""What was done when: attempts of steps and moments, from a run's events. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sophia_deployment_core.ledger import Event
from sophia_deployment_core.plan import Step
from sophia_deployment_core.report import sentences
from sophia_deployment_core.report.facts import Bar, Moment, Outcome
from sophia_deployment_core.report.text import Said, duration, mapping, several, whole
from sophia_deployment_core.run import ENDED, View


def attempts(view: View, events: Sequence[Event], until_ms: int, say: Said) -> tuple[Bar, ...]:
    """Every attempt that was begun, in the order of their beginnings."""
    begun: list[Bar] = []
    open_: dict[tuple[str, str], int] = {}
    for event in events:
        if event.kind not in ("step started", "step done", "step failed"):
            continue
        body = event.body
        key = (str(body.get("phase")), str(body.get("step")))
        step = view.plan.by_id.get(key[1])
        if step is None:
            continue
        at = open_.pop(key, None)
        if event.kind == "step started":
            if at is not None:
                begun[at] = _closed(begun[at], event.at_ms, "lost")
            open_[key] = len(begun)
            begun.append(_begun(view, step, key[0], body, event.at_ms, until_ms, say))
        elif at is not None:
            if event.kind == "step done":
                note = _NOTES[step.verb](mapping(body.get("result"))) if step.verb in _NOTES else ""
                begun[at] = _closed(begun[at], event.at_ms, "done", say(note))
            else:
                error = mapping(body.get("error"))
                outcome: Outcome = "ended" if error.get("code") == sentences.ENDED_EARLY else "failed"
                begun[at] = _closed(begun[at], event.at_ms, outcome, say(error.get("message")))
    if view.state in ENDED:
        for at in open_.values():
            begun[at] = _closed(begun[at], until_ms, "lost")
    return tuple(begun)


def _begun(view: View, step: Step, phase: str, body: Mapping[str, Any], at_ms: int, until_ms: int, say: Said) -> Bar:
    return Bar(
        step=say(step.id),
        verb=step.verb,
        service=say(sentences.service_of(view, step)),
        phase="undo" if phase == "undo" else "do",
        attempt=whole(body.get("attempt")) or 1,
        started_ms=at_ms,
        ended_ms=max(until_ms, at_ms),
        outcome="running",
    )


def _closed(bar: Bar, at_ms: int, outcome: Outcome, note: str = "") -> Bar:
    return replace(bar, ended_ms=max(at_ms, bar.started_ms), outcome=outcome, note=note)


def _confirmed(result: Mapping[str, Any]) -> str:
    took = whole(result.get("confirmed_ms"))
    return f"confirmed by the proxy after {duration(took)}" if took is not None else ""


def _cut(result: Mapping[str, Any]) -> str:
    cut = whole(result.get("cut"))
    return f"{several(cut, 'request')} still under way at the end of the time" if cut else ""


def _edge(result: Mapping[str, Any]) -> str:
    port = whole(result.get("edge_port"))
    return f"edge on port {port}" if port else ""


def _pruned(result: Mapping[str, Any]) -> str:
    bundles = whole(result.get("bundles"))
    return f"{several(bundles, 'bundle')} deleted" if bundles else ""


_NOTES: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "open": _edge,
    "switch": _confirmed,
    "drain": _cut,
    "prune": _pruned,
}


def moved(bars: Iterable[Bar], phase: str) -> int | None:
    return next(
        (bar.ended_ms for bar in bars if bar.verb == "switch" and bar.phase == phase and bar.outcome == "done"), None
    )


def stood_ms(events: Iterable[Event], until_ms: int) -> int:
    total, since = 0, None
    for event in events:
        if event.kind == "held" and since is None:
            since = event.at_ms
        elif event.kind in ("resumed", "rollback asked", "run ended") and since is not None:
            total, since = total + event.at_ms - since, None
    return total + (max(until_ms - since, 0) if since is not None else 0)


def moments(events: Sequence[Event], say: Said) -> tuple[Moment, ...]:
    moments = []
    epoch = 0
    for event in events:
        if event.epoch > epoch > 0:
            moments.append(Moment(event.at_ms, event.seq, "another engine went on where the last one stopped"))
        epoch = max(epoch, event.epoch)
        if text := _told(event):
            moments.append(Moment(event.at_ms, event.seq, say(text)))
    return tuple(moments)


def _told(event: Event) -> str:
    """An event in a few words; empty for those that the timeline shows anyway."""
    body = event.body
    reason = f": {body['reason']}" if body.get("reason") else ""
    if event.kind == "run submitted":
        return f"submitted by {body.get('by', 'nobody')}{reason}"
    if event.kind in ("cancel asked", "rollback asked"):
        return f"{event.kind.removesuffix(' asked')} asked for by {body.get('by', 'nobody')}{reason}"
    if event.kind == "approval":
        return f"{body.get('decision', 'decided')} by {body.get('by', 'nobody')}"
    if event.kind == "lane taken":
        return "its turn came"
    if event.kind == "undo decided":
        return f"decided to go back: {body.get('message', '')}"
    if event.kind == "resumed":
        return f"resumed by {body.get('by', 'nobody')}{reason}"
    if event.kind == "held":
        return f"needs a person: {body.get('because', '')}"
    if event.kind == "run ended":
        return f"ended: {body.get('state', '')}" + (f", {body['because']}" if body.get("because") else "")
    if event.kind == "note":
        return str(body.get("message") or ", ".join(f"{key} {value}" for key, value in body.items()))
    return _told_of_step(event)


def _told_of_step(event: Event) -> str:
    body = event.body
    step, undone = body.get("step"), body.get("phase") == "undo"
    if event.kind == "step done" and step == "switch":
        return "traffic was moved back" if undone else "traffic was moved"
    if event.kind == "step failed" and mapping(body.get("error")).get("code") != sentences.ENDED_EARLY:
        again = ", to be tried again" if body.get("again") else ""
        message = mapping(body.get("error")).get("message", "")
        return f"{'undoing ' if undone else ''}`{step}` failed{again}: {message}"
    return ""
