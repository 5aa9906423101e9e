"""An import of a name that its module, one of the repository, does not have."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from dataclasses import replace
from difflib import get_close_matches

from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.grouping import by_cause
from sophia_preflight.model import Finding, Involved, Place, Rule, Severity
from sophia_preflight.modules import Lack
from sophia_preflight.standing import limited

RULE = Rule(
    id="missing-imported-name",
    title="a name is imported that its module does not have",
    severity=Severity.HIGH,
    why="Python ends with ImportError as soon as the import is reached",
    fix="import what the module defines, or define it",
    family="python",
)


def check(context: Context) -> Iterable[Finding]:
    told = (
        ((lack.path, lack.name.name, limited(Severity.HIGH, lack.importer)), _finding(context, lack, lack.name.name))
        for lack in context.modules.lacks
        if lack.name is not None and not _is_set_from_elsewhere(context, lack.path)
    )
    return by_cause(told, "and {} more import it")


def _is_set_from_elsewhere(context: Context, path: str) -> bool:
    """Whether another module of a package gives it names as it runs: `setattr(objects, name, each)`."""
    directory, file = posixpath.split(path)
    if file != "__init__.py" or not directory:
        return False
    given = re.compile(rf"\bsetattr\(\s*{re.escape(posixpath.basename(directory))}\s*,")
    beside = (each for each in context.repository.inside(directory) if each.endswith(".py"))
    return any(given.search(context.repository.glimpse(each)) for each in beside)


def _finding(context: Context, lack: Lack, name: str) -> Finding:
    assert lack.name is not None
    facts = context.python(lack.path)
    near = get_close_matches(name, facts.names if facts else (), n=1, cutoff=0.7)
    renamed = bool(near) and not lack.imported.fallback  # then it is no name that only some other branch would have
    imported = replace(lack.imported, conditional=lack.imported.conditional and not renamed)
    severity, blocks = context.modules.severity(lack.importer, imported)
    there = [Involved(Place(lack.path), "module")] if facts else []
    return RULE.found(
        f"`{name}` is imported from `{lack.module}` here, which has no such name",
        Place(lack.importer, lack.name.line, lack.name.column),
        *there,
        anchor=f"{lack.module} {name}",
        severity=severity,
        confidence=lack.confidence,
        fix=RULE.fix + (f": there is `{near[0]}`" if near else ""),
        blocks=blocks,
    )


_CAUGHT = """
    === app/__init__.py
    === app/main.py
    def begin():
        try:
            from .view import %s
        except ImportError:
            %s
    === app/view.py
    import drawing
    def run_remote(url): ...
"""
_PARTS = """
    === pyproject.toml
    [project]
    name = "shop"
    === shop/__init__.py
    %s
    === shop/models.py
    def save(): ...
"""
BAD = [
    tree(_PARTS % "from . import models, views"),
    tree(_PARTS % "from shop import models, views"),
    tree(_PARTS % "from shop.models import load" + "    import sys\n    FAST = 'fast' in sys.modules\n"),
    tree(_CAUGHT % ("run_remote_app", "from .plain import run_plain")),
    tree("""
        === app/__init__.py
        === app/main.py
        from app.settings import DEBUGGING
        === app/settings.py
        DEBUG = False
    """),
    tree("""
        === app/__init__.py
        === app/main.py
        def begin(quick):
            if quick:
                from .settings import Fast
            else:
                from .settings import Settings
            return Settings
        === app/settings.py
        class SlowSettings: ...
        class Fast: ...
    """),
    tree("""
        === jobs/__init__.py
        from .queue import *
        === jobs/queue.py
        def push(item):
            return item
        === jobs/run.py
        from jobs import push, pull
    """),
    tree("""
        === run.py
        from tools import helper
        === tools/__init__.py
        from .build import build
        === tools/build.py
        def build():
            pass
    """),
]
GOOD = [
    tree(_PARTS % "from . import models\n    from .models import save\n    from shop import save as kept"),
    tree(_PARTS % "try:\n        from . import views\n    except ImportError:\n        pass"),
    tree(_PARTS % "import sys\n    sys.modules[__name__] = 1\n    from shop.models import save"),
    tree(_CAUGHT % ("run_remote", "return")),
    tree(_CAUGHT % ("draw_fast", "return")),
    tree(_CAUGHT % ("run_remote_app", "from .plain import run_remote_app")),
    tree("""
        === app/__init__.py
        from .lazy import *
        === app/lazy.py
        import sys
        def __getattr__(name):
            return name
        === app/names.py
        for number, word in enumerate("ab"):
            pass
        with open("x") as file:
            content = file.read()
        try:
            import json as codec
        except ImportError:
            codec = None
        if (size := len(content)) > 1:
            BIG = True
        else:
            SMALL = True
        (left, [middle, *rest]) = 1, [2, 3]
        def define():
            global late
            late = 1
        class Thing: ...
        === app/main.py
        from app import whatever, names
        from app.names import number, word, file, content, codec, size, BIG, SMALL, left, middle, rest, late, Thing
        from app.names import __name__, __doc__
        from app.table import ANY
        === app/table.py
        globals().update({"ANY": 1})
    """),
]
