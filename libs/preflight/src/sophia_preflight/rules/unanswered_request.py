"""A script or job starts containers, and then asks a port of the machine that it published none of them on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from sophia_preflight.calls.model import (
    Attribute,
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
from sophia_preflight.compositions import STARTING
from sophia_preflight.context import Context
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
_WAITING = re.compile(r"(?:.*/)?(?:wait-for(?:-it)?(?:\.sh)?|wait-on|wait4ports)|nc|pg_isready|dockerize")
"""Programs and scripts that wait for a port to answer."""
_SERVING = re.compile(
    r"\b(uvicorn|gunicorn|runserver|flask run|fastapi (run|dev)|(npm|yarn|pnpm) (run )?(start|dev)|serve|go run)\b"
)
_HARMLESS = named(
    "curl wget http docker docker-compose podman sleep cat echo grep jq git apt-get apt pip npm test ls rm mkdir cp mv "
    "chmod sed awk head tail tee printf date seq true false kill wait xargs timeout tar unzip find sort id cut tr uniq "
    "wc mktemp dirname basename hostname whoami nc"
)
"""Programs that start nothing that answers."""


def check(context: Context) -> Iterable[Finding]:
    groups: dict[tuple[str, str], list[Call]] = {}
    for call in context.typed:
        if call.site.caller in (*_CALLERS, Caller.DOCUMENT) and call.site.inside is None:
            groups.setdefault((call.site.path, call.site.owner), []).append(call)
    for calls in groups.values():
        if any(_asked(call) for call in calls):
            yield from _group(context, calls)


def _asked(call: Call) -> list[tuple[Word, str]]:
    """The ports of the machine that a call asks, with their words."""
    if call.site.guard.tolerated:
        return []
    match call.target:
        case Program(name=name, arguments=words) if name.value in _ASKING:
            pass
        case Program(name=name, arguments=words) | Script(path=name, arguments=words) if _WAITING.fullmatch(name.value):
            hosts = [index for index, word in enumerate(words) if word.value in ("localhost", "127.0.0.1")]
            words = (*words, *(_together(words[index : index + 2]) for index in hosts if index + 1 < len(words)))
        case _:
            return []
    found = [(word, _ASKED.match(word.value.removeprefix("tcp:").removeprefix("//"))) for word in words]
    return [(word, match[1]) for word, match in found if match is not None]


def _together(words: Sequence[Word]) -> Word:
    """A host and a port that are words of their own."""
    return Word(":".join(word.value for word in words), words[-1].line, words[-1].column)


def _group(context: Context, calls: list[Call]) -> Iterator[Finding]:
    published: dict[str, Place] = {}
    inner: set[str] = set()
    for call in calls:
        ports = _started(context, call)
        if ports is None:
            return  # something that nobody knows may answer
        published |= dict.fromkeys(ports, call.place)
        inner |= set(_inner(context, call))
    if not published:
        return
    for call in calls:
        for word, port in _asked(call):
            swapped = port in inner
            if port in published or (not swapped and (_is_page(call) or _is_said(context, call, port))):
                continue
            if _is_page(call) and _SERVING.search(context.repository.text(call.site.path)):
                continue  # somebody may follow it without containers
            severity, blocks = consequence(call.site)
            there = ", ".join(f"`{each}`" for each in sorted(published))
            program = call.text.partition(" ")[0]
            why = f": `{port}` is the port inside the container" if swapped else ""
            yield RULE.found(
                f"`{program}` asks port `{port}` of this machine, and what was started is on {there}{why}",
                Involved(Place(call.site.path, word.line, word.column), "call"),
                Involved(next(iter(published.values())), "start"),
                anchor=f"{port} from {call.site.owner}",
                severity=severity.at_most(Severity.HIGH),
                confidence=Confidence.LIKELY,
                blocks=blocks,
            )


def _is_page(call: Call) -> bool:
    return call.site.caller is Caller.DOCUMENT


def _inner(context: Context, call: Call) -> Iterator[str]:
    """Ports inside the containers that a call starts, each published on another of the machine."""
    match call.target:
        case Started(published=words):
            for word in words:
                if match := re.fullmatch(r"(?:[\d.]+:)?(\d{2,5}):(\d{2,5})(?:/tcp)?", word.value):
                    yield from () if match[1] == match[2] else (match[2],)
        case Composition(verb=verb) if verb in STARTING:
            for project in context.compositions.projects_of(call):
                for service in project.services(context.composes).values():
                    for port in (port_of(part.node) for part in service.listed("ports")):
                        if port is not None and port.host != port.container:
                            yield port.container


def _started(context: Context, call: Call, depth: int = 0) -> set[str] | None:
    """Ports of the machine that a call brings; None where nobody can tell."""
    match call.target:
        case Started(published=words):
            if re.search(r"\s(--net(work)?[= ]host|-P|--publish-all)\b", call.text):
                return None
            hosts = [re.fullmatch(r"(?:[\d.]+:)?(\d{2,5}):\d{2,5}(?:/tcp)?", word.value) for word in words]
            return {match[1] for match in hosts if match} if all(hosts) else None
        case Composition(verb=verb) if verb in STARTING:
            projects = context.compositions.projects_of(call)
            found: set[str] = set()
            for service in (each for project in projects for each in project.services(context.composes).values()):
                ports = [port_of(part.node) for part in service.listed("ports")]
                if service.has("network_mode") or not all(port and is_known(port.host) and port.host for port in ports):
                    return None
                found |= {port.host for port in ports if port}
            return found if projects else None
        case Program(name=name) | Script(path=name) if _WAITING.fullmatch(name.value):
            return set()
        case Program(name=name) if name.value not in _HARMLESS:
            return None
        case MakeTarget():
            return _made(context, call, call.target, depth)
        case Script() | Module() | PackageScript() | Attribute():
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
_WAITS = """
    === Makefile
    up:
    \tdocker compose up -d
    \t%s
    === wait-for-it.sh
    #!/bin/sh
    until nc -z "$1"; do sleep 1; done
    === compose.yaml
    services:
      store:
        image: registry.example.com/store:17
        ports: ["5433:5432"]
"""
_PAGE = """
    === README.md
    ```bash
    docker compose up -d
    curl http://localhost:%s/health
    ```
    === compose.yaml
    services:
      web:
        image: registry.example.com/shop:1.4
        ports: ["8080:8000"]
"""
BAD = [
    tree(_WAITS % "./wait-for-it.sh localhost:5432"),
    tree(_WAITS % "nc -z localhost 5432"),
    tree(_PAGE % "8000"),
    tree(_TEST % "8000"),
    tree(_TEST % "8001"),
    tree(_SCRIPT % "8001"),
    tree(
        _SCRIPT.replace("docker compose up -d", "make up").replace('"http://', '"') % "8001" + _MADE % "mkdir -p data"
    ),
]
GOOD = [
    tree(_WAITS % "./wait-for-it.sh localhost:5433"),
    tree(_WAITS % "nc -z localhost 5433"),
    tree(_WAITS % "nc -z store 5432"),
    tree(_PAGE % "8080"),
    tree(_PAGE % "8001"),
    tree((_PAGE % "8000").replace("docker compose up -d", "docker compose up -d\n    uvicorn shop:app")),
    tree(_SCRIPT.replace("docker compose up -d", "make up") % "8001" + _MADE % "./more.sh &" + "    === more.sh\n"),
    tree(_TEST % "8080"),
    tree(_SCRIPT % "8080"),
    tree(
        _SCRIPT.replace("docker compose up -d", "docker compose up -d\n    ./more.sh &") % "8001" + "    === more.sh\n"
    ),
    tree(_SCRIPT.replace('health"', 'health" || true') % "8001"),
    tree(_SCRIPT.replace("docker compose up -d", "docker compose up -d; PORT=8001") % "8001"),
]
