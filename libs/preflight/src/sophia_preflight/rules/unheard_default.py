"""Two ask for the same on different ports of this machine, and only to one of these the repository's server listens."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from sophia_preflight.calls.documents import is_page
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Confidence, Finding, Involved, Place, Rule, Severity
from sophia_preflight.ports.own import Asked, Numbers, defaults
from sophia_preflight.standing import Standing, limited, standing

RULE = Rule(
    id="unheard-default",
    title="the repository's own server is asked on a port to which nothing listens",
    severity=Severity.HIGH,
    why="the connection is refused",
    fix="ask the port that the server listens to by itself",
    family="contradictions",
)
_SETS = re.compile(
    r"(?<![A-Za-z])([A-Z0-9]+_[A-Z0-9_]*(?:URL|URI|ENDPOINT|ADDR(?:ESS)?|SERVER|HOST)[A-Z_]*)[\"'\])]*\s*[:=,({]"
)
_GENERAL = re.compile(r"((API|BASE|SERVER|BACKEND|SERVICE|DEFAULT|LOCAL)_?)+(URL|URI|ENDPOINT|ADDR(ESS)?|HOST)")
"""A variable that anything may have."""
_SHORTEST = 5
_OTHERS = re.compile(
    r"CORS|ORIGIN|REDIRECT|CALLBACK|FRONT|_UI_|WEB|DASHBOARD|LLM|MODEL|REDIS|DATABASE|DB_|OTEL|WEBHOOK|PROXY"
)
"""Words in the names of variables for others than the server."""
_ANOTHER = re.compile(r"\b(different|another|other|custom|override|your own)\b", re.IGNORECASE)
_ROUTE = re.compile(r"/(?!v\d)[\w.-]{2,}/[\w./-]*\w")


def check(context: Context) -> Iterable[Finding]:
    numbers = Numbers(context)
    asked: dict[str, list[Asked]] = {}
    asking = [each for each in numbers.asked() if standing(each.place.path) is Standing.PRODUCT]
    for each in asking:
        for key in _keys(each):
            asked.setdefault(key, []).append(each)
    asked = {key: askers for key, askers in asked.items() if len({each.port for each in askers}) > 1}
    named = _named(context, asking)
    known = defaults(context) if asked or named else {}
    if len(known) == 1:
        yield from _own(numbers, named, known)
    told: set[Place] = set()
    for key, askers in asked.items():
        right = [each for each in askers if each.port in known]
        wrong = [
            each
            for each in askers
            if each.port not in known and each.place not in told and not _is_for_others(context, each)
        ]
        for each in wrong if right else ():
            if not numbers.is_heard(each.port):
                told.add(each.place)
                yield RULE.found(
                    f"`{key}` is asked for on port `{each.port}` here and on `{right[0].port}` elsewhere, to which the "
                    "server of this repository listens",
                    Involved(each.place, "call"),
                    Involved(right[0].place, "the other"),
                    Involved(known[right[0].port], "default"),
                    anchor=f"{key} {each.port}",
                    severity=limited(RULE.severity, each.place.path),
                    confidence=Confidence.LIKELY,
                    blocks=f"what `{each.place.path}` asks for",
                )


def _named(context: Context, asking: list[Asked]) -> dict[tuple[str, str], list[Place]]:
    """Where sources in Python ask a port that a variable of the project's own name may change, by both."""
    names = {each.name for each in context.modules.projects.by_directory.values() if each.name}
    words = {part.upper() for name in names for part in (re.split(r"[-_.]", name)[0], re.sub(r"[-.]", "_", name))}
    begins = tuple(f"{word}_" for word in words if len(word) >= _SHORTEST)
    found: dict[tuple[str, str], list[Place]] = {}
    for each in asking if begins else ():
        if each.place.path.endswith(".py"):
            for match in _SETS.finditer(each.before):
                if match[1].startswith(begins) and not _OTHERS.search(match[1]):
                    found.setdefault((match[1], each.port), []).append(each.place)
    return found


def _own(numbers: Numbers, named: dict[tuple[str, str], list[Place]], known: dict[str, Place]) -> Iterator[Finding]:
    """Ports that clients take by default and that are not the one to which the only server listens then."""
    for (name, port), places in named.items():
        if port not in known and not numbers.is_heard(port):
            ((there, default),) = known.items()
            yield RULE.found(
                f"`{name}` is port `{port}` of this machine by default, and the server of this repository listens to "
                f"`{there}`",
                *(Involved(place, "call") for place in places),
                Involved(default, "default"),
                anchor=f"{name} {port}",
                severity=limited(RULE.severity, places[0].path),
                confidence=Confidence.LIKELY,
                blocks=f"what `{places[0].path}` asks for",
            )


def _is_for_others(context: Context, each: Asked) -> bool:
    """Whether a page shows how another than the usual address is asked."""
    above = context.repository.text(each.place.path).split("\n")[max(each.place.line - 5, 0) : each.place.line]
    return is_page(each.place.path) and any(map(_ANOTHER.search, above))


def _keys(each: Asked) -> Iterator[str]:
    """By what one sees that two ask for the same: the variable that may say another address, and the route."""
    yield from (match[1] for match in _SETS.finditer(each.before) if not _GENERAL.fullmatch(match[1]))
    if (route := _ROUTE.match(each.path)) is not None:  # that anything is healthy, anybody may ask
        yield route[0]


_SERVER = """
    === pyproject.toml
    [project]
    name = "shopping"
    version = "1"
    === src/shopping/cli.py
    import argparse, os
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=int(os.environ.get("SHOPPING_PORT", "8070")))
    ROUTES = ["/health"]
"""
_CLIENTS = """
    === src/shopping/client.py
    import os
    BASE = os.environ.get("SHOPPING_URL", "http://localhost:%s")
    === src/shopping/other.py
    import os
    print(os.environ.get("SHOPPING_URL", "http://127.0.0.1:8070"))
"""
_ASKS = """
    === .github/workflows/smoke.yml
    on: push
    jobs:
      smoke:
        runs-on: ubuntu-latest
        steps:
          - run: curl http://localhost:%s/api/prices
    === wait.sh
    #!/bin/sh
    curl localhost:8070/api/prices
"""
_ALONE = """
    === src/shopping/client.py
    import os
    BASE = os.environ.get("%s", "http://localhost:%s")
    FALLBACK = os.environ.get("%s") or "http://localhost:%s"
"""
BAD = [
    tree(_SERVER + _ALONE % ("SHOPPING_URL", 8000, "SHOPPING_API_URL", 8000)),
    tree(_SERVER + _CLIENTS % 8000),
    tree(_SERVER + _ASKS % 8001),
]
GOOD = [
    tree(_SERVER + _ALONE % ("SHOPPING_URL", 8070, "SHOPPING_LLM_URL", 8000)),
    tree(_SERVER + _ALONE % ("STORE_URL", 8000, "SHOPPING_URL", 8070)),
    tree(_SERVER + _CLIENTS % 8070),
    tree(_SERVER + _ASKS % 8070),
    tree(_SERVER + (_ASKS % 8001).replace("8070/api/prices", "8070/api/goods")),
    tree(_SERVER + _CLIENTS % 8000 + "    === README.md\n    It listens to 8000 in containers.\n"),
    tree(_SERVER + _CLIENTS % 8000 + "    === README.md\n    It may be started by uvicorn shopping.app:app too.\n"),
    tree(_SERVER + (_CLIENTS % 8000).replace('get("SHOPPING_URL", "http://l', 'get("SHOPPING_LLM_URL", "http://l')),
    tree(
        _SERVER
        + _CLIENTS % 8070
        + "    === README.md\n    To use a different one:\n    ```bash\n"
        + "    SHOPPING_URL=http://localhost:8000 start\n    ```\n"
    ),
]
