"""What make puts in the place of `$(…)`, as far as the text of its makefile tells.

Variables, and the functions that only work on text and paths, have values; what asks the machine (`$(shell …)`,
`$(wildcard …)`) is `UNKNOWN`, but for the few commands whose answer is a place in the repository. A list of which
nothing is known is one unknown word, so that `$(addprefix build-,$(LIST))` still begins with `build-`.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Mapping

from sophia_preflight.text import CWD, ROOT, UNKNOWN, is_known, joined

DEEPEST = 12
LONGEST = 20_000
PREFIX = re.compile(r"_?(sudo(_?cmd)?|(maybe|as)_(sudo|root)|dry(_?run)?)", re.IGNORECASE)
"""Variables that are nothing, or what stands before a command and runs it all the same, or only says it."""
_CLOSING = {"(": ")", "{": "}"}


def references(text: str) -> list[tuple[int, int]]:
    """Where `$…` of make stand, nested ones as part of the outer."""
    found, at = [], 0
    while (at := text.find("$", at)) >= 0:
        end = at + 2
        following = text[at + 1 : at + 2]
        if following in _CLOSING:
            depth, end = 0, at + 1
            while end < len(text):
                depth += (text[end] == following) - (text[end] == _CLOSING[following])
                end += 1
                if depth == 0:
                    break
        found.append((at, end))
        at = end
    return found


def expanded(text: str, variables: Mapping[str, str], here: str = ".", depth: int = 0) -> str:
    """Text with its references replaced; `here` is the directory of make, as a value."""
    if "$" not in text:
        return text
    if depth > DEEPEST:
        return UNKNOWN
    pieces, at = [], 0
    for start, end in references(text):
        pieces.append(text[at:start])
        pieces.append(_Reference(variables, here, depth + 1).value(text[start:end]))
        at = end
    made = "".join([*pieces, text[at:]])
    return made if len(made) < LONGEST else UNKNOWN


class _Reference:
    def __init__(self, variables: Mapping[str, str], here: str, depth: int) -> None:
        self.variables, self.here, self.depth = variables, here, depth

    def expand(self, text: str) -> str:
        return expanded(text, self.variables, self.here, self.depth)

    def value(self, text: str) -> str:
        if text == "$$":
            return "$"
        if text[1:2] not in _CLOSING:
            return self.variable(text[1:])
        inner = text[2:-1]
        if called := re.match(r"([a-z][a-z-]*)\s+(.*)", inner, re.DOTALL):
            return self.function(called[1], called[2])
        name = self.expand(inner).strip()
        if (changed := re.fullmatch(r"([\w.-]+):(.*)=(.*)", name, re.DOTALL)) is not None:
            return _substituted(changed[2], changed[3], self.variable(changed[1]))
        return self.variable(name)

    def variable(self, name: str) -> str:
        if name in self.variables:
            return self.expand(self.variables[name])
        return "" if PREFIX.fullmatch(name) else {"MAKE": "make", "CURDIR": self.here}.get(name, UNKNOWN)

    def function(self, name: str, text: str) -> str:
        if name == "shell":
            return self.answer(self.expand(text).strip())
        parts = [self.expand(each) for each in arguments(text)] if name != "foreach" else arguments(text)
        match name, parts:
            case "foreach", [variable, listed, body]:
                words = self.expand(listed).split()
                inner = [{**self.variables, variable.strip(): word} for word in words]
                return " ".join(expanded(body, each, self.here, self.depth) for each in inner)
            case "addprefix", [prefix, listed]:
                return _each(listed, lambda word: prefix + word)
            case "addsuffix", [suffix, listed]:
                return _each(listed, lambda word: word + suffix)
            case "patsubst", [pattern, replacement, listed]:
                return _substituted(pattern.strip(), replacement.strip(), listed)
            case "subst", [old, new, value] if is_known(value):
                return value.replace(old, new) if old else value
            case "filter" | "filter-out", [patterns, listed] if is_known(patterns):
                kept = [word for word in listed.split() if _fits(patterns, word) == (name == "filter")]
                return " ".join(kept)
            case "strip" | "sort", [listed]:
                return " ".join(listed.split())
            case "firstword", [listed]:
                return (listed.split() or [""])[0]
            case "lastword", [listed]:
                return (listed.split() or [""])[-1]
            case "notdir", [listed]:
                return _each(listed, lambda word: word.rpartition("/")[2])
            case "basename", [listed]:
                return _each(listed, lambda word: posixpath.splitext(word)[0])
            case "dir", [listed]:
                return _each(listed, lambda word: word.rpartition("/")[0] + "/" if "/" in word else "./")
            case "abspath" | "realpath", [listed]:
                return _each(listed, lambda word: joined(self.here, word))
            case _:
                return UNKNOWN

    def answer(self, command: str) -> str:
        """What a command prints, for those that ask where something is."""
        words = command.strip().split()
        match words:
            case ["pwd", *_]:
                return self.here
            case ["git", "rev-parse", "--show-toplevel", *_]:
                return ROOT
            case ["cd", directory, "&&" | ";", "pwd", *_]:
                return joined(self.here, directory.strip("\"'"))
            case ["dirname", path]:
                path = path.strip("\"'")
                return path.rpartition("/")[0] or ("." if path[:1] not in (ROOT, CWD, "/") else path[:1])
            case ["which", name, *_] | ["command", "-v", name, *_] if is_known(name):
                return name
            case ["realpath" | "readlink", *_, path]:
                return joined(self.here, path.strip("\"'"))
            case _:
                return UNKNOWN


def arguments(text: str) -> list[str]:
    """Cut at its commas, but not inside of parentheses."""
    found, depth, start = [], 0, 0
    for index, char in enumerate(text):
        depth += (char in "({") - (char in ")}")
        if char == "," and depth == 0:
            found.append(text[start:index])
            start = index + 1
    return [*found, text[start:]]


def _each(listed: str, change: Callable[[str], str]) -> str:
    return " ".join(change(word) for word in listed.split())


def _substituted(pattern: str, replacement: str, listed: str) -> str:
    """`$(patsubst …)`, and the short form without `%` that changes the end of words."""
    if "%" not in pattern:
        pattern, replacement = f"%{pattern}", f"%{replacement}"
    before, _, after = pattern.partition("%")

    def change(word: str) -> str:
        if not is_known(word):
            return replacement.replace("%", UNKNOWN)
        if len(word) >= len(before) + len(after) and word.startswith(before) and word.endswith(after):
            return replacement.replace("%", word[len(before) : len(word) - len(after)], 1)
        return word

    return _each(listed, change)


def _fits(patterns: str, word: str) -> bool:
    return any(re.fullmatch(re.escape(each).replace("%", ".*"), word) for each in patterns.split())
