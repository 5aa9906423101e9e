"""What nobody asks for: the version before is retired when its warm time is over, and what died is brought back.

Looks every two seconds. What it wants done it submits as a run of its own, in the name of `sophia`, when nobody else
has the lane; so it is planned, written down and finished like everything else.

What is live and ends again and again is for a person to judge: the environment is held, which is written down, and the
version before stays warm meanwhile. Nothing goes back by itself. The hold is over when another version is switched to,
when the environment is taken down, or when everything ran for a while again (`crashing`).
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sophia_deployment_core import lanes, planning
from sophia_deployment_core.environment import Placement, Standing
from sophia_deployment_core.errors import SophiaError
from sophia_deployment_core.ledger import Draft
from sophia_deployment_core.plan import Plan
from sophia_deployment_core.ports import Instance, Reading
from sophia_deployment_core.steps import Hands

from sophia_deployment.engine.crashing import Crash, Crashes
from sophia_deployment.engine.journal import Journal
from sophia_deployment.engine.restoring import Restoring

EVERY_MS = 2_000
PATIENCE_MS = (0, 5_000, 15_000, 60_000, 300_000)
"""The pause before the next try to bring an environment back, by how often it failed in a row."""
SILENT_TIMES = 3
"""So often in a row the proxy's statistics must be out of reach before it counts as gone."""


@dataclass
class _Tries:
    failed: int = 0
    next_ms: int = 0
    run: str | None = None
    silent: int = 0


@dataclass
class Tending:
    hands: Hands
    journal: Journal
    restoring: Restoring
    readings: dict[str, Reading] = field(default_factory=dict)
    """environment -> the proxy's newest counters"""
    _switched: dict[str, tuple[int, int]] = field(default_factory=dict)
    """environment -> its generation, and when on the boot clock it began"""
    _tries: dict[str, _Tries] = field(default_factory=lambda: defaultdict(_Tries))
    _crashes: dict[str, Crashes] = field(default_factory=lambda: defaultdict(Crashes))

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.hands.clock.sleep(EVERY_MS)
            for standing in list(self.hands.world.environments.values()):
                await self._tend(standing)

    async def stands(self, environment: str) -> bool:
        """Whether everything that the ledger places there runs, and the edge answers."""
        standing = self.hands.world.standing(environment)
        if not standing.open:
            return False
        seen = await self._seen(standing)
        if self._lost(standing, seen) or self._orphans(standing, seen):
            return False
        try:
            await self.hands.traffic.read(environment)
        except SophiaError:
            return False
        return await self.hands.traffic.generation(environment) == standing.current_generation

    async def _tend(self, standing: Standing) -> None:
        if not standing.open or standing.live is None:
            self._crashes.pop(standing.name, None)
            return
        await self._read(standing)
        if self.hands.world.open_runs(standing.name):
            self._crashes.pop(standing.name, None)  # what ends during a run is the run's affair
            await self._restore_under_way(standing)
            return
        seen = await self._seen(standing)
        await self._judge(standing, seen)
        tries, now = self._tries[standing.name], self.hands.clock.boot_ms()
        self._learn(tries)
        if now >= tries.next_ms and (plan := await self._repair(standing, tries, seen)) is not None:
            tries.run = await self._submit(standing, *plan)
        elif warm := self._lost_warm(standing, seen):
            await self._restore(standing, keys=warm)
        elif standing.held is None and self._is_cold(standing):
            draft = lanes.retiring(self.hands.world, standing, keep=frozenset())
            if draft is not None:
                await self.journal.append([draft], self.hands.epoch)

    async def _read(self, standing: Standing) -> None:
        try:
            self.readings[standing.name] = await self.hands.traffic.read(standing.name)
            self._tries[standing.name].silent = 0
        except SophiaError:
            self._tries[standing.name].silent += 1

    async def _judge(self, standing: Standing, seen: Sequence[Instance]) -> None:
        """Hold an environment whose live version ends again and again; hold it no longer when it is calm."""
        live = self._live(standing).values()
        wanted = {(place.workload.identity, number) for place in live for number in place.begun}
        crashes = self._crashes[standing.name]
        crashes.look(seen, wanted=wanted, now_ms=self.hands.clock.boot_ms())
        if standing.held is None and (loops := crashes.loops()):
            await self.journal.append([_held(standing, loops)], self.hands.epoch)
        elif standing.held is not None and crashes.is_calm():
            await self.journal.append([Draft("environment steady", {"environment": standing.name})], self.hands.epoch)

    def _learn(self, tries: _Tries) -> None:
        """From how the newest repair ended: after a failure it is tried later."""
        view = self.hands.world.runs.get(tries.run) if tries.run else None
        if view is None:
            return
        tries.failed = tries.failed + 1 if view.state != "done" else 0
        pause = PATIENCE_MS[min(tries.failed, len(PATIENCE_MS) - 1)]
        tries.next_ms, tries.run = self.hands.clock.boot_ms() + pause, None

    async def _repair(self, standing: Standing, tries: _Tries, seen: Sequence[Instance]) -> tuple[Plan, str] | None:
        """What would bring back what is gone, and why; `None` where nothing is."""
        if lost := self._lost(standing, seen):
            return planning.start(standing), f"no longer running: {', '.join(lost)}"
        if tries.silent >= SILENT_TIMES:
            return planning.start(standing), "the edge proxy cannot be reached"
        if await self._is_stale(standing):
            return planning.start(standing), "the route file is not the one that was committed"
        if orphans := self._orphans(standing, seen):
            names = ", ".join(sorted({standing.placements[key].workload.service for key in orphans}))
            return planning.restart(standing, instances=orphans), f"without a launcher: {names}"
        return None

    async def _is_stale(self, standing: Standing) -> bool:
        """Whether the route file was lost or is an old one: the proxy would start from it. A newer one than the ledger
        knows of is a person's to judge."""
        found = await self.hands.traffic.generation(standing.name)
        return found is None or found < standing.current_generation

    def _lost(self, standing: Standing, seen: Sequence[Instance]) -> list[str]:
        """Services of the live revision whose instances are gone."""
        alive = {(one.workload, one.number) for one in seen if one.state != "gone"}
        return sorted(
            place.workload.service
            for place in self._live(standing).values()
            if any((place.workload.identity, number) not in alive for number in place.begun)
        )

    def _lost_warm(self, standing: Standing, seen: Sequence[Instance]) -> frozenset[str]:
        """What is kept warm beside the live revision, and is gone: a way back must not lead to nothing."""
        alive = {(one.workload, one.number) for one in seen if one.state != "gone"}
        others = {key: place for key, place in standing.placements.items() if key not in self._live(standing)}
        return frozenset(
            key
            for key, place in others.items()
            if any((place.workload.identity, number) not in alive for number in place.begun)
        )

    async def _restore_under_way(self, standing: Standing) -> None:
        """What a run needs to get anywhere: the proxy at any time; instances while it waits for a person, because then
        nothing of it is under way."""
        holder = self.hands.world.holder(standing.name)
        if holder is not None and holder.state == "needs you":
            await self._restore(standing)
        elif self._tries[standing.name].silent:
            await self._restore(standing, keys=frozenset())

    async def _restore(self, standing: Standing, keys: frozenset[str] | None = None) -> None:
        """Less and less often, while something goes on being gone."""
        tries, now = self._tries[standing.name], self.hands.clock.boot_ms()
        if now >= tries.next_ms:
            was_gone = await self.restoring.restore(standing, keys=keys)
            tries.failed = tries.failed + 1 if was_gone else 0
            tries.next_ms = self.hands.clock.boot_ms() + PATIENCE_MS[min(tries.failed, len(PATIENCE_MS) - 1)]

    def _orphans(self, standing: Standing, seen: Sequence[Instance]) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        orphaned = {(one.workload, one.number) for one in seen if one.state == "orphaned"}
        for key, place in self._live(standing).items():
            numbers = [number for number in sorted(place.begun) if (place.workload.identity, number) in orphaned]
            if numbers:
                found[key] = numbers
        return found

    async def _seen(self, standing: Standing) -> list[Instance]:
        return list(await self.hands.runtime.observe(standing.name))

    def _live(self, standing: Standing) -> dict[str, Placement]:
        keys = standing.live.keys if standing.live else frozenset()
        return {key: place for key, place in standing.placements.items() if key in keys}

    def _is_cold(self, standing: Standing) -> bool:
        """Whether what was live before need not be kept warm any longer. A wall clock that jumps ends nothing early."""
        if standing.live is None or standing.live_since_ms is None:
            return False
        clock, settings = self.hands.clock, standing.live.settings
        generation, since_ms = self._switched.get(standing.name, (0, 0))
        if generation != standing.current_generation:
            since_ms = clock.boot_ms() - max(0, clock.now_ms() - standing.live_since_ms)
            self._switched[standing.name] = standing.current_generation, since_ms
        warm_ms = int(settings.get("watch_ms", 0)) + int(settings.get("warm_ms", 0))
        return clock.boot_ms() - since_ms >= warm_ms

    async def _submit(self, standing: Standing, plan: Plan, reason: str) -> str:
        id = str(uuid.uuid4())
        body: dict[str, Any] = {
            "plan": plan.to_data(),
            "number": self.hands.world.numbers + 1,
            "kind": plan.kind,
            "environment": standing.name,
            "by": "sophia",
            "reason": reason,
        }
        await self.journal.append([Draft("run submitted", body, run=id, key=f"run/{id}")], self.hands.epoch)
        return id


def _held(standing: Standing, loops: Sequence[Crash]) -> Draft:
    crashing = [
        {
            "service": crash.instance.service,
            "workload": crash.instance.workload,
            "number": crash.instance.number,
            "restarts": crash.ends,
            "exit": crash.instance.exit,
        }
        for crash in loops
    ]
    because = "; ".join(dict.fromkeys(str(crash) for crash in loops))
    return Draft("environment held", {"environment": standing.name, "because": because, "crashing": crashing})
