"""Findings that have one cause are one finding with several places, and so is what one file says of one thing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Protocol, TypeVar

from sophia_preflight.model import Finding, Involved


class Used(Protocol):
    """What stands in a file."""

    @property
    def path(self) -> str: ...


_Use = TypeVar("_Use", bound=Used)


def by_file(uses: Iterable[_Use]) -> dict[str, list[_Use]]:
    """Path -> the uses that it holds, in their order."""
    found: dict[str, list[_Use]] = {}
    for use in uses:
        found.setdefault(use.path, []).append(use)
    return found


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
