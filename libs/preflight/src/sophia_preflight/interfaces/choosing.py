"""Words of a shell script of which only some are accepted, wherever they stand: `case "$KIND" in … *) exit 1`."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from sophia_preflight.interfaces.model import ANY, Interface, Operand, Parser
from sophia_preflight.readers.script import Case, Command, ShellWord, Simple, Text, Variable

_CHANGES = re.compile(r"\bshift\b|\bset\s+--|\bread\b|\beval\b|\bgetopts?\b")
_WORD = re.compile(r"[A-Za-z0-9][\w.-]*")


def with_choices(
    interface: Interface, commands: Sequence[Command], text: str, leaves: Callable[[list[Command]], bool]
) -> Interface:
    """The interface, with what the script says of words that it takes by their place and refuses if it has none."""
    if interface.kind not in ("positional", "unknown") or _CHANGES.search(text):
        return interface
    held = _held(commands)
    chosen = dict(_chosen(commands, held, leaves))
    if not chosen:
        return interface
    parser = interface.parser if interface.known else Parser(abbreviations=False, open_options=True, open_operands=True)
    operands = [replace(each) for each in parser.operands if each.most == 1 and each.name.startswith("$")]
    while len(operands) < max(chosen):
        operands.append(Operand(f"${len(operands) + 1}", 0))
    for index, choices in chosen.items():
        operands[index - 1].choices = choices
    most = sum(each.most for each in parser.operands) if interface.known else ANY
    rest = [Operand("more", 0, most - len(operands))] if most > len(operands) else []
    line = next((each.subject.line for each in commands if isinstance(each, Case)), interface.line)
    return Interface("positional", replace(parser, operands=[*operands, *rest], open_operands=False), line)


def firsts_of(commands: list[Command], text: str) -> dict[str, bool]:
    """Variables that hold the first word and are nothing else but a default; whether they have one."""
    values: dict[str, list[ShellWord]] = {}
    for each in commands:
        if isinstance(each, Simple):
            for assignment in each.assignments:
                if not isinstance(assignment.value, list):
                    values.setdefault(assignment.name, []).append(assignment.value)
    found: dict[str, bool] = {}
    for name, given in values.items():
        others = [each for each in given if not _is_first(each)]
        if len(others) < len(given) and all(_plain(each) and "*" not in _plain(each) for each in others):
            operators = [part.operator for each in given for part in each.parts if isinstance(part, Variable)]
            found[name] = bool(others or any(operators))
    changed = re.search(r"\bset\s+--|\bread\b|\beval\b", text)
    shifted = re.search(r"\bshift\b", text)
    before = text[: shifted.start()] if shifted is not None else text
    return {} if changed else {name: has for name, has in found.items() if re.search(rf"\b{name}=\S*\$\{{?1\b", before)}


def _plain(word: ShellWord) -> str:
    """A word as it is written, with `*` for what is not known of it."""
    return "".join(part.text if isinstance(part, Text) else "*" for part in word.parts)


def _is_first(word: ShellWord) -> bool:
    parts = [part for part in word.parts if not (isinstance(part, Text) and not part.text)]
    return len(parts) == 1 and isinstance(parts[0], Variable) and parts[0].name == "1"


def _held(commands: Sequence[Command]) -> dict[str, int]:
    """Variables that hold a word by its place, or a default, and nothing else."""
    found: dict[str, int] = {}
    others: set[str] = set()
    for each in commands:
        for assignment in each.assignments if isinstance(each, Simple) else ():
            index = _index(assignment.value) if not isinstance(assignment.value, list) else 0
            if index and assignment.name not in found:
                found[assignment.name] = index
            else:
                others.add(assignment.name)
    return {name: index for name, index in found.items() if name not in others}


def _index(word: ShellWord) -> int:
    parts = [part for part in word.parts if not (isinstance(part, Text) and not part.text)]
    match parts:
        case [Variable(name=name, operator=operator)] if name.isdigit() and operator in ("", ":-", "-", ":?", "?"):
            return int(name)
        case _:
            return 0


def _chosen(
    commands: Sequence[Command], held: dict[str, int], leaves: Callable[[list[Command]], bool]
) -> list[tuple[int, tuple[str, ...]]]:
    found: list[tuple[int, tuple[str, ...]]] = []
    for each in commands:
        if not isinstance(each, Case):
            continue
        parts = [part for part in each.subject.parts if not (isinstance(part, Text) and not part.text)]
        only = parts[0] if len(parts) == 1 and isinstance(parts[0], Variable) else None
        index = held.get(only.name, int(only.name) if only.name.isdigit() else 0) if only is not None else 0
        arms = [(_plain(pattern), body) for patterns, body in each.arms for pattern in patterns]
        refuses = any(name == "*" and leaves(body) for name, body in arms)
        words = tuple(name for name, _ in arms if name != "*")
        if index and refuses and words and all(_WORD.fullmatch(word) for word in words if word):
            found.append((index, tuple(filter(None, words))))
    return found
