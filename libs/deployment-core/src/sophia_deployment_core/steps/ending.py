"""What is no longer needed: drained, removed, pruned; and the edge closed."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any

from sophia_deployment_core.errors import SophiaError
from sophia_deployment_core.ports import Artifacts
from sophia_deployment_core.steps.call import Call, Verb

APART_MS = 100
"""For so long after a switch requests may be on their way to a worker; two reads this far apart are believed."""

FRESH_MS = 3_600_000


async def drained(call: Call, key: str, *, cap_ms: int) -> dict[str, Any]:
    """Wait until no request is under way in the workload, in two reads, or until the cap. Streams count as requests."""
    clock, began, quiet, active = call.hands.clock, call.hands.clock.boot_ms(), 0, 0
    while True:
        await clock.sleep(APART_MS)
        try:
            reading = await call.hands.traffic.read(call.environment)
            counters = reading.workloads.get(key)
            active = counters.active if counters else 0
            quiet = quiet + 1 if active == 0 else 0
        except SophiaError:
            quiet = 0  # unknown is not zero
        waited = clock.boot_ms() - began
        if quiet == 2 or waited >= cap_ms:
            return {"waited_ms": waited, "cut": active if quiet < 2 else 0}


class Drain(Verb):
    async def do(self, call: Call) -> dict[str, Any]:
        if call.args["key"] not in call.standing.placements or not call.standing.open:
            return {"waited_ms": 0, "cut": 0}
        return await drained(call, call.args["key"], cap_ms=int(call.args["cap_ms"]))


class Remove(Verb):
    """The proxy forgets the workloads."""

    async def do(self, call: Call) -> dict[str, Any]:
        gone = set(call.args["keys"])
        if call.standing.open:
            await call.hands.traffic.show_candidate(call.live_routes(), epoch=call.hands.epoch)
            await call.arrange({key: at for key, at in call.standing.placements.items() if key not in gone})
        return {"removed": sorted(gone)}


class Prune(Verb):
    """What no revision to roll back to refers to is deleted: prepared trees, bundles and old values of secrets.

    A bundle that was stored a short while ago stays: its deployment may not be submitted yet.
    """

    async def do(self, call: Call) -> dict[str, Any]:
        hands, now_ms = call.hands, call.hands.clock.now_ms()
        keep = hands.world.kept_artifacts(now_ms=now_ms)
        unprepared = await hands.runtime.prune(keep, epoch=hands.epoch)
        removed = await asyncio.to_thread(_forget, hands.artifacts, keep, now_ms)
        forgotten = await asyncio.to_thread(hands.secrets.keep, hands.world.kept_secrets(now_ms=now_ms))
        return {"bundles": removed, "prepared": len(unprepared), "secrets": len(forgotten)}


def _forget(artifacts: Artifacts, keep: Collection[str], now_ms: int) -> int:
    """Remove stored bundles that are neither in `keep` nor fresh; how many."""
    old = [
        digest
        for digest in artifacts.digests()
        if digest not in keep and now_ms - artifacts.stored_ms(digest) > FRESH_MS
    ]
    for digest in old:
        artifacts.remove(digest)
    return len(old)


class Close(Verb):
    """The edge no longer answers; requests under way are finished first."""

    async def do(self, call: Call) -> dict[str, Any]:
        await call.hands.traffic.close(call.environment, epoch=call.hands.epoch)
        return {}
