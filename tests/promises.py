"""Which tests carry which promise, read from their source, so that one that cannot be imported keeps its promises."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from tests.acceptance.requirements import Promise

ROOT = Path(__file__).resolve().parents[1]
Tagged = tuple[str, str]
"""A promise's id and the test that carries it, as `path::name`."""


def sources() -> Iterator[Path]:
    for place in ("apps", "libs", "tests"):
        for path in (ROOT / place).rglob("test_*.py"):
            if not {"node_modules", "fixtures"} & set(path.parts):
                yield path


def carried(paths: Iterable[Path]) -> list[Tagged]:
    """Every use of the marker in `paths`; an id that is no plain string is kept as source, and so is unknown."""
    found = []
    for path in paths:
        where = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
        for promise, test in _in_tree(ast.parse(path.read_text(), filename=str(path))):
            found.append((promise, f"{where}::{test}"))
    return sorted(found)


def _in_tree(tree: ast.Module) -> Iterator[Tagged]:
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            for decorator in node.decorator_list:
                yield from ((promise, node.name) for promise in _marked(decorator))
        elif isinstance(node, ast.Assign) and any(
            isinstance(to, ast.Name) and to.id == "pytestmark" for to in node.targets
        ):
            yield from ((promise, "*") for part in ast.walk(node.value) for promise in _marked(part))


def _marked(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Call) and ast.unparse(node.func) in {"pytest.mark.promise", "mark.promise"}:
        for argument in node.args:
            value = argument.value if isinstance(argument, ast.Constant) else None
            yield value if isinstance(value, str) else ast.unparse(argument)


def breaches(promises: Sequence[Promise], tagged: Sequence[Tagged]) -> list[str]:
    """What is wrong between promises and tests, a sentence each; empty when all is well."""
    known = {promise.id for promise in promises}
    tests = {promise: [test for tag, test in tagged if tag == promise] for promise in known}
    twice = sorted({promise.id for promise in promises if [other.id for other in promises].count(promise.id) > 1})
    return [
        *(f"`{id}` is listed twice" for id in twice),
        *(f"`{test}` carries `{tag}`, which is no promise" for tag, test in tagged if tag not in known),
        *(
            f"`{p.id}` has neither a test nor a reason why not yet"
            for p in promises
            if not p.deferred and not tests[p.id]
        ),
        *(f"`{p.id}` is deferred, but `{tests[p.id][0]}` shows it" for p in promises if p.deferred and tests[p.id]),
    ]
