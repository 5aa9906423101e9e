"""First words of programs whose grammar nobody can tell: where the source speaks of all that its callers say but one.

A program that is told what to do by a word (`./build.py test`) names these words somewhere: as texts, or as the names
of functions. Where at least three of its callers' words are there, the one that is not was renamed or never was.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from sophia_preflight.calls.model import Call
from sophia_preflight.interfaces.model import Mismatch, Problem
from sophia_preflight.interfaces.spoken import Spoken
from sophia_preflight.text import Word

if TYPE_CHECKING:
    from sophia_preflight.context import Context

_WORD = re.compile(r"[a-z][a-z0-9]+([_-][a-z0-9]+)*")
_FEWEST = 3
_NAMES = re.compile(r"""[\"']([A-Za-z][\w-]*)[\"']|\bdef[ ]+(\w+)|\bclass[ ]+(\w+)""")
_ENDINGS = re.compile(
    r"(?<=\w)_?(cmd|command|group|grp|action|handler|task)s?$|^(cmd|command|do|run|handle)_", re.IGNORECASE
)
_HANDS_ON = re.compile(
    r"""\$\{?[@*]|sys\.argv\[1:\]\s*[\])]|sys\.argv\[1:\][\s\S]*[\[(,]\s*\*(?:argv|args|rest|remaining|arguments)\b"""
)
"""What gives the words of a program to another."""


class FirstWords:
    """What callers tell programs first, by the files of these."""

    def __init__(self) -> None:
        self.told: dict[str, list[tuple[Call, Word]]] = {}

    def tell(self, path: str, call: Call, words: tuple[Word, ...]) -> None:
        """Note the first word of a call."""
        if words and words[0].known and _WORD.fullmatch(words[0].value):
            self.told.setdefault(path, []).append((call, words[0]))

    def strange(self, context: Context, spoken: Spoken) -> Iterator[tuple[str, Call, Mismatch]]:
        """Words of which a program does not speak, beside others of which it does: with its file and the call."""
        for path, told in self.told.items():
            words = {word.value for _, word in told}
            text = _code(context.repository.text(path))
            if len(words) <= _FEWEST or _HANDS_ON.search(text):
                continue
            names = _names(context, spoken.files(path)) if context.python(path) is not None else set()
            known = {word for word in words if _plain(word) in names or _is_in(word, text)}
            if len(known) < _FEWEST or len(words - known) > 1:
                continue
            listed = ", ".join(f"`{each}`" for each in sorted(known)[:6])
            for call, word in told:
                if word.value not in known:
                    said = f"it does not speak of `{word.value}`, as it does of {listed}"
                    yield path, call, Mismatch(Problem.CHOICE, said, word.value, word)


def _names(context: Context, files: Iterable[str]) -> set[str]:
    """What commands of a program in Python may be named after: its short texts, functions, classes and modules."""
    found: set[str] = set()
    for each in files:
        module = posixpath.basename(each).removesuffix(".py")
        found |= {_plain(module), _plain(_ENDINGS.sub("", module))}
        for groups in _NAMES.findall(context.repository.glimpse(each)):
            name = next(filter(None, groups))
            found |= {_plain(name), _plain(_ENDINGS.sub("", name))}
            if groups[2]:
                found.add(_plain(re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", _ENDINGS.sub("", name))))
    return found


def _plain(name: str) -> str:
    return name.lower().replace("-", "_")


def _is_in(word: str, text: str) -> bool:
    either = "[_-]".join(re.split("[_-]", word))
    return re.search(rf"(?<![A-Za-z0-9_-]){either}(?![A-Za-z0-9_-])", text) is not None


def _code(text: str) -> str:
    """A source without its comments, which speak of what was."""
    return re.sub(r"(?m)^\s*#.*$", "", text)
