"""An extra or group that the project does not have: `uv sync --extra`, `poetry install --with`, `pip install .[x]`."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

from sophia_preflight.calls.model import Call, Caller, Needed, Program
from sophia_preflight.calls.options import part
from sophia_preflight.calls.programs.python import PROJECT
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Confidence, Finding, Involved, Place, Rule, Severity
from sophia_preflight.packaging import normal_name
from sophia_preflight.readers import toml
from sophia_preflight.standing import consequence
from sophia_preflight.text import Word, named, upward

RULE = Rule(
    id="missing-extra",
    title="an extra or group is installed that the project does not have",
    severity=Severity.HIGH,
    why="uv and poetry end with an error; pip only warns, and what the extra should have brought is missing",
    fix="correct the name, or add it to pyproject.toml",
    family="targets",
)
_VALUED = named("--extra --group --only-group --no-group --package -p --python --directory --project --with --without "
                "--only -E --extras --index --env-file -C")  # fmt: skip

_ELSEWHERE = ("--directory", "--project", "--package", "-C", "--all-packages")


_EXTRAS = re.compile(r"[\w.-]+(?:\s*,\s*[\w.-]+)*")


def check(context: Context) -> Iterable[Finding]:
    for call in context.begun:
        if isinstance(call.target, Needed) and call.target.purpose == PROJECT:
            yield from _by_pip(context, call, call.target.path)
        if not isinstance(call.target, Program) or call.target.name.value not in ("uv", "poetry"):
            continue
        words = call.target.arguments
        parted = part(words, _VALUED)
        verb = parted.operands[0].value if parted.operands else ""
        if verb not in ("sync", "install") or parted.has(
            "--directory", "--project", "--package", "-C", "--all-packages"
        ):
            continue
        extras = parted.all("--extra") if call.target.name.value == "uv" else parted.all("-E", "--extras")
        groups = parted.all("--group", "--only-group", "--with", "--only")
        path = _project(context, call)
        if path:
            yield from _missing(context, call, path, extras, groups)


def _by_pip(context: Context, call: Call, project: Word) -> Iterable[Finding]:
    """What stands in brackets behind the project that pip installs, or uv in its place."""
    location = context.path_of(project, call)
    base = posixpath.dirname(project.value) or "."
    said = re.search(rf"(?<![\w./-])(?:\./)?{re.escape(base)}/?\[([^\]]*)\]", call.text)
    if location.found and said is not None and _EXTRAS.fullmatch(said[1]):
        asked = Word(said[1], project.line, project.column)
        yield from _missing(context, call, location.path, [asked], [], lenient=True)


def _project(context: Context, call: Call) -> str:
    location = context.path_of(Word("pyproject.toml"), call)
    return location.path if location.found else ""


def _missing(
    context: Context, call: Call, path: str, extras: list[Word], groups: list[Word], *, lenient: bool = False
) -> Iterable[Finding]:
    """With `lenient`, whoever installs goes on without an extra: that matters where another one must be meant."""
    root = toml.parse(context.repository.text(path))
    if not root:
        return
    project, poetry, known_of = toml.table(root, "project"), toml.table(root, "tool", "poetry"), _known(root)
    if "optional-dependencies" in (project.get("dynamic") or ()) or (lenient and not (project or poetry)):
        return
    for kind, asked in (("extra", extras), ("group", groups)):
        known = known_of[kind]
        names = {normal_name(each) for each in known}
        for word in asked:
            for name in word.value.replace(",", " ").split():
                if word.known and normal_name(name) not in names and not _is_above(context, call, path, kind, name):
                    near = get_close_matches(name, known, n=1)
                    severity, blocks = consequence(call.site)
                    if lenient and (not near or name in toml.table(root, "dependency-groups")):
                        severity = severity.at_most(Severity.MEDIUM)
                    yield RULE.found(
                        f"`{posixpath.normpath(path)}` has no {kind} `{name}`",
                        Involved(Place(call.site.path, word.line, word.column), "call"),
                        Involved(Place(path), "callee"),
                        anchor=f"{kind} {name} from {call.site.owner}",
                        severity=severity,
                        confidence=Confidence.LIKELY,
                        fix=RULE.fix + (f": there is `{near[0]}`" if near else ""),
                        blocks=blocks,
                    )


def _known(root: dict[str, Any]) -> dict[str, list[str]]:
    """The extras and the groups that a `pyproject.toml` defines."""
    project, poetry = toml.table(root, "project"), toml.table(root, "tool", "poetry")
    return {
        "extra": [*toml.table(project, "optional-dependencies"), *toml.table(poetry, "extras")],
        "group": [*toml.table(root, "dependency-groups"), *toml.table(poetry, "group"), "dev", "main"],
    }


def _is_above(context: Context, call: Call, path: str, kind: str, name: str) -> bool:
    """Whether a page may mean a project around the one that it lies in, which has an extra or group of the name."""
    if call.site.caller is not Caller.DOCUMENT:
        return False
    for directory in (*upward(posixpath.dirname(path)), "")[1:]:
        root = toml.parse(context.repository.text(posixpath.join(directory, "pyproject.toml").lstrip("/")))
        if any(normal_name(each) == normal_name(name) for each in _known(root)[kind]):
            return True
    return False


BAD = [
    tree("""
        === Dockerfile
        FROM python:3.13
        WORKDIR /app
        COPY . .
        RUN uv sync --frozen --extra webservice --extra watcher
        === pyproject.toml
        [project]
        name = "shop"
        [project.optional-dependencies]
        webservice = []
        watch = []
    """),
    tree("""
        === Dockerfile
        FROM python:3.13
        WORKDIR /app
        COPY pyproject.toml ./
        RUN pip install --no-cache-dir ".[mysql,mongodb]"
        === pyproject.toml
        [project]
        name = "shop"
        [project.optional-dependencies]
        mysql = []
        mongo = []
    """),
    tree("""
        === Makefile
        install:
        \tpoetry install --with docs,lint
        === pyproject.toml
        [tool.poetry]
        name = "shop"
        [tool.poetry.group.docs.dependencies]
    """),
]
GOOD = [
    tree("""
        === Makefile
        install:
        \tpip install -e .[mysql] ./other[x] && python -m pip install -e ".[MySQL]" "$(PACKAGE)[more]" requests[socks]
        === pyproject.toml
        [project]
        name = "shop"
        [project.optional-dependencies]
        mysql = []
        === other/setup.py
        from setuptools import setup
        setup(extras_require={})
    """),
    tree("""
        === Makefile
        install:
        \tuv sync --extra web_service --group dev --group lint && uv sync --extra $(EXTRA)
        \tuv sync --package x --extra y
        === pyproject.toml
        [project]
        name = "shop"
        [project.optional-dependencies]
        web-service = []
        [dependency-groups]
        lint = []
    """),
]
