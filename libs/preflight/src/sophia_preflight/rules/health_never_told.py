"""A service waits until another is healthy, and nothing ever says whether that one is."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable

from sophia_preflight.composing import Used, used
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Confidence, Finding, Involved, Rule, Severity
from sophia_preflight.readers.dockerfile import Stage
from sophia_preflight.text import named

RULE = Rule(
    id="health-never-told",
    title="a service waits for the health of one that has no health check",
    severity=Severity.CRITICAL,
    why='Compose ends with "has no healthcheck configured", and what waits is not started',
    fix="give the other service a `healthcheck`, or wait for `service_started`",
    family="compose",
)
_WITHOUT = re.compile(r"^(docker\.io/)?(library/)?([a-z-]+)(:[\w.-]+)?$")
_KNOWN = named(
    "postgres redis valkey mysql mariadb mongo rabbitmq memcached nginx httpd python node debian ubuntu alpine busybox "
    "golang traefik caddy"
)
"""Official images, which have no health check of their own."""


def check(context: Context) -> Iterable[Finding]:
    services = {(id(each.project), each.service.name): each for each in used(context)}
    for each in services.values():
        for part in each.service.parts:
            for name, entry in part.node["depends_on"].items():
                other = services.get((id(each.project), name))
                if entry["condition"].text == "service_healthy" and other is not None and _has_none(context, other):
                    severity, blocks = each.consequence
                    yield RULE.found(
                        f"`{each.service.name}` waits until `{name}` is healthy, and `{name}` has no health check",
                        Involved(entry["condition"].place(part.file.path), "here"),
                        Involved(other.service.first.node.place(other.service.first.file.path), "declaration"),
                        anchor=f"{each.service.name} waits for {name}",
                        severity=severity,
                        confidence=Confidence.LIKELY,
                        blocks=blocks,
                    )


def _has_none(context: Context, each: Used) -> bool:
    check = each.service.get("healthcheck")
    if check is not None:
        return check.node["disable"].value is True
    if each.service.has("extends") or any("<<" in part.node for part in each.service.parts):
        return False
    made = context.service_build(each.project, each.service)
    if made is not None:
        dockerfile = context.dockerfiles[made[0]]
        stage: Stage | None = context.stage_of(dockerfile, made[1])
        base = ""
        for _ in range(len(dockerfile.stages) + 1):
            if stage is None:
                break
            if stage.last("HEALTHCHECK") is not None:
                return False
            base = stage.base
            below = dockerfile.stage(base)
            stage = below if below is not None and below.index < stage.index else None
        return _is_without(base)
    image = each.service.get("image")
    return not each.service.has("build") and image is not None and _is_without(image.text)


def _is_without(image: str) -> bool:
    match = _WITHOUT.match(image)
    return match is not None and posixpath.basename(match[3]) in _KNOWN


BAD = [
    tree("""
        === compose.yaml
        services:
          web:
            image: "shop:1"
            depends_on: {db: {condition: service_healthy}}
          db:
            image: postgres:17
    """),
    tree("""
        === compose.yaml
        services:
          web:
            image: "shop:1"
            depends_on: {api: {condition: service_healthy}}
          api:
            build: .
        === Dockerfile
        FROM python:3.13-slim
        CMD ["python", "-m", "http.server"]
    """),
]
GOOD = [
    tree("""
        === compose.yaml
        services:
          web:
            image: "shop:1"
            depends_on:
              db: {condition: service_healthy}
              api: {condition: service_healthy}
              other: {condition: service_healthy}
              cache: {condition: service_started}
          db:
            image: postgres:17
            healthcheck: {test: ["CMD", "pg_isready"]}
          api:
            build: .
          other:
            image: example/thing:1
          cache:
            image: redis:8
        === Dockerfile
        FROM python:3.13-slim AS base
        HEALTHCHECK CMD ["python", "-c", "print(1)"]
        FROM base
        CMD ["python", "-m", "http.server"]
    """),
]
