"""A job of a workflow asks for one of its services where that is not: on another port, or at the wrong host."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sophia_preflight.calls.model import Caller, Site
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Confidence, Finding, Involved, Place, Rule, Severity
from sophia_preflight.ports.listening import is_said
from sophia_preflight.readers.tree import Node
from sophia_preflight.readers.workflow import Job, Workflow
from sophia_preflight.standing import consequence
from sophia_preflight.text import named

RULE = Rule(
    id="wrong-job-service",
    title="a job asks for one of its services where that is not",
    severity=Severity.HIGH,
    why="the connection is refused, or the name is not found: the job fails",
    fix="use the port that the service publishes; in a job with a container, its name and its own port",
    family="contradictions",
)
_STORES = {
    "postgres": named("postgres postgis pgvector timescaledb"),
    "postgresql": named("postgres postgis pgvector timescaledb"),
    "mysql": named("mysql mariadb"), "mariadb": named("mariadb"), "redis": named("redis valkey"),
    "amqp": named("rabbitmq"), "mongodb": named("mongo"),
}  # fmt: skip
"""Schemes of addresses, and the images that answer them."""
_URL = re.compile(
    r"\b([a-z]+)(?:\+\w+)?://(?:[^@/\s'\"]*@)?(localhost|127\.0\.0\.1|[a-z][\w-]*)(?::(\d{2,5}))?(?=[/?\s'\"]|$)"
)
_NUMBERS = re.compile(r"(?<![\w.])\d{2,5}(?![\w.])")
_STARTS = re.compile(
    r"\b(docker|podman)[ -](compose|run|start)\b|\bkubectl\b|\bssh -L|\bsocat\b|\bsystemctl\b|\bservice \w+ start"
)
"""What a job starts itself, which may answer as well."""
_CODE = re.compile(r"\.(py|go|rb|rs|[cm]?[jt]s|ya?ml|toml|ini|cfg|env|sh)$")
_MOST_BYTES = 400_000
_HOME = named("localhost 127.0.0.1")


@dataclass(frozen=True)
class _Service:
    name: str
    node: Node
    image: str
    published: dict[str, str]
    """Ports of the runner, and those of the service behind them."""
    plain: bool
    """Whether all that it publishes is written down."""


def check(context: Context) -> Iterable[Finding]:
    for path, workflow in context.workflows.items():
        for job in workflow.jobs:
            services = list(_services(job))
            if services and all(each.plain for each in services):
                yield from _job(path, workflow, job, services)
                yield from _unheard(context, path, workflow, job, services)


def _services(job: Job) -> Iterator[_Service]:
    for name, node in job.node["services"].items():
        pairs = [re.fullmatch(r"(?:[\d.]+:)?(\d+):(\d+)(?:/tcp)?", each.text) for each in node["ports"].elements()]
        plain = all(pairs) and "${{" not in node["image"].text and "network" not in node["options"].text
        published = {pair[1]: pair[2] for pair in pairs if pair}
        image = posixpath.basename(node["image"].text).partition(":")[0]
        yield _Service(name, node, image, published, plain)


def _job(path: str, workflow: Workflow, job: Job, services: list[_Service]) -> Iterator[Finding]:
    inside = bool(job.node["container"])
    severity, blocks = consequence(Site(path, Caller.WORKFLOW, owner=workflow.name))
    started = " ".join(step.run.text for step in job.steps)
    if re.search(r"\bdocker\b|\bkubectl\b|\bssh -L|\bsocat\b|\bsystemctl\b|\bservice \w+ start", started):
        return  # what it starts itself may answer
    for place, text, name in _asking(path, workflow, job):
        for found in _URL.finditer(text):
            stores = _STORES.get(found[1])
            meant = [each for each in services if stores and each.image in stores]
            if len(meant) != 1 or (wrong := _wrong(found[2], found[3] or "", meant[0], services, inside=inside)) == "":
                continue
            yield RULE.found(
                f"{name} asks `{found[2]}{f':{found[3]}' if found[3] else ''}` for `{meant[0].image}`, {wrong}",
                Involved(place, "call"),
                Involved(meant[0].node.place(path), "declaration"),
                anchor=f"{job.name} {name} {found[2]}:{found[3]}",
                severity=severity,
                confidence=Confidence.LIKELY,
                blocks=blocks,
            )


def _unheard(context: Context, path: str, workflow: Workflow, job: Job, services: list[_Service]) -> Iterator[Finding]:
    """Services on a port of the runner that nobody speaks of, where their own port is asked on this machine."""
    steps = " ".join(step.run.text for step in job.steps)
    if job.node["container"] or _STARTS.search(steps):
        return
    severity, blocks = consequence(Site(path, Caller.WORKFLOW, owner=workflow.name))
    everywhere = {port for each in services for port in each.published}
    for each in services:
        for here, there in each.published.items():
            place = _line_of(each.node["ports"], here).place(path)
            if here == there or there in everywhere or is_said(context, here, place):
                continue
            if (asked := _asks(context, path, job, there)) is not None:
                yield RULE.found(
                    f"`{each.name}` is published on port `{here}` that nobody asks, and port `{there}` is asked for",
                    Involved(place, "declaration"),
                    Involved(asked, "call"),
                    anchor=f"{job.name} {each.name} {here}",
                    severity=severity,
                    confidence=Confidence.LIKELY,
                    blocks=blocks,
                )


def _line_of(ports: Node, here: str) -> Node:
    return next((each for each in ports.elements() if here in each.text), ports)


def _asks(context: Context, path: str, job: Job, port: str) -> Place | None:
    """Where the job's variables, or sources and tests, ask for a port of this machine."""
    for node in (job.env, *(step.env for step in job.steps)):
        for name, value in node.items():
            if name.endswith("PORT") and value.text == port:
                return value.place(path)
    asks = re.compile(rf"(?:localhost|127\.0\.0\.1)[\"']?(?::|,\s*[\"']?(?:port=)?){port}(?!\d)")
    for other, entry in context.repository.entries.items():
        if _CODE.search(other) and entry.size < _MOST_BYTES and port in (text := context.repository.glimpse(other)):
            found = asks.search(text)
            if found is not None:
                return Place(other, text.count("\n", 0, found.start()) + 1)
    return None


def _wrong(host: str, port: str, meant: _Service, services: list[_Service], *, inside: bool) -> str:
    """What is wrong with an address of a service; empty where nothing is, or nobody can say."""
    if inside:
        if host in _HOME:
            return f"and inside its container the job reaches it as `{meant.name}`"
        return ""
    if host in _HOME and port and meant.published:
        if any(port in each.published for each in services):
            return ""
        return f"and the service `{meant.name}` is published on {', '.join(f'`{each}`' for each in meant.published)}"
    if host == meant.name:
        return "and without a container the job reaches it on `localhost` only"
    return ""


def _asking(path: str, workflow: Workflow, job: Job) -> Iterator[tuple[Place, str, str]]:
    """The variables of a job and of its steps that hold addresses."""
    own = {name for name, _ in job.env.items()} | {name for step in job.steps for name, _ in step.env.items()}
    for node in (workflow.env, job.env, *(step.env for step in job.steps)):
        for name, value in node.items():
            if node is workflow.env and name in own:
                continue  # said anew
            if value.is_scalar and "${{" not in value.text and "://" in value.text:
                yield value.place(path), value.text, f"`{name}`"


_JOB = """
    === .github/workflows/ci.yml
    on: push
    jobs:
      test:
        runs-on: ubuntu-24.04%s
        services:
          db:
            image: postgres:17
            env: {POSTGRES_PASSWORD: test}
            ports: ["%s"]
        env:
          DATABASE_URL: postgresql+psycopg://postgres:test@%s/test
        steps:
          - run: pytest
"""
_CONTAINER = "\n        container: python:3.13-slim"
_TESTED = """
    === .github/workflows/ci.yml
    on: push
    jobs:
      test:
        runs-on: ubuntu-24.04
        services:
          images:
            image: registry:3
            ports: ["%s:5000"]
        steps:
          - run: docker version && pytest
    === tests/test_push.py
    HERE = "http://localhost:%s/v2"
"""
BAD = [
    tree(_TESTED % ("5001", "5000")),
    tree(_TESTED.replace("steps:", "env: {IMAGES_PORT: 5000}\n        steps:") % ("5001", "80")),
    tree(_JOB % ("", "5433:5432", "localhost:5432")),
    tree(_JOB % (_CONTAINER, "5432:5432", "localhost:5432")),
    tree(_JOB % ("", "5432:5432", "db:5432")),
]
GOOD = [
    tree(_TESTED % ("5001", "5001")),
    tree(_TESTED % ("5000", "5000")),
    tree((_TESTED % ("5001", "5000")).replace("docker version", "docker run -d registry")),
    tree(_JOB % ("", "5433:5432", "localhost:5433")),
    tree(_JOB % (_CONTAINER, "5433:5432", "db:5432")),
    tree(_JOB % ("", "5432", "localhost:5433")),
    tree(_JOB % ("", "5433:5432", "db.example.com:5432")),
    tree(
        _JOB.replace("run: pytest", "run: docker run -d -p 5432:5432 postgres && pytest")
        % ("", "5433:5432", "localhost:5432")
    ),
]
