"""A run in one sentence, what serves because of it, and what to do next. Pure, from the folded run alone.

The command line, the API and the report say the same, because all of them ask here. Names stand in backticks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sophia_deployment_core.plan import Step
from sophia_deployment_core.report.text import mapping, plain, several, whole
from sophia_deployment_core.run import View

ENDED_EARLY = "SPH-1231"
"""A step with this error was stopped because the run goes back; it is no cause of anything."""


@dataclass(frozen=True)
class Answers:
    """What the edge answered for one release while it was watched. `failed` counts 5xx and what was never answered."""

    release: str
    requests: int
    errors_5xx: int
    lost: int

    @property
    def failed(self) -> int:
        return self.errors_5xx + self.lost


def release_name(view: View) -> str | None:
    """The revision that the run is about: made live by it, or live while it worked."""
    return view.plan.target.name if view.plan.target else None


def serving(view: View) -> str | None:
    """The revision that answers as far as this run knows; `None` when nothing does."""
    if view.kind == "stop":
        return None if _verb_done(view, "close", "do") else release_name(view)
    if view.kind == "start":
        return release_name(view) if _verb_done(view, "restore", "do") or not view.plan.steps else None
    if view.kind not in ("deploy", "rollback"):
        return release_name(view)
    if _moved_for_good(view) or not view.plan.steps:
        return release_name(view)
    return None if view.plan.was_down else view.plan.previous


def edge_answers(view: View) -> tuple[Answers, ...]:
    """Requests by release as the edge counted them; empty when nobody watched."""
    found = []
    for step in view.plan.steps:
        if step.verb == "watch":
            told = told_by(view, step.id)
            for release, counters in mapping(told.get("edge")).items():
                numbers = [whole(mapping(counters).get(key)) or 0 for key in ("requests", "errors_5xx", "lost")]
                found.append(Answers(plain(release, longest=80), *(max(number, 0) for number in numbers)))
    return tuple(found)


def told_by(view: View, step: str) -> dict[str, object]:
    """What a step found out, whether it was done or failed."""
    state = view.do.get(step)
    if state is None:
        return {}
    return {**mapping(mapping(state.error).get("facts")), **mapping(state.result)}


def service_of(view: View, step: Step) -> str:
    """The service whose workload a step works on; empty for those of the whole environment."""
    load = view.plan.workloads.get(str(step.args.get("workload", "")))
    return load.service if load else ""


def _moved_for_good(view: View) -> bool:
    return _verb_done(view, "switch", "do") and not _verb_done(view, "switch", "undo")


def _verb_done(view: View, verb: str, phase: str) -> bool:
    states = view.do if phase == "do" else view.undo
    return any(step.verb == verb and step.id in states and states[step.id].state == "done" for step in view.plan.steps)


def why(view: View) -> str:
    """The cause of where the run stands; empty when it went as planned."""
    cause = view.held or view.because or str(mapping(view.undoing).get("message", ""))
    return plain(cause)


# --- what happened --------------------------------------------------------------------------------------------------


def summary(view: View) -> str:
    """One sentence without a full stop: what happened, and what it means for those who are served."""
    if view.state == "queued":
        return plain(f"waits until the run before it in `{view.environment}` has ended")
    if view.state == "running":
        return _under_way(view)
    if view.state == "needs you":
        return f"needs you: {why(view) or 'it cannot go on by itself'}; {_serves(view)}"
    return _ENDINGS.get(view.kind, _work)(view)


def _under_way(view: View) -> str:
    if view.undoing is not None:
        return f"going back: {why(view)}"
    done = sum(1 for step in view.plan.steps if step.id in view.do and view.do[step.id].state == "done")
    return f"under way: {done} of {several(len(view.plan.steps), 'step')} done"


def _serves(view: View) -> str:
    name = serving(view)
    return plain(f"`{name}` serves" if name else f"nothing serves{_answer_of_the_edge(view)}")


def _release(view: View) -> str:
    name, before, place = release_name(view), view.plan.previous, view.environment
    if view.state == "done":
        return plain(_moved(view, name, before, place)) + _seen(view)
    cause = f": {why(view)}" if why(view) else ""
    if view.state == "rolled back":
        return plain(f"`{name}` took over in `{place}` and was taken back{cause}; `{before}` serves again")
    if _moved_for_good(view):
        return plain(f"`{name}` took over in `{place}` and stays; {why(view)}")
    after = f"`{before}` went on serving" if before else f"nothing is live there{_answer_of_the_edge(view)}"
    if view.plan.was_down:
        after = f"`{place}` is down, as it was"
    if view.switched and (before is None or view.plan.was_down):
        return plain(f"`{name}` did not stay live in `{place}`{cause}; {after}")
    what = "was stopped before it went live" if view.state == "cancelled" else "did not go live"
    return plain(f"`{name}` {what} in `{place}`{cause}; {after}")


def _answer_of_the_edge(view: View) -> str:
    """What users get where nothing serves: nothing at all if the edge could not be opened."""
    opening = [view.do[step.id].state for step in view.plan.steps if step.verb == "open" and step.id in view.do]
    return "" if opening and opening[-1] != "done" else ": the edge answers 503"


def _moved(view: View, name: str | None, before: str | None, place: str) -> str:
    if not view.plan.steps:
        return f"nothing to do: `{name}` is live in `{place}` already"
    if before is None:
        return f"`{name}` is live in `{place}`, as the first release there"
    if before == name:
        return f"`{place}` was brought in line with `{name}`"
    if view.kind == "rollback":
        return f"`{place}` went back from `{before}` to `{name}`"
    return f"`{place}` moved from `{before}` to `{name}`"


def _seen(view: View) -> str:
    """What the watch counted; Sophia's own probes are no users."""
    answers = edge_answers(view)
    requests, failed, sent = sum(a.requests for a in answers), sum(a.failed for a in answers), probes_sent(view)
    if failed:
        return f"; {failed} of {several(requests, 'request')} under watch failed"
    if requests > sent:
        return f"; {several(requests - sent, 'request')} of users under watch, none failed"
    return "; no user's request came while it was watched" if sent else ""


def probes_sent(view: View) -> int:
    """How many of the requests that the edge counted during the watch were the engine's own."""
    told = [told_by(view, step.id) for step in view.plan.steps if step.verb == "watch"]
    return sum(whole(mapping(one.get("probes")).get("sent")) or 0 for one in told)


def _work(view: View) -> str:
    done, undone = _WORK.get(view.kind, ("the run was done", "the run was not done"))
    subject = plain(f"`{view.environment}`")
    if view.state == "done":
        return f"{subject}: {done}" if view.plan.steps else f"{subject}: nothing to do, {done}"
    cause = f": {why(view)}" if why(view) else ""
    return f"{subject}: {undone}{cause}; {_serves(view)}"


_ENDINGS: dict[str, Callable[[View], str]] = {"deploy": _release, "rollback": _release}
_WORK = {
    "retire": ("what the live release does not use was drained and removed", "the old release was not removed"),
    "start": ("the live release runs", "the live release could not be brought back"),
    "stop": ("taken down; its data is kept", "it was not taken down"),
    "restart": ("running instances were replaced by fresh ones without a gap", "the instances were not replaced"),
}


# --- what to do -----------------------------------------------------------------------------------------------------


def next_step(view: View) -> str:
    """What its reader should do now, in words; empty when nothing is left to do."""
    place = view.environment
    if view.state == "queued":
        return plain(f"`sophia queue` shows what it waits for; `sophia cancel {view.number}` takes it out")
    if view.state == "running":
        return plain(f"`sophia cancel {view.number}` stops it and undoes what was begun")
    if view.state == "needs you":
        back = f", `sophia rollback {place} --reason WHY` goes back" if view.plan.undoable else ""
        late = "it is tried again" if view.undoing is not None else "the run ends, and what serves stays"
        return plain(
            f"put right what is named, then `sophia resume {view.number}` tries again{back}; "
            f"if nobody decides within a day, {late}"
        )
    if view.state == "done":
        return _after_success(view)
    if view.state == "cancelled":
        return ""
    return _after_failure(view)


def _after_success(view: View) -> str:
    name, before = release_name(view), view.plan.previous
    if view.kind == "stop":
        return plain(f"`sophia up {view.environment}` brings it back")
    if view.kind not in ("deploy", "rollback") or before in (None, name):
        return ""
    return plain(f"if it has to go: `sophia rollback {view.environment} --reason WHY` goes back to `{before}`")


def _after_failure(view: View) -> str:
    if mapping(view.undoing).get("kind", "failure") != "failure":
        return "correct what made you go back, then deploy again"
    if _moved_for_good(view):
        return _after_success(view)
    error = view.first_error or {}
    if hint := error.get("hint"):
        return plain(hint)
    service = mapping(error.get("facts")).get("service")
    if service:
        return plain(f"`sophia logs {view.environment} {service}` shows what it said; correct it and deploy again")
    return plain(f"`sophia report {view.number}` shows each step; correct the cause and try again")
