"""`DJANGO_SETTINGS_MODULE`: settings that no file of the repository has, though it has their package."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable

from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Confidence, Finding, Place, Rule, Severity
from sophia_preflight.standing import limited

RULE = Rule(
    id="missing-settings-module",
    title="Django is told settings that do not exist",
    severity=Severity.CRITICAL,
    why="Django ends with ModuleNotFoundError as soon as it reads its settings",
    fix="name the module that is there",
    family="python",
)
_ENDS = ("example", "sample", "template", "dist", "in", "j2", "tmpl")
_NAME = "DJANGO_SETTINGS_MODULE"
_SAID = re.compile(
    rf"(?:{_NAME}[\"']?\]?\s*(?:=|:|,|\s)\s*|\b(?:manage\.py|django-admin)\s[^&|;#\n]*?\s--settings[ =])"
    r"[\"']?([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+)(?=[\"'\s,;)\]]|$)"
)
_KINDS = frozenset(
    {"python", "shell", "dockerfile", "compose", "workflow", "pipeline", "make", "tox", "project", "procfile",
     "systemd", "supervisor", "yaml", "package", "document"}
)  # fmt: skip


_MODEL = ("{}_example", "{}_sample", "{}_template", "{}_dist", "{}-example", "{}.example", "example_{}", "sample_{}")


def _is_made_of(context: Context, path: str) -> bool:
    """Whether an example lies beside it that everybody copies to have settings of his own."""
    directory, name = posixpath.split(path.removesuffix(".py"))
    models = [posixpath.join(directory, each.format(name)) for each in _MODEL]
    return any(
        map(context.repository.is_file, [f"{each}.py" for each in models] + [f"{path}.{each}" for each in _ENDS])
    )


def check(context: Context) -> Iterable[Finding]:
    for path, facts in context.facts.items():
        if facts.kind not in _KINDS or path.endswith((".md", ".rst")):
            continue
        text = context.repository.text(path)
        if _NAME not in text and "--settings" not in text:
            continue
        for number, line in enumerate(text.split("\n"), 1):
            match = _SAID.search(line)
            if match is None or line.lstrip().startswith(("#", "//")):
                continue
            module = match[1]
            roots = context.module_roots(module.partition(".")[0])
            if not roots or any(context.finder.module_file(root, module.replace(".", "/")) for root in roots):
                continue
            if any(
                context.finder.is_made(path) or _is_made_of(context, path)
                for path in (f"{root}/{module.replace('.', '/')}.py".removeprefix("./") for root in roots)
            ):
                continue
            yield RULE.found(
                f"there is no module `{module}` for `{_NAME}`",
                Place(path, number, match.start(1) + 1),
                anchor=module,
                severity=limited(
                    Severity.HIGH if facts.kind in ("workflow", "tox", "pipeline") else RULE.severity, path
                ),
                confidence=Confidence.LIKELY,
                blocks=f"what `{path}` starts",
            )


BAD = [
    tree("""
        === Dockerfile
        FROM python:3.12-slim
        COPY . .
        ENV DJANGO_SETTINGS_MODULE=shop.settings.production
        CMD ["python", "manage.py", "runserver"]
        === manage.py
        === shop/__init__.py
        === shop/settings/__init__.py
        === shop/settings/prod.py
    """),
    tree("""
        === manage.py
        import os
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
        === shop/__init__.py
        === shop/config.py
    """),
    tree("""
        === Makefile
        run:
        \tpython manage.py runserver 8000 --settings=shop.settings.local
        === manage.py
        === shop/__init__.py
        === shop/settings/__init__.py
        === shop/settings/dev.py
    """),
]
GOOD = [
    tree("""
        === shop/wsgi.py
        import os
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
        === shop/__init__.py
        === shop/settings_example.py
    """),
    tree("""
        === manage.py
        import os
        # os.environ["DJANGO_SETTINGS_MODULE"] = "shop.settings.local"
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
        === tox.ini
        [testenv]
        setenv =
            DJANGO_SETTINGS_MODULE=other.settings
        commands = pytest
        === shop/__init__.py
        === shop/settings/__init__.py
    """),
]
