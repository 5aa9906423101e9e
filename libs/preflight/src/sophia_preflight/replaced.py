"""Words that a change put in the place of others, while the rest of their lines stayed as it was."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

from sophia_preflight.calls.documents import is_page
from sophia_preflight.mentions import acts, commands_of

_PHRASE = re.compile(r"[^\s\"'`,;()\[\]{}<>|&=]+")
_WORD = re.compile(r"-{0,2}[A-Za-z0-9_][\w-]*(?:\.[\w-]+)*")
_IMPORT = re.compile(r"\s*(from|import)\s")
_MOST_WIDE = 500
_NEAR = 0.75
"""How alike what took the place of what has to be, where several could be meant."""


@dataclass(frozen=True)
class Replaced:
    """A phrase, which is what no blank and no quote parts, that became another: a path, an address, an option."""

    path: str
    line: int
    column: int
    text: str
    old: str
    new: str

    @property
    def word(self) -> Replaced | None:
        """The one word of the phrase that became another; None if more did."""
        old, new = list(_WORD.finditer(self.old)), list(_WORD.finditer(self.new))
        if len(old) != len(new) or _WORD.sub("\0", self.old) != _WORD.sub("\0", self.new):
            return None
        pairs = [(was, now) for was, now in zip(old, new, strict=True) if was[0] != now[0]]
        if len(pairs) != 1:
            return None
        ((was, now),) = pairs
        return replace(self, column=self.column + now.start(), old=was[0], new=now[0])

    @property
    def is_alone(self) -> bool:
        """Whether its line says nothing else, so that nothing tells that the one took the place of the other."""
        return not re.search(r"\w", self.text.replace(self.new, "", 1))


def replacements(path: str, before: Sequence[str], now: str) -> Iterator[Replaced]:
    """What lines of a file that are acted upon say in the place of what former versions said: once for a line, however
    often it says so."""
    there = now.split("\n")
    typed = commands_of(path, now) if is_page(path) else None
    for version in before:
        was = version.split("\n")
        new = set(there) - set(was)
        olds = _Lines(Counter(was) - Counter(there))
        for number, line in enumerate(there, 1):
            if line in new and (typed is None or number in typed) and len(line) <= _MOST_WIDE:
                for old, match in olds.replaced(line):
                    if acts(path, line, match.start()) or is_import(path, line):
                        yield Replaced(path, number, match.start() + 1, line, old, match[0])


class _Lines:
    """Lines that are gone, by what they say but for one phrase, and by the number of their phrases."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._masked: dict[tuple[str, str], set[str]] = {}
        self._long: dict[tuple[str, int], list[list[str]]] = {}
        for line in lines:
            if len(line) <= _MOST_WIDE:
                phrases = list(_PHRASE.finditer(line))
                for match in phrases:
                    self._masked.setdefault(_mask(line, match), set()).add(match[0])
                self._long.setdefault(_shape(line), []).append([match[0] for match in phrases])

    def replaced(self, line: str) -> Iterator[tuple[str, re.Match[str]]]:
        """The phrases that were in the place of those of a line, if only one was there that could be meant."""
        phrases = list(_PHRASE.finditer(line))
        found = False
        for match in phrases:
            olds = self._masked.get(_mask(line, match), set()) - {match[0]}
            near = olds if len(olds) == 1 else get_close_matches(match[0], sorted(olds), n=2, cutoff=_NEAR)
            if len(near) == 1:
                found = True
                yield next(iter(near)), match
        alike = self._long.get(_shape(line), []) if not found else []
        several = [pair for old in alike if (pair := _same_word(old, phrases))]
        if len(several) == 1:
            yield several[0]


def _same_word(old: list[str], new: list[re.Match[str]]) -> tuple[str, re.Match[str]] | None:
    """The first of some phrases that differ, if it is the same word that differs in each of them."""
    pairs = [(was, now) for was, now in zip(old, new, strict=True) if was != now[0]]
    words = {(word.old, word.new) if (word := _word(was, now[0])) else None for was, now in pairs}
    return pairs[0] if len(words) == 1 and None not in words else None


def _word(old: str, new: str) -> Replaced | None:
    return Replaced("", 1, 1, new, old, new).word


def _mask(line: str, match: re.Match[str]) -> tuple[str, str]:
    """What a line says before and after a phrase."""
    return line[: match.start()].strip(), line[match.end() :].strip()


def _shape(line: str) -> tuple[str, int]:
    """What a line says between its phrases, and how many it has."""
    return _PHRASE.subn("", line.strip())


def is_import(path: str, line: str) -> bool:
    """Whether a line of Python imports something."""
    return path.endswith(".py") and _IMPORT.match(line) is not None
