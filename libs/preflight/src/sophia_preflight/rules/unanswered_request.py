"""A script or job starts containers, and then asks a port of the machine that it published none of them on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from sophia_preflight.calls.model import (
    Call,
    Caller,
    Composition,
    MakeTarget,
    Module,
    PackageScript,
    Program,
    Script,
    Started,
)
from sophia_preflight.context import STARTING, Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Confidence, Finding, Involved, Place, Rule, Severity
from sophia_preflight.readers.compose import port_of
from sophia_preflight.readers.makefile import MAKEFILE_NAMES
from sophia_preflight.standing import consequence
from sophia_preflight.text import Word, is_known, named

RULE = Rule(
    id="unanswered-request",
    title="a request goes to a port on which nothing was started",
    severity=Severity.HIGH,
    why="the connection is refused",
    fix="ask the port that the container is published on",
    family="contradictions",
)
_ASKED = re.compile(r"(?:https?://)?(?:localhost|127\.0\.0\.1|0\.0\.0\.0):(\d{2,5})(?=[/?#\s'\"]|$)")
_COMMENT = re.compile(r"(?m)(^|\s)#.*$")
_CALLERS = (Caller.SHELL, Caller.WORKFLOW, Caller.MAKE, Caller.PIPELINE, Caller.TASK)
_ASKING = named("curl wget http")
_HARMLESS = named(
    "curl wget http docker docker-compose podman sleep cat echo grep jq git apt-get apt pip npm test ls rm mkdir cp mv "
    "chmod sed awk head tail tee printf date seq true false kill wait xargs timeout tar unzip find sort id cut tr uniq "
    "wc mktemp dirname basename hostname whoami nc"
)
"""Programs that start nothing that answers."""


def check(context: Context) -> Iterable[Finding]:
    groups: dict[tuple[str, str], list[Call]] = {}
    for call in context.calls:
        if call.site.caller in _CALLERS and call.site.inside is None:
            groups.setdefault((call.site.path, call.site.owner), []).append(call)
    for calls in groups.values():
        if any(_is_asking(call) for call in calls):
            yield from _group(context, calls)


def _is_asking(call: Call) -> bool:
    return isinstance(call.target, Program) and call.target.name.value in _ASKING


def _group(context: Context, calls: list[Call]) -> Iterator[Finding]:
    published: dict[str, Place] = {}
    for call in calls:
        ports = _started(context, call)
        if ports is None:
            return  # something that nobody knows may answer
        published |= dict.fromkeys(ports, call.place)
    if not published:
        return
    for call in calls:
        target = call.target
        if not isinstance(target, Program) or target.name.value not in _ASKING or call.site.guard.tolerated:
            continue
        for word in target.arguments:
            match = _ASKED.match(word.value)
            if match is None or match[1] in published or _is_said(context, call, match[1]):
                continue
            severity, blocks = consequence(call.site)
            there = ", ".join(f"`{each}`" for each in sorted(published))
            yield RULE.found(
                f"`{target.name.value}` asks port `{match[1]}` of this machine, and what was started is on {there}",
                Involved(Place(call.site.path, word.line, word.column), "call"),
                Involved(next(iter(published.values())), "start"),
                anchor=f"{match[1]} from {call.site.owner}",
                severity=severity.at_most(Severity.HIGH),
                confidence=Confidence.LIKELY,
                blocks=blocks,
            )


def _started(context: Context, call: Call, depth: int = 0) -> set[str] | None:
    """Ports of the machine that a call brings; None where nobody can tell."""
    match call.target:
        case Started(published=words):
            if re.search(r"\s(--net(work)?[= ]host|-P|--publish-all)\b", call.text):
                return None
            hosts = [re.fullmatch(r"(?:[\d.]+:)?(\d{2,5}):\d{2,5}(?:/tcp)?", word.value) for word in words]
            return {match[1] for match in hosts if match} if all(hosts) else None
        case Composition(verb=verb) if verb in STARTING:
            projects = context.projects_of(call)
            found: set[str] = set()
            for service in (each for project in projects for each in project.services(context.composes).values()):
                ports = [port_of(part.node) for part in service.listed("ports")]
                if service.has("network_mode") or not all(port and is_known(port.host) and port.host for port in ports):
                    return None
                found |= {port.host for port in ports if port}
            return found if projects else None
        case Program(name=name) if name.value not in _HARMLESS:
            return None
        case MakeTarget():
            return _made(context, call, call.target, depth)
        case Script() | Module() | PackageScript():
            return None
        case _:
            return set()


def _made(context: Context, call: Call, target: MakeTarget, depth: int) -> set[str] | None:
    """What targets of a makefile bring, with those that they need."""
    words = [target.file] if target.file is not None else [Word(name) for name in MAKEFILE_NAMES]
    path = next((place.path for word in words if (place := context.path_of(word, call)).found), "")
    if path not in context.makefiles or depth > 3:
        return None
    rules = {each.name: each for each in context.makefiles[path].targets}
    waiting, wanted = [word.value for word in target.names], set()
    while waiting:
        name = waiting.pop()
        if name in rules and name not in wanted:
            wanted.add(name)
            waiting += rules[name].needs
    inner = [each for each in context.traces[path].calls if each.site.owner in wanted and each.site.inside is None]
    found: set[str] = set()
    for each in inner:
        ports = _started(context, each, depth + 1)
        if ports is None:
            return None
        found |= ports
    return (
        found if wanted or not any(context.making.targets(path).may_make(word.value) for word in target.names) else None
    )


def _is_said(context: Context, call: Call, port: str) -> bool:
    """Whether the file speaks of the port otherwise than by asking it, or anything does that it may start."""
    number = re.compile(rf"(?<![\w.]){port}(?![\w.])")
    text = _ASKED.sub("", context.repository.text(call.site.path))
    others = [*context.composes, *context.dockerfiles]
    texts = (_COMMENT.sub("", context.repository.text(each)) for each in others)
    return number.search(text) is not None or any(number.search(each) for each in texts)


_TEST = """
    === .github/workflows/ci.yml
    on: push
    jobs:
      test:
        runs-on: ubuntu-24.04
        steps:
          - uses: actions/checkout@v5
          - run: |
              docker run -d -p 8080:8000 registry.example.com/shop:1.4
              sleep 5
              curl -f http://localhost:%s/health
"""
_SCRIPT = """
    === compose.yaml
    services:
      web:
        image: registry.example.com/shop:1.4
        ports: ["8080:8000"]
    === smoke.sh
    #!/bin/sh
    set -e
    docker compose up -d
    curl -f "http://127.0.0.1:%s/health"
"""
_MADE = """
    === Makefile
    up: prepare
    \tdocker compose up -d
    prepare:
    \t%s
"""
BAD = [
    tree(_TEST % "8001"),
    tree(_SCRIPT % "8001"),
    tree(
        _SCRIPT.replace("docker compose up -d", "make up").replace('"http://', '"') % "8001" + _MADE % "mkdir -p data"
    ),
]
GOOD = [
    tree(_SCRIPT.replace("docker compose up -d", "make up") % "8001" + _MADE % "./more.sh &" + "    === more.sh\n"),
    tree(_TEST % "8080"),
    tree(_SCRIPT % "8080"),
    tree(
        _SCRIPT.replace("docker compose up -d", "docker compose up -d\n    ./more.sh &") % "8001" + "    === more.sh\n"
    ),
    tree(_SCRIPT.replace('health"', 'health" || true') % "8001"),
    tree(_SCRIPT.replace("docker compose up -d", "docker compose up -d; PORT=8001") % "8001"),
]
