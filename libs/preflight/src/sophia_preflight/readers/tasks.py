"""Tasks that Python projects name in `pyproject.toml` or `hatch.toml`: of hatch, poe, pdm, rye and taskipy."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sophia_preflight.readers import toml

_HOOKS = (("jupyter-releaser", "hooks"), ("pixi", "tasks"))
"""Tables whose values are commands."""
_WHEELS = ("before-all", "before-build", "before-test", "test-command", "repair-wheel-command")
_NAMED_HOOKS = (
    (("cibuildwheel",), _WHEELS),
    *((("cibuildwheel", each), _WHEELS) for each in ("linux", "macos")),
    (("semantic_release",), ("build_command",)),
    (("bumpversion",), ("setup_hooks", "pre_commit_hooks", "post_commit_hooks")),
    (("commitizen",), ("pre_bump_hooks", "post_bump_hooks")),
)
"""Tables of which these values are commands."""


@dataclass(frozen=True)
class Task:
    """A task's command; `line` is where it stands, as far as its text tells."""

    runner: str
    environment: str
    """Of hatch; empty for the others."""
    name: str
    command: str
    line: int
    column: int


@dataclass(frozen=True)
class Tasks:
    """What the files of a project say; `parents` are the environments of hatch that one takes its scripts from."""

    all: tuple[Task, ...]
    environments: frozenset[str]
    parents: dict[str, str]
    open: frozenset[str]
    """Runners whose tasks come from elsewhere as well."""

    def of(self, runner: str, environment: str = "") -> set[str]:
        """Names of tasks, those of an environment with what it takes from others."""
        names: set[str] = set()
        seen: set[str] = set()
        while environment not in seen:
            seen.add(environment)
            names |= {each.name for each in self.all if each.runner == runner and each.environment == environment}
            if runner != "hatch" or environment == "default":
                break
            environment = self.parents.get(environment, "default")
        return names


def parse(text: str, *, hatch: bool = False) -> Tasks:
    """The tasks of a `pyproject.toml`, or with `hatch` of a `hatch.toml`; none of a file that is no TOML."""
    root = toml.parse(text)
    tool = {"hatch": root} if hatch else toml.table(root, "tool")
    lines = text.split("\n")
    found: list[Task] = []
    environments = toml.table(tool, "hatch", "envs")
    parents: dict[str, str] = {}
    for name, environment in environments.items():
        if isinstance(environment, dict):
            template = environment.get("template")
            parents[name] = template if isinstance(template, str) else "default"
            if environment.get("detached"):
                parents[name] = name
            _add(found, "hatch", name, toml.table(environment, "scripts"), lines)
    for runner, path in (
        ("poe", ("poe", "tasks")),
        ("pdm", ("pdm", "scripts")),
        ("rye", ("rye", "scripts")),
        ("task", ("taskipy", "tasks")),
    ):
        _add(found, runner, "", toml.table(tool, *path), lines)
    for hooks in _HOOKS:
        _add(found, "hook", "", toml.table(tool, *hooks), lines)
    for place, names in _NAMED_HOOKS:
        said = toml.table(tool, *place)
        _add(found, "hook", "", {name: said[name] for name in names if name in said}, lines)
    opened = {"poe"} if any(key.startswith("include") for key in toml.table(tool, "poe")) else set()
    return Tasks(tuple(found), frozenset(environments), parents, frozenset(opened))


def _add(found: list[Task], runner: str, environment: str, table: dict[str, Any], lines: list[str]) -> None:
    for name, value in table.items():
        commands = list(_commands(value))
        for command in commands or [""]:
            line, column = _place(name, command, lines)
            found.append(Task(runner, environment, str(name), command, line, column))


def _commands(value: Any) -> Iterator[str]:
    """The commands of a task that are those of a shell."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for each in value:
            yield from _commands(each)
    elif isinstance(value, dict):
        for key in ("cmd", "shell"):
            yield from _commands(value.get(key))


def _place(name: str, command: str, lines: list[str]) -> tuple[int, int]:
    first = command.strip().split("\n", 1)[0]
    escaped = first.replace("\\", "\\\\").replace('"', '\\"')
    for wanted in (first, escaped):
        for number, line in enumerate(lines, 1):
            if wanted and wanted in line and not line.lstrip().startswith("#"):
                return number, line.index(wanted) + 1
    for number, line in enumerate(lines, 1):
        if re.match(rf"\s*[\"']?{re.escape(str(name))}[\"']?\s*=|.*\.{re.escape(str(name))}\]", line):
            return number, 1
    return 1, 1
