"""A service is said to be at a port of the machine on which its compose project does not publish it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from sophia_preflight.composing import Used, used
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Confidence, Finding, Involved, Place, Rule, Severity
from sophia_preflight.ports.listening import is_said
from sophia_preflight.readers.compose import interpolated, port_of
from sophia_preflight.standing import limited
from sophia_preflight.text import named

RULE = Rule(
    id="unpublished-port",
    title="a service is asked for at a port of the machine where it is not published",
    severity=Severity.HIGH,
    why="the connection is refused",
    fix="name the port of the machine that the service is published on",
    family="contradictions",
)
_HERE = re.compile(r"\b(?:[a-z][a-z0-9+.]*://)?(?:localhost|127\.0\.0\.1):(\d{2,5})(?!\d)")
_TELLS = re.compile(r"(^|/)(GNU)?[Mm]akefile[^/]*$|\.(mk|sh|bash)$|(^|/)\.github/workflows/[^/]+\.ya?ml$")
_GIVEN = re.compile(
    r"\b([A-Z][A-Z0-9_]*)(?:[ \t]*[:?]?=[ \t]*|:[ \t]+)[\"']?[a-z][\w+.]*://(?:[^@\s\"'/]*@)?(?:localhost|127\.0\.0\.1):(\d{4,5})(?!\d)"
)
_URL = re.compile(r"\b[a-z][a-z0-9+.]*://(?:[^@\s\"'/]*@)?(?:localhost|127\.0\.0\.1):\d{4,5}(?!\d)")
_RANGE = re.compile(r"(\d{2,5})-(\d{2,5})")
_MOST_BYTES = 400_000
_LONGEST = 1000
_ENOUGH = 3
"""How many of them show that what compose files publish is asked for."""
_OWN = named(
    "KC_HOSTNAME KC_HOSTNAME_URL KC_HOSTNAME_ADMIN_URL KEYCLOAK_FRONTEND_URL GF_SERVER_ROOT_URL "
    "GITEA__server__ROOT_URL MINIO_SERVER_URL MINIO_BROWSER_REDIRECT_URL N8N_EDITOR_BASE_URL VAULT_API_ADDR"
)
"""Variables of well-known images that say where browsers and clients find the service itself."""


def check(context: Context) -> Iterable[Finding]:
    projects: dict[int, list[Used]] = {}
    for each in used(context):
        projects.setdefault(id(each.project), []).append(each)
    for services in projects.values():
        published = _published(services)
        if published:
            yield from _project(context, services, published)
    yield from _asked_by_name(context)


def _published(services: list[Used]) -> dict[str, dict[str, Place]] | None:
    """For each service the ports of the machine that are its; None where one of them is left open."""
    found: dict[str, dict[str, Place]] = {}
    for each in services:
        for part in each.service.listed("ports"):
            port = port_of(part.node)
            if port is None or not port.host.isdigit():
                return None
            found.setdefault(each.service.name, {})[port.host] = part.node.place(part.file.path)
    return found


def _project(context: Context, services: list[Used], published: dict[str, dict[str, Place]]) -> Iterator[Finding]:
    everywhere = {port for ports in published.values() for port in ports}
    told: set[tuple[str, str]] = set()
    for each in services:
        on_host = each.service.get("network_mode")
        for name, part in each.service.environment.items():
            match = _HERE.search(interpolated(part.node.text)[0])
            if match is None or match[1] in everywhere:
                continue
            if name in _OWN:
                asked = each.service.name
            elif on_host is not None and on_host.text == "host":
                asked = next((other for other in published if _speaks_of(name, other)), "")
            else:
                continue
            if asked not in published or (asked, match[1]) in told or _is_said(context, each, match[1]):
                continue
            told.add((asked, match[1]))
            severity, blocks = each.consequence
            there = published[asked]
            shown = ", ".join(f"`{port}`" for port in sorted(there))
            yield RULE.found(
                f"`{name}` says that `{asked}` is at port `{match[1]}` of the machine, and it is published on {shown}",
                Involved(part.node.place(part.file.path), "address"),
                *(Involved(place, "published") for place in there.values()),
                anchor=f"{asked} {match[1]}",
                severity=severity.at_most(Severity.HIGH),
                confidence=Confidence.LIKELY,
                blocks=blocks,
            )


def _asked_by_name(context: Context) -> Iterator[Finding]:
    """One of many addresses that a recipe or a script gives to variables, where compose files publish all others."""
    places: dict[str, Place] = {}
    ranges: set[str] = set()
    for path, file in context.composes.items():
        services = [service for name, service in file.root["services"].items() if name]
        for service in services:
            for node in service["ports"].elements():
                there = port_of(node)
                if there is not None and (several := _RANGE.fullmatch(there.host)) is not None:
                    ranges |= {str(number) for number in range(int(several[1]), min(int(several[2]), 65535) + 1)}
                elif there is None or not there.host.isdigit():
                    return
                else:
                    places.setdefault(there.host, node.place(path))
    for path in context.facts if len(places) >= _ENOUGH else ():
        if _TELLS.search(path):
            text = context.repository.text(path)
            for asked in _addresses(text):
                wrong = [each for each in asked if each[1] not in places and each[1] not in ranges]
                others = {port for _, port, _ in asked} & places.keys()
                if len({port for _, port, _ in wrong}) != 1 or len(others) < _ENOUGH:
                    continue
                name, port, at = wrong[0]
                place = Place(path, text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at))
                near = next((each for each in places if _are_alike(each, port) and each not in others), "")
                if near and not _is_spoken_of(context, port) and not is_said(context, near, places[near]):
                    yield RULE.found(
                        f"`{name}` asks for port `{port}` of the machine, on which no compose file publishes anything",
                        Involved(place, "address"),
                        Involved(places[near], "published"),
                        anchor=f"{name} {port}",
                        severity=limited(Severity.HIGH, path),
                        confidence=Confidence.LIKELY,
                        blocks=f"what `{path}` starts with `{name}`",
                    )


def _are_alike(one: str, other: str) -> bool:
    return len(one) == len(other) and sum(a != b for a, b in zip(one, other, strict=True)) <= 2


def _is_spoken_of(context: Context, port: str) -> bool:
    """Whether anything speaks of a port otherwise than as an address to ask."""
    number = re.compile(rf"(?<![\w.-]){port}(?![\w.-])")
    return any(
        number.search(_URL.sub("", context.repository.glimpse(path)))
        for path, entry in context.repository.entries.items()
        if entry.size < _MOST_BYTES and port in context.repository.glimpse(path)
    )


def _addresses(text: str) -> Iterator[list[tuple[str, str, int]]]:
    """Lines one after another that each give variables addresses on this machine: names, ports, and where these are."""
    found: list[tuple[str, str, int]] = []
    at = 0
    for line in text.splitlines(keepends=True):
        given = list(_GIVEN.finditer(line)) if ":" in line and len(line) < _LONGEST else []
        if found and not given:
            yield found
            found = []
        found += [(match[1], match[2], at + match.start(2)) for match in given]
        at += len(line)
    if found:
        yield found


def _speaks_of(variable: str, service: str) -> bool:
    return len(service) > 2 and f"_{service.upper().replace('-', '_')}_" in f"_{variable.upper()}_"


def _is_said(context: Context, each: Used, port: str) -> bool:
    """Whether the files of a project speak of a port otherwise than as one of the machine that is asked."""
    number = re.compile(rf"(?<![\w.]){port}(?![\w.])")
    texts = (context.repository.text(file.path) for file in each.project.files)
    return any(number.search(_HERE.sub("", text)) for text in texts)


_PROJECT = """
    === compose.yaml
    services:
      keycloak:
        image: quay.io/keycloak/keycloak:26.4
        environment: {KC_HOSTNAME: "http://localhost:%s"}
        ports: ["%s:8080"]
      setup:
        image: registry.example.com/setup:1.4
        network_mode: host # port 9000
        environment:
          KEYCLOAK_SERVER: http://localhost:%s
          SETUP_URL: http://localhost:9000
          OTHER_URL: http://localhost:9001
          KEYCLOAK_METRICS: http://localhost:9000
"""
_STORES = """
    === compose.yaml
    services:
      one: {image: "redis:8", ports: ["16379:6379"]}
      two: {image: "redis:7", ports: ["16380:6379"]}
      three: {image: "redis:6", ports: ["16381:6379"]}
      four: {image: "redis:5", ports: ["16382:6379"]}
"""
_RECIPE = """
    === Makefile
    test:
    \tONE_URI="redis://localhost:16379" \\
    \tTWO_URI="redis://:key@localhost:16380" \\
    \tTHREE_URI="redis://localhost:16381" \\
    \tFOUR_URI="redis://127.0.0.1:%s/0" \\
    \tgo test ./...
"""
_EXPORTS = """
    === test.sh
    #!/bin/bash
    export ONE_URI=redis://localhost:16379
    export TWO_URI=redis://localhost:16380
    export FOUR_URI=redis://localhost:%s
    export THREE_URI=redis://localhost:16381
    go test ./...
"""
BAD = [
    tree(_STORES + _RECIPE % 16392),
    tree(_STORES + _EXPORTS % 16392),
    tree(_PROJECT % (8081, 8082, 8082)),
    tree(_PROJECT % (8082, 8082, 8081)),
]
GOOD = [
    tree(_STORES + _RECIPE % 16382),
    tree(_STORES + _EXPORTS % 16382),
    tree(_STORES + _RECIPE % 16392 + "    === run.sh\n    docker run -p 16392:6379 redis:5\n"),
    tree(_STORES + _RECIPE % 19000),
    tree(_STORES + _RECIPE % 16392 + "    === mock.py\n    serve('localhost', 16392)\n"),
    tree(_STORES.replace('"16382:6379"', '"16385-16399:6385-6399"') + _RECIPE % 16392),
    tree(_STORES.replace('"16382:6379"', '"${PORT}:6379"') + _RECIPE % 16392),
    tree(_PROJECT % (8082, 8082, 8082)),
    tree(_PROJECT % (8081, "${PORT}", 8081)),
    tree(_PROJECT % (8081, 8082, 8081) + '  proxy: {image: "nginx:1.29", ports: ["8081:80"]}\n'),
]
