"""What tasks of invoke accept: `invoke NAME --option`, and installed commands that are made of a `tasks.py`.

A task is a function with `@task`; each of its parameters but the first is an option of the same name.
"""

from __future__ import annotations

import ast
import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from sophia_preflight.calls.model import Call, Program
from sophia_preflight.interfaces.literals import keyword_of, name_of
from sophia_preflight.interfaces.vocabulary import Vocabulary
from sophia_preflight.text import Word, is_known, named

if TYPE_CHECKING:
    from sophia_preflight.context import Context

_FILE = re.compile(r"(^|/)tasks(\.py|/[^/]+\.py)$")
_TASK = re.compile(r"^[ \t]*@(invoke\.)?task\b", re.MULTILINE)
_INVOKE = re.compile(r"^[ \t]*(from|import)[ \t]+invoke\b", re.MULTILINE)
_CORE = named(
    "--complete --collection -c --config -f --debug -d --dry -R --echo -e --help -h --hide --list -l --list-depth -D "
    "--list-format -F --no-dedupe --prompt-for-sudo-password --pty -p --search-root -r --version -V --warn-only -w "
    "--write-pyc --command-timeout -T --print-completion-script"
)
_CORE_VALUED = named("-c --collection -f --config --hide -D --list-depth -F --list-format -r --search-root -T")


@dataclass(frozen=True)
class Task:
    """A task and its options, without their dashes."""

    path: str
    line: int
    options: frozenset[str]


class Tasks:
    """The tasks of the repository by name."""

    def __init__(self, context: Context) -> None:
        self.context = context

    @cached_property
    def named(self) -> dict[str, list[Task]]:
        found: dict[str, list[Task]] = {}
        for path in sorted(self.context.repository.entries):
            if _FILE.search(path) and _TASK.search(text := self.context.repository.text(path)) and _INVOKE.search(text):
                tree = self.context.programs.tree(path)
                for name, task in _tasks(path, tree) if tree is not None else ():
                    found.setdefault(name, []).append(task)
        return found

    def told(self, call: Call) -> tuple[Vocabulary, Sequence[Word]] | None:
        """What the tasks of a call accept together, and what they are told; None for a call of anything else."""
        match call.target:
            case Program(name=name, arguments=arguments) if self.named:
                program = posixpath.basename(name.value)
                if program not in ("invoke", "inv") and program not in self._installed:
                    return None
            case _:
                return None
        words = _after_core(arguments)
        if not words or (first := self._find(words[0])) is None:
            return None
        options = set(first.options)
        for word in words[1:]:
            if (other := self._find(word)) is not None:
                options |= other.options
        return Vocabulary("Python", first.path, first.line, frozenset(options), negates=True), words[1:]

    def _find(self, word: Word) -> Task | None:
        """The one task of a name, whatever collection it is in."""
        if not is_known(word.value):
            return None
        found = self.named.get(word.value.rpartition(".")[2].replace("_", "-"), [])
        return found[0] if len(found) == 1 else None

    @cached_property
    def _installed(self) -> frozenset[str]:
        """Commands of ours whose module hands what it is told to invoke, beside the tasks."""
        beside = {posixpath.dirname(task.path) for tasks in self.named.values() for task in tasks}
        found: set[str] = set()
        for project in self.context.modules.projects.by_directory.values():
            for point in project.entry_points:
                module = point.value.partition(":")[0].strip().replace(".", "/")
                for root in self.context.module_roots(module.partition("/")[0]) if point.is_command else ():
                    path = self.context.finder.module_file(root, module)
                    if path and posixpath.dirname(path) in beside:
                        text = self.context.repository.glimpse(path)
                        if _INVOKE.search(text) and re.search(r"\bsys\.argv\b|\bProgram\(", text):
                            found.add(point.name)
        return frozenset(found)


def _after_core(words: Sequence[Word]) -> Sequence[Word]:
    """The words from the name of the first task on."""
    index = 0
    while index < len(words) and words[index].value.startswith("-"):
        name = words[index].value.partition("=")[0]
        if name not in _CORE:
            return ()
        index += 2 if words[index].value in _CORE_VALUED else 1
    return words[index:]


def _tasks(path: str, tree: ast.Module) -> Iterator[tuple[str, Task]]:
    for node in tree.body:
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        for decorator in node.decorator_list:
            call = decorator if isinstance(decorator, ast.Call) else None
            if name_of(call.func if call else decorator) not in ("task", "invoke.task") or len(node.decorator_list) > 1:
                continue
            if node.args.vararg or node.args.kwarg:
                continue
            parameters = [*node.args.args[1:], *node.args.kwonlyargs]
            options = {_dashed(each.arg) for each in parameters} | {each.arg for each in parameters}
            task = Task(path, node.lineno, frozenset(options))
            said = keyword_of(call, "name") if call else None
            names = [said.value] if isinstance(said, ast.Constant) else [node.name] if said is None else []
            aliases = keyword_of(call, "aliases") if call else None
            if isinstance(aliases, (ast.List, ast.Tuple)):
                names += [each.value for each in aliases.elts if isinstance(each, ast.Constant)]
            for name in names:
                yield _dashed(str(name)), task


def _dashed(name: str) -> str:
    return name.strip("_").replace("_", "-")
