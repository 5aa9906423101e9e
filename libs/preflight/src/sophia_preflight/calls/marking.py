"""What commands say of others: that one failed, for which the script gives up later; that the next is in a clone; that
no other calls a function."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence

from sophia_preflight.readers.script import (
    Command,
    Function,
    Group,
    If,
    Logic,
    Pipeline,
    ShellWord,
    Simple,
    Text,
    Variable,
)

_COMPOSES = re.compile(
    r"(^|[;&|({`]|\b(then|do|else|eval|if|while)\b)[ \t]*[\"']?(\w+_\$|\$\{\w+\}_\w)"
    r"|\b(compgen|declare -F|typeset -f)\b",
    re.MULTILINE,
)
"""How a script calls functions by names that it puts together."""
_RUNS = re.compile(r"(^|[;&|({`]|\b(then|do|else|eval|if|while)\b)[ \t]*[\"']?\$(?!\()", re.MULTILINE)
_IS_GIVEN = re.compile(r"^[^\s#].*\$\{?[@*1-9]", re.MULTILINE)
"""Whoever starts a script tells it what to run, if some command of it is a word that it is given."""
_REMARK = re.compile(r"(^|[ \t])#.*", re.MULTILINE)


def is_idle(name: str, text: str, called: Collection[str]) -> bool:
    """Whether nothing of a script that calls its functions by their names speaks of one: it was put out of use."""
    text = _REMARK.sub("", text) if called else ""
    spoken = re.findall(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text)
    told = _RUNS.search(text) is not None and _IS_GIVEN.search(text) is not None
    return len(spoken) == 1 and not told and not _COMPOSES.search(text)


def marks(commands: Sequence[Command]) -> Iterator[tuple[str, str]]:
    """Variables that commands set to plain words: `FAIL=true`."""
    for each in commands:
        for assignment in each.assignments if isinstance(each, Simple) and not each.words else ():
            if not isinstance(assignment.value, list) and (value := _text(assignment.value)):
                yield assignment.name, value


def fatal_marks(commands: Sequence[Command]) -> frozenset[tuple[str, str]]:
    """What variables hold where a script fails at its end: `if [ "$FAIL" == true ]; then exit 1; fi`."""
    found: set[tuple[str, str]] = set()
    for each in commands:
        if isinstance(each, If) and len(each.branches) == 1 and len(each.branches[0][0]) == 1:
            condition, body = each.branches[0][0][0], each.branches[0][1]
            if isinstance(condition, Pipeline) and len(condition.commands) == 1 and not condition.negated:
                condition = condition.commands[0]
            if any(_fails(inner) for inner in body):
                found |= set(_tested(condition))
        elif isinstance(each, Logic) and each.operator == "&&" and _fails(each.right):
            found |= set(_tested(each.left))
    return frozenset(found)


def kept_status(command: Command) -> str | None:
    """The variable that keeps how the command before ended: `STATUS=$?`."""
    match command:
        case Simple(words=[], assignments=[only]) if not isinstance(only.value, list):
            names = [part.name for part in only.value.parts if isinstance(part, Variable)]
            return only.name if names == ["?"] else None
        case _:
            return None


def statuses(commands: Sequence[Command]) -> frozenset[str]:
    """Variables with which a script ends: `exit "$STATUS"`."""
    found: set[str] = set()
    for each in commands:
        match each:
            case Simple(words=[first, code]) if first.bare == "exit":
                found |= {part.name for part in code.parts if isinstance(part, Variable)}
            case Pipeline(commands=inner) | Group(body=inner):
                found |= statuses(inner)
            case Logic(left=left, right=right):
                found |= statuses([left, right])
            case If(branches=branches, otherwise=otherwise):
                found |= statuses([*otherwise, *(command for _, body in branches for command in body)])
            case Function(body=body):
                found |= statuses([body])
            case _:
                pass
    return frozenset(found - {"?"})


def _fails(command: Command) -> bool:
    match command:
        case Simple(words=[first, code, *_]):
            return first.bare == "exit" and bool((code.bare or "").strip("0"))
        case _:
            return False


def _tested(condition: Command) -> Iterator[tuple[str, str]]:
    """A variable, and the word that it is compared with."""
    match condition:
        case Simple(words=[first, subject, sign, value, *_]) if first.bare in ("[", "[[", "test"):
            names = [part.name for part in subject.parts if isinstance(part, Variable)]
            if len(names) == 1 and sign.bare in ("=", "==", "-eq") and (text := _text(value)):
                yield names[0], text


def _text(word: ShellWord) -> str:
    """A word that is nothing but text; empty for any other."""
    plain = all(isinstance(part, Text) for part in word.parts)
    return "".join(part.text for part in word.parts if isinstance(part, Text)) if plain else ""


def updates(command: Command | None) -> bool:
    """Whether a command brings a clone to some state, so that its directory is no part of this repository."""
    match command:
        case Simple(words=[first, second, *_]):
            return first.bare == "git" and second.bare in ("checkout", "pull", "fetch", "reset", "switch", "clean")
        case Pipeline(commands=[only, *_]):
            return updates(only)
        case Logic(left=left):
            return updates(left)
        case _:
            return False
