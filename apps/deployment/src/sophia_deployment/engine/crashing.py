"""Whether what is live ends again and again, look by look. Pure: told what runs and when, it keeps count.

    loops   an instance ended `CRASHES` times within `LOOK_BACK_MS`
    calm    everything ran through the last `LOOK_BACK_MS`, and nothing ended

Between the two nothing is said: what was held stays held, what was steady stays steady. A launcher starts what ended
again after ten seconds at most, so the time is long enough to see a loop that gets through half a minute in each turn.
Counts from its first look on: what happened earlier, or during a run, is not its to judge.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from sophia_deployment_core.ports import Instance
from sophia_deployment_core.steps.checking import ended

CRASHES = 3
LOOK_BACK_MS = 120_000

Key = tuple[str, int]
"""Workload and instance number."""


@dataclass(frozen=True)
class Crash:
    """An instance that loops, as it was when it was seen last. `ends`: how often it ended within `LOOK_BACK_MS`."""

    instance: Instance
    ends: int

    def __str__(self) -> str:
        within = LOOK_BACK_MS // 60_000
        return f"`{self.instance.service}` ended {self.ends} times within {within} minutes, last {self._how()}"

    def _how(self) -> str:
        return ended(self.instance) if self.instance.exit is None else f"with {ended(self.instance)}"


@dataclass
class Crashes:
    """Of one environment. Times are of the boot clock, at which a look was taken."""

    _now_ms: int = 0
    _calm_since_ms: int | None = None
    _latest: dict[Key, Instance] = field(default_factory=dict)
    _ends_ms: dict[Key, list[int]] = field(default_factory=dict)

    def look(self, instances: Iterable[Instance], *, wanted: Collection[Key], now_ms: int) -> None:
        """Count what ended since the look before. `wanted`: the instances that shall run."""
        found = {(one.workload, one.number): one for one in instances}
        for key in wanted:
            self._count(key, found.get(key), now_ms)
        self._latest = {key: found[key] for key in wanted if key in found}
        self._ends_ms = {key: self._ends_ms[key] for key in wanted}
        self._now_ms = now_ms

    def _count(self, key: Key, now: Instance | None, now_ms: int) -> None:
        before = self._latest.get(key)
        more = now.restarts - before.restarts if now is not None and before is not None else 0
        recent = [at_ms for at_ms in self._ends_ms.get(key, ()) if now_ms - at_ms <= LOOK_BACK_MS]
        self._ends_ms[key] = recent + [now_ms] * max(0, more)
        is_up = now is not None and now.state in ("running", "orphaned") and more == 0
        if self._calm_since_ms is None or not is_up:
            self._calm_since_ms = now_ms

    def loops(self) -> list[Crash]:
        """The instances that end again and again, by service."""
        found = [Crash(one, len(self._ends_ms[key])) for key, one in self._latest.items()]
        return sorted(
            (crash for crash in found if crash.ends >= CRASHES),
            key=lambda crash: (crash.instance.service, crash.instance.number),
        )

    def is_calm(self) -> bool:
        return self._calm_since_ms is not None and self._now_ms - self._calm_since_ms >= LOOK_BACK_MS
