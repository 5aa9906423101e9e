"""Options that the source of a program names, where nobody can tell its grammar: what stands nowhere is refused.

Compiled programs, and those that put their parsers together while they run, are known by this much less than an
`Interface`: a call is wrong only where an option that it gives is named nowhere in all of the program's source.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from sophia_preflight.interfaces.model import Mismatch, Problem
from sophia_preflight.text import Word, is_known

USUAL = frozenset({"help", "h", "version", "v", "V"})
"""What the libraries bring by themselves."""


@dataclass(frozen=True)
class Vocabulary:
    """What a program may be told. Names of options are without their dashes."""

    language: str
    path: str
    line: int = 1
    options: frozenset[str] = frozenset()
    """Those that it defines, as far as that is plain."""
    valued: frozenset[str] = frozenset()
    """Those of them that surely take a value."""
    words: frozenset[str] | None = None
    """Everything that may be an option's name, where not all are plainly defined; None where `options` are all."""
    pieces: tuple[re.Pattern[str], ...] = ()
    """Names that are put together while it runs."""
    letters: frozenset[str] | None = None
    """Options of one letter; None where nobody can tell."""
    single: bool = False
    """Whether `-name` is `--name`."""
    commands: frozenset[str] = frozenset()
    """Its commands, at any depth, as far as they are plain."""
    refuses: bool = False
    """Whether its first word must be one of them."""
    negates: bool = False
    """Whether `--no-name` is known where `--name` is."""
    abbreviates: bool = False
    """Whether the beginning of a name is enough."""
    hands_on: bool = False
    """Whether what follows its first operand may be meant for another program."""
    lenient: frozenset[str] = frozenset()
    """Commands after which anything may stand."""

    def knows(self, name: str) -> bool:
        """Whether an option of that name may be one of its."""
        if name in USUAL or name in self.options or (self.words is not None and name in self.words):
            return True
        if self.negates and name.startswith("no-") and self.knows(name[3:]):
            return True
        if self.abbreviates and any(each.startswith(name) for each in (*self.options, *(self.words or ()))):
            return True
        return any(piece.fullmatch(name) for piece in self.pieces)


def strange(known: Vocabulary, words: Sequence[Word]) -> Iterator[Mismatch]:
    """The first option, or the command, that the program does not know."""
    before: str | None = None
    for index, word in enumerate(words):
        if word.value == "--" or (known.hands_on and _is_operand(word) and word.value not in known.commands):
            return
        if word.value in known.lenient:
            return
        if _is_operand(word):
            told = before is None and index == 0 and known.refuses
            if told and word.known and word.value not in known.commands:
                yield _no_command(known, word)
                return
            before = None
            continue
        name, equals, _ = word.value.partition("=")
        valued, before = before in known.valued, None if equals else name.lstrip("-")
        if valued or not is_known(name) or not re.fullmatch(r"--?[A-Za-z][\w.-]*", name):
            continue
        if (found := _refused(known, name)) is not None:
            yield _no_option(known, found, word)
            return


def _is_operand(word: Word) -> bool:
    return not word.value.startswith("-") or len(word.value) < 2


def _refused(known: Vocabulary, name: str) -> str | None:
    """What of a word that begins with a dash is no option; None where all of it may be."""
    bare = name.lstrip("-")
    if name.startswith("--") or known.single:
        return None if known.knows(bare) else name
    if known.letters is None or bare[0] in known.letters or known.knows(bare[0]):
        return None
    return name[:2]


def _no_option(known: Vocabulary, name: str, word: Word) -> Mismatch:
    near = get_close_matches(name.lstrip("-"), sorted(known.options), n=1, cutoff=0.6)
    dashes = name[: len(name) - len(name.lstrip("-"))]
    hint = f"did you mean `{dashes}{near[0]}`?" if near else ""
    return Mismatch(Problem.UNKNOWN, f"it does not accept `{name}`", name, word, hint)


def _no_command(known: Vocabulary, word: Word) -> Mismatch:
    commands = sorted(known.commands)
    near = get_close_matches(word.value, commands, n=1, cutoff=0.6)
    listed = ", ".join(f"`{each}`" for each in commands[:8])
    return Mismatch(
        Problem.CHOICE,
        f"it has no command `{word.value}`: there are {listed}",
        word.value,
        word,
        f"did you mean `{near[0]}`?" if near else "",
    )
