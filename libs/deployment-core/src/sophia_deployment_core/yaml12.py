"""YAML 1.2 with positions, read with suspicion: any text gives a tree or a problem, quickly, and never a crash.

PyYAML only cuts the text into events (its C parser when there is one); what they mean is decided here, because PyYAML
means YAML 1.1: there `no` is false, `1:30` is 90 and `012` is 10. Here (YAML 1.2, core schema) they are text, text, 12.
Keys are always text. Duplicate keys, tags, recursion, documents after the first and too much of anything are problems.
Anchors, aliases and merge keys (`<<`) work; what they expand to counts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import yaml

MOST_BYTES = 1_000_000
MOST_NODES = 50_000
DEEPEST = 50

Path: TypeAlias = tuple[str | int, ...]
Scalar: TypeAlias = str | int | float | bool | None

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_WORDS: dict[str, Scalar] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INTEGER = re.compile(r"[-+]?[0-9]{1,30}", re.ASCII)
_BASED = re.compile(r"0o[0-7]{1,30}|0x[0-9a-fA-F]{1,30}", re.ASCII)
_FLOAT = re.compile(
    r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", re.ASCII
)
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class Place:
    """A position in the file, both counted from 1."""

    line: int
    column: int


class Unreadable(Exception):
    """The text is no YAML that we take: where, what, and what to try."""

    def __init__(self, place: Place, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.place, self.message, self.hint = place, message, hint


@dataclass(frozen=True)
class Leaf:
    place: Place
    text: str
    plain: bool


@dataclass(frozen=True)
class Items:
    place: Place
    items: list[Node] = field(default_factory=list)


@dataclass(frozen=True)
class Pairs:
    place: Place
    pairs: list[tuple[Leaf, Node]] = field(default_factory=list)


Node: TypeAlias = Leaf | Items | Pairs


@dataclass
class Document:
    """The file as plain data, with the place of every key and value by path, and what is wrong but did not stop us."""

    data: Any = None
    keys: dict[Path, Place] = field(default_factory=dict)
    values: dict[Path, Place] = field(default_factory=dict)
    faults: list[tuple[Path, Place, str, str]] = field(default_factory=list)

    def place(self, path: Path) -> Place:
        """Of the value at `path`, or of the nearest thing around it."""
        for length in range(len(path), -1, -1):
            found = self.values.get(path[:length]) if length == len(path) else self.keys.get(path[:length])
            if found or (found := self.values.get(path[:length])):
                return found
        return Place(1, 1)

    def key_place(self, path: Path) -> Place:
        """Of the key that `path` ends with; for a list's entry, of the entry."""
        return self.keys.get(path) or self.place(path)


def decode(raw: bytes) -> str:
    """UTF-8, with or without a byte order mark. Raises `Unreadable` for anything else, before looking at it closely."""
    if len(raw) > MOST_BYTES:
        raise Unreadable(
            Place(1, 1), f"the file is too large: at most {MOST_BYTES:,} bytes are read", "is this the right file?"
        )
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise Unreadable(Place(1, 1), "the file is in UTF-16", "save it as UTF-8")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Unreadable(
            _place_of(raw[: error.start].decode("utf-8")), "this is not UTF-8 text", "is this the right file?"
        ) from None


def _nowhere(_: Path) -> bool:
    return False


def parse(text: str, *, source_text: Callable[[Path], bool] = _nowhere) -> Document:
    """Read one document. Where `source_text(path)` holds, numbers and booleans stay the text that was written.

    Raises `Unreadable` for what ends all reading; duplicate keys and the like are in `faults` and reading goes on.
    """
    if len(text) > MOST_BYTES:
        raise Unreadable(Place(1, 1), f"the file has {len(text):,} characters; at most {MOST_BYTES:,} are read")
    if strange := _UNPRINTABLE.search(text):
        character = ord(strange[0])
        raise Unreadable(
            _place_of(text[: strange.start()]),
            f"the character U+{character:04X} is not allowed in YAML",
            "is this the right file?",
        )
    root = _Reader(text).document()
    document = Document()
    document.data = _Expansion(document, source_text).plain(root, ())
    return document


def scalar(text: str) -> Scalar:
    """What an unquoted word means in YAML 1.2's core schema."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _BASED.fullmatch(text):
        return int(text[2:], 8 if text[1] == "o" else 16)
    return float(text.lower().replace(".inf", "inf").replace(".nan", "nan")) if _FLOAT.fullmatch(text) else text


def _place_of(before: str) -> Place:
    return Place(before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1)


class _Reader:
    """From events to a tree in which an alias and its anchor are one node."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.loader = _LOADER(text)
        self.anchors: dict[str, Node] = {}
        self.open: set[str] = set()

    def document(self) -> Node:
        self._event()
        first = self._event()
        if isinstance(first, yaml.StreamEndEvent):
            raise Unreadable(Place(1, 1), "the file is empty", "`sophia init` writes one for your repository")
        root = self._node(self._event(), 0)
        self._event()
        after = self._event()
        if not isinstance(after, yaml.StreamEndEvent):
            raise Unreadable(
                self._place(after), "a second document begins here; one file holds one platform", "remove the `---`"
            )
        return root

    def _event(self) -> Any:
        try:
            return self.loader.get_event()
        except yaml.MarkedYAMLError as error:
            raise self._explained(error) from None
        except (yaml.YAMLError, ValueError, OverflowError) as error:
            raise Unreadable(
                Place(1, 1), f"this is not YAML: {str(error).splitlines()[0] if str(error) else 'unreadable'}"
            ) from None

    def _explained(self, error: yaml.MarkedYAMLError) -> Unreadable:
        mark = error.problem_mark or error.context_mark
        place = Place(mark.line + 1, mark.column + 1) if mark else Place(1, 1)
        lines = self.text.split("\n")
        line = lines[place.line - 1] if place.line <= len(lines) else ""
        indent = line[: len(line) - len(line.lstrip())]
        if "\t" in indent:
            return Unreadable(Place(place.line, indent.index("\t") + 1), "a tab cannot indent", "use spaces")
        said = ", ".join(part for part in (error.context, error.problem) if part)
        return Unreadable(
            place, f"this is not YAML: {said}", "is a quote, a bracket or a colon missing here or in the line before?"
        )

    def _place(self, event: Any) -> Place:
        return Place(event.start_mark.line + 1, event.start_mark.column + 1)

    def _node(self, event: Any, depth: int) -> Node:
        place = self._place(event)
        if isinstance(event, yaml.AliasEvent):
            return self._anchored(event.anchor, place)
        if depth > DEEPEST:
            raise Unreadable(place, f"nested deeper than {DEEPEST} levels", "is this the right file?")
        if event.tag not in (None, "!", "tag:yaml.org,2002:str") or (
            event.tag and not isinstance(event, yaml.ScalarEvent)
        ):
            raise Unreadable(place, f"the tag `{event.tag[:60]}` is not supported", "write the value without a tag")
        if event.anchor is None:
            return self._content(event, place, depth)
        self.open.add(event.anchor)
        node = self._content(event, place, depth)
        self.open.discard(event.anchor)
        self.anchors[event.anchor] = node
        return node

    def _anchored(self, name: str | None, place: Place) -> Node:
        assert name is not None, "an alias has a name"
        if name in self.open:
            raise Unreadable(place, f"`*{name}` contains itself", "an alias may not stand inside its own anchor")
        if name not in self.anchors:
            raise Unreadable(place, f"there is no anchor `&{name}` before this alias")
        return self.anchors[name]

    def _content(self, event: Any, place: Place, depth: int) -> Node:
        if isinstance(event, yaml.ScalarEvent):
            return Leaf(place, event.value, plain=bool(event.implicit[0]) and event.tag is None)
        if isinstance(event, yaml.SequenceStartEvent):
            return Items(place, list(self._until(yaml.SequenceEndEvent, depth)))
        children = list(self._until(yaml.MappingEndEvent, depth))
        return Pairs(place, [(self._key(key), value) for key, value in zip(children[::2], children[1::2], strict=True)])

    def _until(self, end: type, depth: int) -> Iterator[Node]:
        while not isinstance(event := self._event(), end):
            yield self._node(event, depth + 1)

    def _key(self, node: Node) -> Leaf:
        if not isinstance(node, Leaf) or (node.plain and node.text in ("", "~")):
            raise Unreadable(node.place, "a key must be a word")
        return node


class _Expansion:
    """From the tree to plain data, with the places by path; aliases and merge keys are expanded, within bounds."""

    def __init__(self, document: Document, source_text: Callable[[Path], bool]) -> None:
        self.document = document
        self.source_text = source_text
        self.nodes = 0

    def plain(self, node: Node, path: Path) -> Any:
        self._count(node, 1)
        self.document.values[path] = node.place
        if isinstance(node, Leaf):
            return self._scalar(node, path)
        if isinstance(node, Items):
            return [self.plain(item, (*path, index)) for index, item in enumerate(node.items)]
        return self._mapping(node, path)

    def _count(self, node: Node, more: int) -> None:
        self.nodes += more
        if self.nodes > MOST_NODES:
            raise Unreadable(node.place, f"more than {MOST_NODES:,} values", "do aliases (`*name`) multiply here?")

    def _scalar(self, node: Leaf, path: Path) -> Scalar:
        if not node.plain:
            return node.text
        value = scalar(node.text)
        return node.text if value is not None and self.source_text(path) else value

    def _mapping(self, node: Pairs, path: Path) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key, value in self._distinct(node, path):
            inner = (*path, key.text)
            self.document.keys[inner] = key.place
            result[key.text] = self.plain(value, inner)
        return result

    def _distinct(self, node: Pairs, path: Path) -> list[tuple[Leaf, Node]]:
        """The mapping's own pairs without duplicates, then what merge keys add to them."""
        self._count(node, len(node.pairs))
        own: dict[str, tuple[Leaf, Node]] = {}
        merged: list[Node] = []
        for key, value in node.pairs:
            if key.plain and key.text == "<<":
                merged.append(value)
            elif (before := own.get(key.text)) is not None:
                said = f"the key is already in line {before[0].place.line}"
                self.document.faults.append(
                    ((*path, key.text), key.place, said, "a key may stand only once; remove one")
                )
            else:
                own[key.text] = (key, value)
        for source in self._sources(merged):
            for key, value in self._distinct(source, path):
                own.setdefault(key.text, (key, value))
        return list(own.values())

    def _sources(self, merged: list[Node]) -> Iterator[Pairs]:
        for node in merged:
            for source in node.items if isinstance(node, Items) else [node]:
                self._count(source, 1)
                if not isinstance(source, Pairs):
                    raise Unreadable(
                        source.place, "`<<` merges mappings", "write `<<: *name`, where `&name` is a mapping"
                    )
                yield source
