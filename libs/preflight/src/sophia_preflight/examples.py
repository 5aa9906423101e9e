"""Examples of rules, written as one text: what would otherwise be a directory of files."""

from __future__ import annotations

import textwrap

from sophia_preflight.model import Tree

MARK = "=== "


def tree(text: str) -> Tree:
    """Files from a text in which a line `=== path` begins each; indentation that all lines share is dropped."""
    found: dict[str, list[str]] = {}
    current: list[str] = []
    for line in textwrap.dedent(text).strip("\n").split("\n"):
        if line.startswith(MARK):
            current = found.setdefault(line.removeprefix(MARK), [])
        else:
            current.append(line)
    return {path: "\n".join(lines) + "\n" if lines else "" for path, lines in found.items()}
