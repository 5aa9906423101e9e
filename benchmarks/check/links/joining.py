"""What links are made of: names that a pattern finds at their definitions and at their uses."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from benchmarks.check.trees import Line, Tree, is_dockerfile

PYTHON = re.compile(r"\.py$")
MANIFEST = re.compile(r"(^|/)(pyproject\.toml|setup\.cfg)$")


@dataclass(frozen=True)
class At:
    """Where a name stands: columns `start` to `end` of a line counted from 1."""

    path: str
    line: int
    start: int
    end: int


@dataclass(frozen=True)
class Link:
    """A name used somewhere, and all places that define it: lines, or the `file` that bears it."""

    kind: str
    name: str
    use: At
    definitions: tuple[At, ...] = ()
    file: str = ""


Named = tuple[str, At]
Finder = Callable[[Tree], Iterator[Link]]
Scope = Callable[[At], str]


def named(pattern: re.Pattern[str], lines: Iterable[Line]) -> Iterator[Named]:
    """What a group of the pattern matches, wherever it does."""
    for line in lines:
        for match in pattern.finditer(line.text):
            group = match.lastindex or 0
            yield match[group], At(line.path, line.number, *match.span(group))


def anywhere(_: At) -> str:
    return ""


def same_file(at: At) -> str:
    return at.path


def joined(kind: str, definitions: Iterable[Named], uses: Iterable[Named], scope: Scope = anywhere) -> Iterator[Link]:
    known: dict[tuple[str, str], list[At]] = {}
    for name, at in definitions:
        known.setdefault((scope(at), name), []).append(at)
    for name, at in uses:
        elsewhere = [each for each in known.get((scope(at), name), []) if (each.path, each.line) != (at.path, at.line)]
        if elsewhere:
            yield Link(kind, name, at, tuple(elsewhere))


def run(tree: Tree, *patterns: re.Pattern[str]) -> list[Line]:
    return [line for line in tree.run if not patterns or any(each.search(line.path) for each in patterns)]


def dockerfiles(tree: Tree) -> list[Line]:
    return [line for line in tree.run if is_dockerfile(line.path)]


def children(tree: Tree, pattern: re.Pattern[str], *parents: str) -> Iterator[Named]:
    """Keys of the mappings that a top-level key of YAML files has."""
    for path, lines in tree.texts.items():
        if not pattern.search(path):
            continue
        within, indent = False, 0
        for number, text in enumerate(lines, 1):
            if re.match(r"\S", text) and not text.startswith("#"):
                within, indent = text.split(":")[0] in parents, 0
            elif within and (key := re.match(r"( +)([\w.-]+):", text)) and indent in (0, len(key[1])):
                indent = len(key[1])
                yield key[2], At(path, number, *key.span(2))


def within(tree: Tree, path: str, begin: str, end: str, pattern: str) -> Iterator[Named]:
    """Names on the lines of a file that stand between a line and another."""
    inside = False
    for number, text in enumerate(tree.texts.get(path, []), 1):
        if re.match(begin, text):
            inside = True
        elif inside and re.match(end, text):
            inside = False
        elif inside:
            yield from named(re.compile(pattern), [Line(path, number, text)])
