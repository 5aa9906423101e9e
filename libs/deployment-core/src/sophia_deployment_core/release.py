"""What is shipped: releases, revisions and the workloads they are made of. Pure values with stable hashes.

release   service -> artifact digest, plus the parsed `sophia.yaml`; knows no environment
revision  a release made concrete for one environment: overrides and secret versions fixed
workload  one service running; its identity includes what it needs, so a changed service brings new workloads of
          its callers with it, and a request is answered by one revision from end to end
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING, Any

from sophia_deployment_core.canonical import digest
from sophia_deployment_core.errors import SophiaError, declare

if TYPE_CHECKING:
    from sophia_deployment_core.platform import Platform, Service

SHORT = 12
"""How many hexadecimal digits of a hash people are shown."""


@dataclass(frozen=True)
class Workload:
    """One service of one revision, ready to be started.

    Part of the identity: environment, service, kind, artifact, prepare, run, declared env, secret versions, resources,
    stop and the identities of `needs` (of a single only the name). Not part of it: everything under "outside".
    `run` is the command as a list of words; `None` with `static` set means Sophia's own static file server.
    """

    identity: str
    environment: str
    service: str
    artifact: str
    run: tuple[str, ...] | None
    static: Mapping[str, Any] | None
    env: Mapping[str, str]
    secrets: Mapping[str, int]
    """secret name -> version"""
    resources: Mapping[str, int]
    """`cpu_millicores`, `memory_bytes`; a missing key means no limit"""
    stop_signal: str
    grace_ms: int
    needs: Mapping[str, str | None]
    """service -> identity of the workload it calls; `None` for a single, which keeps one address"""
    kind: str = "service"
    """`service` (has a port), `worker` (no port, needed by nobody) or `single` (never doubled, replaced in place)"""
    prepare: tuple[str, ...] | None = None
    """the command that made its bundle ready"""

    # outside the identity
    replicas: int = 1
    health: Mapping[str, Any] = field(default_factory=dict)
    """`path`, `every_ms`, `consecutive`, `of`, `within_ms`"""
    smoke: tuple[Mapping[str, Any], ...] = ()

    @property
    def key(self) -> str:
        """What it is placed under: its identity, or for a single its one address."""
        return _single(self.service) if self.kind == "single" else self.identity

    @property
    def callees(self) -> dict[str, str]:
        """service -> what the workload that it calls is placed under."""
        return {service: identity or _single(service) for service, identity in self.needs.items()}

    @property
    def numbers(self) -> tuple[int, ...]:
        """The instance numbers of a fresh start."""
        return tuple(range(self.replicas))

    def identified(self) -> dict[str, Any]:
        """What the identity is the hash of."""
        return {
            "v": 1,
            "environment": self.environment,
            "service": self.service,
            "kind": self.kind,
            "artifact": self.artifact,
            "prepare": list(self.prepare) if self.prepare is not None else None,
            "run": list(self.run) if self.run is not None else None,
            "static": dict(self.static) if self.static is not None else None,
            "env": dict(self.env),
            "secrets": dict(self.secrets),
            "resources": dict(self.resources),
            "stop": {"signal": self.stop_signal, "grace_ms": self.grace_ms},
            "needs": dict(self.needs),
        }

    def calls(self, other: Workload) -> bool:
        """Whether its requests go to `other`."""
        return self.callees.get(other.service) == other.key

    def to_data(self) -> dict[str, Any]:
        data = asdict(self)
        data["run"] = list(self.run) if self.run is not None else None
        data["prepare"] = list(self.prepare) if self.prepare is not None else None
        data["smoke"] = [dict(check) for check in self.smoke]
        return data

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Workload:
        fields = dict(data)
        fields["run"] = tuple(fields["run"]) if fields.get("run") is not None else None
        fields["prepare"] = tuple(fields["prepare"]) if fields.get("prepare") is not None else None
        fields["smoke"] = tuple(fields.get("smoke", ()))
        return cls(**fields)


def _single(service: str) -> str:
    return f"single-{service}"


@dataclass(frozen=True)
class Release:
    """service -> artifact digest, and the platform's canonical description. Immutable; `digest` names it."""

    platform: Mapping[str, Any]
    artifacts: Mapping[str, str]

    @cached_property
    def digest(self) -> str:
        return digest({"v": 1, "platform": dict(self.platform), "artifacts": dict(self.artifacts)})

    @property
    def name(self) -> str:
        return self.digest[:SHORT]


@dataclass(frozen=True)
class Revision:
    """A release made concrete for one environment. `name` is what the edge says in `x-sophia-release`."""

    environment: str
    release: str
    overrides: Mapping[str, Mapping[str, str]]
    """service -> env name -> value, as given by `deploy --set`"""
    workloads: Mapping[str, Workload]
    """service -> workload"""
    routes: Mapping[str, str]
    """public path prefix -> service"""
    settings: Mapping[str, Any]
    """of the rollout: `watch_ms`, `warm_ms`, `quiet`, `thresholds`; `edge_port`, `strict_port`; `retention`"""

    @cached_property
    def digest(self) -> str:
        return digest(
            {
                "v": 1,
                "environment": self.environment,
                "release": self.release,
                "overrides": {service: dict(env) for service, env in self.overrides.items()},
                "secrets": {service: dict(load.secrets) for service, load in self.workloads.items() if load.secrets},
            }
        )

    @property
    def plain(self) -> bool:
        return not self.overrides and not any(load.secrets for load in self.workloads.values())

    @property
    def name(self) -> str:
        """The release's short digest; with overrides or secrets `+` and four digits of the revision's."""
        short = self.release[:SHORT]
        return short if self.plain else f"{short}+{self.digest[:4]}"

    def ordered(self) -> tuple[Workload, ...]:
        """Its workloads, callees before callers; always the same, however the revision was stored."""
        sorter = TopologicalSorter({name: sorted(self.workloads[name].needs) for name in sorted(self.workloads)})
        return tuple(self.workloads[name] for name in sorter.static_order())

    @property
    def keys(self) -> frozenset[str]:
        """What its workloads are placed under."""
        return frozenset(load.key for load in self.workloads.values())

    def table(self) -> dict[str, str]:
        """Public path prefix -> what the service's workload is placed under."""
        return {prefix: self.workloads[service].key for prefix, service in self.routes.items()}

    def to_data(self) -> dict[str, Any]:
        return {
            "environment": self.environment,
            "release": self.release,
            "overrides": {service: dict(env) for service, env in self.overrides.items()},
            "workloads": {service: load.to_data() for service, load in self.workloads.items()},
            "routes": dict(self.routes),
            "settings": dict(self.settings),
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Revision:
        loads = {service: Workload.from_data(load) for service, load in data["workloads"].items()}
        return cls(**{**data, "workloads": loads})


UNKNOWN_OVERRIDE = declare(
    "SPH-1101",
    "an override names what is not there",
    "`--set SERVICE.env.KEY=VALUE` needs a service of this platform. `sophia status` lists them.",
    exit=2,
)
MISSING_ARTIFACT = declare(
    "SPH-1102",
    "a release lacks a service's artifact",
    "Every service of the platform needs a built bundle. Run `sophia build`; it names what failed.",
)
SECRET_NOT_SET = declare(
    "SPH-1103",
    "a declared secret has no value in this environment",
    "A service lists it under `secrets:`. Set it with `sophia secrets set ENVIRONMENT NAME`; the value comes from a "
    "prompt or from standard input, never from the command line.",
    exit=2,
)


def revise(
    release: Release,
    platform: Platform,
    environment: str,
    *,
    secrets: Mapping[str, int],
    overrides: Mapping[str, Mapping[str, str]],
) -> Revision:
    """The revision of `release` in `environment`. `secrets` are the versions to use, `overrides` env values by service.

    Raises `SophiaError` naming everything that is missing at once.
    """
    _refuse_missing(release, platform, environment, secrets=secrets, overrides=overrides)
    workloads: dict[str, Workload] = {}
    for name in platform.order():
        service = platform.service_in(environment, name)
        workloads[name] = _workload(
            service,
            name,
            environment,
            artifact=release.artifacts[name],
            env={**service.env, **overrides.get(name, {})},
            secrets={key: secrets[key] for key in service.secrets},
            needs={need: _called(workloads[need]) for need in service.needs},
        )
    routes = {route: name for name in workloads for route in platform.services[name].routes}
    declared = platform.environments[environment]
    return Revision(
        environment=environment,
        release=release.digest,
        overrides={service: dict(env) for service, env in overrides.items() if env},
        workloads=workloads,
        routes=routes,
        settings={
            **declared.strategy.blue_green.to_canonical(),
            "platform": platform.platform,
            "edge_port": declared.edge.port,
            "retention": platform.retention.to_canonical(),
        },
    )


def _called(load: Workload) -> str | None:
    return None if load.kind == "single" else load.identity


def _workload(
    service: Service,
    name: str,
    environment: str,
    *,
    artifact: str,
    env: Mapping[str, str],
    secrets: Mapping[str, int],
    needs: Mapping[str, str | None],
) -> Workload:
    bundle = service.bundle
    draft = Workload(
        identity="",
        environment=environment,
        service=name,
        artifact=artifact,
        run=tuple(bundle.run) if bundle.run is not None else None,
        static=bundle.static.to_canonical() if bundle.static is not None else None,
        env=env,
        secrets=secrets,
        resources=service.resources.to_canonical(),
        stop_signal=service.stop.signal,
        grace_ms=service.stop.grace_ms,
        needs=needs,
        kind=service.kind,
        prepare=tuple(bundle.prepare) if bundle.prepare is not None else None,
        replicas=service.replicas,
        health=service.health.to_canonical(),
        smoke=tuple(check.to_canonical() for check in service.smoke),
    )
    return replace(draft, identity=digest(draft.identified()))


def _refuse_missing(
    release: Release,
    platform: Platform,
    environment: str,
    *,
    secrets: Mapping[str, int],
    overrides: Mapping[str, Mapping[str, str]],
) -> None:
    def listed(names: Iterable[str]) -> str:
        return ", ".join(f"`{name}`" for name in sorted(set(names)))

    if strangers := [name for name in overrides if name not in platform.services]:
        raise SophiaError(
            UNKNOWN_OVERRIDE, f"no service {listed(strangers)}", hint=f"services are {listed(platform.services)}"
        )
    if unbuilt := [name for name in platform.services if name not in release.artifacts]:
        raise SophiaError(MISSING_ARTIFACT, f"no bundle of {listed(unbuilt)}", hint="run `sophia build`")
    wanted = {key for name in platform.services for key in platform.services[name].secrets}
    if unset := [key for key in wanted if key not in secrets]:
        raise SophiaError(
            SECRET_NOT_SET,
            f"{listed(unset)} not set in `{environment}`",
            hint=f"set it: `sophia secrets set {environment} {min(unset)}`",
        )
