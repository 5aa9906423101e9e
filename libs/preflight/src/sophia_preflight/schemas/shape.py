"""Shapes of trees: what a node may be, and every way in which one is not.

A shape allows a scalar of some kind, a list, a mapping, or several of these; a violation names the path and what would
be right there, as the programs that read the file do ("services.web.build must be a string or a mapping").
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches

from sophia_preflight.readers.tree import Node

INTERPOLATED = re.compile(r"\$[A-Za-z_{]|\$\{\{")
_EXPRESSION = re.compile(r"\s*\$\{\{.*\}\}\s*", re.DOTALL)


@dataclass(frozen=True)
class Violation:
    """`node` is where; `key` says that it is the key that is wrong."""

    path: str
    message: str
    node: Node
    hint: str = ""


@dataclass(frozen=True)
class Shape:
    """What is allowed. `scalar` names kinds: string, number, boolean, integer; `legal` checks a scalar's text."""

    scalar: frozenset[str] = frozenset()
    each: Shape | None = None
    keys: Mapping[str, Shape] | None = None
    values: Shape | None = None
    null: bool = False
    required: frozenset[str] = frozenset()
    legal: Callable[[str], str] | None = None
    extensions: bool = True
    open: bool = False
    """Unknown keys are allowed."""
    expression: bool = False
    """`${{ … }}` alone may stand in its place: what it makes is not known here."""
    fewest: int = 0
    aliases: Mapping[str, str] = field(default_factory=dict)

    def words(self) -> str:
        """What is allowed, in words."""
        kinds = [f"a {kind}" if kind != "integer" else "an integer" for kind in sorted(self.scalar, reverse=True)]
        if self.each is not None:
            kinds.append("a list")
        if self.keys is not None or self.values is not None:
            kinds.append("a mapping")
        return kinds[0] if len(kinds) == 1 else ", ".join(kinds[:-1]) + f" or {kinds[-1]}"


def violations(shape: Shape, node: Node, path: str) -> Iterator[Violation]:
    """Everything in `node` that `shape` does not allow."""
    if node.is_null and not node.style:
        if not shape.null:
            yield Violation(path, f"`{path}` must be {shape.words()}, and it is empty", node)
        return
    if node.is_map:
        if shape.keys is None and shape.values is None:
            yield Violation(path, f"`{path}` must be {shape.words()}, not a mapping", node)
            return
        yield from _mapping(shape, node, path)
    elif node.is_list:
        if shape.each is None:
            yield Violation(path, f"`{path}` must be {shape.words()}, not a list", node)
            return
        if len(node.elements()) < shape.fewest:
            yield Violation(path, f"`{path}` must not be empty", node)
        for index, element in enumerate(node.elements()):
            yield from violations(shape.each, element, f"{path}[{index}]")
    else:
        yield from _scalar(shape, node, path)


def _mapping(shape: Shape, node: Node, path: str) -> Iterator[Violation]:
    for name, value in node.items():
        inner = f"{path}.{name}" if path else name
        if shape.keys is not None and name in shape.keys:
            yield from violations(shape.keys[name], value, inner)
        elif shape.values is not None:
            yield from violations(shape.values, value, inner)
        elif not shape.open and not (shape.extensions and name.startswith("x-")):
            near = get_close_matches(name, shape.keys or (), n=1, cutoff=0.7)
            hint = shape.aliases.get(name) or (f"did you mean `{near[0]}`?" if near else "")
            where = f"`{path}`" if path else "the top"
            yield Violation(inner, f"`{name}` is not allowed in {where}", node.key(name), hint)
    for name in sorted(shape.required - set(node.value)):
        yield Violation(path, f"`{path}` needs `{name}`" if path else f"`{name}` is missing", node)


def _scalar(shape: Shape, node: Node, path: str) -> Iterator[Violation]:
    if shape.expression and _EXPRESSION.fullmatch(node.text):
        return
    if not shape.scalar:
        yield Violation(path, f"`{path}` must be {shape.words()}, not {_kind(node)}", node)
        return
    text = node.text
    if INTERPOLATED.search(text) and "string" not in shape.scalar:
        return  # what takes its place is converted
    if not _fits(shape, node):
        yield Violation(path, f"`{path}` must be {shape.words()}, not {_kind(node)}", node)
    elif shape.legal is not None and not INTERPOLATED.search(text) and (said := shape.legal(text)):
        yield Violation(path, f"`{path}` {said}", node)


def _fits(shape: Shape, node: Node) -> bool:
    value = node.value
    if isinstance(value, bool):
        return "boolean" in shape.scalar
    if isinstance(value, int):
        return bool(shape.scalar & {"number", "integer"})
    if isinstance(value, float):
        return "number" in shape.scalar
    return "string" in shape.scalar


def _kind(node: Node) -> str:
    value = node.value
    return f"`{node.text[:40]}`" if not isinstance(value, str) else f"the text `{value[:40]}`"
