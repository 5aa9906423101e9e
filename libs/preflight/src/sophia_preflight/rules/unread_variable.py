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
from sophia_preflight.ports.listening import mounted, said
from sophia_preflight.readers.dockerfile import Dockerfile, Stage
from sophia_preflight.spelling import differ_in_a_word, may_be_one
from sophia_preflight.standing import Standing, standing

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
_GIVEN = re.compile(r"^[ \t]*(?:ENV|ARG)[ \t](?:[^\n]*\\\n)*[^\n]*$", re.MULTILINE)
"""What a Dockerfile sets, and does not read."""
_MOST_BYTES = 8_000_000
_CLOSE = 0.85


@dataclass
class _Sources:
    """The code of an image: which variables it reads, and where."""

    read: dict[str, Place]
    anyhow: bool
    files: frozenset[str]
    """All that may be run in it, or read there."""


def check(context: Context) -> Iterable[Finding]:
    known: dict[tuple[str, str, int], _Sources] = {}
    for each in used(context):
        built = context.service_build(each.project, each.service)
        environment = each.service.environment
        if built is None or each.service.listed("env_file") or not environment:
            continue
        made = context.dockerfiles[built[0]]
        stage = context.stage_of(made, built[1])
        if stage is None:
            continue
        key = built[0], built[1].directory, stage.index
        if key not in known:
            known[key] = _sources(context, built[1].directory, _files(context, each, made, stage, built[1].directory))
        sources = known[key]
        if sources.anyhow or not sources.read:
            continue
        yield from _of_service(context, each, sources, {*environment, *final_environment(stage)})


def _files(context: Context, each: Used, made: Dockerfile, stage: Stage, directory: str) -> frozenset[str]:
    """The files that may be what a service runs: its image's and those mounted; of a program in Go only its own."""
    start = stage.last("ENTRYPOINT") or stage.last("CMD")
    if start is not None and (own := context.built.source(said(start).partition(" ")[0])):
        return frozenset(own)
    mounts = [path for path, _ in mounted(each)]
    return frozenset(
        path
        for path in context.repository.entries
        if context.images.takes(made, directory, path)
        or any(path == base or base == "." or path.startswith(f"{base}/") for base in mounts)
    )


def _of_service(context: Context, each: Used, sources: _Sources, given: set[str]) -> Iterator[Finding]:
    for name, part in each.service.environment.items():
        if name in sources.read or not re.fullmatch(r"[A-Z][A-Z0-9]*_[A-Z0-9_]+", name):
            continue
        others = [other for other in sources.read if other not in given]
        near = [other for other in others if _is_near(name, other)] or _left_over(name, others, sources, given)
        if len(near) != 1 or _is_mentioned(context, name, sources.files):
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


def _left_over(name: str, others: list[str], sources: _Sources, given: set[str]) -> list[str]:
    """What a variable was renamed to that is the only one of its kind which is not read: what is of the same kind."""
    begins, ends = name.partition("_")[0], name.rpartition("_")[2]
    kin = [each for each in given if each != name and each.startswith(f"{begins}_")]
    if len(kin) < 2 or not all(each in sources.read for each in kin):
        return []
    return [other for other in others if other.rpartition("_")[2] == ends]


def _sources(context: Context, directory: str, files: frozenset[str]) -> _Sources:
    found = _Sources({}, False, files)
    size = 0
    for path in context.repository.inside(directory):
        if not _CODE.search(path) or path not in files or standing(path) is not Standing.PRODUCT:
            continue
        text = context.repository.glimpse(path)
        size += len(text)
        if size > _MOST_BYTES or _ANYHOW.search(text):
            return _Sources({}, True, files)
        for match in _READS.finditer(text):
            name = next(filter(None, match.groups()))
            found.read.setdefault(name, Place(path, text.count("\n", 0, match.start()) + 1))
    return found


def _is_near(name: str, other: str) -> bool:
    """Whether names are two names of one variable, or the same but for one of several words, or a few letters."""
    kin = differ_in_a_word(name, other) and name.count("_") > 1
    return kin or may_be_one(name, other) or SequenceMatcher(None, name, other).ratio() >= _CLOSE


def _is_mentioned(context: Context, name: str, files: frozenset[str]) -> bool:
    """Whether anything that a service may run speaks of a variable, but files that give it, and pages."""
    givers = {*context.composes, *context.workflows, *context.documents}
    spoken = re.compile(rf"(?<![A-Za-z0-9_]){name}(?![A-Za-z0-9_])", re.IGNORECASE)
    for path in context.repository.entries:
        if path in givers or _SAYS.search(posixpath.basename(path)) or (_CODE.search(path) and path not in files):
            continue
        text = context.repository.glimpse(path)
        if spoken.search(_GIVEN.sub("", text) if path in context.dockerfiles else text):
            return True
    return False


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
_MANY = """
    === compose.yaml
    services:
      shop:
        build: shop
        environment: {{STORE_HOST: store, STORE_PORT: 1, STORE_USER: shop}}
      other:
        build: other
        environment: {{STORE_HOST: store}}
      store:
        image: registry.example.com/store:1.4
    === shop/Dockerfile
    FROM python:3.13-slim
    ENV STORE_HOST=localhost
    COPY . /app
    CMD ["python", "/app/shop.py"]
    === shop/shop.py
    import os
    {read}
    === other/Dockerfile
    FROM python:3.13-slim
    COPY . /app
    CMD ["python", "/app/other.py"]
    === other/other.py
    import os
    STORE = os.environ["STORE_HOST"]
"""
_READ = 'PORT, USER = os.environ["STORE_PORT"], os.environ["STORE_USER"]'
BAD = [
    tree(_MANY.format(read=f'{_READ}; HOST = os.environ["BACK_END_HOST"]')),
    tree(_SHOP.format(given="SHOP_QUEUE_ADDRESS", read='QUEUE = os.environ["SHOP_QUEUE_URL"]')),
    tree(_SHOP.format(given="QUEUES_URL", read='QUEUE = os.getenv("QUEUE_URL")')),
    tree(_SHOP.format(given="QUEUE_URL", read='QUEUE = os.environ.get("QUEUE_DSN", "")')),
    tree(_SHOP.format(given="QUEUE_URL", read='QUEUE = os.environ["SHOP_QUEUE_URL"]')),
]
GOOD = [
    tree(_MANY.format(read=f'{_READ}; HOST = os.environ["BACK_END_ADDRESS"]')),
    tree(_MANY.format(read='PORT = os.environ["STORE_PORT"]; HOST = os.environ["BACK_END_HOST"]')),
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
