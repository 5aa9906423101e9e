"""Two services of one project on one port of the host."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sophia_preflight.composing import Used, used
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Finding, Involved, Place, Rule, Severity
from sophia_preflight.readers.compose import Port, Service, port_of
from sophia_preflight.text import is_known

RULE = Rule(
    id="port-collision",
    title="two services publish the same port of the host",
    severity=Severity.CRITICAL,
    why='the second container cannot start: "port is already allocated"',
    fix="publish another port for one of them",
    family="compose",
)


def check(context: Context) -> Iterable[Finding]:
    by_project: dict[int, list[Used]] = {}
    for each in used(context):
        if each.project.partial:
            continue  # alternatives, of which one is started
        by_project.setdefault(id(each.project), []).append(each)
    for services in by_project.values():
        yield from _collisions(services)


def _collisions(services: list[Used]) -> Iterator[Finding]:
    taken: list[tuple[int, Port, Used, Place]] = []
    for each in services:
        for part in each.service.listed("ports"):
            port = port_of(part.node)
            place = part.node.place(part.file.path)
            for number in _numbers(port):
                for other_number, other, owner, where in taken:
                    if (
                        number == other_number
                        and port
                        and _meet(port, other)
                        and _together(each.service, owner.service)
                    ):
                        if owner.service is each.service and (where.path != place.path or port == other):
                            continue
                        severity, blocks = each.consequence
                        yield RULE.found(
                            _said(each.service.name, owner.service.name, number),
                            Involved(place, "here"),
                            Involved(where, "also here"),
                            anchor=f"{number} {owner.service.name} {each.service.name}",
                            severity=severity,
                            confidence=each.confidence,
                            blocks=blocks,
                        )
                        break
                if port:
                    taken.append((number, port, each, place))


def _said(one: str, other: str, number: int) -> str:
    if one == other:
        return f"`{one}` publishes port {number} for two ports of its own"
    return f"`{one}` and `{other}` both publish port {number}"


def _numbers(port: Port | None) -> Iterator[int]:
    if port is None or not port.host or not is_known(port.host):
        return
    first, _, last = port.host.partition("-")
    if first.isdigit() and (not last or last.isdigit()):
        yield from range(max(1, int(first)), min(int(last or first), int(first) + 200) + 1)


def _meet(one: Port, two: Port) -> bool:
    if one.protocol != two.protocol:
        return False
    everywhere = ("", "0.0.0.0", "::")
    return one.address == two.address or one.address in everywhere or two.address in everywhere


def _together(one: Service, two: Service) -> bool:
    """Whether the two are ever started together: profiles may keep them apart."""
    if one is two:
        return True
    mine, other = ({part.text for part in each.listed("profiles")} for each in (one, two))
    return (not mine and not other) or bool(mine & other)


BAD = [
    tree("""
        === docker-compose.yml
        services:
          web: {image: "nginx:1.29", ports: ["8080:80"]}
          admin: {image: "admin:1", ports: ["127.0.0.1:8080:9000"]}
    """),
    tree("""
        === docker-compose.yml
        services:
          store: {image: "store:1", ports: ["8123:8123", {published: 8123, target: 9000}]}
    """),
    tree("""
        === docker-compose.yml
        services:
          store: {image: "store:1", ports: ["9000-9002:9000-9002", "9001:9363"]}
    """),
]
_UP = """
    === dev/up.sh
    #!/bin/bash
    HERE=$(cd `dirname $0` && pwd)
    docker-compose -f ${HERE}/docker-compose.yml build shop-1 && \\
    docker-compose -f ${HERE}/docker-compose.yml up %s
    === dev/docker-compose.yml
    version: '3.4'
    services:
      shop-1:
        image: shop
        build: .
        ports:
          - 8001:8001
      shop-2:
        image: shop
        ports:
          - 8001:8002
    === dev/Dockerfile
    FROM debian:13-slim
"""
BAD.append(tree(_UP % "$@"))
GOOD = [
    tree(_UP % "shop-1"),
    tree("""
        === docker-compose.yml
        services:
          web: {image: "nginx:1.29", ports: ["8080:80", "53:53/tcp"]}
          dns: {image: "dns:1", ports: ["53:53/udp", "8081:8080", "9000"]}
          blue: {image: "a:1", ports: ["7000:7000"], profiles: [blue]}
          green: {image: "a:2", ports: ["7000:7000"], profiles: [green]}
          one: {image: "a:1", ports: ["127.0.0.1:9:9"]}
          two: {image: "a:1", ports: ["127.0.0.2:9:9"]}
          any: {image: "a:1", ports: ["0:80"]}
          some: {image: "a:1", ports: ["0:80"]}
          twice: {image: "a:1", ports: ["8300:80", "8300:80", "8301:80/tcp", "8301:80/udp"]}
        === dev-compose.yml
        services:
          database: {image: "postgres:17", ports: ["8080:5432"]}
        === tuned.compose.yml
        services:
          web: {environment: {DEBUG: "1"}}
    """),
]
