"""Answers to where something is: found, missing, or nobody can tell; and the file systems that are asked."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sophia_preflight.images import Filesystem
from sophia_preflight.model import Confidence


class State(StrEnum):
    FOUND = "found"
    MISSING = "missing"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Location:
    """`path` is where the target is, or where it was looked for first."""

    state: State
    path: str = ""
    confidence: Confidence = Confidence.CERTAIN
    where: str = ""
    """For a missing target: the directory or image that it is missing from, in words."""

    @property
    def missing(self) -> bool:
        return self.state is State.MISSING

    @property
    def found(self) -> bool:
        return self.state is State.FOUND


NOWHERE = Location(State.UNKNOWN)


@dataclass(frozen=True)
class ImageView:
    """A file system, and whether it is surely the one."""

    files: Filesystem
    certain: bool


def below(root: str, inner: str) -> str:
    return inner if root in ("", ".") else f"{root}/{inner}"
