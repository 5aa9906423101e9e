"""An answer made of what was found and done, without a model. Pure; it says what it is in its first line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

SAYS_SO = "Composed without a model."
LONGEST = 2_000


@dataclass(frozen=True, slots=True)
class Memory:
    id: int
    text: str
    score: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """One tool call that is over: `value` is its structured answer, `text` its words or the reason why it failed."""

    id: str
    tool: str
    ok: bool
    value: dict[str, Any] | None
    text: str
    milliseconds: float


@dataclass(slots=True)
class Found:
    """What an answer rests on. `unavailable`: who could not be asked, and why."""

    looked: bool = False
    """Whether memories were searched."""
    memories: list[Memory] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    unavailable: dict[str, str] = field(default_factory=dict)


def composed(found: Found, *, because: str = "") -> str:
    """The answer. `because`: why no model wrote it although one is configured."""
    first = f"{SAYS_SO[:-1]}: {because}." if because else SAYS_SO
    parts = [
        first,
        *(_outcome(outcome) for outcome in found.outcomes),
        _memories(found),
        *(f"I could not ask `{name}`: {why}." for name, why in found.unavailable.items() if not _told(name, found)),
    ]
    return "\n\n".join(part for part in parts if part)


def _told(name: str, found: Found) -> bool:
    """Whether a call that failed has named it already."""
    return any(not outcome.ok and f"`{name}`" in outcome.text for outcome in found.outcomes)


def _memories(found: Found) -> str:
    if found.memories:
        return "\n".join(["What I remember about this:", *(f"- {memory.text}" for memory in found.memories)])
    if found.looked and not found.outcomes:
        return "I remember nothing about this. Tell me with “remember that …”."
    return ""


def _outcome(outcome: Outcome) -> str:
    if not outcome.ok:
        return f"`{outcome.tool}` failed: {outcome.text}"
    say = _SAY.get(outcome.tool)
    said = say(outcome.value) if say and outcome.value is not None else ""
    return said or f"`{outcome.tool}` answered:\n{shortened(outcome.text)}"


def _remembered(value: dict[str, Any]) -> str:
    return f"I will remember: {value.get('text', '')}" if value.get("new") else "I remembered that already."


def _forgotten(value: dict[str, Any]) -> str:
    return "I have forgotten it." if value.get("forgotten") else "I had no memory that is exactly that."


def _checked(value: dict[str, Any]) -> str:
    findings: Sequence[dict[str, Any]] = value.get("findings", [])
    lines = [
        f"- line {each['line']}: {each['message']} ({each['tool']} {each['rule']}, {each['severity']})"
        for each in findings
    ]
    count = "ruff and bandit found nothing" if not findings else f"ruff and bandit found {len(findings)}"
    doubts = [f"- {each['tool']} did not look at all of it: {each['why']}" for each in value.get("incomplete", [])]
    return "\n".join([f"{count}{':' if lines or doubts else '.'}", *lines, *doubts])


_SAY = {"ai-memory.remember": _remembered, "ai-memory.forget": _forgotten, "code-quality.check": _checked}


def shortened(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
