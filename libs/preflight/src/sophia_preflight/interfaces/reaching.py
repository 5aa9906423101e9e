"""What a program calls as it starts: functions of its own, and methods of its classes, as far as their names tell."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from typing import TypeAlias

from sophia_preflight.interfaces.literals import name_of

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef
DEEPEST = 4


class Reaching:
    """Functions and methods of a program, by what calls them."""

    def __init__(self, nodes: Sequence[ast.AST]) -> None:
        self.methods: dict[str, dict[str, Function]] = {
            node.name: {each.name: each for each in node.body if isinstance(each, Function)}
            for node in nodes
            if isinstance(node, ast.ClassDef)
        }
        inside = {id(each) for methods in self.methods.values() for each in methods.values()}
        self.functions = {node.name: node for node in nodes if isinstance(node, Function) and id(node) not in inside}

    def from_start(self, start: Sequence[ast.stmt]) -> list[ast.stmt]:
        """These statements, and those of what they call, the nearer ones first."""
        found = list(start)
        waiting: list[tuple[Sequence[ast.stmt], str]] = [(start, "")]
        seen: set[int] = set()
        for _ in range(DEEPEST):
            called = [each for body, owner in waiting for each in self._called(body, owner)]
            waiting = []
            for function, owner in called:
                if id(function) not in seen:
                    seen.add(id(function))
                    found += function.body
                    waiting.append((function.body, owner))
        return found

    def _called(self, body: Sequence[ast.stmt], owner: str) -> Iterator[tuple[Function, str]]:
        """What statements call, and the class that it is of; `owner` is that of `self`."""
        objects = {"self": owner, "cls": owner}
        for node in (inner for each in body for inner in ast.walk(each)):
            if isinstance(node, ast.Assign) and len(node.targets) == 1 and (made := self._class(node.value)):
                objects[name_of(node.targets[0])] = made
        for node in (inner for each in body for inner in ast.walk(each)):
            if isinstance(node, ast.Call) and (found := self._target(node.func, objects)) is not None:
                yield found

    def _class(self, value: ast.expr) -> str:
        name = name_of(value.func) if isinstance(value, ast.Call) else ""
        return name if name in self.methods else ""

    def _target(self, func: ast.expr, objects: dict[str, str]) -> tuple[Function, str] | None:
        if isinstance(func, ast.Name) and func.id in self.functions:
            return self.functions[func.id], ""
        if isinstance(func, ast.Attribute):
            owner = self._class(func.value) or objects.get(name_of(func.value), "")
            if func.attr in self.methods.get(owner, {}):
                return self.methods[owner][func.attr], owner
        return None
