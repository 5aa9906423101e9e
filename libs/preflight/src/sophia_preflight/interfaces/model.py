"""An interface and what is wrong with a call of it.

What the source computes makes an interface `open` where it is computed: then nothing about that part is wrong. Words
whose values are not known match anything; a word that may be any number of words ends all that counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from enum import StrEnum

from sophia_preflight.text import UNKNOWN, Word, is_known, shown

ANY = 1_000_000
_NUMBERS = {
    "int": re.compile(r"[-+]?[0-9_]+"),
    "float": re.compile(r"[-+]?([0-9._]+([eE][-+]?[0-9]+)?|inf|nan)", re.IGNORECASE),
}


class Problem(StrEnum):
    UNKNOWN = "unknown"
    MISSING = "missing"
    CHOICE = "choice"
    IGNORED = "ignored"
    VALUE = "value"
    EXTRA = "extra"


@dataclass(frozen=True)
class Mismatch:
    """One thing wrong with a call; `word` is where, if it is about a word that is there."""

    problem: Problem
    message: str
    subject: str
    word: Word | None = None
    hint: str = ""


@dataclass
class Option:
    """`least` and `most` values; a flag takes none. `choices` is None where anything goes or nobody can tell."""

    names: tuple[str, ...]
    least: int = 1
    most: int = 1
    required: bool = False
    choices: tuple[str, ...] | None = None
    line: int = 1
    number: str = ""
    """`int` or `float` where a value must be one."""


@dataclass
class Operand:
    name: str
    least: int = 1
    most: int = 1
    choices: tuple[str, ...] | None = None
    line: int = 1
    number: str = ""


@dataclass
class Parser:
    """One parser; `commands` are its sub-commands, each with a parser of its own."""

    options: list[Option] = field(default_factory=list)
    operands: list[Operand] = field(default_factory=list)
    commands: dict[str, Parser] = field(default_factory=dict)
    command_required: bool = False
    has_commands: bool = False
    open_options: bool = False
    """Unknown options are accepted, or nobody can tell which there are."""
    open_operands: bool = False
    ignores_unknown: bool = False
    """What is not known is passed over: it is no mistake, and what is required is required all the same."""
    options_first: bool = False
    """The first word that is no option ends the options: what follows it is for somebody else."""
    abbreviations: bool = True
    """A long option may be cut short as long as it is unambiguous (argparse)."""
    line: int = 1
    beginnings: tuple[str, ...] = ()
    """What options may begin with, whatever follows: `--with-*`."""
    assignments: tuple[str, ...] | None = None
    """The only names that `NAME=value` words may begin with, where there are such words."""
    one_of: list[tuple[list[str], bool]] = field(default_factory=list)
    """Groups of which at most one option may be given, and whether one must be."""
    wraps_anything: bool = False
    accounted: frozenset[str] | None = None
    """Where some options come from elsewhere: names of all that are handed to the program's function."""

    takes_more: bool = False
    """Its settings say that it takes what it does not know."""

    def takes_anything(self, words: Sequence[Word]) -> bool:
        """Whether the command that words name, or one on the way to it, takes what it does not know."""
        here = self
        for word in words:
            if here.takes_more:
                return True
            here = here.commands.get(word.value, here)
        return here.takes_more

    def names(self) -> list[str]:
        return [name for option in self.options for name in option.names]

    def every_command(self) -> Iterator[Parser]:
        """The parsers of all its commands, and of theirs."""
        for each in self.commands.values():
            yield each
            yield from each.every_command()

    def all_names(self) -> set[str]:
        """The names of options, those of all its commands among them."""
        return set(self.names()).union(*(each.all_names() for each in self.commands.values()))


@dataclass
class Interface:
    """`kind`: argparse, click, typer, argv, getopts, case, positional, nothing, unknown."""

    kind: str
    parser: Parser = field(default_factory=Parser)
    line: int = 1

    @property
    def known(self) -> bool:
        return self.kind != "unknown"

    @property
    def is_open(self) -> bool:
        """Whether something about it is not known."""
        return not self.known or _is_open(self.parser)


def _is_open(parser: Parser) -> bool:
    return parser.open_options or parser.open_operands or any(_is_open(each) for each in parser.commands.values())


def mismatches(interface: Interface, words: Sequence[Word]) -> Iterator[Mismatch]:
    """Everything that is certainly wrong with a call with these words."""
    if interface.kind == "unknown":
        return
    if interface.kind == "nothing":
        given = [word for word in words if not word.many and word.value]
        if given:
            said = " ".join(shown(word.value) for word in given[:4])
            yield Mismatch(Problem.IGNORED, f"it reads no arguments, so `{said}` has no effect", said, given[0])
        return
    yield from _Match(interface.parser, list(words)).problems()


class _Match:
    def __init__(self, parser: Parser, words: list[Word]) -> None:
        self.parser, self.words = parser, words
        self.seen: set[str] = set()
        self.uncertain = False
        self.operands: list[Word] = []
        self.spare: list[Word] = []
        """What follows an option that is not known: its values, or operands."""
        self.meant: set[str] = set()
        """Options that were probably meant by ones that are not known."""

    def problems(self) -> Iterator[Mismatch]:
        index = 0
        while index < len(self.words):
            word = self.words[index]
            index += 1
            if word.many:
                self.uncertain = True
                if self.parser.has_commands:
                    return  # one of them may be the command, and what follows is for that
            elif word.value == "--" or (self.parser.options_first and self.operands):
                self.operands += self.words[index - (word.value != "--") :]
                break
            elif self.is_option(word):
                found = self.option(word)
                if isinstance(found, Mismatch):
                    yield found
                    index = self.skipped(word, index)
                    continue
                if found is None:
                    self.uncertain |= not self.is_passed_over(word)
                    continue
                option, attached = found
                self.seen.update(option.names)
                values = [attached] if attached is not None else []
                if attached is None:
                    while len(values) < option.most and index < len(self.words) and self.takes(option, values, index):
                        values.append(self.words[index])
                        index += 1
                        if values[-1].many:
                            self.uncertain = True
                            break
                yield from self.values(option, values, word)
            elif self.parser.has_commands and len(self.operands) >= sum(each.most for each in self.parser.operands):
                yield from self.command(word, self.words[index:])
                yield from self.missing(command=True)
                return
            else:
                self.operands.append(word)
                yield from self.assigned(word)
        yield from self.counted()
        yield from self.missing(command=False)

    def takes(self, option: Option, values: list[Word], index: int) -> bool:
        """Whether the next word is a value of an option: argparse asks what it looks like, others take what comes."""
        word = self.words[index]
        if self.is_value(word):
            return True
        greedy = not self.parser.abbreviations and len(values) < option.least
        return greedy and word.value.partition("=")[0] not in self.parser.names()

    def skipped(self, unknown: Word, index: int) -> int:
        """Where to go on after an option that is not known; what may be its values is no defect of its own."""
        while "=" not in unknown.value and index < len(self.words) and self.is_value(self.words[index]):
            word = self.words[index]
            if word.many or word.value in self.parser.commands:
                break
            self.spare.append(word)
            index += 1
        return index

    def is_passed_over(self, word: Word) -> bool:
        """Whether a word is surely no option of this parser, and no mistake either."""
        name = word.value.partition("=")[0]
        known = self.parser.names()
        return self.parser.ignores_unknown and is_known(name) and not any(each.startswith(name) for each in known)

    def is_option(self, word: Word) -> bool:
        value = word.value
        if not value.startswith("-") or value == "-" or not is_known(value[:2]):
            return False
        digits = value[1:].replace(".", "", 1)
        return not digits.isdigit() or value in self.parser.names()

    def is_value(self, word: Word) -> bool:
        return not self.is_option(word) and word.value != "--"

    def option(self, word: Word) -> tuple[Option, Word | None] | Mismatch | None:
        """The option that a word names and the value attached to it; None where nobody can tell."""
        name, equals, rest = word.value.partition("=")
        attached = Word(rest, word.line, word.column, word.assumed) if equals else None
        if not is_known(name):
            return None
        begun = self.parser.beginnings and word.value.startswith(self.parser.beginnings)
        exact = {each: option for option in self.parser.options for each in option.names}
        if name in exact:
            return exact[name], attached
        if begun:
            return None
        if name.startswith("--") or not any(len(each) == 2 for each in exact):
            like = [each for each in exact if each.startswith(name)] if self.parser.abbreviations else []
            if like and len({id(exact[each]) for each in like}) == 1:
                return exact[like[0]], attached
            if name in ("--help", "-h") or (self.parser.open_options and not self.is_a_slip(name)):
                return None
            return self.unknown(name, replace(word, assumed=True) if self.parser.open_options else word)
        short = exact.get(name[:2])
        if short is not None:
            if short.most == 0 and all(exact.get(f"-{char}") for char in name[1:]):
                return exact[f"-{name[-1]}"], None
            return (short, Word(word.value[2:], word.line, word.column)) if short.most else None
        if name.startswith("-h") or self.parser.open_options:
            return None
        if self.parser.abbreviations and (longer := [each for each in exact if each.startswith(name)]):
            return exact[longer[0]], attached
        return self.unknown(name, word)

    def is_a_slip(self, name: str) -> bool:
        """Whether an option that may come from elsewhere is handed to nobody, and named much like one of those here."""
        bare, accounted = name.lstrip("-").removeprefix("no-"), self.parser.accounted
        if accounted is None or len(bare) < 3 or bare.replace("-", "_") in accounted:
            return False
        words = bare.split("-")
        for each in (option[2:].removeprefix("no-").split("-") for option in self.parser.names() if option[:2] == "--"):
            alike = len(words) > 1 and (each[0] == words[0] or each[-1] == words[-1])
            if len(each) > 1 and (alike or each[: len(words)] == words):
                return True
        return bool(get_close_matches(name, self.parser.names(), n=1, cutoff=0.8))

    def unknown(self, name: str, word: Word) -> Mismatch:
        known = sorted(self.parser.names())
        near = get_close_matches(name, known, n=1, cutoff=0.6)
        self.meant.update(near)
        hint = f"did you mean `{near[0]}`?" if near else f"it accepts {_listed(known)}" if known else ""
        return Mismatch(Problem.UNKNOWN, f"it does not accept `{name}`", name, word, hint)

    def values(self, option: Option, values: list[Word], at: Word) -> Iterator[Mismatch]:
        name = option.names[-1]
        if len(values) < option.least and not self.uncertain:
            yield Mismatch(Problem.VALUE, f"`{name}` needs a value", name, at)
        if values and option.most == 0:
            yield Mismatch(Problem.VALUE, f"`{name}` takes no value", name, at)
        for value in values:
            yield from self.chosen(name, option.choices, value)
            yield from self.counts(name, option.number, value)

    def chosen(self, name: str, choices: tuple[str, ...] | None, value: Word) -> Iterator[Mismatch]:
        if choices is not None and value.known and value.value not in choices:
            near = get_close_matches(value.value, choices, n=1, cutoff=0.6)
            hint = f"did you mean `{near[0]}`?" if near else ""
            said = f"`{value.value}` is no choice for `{name}`: {_listed(choices)}"
            yield Mismatch(Problem.CHOICE, said, f"{name}={value.value}", value, hint)

    def assigned(self, word: Word) -> Iterator[Mismatch]:
        """A word `NAME=value` whose name is none of those that are taken."""
        name, equals, _ = word.value.partition("=")
        known = self.parser.assignments
        if known is not None and equals and re.fullmatch(r"\w[\w-]*", name) and name not in known:
            near = get_close_matches(name, known, n=1, cutoff=0.6)
            hint = f"did you mean `{near[0]}=`?" if near else f"it accepts {_listed(f'{each}=' for each in known)}"
            yield Mismatch(Problem.UNKNOWN, f"it does not accept `{name}=`", f"{name}=", word, hint)

    def counts(self, name: str, number: str, value: Word) -> Iterator[Mismatch]:
        """A value that must be a number."""
        pattern = _NUMBERS.get(number)
        if pattern and value.known and value.value and not pattern.fullmatch(value.value.strip()):
            said = f"`{name}` takes a number, not `{value.value}`"
            yield Mismatch(Problem.CHOICE, said, f"{name}={value.value}", value)

    def command(self, word: Word, rest: list[Word]) -> Iterator[Mismatch]:
        inner = self.parser.commands.get(word.value)
        if not word.known or (inner is None and self.parser.open_operands):
            return
        if inner is None:
            known = sorted(self.parser.commands)
            near = get_close_matches(word.value, known, n=1, cutoff=0.6)
            hint = f"did you mean `{near[0]}`?" if near else ""
            said = f"it has no command `{word.value}`: there are {_listed(known)}"
            yield Mismatch(Problem.CHOICE, said, word.value, word, hint)
            return
        yield from _Match(inner, rest).problems()

    def counted(self) -> Iterator[Mismatch]:
        """Operands against what there is room for."""
        if self.uncertain or self.parser.open_operands or self.parser.wraps_anything:
            return
        most = sum(each.most for each in self.parser.operands)
        extra = next((each for each in self.operands[most:] if each.value != UNKNOWN), None)
        if extra is not None:  # a word of which nothing is known may be an option, or no word at all
            said = shown(extra.value)
            yield Mismatch(Problem.EXTRA, f"it has no place for `{said}`", said, extra)
        whole = len(self.operands) == len(self.parser.operands)
        for operand, word in zip(self.parser.operands, self.operands, strict=False):
            if whole or operand.name.startswith("$"):  # by its place
                yield from self.chosen(operand.name, operand.choices, word)
                yield from self.counts(operand.name, operand.number, word)

    def missing(self, *, command: bool) -> Iterator[Mismatch]:
        ending = {"-h", "--help", "--version"}
        ending.update(*(each.names for each in self.parser.options if ending & set(each.names)))
        if self.uncertain or any(word.value in ending for word in self.words):
            return
        for option in self.parser.options:
            if option.required and not (self.seen | self.meant) & set(option.names):
                name = option.names[-1]
                yield Mismatch(Problem.MISSING, f"it needs `{name}`", name)
        for names, required in self.parser.one_of:
            given = [name for name in names if name in self.seen | self.meant]
            options = [each for each in self.parser.options if self.seen & set(each.names) & set(names)]
            if len(options) > 1:
                both = [each.names[-1] for each in options]
                yield Mismatch(Problem.EXTRA, f"it takes only one of {_listed(both)}", " ".join(both))
            if required and not given:
                yield Mismatch(Problem.MISSING, f"it needs one of {_listed(names)}", names[0])
        if command:
            return
        room = 0
        for operand in self.parser.operands:
            room += operand.least
            if room > len(self.operands) + len(self.spare):
                yield Mismatch(Problem.MISSING, f"it needs `{operand.name}`", operand.name)
                return
        if self.parser.command_required and self.parser.commands and not (self.parser.open_operands or self.spare):
            said = f"it needs a command: {_listed(sorted(self.parser.commands))}"
            yield Mismatch(Problem.MISSING, said, "command")


def _listed(names: Iterable[str]) -> str:
    known = [f"`{name}`" for name in names]
    return ", ".join(known[:8]) + (f" and {len(known) - 8} more" if len(known) > 8 else "")
