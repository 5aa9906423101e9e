"""Nodes of YAML and JSON: plain values that know where they stand.

A mapping keeps its keys as nodes, so that a rule can point at a key as well as at its value. `Node` answers like the
value it holds would, and never raises: what is not there is an empty node that is false.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sophia_preflight.model import Place

_NOTHING = "nothing"


@dataclass(slots=True, eq=False)
class Node:
    """A scalar (`value` is str, int, float, bool or None), a list of nodes, or a dict of text -> node."""

    value: Any
    line: int = 1
    column: int = 1
    style: str = ""
    keys: dict[str, Node] = field(default_factory=dict)
    merged: frozenset[str] = frozenset()
    tag: str = ""
    written: tuple[str, ...] = ()
    """The lines of a text that goes on for several, as they stand in the file; the first is that of the node."""

    @property
    def is_map(self) -> bool:
        return isinstance(self.value, dict)

    @property
    def is_list(self) -> bool:
        return isinstance(self.value, list)

    @property
    def is_scalar(self) -> bool:
        return not isinstance(self.value, (dict, list))

    @property
    def is_null(self) -> bool:
        return self.value is None

    @property
    def text(self) -> str:
        """A scalar as text; empty for everything else."""
        if self.value is None or not self.is_scalar:
            return ""
        return ("true" if self.value else "false") if isinstance(self.value, bool) else str(self.value)

    def __bool__(self) -> bool:
        return self.tag != _NOTHING  # not by identity: facts are copied between processes

    def __getitem__(self, key: str | int) -> Node:
        if isinstance(key, int):
            return self.value[key] if self.is_list and -len(self.value) <= key < len(self.value) else NOTHING
        found = self.value.get(key) if self.is_map else None
        return found if isinstance(found, Node) else NOTHING

    def __contains__(self, key: str) -> bool:
        return self.is_map and key in self.value

    def at(self, *path: str | int) -> Node:
        """The node at a path of keys and indices."""
        node = self
        for step in path:
            node = node[step]
        return node

    def items(self) -> Iterator[tuple[str, Node]]:
        """Pairs of a mapping; nothing otherwise."""
        return iter(self.value.items() if self.is_map else ())

    def elements(self) -> list[Node]:
        """Elements of a list; nothing otherwise."""
        return self.value if self.is_list else []

    def some(self) -> list[Node]:
        """A list's elements, or the scalar as a list of one: for keys that take either."""
        if self.is_list:
            return list(self.value)
        return [self] if self.is_scalar and self.value is not None else []

    def key(self, name: str) -> Node:
        """The node of a key itself; the mapping where the key is not its own."""
        return self.keys.get(name, self)

    def place(self, path: str) -> Place:
        return Place(path, self.line, self.column)

    def plain(self) -> Any:
        """As ordinary Python data."""
        if self.is_map:
            return {key: value.plain() for key, value in self.value.items()}
        return [each.plain() for each in self.value] if self.is_list else self.value


NOTHING = Node(None, tag=_NOTHING)
"""What is not there; false in a condition."""


@dataclass(frozen=True)
class Fault:
    """Something wrong with the text itself; `kind` is `syntax`, `duplicate`, `merge` or `size`."""

    kind: str
    message: str
    line: int
    column: int


@dataclass
class Documents:
    """What a file holds: its documents in order, and its faults. A file that cannot be parsed has no documents."""

    documents: list[Node] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    @property
    def root(self) -> Node:
        return self.documents[0] if self.documents else NOTHING
