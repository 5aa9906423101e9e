"""What commands of Flask applications accept: `flask NAME`, of functions with `@app.cli.command` and their groups."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from sophia_preflight.calls.model import Call, Program
from sophia_preflight.calls.options import part
from sophia_preflight.interfaces.click import Click
from sophia_preflight.interfaces.literals import keyword_of, literal, name_of
from sophia_preflight.interfaces.model import Interface, Parser
from sophia_preflight.readers.python import nodes_of
from sophia_preflight.text import Word, named

if TYPE_CHECKING:
    from sophia_preflight.context import Context

_SPEAKS = re.compile(r"\.cli\.(command|group|add_command)\(|\bAppGroup\(")
_VALUED = named("-A --app -e --env-file")

_Command = tuple[str, Parser]


class FlaskCommands:
    """The commands of the repository's applications, by the words that name them."""

    def __init__(self, context: Context) -> None:
        self.context = context

    @cached_property
    def named(self) -> dict[tuple[str, ...], list[_Command]]:
        found: dict[tuple[str, ...], list[_Command]] = {}
        for path in sorted(self.context.modules.python):
            if _SPEAKS.search(self.context.repository.glimpse(path)):
                tree = self.context.programs.tree(path)
                for words, parser in _commands(tree) if tree is not None else ():
                    found.setdefault(words, []).append((path, parser))
        return found

    def told(self, call: Call) -> tuple[str, Sequence[Word], Interface] | None:
        """The file of the command that a call runs, what it is told, and what it accepts."""
        target = call.target
        if not isinstance(target, Program) or target.name.value != "flask" or not self.named:
            return None
        words = part(target.arguments, _VALUED, stop=True).rest
        for length in (2, 1):
            found = self.named.get(tuple(word.value for word in words[:length]), [])
            if len(found) == 1 and len(words) >= length:
                path, parser = found[0]
                return path, words[length:], Interface("click", parser, parser.line)
        return None


def _commands(tree: ast.Module) -> Iterator[tuple[tuple[str, ...], Parser]]:
    nodes = nodes_of(tree)
    reader = Click(nodes, [])
    groups = dict(_groups(nodes))
    added = {
        name_of(node.args[0])
        for node in nodes
        if isinstance(node, ast.Call) and name_of(node.func).endswith("cli.add_command") and len(node.args) == 1
    }
    for function in reader.functions.values():
        owner = reader.read(function)
        parser = reader.parsers.get(function.name)
        if parser is None or parser.has_commands:
            continue
        for name in reader.own_names[function.name]:
            if owner in groups:
                yield (*groups[owner], name), parser
            elif (owner.endswith(".cli") and owner not in groups) or function.name in added:
                yield (name,), parser


def _groups(nodes: Sequence[ast.AST]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Groups of commands by the names that they have in a file, and the words that name them; of blueprints too."""
    for node in nodes:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call(func=func, args=[first, *_]) as made):
                kind, said = name_of(func).rpartition(".")[2], literal(first)
            case _:
                continue
        if kind == "AppGroup" and isinstance(said, str):
            yield name, (said,)
        elif kind == "Blueprint" and isinstance(said, str):
            group = keyword_of(made, "cli_group")
            own = said if group is None else literal(group)
            yield f"{name}.cli", (own,) if isinstance(own, str) else ()
