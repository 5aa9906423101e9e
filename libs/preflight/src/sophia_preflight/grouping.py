"""Findings that have one cause are one finding with several places."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from sophia_preflight.model import Finding, Involved


def together(found: Sequence[Finding], others: str) -> Finding:
    """The worst finding of several, with the places of all: `others` says what the rest of them is."""
    first, *rest = sorted(found, key=lambda each: each.severity.rank)
    places = dict.fromkeys((*first.places, *(Involved(each.place, "also") for each in rest)))
    return replace(first, message=f"{first.message}, {others.format(len(rest))}", places=tuple(places))


def by_cause(found: Iterable[tuple[object, Finding]], others: str, *, least: int = 2) -> Iterator[Finding]:
    """Findings with what each is caused by: one for a cause that has `least` of them or more."""
    groups: dict[object, list[Finding]] = {}
    for cause, each in found:
        groups.setdefault(cause, []).append(each)
    for group in groups.values():
        yield from [together(group, others)] if len(group) >= least else group
