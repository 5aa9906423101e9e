"""Several replicas of what can be there only once: a port of the host, a container's name."""

from __future__ import annotations

from collections.abc import Iterable

from sophia_preflight.composing import Used, used
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Finding, Rule, Severity
from sophia_preflight.readers.compose import Part, port_of
from sophia_preflight.text import is_known

RULE = Rule(
    id="replicas-with-fixed-port",
    title="a service has several replicas and one fixed port or name on the host",
    severity=Severity.HIGH,
    why="the second replica cannot start, because the first has the port or the name",
    fix="publish a range of ports or none (let a proxy reach the replicas), and drop `container_name`",
    family="compose",
)


def check(context: Context) -> Iterable[Finding]:
    for each in used(context):
        replicas = each.service.get("deploy", "replicas") or each.service.get("scale")
        if replicas is None or not replicas.text.isdigit() or int(replicas.text) < 2:
            continue
        for what, part in _fixed(each, int(replicas.text)):
            severity, blocks = each.consequence
            yield RULE.found(
                f"`{each.service.name}` has {replicas.text} replicas and {what}",
                part.node.place(part.file.path),
                anchor=f"{each.service.name} {what}",
                severity=severity,
                confidence=each.confidence,
                blocks=blocks,
            )


def _fixed(each: Used, count: int) -> Iterable[tuple[str, Part]]:
    name = each.service.get("container_name")
    if name is not None and not each.project.stack:
        yield f"the container name `{name.text}`", name
    for part in each.service.listed("ports"):
        port = port_of(part.node)
        if port is None or not port.host or not is_known(port.host):
            continue
        if each.project.stack and port.mode != "host":
            continue  # the routing mesh shares it
        first, _, last = port.host.partition("-")
        if first.isdigit() and (not last or int(last) - int(first) + 1 < count):
            yield f"the fixed host port {port.host}", part


BAD = [
    tree("""
        === docker-compose.yml
        services:
          web:
            image: nginx:1.29
            ports: ["8080:80"]
            deploy: {replicas: 3}
    """),
]
GOOD = [
    tree("""
        === docker-compose.yml
        services:
          web:
            image: nginx:1.29
            ports: ["8080-8082:80", "80"]
            deploy: {replicas: 3}
        === stack.yml
        version: "3.8"
        services:
          web:
            image: nginx:1.29
            ports: ["8080:80"]
            deploy: {replicas: 3}
    """),
]
