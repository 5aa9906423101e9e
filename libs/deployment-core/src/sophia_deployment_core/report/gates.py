"""What had to be good, whether it was, and what it meant for users. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sophia_deployment_core.plan import Step
from sophia_deployment_core.report import sentences
from sophia_deployment_core.report.facts import Gate, Load, Users, Verdict, Watched
from sophia_deployment_core.report.text import Said, count, duration, listing, mapping, several, whole
from sophia_deployment_core.run import ENDED, StepView, View


def gates(view: View, say: Said) -> tuple[Gate, ...]:
    gates = [_gate(view, step, say) for step in view.plan.steps if step.verb in _DETAILS]
    if view.kind == "deploy" and view.plan.steps and not any(gate.gate == "watch" for gate in gates):
        why = (
            "nothing was live before, so there is nothing to go back to"
            if view.plan.previous is None
            else "no watch was asked for"
        )
        gates.append(Gate("watch", "", "skipped", why))
    return tuple(gates)


def _gate(view: View, step: Step, say: Said) -> Gate:
    state, told = view.do.get(step.id, StepView()), sentences.told_by(view, step.id)
    failed = state.state == "failed"
    detail = mapping(state.error).get("message") if failed else _DETAILS[step.verb](told) if told else ""
    return Gate(step.verb, say(sentences.service_of(view, step)), _answer(view, state, told), say(detail))


def _answer(view: View, state: StepView, told: Mapping[str, Any]) -> Verdict:
    error = mapping(state.error)
    if state.state == "failed" and error.get("code") == sentences.ENDED_EARLY:
        return "ended"
    if state.state == "failed":
        return "hold" if error.get("hold") or mapping(error.get("facts")).get("hold") else "fail"
    if state.state == "done":
        return _VERDICTS.get(str(mapping(told.get("verdict")).get("answer", "pass")), "hold")
    return "not reached" if view.state in ENDED or state.state == "idle" else "running"


_VERDICTS: Mapping[str, Verdict] = {"pass": "pass", "hold": "hold", "fail": "fail"}


def _verified(told: Mapping[str, Any]) -> str:
    words = []
    if told.get("url"):
        words.append(f"`{told['url']}`")
    if told.get("status"):
        words.append(f"answered {told['status']}")
    if probes := whole(told.get("attempts")):
        words.append(f"after {several(probes, 'probe')}")
    if (took := whole(told.get("took_ms"))) is not None:
        words.append(f"in {duration(took)}")
    return " ".join(words)


def _smoked(told: Mapping[str, Any]) -> str:
    return "; ".join(_check(check) for check in listing(told.get("checks")))


def _check(check: object) -> str:
    """One smoke check: what was asked, what came, how long it took."""
    facts = mapping(check)
    words = [f"`{facts['check']}`" if "check" in facts else str(check)]
    if (status := whole(facts.get("status"))) is not None:
        words.append(f"answered {status}" if status else "ended well")
    if (took := whole(facts.get("took_ms"))) is not None:
        words.append(f"in {duration(took)}")
    return " ".join(words)


def _watch_said(told: Mapping[str, Any]) -> str:
    return str(mapping(told.get("verdict")).get("because", ""))


_DETAILS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "verify": _verified,
    "smoke": _smoked,
    "watch": _watch_said,
}


def watched(view: View, say: Said) -> Watched:
    step = next((step for step in view.plan.steps if step.verb == "watch"), None)
    if step is None:
        return Watched()
    told = sentences.told_by(view, step.id)
    probes = mapping(told.get("probes"))
    sent, failed = whole(probes.get("sent")), whole(probes.get("failed"))
    return Watched(
        loads=tuple(_load(say(service), mapping(numbers)) for service, numbers in mapping(told.get("numbers")).items()),
        answers=sentences.edge_answers(view),
        probes=(sent, failed or 0) if sent is not None else None,
        lasted_ms=whole(told.get("watched_ms")),
    )


def _load(service: str, numbers: Mapping[str, Any]) -> Load:
    requests, errors, restarts, p95_us = (
        whole(numbers.get(key)) for key in ("requests", "errors", "restarts", "p95_us")
    )
    return Load(service, requests, errors, restarts, p95_us)


def users(view: View, watched: Watched, switched_ms: int | None) -> Users:
    if view.kind == "retire":
        return Users(None, "not measured", "what serves was not touched")
    if view.kind == "stop":
        return Users(None, "not served", "the environment was taken down") if view.state == "done" else _UNKNOWN
    if view.kind in ("deploy", "rollback") and not view.switched:
        return Users(0, "none", "traffic was not moved" if view.state in ENDED else "traffic was not moved yet")
    sent, failed = watched.probes or (0, 0)
    if watched.requests > sent:
        headline = f"{count(watched.failed)} of {count(watched.requests)}"
        ours = f", {several(sent, 'probe')} of Sophia's own among them" if sent else ""
        return Users(watched.failed, headline, f"requests failed after the switch{ours}")
    if sent and switched_ms is not None:
        ours = f"of {several(sent, 'probe')} of Sophia's own {failed or 'none'} failed"
        return Users(0, "none seen", f"no user's request came; {ours}")
    return _UNKNOWN


_UNKNOWN = Users(None, "not measured", "nobody watched the requests of this run")
