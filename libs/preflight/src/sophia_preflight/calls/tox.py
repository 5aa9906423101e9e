"""Calls of tox.ini: the commands of its environments, which begin beside it or in `changedir`, one by one.

tox replaces `{…}` before it runs a command; what a reference to another section brings is told where it stands.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass

from sophia_preflight.calls.model import Call, Caller, Guard, Needed, Site, Trace
from sophia_preflight.calls.shell import follow
from sophia_preflight.readers.snippet import Snippet
from sophia_preflight.text import MANY, PAD, ROOT, UNKNOWN, Word, is_known, joined

_SECTION = re.compile(r"\[(testenv(?::[^\]]+)?)\]\s*$")
_KEY = re.compile(r"([A-Za-z_]\w*)\s*[=:]\s*")
_FACTORS = re.compile(r"(?!-)[\w.,{}!-]+:\s+")
_REPLACED = re.compile(r"\{([^{}]*)\}")
_REQUIRED = re.compile(r"(?:-r|-c|--requirement|--constraint)[\s=]*(\S+)$")
_COMMANDS = ("commands", "commands_pre", "commands_post")


@dataclass(frozen=True)
class _Line:
    """A line of a value, without its indentation; `text` has its continuations with it."""

    text: str
    number: int
    column: int


def trace_of(path: str, text: str) -> Trace:
    found = Trace()
    base = joined(ROOT, posixpath.dirname(path) or ".")
    for section, values in _sections(text):
        name = section.partition(":")[2] or "testenv"
        directory = base
        for line in (*values.get("changedir", ()), *values.get("change_dir", ())):
            directory = joined(base, _plain(_replaced(path, line, base)))
        tolerated = any(line.text.lower() == "true" for line in values.get("ignore_outcome", ()))
        for line in values.get("deps", ()):
            _dependency(path, line, base, name, found)
        for line in (line for key in _COMMANDS for line in values.get(key, ())):
            _command(path, line, Site(path, Caller.TOX, directory, owner=name, guard=Guard(tolerated)), base, found)
    return found


def _sections(text: str) -> Iterator[tuple[str, dict[str, list[_Line]]]]:
    section, values, current = "", dict[str, list[_Line]](), list[_Line]()
    for number, raw in enumerate(text.split("\n"), 1):
        line = re.sub(r"(^|\s)#.*", "", raw).rstrip()
        if raw[:1] == "[":
            if section:
                yield section, values
            header = _SECTION.match(raw.strip())
            section, values, current = header[1] if header else "", {}, []
        elif raw[:1].isspace() and line.strip():
            _add(current, line, number, len(line) - len(line.lstrip()))
        elif key := _KEY.match(line):
            current = values.setdefault(key[1], [])
            if line[key.end() :]:
                _add(current, line, number, key.end())
    if section:
        yield section, values


def _add(current: list[_Line], line: str, number: int, start: int) -> None:
    if current and current[-1].text.endswith("\\"):
        before = current[-1]
        current[-1] = _Line(f"{before.text}\n{line}", before.number, before.column)
        return
    factors = _FACTORS.match(line, start)
    start = factors.end() if factors else start
    current.append(_Line(line[start:], number, start + 1))


def _dependency(path: str, line: _Line, base: str, owner: str, found: Trace) -> None:
    required = _REQUIRED.match(line.text)
    if required is None or "://" in required[1]:
        return
    file = _Line(required[1], line.number, line.column + required.start(1))
    needed = Needed(Word(_plain(_replaced(path, file, base)), file.number, file.column), "what tox installs")
    site = Site(path, Caller.TOX, base, owner=owner)
    found.calls.append(Call(needed, site, _replaced(path, line, base).place(1, 1), line.text))


def _command(path: str, line: _Line, site: Site, base: str, found: Trace) -> None:
    mark = re.match(r"[-!]\s+", line.text)
    if mark:
        line = _Line(line.text[mark.end() :], line.number, line.column + mark.end())
        site = Site(path, site.caller, site.directory, owner=site.owner, guard=site.guard.tolerant())
    if not line.text.startswith("{["):
        follow(_replaced(path, line, base), site, found)


def _replaced(path: str, line: _Line, base: str) -> Snippet:
    """A line with what tox puts in the place of `{…}`, from the innermost on."""
    made = Snippet(path, line.text, line.number, line.column)
    while found := _REPLACED.search(made.text):
        inner = _expanded(made, found[1])
        name, _, default = inner.partition(":")
        if name in ("toxinidir", "tox_root"):
            made.put(found.start(), found.end(), base)
        elif name == "posargs":
            single = bool(default) and is_known(default) and not re.search(r"\s", default)
            made.put(found.start(), found.end(), default if single else MANY, assumed=single)
        else:
            made.put(found.start(), found.end(), "/" if inner == "/" else UNKNOWN)
    return made


def _expanded(made: Snippet, text: str) -> str:
    return "".join(made.placeholders[char].value if char in made.placeholders else char for char in text if char != PAD)


def _plain(made: Snippet) -> str:
    return _expanded(made, made.text)
