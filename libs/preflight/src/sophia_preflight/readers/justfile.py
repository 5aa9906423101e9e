"""justfiles: the recipes of just, what each needs first, and what its lines say to a shell.

Read line by line, as just does: what begins a line is an assignment, a setting, an import, an attribute or the head of
a recipe; what is indented belongs to the recipe above.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from sophia_preflight.readers.snippet import Snippet
from sophia_preflight.text import MANY, UNKNOWN, Word

NAMES = ("justfile", "Justfile", ".justfile", "JUSTFILE")
_STRING = re.compile(r"x?(\"{3}[\s\S]*?\"{3}|'{3}[\s\S]*?'{3}|\"(?:[^\"\\\n]|\\.)*\"|'[^'\n]*'|`[^`\n]*`)")
_HEAD = re.compile(r"@?(?P<name>[A-Za-z_][\w-]*)(?=[\s:])")
_ALIAS = re.compile(r"alias\s+([A-Za-z_][\w-]*)\s*:=\s*([\w:-]+)")
_IMPORT = re.compile(r"import(\??)\s+['\"]([^'\"]+)['\"]")
_MODULE = re.compile(r"mod(\??)\s+([A-Za-z_][\w-]*)(?:\s+['\"]([^'\"]+)['\"])?")
_ASSIGNED = re.compile(r"(?:export\s+)?([A-Za-z_][\w-]*)\s*:=\s*(['\"])([^'\"\\]*)\2\s*(?:#.*)?$")
_SETTING = re.compile(r"set\s+([\w-]+)(?:\s*:=\s*(.*))?")
_PARAMETER = re.compile(r"(?P<kind>[*+$]*)(?P<name>[A-Za-z_][\w-]*)(?P<default>\s*=)?")
_NEEDED = re.compile(r"\(\s*([\w:-]+)|(?<![\w:\"'.-])([A-Za-z_][\w:-]*)")
_OF_SHELL = re.compile(r"\b(ba|z|k|da)?sh\b")
_PUT_IN = re.compile(r"\{\{(?!\{)(.*?)\}\}", re.DOTALL)
_HERE = re.compile(r"(justfile_directory|source_directory|justfile_dir|source_dir)\(\)")


@dataclass(frozen=True)
class Recipe:
    """One recipe; `lines` are its numbers in the file and their texts, with their indentation."""

    name: str
    line: int
    parameters: dict[str, bool]
    """By name: whether it may be nothing, or several words."""
    needs: tuple[Word, ...]
    lines: tuple[tuple[int, str], ...]


@dataclass
class Justfile:
    """What a file says by itself; `imports` are paths as they are written, `modules` where the named ones may lie."""

    recipes: dict[str, Recipe] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    imports: list[tuple[str, bool]] = field(default_factory=list)
    """Each with whether it may be missing."""
    modules: dict[str, tuple[str, ...]] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)
    """Variables whose value is a plain text."""
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def names(self) -> set[str]:
        return {*self.recipes, *self.aliases}

    @property
    def speaks_shell(self) -> bool:
        """Whether the lines of its recipes are read by a shell that is like sh."""
        return "shell" not in self.settings or _OF_SHELL.search(self.settings["shell"]) is not None


@lru_cache(maxsize=64)
def parse(text: str) -> Justfile:
    found = Justfile()
    body: list[tuple[int, str]] | None = None
    head: tuple[str, int, dict[str, bool], tuple[Word, ...]] | None = None

    def end() -> None:
        if head is not None and body is not None:
            found.recipes.setdefault(head[0], Recipe(*head, tuple(body)))

    lines = text.split("\n")
    number = 0
    while number < len(lines):
        line = lines[number]
        number += 1
        if line[:1] in (" ", "\t") or not line.strip():
            if body is not None:
                body.append((number, line))
            continue
        begin = number
        while line.endswith("\\") and number < len(lines):
            line = line[:-1] + " " + lines[number]
            number += 1
        end()
        head = body = None
        if line.startswith(("#", "[")) or _statement(line, found):
            continue
        head = _head(line, begin)
        body = [] if head is not None else None
    end()
    return found


def _statement(line: str, found: Justfile) -> bool:
    if match := _ALIAS.match(line):
        found.aliases[match[1]] = match[2]
    elif match := _IMPORT.match(line):
        found.imports.append((match[2], bool(match[1])))
    elif (match := _MODULE.match(line)) and not re.match(r"mod\??\s*:|mod\s+[^:'\"]*:(?!=)", line):
        name = match[2]
        places = (
            (match[3],) if match[3] else (f"{name}.just", f"{name}/mod.just", *(f"{name}/{each}" for each in NAMES))
        )
        found.modules[name] = places
    elif match := _ASSIGNED.match(line):
        found.values[match[1]] = match[3]
    elif (match := _SETTING.match(line)) and not re.match(r"set\s*[^:=]*:(?!=)", line):
        found.settings[match[1]] = (match[2] or "true").strip()
    else:
        return re.match(r"(?:export\s+)?[A-Za-z_][\w-]*\s*:=", line) is not None
    return True


def _head(line: str, number: int) -> tuple[str, int, dict[str, bool], tuple[Word, ...]] | None:
    """`name parameters: needed (needed with arguments) && needed afterwards`."""
    match = _HEAD.match(line)
    bare = _STRING.sub(lambda found: "_" * len(found[0]), line)
    bare = re.sub(r"(?<!\S)#.*", "", bare)
    colon = re.search(r":(?![=:])(?<!::)", bare)
    if match is None or colon is None:
        return None
    parameters = {
        each["name"]: bool(each["kind"].strip("$") or each["default"])
        for each in _PARAMETER.finditer(re.sub(r"=\s*(\([^)]*\)|\S+)", "= ", bare[match.end() : colon.start()]))
    }
    words = []
    behind = re.sub(r"(\(\s*[\w:-]+)([^)]*)\)", lambda found: found[1] + " " * (len(found[2]) + 1), bare[colon.end() :])
    for each in _NEEDED.finditer(behind):
        name = each[1] or each[2]
        words.append(Word(name, number, colon.end() + each.start(1 if each[1] else 2) + 1))
    return match["name"], number, parameters, tuple(words)


def scripts(path: str, made: Justfile, recipe: Recipe) -> Iterator[Snippet]:
    """What a recipe gives to a shell: each of its lines, or all of them where it is a script of its own."""
    lines = list(recipe.lines)
    while lines and not lines[-1][1].strip():
        lines.pop()
    lines = [each for at, each in enumerate(lines) if each[1].strip() or at]
    if not lines:
        return
    indent = len(lines[0][1]) - len(lines[0][1].lstrip())
    if lines[0][1].lstrip().startswith("#!"):
        if _OF_SHELL.search(lines[0][1]):
            text = "\n".join(each[indent:] if not each[:indent].strip() else each.lstrip() for _, each in lines)
            yield _filled(Snippet(path, text, lines[0][0], indent + 1, indent), made, recipe)
        return
    if not made.speaks_shell:
        return
    waiting: list[tuple[int, str]] = []
    for each in lines:
        waiting.append(each)
        if not each[1].rstrip().endswith("\\"):
            yield from _line(path, waiting, indent, made, recipe)
            waiting = []
    if waiting:
        yield from _line(path, waiting, indent, made, recipe)


def _line(path: str, lines: list[tuple[int, str]], indent: int, made: Justfile, recipe: Recipe) -> Iterator[Snippet]:
    number, first = lines[0]
    body = first.lstrip()
    command = re.sub(r"^[@-]+\s*", "", body)
    if not command.strip() or "-" in body[: len(body) - len(command)]:
        return  # its failure is ignored
    column = len(first) - len(command) + 1
    rest = [each[indent:] if not each[:indent].strip() else each.lstrip() for _, each in lines[1:]]
    yield _filled(Snippet(path, "\n".join([command, *rest]), number, column, indent), made, recipe)


def _filled(snippet: Snippet, made: Justfile, recipe: Recipe) -> Snippet:
    """What just puts in, as far as it is known."""
    for match in reversed(list(_PUT_IN.finditer(snippet.text))):
        name = match[1].strip()
        if name in recipe.parameters:
            value = MANY if recipe.parameters[name] else UNKNOWN
            snippet.put(match.start(), match.end(), value)
        elif name in made.values:
            snippet.put(match.start(), match.end(), made.values[name], assumed=True)
        elif _HERE.fullmatch(name):
            snippet.put(match.start(), match.end(), ".", assumed=True)
        else:
            snippet.put(match.start(), match.end(), UNKNOWN)
    return snippet


def below(path: str, name: str) -> str:
    """A file that a justfile names, seen from where it lies."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), name))
