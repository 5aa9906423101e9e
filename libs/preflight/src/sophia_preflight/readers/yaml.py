"""YAML with positions, for files that nobody promised to be well-formed: quick, bounded, and never an exception.

PyYAML cuts the text into events (its C parser where there is one); scalars mean what they mean to the Go programs that
read these files (YAML 1.2 core: `on`, `yes` and `1:30` are text). Aliases share their node, so that a bomb stays small;
merge keys are expanded and say what they brought.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

from sophia_preflight.readers.tree import NOTHING, Documents, Fault, Node

MOST_NODES = 300_000
DEEPEST = 100
_MOST_LINES = 60
"""Lines of a text that are kept as they are written."""
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_WORDS: dict[str, object] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INTEGER = re.compile(r"[-+]?[0-9]{1,18}", re.ASCII)
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII)
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class _Stop(Exception):
    def __init__(self, fault: Fault) -> None:
        self.fault = fault


def parse(text: str) -> Documents:
    """All documents of a text and everything wrong with it; after a syntax error nothing of the file is returned."""
    found = Documents()
    if strange := _UNPRINTABLE.search(text):
        line = text.count("\n", 0, strange.start()) + 1
        column = strange.start() - text.rfind("\n", 0, strange.start())
        message = f"the character U+{ord(strange[0]):04X} is not allowed in YAML"
        found.faults.append(Fault("syntax", message, line, column))
        return found
    try:
        found.documents = list(_Reader(text, found.faults).documents())
    except _Stop as stop:
        found.documents = []
        found.faults = [stop.fault]
    return found


_FILLED = re.compile(
    r"[ \t]*(?:__[A-Z][A-Z0-9_]*__|\$\{[A-Z][A-Z0-9_]*\}|\$[A-Z][A-Z0-9_]*|@[A-Z][A-Z0-9_]*@|%[A-Z][A-Z0-9_]*%)[ \t]*"
)


def parse_filled(text: str) -> Documents:
    """The same for a file that a script may fill in: lines that are nothing but a place for text say nothing."""
    found = parse(text)
    if not any(each.kind == "syntax" for each in found.faults):
        return found
    lines = text.split("\n")
    kept = ["" if _FILLED.fullmatch(line) else line for line in lines]
    return parse("\n".join(kept)) if kept != lines else found


def resolved(text: str) -> object:
    """What an unquoted scalar means."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if text.startswith(("0x", "0o")) and re.fullmatch(r"0x[0-9a-fA-F]{1,16}|0o[0-7]{1,20}", text):
        return int(text[2:], 16 if text[1] == "x" else 8)
    return float(text) if _FLOAT.fullmatch(text) else text


class _Reader:
    def __init__(self, text: str, faults: list[Fault]) -> None:
        self.text, self.lines = text, text.split("\n")
        self.loader = _LOADER(text)
        self.faults = faults
        self.anchors: dict[str, Node] = {}
        self.open: set[str] = set()
        self.count = 0

    def documents(self) -> Iterator[Node]:
        self.event()
        while not isinstance(event := self.event(), yaml.StreamEndEvent):
            if isinstance(event, yaml.DocumentStartEvent):
                self.anchors = {}
                yield self.node(self.event(), 0)
                self.event()

    def event(self) -> Any:
        try:
            return self.loader.get_event()
        except yaml.MarkedYAMLError as error:
            mark: Any = error.problem_mark or error.context_mark
            raise _Stop(self.explained(error, mark.line + 1 if mark else 1, mark.column + 1 if mark else 1)) from None
        except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as error:
            raise _Stop(Fault("syntax", str(error).splitlines()[0] if str(error) else "unreadable", 1, 1)) from None

    def explained(self, error: yaml.MarkedYAMLError, line: int, column: int) -> Fault:
        lines = self.text.split("\n")
        here = lines[line - 1] if line <= len(lines) else ""
        indent = here[: len(here) - len(here.lstrip())]
        if "\t" in indent:
            return Fault("syntax", "a tab cannot indent YAML", line, indent.index("\t") + 1)
        return Fault("syntax", ", ".join(part for part in (error.context, error.problem) if part), line, column)

    def node(self, event: Any, depth: int) -> Node:
        line, column = event.start_mark.line + 1, event.start_mark.column + 1
        self.count += 1
        if self.count > MOST_NODES or depth > DEEPEST:
            raise _Stop(Fault("size", "too large or too deeply nested to be looked at", line, column))
        if isinstance(event, yaml.AliasEvent):
            return self.alias(str(event.anchor), line, column)
        made = Node(None, line, column, tag=event.tag or "")
        if event.anchor:
            self.anchors[event.anchor] = made
            self.open.add(event.anchor)
        if isinstance(event, yaml.ScalarEvent):
            made.style = event.style or ""
            end: Any = event.end_mark
            if line <= end.line < line + _MOST_LINES:
                made.written = tuple(self.lines[line - 1 : end.line + 1])
            made.value = resolved(event.value) if event.implicit[0] and not event.tag else event.value
        elif isinstance(event, yaml.SequenceStartEvent):
            made.value = list(self.children(yaml.SequenceEndEvent, depth))
        else:
            self.mapping(made, list(self.children(yaml.MappingEndEvent, depth)))
        self.open.discard(event.anchor)
        return made

    def alias(self, name: str, line: int, column: int) -> Node:
        if name in self.open:
            raise _Stop(Fault("syntax", f"`*{name}` contains itself", line, column))
        if name not in self.anchors:
            raise _Stop(Fault("syntax", f"there is no anchor `&{name}` before this alias", line, column))
        return self.anchors[name]

    def children(self, end: type, depth: int) -> Iterator[Node]:
        while not isinstance(event := self.event(), end):
            yield self.node(event, depth + 1)

    def mapping(self, made: Node, children: list[Node]) -> None:
        made.value = own = {}
        merges: list[Node] = []
        for key, value in zip(children[::2], children[1::2], strict=True):
            name = key.text if not key.is_null else "null"
            if name == "<<" and not key.style:
                merges.append(value)
                continue
            if name in own:
                said = f"the key `{name}` is already in line {made.keys[name].line}"
                self.faults.append(Fault("duplicate", said, key.line, key.column))
            own[name] = value
            made.keys[name] = key
        brought: set[str] = set()
        for source in [each for merge in merges for each in (merge.elements() if merge.is_list else [merge])]:
            if not source.is_map:
                self.faults.append(Fault("merge", "`<<` merges mappings and this is none", source.line, source.column))
            for name, value in source.items():
                if name not in own:
                    own[name] = value
                    made.keys[name] = source.key(name)
                    brought.add(name)
        made.merged = frozenset(brought)


def root_of(text: str) -> Node:
    """The first document, or `NOTHING`."""
    return parse(text).root or NOTHING
