"""What a build tells while it works."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Literal


@dataclass(frozen=True)
class Progress:
    """Something that happened. `said` is a sentence for people; `service` is None where it concerns all of them.

    phase    waiting (for another build) · installing (npm packages) · building · built · cached · storing · stored
    took_ms  with built and stored; `digest` with stored
    """

    phase: Literal["waiting", "installing", "building", "built", "cached", "storing", "stored"]
    said: str
    service: str | None = None
    took_ms: int = 0
    digest: str | None = None


Tell = Callable[[Progress], None]


def one_at_a_time(tell: Tell) -> Tell:
    lock = Lock()

    def told(progress: Progress) -> None:
        with lock:
            tell(progress)

    return told
