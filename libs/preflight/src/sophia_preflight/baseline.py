"""Findings that somebody accepts for a time: each with a reason, an owner and an expiry date.

    - {id: 1f0c2a9b7d31, rule: missing-script, reason: moves next sprint, owner: ana, expires: 2026-12-31}

An entry that lacks one of these accepts nothing and is a finding itself, as is one that is expired or accepts nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date

from sophia_preflight.model import Confidence, Finding, Place, Rule, Severity, Suppressed
from sophia_preflight.readers import yaml
from sophia_preflight.readers.tree import Node

RULE = Rule(
    id="baseline",
    title="an entry of the baseline does not hold",
    severity=Severity.MEDIUM,
    why="what is accepted without a reason, an owner and an end is forgotten",
    fix="correct the entry, or remove it",
    family="files",
)


@dataclass(frozen=True)
class Applied:
    """What is left, what is accepted, in the order of the report."""

    findings: tuple[Finding, ...]
    suppressed: tuple[Suppressed, ...]


def apply(text: str, path: str, findings: Iterable[Finding], today: date) -> Applied:
    """Take accepted findings out of `findings`; entries that do not hold are added to them."""
    found = {each.id: each for each in findings}
    suppressed: list[Suppressed] = []
    documents = yaml.parse(text)
    wrong = [_wrong(path, f.line, f.column, f"the baseline cannot be read: {f.message}") for f in documents.faults]
    entries = documents.root if documents.root.is_list else documents.root["findings"]
    for entry in entries.elements():
        problem = _problem(entry, today) or ("" if entry["id"].text in found else "it accepts nothing: no such finding")
        if problem:
            name = entry["id"].text or "an entry"
            wrong.append(_wrong(path, entry.line, entry.column, f"`{name}`: {problem}"))
            continue
        each = found.pop(entry["id"].text)
        suppressed.append(Suppressed(each, entry["reason"].text, entry["owner"].text, entry["expires"].text))
    return Applied((*found.values(), *wrong), tuple(suppressed))


def written(findings: Iterable[Finding], *, owner: str, reason: str, expires: date) -> str:
    """A baseline that accepts all of these."""
    lines = ["# Findings that are accepted for a time; `sophia check` names each and says when one has expired."]
    lines += list(_entries(findings, owner, reason, expires))
    return "\n".join(lines) + "\n"


def _entries(findings: Iterable[Finding], owner: str, reason: str, expires: date) -> Iterator[str]:
    import json

    for each in findings:
        yield f"- id: {json.dumps(each.id)}"
        yield f"  rule: {each.rule}"
        yield f"  path: {json.dumps(each.place.path)}"
        yield f"  reason: {json.dumps(reason)}"
        yield f"  owner: {json.dumps(owner)}"
        yield f"  expires: {expires.isoformat()}"


def _problem(entry: Node, today: date) -> str:
    missing = [name for name in ("id", "reason", "owner", "expires") if not entry[name].text.strip()]
    if missing:
        return f"it has no {', no '.join(missing)}"
    try:
        expires = date.fromisoformat(entry["expires"].text)
    except ValueError:
        return f"`{entry['expires'].text}` is no date like 2026-12-31"
    return f"it expired on {expires.isoformat()}" if expires < today else ""


def _wrong(path: str, line: int, column: int, message: str) -> Finding:
    return RULE.found(message, Place(path, line, column), anchor=message, confidence=Confidence.CERTAIN)
