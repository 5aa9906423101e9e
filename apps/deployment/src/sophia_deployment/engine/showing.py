"""What stands, in the words of the wire. Reads the world and what runs now; changes nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector
from sophia_deployment_core import lanes, report
from sophia_deployment_core.environment import Placement, Shipped, Standing
from sophia_deployment_core.errors import SophiaError
from sophia_deployment_core.ledger import Event
from sophia_deployment_core.plan import Plan, Step
from sophia_deployment_core.ports import Instance, Reading, Secrets
from sophia_deployment_core.release import Revision, Workload
from sophia_deployment_core.run import Phase, StepView, View
from sophia_deployment_core.steps import Hands
from sophia_deployment_core.world import World
from sophia_security.masking import mask

from sophia_deployment.wire import (
    ChangeOut,
    EngineOut,
    EnvironmentOut,
    EnvironmentState,
    InstanceOut,
    LiveOut,
    PlanOut,
    Provenance,
    RunOut,
    ServiceOut,
    StatusOut,
    StepOut,
    Submission,
)

CRASHING = 3
"""An instance that ended so often since it was started is told as crashing, until it ran for so long in one go:"""
STEADY_MS = 10_000

# --- runs -----------------------------------------------------------------------------------------------------------


def run(view: View, world: World, *, whole: bool = False) -> RunOut:
    """`whole`: with its steps and changes."""
    target = view.plan.target
    switch = next((view.do[step.id] for step in view.plan.steps if step.verb == "switch" and step.id in view.do), None)
    return RunOut(
        run=view.id,
        number=view.number,
        kind=view.kind,
        environment=view.environment,
        status=view.state,
        because=view.because or _waits(view, world),
        release=target.name if target else None,
        previous=view.plan.previous,
        by=view.by,
        reason=view.reason,
        tags=list(view.tags),
        provenance=provenance(view),
        submitted_ms=view.submitted_ms,
        started_ms=view.lane_ms,
        ended_ms=view.ended_ms,
        switched_ms=switch.ended_ms if switch is not None and switch.state == "done" else None,
        serving=report.serving(view),
        plan_hash=view.plan.hash,
        changes=_changes(view.plan) if whole else [],
        steps=_steps(view) if whole else [],
        summary=report.summary(view),
        next=report.next_step(view),
    )


def nothing_to_do(plan: Plan, submission: Submission) -> RunOut:
    """The answer to a wish that is true already."""
    name = plan.target.name if plan.target else None
    return RunOut(
        run=None,
        number=None,
        kind=plan.kind,
        environment=plan.environment,
        status="done",
        because=f"nothing to do: {_already(plan, name)}",
        release=name,
        previous=plan.previous,
        reason=submission.reason,
        serving=None if plan.kind == "stop" else name,
        nothing_to_do=True,
    )


def plan(computed: Plan) -> PlanOut:
    data = computed.to_data()
    return PlanOut(
        hash=computed.hash,
        nothing_to_do=not computed.steps,
        release=computed.target.name if computed.target else "none",
        previous=computed.previous,
        changes=_changes(computed),
        steps=data["steps"],
    )


def provenance(view: View) -> Provenance:
    known = {key: value for key, value in view.provenance.items() if key in Provenance.model_fields}
    return Provenance(**known)


def _already(computed: Plan, name: str | None) -> str:
    if computed.kind == "stop":
        return f"`{computed.environment}` is down"
    if computed.kind == "retire":
        return "there is nothing to retire"
    return f"`{name}` is live in `{computed.environment}`"


def _waits(view: View, world: World) -> str:
    """Whom a queued run waits for."""
    if view.state != "queued":
        return ""
    holder = world.holder(view.environment)
    return f"waits for #{holder.number} ({holder.kind}, {holder.state})" if holder else "about to begin"


def _changes(computed: Plan) -> list[ChangeOut]:
    return [ChangeOut(service=c.service, action=c.action, because=c.because) for c in computed.changes]


def _steps(view: View) -> list[StepOut]:
    found = [_step(view, step, "do", view.do.get(step.id, StepView())) for step in view.plan.steps]
    undone = [step for step in reversed(view.plan.steps) if step.id in view.undo]
    return [*found, *(_step(view, step, "undo", view.undo[step.id]) for step in undone)]


def _step(view: View, step: Step, phase: Phase, state: StepView) -> StepOut:
    identity = step.args.get("workload")
    load = view.plan.workloads.get(identity) if identity else None
    return StepOut(
        id=step.id,
        verb=step.verb,
        phase=phase,
        state=state.state,
        service=load.service if load else None,
        attempts=state.begun,
        started_ms=state.started_ms or None,
        ended_ms=state.ended_ms or None,
        result=state.result,
        error=state.error or None,
    )


# --- environments ---------------------------------------------------------------------------------------------------


async def status(hands: Hands, about: EngineOut) -> StatusOut:
    """Of the engine `about`."""
    instances = {name: await hands.runtime.observe(name) for name in hands.world.environments}
    return _status(hands.world, about, instances, hands.secrets, now_ms=hands.clock.now_ms())


def resting(world: World, secrets: Secrets, *, now_ms: int) -> StatusOut:
    """While no engine runs and nothing is up."""
    return _status(world, None, {}, secrets, now_ms=now_ms)


def _status(
    world: World,
    about: EngineOut | None,
    instances: Mapping[str, Sequence[Instance]],
    secrets: Secrets,
    *,
    now_ms: int,
) -> StatusOut:
    environments = [
        _environment(world, standing, instances.get(name, ()), secrets, now_ms=now_ms)
        for name, standing in sorted(world.environments.items())
    ]
    return StatusOut(engine=about, platform=_platform(world), environments=environments)


def _platform(world: World) -> str | None:
    """The platform's name: that of the newest release that anybody submitted here."""
    names = (view.plan.target.settings.get("platform") for view in reversed(world.runs.values()) if view.plan.target)
    return next((str(name) for name in names if name), None)


def _environment(
    world: World, standing: Standing, instances: Sequence[Instance], secrets: Secrets, *, now_ms: int
) -> EnvironmentOut:
    services = _services(standing, instances)
    holder, back = world.holder(standing.name), standing.previous()
    state, because = _state(standing, holder, services, now_ms=now_ms)
    newest = standing.history[-1] if standing.history else None
    return EnvironmentOut(
        name=standing.name,
        state=state,
        because=because,
        url=f"http://127.0.0.1:{standing.edge_port}" if standing.open else None,
        private_url=f"http://127.0.0.1:{standing.private_port}" if standing.open else None,
        live=_live(standing, newest, world),
        previous=back.revision.name if back else None,
        alone=standing.down_alone,
        warm=back is not None and _is_warm(standing, back.revision),
        run=holder.id if holder else None,
        queued=[view.id for view in lanes.waiting(world, standing.name)],
        pending=_pending(standing, secrets.versions(standing.name)),
        services=services,
        history=[_shipped(entry, standing, world) for entry in reversed(standing.history)],
    )


def _state(
    standing: Standing, holder: View | None, services: Sequence[ServiceOut], *, now_ms: int
) -> tuple[EnvironmentState, str]:
    if holder is not None and holder.state == "needs you":
        return "held", holder.because
    if holder is not None and holder.kind in lanes.RELEASING:
        name = holder.plan.target.name if holder.plan.target else "nothing"
        return "rolling out", f"#{holder.number} {holder.kind} of {name}"
    if standing.held:
        return "held", standing.held
    if standing.live is None:
        return "empty", "nothing was ever live here"
    if not standing.open:
        return "down", f"`sophia up{f' {standing.name}' if standing.down_alone else ''}` brings it back"
    lacking = [_lack(service) for service in services if _is_lacking(service, now_ms)]
    return ("degraded", f"not running as it should: {', '.join(lacking)}") if lacking else ("steady", "")


def _is_lacking(service: ServiceOut, now_ms: int) -> bool:
    return service.running < service.wanted or any(_is_crashing(one, now_ms) for one in service.instances)


def _is_crashing(instance: InstanceOut, now_ms: int) -> bool:
    """One that ends again and again runs now and then, too."""
    is_young = instance.state == "waiting" or now_ms - (instance.since_ms or 0) < STEADY_MS
    return instance.restarts >= CRASHING and is_young


def _lack(service: ServiceOut) -> str:
    restarts = sum(one.restarts for one in service.instances)
    ended = f", restarted {restarts} times" if restarts > 1 else ""
    return f"{service.name} ({service.running} of {service.wanted}{ended})"


def _live(standing: Standing, newest: Shipped | None, world: World) -> LiveOut | None:
    if standing.live is None or standing.live_since_ms is None:
        return None
    view = world.runs.get(standing.live_run or "")
    return LiveOut(
        release=standing.live.name,
        since_ms=standing.live_since_ms,
        run=standing.live_run,
        number=view.number if view else (newest.number if newest else None),
        provenance=_origin(standing, standing.live, world),
    )


def _shipped(entry: Shipped, standing: Standing, world: World) -> LiveOut:
    return LiveOut(
        release=entry.revision.name,
        since_ms=entry.at_ms,
        run=entry.run,
        number=entry.number,
        provenance=_origin(standing, entry.revision, world),
    )


def _origin(standing: Standing, revision: Revision, world: World) -> Provenance:
    """Where a revision came from: the run that brought it knows, the one that went back to it does not."""
    runs = [
        world.runs.get(entry.run) for entry in reversed(standing.history) if entry.revision.digest == revision.digest
    ]
    return next((provenance(view) for view in runs if view and view.provenance), Provenance())


def _is_warm(standing: Standing, revision: Revision) -> bool:
    loads = [load for load in revision.workloads.values() if load.kind == "service"]
    return all(load.key in standing.placements and standing.placements[load.key].begun for load in loads)


def _pending(standing: Standing, newest: Mapping[str, int]) -> list[str]:
    """Secrets that are newer than those that run."""
    if standing.live is None:
        return []
    names = {
        name
        for load in standing.live.workloads.values()
        for name, version in load.secrets.items()
        if newest.get(name, version) != version
    }
    return [f"secret {name} is set anew; `sophia deploy {standing.name}` uses it" for name in sorted(names)]


def _services(standing: Standing, instances: Sequence[Instance]) -> list[ServiceOut]:
    loads = standing.live.workloads.values() if standing.live else ()
    routes = standing.live.routes if standing.live else {}
    return [_service(load, standing.placements.get(load.key), instances, routes) for load in loads]


def _service(
    load: Workload, place: Placement | None, instances: Sequence[Instance], routes: Mapping[str, str]
) -> ServiceOut:
    own = sorted((one for one in instances if one.workload == load.identity), key=lambda one: one.number)
    wanted = len(place.serving or place.begun) if place is not None and place.begun else load.replicas
    return ServiceOut(
        name=load.service,
        kind=load.kind,
        workload=load.identity[:12],
        wanted=wanted,
        running=sum(one.state in ("running", "orphaned") for one in own),
        instances=[
            InstanceOut(
                number=one.number,
                state=one.state,
                pid=one.pid,
                port=one.port,
                restarts=one.restarts,
                since_ms=one.started_ms,
                exit=one.exit,
                limits=one.limits,
            )
            for one in own
        ],
        routes=sorted(route for route, service in routes.items() if service == load.service),
    )


# --- reports and metrics --------------------------------------------------------------------------------------------


def report_of(view: View, events: Sequence[Event], hands: Hands) -> report.Report:
    """The run's report, with the values of its secrets masked."""
    secrets = {
        value
        for load in view.plan.workloads.values()
        for name, version in load.secrets.items()
        if (value := _secret(hands, view.environment, name, version))
    }
    return report.of(
        view,
        events,
        now_ms=hands.clock.now_ms(),
        after=hands.world.standing(view.environment),
        mask=lambda text: mask(text, secrets),
    )


def report_text(view: View, events: Sequence[Event], hands: Hands, form: Literal["md", "html", "json"]) -> str:
    told = report_of(view, events, hands)
    if form == "json":
        return json.dumps(told.to_data(), indent=2, ensure_ascii=False)
    return told.to_html() if form == "html" else told.to_markdown()


def _secret(hands: Hands, environment: str, name: str, version: int) -> str | None:
    try:
        return hands.secrets.value(environment, name, version)
    except SophiaError:  # no longer kept, so it can no longer be shown
        return None


def metrics(world: World, readings: Mapping[str, Reading], about: EngineOut) -> bytes:
    registry = CollectorRegistry()
    registry.register(_Collector(world, readings, about))
    return generate_latest(registry)


class _Collector(Collector):
    """Gauges and counters from the world and the proxies' newest readings."""

    def __init__(self, world: World, readings: Mapping[str, Reading], about: EngineOut) -> None:
        self._world = world
        self._readings = readings
        self._about = about

    def collect(self) -> Any:
        yield GaugeMetricFamily("sophia_engine_epoch", "The engine's epoch.", value=self._about.epoch)
        yield GaugeMetricFamily("sophia_ledger_entries", "Entries of the ledger.", value=self._world.head.seq)
        yield self._runs()
        yield self._live()
        yield from self._edge()

    def _runs(self) -> GaugeMetricFamily:
        family = GaugeMetricFamily("sophia_runs", "Runs.", labels=["environment", "kind", "state"])
        counts: dict[tuple[str, str, str], int] = {}
        for view in self._world.runs.values():
            key = (view.environment, view.kind, str(view.state))
            counts[key] = counts.get(key, 0) + 1
        for key, count in counts.items():
            family.add_metric(list(key), count)
        return family

    def _live(self) -> GaugeMetricFamily:
        family = GaugeMetricFamily(
            "sophia_live_since_seconds", "When the live release was switched to.", labels=["environment", "release"]
        )
        for name, standing in self._world.environments.items():
            if standing.live and standing.live_since_ms:
                family.add_metric([name, standing.live.name], standing.live_since_ms / 1000)
        return family

    def _edge(self) -> list[CounterMetricFamily]:
        labels = ["environment", "release"]
        requests = CounterMetricFamily("sophia_edge_requests", "Requests the edge answered.", labels=labels)
        errors = CounterMetricFamily("sophia_edge_errors", "5xx answers, and requests never answered.", labels=labels)
        for name, reading in self._readings.items():
            for release, counted in reading.releases.items():
                requests.add_metric([name, release], counted.requests)
                errors.add_metric([name, release], counted.errors_5xx + counted.lost)
        return [requests, errors]
