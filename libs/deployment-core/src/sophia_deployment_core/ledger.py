"""The ledger: the engine's only memory, append-only and hash-chained.

    entry n:  hash = sha256(hash of n-1, seq, at, epoch, [run, kind, key], stored body text)

The body's text is hashed as stored, so verifying needs no canonicalisation. A chain does not see a cut tail: keep
the head (`Head`) elsewhere and compare. Progress, recovery, report and audit are folds over these entries.

    kind               by       body
    engine owns        engine   {holder, version}
    run submitted      person   {plan, number, kind, environment, by, reason?, tags, provenance}
    approval           person   {by, decision, plan_hash}
    cancel asked       person   {by, reason?}
    rollback asked     person   {by, reason?}            (of a run that holds the lane: it undoes itself)
    resumed            person   {by, reason?}            (of a held run: what gave up is tried again; by the engine
                                                         where it was going back and nobody decided)
    lane taken         engine   {environment, plan?}     (the plan, where another is due than was submitted)
    step started       engine   {step, phase: do|undo, attempt, until_ms, with}
    step done          engine   {step, phase, attempt, result}
    step failed        engine   {step, phase, attempt, error: {code, message, hint, facts, hold?}, again: bool}
    undo decided       engine   {kind: failure|cancel|rollback, message, by? | step, code, hint, facts}
    run ended          engine   {state, because}
    held               engine   {because}                (needs a person; the lane is kept)
    environment held   engine   {environment, because, crashing: [{service, workload, number, restarts, exit}]}
                                                         (after the watch nothing goes back by itself)
    environment steady engine   {environment}            (what was held runs again)
    note               engine   {…}                      (an observation)
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from json.encoder import encode_basestring_ascii
from typing import Any

ORIGIN = "0" * 64
"""The hash before the first entry."""


@dataclass(frozen=True)
class Draft:
    """An entry to be appended. `key` makes it happen once: a second draft with the same key is not appended again."""

    kind: str
    body: Mapping[str, Any] = field(default_factory=dict)
    run: str | None = None
    key: str | None = None


@dataclass(frozen=True)
class Event:
    """One entry as stored. `text` is the body's stored text, `body` the same parsed; `at_ms` never goes back."""

    seq: int
    at_ms: int
    epoch: int
    run: str | None
    kind: str
    key: str | None
    text: str
    hash: str

    @property
    def body(self) -> dict[str, Any]:
        parsed: dict[str, Any] = json.loads(self.text)
        return parsed


@dataclass(frozen=True)
class Head:
    """The tip of the chain: what to keep elsewhere."""

    seq: int
    hash: str


def chain(
    previous: str, *, seq: int, at_ms: int, epoch: int, run: str | None, kind: str, key: str | None, text: str
) -> str:
    """The hash of an entry that follows the one whose hash is `previous`."""
    prefix = f"[{_quoted(previous)},{seq},{at_ms},{epoch},{_quoted(run)},{_quoted(kind)},{_quoted(key)}]"
    return hashlib.sha256(f"{prefix}\n{text}".encode()).hexdigest()


def _quoted(text: str | None) -> str:
    # Written out, because a chain of a million entries is verified in seconds; a test holds it against `canonical`.
    return "null" if text is None else encode_basestring_ascii(text)


@dataclass(frozen=True)
class Broken:
    """The first bad entry and what is wrong with it."""

    seq: int
    because: str


def verify(events: Iterable[Event], *, head: Head | None = None) -> Broken | Head:
    """Walk the chain from its start. Returns the head, or the first entry that is not what was written.

    With `head` (kept elsewhere) a missing tail is found too.
    """
    seq, previous, at_ms, seen = 0, ORIGIN, 0, False
    for event in events:
        if event.seq != seq + 1:
            return Broken(seq + 1, f"entry {seq + 1} is missing; the next one found is {event.seq}")
        if event.at_ms < at_ms:
            return Broken(event.seq, "its time is before that of the entry in front of it")
        expected = chain(
            previous,
            seq=event.seq,
            at_ms=event.at_ms,
            epoch=event.epoch,
            run=event.run,
            kind=event.kind,
            key=event.key,
            text=event.text,
        )
        if expected != event.hash:
            return Broken(event.seq, "its content or the entry in front of it was changed after it was written")
        seq, previous, at_ms = event.seq, event.hash, event.at_ms
        if head is not None and head.seq == seq:
            seen = True
            if head.hash != previous:
                return Broken(seq, "the head kept elsewhere has another hash for it: history was rewritten")
    if head is not None and not seen and head.seq > 0:
        return Broken(seq + 1, f"the tail is cut: the head kept elsewhere is entry {head.seq}")
    return Head(seq, previous)
