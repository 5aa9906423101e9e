"""Calls of Python projects: the tasks of `pyproject.toml`, and the files that a project needs to be installed."""

from __future__ import annotations

import ast
import posixpath
import re
import tomllib
from collections.abc import Iterator
from typing import Any

from sophia_preflight.calls.model import Call, Caller, Needed, Site, Trace
from sophia_preflight.calls.shell import follow
from sophia_preflight.model import Place
from sophia_preflight.readers import tasks
from sophia_preflight.readers.snippet import Snippet
from sophia_preflight.text import ROOT, UNKNOWN, Word, joined

_SELECTED = re.compile(r"^\s*\{[^}]*\}\s*$")
_READ = re.compile(r"[\w./-]+\.(md|rst|txt|in|toml|cfg)")
_FIELD = re.compile(r"\{(\w+)[^}]*\}")


def trace_of(path: str, text: str) -> Trace:
    """Of `pyproject.toml` or `hatch.toml`."""
    found = Trace()
    directory = joined(ROOT, posixpath.dirname(path) or ".")
    named = tasks.parse(text, hatch=posixpath.basename(path) == "hatch.toml")
    for task in named.all:
        own = named.of(task.runner, task.environment)
        first = task.command.split(" ", 1)[0]
        if not task.command or _SELECTED.match(task.command) or (task.runner == "hatch" and first in own):
            continue
        command = _FIELD.sub(lambda field: "." if field[1] == "root" else UNKNOWN, task.command)
        site = Site(path, Caller.TASK, directory, owner=task.name)
        follow(Snippet(path, command, task.line, task.column), site, found)
    for needed, line in _needed(text):
        site = Site(path, Caller.PROJECT, directory, owner=posixpath.basename(path))
        found.calls.append(Call(needed(line), site, Place(path, line, 1), needed(line).path.value))
    return found


class _Wanted:
    """A file or directory that a project names; `__call__` puts it into a line."""

    def __init__(self, path: str, purpose: str, *, directory: bool = False) -> None:
        self.path, self.purpose, self.directory = path, purpose, directory

    def __call__(self, line: int) -> Needed:
        return Needed(Word(self.path, line, 1), self.purpose, directory=self.directory, written=True)


def _needed(text: str) -> Iterator[tuple[_Wanted, int]]:
    try:
        root: Any = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):
        return
    lines = text.split("\n")
    for wanted in _wanted(root):
        line = next((number for number, line in enumerate(lines, 1) if f'{wanted.path}"' in line), 0)
        line = line or next((number for number, line in enumerate(lines, 1) if f"{wanted.path}'" in line), 0)
        if line and not re.search(r"[*?{$\[]", wanted.path):
            yield wanted, line


def _wanted(root: Any) -> Iterator[_Wanted]:
    project, tool = _at(root, "project"), _at(root, "tool")
    for said in (_at(project, "readme"), _at(project, "readme", "file"), _at(tool, "poetry", "readme")):
        if isinstance(said, str):
            yield _Wanted(said, "the readme of the project")
    said = _at(project, "license", "file")
    if isinstance(said, str):
        yield _Wanted(said, "the licence of the project")
    for each in (
        _at(tool, "setuptools", "dynamic").values() if isinstance(_at(tool, "setuptools", "dynamic"), dict) else ()
    ):
        files = _at(each, "file")
        for file in [files] if isinstance(files, str) else files if isinstance(files, list) else ():
            if isinstance(file, str):
                yield _Wanted(file, "what the project is described by")
    said = _at(tool, "hatch", "version", "path")
    if isinstance(said, str) and _at(tool, "hatch", "version", "source") in (None, "regex", "code"):
        yield _Wanted(said, "the version of the project")
    for each in _texts(_at(tool, "hatch", "build", "targets", "wheel", "packages")):
        yield _Wanted(each, "a package of the project", directory=True)
    for hook in (
        ("build", "hooks", "custom"),
        ("metadata", "hooks", "custom"),
        ("build", "targets", "wheel", "hooks", "custom"),
    ):
        if isinstance(path := _at(tool, "hatch", *hook, "path"), str):
            yield _Wanted(path, "the hook that hatch runs")
    for each in _at(tool, "cxfreeze", "executables") or ():
        if isinstance(_at(each, "script"), str):
            yield _Wanted(_at(each, "script"), "the script that is frozen")
    for each in _at(tool, "poetry", "packages") or ():
        include, base = _at(each, "include"), _at(each, "from")
        if isinstance(include, str) and not posixpath.splitext(include)[1]:
            yield _Wanted(f"{base}/{include}" if isinstance(base, str) else include, "a package", directory=True)


def _at(value: Any, *path: str) -> Any:
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    return value


def _texts(value: Any) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def installed_by(path: str, tree: ast.Module) -> Iterator[Call]:
    """Files that `setup.py` opens, and the directories of the packages that it lists."""
    site = Site(path, Caller.PROJECT, joined(ROOT, posixpath.dirname(path) or "."), owner="setup.py")
    careful = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, (ast.Try, ast.If, ast.IfExp))
        for inner in ast.walk(node)
    }
    own = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or id(node) in careful:
            continue
        name = ast.unparse(node.func).rpartition(".")[2] if isinstance(node.func, (ast.Name, ast.Attribute)) else ""
        composing = name in own and not _is_opened_as_given(own[name])
        if re.search(r"open$|read|require", name) and not composing and node.args and len(node.args) <= 2:
            said = node.args[0]
            mode = node.args[1].value if len(node.args) > 1 and isinstance(node.args[1], ast.Constant) else "r"
            path_said = said.value if isinstance(said, ast.Constant) else None
            if isinstance(path_said, str) and str(mode or "r")[:1] == "r" and _READ.fullmatch(path_said):
                yield _call(site, said, path_said, "the file that setup.py reads")
        elif name == "setup":
            yield from _packages(site, node)


def _is_opened_as_given(function: ast.FunctionDef) -> bool:
    """Whether a function opens the file that its first argument names, and not one whose name it puts together."""
    given = function.args.args[0].arg if function.args.args else ""
    opened = [
        node.args[0]
        for node in ast.walk(function)
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("open") and node.args
    ]
    return bool(opened) and all(isinstance(each, ast.Name) and each.id == given for each in opened)


def _packages(site: Site, node: ast.Call) -> Iterator[Call]:
    keywords = {each.arg: each.value for each in node.keywords if each.arg}
    try:
        listed = ast.literal_eval(keywords["packages"])
        places = ast.literal_eval(keywords["package_dir"]) if "package_dir" in keywords else {}
    except (KeyError, ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return
    if not isinstance(listed, (list, tuple)) or not isinstance(places, dict):
        return
    nodes = getattr(keywords["packages"], "elts", [])
    for said, where in zip(listed, nodes, strict=False):
        top = str(said).partition(".")[0]
        inner = str(said).replace(".", "/")
        if top in places:
            inner = f"{places[top]}/{inner.partition('/')[2]}".rstrip("/")
        elif "" in places:
            inner = f"{places['']}/{inner}"
        yield _call(site, where, inner, "a package of the project", directory=True)


def _call(site: Site, node: ast.expr, path: str, purpose: str, *, directory: bool = False) -> Call:
    word = Word(path, node.lineno, node.col_offset + 1)
    place = Place(site.path, node.lineno, node.col_offset + 1)
    return Call(Needed(word, purpose, directory=directory, written=True), site, place, path)
