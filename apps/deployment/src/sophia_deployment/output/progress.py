"""A run folded from its events, as its follower sees it: every step's state, and a sentence for what changed. Pure.

Reads the events as plain JSON and passes over what it does not know: an engine of another build may say more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from sophia_deployment.output.text import duration, plain, several

Tone = Literal["", "good", "bad", "warn", "dim"]
ENDED = frozenset({"done", "rolled back", "failed", "cancelled"})


@dataclass(frozen=True)
class Line:
    """One thing that happened, `at_ms` wall time."""

    at_ms: int
    text: str
    tone: Tone = ""


@dataclass
class StepSeen:
    """One step of the plan. Of two phases the newest counts."""

    id: str
    verb: str
    service: str = ""
    args: Mapping[str, Any] = field(default_factory=dict)
    phase: str = "do"
    state: Literal["idle", "running", "done", "failed"] = "idle"
    started_ms: int = 0
    attempts: int = 1
    failures: int = 0


@dataclass
class Progress:
    """`ended`: the run's last state. `held`: it needs somebody. `seen`: requests and errors while it is watched."""

    number: int | None = None
    kind: str = ""
    environment: str = ""
    release: str = ""
    previous: str = ""
    submitted_ms: int = 0
    steps: dict[str, StepSeen] = field(default_factory=dict)
    going_back: str = ""
    queued: bool = True
    held: bool = False
    ended: str = ""
    seen: tuple[int, int] | None = None

    def apply(self, event: Mapping[str, Any]) -> list[Line]:
        """Fold the next event of the run; what is worth a line."""
        handler = getattr(self, f"_on_{event['kind'].replace(' ', '_')}", None)
        found = handler(event) if handler else None
        return [Line(event["at_ms"], *found)] if found else []

    # --- events ------------------------------------------------------------------------------------------------------

    def _on_run_submitted(self, event: Mapping[str, Any]) -> None:
        self.submitted_ms = event["at_ms"]
        self.number = event["body"].get("number")
        self._planned(event["body"].get("plan") or {})

    def _on_lane_taken(self, event: Mapping[str, Any]) -> tuple[str, Tone] | None:
        if event["body"].get("plan"):
            self._planned(event["body"]["plan"])
        waited = event["at_ms"] - self.submitted_ms
        self.queued = False
        return (f"its turn, after {duration(waited)} in the queue", "dim") if waited > 1_000 else None

    def _on_step_started(self, event: Mapping[str, Any]) -> tuple[str, Tone] | None:
        step = self._step(event["body"])
        step.phase, step.state, step.started_ms = event["body"]["phase"], "running", event["at_ms"]
        if step.verb == "watch" and step.phase == "do":
            again = event["body"].get("attempt", 1) > 1
            return ("watching again" if again else f"watching for {duration(int(step.args.get('watch_ms', 0)))}"), ""
        return None

    def _on_step_done(self, event: Mapping[str, Any]) -> tuple[str, Tone] | None:
        step = self._step(event["body"])
        step.state = "done"
        sentences = _UNDONE if step.phase == "undo" else _DONE
        sentence = sentences.get(step.verb)
        took_ms = event["at_ms"] - step.started_ms
        done = Done(step, event["body"].get("result") or {}, took_ms, first=not self.previous or self.kind == "start")
        text = sentence(done) if sentence else ""
        return (plain(text), "good" if step.verb in ("switch", "watch") else "") if text else None

    def _on_step_failed(self, event: Mapping[str, Any]) -> tuple[str, Tone]:
        step = self._step(event["body"])
        step.state, step.failures = "failed", step.failures + 1
        said = plain((event["body"].get("error") or {}).get("message", "no reason given"))
        if event["body"].get("again") and step.failures < step.attempts:
            return f"{step.id}: {said}; trying again", "warn"
        return f"{step.id}: {said}", "bad"

    def _on_undo_decided(self, event: Mapping[str, Any]) -> tuple[str, Tone]:
        because = event["body"].get("because", event["body"])
        text = because.get("message", "") if isinstance(because, Mapping) else because
        self.going_back = plain(text) or "a step failed"
        return f"going back: {self.going_back}", "warn"

    def _on_held(self, event: Mapping[str, Any]) -> tuple[str, Tone]:
        self.held = True
        return f"needs you: {plain(event['body'].get('because'))}", "warn"

    def _on_resumed(self, event: Mapping[str, Any]) -> tuple[str, Tone]:
        self.held = False
        return f"resumed by {plain(event['body'].get('by'))}", ""

    def _on_cancel_asked(self, event: Mapping[str, Any]) -> tuple[str, Tone]:
        return _asked("cancel", event["body"]), "warn"

    def _on_rollback_asked(self, event: Mapping[str, Any]) -> tuple[str, Tone]:
        return _asked("rollback", event["body"]), "warn"

    def _on_run_ended(self, event: Mapping[str, Any]) -> None:
        self.ended = event["body"]["state"]

    # --- the plan ----------------------------------------------------------------------------------------------------

    def _planned(self, plan: Mapping[str, Any]) -> None:
        """The plan as submitted, or computed anew when the run took its lane."""
        self.kind, self.environment = plan.get("kind", self.kind), plan.get("environment", self.environment)
        self.previous = plan.get("previous") or ""
        loads = plan.get("workloads") or {}
        before, self.steps = self.steps, {}
        for step in plan.get("steps", ()):
            args = step.get("args") or {}
            service = (loads.get(str(args.get("workload"))) or {}).get("service", "")
            fresh = StepSeen(step["id"], step["verb"], service, args, attempts=step.get("attempts", 1))
            self.steps[step["id"]] = before.get(step["id"]) or fresh
        switch = next((step for step in self.steps.values() if step.verb == "switch"), None)
        self.release = str(switch.args.get("release", "")) if switch else self.release

    def _step(self, body: Mapping[str, Any]) -> StepSeen:
        name = str(body["step"])
        return self.steps.setdefault(name, StepSeen(name, name.split(" ")[0]))

    # --- now ---------------------------------------------------------------------------------------------------------

    @property
    def done(self) -> int:
        return sum(step.state == "done" and step.phase == "do" for step in self._now())

    @property
    def watching(self) -> StepSeen | None:
        """The watch, while it is under way."""
        return next((s for s in self._now() if s.verb == "watch" and s.state == "running"), None)

    def services(self) -> list[tuple[str, str]]:
        """Each service that this run touches, and what is being done with it now."""
        shown: dict[str, str] = {}
        for step in self._now():
            if not step.service or step.args.get("quick"):
                continue
            now = shown.get(step.service, "")
            if step.phase == "undo":
                shown[step.service] = _BACK[step.state]
            elif step.state != "idle":
                shown[step.service] = _NOW.get((step.verb, step.state), now or f"{step.verb} {step.state}")
            else:
                shown.setdefault(step.service, "waits")
        return list(shown.items())

    def _now(self) -> list[StepSeen]:
        """A copy: a live view reads from another thread."""
        return list(self.steps.values())


_NOW = {
    ("prepare", "running"): "preparing",
    ("prepare", "done"): "prepared",
    ("prepare", "failed"): "could not be prepared",
    ("start", "running"): "starting",
    ("start", "done"): "started",
    ("start", "failed"): "did not start",
    ("verify", "running"): "starting: waiting for its health probe",
    ("verify", "done"): "healthy",
    ("verify", "failed"): "not healthy",
    ("smoke", "running"): "smoke checks",
    ("smoke", "done"): "healthy, smoke checks passed",
    ("smoke", "failed"): "smoke check failed",
    ("stop", "running"): "stopping",
    ("stop", "done"): "stopped",
    ("serve", "done"): "serving",
}
_BACK = {"idle": "waits", "running": "being taken back", "done": "taken back", "failed": "could not be taken back"}


def _asked(what: str, body: Mapping[str, Any]) -> str:
    reason = f": {plain(body['reason'])}" if body.get("reason") else ""
    return f"{what} asked by {plain(body.get('by'))}{reason}"


# --- what a done step says ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Done:
    """One step's good outcome. `first`: nothing was live before, or the environment was down."""

    step: StepSeen
    result: Mapping[str, Any]
    took_ms: int
    first: bool


def _opened(done: Done) -> str:
    wanted, got = done.step.args.get("edge_port"), done.result.get("edge_port")
    if done.first and wanted and got and wanted != got:
        return f"port {wanted} is taken by another program: the edge listens on {got}"
    return ""


def _prepared(done: Done) -> str:
    return f"{done.step.service}: prepared in {duration(done.took_ms)}" if done.took_ms >= 1_000 else ""


def _started(done: Done) -> str:
    return f"{done.step.service}: {several(len(done.step.args.get('numbers') or [0]), 'instance')} started"


def _verified(done: Done) -> str:
    if done.step.args.get("quick"):
        return ""
    took = done.result.get("took_ms", done.took_ms)
    return f"{done.step.service}: healthy after {duration(took)}"


def _smoked(done: Done) -> str:
    checks = done.result.get("checks") or ()
    return f"{done.step.service}: {several(len(checks), 'smoke check')} passed"


def _switched(done: Done) -> str:
    took = done.result.get("confirmed_ms", done.took_ms)
    return f"SWITCH: {done.step.args.get('release')} answers, confirmed in {duration(took)}"


def _switched_back(done: Done) -> str:
    back = (done.step.args.get("back") or {}).get("release", "none")
    return f"SWITCH BACK: {back} answers again" if back != "none" else "SWITCH BACK: nothing is live"


def _watched(done: Done) -> str:
    verdict = done.result.get("verdict") or {}
    return f"watch passed: {verdict.get('because', duration(done.took_ms))}"


def _stopped(done: Done) -> str:
    return f"{done.step.id.removeprefix('stop ')}: stopped"


def _drained(done: Done) -> str:
    cut = done.result.get("cut")
    said = f"drained in {duration(done.result.get('waited_ms', done.took_ms))}"
    return f"{done.step.id.removeprefix('drain ')}: {said}" + (f", {several(cut, 'stream')} cut" if cut else "")


def _taken_back(done: Done) -> str:
    return f"{done.step.service}: new instances removed"


_DONE: dict[str, Callable[[Done], str]] = {
    "open": _opened,
    "prepare": _prepared,
    "start": _started,
    "verify": _verified,
    "smoke": _smoked,
    "switch": _switched,
    "watch": _watched,
    "stop": _stopped,
    "drain": _drained,
    "close": lambda _: "the edge is closed",
}
_UNDONE: dict[str, Callable[[Done], str]] = {
    "switch": _switched_back,
    "start": _taken_back,
    "stop": lambda done: f"{done.step.id}: running again",
}
