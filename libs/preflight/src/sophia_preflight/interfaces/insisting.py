"""Options that a script with `getopts` needs: variables that nothing but one of them sets, and whose lack ends it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from sophia_preflight.interfaces.model import Parser
from sophia_preflight.readers.script import Case, Command, Function, If, Logic, Loop, Pipeline, Simple, Text, Variable

_OTHERWISE_SET = re.compile(r"^\s*(\.|source|eval)\s|\bread\b|\bprintf -v\b|\bset -a\b", re.MULTILINE)
_READS_WORDS = re.compile(r"\$\{?[1-9@*#]|\bshift\b|\bOPTIND\b|\$\{?(BASH_ARGV|!#)")


def insist(parser: Parser, commands: list[Command], text: str, leaves: Callable[[list[Command]], bool]) -> None:
    """Say of an option that it is required, where the script whose text this is certainly ends without it.

    A variable that the script does not make empty itself may come from its surroundings; then only a call that gives
    plain words in the option's place is wrong, if the script reads none."""
    at = next((index for index, each in enumerate(commands) if _is_over_options(each)), None)
    lines = ["" if line.lstrip().startswith("#") else line for line in text.split("\n")]
    whole = "\n".join(lines)
    if at is None or _OTHERWISE_SET.search(whole):
        return
    loop = commands[at]
    assert isinstance(loop, Loop)
    given = _given(loop)
    if given is None:
        return
    for name, line in _needed(commands[at + 1 :], leaves):
        letter, before = given.get(name), "\n".join(lines[: line - 1])
        values = re.findall(rf"(?<![\w.]){name}\+?=([^\s;]*)", before)
        others = [value for value in values if "OPTARG" not in value]
        if not letter or len(values) - len(others) != 1 or any(value not in ("", '""', "''") for value in others):
            continue
        if re.search(rf"\$\{{{name}:?=", before):
            continue
        if others:
            for option in parser.options:
                option.required |= f"-{letter}" in option.names
        elif not _READS_WORDS.search(whole):
            parser.open_operands = False


def _is_over_options(command: Command) -> bool:
    first = command.condition[0] if isinstance(command, Loop) and command.condition else None
    return isinstance(first, Simple) and bool(first.words) and first.words[0].bare == "getopts"


def _given(loop: Loop) -> dict[str, str] | None:
    """Variables that hold the value of an option, and its letter; None where an option may end the script well."""
    found: dict[str, str] = {}
    for case in (each for each in loop.body if isinstance(each, Case)):
        for patterns, body in case.arms:
            letters = {pattern.bare or "*" for pattern in patterns}
            if letters & {"h", "?", "*", "\\?", ":"}:
                continue
            if "exit" in repr(body) or "exec" in repr(body):
                return None
            for each in body:
                for assignment in each.assignments if isinstance(each, Simple) else ():
                    if len(letters) == 1 and not isinstance(assignment.value, list) and "OPTARG" in repr(assignment):
                        found[assignment.name] = next(iter(letters))
    return found


def _needed(commands: list[Command], leaves: Callable[[list[Command]], bool]) -> Iterator[tuple[str, int]]:
    """Variables that the script does not go on without, and where it asks: at its top, after its options."""
    for each in commands:
        match each:
            case Function():
                continue
            case If(branches=[([condition], body), *_]) if leaves(body):
                yield from _lacking(condition)
            case Logic(operator="&&", left=left, right=right) if leaves([right]):
                yield from _lacking(left)
            case Logic(operator="||", left=left, right=right) if leaves([right]):
                yield from _lacking(left, otherwise=True)
            case Simple(words=[first, *_]) if first.bare in ("exit", "exec"):
                return
            case _ if "exit" in repr(each) or "exec" in repr(each):
                return


def _lacking(condition: Command, *, otherwise: bool = False) -> Iterator[tuple[str, int]]:
    """Variables for which a test holds if they are empty; with `otherwise`, for which it fails."""
    match condition:
        case Pipeline(commands=[only], negated=negated):
            yield from _lacking(only, otherwise=otherwise ^ negated)
        case Logic(operator="||", left=left, right=right) if not otherwise:
            yield from _lacking(left)
            yield from _lacking(right)
        case Simple(words=[first, *words]) if first.bare in ("[", "[[", "test"):
            said = [word.bare or "" for word in words if word.bare not in ("]", "]]")]
            operator = " ".join(each for each in said if each)
            names = [part.name for word in words for part in word.parts if isinstance(part, Variable)]
            plain = not any(part.operator for word in words for part in word.parts if isinstance(part, Variable))
            texts = any(isinstance(part, Text) and part.text for word in words[-2:-1] for part in word.parts)
            wanted = ("-n", "-d", "-f", "-e") if otherwise else ("-z", "! -n", "! -d", "! -f", "! -e")
            if len(names) == 1 and plain and not texts and operator in wanted:
                yield names[0], first.line
