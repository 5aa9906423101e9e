"""Two ask for the same on different ports of this machine, and only to one of these the repository's server listens."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

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
_ROUTE = re.compile(r"/(?!v\d)[\w.-]{2,}/[\w./-]*\w")


def check(context: Context) -> Iterable[Finding]:
    numbers = Numbers(context)
    asked: dict[str, list[Asked]] = {}
    for each in numbers.asked():
        if standing(each.place.path) is Standing.PRODUCT:
            for key in _keys(each):
                asked.setdefault(key, []).append(each)
    asked = {key: askers for key, askers in asked.items() if len({each.port for each in askers}) > 1}
    known = defaults(context) if asked else {}
    told: set[Place] = set()
    for key, askers in asked.items():
        right = [each for each in askers if each.port in known]
        wrong = [each for each in askers if each.port not in known and each.place not in told]
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
BAD = [
    tree(_SERVER + _CLIENTS % 8000),
    tree(_SERVER + _ASKS % 8001),
]
GOOD = [
    tree(_SERVER + _CLIENTS % 8070),
    tree(_SERVER + _ASKS % 8070),
    tree(_SERVER + (_ASKS % 8001).replace("8070/api/prices", "8070/api/goods")),
    tree(_SERVER + _CLIENTS % 8000 + "    === README.md\n    It listens to 8000 in containers.\n"),
    tree(_SERVER + _CLIENTS % 8000 + "    === README.md\n    It may be started by uvicorn shopping.app:app too.\n"),
    tree(_SERVER + (_CLIENTS % 8000).replace('get("SHOPPING_URL", "http://l', 'get("SHOPPING_LLM_URL", "http://l')),
]
