"""An import of a module of the repository that is not there."""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Confidence, Finding, Involved, Place, Rule, Severity
from sophia_preflight.modules import Lack
from sophia_preflight.spelling import is_slip
from sophia_preflight.standing import Standing, standing

RULE = Rule(
    id="missing-import",
    title="a module of the repository is imported that does not exist",
    severity=Severity.HIGH,
    why="Python ends with ModuleNotFoundError as soon as the import is reached",
    fix="correct the module's name, or add the module",
    family="python",
)


def check(context: Context) -> Iterable[Finding]:
    for lack in context.modules.lacks:
        if lack.name is None:
            yield _finding(context, lack)
    yield from _whole(context)


# --- modules that are imported by their own name, and of which nothing is there ---------------------------------------


def _whole(context: Context) -> Iterator[Finding]:
    modules = context.modules
    asked = [
        (path, imported, imported.module.partition(".")[0])
        for path, facts in modules.python.items()
        for imported in facts.outline.imports
        if not imported.level and not imported.guarded and standing(path) not in (Standing.TEMPLATE, Standing.VENDORED)
    ]
    often = Counter(top for _, _, top in asked)
    for path, imported, top in asked:
        if modules.is_known(top) or not _NAME.fullmatch(top):
            continue
        gone = _gone(context, path, top)
        alone = often[top] == 1 and not gone
        near = (_misspelt(context, path, top) or _misspelt_package(context, top, often)) if alone else ""
        if not gone and not near:
            continue
        severity, blocks = modules.severity(path, imported)
        since = f" since {context.changes.since}" if gone else ""
        yield RULE.found(
            f"`{imported.module}` is imported here, and there is no `{gone or f'{top}.py'}`{since}",
            Place(path, imported.line, imported.column),
            anchor=imported.module,
            severity=severity,
            confidence=Confidence.LIKELY,
            fix=RULE.fix + (f": there is `{near}`" if near else ""),
            blocks=blocks,
        )


_NAME = re.compile(r"[A-Za-z]\w{3,}")
_OFTEN = 5


def _gone(context: Context, path: str, top: str) -> str:
    """The module beside a file, or where its project keeps modules, that the last commits took away."""
    here = posixpath.dirname(path)
    places = [posixpath.join(directory, top) for directory in (here, "", "src")]
    files = [f"{place}{ending}" for place in places for ending in (".py", "/__init__.py")]
    return next((each for each in files if each in context.changes.gone), "")


def _misspelt(context: Context, path: str, top: str) -> str:
    """A module beside the file that others import by its own name, and that is a slip of a key away from the asked."""
    here = posixpath.dirname(path)
    for each in context.modules.python:
        name = posixpath.basename(each)[:-3]
        beside = posixpath.dirname(each) == here and each.endswith(".py") and each != path
        plural = name in (f"{top}s", top.removesuffix("s"))
        if beside and is_slip(top, name) and not plural and context.modules.is_used(name, here):
            return each
    return ""


def _misspelt_package(context: Context, top: str, often: Counter[str]) -> str:
    """A package of the repository that is imported all over it, and that is a slip of a key away from the asked."""
    near = [each for each, times in often.items() if times >= _OFTEN and is_slip(top, each)]
    packages = (f"{folder}{each}/__init__.py" for each in near for folder in ("", "src/"))
    return next(filter(context.repository.is_file, packages), "")


# --- modules that their package lacks ---------------------------------------------------------------------------------


def _finding(context: Context, lack: Lack) -> Finding:
    severity, blocks = context.modules.severity(lack.importer, lack.imported)
    imported = lack.imported
    places: list[Place | Involved] = [Place(lack.importer, imported.line, imported.column)]
    package = posixpath.join(posixpath.dirname(lack.path), "__init__.py")
    if context.repository.is_file(package):
        places.append(Involved(Place(package), "package"))
    return RULE.found(
        f"`{imported.shown}` is imported here, and there is no `{lack.path}`",
        *places,
        anchor=imported.shown,
        severity=severity,
        confidence=lack.confidence,
        fix=RULE.fix + _near(context, lack.path),
        blocks=blocks,
    )


def _near(context: Context, path: str) -> str:
    """A module of that name elsewhere, or one of nearly that name in the same directory."""
    directory, name = posixpath.split(path)
    inside = [
        each for each in context.modules.python if posixpath.dirname(each) == directory and not each.endswith("__.py")
    ]
    alike = get_close_matches(name, [posixpath.basename(each) for each in inside], n=1, cutoff=0.7)
    if alike:
        return f": there is `{posixpath.join(directory, alike[0])}`"
    elsewhere = context.repository.by_name.get(name, [])
    return f": there is `{elsewhere[0]}`" if elsewhere else ""


_SLIP = """
    === shop/__init__.py
    === examples/first.py
    import {0}
    === examples/all.py
    import shop, shop, shop
    import shop
    import shop
    === README.md
    ```sh
    python examples/first.py
    ```
"""
BAD = [
    tree("""
        === shop/__init__.py
        === shop/stock.py
        === shop/app.py
        import shop.stock
        === tests/test_stock.py
        from shop.stok import count
        === .github/workflows/ci.yml
        on: push
        jobs:
          test:
            runs-on: ubuntu-24.04
            steps:
              - uses: actions/checkout@v4
              - run: python -m pytest tests -q
    """),
    tree("""
        === app/main.py
        from library import read
        from librray import write
        === app/library.py
        def read(): pass
        def write(): pass
    """),
    tree("""
        === app/main.py
        import titles
        === app/titles.py
        from utils import clean
        === app/helping.py
        def clean(): pass
        === app/utils.py (before)
        def clean(): pass
    """),
    tree("""
        === app/__init__.py
        === app/tools/__init__.py
        import sys
        import app
        def pause_exec(seconds):
            return app.__path__[0], "colour" in sys.modules, sys.modules.get("colour")
        class Lazy:
            def __getattr__(self, name): return name
        pause_exec(10)
        === app/tools/disk.py
        def read(): pass
        === app/main.py
        from app.tools.disc import read
    """),
    tree("""
        === app/__init__.py
        === app/main.py
        from app.settings import DEBUG
        from app.storage.disk import read
        === app/storage/__init__.py
        === app/settings.py
        DEBUG = False
    """),
    tree("""
        === service/pyproject.toml
        [project]
        name = "service"
        === service/src/service/__init__.py
        === service/src/service/api.py
        from .handlers import users
        from ..nothing import x
        === service/src/service/handler.py
    """),
    tree("""
        === main.py
        from helpers.dates import today

        if __name__ == "__main__":
            import helpers.times
        === helpers/dates.py
        def today():
            return 1
    """),
    tree(_SLIP.format("shopp")),
]
GOOD = [
    tree(_SLIP.format("shop")),
    tree(_SLIP.format("shipping")),
    tree("""
        === app/main.py
        import request
        import requests
        import librarx
        import titlez
        === app/request.py
        import titles
        === app/titles.py
        === requirements.txt
        titlez
        === app/titlez.py (before)
    """),
    tree("""
        === app/__init__.py
        === app/main.py
        from __future__ import annotations
        import os
        from typing import TYPE_CHECKING

        import requests
        from app._version import version
        from app.fast import run
        from app.api_pb2 import Message

        if TYPE_CHECKING:
            from app.types import Thing
        try:
            from app.extra import more
        except ImportError:
            more = None
        === app/fast.pyx
        === space/one/a.py
        from space.two.b import B
        === libs/space/two/b.py
        from space.one import a
        B = 1
    """),
    tree("""
        === alembic/env.py
        from alembic import context
        from alembic.config import Config
        === docker/build.py
        import docker.errors
        === requirements.txt
        alembic==1.13
        docker
    """),
    tree("""
        === shop/__init__.py
        from pkgutil import extend_path
        __path__ = extend_path(__path__, __name__)
        === shop/cart.py
        from shop.prices import price
        === scripts/run.py
        import sys
        sys.path.insert(0, "../generated")
        from client import call
        === .gitignore
        shop/built/
        === shop/late.py
        from shop.built.table import rows
    """),
    tree("""
        === pyproject.toml
        [project]
        name = "index-core"
        === index/core/__init__.py
        === index/core/reader.py
        from index.core import tools
        from index.llms.local import Model
        === index/core/tools.py
    """),
    tree("""
        === src/chat/__init__.py
        === src/chat/providers/google.py
        === src/chat/providers/grok.py
        from google.protobuf.json_format import ParseDict
    """),
    tree("""
        === app/__init__.py
        === app/main.py
        from app.stores import open_store
        === app/stores.py
        from app.disks import Disk
        === app/stores/__init__.py
        def open_store(): ...
    """),
]
