"""A service is said to be at a port of the machine on which its compose project does not publish it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from sophia_preflight.composing import Used, used
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Confidence, Finding, Involved, Place, Rule, Severity
from sophia_preflight.readers.compose import interpolated, port_of
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
BAD = [tree(_PROJECT % (8081, 8082, 8082)), tree(_PROJECT % (8082, 8082, 8081))]
GOOD = [
    tree(_PROJECT % (8082, 8082, 8082)),
    tree(_PROJECT % (8081, "${PORT}", 8081)),
    tree(_PROJECT % (8081, 8082, 8081) + '  proxy: {image: "nginx:1.29", ports: ["8081:80"]}\n'),
]
