"""What tests of a shell script say of files: which are there when one holds, and which the script cannot do without.

A script that gives up where a file is missing needs that file as much as one that reads it at once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from sophia_preflight.calls.operands import looks_like_file
from sophia_preflight.calls.words import FILE_TESTS
from sophia_preflight.readers.script import Command, Group, If, Logic, Pipeline, ShellWord, Simple, Text
from sophia_preflight.text import Word, joined, named

DEMANDED = "the file that the script gives up without"
_Single = Callable[[ShellWord], Word]
_READABLE = named("-f -e -r -s -x")
_GIVING_UP = named("die fail fatal abort error_exit bail panic")
_TELLS_HOW = re.compile(
    r"\b(cp|copy|creat\w*|generat\w*|download\w*|run|build|make|install|first|please|fetch|train|export|clone|compile|set)\b",
    re.IGNORECASE,
)
"""What a message says that tells how the file comes there."""


def tested(condition: Sequence[Command], single: _Single, directory: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Paths that are there when the condition holds, and paths that are there when it fails."""
    holding: list[str] = []
    failing: list[str] = []
    for each in condition:
        _tested(each, holding, failing, single, directory)
    return tuple(holding), tuple(failing)


def _tested(command: Command, holding: list[str], failing: list[str], single: _Single, directory: str) -> None:
    match command:
        case Pipeline(commands=[only], negated=True):
            _tested(only, failing, holding, single, directory)
        case Logic(left=left, right=right):
            _tested(left, holding, failing, single, directory)
            _tested(right, holding, failing, single, directory)
        case Simple(words=[first, *rest]) if first.bare in ("[", "[[", "test"):
            words = [single(word) for word in rest]
            for index, word in enumerate(words[:-1]):
                if word.value in FILE_TESTS:
                    path = joined(directory, words[index + 1].value)
                    negated = index > 0 and words[index - 1].value == "!"
                    (failing if negated else holding).append(path)
        case Simple(words=[first, second, *_]) if first.bare in ("ls", "stat"):
            holding.append(joined(directory, single(second).value))


def demanded(
    condition: Sequence[Command], body: Sequence[Command], single: _Single, functions: Mapping[str, Command]
) -> Iterator[Word]:
    """The file that is asked for by `if [ ! -f FILE ]; then …; exit 1; fi`, where no message says how it is made."""
    negated, test = False, condition[0] if len(condition) == 1 else None
    if isinstance(test, Pipeline) and len(test.commands) == 1:
        negated, test = test.negated, test.commands[0]
    if not isinstance(test, Simple) or not test.words or test.words[0].bare not in ("[", "[[", "test"):
        return
    words = [each for each in test.words[1:] if each.bare not in ("]", "]]")]
    if words and words[0].bare == "!":
        negated, words = not negated, words[1:]
    if not negated or len(words) != 2 or words[0].bare not in _READABLE:
        return
    word = single(words[1])
    gives_up = any(_gives_up(each, functions, 0) for each in body)
    if word.known and looks_like_file(word.value) and gives_up and not _TELLS_HOW.search(_said(body)):
        yield word


def otherwise(left: Command, right: Command, single: _Single, functions: Mapping[str, Command]) -> Iterator[Word]:
    """The file of `[ -f FILE ] || { …; exit 1; }`."""
    yield from demanded([Pipeline([left], negated=True)], [right], single, functions)


def _gives_up(command: Command, functions: Mapping[str, Command], depth: int) -> bool:
    match command:
        case Simple(words=[first, *rest]):
            name = first.bare or ""
            if name == "exit":
                return bool(rest) and (rest[0].bare or "").strip("0") != ""
            own = functions.get(name)
            return name in _GIVING_UP or (own is not None and depth < 3 and _gives_up(own, functions, depth + 1))
        case Group(body=inner) | Pipeline(commands=inner):
            return any(_gives_up(each, functions, depth) for each in inner)
        case Logic(right=right):
            return _gives_up(right, functions, depth)
        case _:
            return False


def _said(commands: Sequence[Command]) -> str:
    """All plain text of commands."""
    texts: list[str] = []
    for each in commands:
        match each:
            case Simple(words=words, redirects=redirects):
                texts += [part.text for word in words for part in word.parts if isinstance(part, Text)]
                texts += [each.heredoc.text for each in redirects if each.heredoc is not None]
            case Group(body=inner) | Pipeline(commands=inner):
                texts.append(_said(inner))
            case Logic(left=left, right=right):
                texts.append(_said([left, right]))
            case If(branches=branches, otherwise=rest):
                texts.append(_said([*rest, *(command for _, body in branches for command in body)]))
            case _:
                pass
    return " ".join(texts)
