"""Options that the repository adds to pytest, in `conftest.py` and plugins: which one a call meant by another name."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from typing import TYPE_CHECKING

from sophia_preflight.calls.model import Call, Program
from sophia_preflight.interfaces.literals import keyword_of
from sophia_preflight.interfaces.model import Mismatch, Problem
from sophia_preflight.readers.python import nodes_of
from sophia_preflight.text import is_known, named

if TYPE_CHECKING:
    from sophia_preflight.context import Context

_OTHERS = named(
    "--alluredir --basetemp --benchmark --browser --browsers --color --cov --cov-config --cov-report --dist "
    "--durations --exitfirst --forked --group --headed --headless --html --ignore --junitxml --last-failed --lf --ff "
    "--log-file --log-level --log-cli-level --maxfail --numprocesses --pdb --quiet --random-order --report-log "
    "--reruns --rootdir --runxfail --setup-show --slow --snapshot-update --splits --strict --strict-markers --timeout "
    "--trace --verbose"
)
"""Options of pytest and of its plugins that one of a repository may well be nearly called like."""


_MAY_ADD = re.compile(r"(^|/)conftest\.py$|plugin|option|pytest", re.IGNORECASE)
"""Modules that add options, by their names."""


@dataclass(frozen=True)
class _Added:
    path: str
    line: int
    destination: str


class AddedOptions:
    """What the repository's own test suites add, wherever they add it."""

    def __init__(self, context: Context) -> None:
        self.context = context

    @cached_property
    def named(self) -> dict[str, _Added]:
        found: dict[str, _Added] = {}
        for path in sorted(self.context.modules.python):
            if _MAY_ADD.search(path) and "addoption(" in self.context.repository.glimpse(path):
                tree = self.context.programs.tree(path)
                for name, line, destination in _added(tree) if tree is not None else ():
                    found.setdefault(name, _Added(path, line, destination))
        return found

    def told(self, call: Call) -> Iterator[tuple[str, int, Mismatch]]:
        """What a call of pytest is told that nobody adds: an option that has another name, or nearly that."""
        target = call.target
        if not isinstance(target, Program) or target.name.value not in ("pytest", "py.test") or not self.named:
            return
        for word in target.arguments:
            name = word.value.partition("=")[0]
            if word.value == "--":
                return
            if not name.startswith("--") or not is_known(name) or name in _OTHERS or name.startswith("--no-"):
                continue
            if any(each.startswith(name) for each in self.named):
                continue
            destination = name[2:].replace("-", "_")
            meant = [each for each, added in self.named.items() if added.destination == destination]
            meant = meant or get_close_matches(name, self.named, n=1, cutoff=0.88)
            if meant:
                added = self.named[meant[0]]
                said = f"it does not accept `{name}`"
                hint = f"did you mean `{meant[0]}`?"
                yield added.path, added.line, Mismatch(Problem.UNKNOWN, said, name, word, hint)


def _added(tree: ast.Module) -> Iterator[tuple[str, int, str]]:
    """Options by name, the line that adds each, and what it is known by if that is not its name."""
    for node in nodes_of(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or node.func.attr != "addoption":
            continue
        said = keyword_of(node, "dest")
        destination = said.value if isinstance(said, ast.Constant) and isinstance(said.value, str) else ""
        for each in node.args:
            if isinstance(each, ast.Constant) and isinstance(each.value, str) and each.value.startswith("--"):
                yield each.value, node.lineno, destination
