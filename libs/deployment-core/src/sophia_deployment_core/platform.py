"""The platform: what is wanted. The nouns of `sophia.yaml` as values; `loading` reads the file, this module knows none.

Every field carries its description: the reference page and the editors' schema are made from it. Times are integer
milliseconds, sizes bytes, processors millicores, shares parts per thousand, so that the canonical form has no floats;
a field whose name ends in a unit (`every_ms`) is written without it in the file (`every: 1s`).
What a file may not say at all is refused here, by type; what does not fit together is found by `checks`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from graphlib import TopologicalSorter
from typing import Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from sophia_deployment_core.words import (
    Command,
    Commands,
    Count,
    Duration,
    Factor,
    Filled,
    Flag,
    HeaderName,
    Inside,
    Interval,
    Latency,
    Memory,
    Name,
    Port,
    Processors,
    RequestPath,
    Route,
    Share,
    Status,
    Text,
    Value,
    Variable,
)

FORM = 1
"""The version of the canonical form. Stored text never changes; a newer reader upgrades what an older one wrote."""

_REFERENCE = re.compile(r"\$(?:\$|\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))", re.ASCII)

INJECTED = ("PORT", "DATA_DIR")
"""Variables that Sophia sets for every instance, beside `SOPHIA_*` and one address for each name in `needs`."""


def url_variable(service: str) -> str:
    """The variable that carries the address of `service` to its callers: `ai-memory` -> `AI_MEMORY_URL`."""
    return service.upper().replace("-", "_") + "_URL"


class Shape(BaseModel):
    """A frozen value that knows its keys; `NOT_YET` are keys that are known and refused until they are built."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True)
    NOT_YET: ClassVar[Mapping[str, str]] = {}

    def to_canonical(self) -> dict[str, Any]:
        """Plain data without floats, keyed by field (units in the names); what is not given is left out."""
        return self.model_dump(mode="json", exclude_none=True)


# --- services -------------------------------------------------------------------------------------------------------


class Static(Shape):
    """Files served by Sophia's own small server: compression, ETag, immutable caching of hashed assets."""

    root: Inside = Field(description="Directory inside the bundle that holds the files.")
    spa: Flag = Field(
        default=False, description="Answer a path that is no file with the index page (single-page application)."
    )
    index: Inside = Field(default="index.html", description="The page for a directory, relative to `root`.")


class Bundle(Shape):
    """What is shipped to runtime `local`: a content-addressed tree, made ready once for each digest, then run."""

    include: tuple[Filled, ...] = Field(
        default=(),
        description="Files of the bundle, as glob patterns relative to `source` (`dist/*.whl`); a leading `//` means "
        "relative to `sophia.yaml`. They keep these relative paths in the bundle: `dist/app.whl` of `source` is "
        "`dist/app.whl` there, `//shared/logo.svg` is `shared/logo.svg`; so is what lies above `source` "
        "(`../shared/logo.svg`). A directory stands for all it holds, `**` for any directories. `.git`, `.venv`, "
        "`node_modules`, `__pycache__` and other caches are left out unless named. A pattern that matches nothing is "
        "an error. Default for a static site: its `root`.",
    )
    prepare: Command | None = Field(
        default=None,
        description="Command that makes the bundle ready, once for each digest (for example a virtual environment).",
    )
    run: Command | None = Field(
        default=None,
        description="Command that starts one instance. It must listen on 127.0.0.1 at `$PORT`, unless it is a worker. "
        "`$PORT` and the service's other variables may stand in its words (`$$` for a dollar sign).",
    )
    static: Static | None = Field(default=None, description="Serve files instead of running a command.")

    @property
    def shipped(self) -> tuple[str, ...]:
        """The patterns of what is shipped, the default of a static site included."""
        return self.include or ((self.static.root,) if self.static else ())


class Health(Shape):
    """When an instance counts as healthy."""

    path: RequestPath = Field(default="/health", description="Path that answers 2xx when the instance can serve.")
    every_ms: Interval = Field(default=250, validation_alias="every", description="Time between two probes.")
    consecutive: Count = Field(default=3, description="How many good answers in a row are needed.")
    of: Count | None = Field(
        default=None, description="With it, `consecutive` good answers out of this many are enough."
    )
    within_ms: Interval = Field(
        default=30_000, validation_alias="within", description="How long a new instance may take to become healthy."
    )


class Smoke(Shape):
    """One check of a candidate before it gets traffic: a request through the private listener, or a command."""

    get: RequestPath | None = Field(default=None, description="Path to GET.")
    post: RequestPath | None = Field(default=None, description="Path to POST to, with an empty body.")
    run: Command | None = Field(
        default=None,
        description="Command whose exit code 0 means good. It runs in the prepared bundle, as the service does, and "
        "finds the candidate at `$SOPHIA_URL`; of the service's variables and secrets it has none.",
    )
    status: Status = Field(default=200, description="The answer's status.")
    contains: Filled | None = Field(
        default=None, description="Text that the answer's body (or the command's output) must contain."
    )
    header: Mapping[HeaderName, Text] = Field(
        default={}, description="Headers that the answer must have, each containing this text."
    )
    within_ms: Interval = Field(default=5_000, validation_alias="within", description="How long the answer may take.")


class Resources(Shape):
    """Limits of one instance; what is left out is not limited."""

    cpu_millicores: Processors | None = Field(
        default=None, validation_alias="cpu", description="Processors, for example `0.5`."
    )
    memory_bytes: Memory | None = Field(
        default=None, validation_alias="memory", description="Memory, for example `512Mi`."
    )


class Stop(Shape):
    """How an instance is stopped: the signal, then time to finish, then SIGKILL to its process group."""

    signal: Literal["SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP", "SIGUSR1", "SIGUSR2"] = Field(
        default="SIGTERM", description="The signal that asks it to stop."
    )
    grace_ms: Duration = Field(
        default=10_000, validation_alias="grace", description="How long it may take before it is killed."
    )


class Service(Shape):
    """One thing that runs: where its source is, how it is built, started and probed, what it needs, what it serves."""

    NOT_YET: ClassVar[Mapping[str, str]] = {
        "image": "images come with the runtimes `swarm` and `kubernetes`; describe a `bundle`",
        "port": "images have ports and come with the runtimes `swarm` and `kubernetes`; on `local`, listen on `$PORT`",
        "migrate": "database migrations are not run by Sophia so far",
        "objectives": "service level objectives are not measured so far",
    }

    source: Inside = Field(description="Directory of the service, relative to `sophia.yaml`.")
    build: Commands = Field(
        default=(),
        description="Command, or list of commands, that builds it, run in `source`. Not needed with a `turbo.json`.",
    )
    bundle: Bundle = Field(description="What is shipped, and how it is started.")
    routes: tuple[Route, ...] = Field(default=(), description="Public path prefixes that this service answers.")
    health: Health = Field(default=Health(), description="When an instance counts as healthy.")
    smoke: tuple[Smoke, ...] = Field(
        default=(), description="Checks that a candidate must pass before it gets traffic."
    )
    needs: tuple[Name, ...] = Field(
        default=(),
        description="Services that it calls. Each one's address comes in a variable: `ai-memory` as `AI_MEMORY_URL`.",
    )
    env: Mapping[Variable, Value] = Field(
        default={}, description="Environment variables. Numbers and booleans are passed as they are written."
    )
    secrets: tuple[Variable, ...] = Field(
        default=(), description="Names of secrets that it gets as environment variables."
    )
    replicas: Count = Field(default=1, description="How many instances run.")
    resources: Resources = Field(default=Resources(), description="Limits of one instance.")
    stop: Stop = Field(default=Stop(), description="How an instance is stopped.")
    worker: Flag = Field(
        default=False, description="It has no port and is needed by nobody; its new version starts after the switch."
    )
    single: Flag = Field(
        default=False,
        description="Never doubled (a database, a scheduler): replaced in place, with a gap that the plan announces.",
    )

    @property
    def kind(self) -> Literal["service", "worker", "single"]:
        return "worker" if self.worker else "single" if self.single else "service"


# --- environments ---------------------------------------------------------------------------------------------------


class Edge(Shape):
    """Where an environment's users come in."""

    port: Port = Field(description="Port of the edge proxy on 127.0.0.1. No two environments may share one.")


class Thresholds(Shape):
    """What the watch allows a new release, compared with the old one."""

    errors_permille: Share = Field(
        default=10,
        validation_alias="errors",
        description="Share of failed requests (5xx or never answered) that is always allowed; above it the old "
        "release's own share counts.",
    )
    latency_factor_percent: Factor = Field(
        default=200,
        validation_alias="latency_factor",
        description="The new p95 latency may be this much of the old one.",
    )
    latency_floor_us: Latency = Field(
        default=50_000, validation_alias="latency_floor", description="A p95 below this is never too slow."
    )


class BlueGreen(Shape):
    """Start the new beside the old, verify, move all traffic at once, watch, keep the old warm."""

    watch_ms: Duration = Field(
        default=300_000,
        validation_alias="watch",
        description="How long a new release is watched; if it is bad, traffic goes back.",
    )
    quiet: Literal["probes", "hold"] = Field(
        default="probes",
        description="Without users' traffic: judge by Sophia's own probes through the edge, or hold and ask.",
    )
    warm_ms: Duration = Field(
        default=900_000,
        validation_alias="warm",
        description="How long the old release stays warm after the watch, for a fast way back.",
    )
    thresholds: Thresholds = Field(default=Thresholds(), description="When the watch calls a new release bad.")


class Strategy(Shape):
    """How a new release takes over."""

    NOT_YET: ClassVar[Mapping[str, str]] = {
        "canary": "the only strategy so far is `blue_green`",
        "rolling": "the only strategy so far is `blue_green`",
        "recreate": "the only strategy so far is `blue_green`",
    }

    blue_green: BlueGreen = Field(
        default=BlueGreen(), description="Start the new beside the old and move all traffic at once."
    )


class Override(Shape):
    """What an environment changes about a service."""

    env: Mapping[Variable, Value] = Field(
        default={}, description="Variables added to the service's own, or put in their place."
    )
    replicas: Count | None = Field(default=None, description="How many instances run here.")
    resources: Resources = Field(
        default=Resources(), description="Limits of one instance here; what is left out stays as the service says."
    )


class Environment(Shape):
    """A named place where releases run."""

    NOT_YET: ClassVar[Mapping[str, str]] = {
        "requires": "gates are not built so far",
        "approvals": "approvals are not built so far",
        "source": "rules about branches and callers are not built so far",
        "freeze": "freeze windows are not built so far",
        "after": "checks after a deployment are not built so far; use a service's `smoke`",
    }

    runtime: Literal["local"] = Field(
        default="local", description="What runs the instances. So far only `local`: processes on this machine."
    )
    edge: Edge = Field(description="Where users come in.")
    strategy: Strategy = Field(default=Strategy(), description="How a new release takes over.")
    services: Mapping[Name, Override] = Field(
        default={}, description="What is different here, by service: `env`, `replicas`, `resources`."
    )


class Retention(Shape):
    """What is kept to roll back to. What is live, warm or pinned is always kept."""

    releases: Count = Field(default=10, description="How many releases are kept.")
    age_ms: Duration = Field(default=2_592_000_000, validation_alias="age", description="How long a release is kept.")


class Platform(Shape):
    """What is wanted: services, and the environments they run in."""

    NOT_YET: ClassVar[Mapping[str, str]] = {
        "objectives": "service level objectives are not measured so far",
    }

    platform: Name = Field(description="The platform's name.")
    services: Mapping[Name, Service] = Field(description="What runs, by name.", min_length=1)
    environments: Mapping[Name, Environment] = Field(
        description="Where it runs, by name. The first one is the default of every command.", min_length=1
    )
    retention: Retention = Field(default=Retention(), description="What is kept to roll back to.")
    check: Mapping[str, Any] = Field(
        default={},
        exclude=True,
        description="Settings of `sophia check`, which reads and checks them itself: `ignore` (patterns as in "
        ".gitignore), `rules`, `baseline`, `linters`. No part of a release.",
    )

    @property
    def default_environment(self) -> str:
        return next(iter(self.environments))

    def service_in(self, environment: str, service: str) -> Service:
        """The service with the environment's overrides applied. Raises `KeyError` for names that are not declared."""
        base, override = self.services[service], self.environments[environment].services.get(service)
        return base if override is None else overridden(base, override)

    def services_in(self, environment: str) -> dict[str, Service]:
        """Every service with the environment's overrides applied, in dependency order."""
        return {name: self.service_in(environment, name) for name in self.order()}

    def layers(self) -> tuple[tuple[str, ...], ...]:
        """Services in dependency order, those that may start together side by side; sorted, so always the same.

        Raises `graphlib.CycleError` for a platform that `checks` would have refused.
        """
        sorter = TopologicalSorter({name: service.needs for name, service in self.services.items()})
        sorter.prepare()
        found = []
        while sorter.is_active():
            ready = tuple(sorted(sorter.get_ready()))
            found.append(ready)
            sorter.done(*ready)
        return tuple(found)

    def order(self) -> tuple[str, ...]:
        """Services in dependency order: what is needed comes before what needs it."""
        return tuple(name for layer in self.layers() for name in layer)

    def to_canonical(self) -> dict[str, Any]:
        """Plain data without floats, for hashes and for the ledger. Environments are a list: their order counts."""
        data: dict[str, Any] = {"v": FORM, **super().to_canonical()}
        data["environments"] = [{"name": name, **environment} for name, environment in data["environments"].items()]
        return data

    @classmethod
    def from_canonical(cls, data: Mapping[str, Any]) -> Self:
        """What `to_canonical` wrote, now or by an older version. Raises `ValueError` for a newer version's form."""
        if data.get("v") != FORM:
            raise ValueError(f"this platform was written in form {data.get('v')}, which is newer than {FORM}")
        body = {key: value for key, value in data.items() if key not in ("v", "environments")}
        body["environments"] = {
            entry["name"]: {key: value for key, value in entry.items() if key != "name"}
            for entry in data["environments"]
        }
        return cls.model_validate(body)


def overridden(service: Service, override: Override) -> Service:
    """The service as the override wants it; applying it again changes nothing."""
    resources = override.resources.model_dump(exclude_none=True)
    return service.model_copy(
        update={
            "env": {**service.env, **override.env},
            "replicas": override.replicas or service.replicas,
            "resources": service.resources.model_copy(update=resources),
        }
    )


def injected(service: Service, names: Iterable[str]) -> tuple[str, ...]:
    """Those of `names` that Sophia sets itself for this service."""
    own = {*INJECTED, *(url_variable(need) for need in service.needs)}
    return tuple(name for name in names if name in own or name.startswith("SOPHIA_"))


def filled_in(command: Iterable[str], variables: Mapping[str, str]) -> tuple[str, ...]:
    """The command's words with `$NAME` and `${NAME}` replaced, `$$` by a dollar sign.

    A name that is no variable stays as it is: it may be meant for a shell. Secrets do not belong into `variables`: a
    command line can be read by everybody on the machine.
    """
    return tuple(_REFERENCE.sub(lambda match: _value(match, variables), word) for word in command)


def _value(match: re.Match[str], variables: Mapping[str, str]) -> str:
    if match[0] == "$$":
        return "$"
    return variables.get(match[1] or match[2], match[0])
