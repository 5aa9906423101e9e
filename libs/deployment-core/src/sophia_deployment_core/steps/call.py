"""One verb being done: what it is told (`Call`) and what it has to do it with (`Hands`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sophia_deployment_core.environment import Placement, Standing, backends
from sophia_deployment_core.errors import SophiaError, declare
from sophia_deployment_core.plan import Plan, Step
from sophia_deployment_core.platform import filled_in, url_variable
from sophia_deployment_core.ports import (
    Answer,
    Artifacts,
    Clock,
    InstanceSpec,
    Ledger,
    Probes,
    Routes,
    Runtime,
    Secrets,
    Traffic,
)
from sophia_deployment_core.release import Workload
from sophia_deployment_core.world import World

HOST = "127.0.0.1"

NOT_PLACED = declare(
    "SPH-1201",
    "a workload has no place",
    "A step names a workload that the ledger does not place in this environment. It was removed by another run, or the "
    "plan is older than what stands. Deploy again; a new plan is computed from what stands now.",
)


@dataclass(frozen=True)
class Hands:
    """The ports, and the engine's epoch that every effect carries."""

    clock: Clock
    ledger: Ledger
    artifacts: Artifacts
    secrets: Secrets
    runtime: Runtime
    traffic: Traffic
    probes: Probes
    world: World
    epoch: int


@dataclass(frozen=True)
class Call:
    """A step of a run, now. `given` is what `resolve` fixed; for an undo it is that of the deed it takes back."""

    step: Step
    plan: Plan
    hands: Hands
    run: str = ""
    """The run's id, which goes with everything that is asked in its name."""
    given: Mapping[str, Any] = field(default_factory=dict)
    switched: bool = False
    """Traffic may have been moved by this run."""
    first_ms: int = 0
    """Wall time at which this step was first begun."""

    @property
    def args(self) -> Mapping[str, Any]:
        return self.step.args

    @property
    def environment(self) -> str:
        return self.plan.environment

    @property
    def standing(self) -> Standing:
        return self.hands.world.standing(self.environment)

    @property
    def numbers(self) -> list[int]:
        return [int(number) for number in self.args["numbers"]]

    @property
    def workload(self) -> Workload:
        return self.plan.workloads[self.args["workload"]]

    def place(self, key: str | None = None) -> Placement:
        """Where the step's workload (or another key's) is. Raises `SophiaError` when it is nowhere."""
        key = key if key is not None else self.args["key"]
        found = self.standing.placements.get(key)
        if found is None:
            raise SophiaError(NOT_PLACED, f"`{key[:20]}` has no place in `{self.environment}`", "deploy again")
        return found

    def url(self, port: int) -> str:
        return f"http://{HOST}:{port}"

    async def probe(self, port: int, path: str, *, method: str = "GET", timeout_ms: int) -> Answer:
        """One request of ours, which carries the run's id as `x-correlation-id`."""
        headers = {"x-correlation-id": self.run}
        return await self.hands.probes.http(port, method, path, headers=headers, timeout_ms=timeout_ms)

    def spec(self, number: int) -> InstanceSpec:
        """Everything that one instance of the step's workload needs to be started."""
        load, place = self.workload, self.place()
        port = place.ports.get(number) or None
        variables = {**load.env, **self._injected(load, port)}
        return InstanceSpec(
            environment=self.environment,
            service=load.service,
            workload=load.identity,
            number=number,
            artifact=load.artifact,
            prepare=load.prepare,
            argv=filled_in(load.run, variables) if load.run is not None else None,
            static=load.static,
            port=port,
            env=variables,
            secrets=self._secrets(load),
            resources=load.resources,
            stop_signal=load.stop_signal,
            grace_ms=load.grace_ms,
        )

    def _injected(self, load: Workload, port: int | None) -> dict[str, str]:
        own = {
            "DATA_DIR": str(self.hands.runtime.data_path(self.environment, load.service)),
            "SOPHIA_SERVICE": load.service,
            "SOPHIA_ENVIRONMENT": self.environment,
            "SOPHIA_WORKLOAD": load.identity[:12],
        }
        for name, identity in load.needs.items():
            callee = self.place(identity if identity is not None else f"single-{name}")
            own[url_variable(name)] = self.url(callee.listener_port)
        return own | ({"PORT": str(port)} if port else {})

    def _secrets(self, load: Workload) -> dict[str, str]:
        return {
            name: self.hands.secrets.value(self.environment, name, version) for name, version in load.secrets.items()
        }

    def log_tail(self, load: Workload, number: int) -> list[str]:
        return list(self.hands.runtime.log_tail(self.environment, load.service, load.identity, number))

    def serving_now(self) -> str:
        """What users are answered by, in words, for a failure's facts."""
        live = self.standing.live
        answers = live is not None and (self.switched or not self.plan.was_down)
        return live.name if live is not None and answers else "nothing"

    async def arrange(self, placements: Mapping[str, Placement]) -> None:
        """Make the proxy's list exactly these placements."""
        await self.hands.traffic.arrange(self.environment, backends(placements), epoch=self.hands.epoch)

    def live_routes(self) -> Routes:
        """The committed public table."""
        standing = self.standing
        live = standing.live
        return Routes(
            self.environment,
            standing.current_generation,
            live.name if live else "none",
            live.table() if live else {},
        )


class Verb:
    """The default: nothing to resolve, nothing to undo."""

    async def resolve(self, call: Call) -> dict[str, Any]:  # noqa: ARG002  # the default needs nothing
        """What is written with the intent. Called until it told something; a repeat uses the same."""
        return {}

    async def do(self, call: Call) -> dict[str, Any]:
        raise NotImplementedError

    async def undo(self, call: Call) -> dict[str, Any]:  # noqa: ARG002  # the default needs nothing
        return {}
