"""JSON with positions, and JSON with comments and trailing commas, which editors and agents' configurations allow."""

from __future__ import annotations

import json
import re

from sophia_preflight.readers.tree import Documents, Fault, Node

DEEPEST = 200
_SPACE = re.compile(r"(?:[ \t\r\n\ufeff]+|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*"')
_WORD = re.compile(r"-?[0-9][-+0-9.eE]*|true|false|null")


class _Stop(Exception):
    def __init__(self, message: str, at: int) -> None:
        super().__init__(message)
        self.message, self.at = message, at


def parse(text: str, *, comments: bool = False) -> Documents:
    """One document; comments and trailing commas are faults unless `comments`."""
    reader = _Reader(text, comments)
    try:
        root = reader.value(0, 0)[0]
        end = reader.space(reader.at)
        if end != len(text):
            raise _Stop("something follows after the end of the document", end)
    except _Stop as stop:
        line, column = reader.place(stop.at)
        return Documents([], [Fault("syntax", stop.message, line, column)])
    return Documents([root], reader.faults)


class _Reader:
    def __init__(self, text: str, comments: bool) -> None:
        self.text, self.comments, self.at = text, comments, 0
        self.faults: list[Fault] = []
        self.breaks = [-1, *(found.start() for found in re.finditer("\n", text))]

    def place(self, at: int) -> tuple[int, int]:
        import bisect

        line = bisect.bisect_left(self.breaks, at)
        return line, at - self.breaks[line - 1]

    def space(self, at: int) -> int:
        found = _SPACE.match(self.text, at)
        end = found.end() if found else at
        if not self.comments and "/" in self.text[at:end]:
            raise _Stop("comments are not allowed in JSON", at + self.text[at:end].index("/"))
        return end

    def value(self, at: int, depth: int) -> tuple[Node, int]:
        at = self.space(at)
        if depth > DEEPEST:
            raise _Stop("too deeply nested", at)
        made = Node(None, *self.place(at))
        char = self.text[at : at + 1]
        if char in "{[" and char:
            end = self.container(made, at, depth)
        elif char == '"':
            made.value, end = self.string(at)
            made.style = '"'
        elif word := _WORD.match(self.text, at):
            try:
                made.value, end = json.loads(word[0]), word.end()
            except ValueError:
                raise _Stop(f"`{word[0][:30]}` is no number", at) from None
        else:
            raise _Stop("a value is missing here" if char in ",}]" else f"unexpected `{char}`", at)
        self.at = end
        return made, end

    def string(self, at: int) -> tuple[str, int]:
        found = _STRING.match(self.text, at)
        if not found:
            raise _Stop("this text is not closed, or holds a character that must be escaped", at)
        try:
            value: str = json.loads(found[0])
        except ValueError:
            raise _Stop("an escape in this text is not valid", at) from None
        return value, found.end()

    def container(self, made: Node, at: int, depth: int) -> int:
        is_map = self.text[at] == "{"
        close = "}" if is_map else "]"
        made.value = {} if is_map else []
        at = self.space(at + 1)
        while self.text[at : at + 1] != close:
            at = self.pair(made, at, depth) if is_map else self.element(made, at, depth)
            after = self.space(at)
            if self.text[after : after + 1] == ",":
                at = self.space(after + 1)
                if self.text[at : at + 1] == close and not self.comments:
                    raise _Stop("a comma before the closing bracket", after)
            elif self.text[after : after + 1] == close:
                at = after
            else:
                raise _Stop(f"a comma or `{close}` is missing here", after)
        return at + 1

    def element(self, made: Node, at: int, depth: int) -> int:
        value, at = self.value(at, depth + 1)
        made.value.append(value)
        return at

    def pair(self, made: Node, at: int, depth: int) -> int:
        if self.text[at : at + 1] != '"':
            raise _Stop("a key in double quotes is missing here", at)
        key = Node(None, *self.place(at), style='"')
        key.value, end = self.string(at)
        end = self.space(end)
        if self.text[end : end + 1] != ":":
            raise _Stop("a colon is missing here", end)
        value, end = self.value(end + 1, depth + 1)
        if key.value in made.value:
            self.faults.append(Fault("duplicate", f"the key `{key.value}` is there twice", key.line, key.column))
        made.value[key.value] = value
        made.keys[key.value] = key
        return end
