"""What is known at a point of a shell script, and what of it still holds where its branches meet again."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from sophia_preflight.readers.script import If, Pipeline, Simple
from sophia_preflight.text import MANY, UNKNOWN, Word


@dataclass
class Held:
    """What a variable holds: text, or the words of an array."""

    value: str
    assumed: bool = False
    items: list[Word] | None = None

    def same(self, other: Held) -> bool:
        return self.value == other.value and self.items == other.items


@dataclass
class State:
    """What changes while a script is followed."""

    directory: str
    variables: dict[str, Held] = field(default_factory=dict)
    tested: tuple[str, ...] = ()
    pushed: list[str] = field(default_factory=list)
    ended: bool = False

    def copy(self) -> State:
        return State(self.directory, dict(self.variables), self.tested, list(self.pushed))


def merged(states: Sequence[State]) -> State:
    """What holds whichever of the states is the real one; a variable that only some set is assumed."""
    result = states[0].copy()
    for other in states[1:]:
        if other.directory != result.directory:
            result.directory = UNKNOWN
        result.tested = tuple(each for each in result.tested if each in other.tested)
        for name, held in other.variables.items():
            mine = result.variables.get(name)
            if mine is None:
                result.variables[name] = Held(held.value, True, held.items)
            elif not mine.same(held):
                same = _program(mine.value, held.value)
                value = _longer(mine.value, held.value) if same is None else same
                result.variables[name] = Held(value, mine.assumed or held.assumed, _either(mine.items, held.items))
        for name, held in list(result.variables.items()):
            if name not in other.variables and not held.assumed:
                result.variables[name] = Held(held.value, True, held.items)
    return result


def asks_for_program(command: If) -> bool:
    """Whether a condition without another branch only asks for a program: `if type realpath; then …; fi`."""
    condition, _ = command.branches[0]
    asked = condition[0] if len(condition) == 1 and len(command.branches) == 1 and not command.otherwise else None
    if isinstance(asked, Pipeline) and len(asked.commands) == 1 and not asked.negated:
        asked = asked.commands[0]
    words = [word.bare for word in asked.words] if isinstance(asked, Simple) else []
    return bool(words) and (words[0] in ("type", "hash", "which") or words[:2] == ["command", "-v"])


_SAME = (
    re.compile(
        r"(?:(?:uv|poetry|pipenv|pdm|rye) run )?(?:(?:[^\s\"']*/)?(?:python[0-9.]*(?:\.exe)?|pypy3?)|py(?: -3)?)"
    ),
    re.compile(r"(?:sudo )?(?:(?:docker|podman|nerdctl)[ -]compose)(?: --compatibility)?"),
    re.compile(r"(?:sudo )?(?:docker|podman|nerdctl)"),
    re.compile(r"(?:sudo )?pip[0-9.]*|(?:[^\s\"']*/)?python[0-9.]* -m pip|uv pip"),
)
"""Programs of which a script takes the one that is there, and that take the same words."""
_BEFORE = re.compile(r"(?:sudo(?: -\w+)*|doas|time|nice|(?:uv|poetry|pipenv|pdm) run|npx|exec|command)")


def _program(one: str, two: str) -> str | None:
    """The program that a variable holds whichever branch was taken, or nothing before one; None for anything else."""
    if not (one and two) and _BEFORE.fullmatch(one or two):
        return ""
    for same in _SAME:
        if same.fullmatch(one) and same.fullmatch(two):
            return min(one, two, key=lambda each: ("/" in each, len(each), each))
    return None


def _longer(one: str, two: str) -> str:
    """What a command holds that some branch adds words to: `CMD="$CMD --fast"`, `OPTIONS+=" --fast"`.

    Options that are added are kept, as some calls have them; that any words may follow says that they may lack."""
    short, long = sorted((one, two), key=len)
    added = long.removeprefix(short)
    whole = not short or (added[:1] == " " and (short.startswith("-") or " " in short))
    if whole and long.startswith(short) and _are_options(added.split()):
        return long if long.endswith(f" {MANY}") else f"{long} {MANY}"
    if " " not in short or not long.startswith(f"{short} "):
        return UNKNOWN
    return short if short.endswith(f" {MANY}") else f"{short} {MANY}"


def _are_options(words: Sequence[str]) -> bool:
    """Whether words are options with at most one value each, and words that nobody knows."""
    pairs = itertools.pairwise(words)
    first = bool(words) and words[0].startswith("-")
    return first and all(word.startswith("-") or word == MANY or before.startswith("-") for before, word in pairs)


def _either(one: list[Word] | None, other: list[Word] | None) -> list[Word] | None:
    """What two arrays begin with alike, and any words after that; options that only one has are kept."""
    if one is None and other is None:
        return None
    short, long = sorted((one or [], other or []), key=len)
    if short and long[: len(short)] == short and long[len(short) :] and long[len(short)].value.startswith("-"):
        return long if long[-1].value == MANY else [*long, Word(MANY)]
    pairs = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(one or (), other or (), strict=False))
    return [*(word for word, _ in pairs), Word(MANY)]
