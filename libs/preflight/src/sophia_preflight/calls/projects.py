"""Calls of Python projects: the tasks of `pyproject.toml`, and the files that a project needs to be installed."""

from __future__ import annotations

import ast
import posixpath
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from sophia_preflight.calls.model import Call, Caller, Needed, Site, Trace
from sophia_preflight.calls.shell import follow
from sophia_preflight.model import Place
from sophia_preflight.readers import tasks, toml
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
        command = _FIELD.sub(lambda field: "." if field[1] in ("root", "project", "package") else UNKNOWN, task.command)
        site = Site(path, Caller.TASK, directory, owner=task.name)
        follow(Snippet(path, command, task.line, task.column), site, found)
    site = Site(path, Caller.PROJECT, directory, owner=posixpath.basename(path))
    for needed in _named(text):
        found.calls.append(Call(needed, site, Place(path, needed.path.line, 1), needed.path.value))
    return found


def _named(text: str) -> Iterator[Needed]:
    """What a project names as its own, each in the line where it does."""
    lines = text.split("\n")
    for needed in _wanted(toml.parse(text)):
        path = needed.path.value
        line = next((number for end in "\"'" for number, said in enumerate(lines, 1) if f"{path}{end}" in said), 0)
        if line and not re.search(r"[*?{$\[]", path):
            yield replace(needed, path=Word(path, line, 1))


def _need(path: str, purpose: str, *, directory: bool = False) -> Needed:
    """A file or directory of the project; its line is told later."""
    return Needed(Word(path), purpose, directory=directory, written=True)


def _wanted(root: dict[str, Any]) -> Iterator[Needed]:
    project, tool = toml.at(root, "project"), toml.at(root, "tool")
    for said in (toml.at(project, "readme"), toml.at(project, "readme", "file"), toml.at(tool, "poetry", "readme")):
        if isinstance(said, str):
            yield _need(said, "the readme of the project")
    said = toml.at(project, "license", "file")
    if isinstance(said, str):
        yield _need(said, "the licence of the project")
    for each in toml.table(tool, "setuptools", "dynamic").values():
        files = toml.at(each, "file")
        for file in [files] if isinstance(files, str) else files if isinstance(files, list) else ():
            if isinstance(file, str):
                yield _need(file, "what the project is described by")
    for source in toml.table(tool, "uv", "sources").values():
        if isinstance(path := toml.at(source, "path"), str) and not path.endswith((".whl", ".gz")):
            yield _need(path, "the package that uv installs", directory=True)
    for each in _texts(toml.at(tool, "setuptools", "packages", "find", "where")):
        yield _need(each, "where the packages of the project are", directory=True)
    said = toml.at(tool, "hatch", "version", "path")
    if isinstance(said, str) and toml.at(tool, "hatch", "version", "source") in (None, "regex", "code"):
        yield _need(said, "the version of the project")
    for each in toml.at(tool, "bumpversion", "files") or ():
        if isinstance(said := toml.at(each, "filename"), str) and "{" not in said:
            yield _need(said, "the file that has the version")
    for each in _texts(toml.at(tool, "commitizen", "version_files")):
        yield _need(each.partition(":")[0], "the file that has the version")
    for each in _texts(toml.at(tool, "hatch", "build", "targets", "wheel", "packages")):
        yield _need(each, "a package of the project", directory=not re.search(r"\.\w+$", each))
    for hook in (
        ("build", "hooks", "custom"),
        ("metadata", "hooks", "custom"),
        ("build", "targets", "wheel", "hooks", "custom"),
    ):
        if isinstance(path := toml.at(tool, "hatch", *hook, "path"), str):
            yield _need(path, "the hook that hatch runs")
    for each in toml.at(tool, "cxfreeze", "executables") or ():
        if isinstance(toml.at(each, "script"), str):
            yield _need(toml.at(each, "script"), "the script that is frozen")
    for each in toml.at(tool, "poetry", "packages") or ():
        include, base = toml.at(each, "include"), toml.at(each, "from")
        if isinstance(include, str) and not posixpath.splitext(include)[1]:
            yield _need(f"{base}/{include}" if isinstance(base, str) else include, "a package", directory=True)


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
