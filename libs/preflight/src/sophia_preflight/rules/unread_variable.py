"""A service is given a variable that nothing reads, and its program reads one of nearly the same name that it is not
given."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher

from sophia_preflight.calls.docker import final_environment
from sophia_preflight.composing import Used, used
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Confidence, Finding, Involved, Place, Rule, Severity
from sophia_preflight.standing import Standing, standing
from sophia_preflight.text import named

RULE = Rule(
    id="unread-variable",
    title="a service is given a variable under another name than its program reads",
    severity=Severity.HIGH,
    why="the program fails without it, or goes on with something else than was meant for it",
    fix="give the variable the name that the program reads",
    family="contradictions",
)
_CODE = re.compile(r"\.(py|[cm]?[jt]sx?|go|rb)$")
_READS = re.compile(
    r"os\.environ\[\s*[\"'](?P<sure>[A-Z][A-Z0-9_]+)[\"']\s*\](?!\s*=[^=])"
    r"|(?:os\.)?(?:getenv|environ\.get)\(\s*[\"']([A-Z][A-Z0-9_]+)[\"']"
    r"|process\.env\.([A-Z][A-Z0-9_]+)\b(?!\s*=[^=])|process\.env\[\s*[\"']([A-Z][A-Z0-9_]+)[\"']"
    r"|os\.(?:Getenv|LookupEnv)\(\s*\"([A-Z][A-Z0-9_]+)\""
    r"|ENV(?:\.fetch\(|\[)\s*[\"']([A-Z][A-Z0-9_]+)[\"']"
)
_ANYHOW = re.compile(
    r"\b(BaseSettings|env_prefix|envconfig|viper|decouple|dynaconf|environ\.Env|koanf|confuse|AUTO_ENV|from_prefixed_env)\b"
    r"|(?:environ(?:\.get\(|\[)|getenv\(|process\.env\[)\s*(?:f[\"']|`|[a-z_]\w*\s*[\]),+]|[\"'][A-Z_]*[\"']\s*\+)"
    r"|\bin\s+os\.environ\b|os\.Environ\(\)|environ\.items\(\)|Object\.(?:keys|entries)\(process\.env\)"
)
"""What reads variables by names that are put together, or all that begin alike."""
_SAYS = re.compile(r"\.(md|mdx|rst|txt|lock|svg|ipynb|csv)$|(^|/)\.env[\w.-]*$|\.env$|(^|/)env\.\w+$", re.IGNORECASE)
"""Files that name variables without reading them."""
_MOST_BYTES = 8_000_000
_CLOSE = 0.85
_ALIKE = (
    named("URL URI DSN ADDR ADDRESS HOST HOSTNAME SERVER ENDPOINT"),
    named("KEY TOKEN SECRET APIKEY"),
    named("PASSWORD PASS PASSWD PWD"),
    named("DIR DIRECTORY PATH FOLDER ROOT"),
    named("USER USERNAME LOGIN"),
    named("DB DATABASE NAME"),
)
"""Words that people use for the same."""


@dataclass
class _Sources:
    """The code of a directory: which variables it reads, and where."""

    read: dict[str, Place]
    anyhow: bool


def check(context: Context) -> Iterable[Finding]:
    known: dict[str, _Sources] = {}
    for each in used(context):
        built = context.service_build(each.project, each.service)
        environment = each.service.environment
        if built is None or each.service.listed("env_file") or not environment:
            continue
        directory = built[1].directory
        if directory not in known:
            known[directory] = _sources(context, directory)
        sources = known[directory]
        if sources.anyhow or not sources.read:
            continue
        made = context.dockerfiles[built[0]]
        stage = context.stage_of(made, built[1])
        given = {*environment, *(final_environment(stage) if stage is not None else ())}
        yield from _of_service(context, each, sources, given)


def _of_service(context: Context, each: Used, sources: _Sources, given: set[str]) -> Iterator[Finding]:
    for name, part in each.service.environment.items():
        if name in sources.read or not re.fullmatch(r"[A-Z][A-Z0-9]*_[A-Z0-9_]+", name):
            continue
        near = [other for other in sources.read if other not in given and _is_near(name, other)]
        if len(near) != 1 or _is_mentioned(context, name):
            continue
        severity, blocks = each.consequence
        yield RULE.found(
            f"`{each.service.name}` is given `{name}`, which nothing reads, and its program reads `{near[0]}`",
            Involved(part.node.place(part.file.path), "variable"),
            Involved(sources.read[near[0]], "read"),
            anchor=f"{each.service.name} {name}",
            severity=severity.at_most(Severity.HIGH),
            confidence=Confidence.LIKELY,
            fix=f"name it `{near[0]}`",
            blocks=blocks,
        )


def _sources(context: Context, directory: str) -> _Sources:
    found = _Sources({}, False)
    size = 0
    for path in context.repository.inside(directory):
        if not _CODE.search(path) or standing(path) is not Standing.PRODUCT:
            continue
        text = context.repository.glimpse(path)
        size += len(text)
        if size > _MOST_BYTES or _ANYHOW.search(text):
            return _Sources({}, True)
        for match in _READS.finditer(text):
            name = next(filter(None, match.groups()))
            found.read.setdefault(name, Place(path, text.count("\n", 0, match.start()) + 1))
    return found


def _is_near(name: str, other: str) -> bool:
    """Whether names are the same but for one word, one word more, or a few letters."""
    one, two = sorted((name.split("_"), other.split("_")), key=len)
    if len(one) == len(two):
        differing = [{a, b} for a, b in zip(one, two, strict=True) if a != b]
        if len(differing) == 1 and (len(one) > 2 or any(differing[0] <= group for group in _ALIKE)):
            return True
    elif len(two) == len(one) + 1 > 2 and any(two[:index] + two[index + 1 :] == one for index in range(len(two))):
        return True
    return SequenceMatcher(None, name, other).ratio() >= _CLOSE


def _is_mentioned(context: Context, name: str) -> bool:
    """Whether anything speaks of a variable but files that give it, and pages."""
    givers = {*context.composes, *context.workflows, *context.documents}
    said = re.compile(rf"(?<![A-Za-z0-9_]){name}(?![A-Za-z0-9_])", re.IGNORECASE)
    return any(
        said.search(context.repository.glimpse(path))
        for path in context.repository.entries
        if path not in givers and not _SAYS.search(posixpath.basename(path))
    )


_SHOP = """
    === compose.yaml
    services:
      shop:
        build: .
        environment:
          {given}: "amqp://queue"
          LOG_LEVEL: info
    === Dockerfile
    FROM python:3.13-slim
    COPY . /app
    CMD ["python", "/app/shop.py"]
    === shop.py
    import os
    {read}
"""
BAD = [
    tree(_SHOP.format(given="SHOP_QUEUE_ADDRESS", read='QUEUE = os.environ["SHOP_QUEUE_URL"]')),
    tree(_SHOP.format(given="QUEUES_URL", read='QUEUE = os.getenv("QUEUE_URL")')),
    tree(_SHOP.format(given="QUEUE_URL", read='QUEUE = os.environ.get("QUEUE_DSN", "")')),
    tree(_SHOP.format(given="QUEUE_URL", read='QUEUE = os.environ["SHOP_QUEUE_URL"]')),
]
GOOD = [
    tree(_SHOP.format(given="QUEUE_LEVEL", read='QUEUE = os.getenv("QUEUE_FORMAT")')),
    tree(_SHOP.format(given="SHOP_QUEUE_URL", read='QUEUE = os.environ["SHOP_QUEUE_URL"]')),
    tree(_SHOP.format(given="SHOP_QUEUE_ADDRESS", read='NAME = os.environ["SHOP_NAME"]')),
    tree(_SHOP.format(given="SHOP_QUEUE_ADDRESS", read='import lib; QUEUE = os.environ[f"{lib.NAME}_URL"]')),
    tree(
        _SHOP.format(given="SHOP_QUEUE_ADDRESS", read='QUEUE = os.environ["SHOP_QUEUE_URL"]')
        + '    === start.sh\n    export SHOP_QUEUE_URL="$SHOP_QUEUE_ADDRESS"\n'
    ),
    tree(
        _SHOP.format(given="SHOP_QUEUE_ADDRESS", read='QUEUE = os.environ["SHOP_QUEUE_URL"]').replace(
            "LOG_LEVEL:", "SHOP_QUEUE_URL:"
        )
    ),
]
