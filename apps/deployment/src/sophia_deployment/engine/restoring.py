"""What the ledger says runs, and does not any more, is kept again: after a reboot in the middle of whatever went on.

A run that an engine goes on with relies on what its earlier steps did, and its way back on the version before; both are
gone when the machine was restarted. So before any run goes on, what was told to run is started again, and the proxy
with it. Launchers restart what dies; this is for what died together with its launcher.

Instances only at moments at which no step is under way; the proxy whenever it is gone, unless the run is about to end
it. What a lost step was about (its intent is written, its outcome is not) is left to that step, which is begun again.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sophia_deployment_core.environment import Standing
from sophia_deployment_core.errors import SophiaError
from sophia_deployment_core.ledger import Draft
from sophia_deployment_core.plan import Plan, Step
from sophia_deployment_core.ports import Fenced
from sophia_deployment_core.run import View
from sophia_deployment_core.steps import VERBS, Call, Hands

from sophia_deployment.engine.journal import Journal

Gone = Mapping[str, Sequence[int]]
"""Placement key -> numbers of instances that were told to run and do not exist."""


@dataclass(frozen=True)
class Restoring:
    hands: Hands
    journal: Journal
    tell: Callable[[str, dict[str, Any]], None]

    async def everywhere(self) -> None:
        """Before runs go on."""
        for standing in list(self.hands.world.environments.values()):
            await self.restore(standing)

    async def restore(self, standing: Standing, *, keys: frozenset[str] | None = None) -> bool:
        """One environment (its proxy, and of its placements `keys` alone); whether anything was gone. What cannot be
        started is told, and found by whoever needs it."""
        holder = self.hands.world.holder(standing.name)
        if not standing.open or (holder is not None and _closes(holder)):
            return False
        gone = {key: told for key, told in (await self._gone(standing)).items() if keys is None or key in keys}
        is_silent = await self._is_silent(standing)
        if not gone and not is_silent:
            return False
        services = sorted({standing.placements[key].workload.service for key in gone})
        body = {"environment": standing.name, "restored": services, "because": "it was told to run and was gone"}
        run = holder.id if holder is not None else None
        await self.journal.append([Draft("note", body, run=run)], self.hands.epoch)
        await self._act(standing, gone, run=run or "", is_silent=is_silent)
        return True

    async def _gone(self, standing: Standing) -> dict[str, list[int]]:
        seen = await self.hands.runtime.observe(standing.name)
        alive = {(one.workload, one.number) for one in seen if one.state != "gone"}
        found: dict[str, list[int]] = {}
        for key, place in standing.placements.items():
            told = self._told_to_run(standing, key)
            if numbers := [number for number in told if (place.workload.identity, number) not in alive]:
                found[key] = numbers
        return found

    def _told_to_run(self, standing: Standing, key: str) -> list[int]:
        """The instances that shall run, and that no step is about to start or to stop."""
        holder, place = self.hands.world.holder(standing.name), standing.placements.get(key)
        busy = set(_under_way(holder)) if holder is not None else set()
        return [number for number in sorted(place.begun) if (key, number) not in busy] if place is not None else []

    async def _is_silent(self, standing: Standing) -> bool:
        try:
            await self.hands.traffic.read(standing.name)
        except SophiaError:
            return True
        return False

    async def _act(self, standing: Standing, gone: Gone, *, run: str, is_silent: bool) -> None:
        """The proxy first, then callees before their callers."""
        workloads = {place.workload.identity: place.workload for place in standing.placements.values()}
        plan = Plan("start", standing.name, "", (), workloads=workloads)
        idle = Call(Step("open", "open"), plan, self.hands, run)
        if is_silent:
            ports = {"edge_port": standing.edge_port, "private_port": standing.private_port}
            await self._do(replace(idle, given=ports))
        starting: dict[str, asyncio.Task[None]] = {}
        for key in gone:
            starting[key] = asyncio.create_task(self._start(idle, key, gone[key], starting))
        await asyncio.gather(*starting.values())

    async def _start(
        self, idle: Call, key: str, numbers: Sequence[int], starting: Mapping[str, asyncio.Task[None]]
    ) -> None:
        """`idle`: a call to be given its step."""
        standing = idle.standing
        load = standing.placements[key].workload
        await asyncio.gather(*(starting[callee] for callee in load.callees.values() if callee in starting))
        wanted = [number for number in self._told_to_run(standing, key) if number in numbers]  # by now
        args = {"key": key, "workload": load.identity, "numbers": wanted, "quick": True}
        for verb in ("start", "verify"):
            await self._do(replace(idle, step=Step(f"{verb} {load.service}", verb, args)))

    async def _do(self, call: Call) -> None:
        try:
            async with asyncio.timeout(call.step.limit_ms / 1000):
                await VERBS[call.step.verb].do(call)
        except Fenced:
            raise
        except Exception as error:  # what cannot be brought back must not keep the engine from its work
            said = error.message if isinstance(error, SophiaError) else traceback.format_exc()
            self.tell("not restored", {"environment": call.environment, "step": call.step.id, "error": said})


def _closes(view: View) -> bool:
    """Whether the run ends the proxy: it takes the environment down, or down again."""
    return view.kind == "stop" or any(view.plan.by_id[id].verb == "open" for id in view.undo)


def _under_way(view: View) -> Iterator[tuple[str, int]]:
    """The instances that a step of the run is about to start or to stop."""
    for steps in (view.do, view.undo):
        for id, state in steps.items():
            step = view.plan.by_id[id]
            if state.state in ("running", "lost") and step.verb in ("start", "stop"):
                yield from ((step.args["key"], number) for number in step.args["numbers"])
