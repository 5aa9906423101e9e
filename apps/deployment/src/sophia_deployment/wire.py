"""What goes over the engine's socket: requests and answers as models, so that OpenAPI and the documented schemas are
made from one place. The command line sends and reads plain JSON of these shapes and does not import this module.

Times are wall milliseconds since 1970 UTC (`_ms`); a run is named by its id, the id's beginning, or its number (`#17`).
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

RunState = Literal["queued", "running", "needs you", "done", "rolled back", "failed", "cancelled"]
EnvironmentState = Literal["empty", "down", "steady", "rolling out", "held", "degraded"]


class Wire(BaseModel):
    model_config = ConfigDict(extra="forbid")


# --- requests -------------------------------------------------------------------------------------------------------


class ReleaseIn(Wire):
    """A release as its client built it; the bundles are in the state directory already."""

    platform: dict[str, Any] = Field(description="The platform's canonical form (`Platform.to_canonical`).")
    artifacts: dict[str, str] = Field(description="Service -> bundle digest.")


class Provenance(Wire):
    """Where a release came from; told by the client, beside the hash and never part of it."""

    commit: str | None = None
    branch: str | None = None
    dirty: bool = False
    author: str | None = None
    subject: str | None = None


class Submission(Wire):
    """A run that is wanted. `id` is a UUIDv7 made by the client: run id, correlation id and idempotency key."""

    id: str
    kind: Literal["deploy", "rollback", "start", "stop", "restart", "retire"]
    environment: str
    release: ReleaseIn | None = Field(default=None, description="For `deploy`.")
    overrides: dict[str, dict[str, str]] = Field(default={}, description="For `deploy`: service -> variable -> value.")
    watch_ms: int | None = Field(default=None, description="For `deploy`: watch so long instead of what is declared.")
    to: str | None = Field(
        default=None, description="For `rollback`: revision, release or `#run`; default: the one before."
    )
    services: list[str] = Field(default=[], description="For `restart`: which; default all.")
    alone: bool = Field(default=False, description="For `stop`: this environment was named, so `up` leaves it down.")
    strict_port: bool = Field(
        default=False, description="Refuse an edge port that is taken instead of the next free one."
    )
    reason: str | None = None
    tags: list[str] = []
    provenance: Provenance = Provenance()
    check: dict[str, Any] = Field(default={}, description="What the check said, or `unchecked`: why there was none.")


class Wish(Wire):
    """Cancel or resume: why."""

    reason: str | None = None


# --- answers --------------------------------------------------------------------------------------------------------


class StepOut(Wire):
    """One step of a run. `state` idle: not begun; lost: begun by an engine that is gone, and begun again soon."""

    id: str
    verb: str
    phase: Literal["do", "undo"]
    state: Literal["idle", "running", "lost", "done", "failed"]
    service: str | None = None
    attempts: int = 0
    started_ms: int | None = None
    ended_ms: int | None = None
    result: dict[str, Any] = {}
    error: dict[str, Any] | None = Field(default=None, description="`code`, `message`, `hint`, `facts`.")


class ChangeOut(Wire):
    service: str
    action: Literal["new", "changed", "follows", "unchanged", "scaled", "removed"]
    because: str


class RunOut(Wire):
    """One run. `release` is the name of the revision it makes live, `previous` the one that was live before."""

    run: str | None = Field(description="Its id; null where there was nothing to do.")
    number: int | None
    kind: str
    environment: str
    status: RunState
    because: str
    release: str | None
    previous: str | None
    by: str | None = None
    reason: str | None = None
    tags: list[str] = []
    provenance: Provenance = Provenance()
    submitted_ms: int | None = None
    started_ms: int | None = None
    ended_ms: int | None = None
    switched_ms: int | None = Field(default=None, description="When traffic was moved.")
    serving: str | None = Field(
        default=None, description="The revision that answers as far as this run knows; null when none does."
    )
    nothing_to_do: bool = False
    plan_hash: str | None = None
    changes: list[ChangeOut] = []
    steps: list[StepOut] = []
    summary: str = Field(default="", description="What happened and what serves, in one sentence.")
    next: str = Field(default="", description="What to do now, in words; empty when there is nothing.")


class PlanOut(Wire):
    """A plan that was computed and not run."""

    hash: str
    nothing_to_do: bool
    release: str
    previous: str | None
    changes: list[ChangeOut]
    steps: list[dict[str, Any]]


class InstanceOut(Wire):
    number: int
    state: str
    pid: int | None = None
    port: int | None = None
    restarts: int = 0
    since_ms: int | None = None
    exit: int | None = None
    limits: str = ""


class ServiceOut(Wire):
    name: str
    kind: Literal["service", "worker", "single"]
    workload: str = Field(description="The first 12 digits of its identity.")
    wanted: int
    running: int
    instances: list[InstanceOut]
    routes: list[str] = []


class LiveOut(Wire):
    release: str
    since_ms: int
    run: str | None
    number: int | None
    provenance: Provenance = Provenance()


class EnvironmentOut(Wire):
    """An environment. `pending`: what is set but not deployed yet (secrets newer than those that run)."""

    name: str
    state: EnvironmentState
    because: str = ""
    url: str | None
    private_url: str | None = None
    live: LiveOut | None
    previous: str | None = Field(description="What `rollback` would go to.")
    warm: bool = Field(default=False, description="Whether `previous` still runs, so that going back takes no start.")
    run: str | None = Field(default=None, description="The run that has the lane.")
    queued: list[str] = []
    alone: bool = Field(default=False, description="Taken down by name: `up` without a name leaves it down.")
    pending: list[str] = []
    services: list[ServiceOut] = []
    history: list[LiveOut] = []


class EngineOut(Wire):
    version: str
    build: str = Field(description="A hash of the code that runs; another one means another build.")
    pid: int
    epoch: int
    since_ms: int
    state: str = Field(description="The state directory.")


class StatusOut(Wire):
    engine: EngineOut | None = Field(description="Null after `down`: everything is down, the engine too.")
    platform: str | None
    environments: list[EnvironmentOut]


class EventOut(Wire):
    """One entry of the ledger; over SSE `id` is its `seq`, `event` its kind."""

    seq: int
    at_ms: int
    epoch: int
    run: str | None
    kind: str
    body: dict[str, Any]
