"""Places: the edge is open, every workload has its ports and its listener, and the instances that serve."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from sophia_deployment_core.environment import Placement
from sophia_deployment_core.errors import SophiaError, declare
from sophia_deployment_core.steps.call import Call, Verb

FIRST, LAST = 20_000, 29_999
"""Ports of listeners and instances."""
EDGE_TRIES = 100

PORT_TAKEN = declare(
    "SPH-1202",
    "the edge's port is taken by another program",
    "With `--strict-port` the declared port is wanted and no other. Find who listens there (`ss -ltnp`), stop it, or "
    "change `edge: {port: …}` in `sophia.yaml`. Without the option the next free port is taken and printed.",
)
EDGE_MOVED = declare(
    "SPH-1205",
    "the edge answers on another port than the declared one",
    "With `--strict-port` the declared port is wanted and no other, but the environment was opened on another one and "
    "serves there. A deployment never moves an edge: that would cut every connection. Take the environment down and "
    "deploy again with `--strict-port`, or leave the option out: the environment stays on the port that it has.",
)
NO_PORTS = declare(
    "SPH-1203",
    "there is no free port left",
    "Instances and listeners get ports from 20000 to 29999 on 127.0.0.1, and every one is taken. Retire what is no "
    "longer needed (`sophia down`), or stop what else listens there.",
)


class Open(Verb):
    """The environment's proxy runs. Its edge port is the declared one, or the next that is free, and is remembered.

    After a reboot, or after `down`, somebody else may have a port that was ours. Where nothing of the environment runs,
    what is taken is given anew.
    """

    async def resolve(self, call: Call) -> dict[str, Any]:
        running = await call.hands.traffic.ports(call.environment)
        if running is not None:
            self._refuse_moved(call, running[0])
            return {"edge_port": running[0], "private_port": running[1]}
        edge = self._edge(call)
        free = _free(call, taken={edge})
        private = call.standing.private_port
        if not private or not call.hands.runtime.is_free(private):
            private = next(free)
        instances = await call.hands.runtime.observe(call.environment)
        stands = any(one.state != "gone" for one in instances)
        return {"edge_port": edge, "private_port": private} | ({} if stands else self._moved(call, free))

    def _moved(self, call: Call, free: Iterator[int]) -> dict[str, Any]:
        """New ports for what another program has taken."""

        def kept(port: int) -> int:
            return port if not port or call.hands.runtime.is_free(port) else next(free)

        moved = {}
        for key, place in sorted(call.standing.placements.items()):
            now = {"listener": kept(place.listener_port), "ports": {str(n): kept(p) for n, p in place.ports.items()}}
            if now != {"listener": place.listener_port, "ports": {str(n): p for n, p in place.ports.items()}}:
                moved[key] = now
        return {"moved": moved} if moved else {}

    def _refuse_moved(self, call: Call, port: int) -> None:
        """A deployment that wants its port and no other. What goes back, or brings back, is never held up by it."""
        wanted, name = int(call.args["edge_port"]), call.environment
        if call.plan.kind == "deploy" and call.args.get("strict") and port != wanted:
            raise SophiaError(
                EDGE_MOVED,
                f"the edge of `{name}` serves on port {port}, not on {wanted}",
                hint=f"to move it: `sophia down {name}`, then `sophia deploy {name} --strict-port`",
                facts={"final": True, "port": wanted, "serving": call.serving_now()},
            )

    def _edge(self, call: Call) -> int:
        """The one that was chosen for the same wish before, else the declared one, else the next that is free."""
        wanted, remembered = int(call.args["edge_port"]), call.standing.edge_port
        is_same_wish = call.standing.edge_wanted == wanted and not (call.args.get("strict") and remembered != wanted)
        if remembered and is_same_wish and call.hands.runtime.is_free(remembered):
            return remembered
        others = call.hands.world.ports() - call.standing.ports()
        for port in range(wanted, min(wanted + EDGE_TRIES, 65_536)):
            if port not in others and call.hands.runtime.is_free(port):
                return port
            if call.args.get("strict"):
                raise SophiaError(
                    PORT_TAKEN,
                    f"port {wanted} of `{call.environment}` is taken by another program",
                    hint=f"see who has it: `ss -ltnp 'sport = :{wanted}'`",
                    facts={"final": True, "port": wanted},
                )
        raise SophiaError(NO_PORTS, f"no free port from {wanted} on", hint="change `edge: {port: …}` in `sophia.yaml`")

    async def do(self, call: Call) -> dict[str, Any]:
        ports = {"edge_port": call.given["edge_port"], "private_port": call.given["private_port"]}
        await call.hands.traffic.open(call.environment, **ports, epoch=call.hands.epoch)
        if call.standing.placements:
            await call.arrange(call.standing.placements)
        return ports

    async def undo(self, call: Call) -> dict[str, Any]:
        """Only where it was taken down before (`Step.reopens`)."""
        await call.hands.traffic.close(call.environment, epoch=call.hands.epoch)
        return {}


class Place(Verb):
    """New workloads get a listener and a port for each instance; a workload that grows gets ports only."""

    async def resolve(self, call: Call) -> dict[str, Any]:
        free = _free(call)
        given = {}
        for key, wanted in sorted(call.args["placements"].items()):
            load = call.plan.workloads[wanted["workload"]]
            new = key not in call.standing.placements
            has_port = load.kind != "worker"
            given[key] = {
                "workload": load.identity,
                "listener": (next(free) if new else call.place(key).listener_port) if has_port else 0,
                "ports": {str(number): next(free) if has_port else 0 for number in wanted["numbers"]},
                "new": new,
            }
        return {"placements": given}

    async def do(self, call: Call) -> dict[str, Any]:
        await call.arrange({**call.standing.placements, **self._new(call)})
        return {}

    async def undo(self, call: Call) -> dict[str, Any]:
        new = self._new(call)
        if new and call.standing.open:
            # The private listener must not name what goes away.
            await call.hands.traffic.show_candidate(call.live_routes(), epoch=call.hands.epoch)
            await call.arrange({key: at for key, at in call.standing.placements.items() if key not in new})
        return {}

    def _new(self, call: Call) -> dict[str, Placement]:
        placed = {}
        for key, given in call.given.get("placements", {}).items():
            if given["new"]:
                ports = {int(number): port for number, port in given["ports"].items()}
                load = call.plan.workloads[given["workload"]]
                placed[key] = Placement(load, given["listener"], ports, serving=set(ports))
        return placed


class Serve(Verb):
    """These instances of a workload get its requests, and no others."""

    async def do(self, call: Call) -> dict[str, Any]:
        await self._serve(call, set(call.numbers))
        return {"serving": call.numbers}

    async def undo(self, call: Call) -> dict[str, Any]:
        await self._serve(call, {int(number) for number in call.args["was"]})
        return {}

    async def _serve(self, call: Call, numbers: set[int]) -> None:
        changed = {call.args["key"]: replace(call.place(), serving=numbers)}
        await call.arrange({**call.standing.placements, **changed})


def _free(call: Call, *, taken: set[int] | None = None) -> Iterator[int]:
    """Ports that nobody has, each once. Begins after the highest in use, so that a port is not reused at once."""
    spoken = call.hands.world.ports() | (taken or set())
    inside = [port for port in spoken if FIRST <= port <= LAST]
    start = max(inside) + 1 if inside else call.hands.runtime.first_port()
    for offset in range(LAST - FIRST + 1):
        port = FIRST + (start - FIRST + offset) % (LAST - FIRST + 1)
        if port not in spoken and call.hands.runtime.is_free(port):
            spoken.add(port)
            yield port
    raise SophiaError(NO_PORTS, f"no free port between {FIRST} and {LAST}", hint="stop what listens there")
