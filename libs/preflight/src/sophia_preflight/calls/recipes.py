"""Calls of the files of task runners: what recipes of just run, and which others recipes and tasks need."""

from __future__ import annotations

import posixpath
from typing import Any

from sophia_preflight.calls.model import Call, Caller, Recipe, Site, Trace
from sophia_preflight.calls.shell import follow
from sophia_preflight.model import Place
from sophia_preflight.readers import justfile
from sophia_preflight.readers.tree import Node
from sophia_preflight.text import CWD, ROOT, UNKNOWN, Word


def of_just(path: str, text: str, found: Trace) -> None:
    """Lines of recipes, one shell for each; what just puts in is known where the file itself says it."""
    directory = CWD if "/" in path else ROOT  # one that others import works where they lie
    made = justfile.parse(text)
    if "working-directory" in made.settings:
        directory = UNKNOWN
    for recipe in made.recipes.values():
        site = Site(path, Caller.TASK, directory, owner=recipe.name)
        for word in recipe.needs:
            _need(path, word, "just", site, found)
        for snippet in justfile.scripts(path, made, recipe):
            follow(snippet, site, found)


def of_taskfile(path: str, root: Any, found: Trace) -> None:
    """What tasks of a Taskfile need of each other."""
    for name, task in root["tasks"].items():
        site = Site(path, Caller.TASK, ROOT, owner=name)
        for key in ("deps", "cmds", "cmd"):
            for each in task[key].some() or [task[key]]:
                node: Node = each["task"] if each.is_map else each if key == "deps" else each["task"]
                if node.is_scalar and node.text and "{{" not in node.text and not node.text.startswith(":"):
                    _need(path, Word(node.text, node.line, node.column), "task", site, found)


def _need(path: str, word: Word, runner: str, site: Site, found: Trace) -> None:
    here = Word(f"{ROOT}/{path}", word.line, word.column)
    place = Place(path, word.line, word.column)
    text = f"{posixpath.basename(path)}: {site.owner} needs {word.value}"
    found.calls.append(Call(Recipe(word, runner, here), site, place, text))
