"""Interfaces of shell scripts: `getopts`, `case` over the first word in a loop or once, positional parameters, nothing.

Only scripts that refuse what they do not know have an interface that a call can break: a `case` whose `*)` leaves the
script, `getopts` with a branch for `?` that does, `${1:?}`.
"""

from __future__ import annotations

import re

from sophia_preflight.interfaces.model import ANY, Interface, Operand, Option, Parser
from sophia_preflight.readers import shell
from sophia_preflight.readers.shell import (
    Case,
    Command,
    Function,
    Group,
    If,
    Logic,
    Loop,
    Pipeline,
    Simple,
    Text,
    Variable,
)

READS = re.compile(r"\$\{?[1-9@*#]|\bgetopts?\b|\bargv\b|\bshift\b|\$\{?(BASH_ARGV|!#)")


def interface_of(commands: list[Command], text: str) -> Interface:
    """What the script accepts."""
    body = "\n".join(line for line in text.split("\n") if not line.lstrip().startswith("#"))
    if not READS.search(body):
        return Interface("unknown" if re.search(r"^\s*(\.|source)\s", body, re.MULTILINE) else "nothing")
    functions = {each.name: each.body for each in commands if isinstance(each, Function)}
    for each in _flat(commands):
        if isinstance(each, Loop) and each.kind in ("while", "until", "for"):
            for inner in each.body:
                if isinstance(inner, Case) and _about_first(inner, each):
                    return _looped(inner, functions, body)
    if (options := _getopts(commands, functions)) is not None:
        return options
    top = [each for each in _flat(commands) if isinstance(each, Case)]
    for case in top:
        if _is_parameter(case.subject, "1"):
            return _chosen(case, functions)
    return _required(commands)


def _flat(commands: list[Command]) -> list[Command]:
    """Commands that the script itself runs, at any depth, and those of its functions."""
    found: list[Command] = []
    for each in commands:
        found.append(each)
        match each:
            case Pipeline(commands=inner):
                found += _flat(inner)
            case Logic(left=left, right=right):
                found += _flat([left, right])
            case Group(body=body):
                found += _flat(body)
            case If(branches=branches, otherwise=otherwise):
                for _, body in branches:
                    found += _flat(body)
                found += _flat(otherwise)
            case Loop(body=body):
                found += _flat(body)
            case Function(body=body):
                found += _flat([body])
            case _:
                pass
    return found


def _is_parameter(word: shell.ShellWord, name: str) -> bool:
    variables = [part for part in word.parts if not (isinstance(part, Text) and not part.text)]
    return len(variables) == 1 and isinstance(variables[0], Variable) and variables[0].name == name


def _about_first(case: Case, loop: Loop) -> bool:
    if loop.kind == "for":
        return bool(loop.variable) and _is_parameter(case.subject, loop.variable) and _over_all(loop)
    condition = loop.condition[0] if loop.condition else None
    getopts = isinstance(condition, Simple) and bool(condition.words) and condition.words[0].bare == "getopts"
    return not getopts and (_is_parameter(case.subject, "1") or _assigned_from_first(case, loop))


def _over_all(loop: Loop) -> bool:
    return loop.words is None or any(_is_parameter(word, "@") or _is_parameter(word, "*") for word in loop.words)


def _assigned_from_first(case: Case, loop: Loop) -> bool:
    names = [part.name for part in case.subject.parts if isinstance(part, Variable)]
    for each in loop.body:
        if isinstance(each, Simple):
            for assignment in each.assignments:
                if assignment.name in names and not isinstance(assignment.value, list):
                    return _is_parameter(assignment.value, "1")
    return False


def _looped(case: Case, functions: dict[str, Command], text: str) -> Interface:
    """Options of a loop over all words; whether it takes others is what its last branch says."""
    parser = Parser(abbreviations=False, line=case.subject.line)
    refuses_options = refuses_words = False
    for patterns, body in case.arms:
        names = [_pattern(pattern) for pattern in patterns]
        if any(name in ("*", "-*", "--*", "-?*") for name in names):
            leaves = _leaves(body, functions)
            refuses_options |= leaves
            refuses_words |= leaves and "*" in names
            if not leaves and "*" in names:
                parser.open_operands = True
            continue
        count = _takes(body)
        with_value = [name for name in names if name.endswith("=*")]
        plain = [name for name in names if name.startswith("-") and "*" not in name]
        if plain:
            parser.options.append(
                Option(tuple(plain), 0, count if not with_value else max(1, count), line=case.subject.line)
            )
        if with_value:
            parser.options.append(Option(tuple(name[:-2] for name in with_value), 0, 1))
        words = [name for name in names if not name.startswith("-")]
        if words:
            parser.open_operands = True
    parser.open_options = not refuses_options
    parser.open_operands |= not refuses_words or "$@" in text.partition("case")[0]
    if parser.open_options and parser.open_operands:
        return Interface("unknown")
    return Interface("case", parser, case.subject.line)


def _getopts(commands: list[Command], functions: dict[str, Command]) -> Interface | None:
    """`while getopts "e:t:" option`: single letters; what it does not know reaches the branch for `?`."""
    for loop in _flat(commands):
        if not isinstance(loop, Loop) or not loop.condition or not isinstance(loop.condition[0], Simple):
            continue
        words = loop.condition[0].words
        if len(words) < 3 or words[0].bare != "getopts":
            continue
        letters = _pattern(words[1]).lstrip(":")
        cases = [each for each in loop.body if isinstance(each, Case)]
        refuses = any(
            _leaves(body, functions)
            for case in cases
            for patterns, body in case.arms
            if {_pattern(pattern) for pattern in patterns} & {"?", "*", "\\?"}
        )
        if not refuses or "*" in letters or "-" in letters:
            return Interface("unknown")
        parser = Parser(abbreviations=False, open_operands=True, line=words[0].line)
        for letter, value in re.findall(r"(\w)(:*)", letters):
            parser.options.append(Option((f"-{letter}",), len(value), len(value), line=words[0].line))
        return Interface("getopts", parser, words[0].line)
    return None


def _pattern(word: shell.ShellWord) -> str:
    return "".join(part.text if isinstance(part, Text) else "*" for part in word.parts)


def _takes(body: list[Command]) -> int:
    """How many values an option takes: by how far its branch shifts, and whether it reads the next word."""
    found = 0
    for each in _flat(body):
        if isinstance(each, Simple) and each.words and each.words[0].bare == "shift":
            number = each.words[1].bare if len(each.words) > 1 else "1"
            found += int(number) if number and number.isdigit() else 1
    text = repr(body)
    reads_next = "name='2'" in text
    if reads_next:
        return 1
    return 1 if found > 1 or (found == 1 and "name='1'" in text) else 0


def _leaves(body: list[Command], functions: dict[str, Command], depth: int = 0) -> bool:
    """Whether a branch certainly ends the script with a failure."""
    for each in body:
        match each:
            case Simple(words=[first, *rest]) if first.bare in ("exit", "die", "fail", "abort"):
                return not (rest and rest[0].bare == "0")
            case Simple(words=[first, *_]) if first.bare in functions and depth < 5:
                if _leaves([functions[str(first.bare)]], functions, depth + 1):
                    return True
            case Group(body=inner) if _leaves(inner, functions, depth):
                return True
            case _:
                pass
    return False


def _chosen(case: Case, functions: dict[str, Command]) -> Interface:
    """`case "$1" in start) … *) usage; exit 1`: the first word is a choice."""
    words: list[str] = []
    refuses = False
    empty = False
    for patterns, body in case.arms:
        for name in (_pattern(pattern) for pattern in patterns):
            if name == "*":
                refuses |= _leaves(body, functions)
            elif "*" in name or "?" in name or "[" in name:
                return Interface("unknown")
            else:
                words.append(name)
                empty |= name == ""
    if not refuses or not words:
        return Interface("unknown")
    variables = [part for part in case.subject.parts if isinstance(part, Variable)]
    optional = empty or bool(variables and variables[0].operator)
    parser = Parser(abbreviations=False, line=case.subject.line, open_options=True, has_commands=True)
    parser.command_required = not optional
    parser.commands = {word: Parser(open_options=True, open_operands=True) for word in words if word}
    return Interface("case", parser, case.subject.line)


def _required(commands: list[Command]) -> Interface:
    """`${1:?message}` makes the first word required."""
    found = 0
    for each in _flat(commands):
        if isinstance(each, Simple):
            words = [*each.words, *(a.value for a in each.assignments if not isinstance(a.value, list))]
            for part in (part for word in words for part in word.parts):
                if isinstance(part, Variable) and part.name.isdigit() and part.operator in (":?", "?"):
                    found = max(found, int(part.name))
    if not found:
        return Interface("unknown")
    parser = Parser(abbreviations=False, open_options=True)
    parser.operands = [Operand(f"${index + 1}") for index in range(found)] + [Operand("more", 0, ANY)]
    return Interface("positional", parser)
