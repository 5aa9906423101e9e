"""What expressions of a program say that is written down: literals, names, the words that choices are taken from."""

from __future__ import annotations

import ast
from collections.abc import Sequence


def literal(node: ast.expr | None) -> object:
    try:
        return ast.literal_eval(node) if node is not None else None
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None


def keyword_of(node: ast.Call, name: str) -> ast.expr | None:
    return next((keyword.value for keyword in node.keywords if keyword.arg == name), None)


def name_of(node: ast.expr) -> str:
    """A dotted name as text; empty for anything else."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else ""


class Constants:
    """Lists of words that choices are taken from: literals, names of literals, keys of literal mappings, enums."""

    def __init__(self, nodes: Sequence[ast.AST]) -> None:
        self.values: dict[str, ast.expr] = {}
        self.enums: dict[str, list[str]] = {}
        for node in nodes:
            if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
                name = node.targets[0].id
                self.values[name] = node.value if name not in self.values else ast.Constant(None)
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
                self.values[node.target.id] = node.value
            elif isinstance(node, ast.ClassDef) and any("Enum" in ast.dump(base) for base in node.bases):
                members = [each.value for each in node.body if isinstance(each, ast.Assign)]
                literals = [value for each in members if isinstance(value := literal(each), str)]
                if len(literals) == len(members):
                    self.enums[node.name] = literals

    def words(self, node: ast.expr | None) -> tuple[str, ...] | None:
        match node:
            case None:
                return None
            case ast.List(elts=elements) | ast.Tuple(elts=elements) | ast.Set(elts=elements):
                found = [literal(each) for each in elements]
                return (
                    tuple(str(each) for each in found) if all(isinstance(each, (str, int)) for each in found) else None
                )
            case ast.Dict(keys=keys):
                found = [literal(each) for each in keys if each is not None]
                complete = len(found) == len(keys) and all(isinstance(each, str) for each in found)
                return tuple(str(each) for each in found) if complete else None
            case ast.Name(id=name) if name in self.values:
                return self.words(self.values[name])
            case ast.Call(func=ast.Name(id="list" | "tuple" | "sorted" | "set"), args=[inner]):
                return self.words(inner)
            case ast.Call(func=ast.Attribute(value=inner, attr="keys")):
                return self.words(inner)
            case ast.Call(func=ast.Name(id="range"), args=bounds) if all(isinstance(literal(b), int) for b in bounds):
                numbers = range(*[int(str(literal(bound))) for bound in bounds])
                return tuple(str(each) for each in numbers) if len(numbers) < 200 else None
            case ast.ListComp(elt=ast.Attribute(attr="value"), generators=[ast.comprehension(iter=ast.Name(id=name))]):
                return tuple(self.enums[name]) if name in self.enums else None
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                one, two = self.words(left), self.words(right)
                return (*one, *two) if one is not None and two is not None else None
            case _:
                return None


def written_name(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.arg) -> str:
    """The name as its author wrote it, where another took its place."""
    return str(getattr(node, "said", node.arg if isinstance(node, ast.arg) else node.name))


def functions_of(nodes: Sequence[ast.AST]) -> dict[str, ast.FunctionDef | ast.AsyncFunctionDef]:
    """Functions that are no methods, by name."""
    methods = {id(each) for node in nodes if isinstance(node, ast.ClassDef) for each in node.body}
    found = [n for n in nodes if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef)) and id(n) not in methods]
    return {each.name: each for each in reversed(found)}  # those at the top come first
