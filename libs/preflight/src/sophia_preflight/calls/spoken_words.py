"""First words of programs whose grammar nobody can tell: where the source speaks of all that its callers say but one.

A program that is told what to do by a word (`./build.py test`) names these words somewhere: as texts, or as the names
of functions. Where at least three of its callers' words are there, the one that is not was renamed or never was.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from sophia_preflight.calls.model import Call
from sophia_preflight.interfaces.model import Mismatch, Problem
from sophia_preflight.text import Word

if TYPE_CHECKING:
    from sophia_preflight.context import Context

_WORD = re.compile(r"[a-z][a-z0-9]+([_-][a-z0-9]+)*")
_FEWEST = 3
_HANDS_ON = re.compile(r"""\$\{?[@*]|sys\.argv\[1:\]\s*[\])]""")
"""What gives the words of a program to another."""


class FirstWords:
    """What callers tell programs first, by the files of these."""

    def __init__(self) -> None:
        self.told: dict[str, list[tuple[Call, Word]]] = {}

    def tell(self, path: str, call: Call, words: tuple[Word, ...]) -> None:
        """Note the first word of a call."""
        if words and words[0].known and _WORD.fullmatch(words[0].value):
            self.told.setdefault(path, []).append((call, words[0]))

    def strange(self, context: Context) -> Iterator[tuple[str, Call, Mismatch]]:
        """Words of which a program does not speak, beside others of which it does: with its file and the call."""
        for path, told in self.told.items():
            words = {word.value for _, word in told}
            text = _code(context.repository.text(path))
            if len(words) <= _FEWEST or _HANDS_ON.search(text):
                continue
            known = {word for word in words if _is_in(word, text)}
            if len(known) < _FEWEST or len(words - known) > 1:
                continue
            listed = ", ".join(f"`{each}`" for each in sorted(known)[:6])
            for call, word in told:
                if word.value not in known:
                    said = f"it does not speak of `{word.value}`, as it does of {listed}"
                    yield path, call, Mismatch(Problem.CHOICE, said, word.value, word)


def _is_in(word: str, text: str) -> bool:
    either = "[_-]".join(re.split("[_-]", word))
    return re.search(rf"(?<![A-Za-z0-9_-]){either}(?![A-Za-z0-9_-])", text) is not None


def _code(text: str) -> str:
    """A source without its comments, which speak of what was."""
    return re.sub(r"(?m)^\s*#.*$", "", text)
