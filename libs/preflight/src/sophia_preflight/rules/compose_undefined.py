"""Networks, volumes, secrets, configs and services that a service names and no file of the project defines."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from sophia_preflight.composing import Used, used
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Confidence, Finding, Rule, Severity
from sophia_preflight.readers.compose import Part, mount_of
from sophia_preflight.spelling import respelt
from sophia_preflight.text import is_known

RULE = Rule(
    id="compose-undefined",
    title="a service names a network, volume, secret, config or service that is not defined",
    severity=Severity.CRITICAL,
    why="Compose and Docker refuse the whole project because of one undefined name",
    fix="define the name at the top of the file, or correct it",
    family="compose",
)


def check(context: Context) -> Iterable[Finding]:
    for each in used(context):
        yield from _extended(context, each)
        names = set(each.project.services(context.composes))
        for kind, name, part in _named(each):
            known = names if kind == "service" else set(each.project.top(f"{kind}s"))
            if not is_known(name) or name in known or (kind == "network" and name == "default"):
                continue
            if _is_replaced(context, name) or _is_of_whole(context, each, kind, name):
                continue
            yield _finding(each, kind, name, part, known)


def _is_of_whole(context: Context, each: Used, kind: str, name: str) -> bool:
    """Whether each file that includes the service's has what it names, or brings it."""
    including = [] if each.project.called else context.compositions.including(each.service.parts[-1].file)
    return bool(including) and all(any(name in file.root[f"{kind}s"] for file in whole) for whole in including)


def _is_replaced(context: Context, name: str) -> bool:
    """Whether it holds the place of something that a script puts in with `sed`."""
    if not re.fullmatch(r"[A-Z][A-Z0-9_]{3,}", name):
        return False
    put = re.compile(rf"\bs([#/|,@!]){name}\1")
    return any(put.search(context.repository.glimpse(path)) for path in context.repository.entries)


def _extended(context: Context, each: Used) -> Iterator[Finding]:
    """Services that are taken from another file, which has none of that name."""
    for part in each.service.parts:
        file, name = part.node.at("extends", "file").text, part.node.at("extends", "service")
        place = posixpath.normpath(posixpath.join(part.file.directory, file))
        other = context.composes.get(place) if file else None
        if other is not None and name.text and is_known(name.text) and name.text not in other.root["services"]:
            known = {service for service, _ in other.root["services"].items()}
            yield _finding(each, "service", name.text, Part(part.file, name), known)


def _finding(each: Used, kind: str, name: str, part: Part, known: set[str]) -> Finding:
    severity, blocks = each.consequence
    near = get_close_matches(name, known, n=1)
    return RULE.found(
        f"`{each.service.name}` names the {kind} `{name}`, which is not defined",
        part.node.place(part.file.path),
        anchor=f"{each.service.name} {kind} {name}",
        severity=severity,
        confidence=Confidence.CERTAIN if each.project.called else each.confidence,
        fix=RULE.fix + (f": there is `{near[0]}`" if near else ""),
        blocks=blocks,
        edits=respelt(part.file.path, part.node, known) if part.node.text == name else (),
    )


def _named(each: Used) -> Iterator[tuple[str, str, Part]]:
    service = each.service
    for part in service.listed("networks"):
        yield "network", part.text, part
    for part in service.listed("volumes"):
        mount = mount_of(part.node)
        if mount and mount.kind == "volume" and mount.source and not mount.assumed:
            yield "volume", mount.source, part
    for kind in ("secret", "config"):
        for part in service.listed(f"{kind}s"):
            yield kind, (part.node["source"].text if part.node.is_map else part.text), part
    for part in service.parts:
        node = part.node["depends_on"]
        for entry in node.elements():
            yield "service", Part(part.file, entry).text, Part(part.file, entry)
        for name, entry in node.items():
            if entry["required"].value is not False:
                yield "service", name, Part(part.file, node.key(name))
        for entry in part.node["links"].elements():
            yield "service", entry.text.partition(":")[0], Part(part.file, entry)
        extends = part.node["extends"]
        if extends and not extends["file"].text:
            node = extends["service"] or extends
            yield "service", node.text, Part(part.file, node)
        mode = part.node["network_mode"]
        if mode.text.startswith("service:"):
            yield "service", mode.text.removeprefix("service:"), Part(part.file, mode)


BAD = [
    tree("""
        === compose.yaml
        services:
          web: {extends: {file: common.yaml, service: base}}
        === common.yaml
        services:
          basis: {image: "nginx:1.29"}
    """),
    tree("""
        === docker-compose.yml
        services:
          web:
            image: nginx:1.29
            networks: [front]
            volumes: ["data:/data"]
            secrets: [token]
            depends_on: [database]
        networks:
          frontend:
    """),
    tree("""
        === compose.yaml
        services:
          web: {image: "shop:1", depends_on: [database]}
          db: {image: "postgres:17"}
        === compose.local.yaml
        services:
          web: {build: ., depends_on: [database]}
          database: {image: "postgres:17"}
        === Dockerfile
        FROM nginx:1.29
    """),
    tree("""
        === stand-mysql.compose.yml
        services:
          relay: {image: "relay:4", depends_on: [store]}
          mysql: {image: "mysql:9"}
        === stand-redis.compose.yml
        services:
          relay: {image: "relay:4", depends_on: [store]}
          store: {image: "redis:8"}
    """),
]
GOOD = [
    tree("""
        === docker-compose.yml
        services:
          web:
            image: nginx:1.29
            networks: [default, front]
            volumes: ["data:/data", "./conf:/conf", "/var/log:/log", "${WHERE}:/x"]
            secrets: [{source: token, target: t}]
            depends_on: {db: {condition: service_started}, cache: {condition: service_started, required: false}}
          db: {image: "postgres:17"}
        networks: {front: {}}
        volumes: {data: {}}
        secrets: {token: {environment: TOKEN}}
        === docker-compose.override.yml
        services:
          web:
            networks: [front]
    """),
    tree("""
        === docker-compose.yml
        services:
          web: {image: "nginx:1.29"}
          db: {image: "postgres:17"}
        networks: {front: {}}
        === docker-compose.metrics.yml
        services:
          exporter: {image: "exporter:1", networks: [front], depends_on: [db]}
        === docker-compose.prod.yml
        services:
          web: {image: "nginx:1.29", restart: always, networks: [front]}
        === README.md
        Start it with all that is for development:
        ```
        docker compose -f base.yml -f local.yml up
        ```
        === base.yml
        services:
          api: {image: "api:1", depends_on: [queue]}
        === local.yml
        services:
          api: {image: "api:1"}
          queue: {image: "redis:8"}
    """),
]
