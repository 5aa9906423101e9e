"""What a report tells, gathered from a run, its events and what stands around it. Pure.

Everything in `Facts` is ready to be shown: foreign text went through `plain`, values of variables and secrets are left
out, and whatever a journal does not know is absent, never a good-looking zero. Times are wall milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from sophia_deployment_core.environment import Standing
from sophia_deployment_core.ledger import Event
from sophia_deployment_core.plan import Step
from sophia_deployment_core.report import sentences
from sophia_deployment_core.report.sentences import Answers
from sophia_deployment_core.report.text import count, duration, listing, mapping, plain, several, whole
from sophia_deployment_core.run import ENDED, StepView, View

Mask = Callable[[str], str]
Outcome = Literal["done", "failed", "ended", "lost", "running"]
LOG_LINES = 40


Verdict = Literal["pass", "fail", "hold", "running", "ended", "not reached", "skipped"]


@dataclass(frozen=True)
class Origin:
    """Where the release came from, as its client told it; beside the hash, never part of it."""

    commit: str = ""
    branch: str = ""
    author: str = ""
    subject: str = ""
    dirty: bool = False


@dataclass(frozen=True)
class Bar:
    """One attempt of one step.

    `ended`: stopped because the run goes back; `lost`: its engine ended before it could write the outcome.
    """

    step: str
    verb: str
    service: str
    phase: Literal["do", "undo"]
    attempt: int
    started_ms: int
    ended_ms: int
    outcome: Outcome
    note: str = ""
    """what the attempt found out or why it failed, in a few words"""

    @property
    def took_ms(self) -> int:
        return self.ended_ms - self.started_ms


@dataclass(frozen=True)
class Gate:
    """One thing that had to be good before the run went on. `hold`: not enough was known, which is never good."""

    gate: str
    """`verify`, `smoke` or `watch`"""
    service: str
    answer: Verdict
    detail: str


@dataclass(frozen=True)
class Load:
    """What one service of the watched release did, counted over all its callers."""

    service: str
    requests: int | None
    errors: int | None
    restarts: int | None
    p95_us: int | None


@dataclass(frozen=True)
class Watched:
    """What the watch saw. `probes` are the engine's own requests through the edge: sent and failed."""

    loads: tuple[Load, ...] = ()
    answers: tuple[Answers, ...] = ()
    probes: tuple[int, int] | None = None
    lasted_ms: int | None = None

    @property
    def requests(self) -> int:
        return sum(answer.requests for answer in self.answers)

    @property
    def failed(self) -> int:
        return sum(answer.failed for answer in self.answers)


@dataclass(frozen=True)
class Failure:
    """A step that gave up: what its reader needs to find the cause."""

    step: str
    phase: Literal["do", "undo"]
    code: str
    message: str
    hint: str
    service: str
    url: str
    answer: str
    body: str
    exit: str
    serving: str
    log: tuple[str, ...]


@dataclass(frozen=True)
class Moment:
    """Something worth a line, with its entry in the ledger."""

    at_ms: int
    seq: int
    text: str


@dataclass(frozen=True)
class Proof:
    """Where the ledger tells this run. `hash` is that of entry `last`: with it a rewritten ledger is found out."""

    first: int
    last: int
    entries: int
    hash: str


@dataclass(frozen=True)
class Users:
    """What it meant for those who are served: `failed` requests of theirs, `None` when nobody counted."""

    failed: int | None
    headline: str
    detail: str


@dataclass(frozen=True)
class Facts:
    """One run, ready to be told. Absent facts are empty or `None`."""

    run: str
    number: int
    kind: str
    environment: str
    state: str
    summary: str
    because: str
    next: str
    by: str
    reason: str
    tags: tuple[str, ...]
    origin: Origin
    release: str
    previous: str
    serving: str
    url: str
    held: str
    plan_hash: str
    overridden: tuple[str, ...]
    """`SERVICE.env.KEY` of each override; their values are left to the ledger"""
    changes: tuple[tuple[str, str, str], ...]
    """service, action, because"""
    submitted_ms: int
    started_ms: int | None
    switched_ms: int | None
    back_ms: int | None
    """when traffic was moved back"""
    until_ms: int
    """the end, or now while it has none"""
    ended: bool
    bars: tuple[Bar, ...]
    untouched: tuple[str, ...]
    """steps of the plan that were never begun"""
    gates: tuple[Gate, ...]
    watched: Watched
    users: Users
    failures: tuple[Failure, ...]
    moments: tuple[Moment, ...]
    engines: int
    """how many engines worked on it: more than one, and the first was replaced or killed"""
    proof: Proof | None

    @property
    def waited_ms(self) -> int:
        """From submission to the lane."""
        return max((self.started_ms or self.until_ms) - self.submitted_ms, 0)

    @property
    def took_ms(self) -> int:
        """From the lane to the end."""
        return max(self.until_ms - (self.started_ms if self.started_ms is not None else self.submitted_ms), 0)

    @property
    def nothing_to_do(self) -> bool:
        return self.state == "done" and not self.bars and not self.untouched


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
    say = _Said(mask)
    until_ms = view.ended_ms if view.ended_ms is not None else max(now_ms, view.submitted_ms)
    bars = _bars(view, own, until_ms, say)
    watched = _watched(view, say)
    switched_ms, back_ms = _moved(bars, "do"), _moved(bars, "undo")
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
        url=f"http://localhost:{after.edge_port}/" if after and after.open and after.edge_port else "",
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
        bars=bars,
        untouched=tuple(say(step.id) for step in view.plan.steps if _state(view, step).state == "idle"),
        gates=_gates(view, say),
        watched=watched,
        users=_users(view, watched, switched_ms),
        failures=_failures(view, say),
        moments=_moments(own, say),
        engines=len({event.epoch for event in own if event.epoch > 0}),
        proof=Proof(own[0].seq, own[-1].seq, len(own), own[-1].hash) if own else None,
    )


class _Said:
    """Foreign text at the border: secrets masked, then made harmless."""

    def __init__(self, mask: Mask) -> None:
        self._mask = mask

    def __call__(self, value: object, *, longest: int = 2_000) -> str:
        return plain(self._mask("" if value is None else str(value)), longest=longest)


def _submitted_with(events: Sequence[Event]) -> Mapping[str, Any]:
    return mapping(events[0].body.get("provenance")) if events and events[0].kind == "run submitted" else {}


def _origin(told: Mapping[str, Any], say: _Said) -> Origin:
    commit, branch, author, subject = (say(told.get(key)) for key in ("commit", "branch", "author", "subject"))
    return Origin(commit, branch, author, subject, dirty=bool(told.get("dirty")))


def _previous(view: View, before: Standing | None) -> str | None:
    return before.live.name if before and before.live else view.plan.previous


def _serving(view: View, after: Standing | None) -> str | None:
    if after is None:
        return sentences.serving(view)
    return after.live.name if after.live and after.open else None


def _state(view: View, step: Step) -> StepView:
    return view.do.get(step.id, StepView())


def _service(view: View, step: Step) -> str:
    load = view.plan.workloads.get(str(step.args.get("workload", "")))
    return load.service if load else ""


# --- the timeline ---------------------------------------------------------------------------------------------------


def _bars(view: View, events: Sequence[Event], until_ms: int, say: _Said) -> tuple[Bar, ...]:
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


def _begun(view: View, step: Step, phase: str, body: Mapping[str, Any], at_ms: int, until_ms: int, say: _Said) -> Bar:
    return Bar(
        step=say(step.id),
        verb=step.verb,
        service=say(_service(view, step)),
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


def _moved(bars: Iterable[Bar], phase: str) -> int | None:
    return next(
        (bar.ended_ms for bar in bars if bar.verb == "switch" and bar.phase == phase and bar.outcome == "done"), None
    )


# --- gates, watch, users --------------------------------------------------------------------------------------------


def _gates(view: View, say: _Said) -> tuple[Gate, ...]:
    gates = [_gate(view, step, say) for step in view.plan.steps if step.verb in _DETAILS]
    if view.kind == "deploy" and view.plan.steps and not any(gate.gate == "watch" for gate in gates):
        why = (
            "nothing was live before, so there is nothing to go back to"
            if view.plan.previous is None
            else "no watch was asked for"
        )
        gates.append(Gate("watch", "", "skipped", why))
    return tuple(gates)


def _gate(view: View, step: Step, say: _Said) -> Gate:
    state, told = _state(view, step), sentences.told_by(view, step.id)
    failed = state.state == "failed"
    detail = mapping(state.error).get("message") if failed else _DETAILS[step.verb](told) if told else ""
    return Gate(step.verb, say(_service(view, step)), _answer(view, state, told), say(detail))


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


def _watched(view: View, say: _Said) -> Watched:
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


def _users(view: View, watched: Watched, switched_ms: int | None) -> Users:
    if view.kind == "stop":
        return Users(None, "not served", "the environment was taken down") if view.state == "done" else _UNKNOWN
    if view.kind in ("deploy", "rollback") and not view.switched:
        return Users(0, "none", "traffic was not moved")
    sent, failed = watched.probes or (0, 0)
    if watched.requests > sent:
        headline = f"{count(watched.failed)} of {count(watched.requests)}"
        ours = f", {several(sent, 'probe')} of Sophia's own among them" if sent else ""
        return Users(watched.failed, headline, f"requests failed after the switch{ours}")
    if sent and switched_ms is not None:
        return Users(
            0, "none seen", f"no user's request came; of {several(sent, 'probe')} of ours {failed or 'none'} failed"
        )
    return _UNKNOWN


_UNKNOWN = Users(None, "not measured", "nobody watched the requests of this run")


# --- failures and moments -------------------------------------------------------------------------------------------


def _failures(view: View, say: _Said) -> tuple[Failure, ...]:
    """Steps that gave up, the cause first."""
    found: list[tuple[int, Failure]] = []
    for phase, states in (("do", view.do), ("undo", view.undo)):
        for step in view.plan.steps:
            state = states.get(step.id)
            if state is not None and state.state == "failed" and state.error.get("code") != sentences.ENDED_EARLY:
                found.append((state.ended_ms, _failure(view, step, phase, state, say)))
    return tuple(failure for _, failure in sorted(found, key=lambda pair: pair[0]))


def _failure(view: View, step: Step, phase: str, state: StepView, say: _Said) -> Failure:
    error = mapping(state.error)
    facts = mapping(error.get("facts"))
    log = facts.get("log")
    lines = log.splitlines() if isinstance(log, str) else listing(log)
    return Failure(
        step=say(step.id),
        phase="undo" if phase == "undo" else "do",
        code=say(error.get("code")),
        message=say(error.get("message")),
        hint=say(error.get("hint")),
        service=say(facts.get("service") or _service(view, step)),
        url=say(facts.get("url")),
        answer=say(facts.get("answer")),
        body=say(facts.get("body"), longest=500),
        exit=say(facts.get("exit")),
        serving=say(facts.get("serving")),
        log=tuple(say(line, longest=400) for line in lines[-LOG_LINES:]),
    )


def _moments(events: Sequence[Event], say: _Said) -> tuple[Moment, ...]:
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
