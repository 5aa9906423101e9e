"""What the files of task runners offer: recipes of just, tasks of task and of mise, sessions of nox."""

from __future__ import annotations

import ast
import fnmatch
import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sophia_preflight.readers import justfile, toml, yaml
from sophia_preflight.readers.later_grammar import parsed
from sophia_preflight.text import upward

if TYPE_CHECKING:
    from sophia_preflight.repository import Repository

FILES = {
    "just": justfile.NAMES,
    "task": tuple(
        f"{name}{dist}.{ending}"
        for dist in ("", ".dist")
        for name in ("Taskfile", "taskfile")
        for ending in ("yml", "yaml")
    ),
    "nox": ("noxfile.py",),
    "mise": ("mise.toml", ".mise.toml", "mise/config.toml", ".mise/config.toml", ".config/mise.toml"),
}
_MOST = 8
"""How deep files may bring in others."""


@dataclass(frozen=True)
class Offer:
    """Names that may be asked for, some of them patterns; `open` where there may be more than are seen."""

    names: frozenset[str]
    open: bool = False

    def has(self, name: str) -> bool:
        return name in self.names or any(fnmatch.fnmatchcase(name, each) for each in self.names if "*" in each)


_ANY = Offer(frozenset(), open=True)


class Recipes:
    def __init__(self, repository: Repository) -> None:
        self.repository = repository
        self._known: dict[tuple[str, str], Offer] = {}

    def nearest(self, runner: str, directory: str) -> Iterator[str]:
        """The files of a runner in a directory and above it, the inner ones first."""
        for each in (*upward("" if directory == "." else directory), ""):
            for name in FILES[runner]:
                path = posixpath.normpath(posixpath.join(each, name))
                if self.repository.is_file(path):
                    yield path
                    break

    def everywhere(self, runner: str) -> list[str]:
        paths = (path for name in FILES[runner] for path in self.repository.by_name.get(posixpath.basename(name), []))
        return sorted(set(paths))

    def offer(self, runner: str, path: str) -> Offer:
        """What the runner finds, told of this file."""
        if (runner, path) not in self._known:
            self._known[runner, path] = _ANY  # a file that brings in itself
            read = {"just": self._just, "task": self._task, "nox": self._nox, "mise": self._mise}[runner]
            self._known[runner, path] = read(path)
        return self._known[runner, path]

    def _just(self, path: str) -> Offer:
        made = justfile.parse(self.repository.text(path))
        names, is_open = made.names | set(made.modules), False
        for name, optional in made.imports:
            other = justfile.below(path, name)
            if self.repository.is_file(other):
                inner = self.offer("just", other)
                names, is_open = names | inner.names, is_open or inner.open
            elif not optional or "~" in name:
                is_open = True
        for name, places in made.modules.items():
            here = [justfile.below(path, each) for each in places]
            there = next((each for each in here if self.repository.is_file(each)), None)
            inner = self.offer("just", there) if there is not None else _ANY
            names |= {f"{name}::*"} if inner.open else {f"{name}::{each}" for each in inner.names}
        if "fallback" in made.settings and made.settings["fallback"] != "false":
            above = list(self.nearest("just", posixpath.dirname(posixpath.dirname(path)))) if "/" in path else []
            for other in above[:1]:
                inner = self.offer("just", other)
                names, is_open = names | inner.names, is_open or inner.open
        return Offer(frozenset(names), is_open or not made.names)

    def _task(self, path: str) -> Offer:
        names: set[str] = set()
        is_open = False
        for root in yaml.parse(self.repository.text(path)).documents:
            for name, task in root["tasks"].items():
                names |= {name, *(each.text for each in task["aliases"].elements())}
            for space, included in root["includes"].items():
                spaces = [space, *(each.text for each in included["aliases"].elements())]
                inner = self._included(path, included.text or included["taskfile"].text)
                if included["flatten"].text == "true":
                    names, is_open = names | inner.names, is_open or inner.open
                for each in spaces:
                    names |= {each, f"{each}:*"} if inner.open else {each, *(f"{each}:{name}" for name in inner.names)}
        return Offer(frozenset(names), is_open or not names)

    def _included(self, path: str, name: str) -> Offer:
        other = posixpath.normpath(posixpath.join(posixpath.dirname(path), name))
        if "{{" in name or "://" in name:
            return _ANY
        if not self.repository.is_file(other):
            inside = (posixpath.join(other, each) for each in FILES["task"])
            other = next((each for each in inside if self.repository.is_file(each)), "")
        return self.offer("task", other) if other else _ANY

    def _mise(self, path: str) -> Offer:
        root = toml.parse(self.repository.text(path))
        tasks = toml.table(root, "tasks")
        names = set(map(str, tasks))
        for task in tasks.values():
            alias = task.get("alias") if isinstance(task, dict) else None
            names |= {alias} if isinstance(alias, str) else set(map(str, alias)) if isinstance(alias, list) else set()
        scripts = re.compile(r"(^|/)(\.?mise[-/]tasks|\.config/mise/tasks)/")
        is_open = "task_config" in root or any(map(scripts.search, self.repository.entries))
        return Offer(frozenset(names), is_open or not names)

    def _nox(self, path: str) -> Offer:
        text = self.repository.text(path)
        try:
            tree, _ = parsed(text)
        except (SyntaxError, ValueError, RecursionError):
            return _ANY
        names: set[str] = set()
        marks = 0
        for node in tree.body:
            if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                continue
            for mark in node.decorator_list:
                called = mark.func if isinstance(mark, ast.Call) else mark
                said = ast.unparse(called).rpartition(".")[2]
                if said != "session":
                    continue
                marks += 1
                given = {each.arg: each.value for each in mark.keywords} if isinstance(mark, ast.Call) else {}
                name = given.get("name")
                plain = name.value if isinstance(name, ast.Constant) and isinstance(name.value, str) else None
                if name is not None and plain is None:
                    return _ANY
                names |= {f"{plain or node.name}{end}" for end in ("", "-*", "(*", "-*(*")}
        more = len(re.findall(r"\bsession\s*\(", text)) > len(re.findall(r"^@[\w.]*\bsession\s*\(", text, re.MULTILINE))
        return Offer(frozenset(names), not names or more or "import *" in text or marks == 0)
