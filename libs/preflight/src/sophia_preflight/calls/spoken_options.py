"""Options of programs whose grammar nobody can tell: where the source speaks of all that its callers give but one.

A program names the options that it takes somewhere, in whatever language it is written and whatever library parses
them: as texts, as names of fields or of variables. Where most options of its callers are there, the one that is not
was renamed or never was.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import TYPE_CHECKING

from sophia_preflight.calls.model import Call, Program, Script
from sophia_preflight.interfaces.model import Mismatch, Problem
from sophia_preflight.interfaces.spoken import Spoken
from sophia_preflight.interfaces.vocabulary import USUAL
from sophia_preflight.standing import Standing, standing
from sophia_preflight.text import Word, is_known

if TYPE_CHECKING:
    from sophia_preflight.context import Context

_OPTION = re.compile(r"--?([A-Za-z][\w-]+)(=.*)?", re.DOTALL)
_TOKEN = re.compile(r"[A-Za-z][\w-]*")
_COMPILED = re.compile(r"\.(c|cc|cpp|cxx|h|hh|hpp|go|rs|zig|d|ml|hs|java|kt|vala)$")
_REMARK = re.compile(r"/\*.*?\*/|(?<!:)//[^\n]*|^\s*#(?!\s*(define|include))[^\n]*", re.DOTALL | re.MULTILINE)
_COMPUTED = re.compile(
    r"\$\{?[@*]|execvp?\(|REMAINDER|parse_known_args|allow_unknown|ignore_unknown"
    r"|[\"'`]--?(%s|%v|\{|\$)|[\"'`]--?[\"'`]\s*(\+|%|\.format)"
)
"""What hands options on to another program, or puts their names together."""
_ENOUGH = 6
_FEW = 3
"""Options that are known, of a program with none that is nearly called like the one that is not, and with one."""


class GivenOptions:
    """What callers give programs, by the files of these, or by the names that compilers give them."""

    def __init__(self, context: Context, spoken: Spoken) -> None:
        self.context, self.spoken = context, spoken
        self.given: dict[str, list[tuple[Call, Word]]] = {}

    def give(self, path: str, call: Call, words: Iterable[Word]) -> None:
        """Note the options of a call; the path is empty where a program is known by its name alone."""
        key = path or self._built(call)
        if not key or standing(call.site.path) is Standing.TEST or self._is_usage(call):
            return
        for word in words:
            if word.value == "--":
                return
            if (match := _OPTION.fullmatch(word.value)) and is_known(match[1]) and len(match[1]) > 2:
                self.given.setdefault(key, []).append((call, word))

    def strange(self) -> Iterator[tuple[str, Call, Mismatch]]:
        """Options of which a program does not speak, beside others of which it does: with its file and the call."""
        for key, given in self.given.items():
            names = {name for _, word in given if (name := _name(word)) not in USUAL}
            if len(names) <= _FEW:
                continue
            tokens = self._tokens(key)
            known = {name for name in names if _is_spoken_of(name, tokens)}
            if self.context.python(key) is not None:  # whose parsers take the beginning of a name as well
                known |= {name for name in names if any(each.startswith(_plain(name)) for each in tokens)}
            strange = names - known
            if not strange or len(strange) > max(1, len(known) // 8):
                continue
            for name in strange:
                near = _near(name, tokens)
                if len(known) >= (_FEW if near else _ENOUGH):
                    yield from self._said(key, name, near, known, given)

    def _said(
        self, key: str, name: str, near: str, known: set[str], given: list[tuple[Call, Word]]
    ) -> Iterator[tuple[str, Call, Mismatch]]:
        listed = ", ".join(f"`--{each}`" for each in sorted(known)[:6])
        path = key if key in self.context.repository.entries else self._place(key)
        hint = f"did you mean `--{near}`?" if near else ""
        for call, word in given:
            if _name(word) == name:
                option = word.value.partition("=")[0]
                said = f"it does not speak of `{option}`, as it does of {listed}"
                yield path, call, Mismatch(Problem.UNKNOWN, said, option, word, hint)

    # --- which programs ----------------------------------------------------------------------------------------------

    def _built(self, call: Call) -> str:
        """The name of a program that a compiler makes here."""
        match call.target:
            case Program(name=word) | Script(path=word, interpreter=""):
                name = posixpath.basename(word.value)
                return name if is_known(name) and self.context.finder.is_program(name) else ""
            case _:
                return ""

    @staticmethod
    def _is_usage(call: Call) -> bool:
        return "..." in call.text

    def _place(self, name: str) -> str:
        """A file that the source of a program may be said to be in."""
        by_name = self.context.repository.by_name
        for ending in (".c", ".cc", ".cpp", ".go", ".rs"):
            if len(by_name.get(name + ending, [])) == 1:
                return by_name[name + ending][0]
        files = self._sources(name)
        inside = [each for each in files if f"/{name}/" in f"/{each}"]
        return min(inside or files, key=lambda each: (each.count("/"), each), default="")

    # --- what they speak of ------------------------------------------------------------------------------------------

    def _sources(self, key: str) -> list[str]:
        repository = self.context.repository
        if key in repository.entries:
            if self.context.python(key) is not None:
                return self.spoken.files(key)
            directory, ending = posixpath.dirname(key), posixpath.splitext(key)[1]
            beside = repository.beside(directory)
            return [key, *(each for each in beside if each != key and ending and each.endswith(ending))]
        files = [each for each in repository.entries if _COMPILED.search(each)]
        return [each for each in files if standing(each) is not Standing.TEST]

    def _tokens(self, key: str) -> frozenset[str]:
        found: set[str] = set()
        for each in self._sources(key):
            text = _REMARK.sub(" ", self.context.repository.glimpse(each))
            if (each == key or self.context.python(key) is not None) and _COMPUTED.search(text):
                return frozenset()
            found.update(_plain(token) for token in set(_TOKEN.findall(text)))
        return frozenset(found)


def _name(word: Word) -> str:
    return word.value.partition("=")[0].lstrip("-")


def _is_spoken_of(name: str, tokens: frozenset[str]) -> bool:
    """Whether a source has a name, or the parts that it may put it together of: `manual` and `cleanup-hook`."""
    if _plain(name) in tokens or _plain(name.removeprefix("no-")) in tokens:
        return True
    words = name.split("-")
    halves = ((_plain("-".join(words[:at])), _plain("-".join(words[at:]))) for at in range(1, len(words) - 1))
    return any(first in tokens and second in tokens for first, second in halves)


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")


def _near(name: str, tokens: frozenset[str]) -> str:
    """What the source may call it now: nearly the same, or the same but for one of its words."""
    plain = _plain(name)
    alike = [each for each in tokens if abs(len(each) - len(plain)) < 12 and each[:1] == plain[:1]]
    if close := get_close_matches(plain, alike, n=1, cutoff=0.8):
        return close[0]
    words = [each for each in name.split("-") if len(each) > 3]
    rest = "".join(name.split("-")[1:])
    if len(words) > 1 and len(rest) > 6:
        return next((each for each in sorted(tokens) if each.endswith(rest) and each != rest), "")
    return ""
