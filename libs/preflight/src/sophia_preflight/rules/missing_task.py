"""`hatch run`, `poe`: a task that the Python project does not have."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from sophia_preflight.calls.model import Call, ProjectTask
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Confidence, Finding, Involved, Place, Rule, Severity
from sophia_preflight.packaging import normal_name
from sophia_preflight.readers import tasks
from sophia_preflight.standing import consequence
from sophia_preflight.text import named, upward

RULE = Rule(
    id="missing-task",
    title="a task is run that the Python project does not have",
    severity=Severity.HIGH,
    why="the runner ends with an error: it knows no such task, or finds no program of that name",
    fix="correct the name, or add the task to pyproject.toml",
    family="targets",
)
_USUAL = named(
    "python python3 pip pytest mypy ruff black isort flake8 pylint bandit coverage tox nox mkdocs sphinx-build mike "
    "pre-commit twine build bash sh echo cat ls make git docker uv pyright towncrier cz codespell vulture pyupgrade "
    "ipython jupyter alembic uvicorn gunicorn flask django-admin true which env printenv"
)
_OWN = re.compile(r"hatch-|\.|\+")
"""Environments that hatch brings itself, and those of a matrix."""


def check(context: Context) -> Iterable[Finding]:
    for call in context.typed:
        if isinstance(call.target, ProjectTask):
            yield from _missing(context, call, call.target)


def _missing(context: Context, call: Call, target: ProjectTask) -> Iterator[Finding]:
    project = _project(context, call)
    if project is None:
        return
    path, known = project
    name = target.name.value
    if target.runner in known.open or not any(each.runner == target.runner for each in known.all):
        return
    there = known.of(target.runner, target.environment)
    said = f"`{path}` has no task `{name}` of {target.runner}"
    if target.runner == "hatch":
        if _OWN.search(target.environment):
            return
        if target.environment not in known.environments | {"default"}:
            said, there = f"`{path}` has no environment `{target.environment}` of hatch", set(known.environments)
        elif name in there or _is_program(context, name):
            return
        else:
            said += f" in its environment `{target.environment}`"
    elif name in there:
        return
    near = get_close_matches(name, sorted(there), n=1)
    program = target.runner == "hatch" and target.environment == "default" and not near
    severity, blocks = consequence(call.site)
    yield RULE.found(
        said,
        Involved(Place(call.site.path, target.name.line, target.name.column), "call"),
        Involved(Place(path), "callee"),
        anchor=f"{target.environment}:{name} of {target.runner} from {call.site.owner}",
        severity=severity,
        confidence=Confidence.GUESS if program else Confidence.LIKELY,
        fix=RULE.fix + (f": there is `{near[0]}`" if near else ""),
        blocks=blocks,
    )


def _project(context: Context, call: Call) -> tuple[str, tasks.Tasks] | None:
    """The nearest project file at or above the call's directory that names tasks."""
    for base in context.finder.bases(call.site.path, call.site.directory):
        for directory in (*upward("" if base == "." else base), ""):
            for name in ("hatch.toml", "pyproject.toml"):
                path = posixpath.join(directory, name)
                if context.repository.is_file(path):
                    found = tasks.parse(context.repository.text(path), hatch=name == "hatch.toml")
                    if found.all:
                        return path, found
    return None


def _is_program(context: Context, name: str) -> bool:
    """Whether `hatch run` may find a program of that name in the environment."""
    projects = context.modules.projects.by_directory.values()
    own = {point.name for project in projects for point in project.entry_points}
    return "/" in name or name in _USUAL | own or normal_name(name) in context.modules.projects.needs


BAD = [
    tree("""
        === .github/workflows/ci.yml
        on: push
        jobs:
          test:
            runs-on: ubuntu-24.04
            steps:
              - uses: actions/checkout@v4
              - run: pip install hatch && hatch run test:lint
        === pyproject.toml
        [tool.hatch.envs.test.scripts]
        check = "ruff check"
    """),
    tree("""
        === Makefile
        clean:
        \tuv run poe clean-db
        === pyproject.toml
        [tool.poe.tasks]
        reset-db = "python reset.py"
        === reset.py
    """),
    tree("""
        === CONTRIBUTING.md
        ```sh
        hatch run docs:build
        ```
        === pyproject.toml
        [tool.hatch.envs.pages.scripts]
        build = "mkdocs build"
    """),
]
GOOD = [
    tree("""
        === Makefile
        all:
        \thatch run test:pytest && hatch run lint && hatch run test.py3.12:all && hatch run hatch-test:run
        \thatch run docs:lint && poe check && hatch run docs:serve
        === pyproject.toml
        [project]
        name = "shop"
        [project.scripts]
        serve = "shop:serve"
        [tool.hatch.envs.default.scripts]
        lint = ["ruff check", "all"]
        all = "pytest"
        [tool.hatch.envs.docs]
        dependencies = []
        [tool.hatch.envs.test.scripts]
        all = "pytest"
        [tool.poe.tasks.check]
        cmd = "ruff check"
        === shop/__init__.py
        def serve(): ...
    """),
]
