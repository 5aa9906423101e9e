"""Processes: made ready, started, stopped."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from sophia_deployment_core.errors import SophiaError
from sophia_deployment_core.steps.call import Call, Verb
from sophia_deployment_core.steps.ending import drained

UNDO_DRAIN_MS = 10_000
"""How long requests under way in a version that is taken back may go on."""


class Prepare(Verb):
    """The bundle is what its digest says, and is made ready to run; once for each digest."""

    async def do(self, call: Call) -> dict[str, Any]:
        load, hands = call.workload, call.hands
        await asyncio.to_thread(hands.artifacts.check, load.artifact)
        began = hands.clock.boot_ms()
        try:
            await hands.runtime.prepare(load.artifact, prepare=load.prepare, epoch=hands.epoch)
        except SophiaError as error:
            facts = {"service": load.service, "serving": call.serving_now(), **error.facts}
            raise replace(error, message=f"`{load.service}`: {error.message}", facts=facts) from error
        return {"artifact": load.artifact, "took_ms": hands.clock.boot_ms() - began}


class Start(Verb):
    """Instances run under their launchers."""

    async def do(self, call: Call) -> dict[str, Any]:
        started = await asyncio.gather(
            *(call.hands.runtime.start(call.spec(number), epoch=call.hands.epoch) for number in call.numbers)
        )
        return {"pids": [instance.pid for instance in started], "limits": started[0].limits if started else ""}

    async def undo(self, call: Call) -> dict[str, Any]:
        key = call.args["key"]
        if call.switched and key in call.standing.placements:
            await drained(call, key, cap_ms=UNDO_DRAIN_MS)
        return await _stop(call)


class Stop(Verb):
    """Instances are asked to stop, and are gone. Undone by starting them again."""

    async def do(self, call: Call) -> dict[str, Any]:
        if "drain_ms" in call.args:
            await drained(call, call.args["key"], cap_ms=int(call.args["drain_ms"]))
        return await _stop(call)

    async def undo(self, call: Call) -> dict[str, Any]:
        return await Start().do(call)


async def _stop(call: Call) -> dict[str, Any]:
    load, hands = call.workload, call.hands
    exits = await asyncio.gather(
        *(hands.runtime.stop(call.environment, load.identity, number, epoch=hands.epoch) for number in call.numbers)
    )
    return {"exits": list(exits)}
