"""What both forms of a report say alike: marks of states and answers, the figures of the first screen, who and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sophia_deployment_core.report.facts import Facts, Failure
from sophia_deployment_core.report.text import duration, moment


@dataclass(frozen=True)
class Mark:
    """A sign and a tone (`good`, `bad`, `warn`, `quiet`); the sign alone says enough where there is no colour."""

    mark: str
    tone: str


OUTCOMES: Mapping[str, Mark] = {
    "queued": Mark("…", "quiet"),
    "running": Mark("▸", "quiet"),
    "needs you": Mark("!", "warn"),
    "done": Mark("✓", "good"),
    "rolled back": Mark("↩", "warn"),
    "failed": Mark("✕", "bad"),
    "cancelled": Mark("–", "quiet"),
}
ANSWERS: Mapping[str, Mark] = {
    "pass": Mark("✓", "good"),
    "fail": Mark("✕", "bad"),
    "hold": Mark("?", "warn"),
    "running": Mark("▸", "quiet"),
    "ended": Mark("–", "quiet"),
    "not reached": Mark("–", "quiet"),
    "skipped": Mark("–", "quiet"),
}


def what_failed(failure: Failure) -> str:
    """A heading, with the step in backticks."""
    what = f"Undoing `{failure.step}`" if failure.phase == "undo" else f"Step `{failure.step}`"
    return f"{what} left it to a person" if failure.held else f"{what} failed"


@dataclass(frozen=True)
class Figure:
    """One of the few numbers for who reads only the first screen."""

    title: str
    value: str
    detail: str


def figures(facts: Facts) -> list[Figure]:
    """Outcome, time, users, what serves: always these four, in this order."""
    name = f"`{facts.serving}`" if facts.serving else "nothing"
    serves = Figure("Serving now", name, facts.url)
    return [
        Figure("Outcome", facts.state, _outcome(facts)),
        Figure("Time", duration(facts.took_ms), _time(facts)),
        Figure("Users affected", facts.users.headline, facts.users.detail),
        serves,
    ]


def _outcome(facts: Facts) -> str:
    if facts.state == "done":
        return "as planned"
    if facts.state == "needs you":
        return "it stands until somebody decides"
    if not facts.ended:
        return ""
    if facts.back_ms is not None:
        return "traffic is back where it was"
    return "before traffic was moved" if facts.kind in ("deploy", "rollback") and facts.switched_ms is None else ""


def _time(facts: Facts) -> str:
    if facts.started_ms is None:
        return "all of it in the queue"
    words = []
    if facts.switched_ms is not None:
        words.append(f"traffic moved after {duration(facts.switched_ms - facts.started_ms)}")
    if facts.switched_ms is not None and facts.back_ms is not None:
        words.append(f"back {duration(facts.back_ms - facts.switched_ms)} later")
    elif facts.watched.lasted_ms is not None:
        words.append(f"watched for {duration(facts.watched.lasted_ms)}")
    if facts.stood_ms:
        words.append(f"{duration(facts.stood_ms)} of it waiting for a person")
    if facts.waited_ms >= 1_000:
        words.append(f"after {duration(facts.waited_ms)} in the queue")
    return ", ".join(words)


def origin(facts: Facts) -> Iterator[tuple[str, str]]:
    """Who wanted it, why, and what exactly."""
    yield "asked for by", facts.by
    if facts.reason:
        yield "reason", facts.reason
    yield "submitted", moment(facts.submitted_ms)
    if facts.ended:
        yield "ended", moment(facts.until_ms)
    if facts.release:
        yield "release", f"`{facts.release}`"
    if facts.previous and facts.previous != facts.release:
        yield "before", f"`{facts.previous}`"
    if facts.origin.commit:
        state = " with uncommitted changes" if facts.origin.dirty else ""
        branch = f" on `{facts.origin.branch}`" if facts.origin.branch else ""
        yield "commit", f"`{facts.origin.commit[:12]}`{branch}{state}"
    if facts.origin.subject or facts.origin.author:
        yield "change", ", ".join(part for part in (facts.origin.subject, facts.origin.author) if part)
    if facts.overridden:
        yield "overridden", ", ".join(f"`{name}`" for name in facts.overridden)
    if facts.tags:
        yield "tags", ", ".join(facts.tags)
    if facts.held:
        yield "held", facts.held
    if facts.engines > 1:
        yield "engines", f"{facts.engines}, one after the other"


def proof(facts: Facts) -> Iterator[tuple[str, str]]:
    """By which all of this can be checked against the ledger."""
    yield "run", f"`{facts.run}`"
    yield "plan", f"`{facts.plan_hash}`"
    if facts.proof:
        yield "ledger", f"entries {facts.proof.first} to {facts.proof.last}, of this run {facts.proof.entries}"
        yield "check it", f"`sophia audit verify --head {facts.proof.last}:{facts.proof.hash}`"
