"""A piece of a file that is in another language: a `run:` step, a recipe line, a command in JSON.

It keeps the way back from its own lines and columns to those of the file, and the values that the outer language puts
into it before the inner one sees it (`${{ … }}`, `$(MAKE_VARIABLE)`), each as one placeholder character.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sophia_preflight.model import Place
from sophia_preflight.readers.tree import Node
from sophia_preflight.text import FIRST_PLACEHOLDER, LAST_PLACEHOLDER, PAD, UNKNOWN


@dataclass(frozen=True, slots=True)
class Put:
    """What a placeholder stands for; `assumed` when it is a default that a caller may replace."""

    value: str
    assumed: bool = False
    single: bool = False
    """It is one word, whatever it is."""


@dataclass
class Snippet:
    """`line` and `column` are where its first character stands in the file, `indent` what later lines lost."""

    path: str
    text: str
    line: int = 1
    column: int = 1
    indent: int = 0
    placeholders: dict[str, Put] = field(default_factory=dict)

    def place(self, line: int, column: int) -> Place:
        """In the file, from a position in the snippet."""
        if line == 1:
            return Place(self.path, self.line, self.column + column - 1)
        return Place(self.path, self.line + line - 1, self.indent + column)

    def put(self, start: int, end: int, value: str, *, assumed: bool = False, single: bool = False) -> None:
        """Let one placeholder, padded to the same length, take the place of `text[start:end]`."""
        code = FIRST_PLACEHOLDER + len(self.placeholders)
        char = chr(code) if code <= LAST_PLACEHOLDER else UNKNOWN
        if char != UNKNOWN:
            self.placeholders[char] = Put(value, assumed, single)
        dropped = self.text[start:end]
        padding = "".join(each if each == "\n" else PAD for each in dropped[1:])
        self.text = self.text[:start] + char + padding + self.text[end:]


def of_node(path: str, node: Node, lines: list[str]) -> Snippet:
    """The text of a scalar in YAML or JSON; `lines` are those of the file."""
    if node.style in ("|", ">"):
        first = node.line
        while first < len(lines) and not lines[first].strip():
            first += 1
        body = lines[first] if first < len(lines) else ""
        indent = len(body) - len(body.lstrip())
        return Snippet(path, node.text, node.line + 1, indent + 1, indent)
    return Snippet(path, node.text, node.line, node.column + (1 if node.style else 0))
