"""Where a program that does not take what it is given was more probably misread: findings about it are guesses.

A program is read without running it, so its options may come from where nobody looks. What speaks for that: its own
source names the argument, in a place that was taken for no option; most of what callers give it would be wrong; a
script puts another program in its place. What was there and was removed is told by those who know the history.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from sophia_preflight.interfaces.literals import literal, name_of
from sophia_preflight.interfaces.model import Interface, Mismatch, Parser, Problem
from sophia_preflight.interfaces.spoken import Spoken
from sophia_preflight.text import Word, is_known

if TYPE_CHECKING:
    from sophia_preflight.calls.model import Call
    from sophia_preflight.context import Context

_ENOUGH = 3
"""Different arguments that would be wrong, of a program that was then misread."""
_HANDING = re.compile(
    r"append|extend|insert|run|call|check_call|check_output|popen|exec\w*|spawn\w*|system|invoke|echo|print|secho|write|"
    r"debug|info|warning|error|exception|log|join|format|replace|split|startswith|endswith|remove(prefix|suffix)",
    re.IGNORECASE,
)
"""What is done with an option that is given to another program, or shown to people."""
_NAMING = re.compile(r"command|group|parser|subparser|typer|subcommand|register|add_cmd|add_subcommand", re.IGNORECASE)
"""What makes a command of a name."""
_WRITES = re.compile(
    r"""(?:\bcat\b[^\n|;&>]*>[ \t]*|\btee[ \t]+(?:-a[ \t]+)?)["']?[^\s"'<>|]*/([\w.-]+)["']?(?=[ \t]*(?:<<|$))""",
    re.MULTILINE,
)
"""A script that writes a file: `cat > "$BIN/shop" << EOF`."""


class Doubts:
    """Tell it each call that is judged; then ask whether something is doubted."""

    def __init__(self, context: Context, spoken: Spoken) -> None:
        self.context, self.spoken = context, spoken
        self._given: dict[str, set[str]] = {}
        self._wrong: dict[str, dict[str, set[str]]] = {}
        """By program and argument, the files of the callers."""
        self._named: dict[tuple[str, str], bool] = {}

    def tell(self, callee: str, interface: Interface, call: Call, words: Sequence[Word], wrong: list[Mismatch]) -> None:
        """Note what a call gives a program with its words, and what of it would be wrong."""
        given = {word.value.partition("=")[0] for word in words if is_known(word.value) and word.value[:2] == "--"}
        if interface.parser.has_commands and words and words[0].known and words[0].value[:1] != "-":
            given.add(words[0].value)
        self._given.setdefault(callee, set()).update(given - {"--", "--help"})
        for each in filter(_is_of_reading, wrong):
            self._wrong.setdefault(callee, {}).setdefault(each.subject, set()).add(call.site.path)

    def about(self, callee: str, interface: Interface, mismatch: Mismatch, name: str) -> bool:
        """Whether a mismatch with a program that is called by a name may be the reader's; `name` may be empty."""
        if name and name in self._written:
            return True
        if mismatch.problem is Problem.EXTRA and mismatch.subject.startswith("-"):
            return True  # after `--`, which whoever starts the program may keep for itself
        if not _is_of_reading(mismatch):
            return False
        if mismatch.subject in self._wrong.get(callee, {}) and self._is_mostly_wrong(callee, mismatch.subject):
            return True
        accounted = interface.parser.all_names() | set(_commands(interface.parser))
        return mismatch.subject not in accounted and self._is_named(callee, mismatch.subject)

    def _is_mostly_wrong(self, callee: str, subject: str) -> bool:
        """Whether most of what files that know nothing of each other give a program would be wrong: of all of it, or
        of the commands, or options, alone."""
        given, wrong = self._given[callee], self._wrong[callee]
        alike = {each for each in given if each.startswith("-") == subject.startswith("-")}
        return any(
            len(wrong.keys() & some) >= _ENOUGH
            and len({path for each in wrong.keys() & some for path in wrong[each]}) > 1
            and len(some & wrong.keys()) * 2 > len(some)
            for some in (given, alike)
        )

    @cached_property
    def _written(self) -> frozenset[str]:
        """Names of files that scripts write: programs that are started in the place of ours."""
        texts = (
            self.context.repository.glimpse(path) for path in self.context.repository.entries if path[-3:] == ".sh"
        )
        return frozenset(name for text in texts for name in _WRITES.findall(text))

    def _is_named(self, callee: str, subject: str) -> bool:
        """Whether the source of a program names an argument as one that it takes."""
        key = (callee, subject)
        if key not in self._named:
            self._named[key] = self.context.python(callee) is not None and any(
                _names(tree, subject)
                for path in self.spoken.files(callee)
                if subject in self.context.repository.glimpse(path)
                and (tree := self.context.programs.tree(path)) is not None
            )
        return self._named[key]


def _is_of_reading(mismatch: Mismatch) -> bool:
    """Whether a mismatch is about an option or a command that is not known."""
    if mismatch.problem is Problem.UNKNOWN:
        return mismatch.subject.startswith("-")
    return mismatch.problem is Problem.CHOICE and mismatch.message.startswith("it has no command")


def _commands(parser: Parser) -> Iterator[str]:
    for name, each in parser.commands.items():
        yield name
        yield from _commands(each)


def _names(tree: ast.Module, subject: str) -> bool:
    """Whether a module has an argument as a text where options or commands are defined, or looked for."""
    places = _of_options if subject.startswith("-") else _of_commands
    return any(_says(each, subject) for node in ast.walk(tree) for each in places(node))


def _of_commands(node: ast.AST) -> Iterable[ast.expr]:
    """The name that a method is given which makes a command of it: `group.command("sell")`."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and _NAMING.search(node.func.attr):
        yield from (*node.args[:1], *(each.value for each in node.keywords if each.arg == "name"))


def _of_options(node: ast.AST) -> Iterable[ast.expr]:
    """What stands where an option is defined or compared with; not what is given to another program, or to people."""
    match node:
        case ast.Call(func=func, args=args, keywords=keywords):
            kind = func.attr if isinstance(func, ast.Attribute) else name_of(func)
            return () if _HANDING.fullmatch(kind) else [*args, *(each.value for each in keywords)]
        case ast.Compare(left=left, comparators=others):
            sides = [left, *others]
            return () if all(literal(each) is not None for each in sides) else sides
        case ast.Dict(keys=keys):
            return [each for each in keys if each is not None]
        case ast.List(elts=elements) | ast.Tuple(elts=elements) | ast.Set(elts=elements):
            return elements if all(str(literal(each)).startswith("-") for each in elements) else ()
        case ast.Assign(value=value) | ast.AnnAssign(value=ast.expr() as value):
            return [value]
        case _:
            return ()


def _says(node: ast.expr, subject: str) -> bool:
    """Whether an expression is an option as definitions write it: `--shelf`, `--shelf=`, `--shelf/--no-shelf`."""
    value = literal(node) if isinstance(node, ast.Constant) else None
    if not isinstance(value, str) or not value.startswith(subject.partition("=")[0]):
        return False
    return value == subject or (subject[:1] == "-" and subject in re.split(r"[=/,\s]+", value))
