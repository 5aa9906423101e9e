"""A port that the last commits changed where it is listened on, and that something beside still speaks to."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sophia_preflight.composing import used
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.interfaces.defining import SOURCE
from sophia_preflight.mentions import Mention, acts, site_of
from sophia_preflight.model import Confidence, Finding, Involved, Place, Rule, Severity
from sophia_preflight.ports.speaking import SERVED, is_outside
from sophia_preflight.standing import Standing, consequence, standing
from sophia_preflight.text import named

RULE = Rule(
    id="stale-port",
    title="a port was changed in one place, and another still speaks to the old one",
    severity=Severity.HIGH,
    why="nothing listens there any more: requests and health checks are refused",
    fix="use the new port everywhere",
    family="contradictions",
    resort=1,
)
_NUMBER = re.compile(r"(?<![\w.])\d{2,5}(?![\w.])")
_SERVES = re.compile(r"port|listen|bind|expose|addr|publish|serve|uvicorn|gunicorn|:\d{2,5}", re.IGNORECASE)
_OF_ANOTHER = re.compile(r"//(?!localhost|127\.|0\.0\.0\.0|\[|:)[\w.${}-]+:\d|\w@[\w.-]+:\d")
"""An address of another service."""
_DEFAULT = re.compile(r"default|=|port", re.IGNORECASE)
_CLUSTER = re.compile(r"^apiVersion:", re.MULTILINE)
_DOCKER = re.compile(r"(^|/)[^/]*(Docker|Container)file[^/]*$|\.[Dd]ockerfile$")


_ASKED = r"(?P<host>[\w.-]*[A-Za-z0-9]|\}}):{0}(?![\d:])|targetPort:\s*{0}\b"
_HERE = re.compile(r"localhost|127\.0\.0\.1|0\.0\.0\.0|host\.docker\.internal")
_OF_NO_SERVICE = named("deploy templates chart charts config helm main docker compose server service")


@dataclass(frozen=True)
class _Changed:
    """A line of which one number became another."""

    path: str
    line: int
    text: str
    old: str
    new: str


@dataclass(frozen=True)
class _Block:
    """Lines that are about one service, with their numbers; `name` is what others call it."""

    path: str
    lines: tuple[tuple[int, str], ...]
    name: str = ""


@dataclass(frozen=True)
class _Use:
    """A line that speaks of the old number."""

    path: str
    line: int
    text: str


def check(context: Context) -> Iterable[Finding]:
    changes = list(dict.fromkeys(_changed(context)))
    uses = _in_blocks(context, changes)
    uses |= _asked(context, [each for each in changes if not uses[each]])
    told: set[tuple[_Use, str]] = set()
    for each in changes:
        new = [use for use in dict.fromkeys(uses[each]) if (use, each.old) not in told]
        told |= {(use, each.old) for use in new}
        if new and not (SOURCE.search(each.path) and any(_sets(each, use.text) for use in new)):
            yield _told(context, each, new)


def _told(context: Context, each: _Changed, uses: list[_Use]) -> Finding:
    weighed = sorted(
        ((*consequence(site_of(use.path)), use) for use in uses),
        key=lambda one: (one[0].rank, one[2].path, one[2].line),
    )
    severity, blocks, _ = weighed[0]
    return RULE.found(
        f"the port {each.old} is meant here, and since {context.changes.since} `{each.path}` says {each.new}",
        *(Involved(Place(use.path, use.line), "call") for _, _, use in weighed),
        Involved(Place(each.path, each.line), "declaration"),
        anchor=f"{each.old} of {each.path}",
        severity=severity.at_most(Severity.HIGH),
        confidence=Confidence.LIKELY,
        fix=f"write {each.new}",
        blocks=blocks,
    )


def _changed(context: Context) -> Iterator[_Changed]:
    for path, (versions, now) in context.changes.changed.items():
        for before in versions:
            yield from _differing(context, path, before, now)


def _differing(context: Context, path: str, before: str, now: str) -> Iterator[_Changed]:
    place = context.changes.gone.get(path) or path
    was: dict[str, list[list[str]]] = {}
    kept = set(now.split("\n"))
    for line in before.split("\n"):
        if line not in kept and _SERVES.search(line):
            was.setdefault(_NUMBER.sub("#", line), []).append(_NUMBER.findall(line))
    there = set(before.split("\n"))
    for number, line in enumerate(now.split("\n"), 1):
        first = _NUMBER.search(line)
        if line in there or first is None or _OF_ANOTHER.search(line) or not acts(place, line, first.start()):
            continue
        numbers = _NUMBER.findall(line)
        for old in was.get(_NUMBER.sub("#", line), []):
            pairs = {pair for pair in zip(old, numbers, strict=True) if pair[0] != pair[1]}
            if len(pairs) == 1:
                ((one, other),) = pairs
                if not is_outside(line, other) and all(80 <= int(each) < 65536 for each in (one, other)):
                    yield _Changed(place, number, line, one, other)


def _in_blocks(context: Context, changes: list[_Changed]) -> dict[_Changed, list[_Use]]:
    """Where what a change is about speaks of the old number, and others of it by its name."""
    built = list(_built(context)) if changes else []
    blocks = {each: list(_blocks(context, each, built)) for each in changes}
    names = {f"{block.name}:{each.old}" for each in changes for block in blocks[each] if block.name}
    named = context.mentions.of(sorted(names))
    return {each: [use for block in blocks[each] for use in _uses(each, block, named)] for each in changes}


def _built(context: Context) -> Iterator[tuple[str, str, list[_Block]]]:
    """Dockerfile, the directory that it is built from, and the services whose image that makes."""
    for one in used(context):
        if built := context.service_build(one.project, one.service):
            parts = ((part.file.path, part.node.line) for part in one.service.parts)
            found = (_service(context, path, line) for path, line in parts)
            yield built[0], built[1].directory, [each for each in found if each is not None]


def _blocks(context: Context, each: _Changed, built: list[tuple[str, str, list[_Block]]]) -> Iterator[_Block]:
    text = context.repository.glimpse(each.path)
    lines = tuple(enumerate(text.split("\n"), 1))
    if each.path in context.composes:
        if found := _service(context, each.path, each.line):
            yield found
        return
    if each.path.endswith((".yaml", ".yml")) and _CLUSTER.search(text):
        first = max((n for n, line in lines[: each.line] if line.startswith("---")), default=1)
        last = next((n for n, line in lines[each.line :] if line.startswith("---")), len(lines) + 1)
        yield _Block(each.path, lines[first - 1 : last - 1])
    elif _DOCKER.search(each.path):
        yield _Block(each.path, lines)
    for dockerfile, directory, services in built:
        inside = directory not in (".", "") and each.path.startswith(directory + "/")
        if dockerfile == each.path or (inside and SOURCE.search(each.path) and _DEFAULT.search(each.text)):
            yield from services


def _service(context: Context, path: str, line: int) -> _Block | None:
    """The service of a compose file that a line is of."""
    found = context.composes[path].service_at(line)
    if found is None:
        return None
    lines = enumerate(context.repository.glimpse(path).split("\n"), 1)
    return _Block(path, tuple(each for each in lines if each[0] in found[1]), found[0])


def _uses(each: _Changed, block: _Block, named: dict[str, list[Mention]]) -> Iterator[_Use]:
    """Where a block speaks of the old number as the port of the service, and others of it by its name."""
    port = re.compile(
        rf"(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1?\]|\}}|[\"'\s-]\d{{2,5}}):{each.old}(?!\d)"
        rf"|(?:port|expose|listen)[\"'\w.-]*\W{{0,4}}{each.old}(?!\d|:\d)",
        re.IGNORECASE,
    )
    for number, line in block.lines:
        told = (block.path, number) == (each.path, each.line) or not acts(block.path, line, len(line))
        if not told and port.search(line) and not _OF_ANOTHER.search(line):
            yield _Use(block.path, number, line)
    near = posixpath.dirname(block.path)
    for use in named.get(f"{block.name}:{each.old}", []) if block.name else ():
        if use.path.startswith(f"{near}/" if near else "") and standing(use.path) is not Standing.TEST:
            yield _Use(use.path, use.line, use.text)


def _asked(context: Context, changes: list[_Changed]) -> dict[_Changed, list[_Use]]:
    """Where a port is asked for that only the changed line said to be listened on, on this machine or by the name of
    what it is about."""
    serving = [
        each
        for each in changes
        if int(each.old) >= 1024 and re.search(SERVED.format(each.new), each.text, re.IGNORECASE)
    ]
    mentions = context.mentions.of(sorted({each.old for each in serving}), most=None)
    return {each: list(_asking(context, each, mentions.get(each.old, []))) for each in serving}


def _asking(context: Context, each: _Changed, mentions: list[Mention]) -> Iterator[_Use]:
    uses = [use for use in mentions if not _is_elsewhere(use)]
    served = re.compile(SERVED.format(each.old), re.IGNORECASE)
    asked = re.compile(_ASKED.format(each.old), re.IGNORECASE)
    if any(served.search(use.text) and not asked.search(use.text) for use in uses):
        return
    for use in uses:
        match = asked.search(use.text)
        if match is None or not context.changes.is_old(use):
            continue
        host = (match["host"] or "").lower()
        if not host or _HERE.fullmatch(host) or _is_about(each, host):
            yield _Use(use.path, use.line, use.text)


def _is_elsewhere(use: Mention) -> bool:
    return standing(use.path) in (Standing.TEST, Standing.ARCHIVED)


def _is_about(each: _Changed, host: str) -> bool:
    """Whether a host is called like the file that changed, or the directory that it lies in."""
    words = set(re.split(r"[^a-z0-9]+", each.path.lower())) - _OF_NO_SERVICE
    return any(word in words for word in re.split(r"[^a-z0-9]+", host) if len(word) > 3)


def _sets(each: _Changed, text: str) -> bool:
    """Whether a line gives the program its port, so that what it takes without one does not matter."""
    return (
        re.search(rf"port[\"']?[\s=:,\"'-]+{each.old}(?!\d)", text, re.IGNORECASE) is not None
        and "expose" not in text.lower()
    )


_SERVICE = """
    === compose.yaml
    services:
      shop:
        image: example/shop:1
        command: shop --listen {listen}
        healthcheck:
          test: shop-probe http://localhost:{health}/health
      other:
        image: example/other:1
        command: other --listen 8080
    === compose.yaml (before)
    services:
      shop:
        image: example/shop:1
        command: shop --listen 8080
        healthcheck:
          test: shop-probe http://localhost:{was}/health
      other:
        image: example/other:1
        command: other --listen 8080
"""
_CLIENT = """
    === shop/client.lua
    url = "http://127.0.0.1:8111"
    === {path}
    {now}
    === shop/server.lua
    port = {port}
    === shop/server.lua (before)
    port = 8111
"""
BAD = [
    tree(_CLIENT.format(path="notes.conf", now="x", port=8112)),
    tree(_SERVICE.format(listen=8181, health=8080, was=8080)),
    tree(_SERVICE.format(listen=8181, health=8181, was=8080) + "    === proxy.conf\n    to shop:8080\n"),
]
GOOD = [
    tree(_CLIENT.format(path="other.conf", now="--port 8111", port=8112)),
    tree(_CLIENT.format(path="other.conf", now="x", port=8111)),
    tree(_SERVICE.format(listen=8181, health=8181, was=8080)),
    tree("""
        === compose.yaml
        services:
          shop:
            image: example/shop:1
            ports:
              - "9090:8080"
            healthcheck:
              test: shop-probe http://localhost:8080/health
        === compose.yaml (before)
        services:
          shop:
            image: example/shop:1
            ports:
              - "8080:8080"
            healthcheck:
              test: shop-probe http://localhost:8080/health
    """),
    tree("""
        === compose.yaml
        services:
          shop:
            image: example/shop:1
            command:
              - --listen=8181
            healthcheck:
              test: shop-probe http://localhost:8080/health
        === compose.yaml (before)
        services:
          shop:
            image: example/shop:1
            command:
              - --listen=8080
              - --listen=8181
            healthcheck:
              test: shop-probe http://localhost:8080/health
    """),
    tree(_SERVICE.format(listen=8181, health=8181, was=8080) + "    === proxy.conf\n    to other:8080\n"),
    tree("""
        === compose.yaml
        services:
          shop:
            image: example/shop:1
            ports:
              - "127.0.0.1:${SHOP_PORT:-9090}:8080"  # for people
            healthcheck:
              test: shop-probe http://localhost:8080/health
        === compose.yaml (before)
        services:
          shop:
            image: example/shop:1
            ports:
              - "127.0.0.1:${SHOP_PORT:-8080}:8080"  # for people
            healthcheck:
              test: shop-probe http://localhost:8080/health
    """),
]
