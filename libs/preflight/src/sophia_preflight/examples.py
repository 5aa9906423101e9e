"""Examples of rules, written as one text: what would otherwise be a directory of files."""

from __future__ import annotations

import textwrap

from sophia_preflight.history import Past
from sophia_preflight.model import Compared, Tree

MARK = "=== "
BEFORE = " (before)"
"""What follows the path of a file that was there some commits ago."""


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


def parted(example: Tree) -> tuple[Tree, Past]:
    """The files of an example as they are, and what there was before: those marked as such, and all others."""
    now = {path: text for path, text in example.items() if not path.endswith(BEFORE)}
    then = {path.removesuffix(BEFORE): text for path, text in example.items() if path.endswith(BEFORE)}
    renamed = then.keys() - now.keys()
    stayed = {path for path in now if not renamed or path in then or not _is_new(path, now, then, renamed)}
    return now, Past(
        frozenset(stayed | then.keys()),
        {path: (text,) for path, text in then.items()},
        frozenset(stayed | then.keys()),
        Compared("0123456789", 1),
    )


def _is_new(path: str, now: Tree, then: Tree, renamed: set[str]) -> bool:
    return any(now[path] == then[each] for each in renamed)
