"""The switch: one rename moves every request. Before it, room for the way back; after a loss, the committed table."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from sophia_deployment_core.errors import SophiaError, declare
from sophia_deployment_core.ports import Routes
from sophia_deployment_core.steps.call import Call, Verb

ROOM_BYTES = 256 * 1024
"""What a rollback writes into the ledger, with plenty to spare."""

FOREIGN_ROUTES = declare(
    "SPH-1204",
    "the route file is newer than the ledger",
    "The route file that the proxy reads has a generation that the ledger never heard of: the state directory's "
    "database was put back from an older copy, or the file comes from elsewhere. Traffic was not touched. Move "
    "the environment's `routes.json` below `.sophia/envoy/` away (the file alone: a proxy that runs watches its "
    "directory) and run `sophia up`: it is written anew.",
)


class Room(Verb):
    """So much of the ledger is reserved that going back works with a full disk."""

    async def do(self, call: Call) -> dict[str, Any]:
        await asyncio.to_thread(call.hands.ledger.reserve, ROOM_BYTES)
        return {"reserved_bytes": ROOM_BYTES}


class Switch(Verb):
    """Traffic is answered by the target; undone by the way back that was written before."""

    async def do(self, call: Call) -> dict[str, Any]:
        hands, began = call.hands, call.hands.clock.boot_ms()
        there, back = self._routes(call, call.args), self._routes(call, call.args["back"])
        await hands.traffic.switch(there, back=back, epoch=hands.epoch)
        return {"generation": there.generation, "confirmed_ms": hands.clock.boot_ms() - began}

    async def undo(self, call: Call) -> dict[str, Any]:
        hands, began = call.hands, call.hands.clock.boot_ms()
        back = self._routes(call, call.args["back"])
        await hands.traffic.switch(back, back=None, epoch=hands.epoch)
        return {"generation": back.generation, "confirmed_ms": hands.clock.boot_ms() - began}

    def _routes(self, call: Call, args: Mapping[str, Any]) -> Routes:
        return Routes(call.environment, int(args["generation"]), args["release"], args["table"])


class Restore(Verb):
    """The route file says what the ledger says. The ledger is the truth; a file of another generation is rewritten."""

    async def do(self, call: Call) -> dict[str, Any]:
        routes = Routes(call.environment, int(call.args["generation"]), call.args["release"], call.args["table"])
        found = await call.hands.traffic.generation(call.environment)
        if found is not None and found > routes.generation:
            raise SophiaError(
                FOREIGN_ROUTES,
                f"the route file of `{call.environment}` has generation {found}, the ledger {routes.generation}",
                hint=f"move `.sophia/envoy/{call.environment}/routes.json` away, then `sophia up`",
                facts={"final": True},
            )
        await call.hands.traffic.switch(routes, back=None, epoch=call.hands.epoch)
        return {"generation": routes.generation, "found": found}
