"""Services that wait for each other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sophia_preflight.composing import Used
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Finding, Rule, Severity
from sophia_preflight.readers.compose import Service

RULE = Rule(
    id="compose-circular",
    title="services depend on each other in a circle",
    severity=Severity.CRITICAL,
    why="Compose refuses a project in which a service waits for itself",
    fix="remove one of the dependencies of the circle",
    family="compose",
)


def check(context: Context) -> Iterable[Finding]:
    for project in context.projects:
        if project.stack:
            continue
        services = project.services(context.composes)
        for circle in _circles(services):
            first = services[circle[0]]
            severity, blocks = Used(project, first).consequence
            part = first.get("depends_on") or first.first
            yield RULE.found(
                f"`{'` waits for `'.join([*circle, circle[0]])}`",
                part.node.place(part.file.path),
                anchor=" ".join(circle),
                severity=severity,
                blocks=blocks,
            )


def _needs(service: Service) -> list[str]:
    return [
        name
        for part in service.parts
        for name in (
            *(each.text for each in part.node["depends_on"].elements()),
            *(name for name, _ in part.node["depends_on"].items()),
        )
    ]


def _circles(services: Mapping[str, Service]) -> list[list[str]]:
    """Each circle once, beginning with its first name."""
    found: list[list[str]] = []
    done: set[str] = set()

    def follow(name: str, path: list[str]) -> None:
        if name in path:
            circle = path[path.index(name) :]
            start = circle.index(min(circle))
            circle = circle[start:] + circle[:start]
            if circle not in found:
                found.append(circle)
            return
        if name in done or name not in services or len(path) > 60:
            return
        for other in _needs(services[name]):
            follow(other, [*path, name])
        done.add(name)

    for name in sorted(services):
        follow(name, [])
    return found


BAD = [
    tree("""
        === docker-compose.yml
        services:
          api: {image: "api:1", depends_on: [worker]}
          worker: {image: "worker:1", depends_on: [cache]}
          cache: {image: "redis:8", depends_on: [api]}
    """),
]
GOOD = [
    tree("""
        === docker-compose.yml
        services:
          api: {image: "api:1", depends_on: [worker, cache]}
          worker: {image: "worker:1", depends_on: [cache]}
          cache: {image: "redis:8"}
    """),
]
