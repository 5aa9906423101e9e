"""A Python module of the product asks for a name that nothing gives it.

It blocks where the module has one of nearly that name; any other may be given by whoever runs the module."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from difflib import get_close_matches

from sophia_preflight.calls.model import Caller, Site
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Confidence, Finding, Place, Rule, Severity
from sophia_preflight.standing import consequence

RULE = Rule(
    id="undefined-python-name",
    title="a Python module asks for a name that nothing gives it",
    severity=Severity.HIGH,
    why="Python ends with NameError as soon as the line is reached",
    fix="use the name that is defined, or import it",
    family="python",
)


def check(context: Context) -> Iterable[Finding]:
    for path in context.facts:
        python = context.python(path)
        stem = posixpath.splitext(posixpath.basename(path))[0]
        if python is None or not python.undefined or not stem.isidentifier():
            continue  # a file that cannot be imported is read in by something, which gives it names
        severity, blocks = consequence(Site(path, Caller.PYTHON, owner=posixpath.basename(path)))
        for each in python.undefined:
            if not _is_put_in(context, path, each.name):
                near = get_close_matches(each.name, python.names, n=1, cutoff=0.7)
                yield RULE.found(
                    f"`{each.name}` is defined nowhere in this module, nor imported",
                    Place(path, each.line),
                    anchor=each.name,
                    severity=severity.at_most(Severity.HIGH if near else Severity.MEDIUM),
                    confidence=Confidence.LIKELY,
                    fix=RULE.fix + (f": there is `{near[0]}`" if near else ""),
                    blocks=blocks if near else "",
                )


def _is_put_in(context: Context, path: str, name: str) -> bool:
    """Whether another file gives a module, or what it is run with, a name."""
    stem = posixpath.basename(posixpath.dirname(path) if path.endswith("/__init__.py") else path).removesuffix(".py")
    put = re.compile(rf"\b{stem}\.{name}\s*=[^=]|\bsetattr\([^\n]*[\"']{name}[\"']|\[[\"']{name}[\"']\]\s*=[^=]")
    handed = re.compile(rf"[\"']{name}[\"']\s*:")
    texts = (context.repository.glimpse(each) for each in context.facts if each.endswith(".py") and each != path)
    return any(put.search(text) or (_RUNS.search(text) and handed.search(text)) for text in texts if name in text)


_RUNS = re.compile(r"\b(exec|run_path|run_module)\(")


_MODULE = """
    === pyproject.toml
    [project]
    name = "shop"
    [project.scripts]
    shop = "shop:main"
    === shop/__init__.py
    import os
    ACTOR_KEY = "SHOP_ACTOR"

    def main() -> None:
        names = [each for each in os.environ if each]
        print(os.getenv({0}), names)
"""
_EMPTY = "=== shop/__init__.py\n    def main(): ...\n"
BAD = [tree(_MODULE.replace("{0}", "ACTOR_NAME")), tree(_MODULE.replace("{0}", "each"))]
GOOD = [
    tree(_MODULE.replace("{0}", "ACTOR_KEY")),
    tree(_MODULE.replace("{0}", "ACTOR_NAME") + '    === shop/put.py\n    import shop\n    shop.ACTOR_NAME = "SHOP"\n'),
    tree(_MODULE.replace("{0}", "ACTOR_NAME").replace("import os", "from os import *\n    import os")),
    tree(
        _MODULE.replace("{0}", "ACTOR_NAME").replace(
            "=== shop/__init__", "=== shop/__init__.py\n    def main(): ...\n    === shop/01-start"
        )
    ),
]
