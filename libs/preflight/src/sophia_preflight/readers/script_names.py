"""The names of a shell script: which functions and variables it defines, and where it uses any."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass

from sophia_preflight.readers.script import (
    Assignment,
    Command,
    Function,
    Loop,
    ShellWord,
    Simple,
    Text,
    Variable,
)

_SETS = frozenset(
    {"read", "export", "declare", "typeset", "local", "readonly", "mapfile", "readarray", "getopts", "printf", "unset"}
)
"""Commands whose plain words may be names of variables that they set."""
_HANDS_ON = frozenset({"export", "declare", "typeset"})
_READS_IN = frozenset({".", "source", "eval", "load"})
_HARMLESS = ("/bin/activate", "/conda.sh", "/nvm.sh", "/.cargo/env")
"""Files of others that are often read in, and give no name that is not theirs."""


@dataclass(frozen=True, slots=True)
class Named:
    """A name, and where it is used."""

    name: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class ScriptNames:
    """`called` are the first words of commands, `read` the variables that have no default where they stand.

    `exported` are the variables that it hands on to what it starts. `opaque` is a script that may be given names which
    its text does not show: it reads others in, or evaluates."""

    functions: tuple[tuple[str, int], ...] = ()
    called: tuple[Named, ...] = ()
    given: frozenset[str] = frozenset()
    exported: frozenset[str] = frozenset()
    read: tuple[Named, ...] = ()
    opaque: bool = False
    evaluates: bool = False
    """Texts are run as commands."""
    strict: bool = False
    """A variable that is not set ends it: `set -u`."""


def names_of(commands: list[Command]) -> ScriptNames:
    """All names of a script, those within functions and substitutions included."""
    functions: list[tuple[str, int]] = []
    called: list[Named] = []
    given: set[str] = set()
    exported: set[str] = set()
    read: list[Named] = []
    opaque = evaluates = strict = False
    for each, word in _walk(commands, None):
        match each:
            case Function():
                functions.append((each.name, each.line))
            case Assignment() | Loop() if name := each.name if isinstance(each, Assignment) else each.variable:
                given.add(name)
            case Variable() if word is not None:
                if each.operator.lstrip(":")[:1] in ("-", "=", "+", "?"):
                    given |= {each.name} if "=" in each.operator else set()
                else:
                    read.append(Named(each.name, word.line, word.column))
            case Simple() if each.words and (first := each.words[0].bare) is not None:
                called.append(Named(first, each.words[0].line, each.words[0].column))
                exported |= {assigned.name for assigned in each.assignments}
                plain = [text for word in each.words[1:] if (text := _plain(word))]
                opaque |= first in _READS_IN and not _is_harmless(each.words)
                evaluates |= first == "eval"
                if first in _SETS:
                    named = {text.partition("=")[0] for text in plain}
                    given |= named
                    exported |= named if first in _HANDS_ON else set()
                strict |= first == "set" and any(_is_strict(text) for text in plain)
            case _:
                pass
    return ScriptNames(
        tuple(functions), tuple(called), frozenset(given), frozenset(exported), tuple(read), opaque, evaluates, strict
    )


def _is_harmless(words: list[ShellWord]) -> bool:
    """Whether what is read in is one of the files of others whose names are known."""
    last = words[1].parts[-1] if len(words) > 1 and words[1].parts else None
    return isinstance(last, Text) and last.text.endswith(_HARMLESS)


def _plain(word: ShellWord) -> str:
    """The text that a word begins with."""
    first = word.parts[0] if word.parts else None
    return first.text if isinstance(first, Text) else ""


def _is_strict(text: str) -> bool:
    return text == "nounset" or (text.startswith("-") and not text.startswith("--") and "u" in text)


def _walk(value: object, word: ShellWord | None) -> Iterator[tuple[object, ShellWord | None]]:
    """Everything that a script is made of, each part with the word that it is of."""
    if isinstance(value, (list, tuple)):
        for each in value:
            yield from _walk(each, word)
    elif is_dataclass(value):
        yield value, word
        within = value if isinstance(value, ShellWord) else word
        for field in fields(value):
            inner = getattr(value, field.name)
            if isinstance(inner, (list, tuple)) or is_dataclass(inner):
                yield from _walk(inner, within)
