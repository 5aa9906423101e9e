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
from sophia_preflight.standing import Standing, consequence, standing
from sophia_preflight.text import named

RULE = Rule(
    id="stale-port",
    title="a port was changed in one place, and another still speaks to the old one",
    severity=Severity.HIGH,
    why="nothing listens there any more: requests and health checks are refused",
    fix="use the new port everywhere",
    family="contradictions",
    fallback=True,
)
_NUMBER = re.compile(r"(?<![\w.])\d{2,5}(?![\w.])")
_SERVES = re.compile(r"port|listen|bind|expose|addr|publish|serve|uvicorn|gunicorn|:\d{2,5}", re.IGNORECASE)
_OF_ANOTHER = re.compile(r"//(?!localhost|127\.|0\.0\.0\.0|\[|:)[\w.${}-]+:\d|\w@[\w.-]+:\d")
"""An address of another service."""
_DEFAULT = re.compile(r"default|=|port", re.IGNORECASE)
_MAPPING = re.compile(r"[\"'\s-](?:[\d.]+:)?(\d{2,5}):(\d{2,5})(?:/\w+)?[\"'\s]*$")
_COMPOSE = re.compile(r"(compose|stack)[^/]*\.ya?ml$")
_CLUSTER = re.compile(r"^apiVersion:", re.MULTILINE)
_DOCKER = re.compile(r"(^|/)[^/]*(Docker|Container)file[^/]*$|\.[Dd]ockerfile$")


_SERVED = (
    r"EXPOSE\s+{0}\b|--?[\w-]*(?:port|listen|bind)[\w-]*[ =,\"']+\S{{0,20}}\b{0}\b|\b\d{{2,5}}:{0}\b"
    r"|[\"'\s-]{0}:\d{{2,5}}\b"
    r"|(?:port|listen\w*|bind|addr\w*)[\"']?\s*(?::\s*int)?\s*[:=]\s*\S{{0,12}}(?<!\d){0}(?!\d)|default\s*=\s*{0}\b"
)
"""How a port is said to be listened on, or published."""
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
    """Lines that are about one service, from `first` on; `name` is what others call it."""

    path: str
    first: int
    lines: tuple[str, ...]
    name: str = ""


def check(context: Context) -> Iterable[Finding]:
    told: set[tuple[tuple[str, int, str], str]] = set()
    for path in context.changes.changed:
        versions, now = context.changes.changed[path]
        for each in dict.fromkeys(each for text in versions for each in _changed(context, path, text, now)):
            uses = dict.fromkeys(use for block in _blocks(context, each) for use in _uses(context, each, block))
            uses = uses or dict.fromkeys(_asked(context, each))
            uses = {use: None for use in uses if (use, each.old) not in told}
            told |= {(use, each.old) for use in uses}
            if uses and not (SOURCE.search(each.path) and any(_sets(each, text) for _, _, text in uses)):
                yield from _told(context, each, list(uses))


def _told(context: Context, each: _Changed, uses: list[tuple[str, int, str]]) -> Iterator[Finding]:
    by_file: dict[str, list[int]] = {}
    for file, line, _ in uses:
        by_file.setdefault(file, []).append(line)
    for file, lines in by_file.items():
        yield RULE.found(
            f"the port {each.old} is meant here, and since {context.changes.since} `{each.path}` says {each.new}",
            *(Involved(Place(file, line), "call") for line in lines),
            Involved(Place(each.path, each.line), "declaration"),
            anchor=f"{each.old} of {each.path}",
            severity=consequence(site_of(file))[0].at_most(Severity.HIGH),
            confidence=Confidence.LIKELY,
            fix=f"write {each.new}",
        )


def _changed(context: Context, path: str, before: str, now: str) -> Iterator[_Changed]:
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
                if not _is_outside(line, other) and all(80 <= int(each) < 65536 for each in (one, other)):
                    yield _Changed(place, number, line, one, other)


def _is_outside(line: str, new: str) -> bool:
    """Whether the number is that by which the machine is reached, while the container keeps its own."""
    mapping = _MAPPING.search(line)
    return mapping is not None and mapping[1] == new and mapping[2] != new


def _blocks(context: Context, each: _Changed) -> Iterator[_Block]:
    text = context.repository.glimpse(each.path)
    lines = text.split("\n")
    if _COMPOSE.search(each.path):
        if found := _around(each.path, lines, each.line - 1):
            yield found
        return
    if each.path.endswith((".yaml", ".yml")) and _CLUSTER.search(text):
        first = max((n for n in range(each.line) if lines[n].startswith("---")), default=0)
        last = next((n for n in range(each.line, len(lines)) if lines[n].startswith("---")), len(lines))
        yield _Block(each.path, first, tuple(lines[first:last]))
    elif _DOCKER.search(each.path):
        yield _Block(each.path, 0, tuple(lines))
    yield from _of_compose(context, each)


def _of_compose(context: Context, each: _Changed) -> Iterator[_Block]:
    """Services that are built from a Dockerfile, or of the directory of a source, that changed."""
    for one in used(context):
        built = context.service_build(one.project, one.service)
        if built is None:
            continue
        directory = built[1].directory
        inside = directory not in (".", "") and each.path.startswith(directory + "/")
        if built[0] != each.path and not (inside and SOURCE.search(each.path) and _DEFAULT.search(each.text)):
            continue
        for part in one.service.parts:
            lines = context.repository.glimpse(part.file.path).split("\n")
            if found := _around(part.file.path, lines, part.node.line - 1):
                yield found


def _around(path: str, lines: list[str], index: int) -> _Block | None:
    """The service of a compose file that a line is of."""
    services = max((n for n in range(index + 1) if lines[n].startswith("services:")), default=None)
    if services is None:
        return None
    first = next((n for n in range(services + 1, len(lines)) if lines[n].strip() and not _is_remark(lines[n])), index)
    width = _width(lines[first])
    heads = [n for n in range(services + 1, len(lines)) if _width(lines[n]) == width and not _is_remark(lines[n])]
    ends = [n for n in range(services + 1, len(lines)) if lines[n].strip() and _width(lines[n]) < width]
    begin = max((n for n in heads if n <= index), default=None)
    if begin is None or not lines[begin].rstrip().endswith(":"):
        return None
    end = min((n for n in (*heads, *ends) if n > begin), default=len(lines))
    return _Block(path, begin, tuple(lines[begin:end]), lines[begin].strip().rstrip(":").strip("\"'"))


def _is_remark(line: str) -> bool:
    return line.lstrip().startswith("#")


def _width(line: str) -> int:
    return len(line) - len(line.lstrip())


def _uses(context: Context, each: _Changed, block: _Block) -> Iterator[tuple[str, int, str]]:
    """Where a block speaks of the old number as the port of the service, and others of it by its name."""
    port = re.compile(
        rf"(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1?\]|\}}|[\"'\s-]\d{{2,5}}):{each.old}(?!\d)"
        rf"|(?:port|expose|listen)[\"'\w.-]*\W{{0,4}}{each.old}(?!\d|:\d)",
        re.IGNORECASE,
    )
    for offset, line in enumerate(block.lines, block.first + 1):
        told = (block.path, offset) == (each.path, each.line) or not acts(block.path, line, len(line))
        if not told and port.search(line) and not _OF_ANOTHER.search(line):
            yield block.path, offset, line
    if not block.name:
        return
    for use in context.mentions.of([f"{block.name}:{each.old}"]).get(f"{block.name}:{each.old}", []):
        near = posixpath.dirname(block.path)
        if use.path.startswith(f"{near}/" if near else "") and standing(use.path) is not Standing.TEST:
            yield use.path, use.line, use.text


def _asked(context: Context, each: _Changed) -> Iterator[tuple[str, int, str]]:
    """Where a port is asked for that only the changed line said to be listened on, on this machine or by the name of
    what it is about."""
    if int(each.old) < 1024 or not re.search(_SERVED.format(each.new), each.text, re.IGNORECASE):
        return
    uses = [use for use in context.mentions.of([each.old], most=None).get(each.old, []) if not _is_elsewhere(use)]
    served = re.compile(_SERVED.format(each.old), re.IGNORECASE)
    asked = re.compile(_ASKED.format(each.old), re.IGNORECASE)
    if any(served.search(use.text) and not asked.search(use.text) for use in uses):
        return
    for use in uses:
        match = asked.search(use.text)
        if match is None or not context.changes.is_old(use.path, each.old):
            continue
        host = (match["host"] or "").lower()
        if not host or _HERE.fullmatch(host) or _is_about(each, host):
            yield use.path, use.line, use.text


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
]
