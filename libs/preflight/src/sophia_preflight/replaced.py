"""Words that a change put in the place of others, while the rest of their lines stayed as it was."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from sophia_preflight.calls.documents import is_page
from sophia_preflight.mentions import acts, commands_of

_PHRASE = re.compile(r"[^\s\"'`,;()\[\]{}<>|&=]+")
_WORD = re.compile(r"-{0,2}[A-Za-z0-9_][\w-]*(?:\.[\w-]+)*")
_IMPORT = re.compile(r"\s*(from|import)\s")
_MOST_WIDE = 500


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
    """What lines of a file that are acted upon say in the place of what former versions said."""
    there = now.split("\n")
    typed = commands_of(path, now) if is_page(path) else None
    for version in before:
        was = version.split("\n")
        gone, new = Counter(was).keys() - Counter(there).keys(), Counter(there).keys() - Counter(was).keys()
        masked: dict[tuple[str, str], set[str]] = {}
        for line in gone:
            for key, phrase, _ in _masks(line):
                masked.setdefault(key, set()).add(phrase)
        for number, line in enumerate(there, 1):
            if line not in new or (typed is not None and number not in typed):
                continue
            for key, phrase, column in _masks(line):
                olds = masked.get(key, set()) - {phrase}
                if len(olds) == 1 and (acts(path, line, column) or is_import(path, line)):
                    yield Replaced(path, number, column + 1, line, olds.pop(), phrase)


def is_import(path: str, line: str) -> bool:
    """Whether a line of Python imports something."""
    return path.endswith(".py") and _IMPORT.match(line) is not None


def _masks(line: str) -> Iterator[tuple[tuple[str, str], str, int]]:
    """The line without each of its phrases, the phrase, and where it stands."""
    if len(line) <= _MOST_WIDE:
        for match in _PHRASE.finditer(line):
            yield (line[: match.start()].strip(), line[match.end() :].strip()), match[0], match.start()
