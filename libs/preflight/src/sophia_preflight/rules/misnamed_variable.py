"""Files that start a program give it a variable that no program here reads, and a program reads one of nearly that name
which they do not give.

Each alone is common: what is given may be for somebody else's program, and what is read may be given by nobody.
Together they are one variable whose name was changed at one end. Only Python is asked what it reads; any text of any
program that has the name, or may put it together, is taken for a reader.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.mentions import PAGE, TOLD, site_of
from sophia_preflight.model import Confidence, Finding, Involved, Place, Rule, Severity
from sophia_preflight.outside import is_of_runner
from sophia_preflight.readers.environment import Settings
from sophia_preflight.spelling import differ_in_a_word, is_slip, may_be_one
from sophia_preflight.standing import Standing, consequence, standing

RULE = Rule(
    id="misnamed-variable",
    title="a variable is given under another name than the program reads",
    severity=Severity.HIGH,
    why="the program goes on as if nobody had set it",
    fix="use one name where it is given and where it is read",
    family="contradictions",
    resort=1,
)
_CODE = re.compile(
    r"\.(py|pyw|pyi|pyx|ipynb|[cm]?[jt]sx?|vue|go|rs|java|kt|rb|php|cs|c|cc|cpp|h|lua|ex|exs|scala|swift)$"
)
_NAME = r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+"
_SPOKEN = re.compile(rf"(?<![\w$]){_NAME}(?!\w)|(?<=\$){_NAME}(?!\w)")
_GIVES = re.compile(
    rf"(?:^|[\s\"'\[{{,;(])(?:-e|--env)[ =\"',]+(?P<handed>{_NAME})\b"
    rf"|(?:^|[\s\"'\[{{,;(`])(?P<set>{_NAME})(?:=|[\"']?\s*:(?=\s)|[\"'],)"
    rf"|\bname:\s*[\"']?(?P<named>{_NAME})[\"']?\s*$"
    rf"|^\s*ENV\s+(?P<held>{_NAME})\s",
    re.MULTILINE,
)
_HANDED_ON = re.compile(rf"\bexport\s+({_NAME})=|({_NAME})[=:]\s*[\"']?\$\{{?\2\b")
_USES = re.compile(rf"\$\{{?({_NAME})\b|\$\(({_NAME})\)|(?:secrets|vars|env)\.({_NAME})\b")
_PREFIX = re.compile(r"[\"'`]([A-Z][A-Z0-9_]*?)_?[\"'`]")
_OFFERED = re.compile(r"(?:^|/)[^/]*\.?env[^/]*$")
"""Files in which a remark shows what may be set."""
_MOST_BYTES = 300_000
_MOST_SHOWN = 3
_LEAST = 2
"""Places that give a name, where none of them starts anything; fields that are given under another prefix."""

_LONG = 8
_LEAST_OF_OTHERS = 4
"""Fields that are given under another prefix, where it has no word of ours."""


@dataclass
class _Told:
    given: dict[str, list[Place]] = field(default_factory=lambda: defaultdict(list))
    """Variable -> where it is given, if nothing there uses it for something else."""
    spoken: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Variable -> the files that speak of it."""


def check(context: Context) -> Iterable[Finding]:
    read = _read(context)
    classes = list(_classes(context))
    if not read:
        return
    told = _told(context)
    taken = {each.prefix for _, each in classes}
    for path, each in classes:
        found = list(_of_prefix(context, Place(path, each.line), each, told, taken))
        yield from found
        read = {name: place for name, place in read.items() if not found or name not in dict(each.read)}
    known = {name for path in context.facts for name in _read_by(context, path)}
    lost = [name for name in told.given if name not in known and not is_of_runner(name)]
    silent = {name for name in read if name not in told.spoken}
    pairs: dict[str, list[str]] = defaultdict(list)
    for name in lost:
        near = [other for other in silent if may_be_one(name, other) or _is_of_one_kind(name, other)]
        near = near or list(_slips(name, told, read))
        if len(near) == 1:
            pairs[near[0]].append(name)
    for other, names in pairs.items():
        if (
            len(names) != 1
            or _is_read_beside(context, names[0], told.given[names[0]])
            or _may_be_read(context, names[0], taken)
        ):
            continue
        same = names[0].partition("_")[0] == other.partition("_")[0] or names[0].endswith(f"_{other}")
        if same or names[0] in context.repository.glimpse(read[other].path):
            yield from _found(names[0], other, told.given[names[0]], read[other], other in silent)


def _is_read_beside(context: Context, name: str, places: Iterable[Place]) -> bool:
    """Whether a file that gives a name also asks the environment for it, in a program that it writes out."""
    asked = re.compile(rf"(?i:env(iron)?)\W{{1,6}}{name}\b|getenv\W{{1,3}}{name}\b")
    return any(asked.search(context.repository.glimpse(place.path)) for place in places)


def _slips(name: str, told: _Told, read: Collection[str]) -> Iterator[str]:
    """The variables that are meant by a name which only one place gives, whoever else gives them by their own."""
    places = told.given[name]
    if len(places) > 1 or told.spoken[name] != {places[0].path}:
        return
    path = places[0].path
    ours = [each for each in read if path in told.spoken[each] and each in told.given]
    for other in read:
        missing = bool(ours) and path not in told.spoken[other] and not PAGE.search(path)
        if _is_nearer(name, other) or (missing and may_be_one(name, other)):
            yield other


def _is_of_one_kind(name: str, other: str) -> bool:
    """Whether names are the same but for a word that is not the last."""
    return differ_in_a_word(name, other) and name.rpartition("_")[2] == other.rpartition("_")[2]


def _is_nearer(name: str, other: str) -> bool:
    """Whether names are the same but for an underscore or, where they are long, a letter."""
    return name.replace("_", "") == other.replace("_", "") or (len(name) > _LONG and is_slip(name, other))


def _of_prefix(
    context: Context, place: Place, settings: Settings, told: _Told, taken: Collection[str]
) -> Iterator[Finding]:
    """Where everybody gives the fields of a class under another prefix than it has."""
    fields = {name.removeprefix(settings.prefix) for name, _ in settings.read}
    if any(name in told.spoken for name, _ in settings.read):
        return
    begins = Counter(
        name.removesuffix(field)
        for field in fields
        for name in told.given
        if name.endswith(f"_{field}") and name.removesuffix(field) not in taken
    )
    for other, count in begins.most_common(1):
        words, others = (set(each.strip("_").split("_")) for each in (settings.prefix, other))
        least = _LEAST if words & others else _LEAST_OF_OTHERS
        names = [f"{other}{field}" for field in sorted(fields) if f"{other}{field}" in told.given]
        if count < least or any(_is_spoken_in(text, other, names, settings) for text in _programs(context)):
            continue
        places = [told.given[name][0] for name in names]
        places.sort(key=lambda each: bool(PAGE.search(each.path)))
        severity, blocks = consequence(site_of(places[0].path))
        yield RULE.found(
            f"the fields of this class are read as `{settings.prefix}…`, and given as `{other}…`: "
            f"{', '.join(f'`{name}`' for name in names[:_MOST_SHOWN])}",
            Involved(place, "read"),
            *(Involved(each, "call") for each in places[:_MOST_SHOWN]),
            anchor=f"{settings.prefix} {other}",
            severity=severity.at_most(Severity.HIGH),
            confidence=Confidence.LIKELY,
            fix=f"{RULE.fix}: `{other}` or `{settings.prefix}`",
            blocks=blocks,
        )


def _is_spoken_in(text: str, begin: str, names: list[str], settings: Settings) -> bool:
    """Whether a program has what variables begin with, asks for some of them, or gives those of the class."""
    begins = begin.strip("_") in _PREFIX.findall(text)
    return begins or any(_asks(name, text) for name in (*names, *(name for name, _ in settings.read)))


def _classes(context: Context) -> Iterator[tuple[str, Settings]]:
    for path in context.facts:
        python = context.python(path)
        if python is not None and standing(path) is Standing.PRODUCT:
            yield from ((path, each) for each in python.variables.settings)


def _read(context: Context) -> dict[str, Place]:
    """Variable -> where the product reads it."""
    found: dict[str, Place] = {}
    for path in context.facts:
        if standing(path) is Standing.PRODUCT:
            for name, line in _read_by(context, path).items():
                found.setdefault(name, Place(path, line))
    return found


def _read_by(context: Context, path: str) -> dict[str, int]:
    """Variable -> the line on which a module reads it."""
    python = context.python(path)
    if python is None:
        return {}
    return dict([*python.variables.read, *(each for one in python.variables.settings for each in one.read)])


def _told(context: Context) -> _Told:
    """What files that are no programs say of variables; one that only starts something with another name is used."""
    told = _Told()
    used: set[str] = set()
    for path in context.repository.entries:
        if _CODE.search(path) or TOLD.search(path) or standing(path) in (Standing.VENDORED, Standing.ARCHIVED):
            continue
        text = context.repository.glimpse(path)
        if len(text) > _MOST_BYTES or "_" not in text:
            continue
        for name in set(_SPOKEN.findall(text)):
            told.spoken[name].add(path)
        handed_on = {name for found in _HANDED_ON.findall(text) for name in found}
        used.update(name for found in _USES.findall(text) for name in found if name and name not in handed_on)
        for found in _GIVES.finditer(text):
            kind = found.lastgroup or ""
            line = text[text.rfind("\n", 0, found.start(kind)) + 1 : found.start(kind)]
            if line.lstrip().startswith("#") and not _OFFERED.search(path):
                continue
            told.given[found[kind]].append(Place(path, text.count("\n", 0, found.start(kind)) + 1))
    for name in used:
        told.given.pop(name, None)
    return told


def _may_be_read(context: Context, name: str, prefixes: Collection[str]) -> bool:
    """Whether any program has a name where it may read it, the field that it would be, or what it begins with."""
    words = name.split("_")
    begins = {"_".join(words[:count]) for count in range(1, len(words))}
    fields = [name.removeprefix(each).lower() for each in prefixes if name.startswith(each)]
    field = re.compile(rf"^\s+(?:{'|'.join(fields)})\s*:", re.MULTILINE)
    return any(
        _asks(name, text) or (fields and field.search(text)) or not begins.isdisjoint(_PREFIX.findall(text))
        for text in _programs(context)
    )


def _asks(name: str, text: str) -> bool:
    """Whether a program has a name as a text of its own, or as that of a field; in a sentence it only tells of it."""
    found = name in text and re.search(
        rf"(?:[(\[,=:{{]|\bin|\bor|^)\s*[\"'`]{name}[\"'`]|(?:\.|^\s*){name}\b", text, re.MULTILINE
    )
    return bool(found)


def _programs(context: Context) -> Iterator[str]:
    """The texts of all programs; those that test others in Python set what these read, and are asked by `_read`."""
    for path in context.repository.entries:
        if _CODE.search(path) and (context.python(path) is None or standing(path) is not Standing.TEST):
            yield context.repository.glimpse(path)


def _found(name: str, other: str, given: list[Place], read: Place, silent: bool) -> Iterator[Finding]:
    runs = [place for place in given if not PAGE.search(place.path)]
    if not runs and silent and len(given) < _LEAST:
        return
    first = (runs or given)[0]
    severity, blocks = consequence(site_of(first.path))
    shown = [*runs, *(place for place in given if place not in runs)][:_MOST_SHOWN]
    alone = ", and nobody gives," if silent else ""
    yield RULE.found(
        f"`{name}` is given here and nothing reads it; what is read{alone} is `{other}`",
        *(Involved(place, "call") for place in shown),
        Involved(read, "read"),
        anchor=f"{name} {other}",
        severity=severity.at_most(Severity.HIGH),
        confidence=Confidence.LIKELY,
        fix=f"{RULE.fix}: `{name}` or `{other}`",
        blocks=blocks,
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
    LEVEL = os.environ.get("LOG_LEVEL", "info")
    {read}
    === .env.example
    {told}=amqp://localhost
"""
_CHART = """
    === deploy/shop.yaml
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: shop}
    spec:
      selector: {matchLabels: {app: shop}}
      template:
        metadata: {labels: {app: shop}}
        spec:
          containers:
            - name: shop
              image: shop:1
              env:
                - name: {given}
                  value: "true"
    === README.md
    Set `SHOP_IN_CLUSTER=false` for a shop on your desk.
    === shop.py
    import os
    NEAR = os.getenv("SHOP_IN_CLUSTER", "false")
"""
_SETTINGS = """
    === README.md
    ```console
    $ docker run -e {0}_USER=me -e {0}_LOG_DIR=/var/log -e {0}_LOG_LEVEL=debug shop
    ```
    === shop/settings.py
    from pydantic_settings import BaseSettings, SettingsConfigDict

    class Settings(BaseSettings):
        model_config = SettingsConfigDict(env_prefix="SHOP_SERVER_")
        user: str = ""
        log_dir: str = ""
        log_level: str = "info"
"""
BAD = [
    tree(_SHOP.format(given="SHOP_QUEUE_URI", told="SHOP_QUEUE_URI", read='QUEUE = os.environ["SHOP_QUEUE_URL"]')),
    tree(_SHOP.format(given="SHOP_QUEUE_URL", told="SHOP_QUEUE_URL", read='QUEUE = os.getenv("SHOP_QUEUES_URL", "")')),
    tree(_CHART.replace("{given}", "SHOP_INCLUSTER")),
    tree(_SETTINGS.replace("{0}", "SHOP")),
]
GOOD = [
    tree(_CHART.replace("{given}", "LANG") + "    === deploy/old.yaml\n    # - name: SHOP_INCLUSTER\n"),
    tree(_SHOP.format(given="SHOP_QUEUE_URL", told="SHOP_QUEUE_URL", read='QUEUE = os.environ["SHOP_QUEUE_URL"]')),
    tree(_SHOP.format(given="DOCKER_HOST", told="DOCKER_HOST", read='QUEUE = os.getenv("SHOP_HOST", "")')),
    tree(_SHOP.format(given="SHOP_QUEUE_URI", told="SHOP_QUEUE_URI", read='import lib; lib.read("SHOP", "QUEUE_URI")')),
    tree(_CHART.replace("{given}", "SHOP_IN_CLUSTER")),
    tree(_CHART.replace("{given}", "SHOP_NO_CLUSTER")),
    tree(_SETTINGS.replace("{0}", "SHOP_SERVER")),
    tree(_SETTINGS.replace("{0}", "SHOP") + '    === shop/old.py\n    import os\n    USER = os.environ["SHOP_USER"]\n'),
]
