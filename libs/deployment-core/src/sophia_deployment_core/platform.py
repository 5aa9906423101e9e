"""The platform: what is wanted. The nouns of `sophia.yaml` as values; `loading` reads the file, this module knows none.

Every field carries its description: the reference page and the editors' schema are made from it. Times are integer
milliseconds, sizes bytes, processors millicores, shares parts per thousand, so that the canonical form has no floats;
a field whose name ends in a unit (`every_ms`) is written without it in the file (`every: 1s`).
What a file may not say at all is refused here, by type; what does not fit together is found by `checks`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from graphlib import TopologicalSorter
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Strict, WithJsonSchema
from pydantic_core import PydanticCustomError

from sophia_deployment_core import units

FORM = 1
"""The version of the canonical form. Stored text never changes; a newer reader upgrades what an older one wrote."""

NAME = re.compile(r"[a-z](?:[a-z0-9-]{0,38}[a-z0-9])?", re.ASCII)
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}", re.ASCII)
HEADER = re.compile(r"[!#$%&'*+.^_`|~A-Za-z0-9-]{1,128}", re.ASCII)
ROUTE = re.compile(r"/|(?:/[A-Za-z0-9._~!$&'()+,;=:@-]+)+", re.ASCII)
REQUEST_PATH = re.compile(r"/[\x21-\x7e]*", re.ASCII)
INJECTED = ("PORT", "DATA_DIR")
"""Variables that Sophia sets for every instance, beside `SOPHIA_*` and one address for each name in `needs`."""


def url_variable(service: str) -> str:
    """The variable that carries the address of `service` to its callers: `ai-memory` -> `AI_MEMORY_URL`."""
    return service.upper().replace("-", "_") + "_URL"


# --- the words of the file ------------------------------------------------------------------------------------------


def refusal(message: str, hint: str = "") -> PydanticCustomError:
    """What a validator raises: a sentence and a hint, both shown as they are."""
    return PydanticCustomError("refused", "{message}", {"message": message, "hint": hint})


def kind_of(value: object) -> str:
    """What a value is in the reader's words."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, int | float):
        return f"the number `{value}`"
    if isinstance(value, str):
        return f"the text `{value[:60]}`"
    return "a mapping" if isinstance(value, Mapping) else "a list"


def _text(value: object) -> object:
    if not isinstance(value, str):
        raise refusal(f"must be text, not {kind_of(value)}", "put it in quotes" if isinstance(value, int | float) else "")
    if "\0" in value or any(0xD800 <= ord(character) <= 0xDFFF for character in value):
        raise refusal("has a character that no process can be given (NUL or half of a surrogate pair)")
    return value


def _filled(value: object) -> object:
    if not _text(value):
        raise refusal("must not be empty")
    return value


def _shaped(pattern: re.Pattern[str], must: str) -> Callable[[object], object]:
    def check(value: object) -> object:
        if not pattern.fullmatch(str(_text(value))):
            raise refusal(f"`{str(value)[:60]}` {must}")
        return value

    return check


def _measured(read: Callable[[str], int], example: str, *, least: int = 0) -> Callable[[object], object]:
    """Text with a unit becomes its integer; an integer is one already, in the canonical form only."""

    def measure(value: object) -> object:
        if isinstance(value, float) or (isinstance(value, int) and not isinstance(value, bool)):
            value = str(value)
        if not isinstance(value, str):
            raise refusal(f"must be like `{example}`, not {kind_of(value)}")
        try:
            number = read(value)
        except ValueError as error:
            raise refusal(str(error)) from None
        if number < least:
            raise refusal(f"`{value}` is too small")
        return number

    def check(value: object, info: Any) -> object:
        return measure(value) if (info.context or {}).get("file") or isinstance(value, str) else value

    return check


def _command(value: object) -> object:
    if isinstance(value, str):
        raise refusal("a command is a list of words", f"write `[{', '.join(value.split())}]`")
    if isinstance(value, list | tuple) and (not value or value[0] == ""):
        raise refusal("a command needs at least one word")
    return value


def _commands(value: object) -> object:
    """One command, or a list of commands."""
    if isinstance(value, list | tuple) and value and not any(isinstance(part, list | tuple) for part in value):
        return [value]
    return _command(value) if isinstance(value, str) else value


def _route(value: object) -> object:
    text = str(_text(value))
    trimmed = text.rstrip("/") or "/"
    parts = trimmed.split("/")
    if not ROUTE.fullmatch(trimmed) or "." in parts or ".." in parts:
        raise refusal(f"`{text[:60]}` is not a path prefix", "write it like `/api`: no wildcard, no query, no `//` or `..`")
    return trimmed


def _inside(value: object) -> object:
    text = str(_filled(value))
    if text.startswith("/") or ".." in text.split("/") or "\\" in text:
        raise refusal(f"`{text[:60]}` must be a path inside, without `..`, written with `/`")
    return text.rstrip("/") if text != "." else text


def _plain_text_schema(**more: Any) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", **more})


Text = Annotated[str, BeforeValidator(_text), _plain_text_schema()]
Filled = Annotated[str, BeforeValidator(_filled), _plain_text_schema(minLength=1)]
Name = Annotated[
    str,
    BeforeValidator(_shaped(NAME, "is not a name: lower case letters, digits and `-`, starting with a letter, at most 40")),
    _plain_text_schema(pattern=f"^{NAME.pattern}$"),
]
Variable = Annotated[
    str,
    BeforeValidator(_shaped(VARIABLE, "is not a variable's name: letters, digits and `_`, not starting with a digit")),
    _plain_text_schema(pattern=f"^{VARIABLE.pattern}$"),
]
Value = Annotated[str, BeforeValidator(_text), WithJsonSchema({"type": ["string", "number", "boolean"]})]
HeaderName = Annotated[str, BeforeValidator(_shaped(HEADER, "is not a header's name")), _plain_text_schema()]
RequestPath = Annotated[
    str, BeforeValidator(_shaped(REQUEST_PATH, "is not a path: it starts with `/` and has no blanks")), _plain_text_schema(pattern="^/")
]
Route = Annotated[str, BeforeValidator(_route), _plain_text_schema(pattern="^/")]
Inside = Annotated[str, BeforeValidator(_inside), _plain_text_schema(minLength=1)]
Command = Annotated[
    tuple[Text, ...],
    BeforeValidator(_command),
    WithJsonSchema({"type": "array", "items": {"type": "string"}, "minItems": 1}),
]
Commands = Annotated[
    tuple[Command, ...],
    BeforeValidator(_commands),
    WithJsonSchema(
        {
            "type": "array",
            "anyOf": [
                {"items": {"type": "string"}},
                {"items": {"type": "array", "items": {"type": "string"}, "minItems": 1}},
            ],
        }
    ),
]
_DURATION_SCHEMA = _plain_text_schema(pattern=r"^([0-9]+(\.[0-9]+)?(ms|s|m|h|d))+$", examples=["1s", "5m", "24h"])
Duration = Annotated[int, BeforeValidator(_measured(units.duration_ms, "30s")), _DURATION_SCHEMA]
Interval = Annotated[int, BeforeValidator(_measured(units.duration_ms, "1s", least=10)), _DURATION_SCHEMA]
Memory = Annotated[
    int,
    BeforeValidator(_measured(units.size_bytes, "512Mi", least=2**20)),
    _plain_text_schema(pattern=r"^[0-9]+(\.[0-9]+)?([KMGT](i|B|iB)?|B)$", examples=["512Mi", "1Gi"]),
]
Processors = Annotated[
    int,
    BeforeValidator(_measured(units.processors_millicores, "0.5")),
    WithJsonSchema({"type": ["number", "string"], "examples": [0.5, 2, "250m"]}),
]
Share = Annotated[
    int, BeforeValidator(_measured(units.share_permille, "1%")), _plain_text_schema(pattern=r"^[0-9]+(\.[0-9]+)?%$", examples=["1%"])
]
Count = Annotated[int, Strict(), Field(ge=1, le=1000)]
Port = Annotated[int, Strict(), Field(ge=1, le=65535)]
Status = Annotated[int, Strict(), Field(ge=100, le=599)]
Flag = Annotated[bool, Strict()]


class Shape(BaseModel):
    """A frozen value that knows its keys; `NOT_YET` are keys that are known and refused until they are built."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True)
    NOT_YET: ClassVar[Mapping[str, str]] = {}


# --- services -------------------------------------------------------------------------------------------------------


class Static(Shape):
    """Files served by Sophia's own small server: compression, ETag, immutable caching of hashed assets."""

    root: Inside = Field(description="Directory inside the bundle that holds the files.")
    spa: Flag = Field(False, description="Answer a path that is no file with the index page (single-page application).")
    index: Inside = Field("index.html", description="The page for a directory, relative to `root`.")


class Bundle(Shape):
    """What is shipped to runtime `local`: a content-addressed tree, made ready once for each digest, then run."""

    include: tuple[Filled, ...] = Field(
        (),
        description="Files of the bundle, as glob patterns relative to `source`; a directory stands for all it holds; a "
        "leading `//` means relative to `sophia.yaml`. Default for a static site: its `root`.",
    )
    prepare: Command | None = Field(
        None, description="Command that makes the bundle ready, once for each digest (for example a virtual environment)."
    )
    run: Command | None = Field(None, description="Command that starts one instance. It must listen on `$PORT`, unless it is a worker.")
    static: Static | None = Field(None, description="Serve files instead of running a command.")


class Health(Shape):
    """When an instance counts as healthy."""

    path: RequestPath = Field("/health", description="Path that answers 2xx when the instance can serve.")
    every_ms: Interval = Field(1_000, alias="every", description="Time between two probes.")
    consecutive: Count = Field(3, description="How many good answers in a row are needed.")
    of: Count | None = Field(None, description="With it, `consecutive` good answers out of this many are enough.")
    within_ms: Interval = Field(30_000, alias="within", description="How long a new instance may take to become healthy.")


class Smoke(Shape):
    """One check of a candidate before it gets traffic: a request through the private listener, or a command."""

    get: RequestPath | None = Field(None, description="Path to GET.")
    post: RequestPath | None = Field(None, description="Path to POST to, with an empty body.")
    run: Command | None = Field(None, description="Command whose exit code 0 means good; it finds the candidate at `$SOPHIA_URL`.")
    status: Status = Field(200, description="The answer's status.")
    contains: Filled | None = Field(None, description="Text that the answer's body (or the command's output) must contain.")
    header: Mapping[HeaderName, Text] = Field({}, description="Headers that the answer must have, each containing this text.")
    within_ms: Interval = Field(5_000, alias="within", description="How long the answer may take.")


class Resources(Shape):
    """Limits of one instance; what is left out is not limited."""

    cpu_millicores: Processors | None = Field(None, alias="cpu", description="Processors, for example `0.5`.")
    memory_bytes: Memory | None = Field(None, alias="memory", description="Memory, for example `512Mi`.")


class Stop(Shape):
    """How an instance is stopped: the signal, then time to finish, then SIGKILL to its process group."""

    signal: Literal["SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP", "SIGUSR1", "SIGUSR2"] = Field(
        "SIGTERM", description="The signal that asks it to stop."
    )
    grace_ms: Duration = Field(10_000, alias="grace", description="How long it may take before it is killed.")


class Service(Shape):
    """One thing that runs: where its source is, how it is built, started and probed, what it needs, what it serves."""

    NOT_YET: ClassVar[Mapping[str, str]] = {
        "image": "images come with the runtimes `swarm` and `kubernetes`; describe a `bundle`",
        "port": "a port inside an image comes with the runtimes `swarm` and `kubernetes`; on `local` the service listens on `$PORT`",
        "migrate": "database migrations are not run by Sophia so far",
        "objectives": "service level objectives are not measured so far",
    }

    source: Inside = Field(description="Directory of the service, relative to `sophia.yaml`.")
    build: Commands = Field(
        (), description="Command, or list of commands, that builds it, run in `source`. Not needed where there is a `turbo.json`."
    )
    bundle: Bundle = Field(description="What is shipped, and how it is started.")
    routes: tuple[Route, ...] = Field((), description="Public path prefixes that this service answers.")
    health: Health = Field(Health(), description="When an instance counts as healthy.")
    smoke: tuple[Smoke, ...] = Field((), description="Checks that a candidate must pass before it gets traffic.")
    needs: tuple[Name, ...] = Field(
        (), description="Services that it calls. Each one's address comes in a variable: `ai-memory` as `AI_MEMORY_URL`."
    )
    env: Mapping[Variable, Value] = Field({}, description="Environment variables. Numbers and booleans are passed as they are written.")
    secrets: tuple[Variable, ...] = Field((), description="Names of secrets that it gets as environment variables.")
    replicas: Count = Field(1, description="How many instances run.")
    resources: Resources = Field(Resources(), description="Limits of one instance.")
    stop: Stop = Field(Stop(), description="How an instance is stopped.")
    worker: Flag = Field(False, description="It has no port and is needed by nobody; its new version starts after the switch.")
    single: Flag = Field(False, description="Never doubled (a database, a scheduler): replaced in place, with a gap that the plan announces.")

    @property
    def kind(self) -> Literal["service", "worker", "single"]:
        return "worker" if self.worker else "single" if self.single else "service"


# --- environments ---------------------------------------------------------------------------------------------------


class Edge(Shape):
    """Where an environment's users come in."""

    port: Port = Field(description="Port of the edge proxy on 127.0.0.1. No two environments may share one.")


class Thresholds(Shape):
    """When the watch calls a new release bad. Everything is compared with the old release over the same time."""

    error_rate_permille: Share = Field(
        20, alias="error_rate", description="Share of failed requests (5xx or lost) that may come on top of the old release's."
    )
    latency_permille: Share = Field(3_000, alias="latency", description="p95 latency in percent of the old release's that is still good.")
    latency_floor_ms: Duration = Field(100, alias="latency_floor", description="A p95 below this is good, whatever the old release's was.")
    minimum_requests: Annotated[int, Strict(), Field(ge=1, le=1_000_000)] = Field(
        20, description="With fewer requests the figures say nothing and the watch counts as quiet."
    )


class BlueGreen(Shape):
    """Start the new beside the old, verify, move all traffic at once, watch, keep the old warm."""

    watch_ms: Duration = Field(300_000, alias="watch", description="How long a new release is watched; if it is bad, traffic goes back.")
    quiet: Literal["probes", "hold"] = Field(
        "probes", description="Without users' traffic: judge by Sophia's own probes through the edge, or hold and ask."
    )
    warm_ms: Duration = Field(900_000, alias="warm", description="How long the old release stays warm after the watch, for a fast way back.")
    thresholds: Thresholds = Field(Thresholds(), description="When the watch calls a new release bad.")


class Strategy(Shape):
    """How a new release takes over."""

    NOT_YET: ClassVar[Mapping[str, str]] = {
        "canary": "the only strategy so far is `blue_green`",
        "rolling": "the only strategy so far is `blue_green`",
        "recreate": "the only strategy so far is `blue_green`",
    }

    blue_green: BlueGreen = Field(BlueGreen(), description="Start the new beside the old and move all traffic at once.")


class Override(Shape):
    """What an environment changes about a service."""

    env: Mapping[Variable, Value] = Field({}, description="Variables added to the service's own, or put in their place.")
    replicas: Count | None = Field(None, description="How many instances run here.")
    resources: Resources = Field(Resources(), description="Limits of one instance here; what is left out stays as the service says.")


class Environment(Shape):
    """A named place where releases run."""

    NOT_YET: ClassVar[Mapping[str, str]] = {
        "requires": "gates are not built so far",
        "approvals": "approvals are not built so far",
        "source": "rules about branches and callers are not built so far",
        "freeze": "freeze windows are not built so far",
        "after": "checks after a deployment are not built so far; use a service's `smoke`",
    }

    runtime: Literal["local"] = Field("local", description="What runs the instances. So far only `local`: processes on this machine.")
    edge: Edge = Field(description="Where users come in.")
    strategy: Strategy = Field(Strategy(), description="How a new release takes over.")
    services: Mapping[Name, Override] = Field({}, description="What is different here, by service: `env`, `replicas`, `resources`.")


class Retention(Shape):
    """What is kept to roll back to. What is live, warm or pinned is always kept."""

    releases: Count = Field(10, description="How many releases are kept.")
    age_ms: Duration = Field(2_592_000_000, alias="age", description="How long a release is kept.")


class Platform(Shape):
    """What is wanted: services, and the environments they run in."""

    NOT_YET: ClassVar[Mapping[str, str]] = {
        "objectives": "service level objectives are not measured so far",
        "check": "settings of the repository check are not read so far",
    }

    platform: Name = Field(description="The platform's name.")
    services: Mapping[Name, Service] = Field(description="What runs, by name.", min_length=1)
    environments: Mapping[Name, Environment] = Field(
        description="Where it runs, by name. The first one is the default of every command.", min_length=1
    )
    retention: Retention = Field(Retention(), description="What is kept to roll back to.")

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
        data: dict[str, Any] = {"v": FORM, **self.model_dump(mode="json")}
        data["environments"] = [{"name": name, **environment} for name, environment in data["environments"].items()]
        return data

    @classmethod
    def from_canonical(cls, data: Mapping[str, Any]) -> Self:
        """What `to_canonical` wrote, now or by an older version. Raises `ValueError` for a newer version's form."""
        if data.get("v") != FORM:
            raise ValueError(f"this platform was written in form {data.get('v')}, which is newer than {FORM}")
        body = {key: value for key, value in data.items() if key not in ("v", "environments")}
        body["environments"] = {
            entry["name"]: {key: value for key, value in entry.items() if key != "name"} for entry in data["environments"]
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
