"""Interfaces of shell scripts: `getopts`, `case` over the first word in a loop or once, positional parameters, nothing.

Only scripts that refuse what they do not know have an interface that a call can break: a `case` whose `*)` leaves the
script, `getopts` with a branch for `?` that does, `${1:?}`.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import replace

from sophia_preflight.calls.options import part
from sophia_preflight.interfaces.choosing import firsts_of, with_choices
from sophia_preflight.interfaces.insisting import insist
from sophia_preflight.interfaces.model import ANY, Interface, Operand, Option, Parser
from sophia_preflight.readers.script import (
    Case,
    Command,
    Function,
    Group,
    If,
    Logic,
    Loop,
    Pipeline,
    ShellWord,
    Simple,
    Text,
    Variable,
)
from sophia_preflight.text import Word

_BEGINNING = re.compile(r"--?[\w-]*\w-?\*")
"""`--with-*`, `-c*`: options that begin like this, and their values in the same word."""
_GLOB = re.compile(r"[\[(]|\?.|(?<!=)\*|\*.")
"""A pattern of options that stands for more than what it begins with."""
READS = re.compile(r"\$\{?[1-9@*#]|\bgetopts?\b|\bargv\b|\bshift\b|\$\{?(BASH_ARGV|!#)")


def interface_of(commands: list[Command], text: str) -> Interface:
    """What the script accepts."""
    body = "\n".join(line for line in text.split("\n") if not line.lstrip().startswith("#"))
    if not READS.search(body):
        return Interface("unknown" if re.search(r"^\s*(\.|source)\s", body, re.MULTILINE) else "nothing")
    functions = {each.name: each.body for each in commands if isinstance(each, Function)}
    if (long := _long_options(body)) is not None:
        return long
    reached = _reached(commands)
    shifted = False
    """Whether words are taken away that stand before the options."""
    for each in reached:
        shifted |= isinstance(each, Simple) and bool(each.words) and each.words[0].bare == "shift" and each in commands
        if isinstance(each, Loop) and each.kind in ("while", "until", "for"):
            for inner in each.body:
                if isinstance(inner, Case) and _about_first(inner, each):
                    return _looped(inner, functions, body, leaves_words=shifted or _ends_at_words(each))
    if (options := _getopts(commands, functions)) is not None:
        if options.known:
            insist(options.parser, commands, text, lambda commands: _leaves(commands, functions))
        chosen = _after_options(commands, functions, text)
        return _together(options, chosen) if chosen is not None and chosen.known else options
    firsts = firsts_of(reached, body)
    for each in reached:
        if isinstance(each, Case) and (_is_parameter(each.subject, "1") or _is_one_of(each.subject, firsts)):
            return _chosen(each, functions, optional=firsts.get(_only(each.subject), False))
    required = _required(commands, functions, strict=_STRICT_PROGRAM.match(text) is not None)
    required = with_choices(required, reached, body, lambda commands: _leaves(commands, functions))
    if not required.known:
        for each in reached:
            if isinstance(each, If) and (chain := _chain(each, firsts, functions)) is not None:
                return chain
    return required


def _reached(commands: list[Command]) -> list[Command]:
    """Commands that the script runs with its own words: at its top, and in functions that it hands all of them to."""
    top: list[Command] = [each for each in commands if not isinstance(each, Function)]
    functions = {each.name: each.body for each in commands if isinstance(each, Function)}
    found = _flat(top)
    for each in list(found):
        if isinstance(each, Simple) and each.words and each.words[0].bare in functions:
            first = each.words[1] if len(each.words) > 1 else None
            if first is not None and any(_is_parameter(first, name) for name in "@*"):
                found += _flat([functions[str(each.words[0].bare)]])
    return found


def _only(word: ShellWord) -> str:
    """The name of the variable that a word is; empty for any other word."""
    names = [part.name for part in word.parts if isinstance(part, Variable)]
    return names[0] if len(names) == 1 and _is_parameter(word, names[0]) else ""


def _is_one_of(word: ShellWord, names: dict[str, bool]) -> bool:
    return _only(word) in names


def _chain(chain: If, firsts: dict[str, bool], functions: dict[str, Command]) -> Interface | None:
    """`if [ "$1" = a ]; then …; elif [ "$1" = b ]; then …; else exit 1; fi`: the first word is one of these."""
    if not chain.otherwise or not _leaves(chain.otherwise, functions):
        return None
    words: list[str] = []
    line, name = 1, ""
    for conditions, _ in chain.branches:
        test = conditions[0] if len(conditions) == 1 else None
        if isinstance(test, Pipeline) and len(test.commands) == 1 and not test.negated:
            test = test.commands[0]
        alternatives = list(_alternatives(test)) if isinstance(test, Simple) else []
        for alternative in alternatives:
            match alternative:
                case [subject, sign, value] if sign.bare in ("=", "==") and (literal := _pattern(value)):
                    name, line = name or _only(subject), subject.line
                    if _only(subject) != name or name not in {"1", *firsts} or "*" in literal:
                        return None
                    words.append(literal)
                case _:
                    return None
        if not alternatives:
            return None
    parser = Parser(abbreviations=False, line=line, open_options=True, has_commands=True)
    parser.commands = {word: Parser(open_options=True, open_operands=True) for word in words}
    parser.command_required = name == "1"
    return Interface("case", parser, line)


def _flat(commands: list[Command]) -> list[Command]:
    """Commands at any depth, and those of functions."""
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


def _is_parameter(word: ShellWord, name: str) -> bool:
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


def _ends_at_words(loop: Loop) -> bool:
    """Whether a loop goes on only while the first word is an option: `while [ -z "${1##-*}" ]`, `[[ $1 == -* ]]`."""
    words = [
        word
        for each in loop.condition
        for simple in _flat([each])
        if isinstance(simple, Simple)
        for word in simple.words
    ]
    shapes = [part for word in words for part in word.parts]
    shaped = any(
        isinstance(part, Variable) and part.name == "1" and part.operator in ("#", "##", "%", "%%", ":")
        for part in shapes
    )
    return shaped or any(_pattern(word).lstrip("^").startswith("-") and "*" in _pattern(word) for word in words)


def _looped(case: Case, functions: dict[str, Command], text: str, *, leaves_words: bool) -> Interface:
    """Options of a loop over all words; whether it takes others is what its last branch says, or what ends it."""
    parser = Parser(abbreviations=False, line=case.subject.line)
    refuses_options = refuses_words = False
    words: list[str] = []
    for patterns, body in case.arms:
        names = [_pattern(pattern).replace("=?*", "=*") for pattern in patterns]
        if any(name in ("*", "-*", "--*", "-?*") for name in names):
            leaves = _leaves(body, functions)
            refuses_options |= leaves
            refuses_words |= leaves and "*" in names
            if not leaves and "*" in names:
                parser.open_operands = True
            continue
        parser.open_operands |= "--" in names
        count = _takes(body)
        with_value = [name for name in names if name.endswith("=*")]
        begun = [name[:-1] for name in names if _BEGINNING.fullmatch(name)]
        if any(_GLOB.search(name) for name in names if name.startswith("-") and not _BEGINNING.fullmatch(name)):
            parser.open_options = True
        parser.beginnings += tuple(begun)
        parser.options += [Option((name,), 0, 1, line=case.subject.line) for name in begun if len(name) > 1]
        plain = [name for name in names if name.startswith("-") and not _GLOB.search(name) and "*" not in name]
        if plain:
            parser.options.append(
                Option(tuple(plain), 0, count if not with_value else max(1, count), line=case.subject.line)
            )
        if with_value:
            parser.options.append(Option(tuple(name[:-2] for name in with_value), 0, 1))
        words += [name for name in names if not name.startswith("-")]
    parser.open_operands |= bool(words)
    if refuses_words and not leaves_words and all(_WORD.fullmatch(name) for name in words):
        parser.assignments = tuple(name[:-2] for name in words if name.endswith("=*"))
    parser.open_options |= not refuses_options
    parser.open_operands |= leaves_words or not refuses_words or "$@" in text.partition("case")[0]
    if parser.open_options and parser.open_operands:
        return Interface("unknown")
    return Interface("case", parser, case.subject.line)


_WORD = re.compile(r"\w[\w-]*(=\*)?")
_GETOPT = re.compile(r"""[$`]\(?\s*getopt\s+((?:[^\n)`]|\\\n)*?)\s--\s+"?\$[@*]"?\s*[)`]"?([^\n]*\n?[^\n]*)""")
_STOPS = re.compile(r"\|\|\s*(\{\s*)?(exit|usage|die|fail|abort|print_usage|show_help|help)\b|\$\?|\bif\s+!")


def _long_options(text: str) -> Interface | None:
    """`getopt -o hc: --long help,count: -- "$@"`, where the script stops at what that refuses."""
    match = _GETOPT.search(text)
    if match is None:
        return None
    stops = _STOPS.search(match[2]) or re.search(r"^\s*set\s+-\w*e", text[: match.start()], re.MULTILINE)
    try:
        words = shlex.split(match[1].replace("\\\n", " "))
    except ValueError:
        return None
    parted = part(
        [Word(each) for each in words], frozenset(("-o", "--options", "-l", "--long", "--longoptions", "-n", "--name"))
    )
    short = "".join(each.value for each in parted.all("-o", "--options"))
    long = [
        name for each in parted.all("-l", "--long", "--longoptions") for name in re.split(r"[,\s]+", each.value) if name
    ]
    if not stops or not long or parted.has("-a", "--alternative") or set("".join([short, *long])) & set("$`+"):
        return None
    line = text.count("\n", 0, match.start()) + 1
    parser = Parser(open_operands=True, line=line)
    for names, dash in ((re.findall(r"\w:*", short), "-"), (long, "--")):
        for name in names:
            bare, count = name.rstrip(":"), min(1, name.count(":"))
            parser.options.append(Option((dash + bare,), count if not name.endswith("::") else 0, count, line=line))
    return Interface("getopts", parser, line)


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
        if letters.endswith("-:") and "*" not in letters:
            return _spelled_options(letters.removesuffix("-:"), cases, functions, words[0].line)
        refuses = any(
            _leaves(body, functions)
            for case in cases
            for patterns, body in case.arms
            if {_pattern(pattern) for pattern in patterns} & {"?", "*", "\\?"}
        )
        parser = _lettered(letters, words[0].line)
        if not refuses or "*" in letters or "-" in letters:
            return Interface("unknown", parser)
        return Interface("getopts", parser, words[0].line)
    return None


def _lettered(letters: str, line: int) -> Parser:
    parser = Parser(abbreviations=False, open_operands=True, options_first=True, line=line)
    for letter, value in re.findall(r"(\w)(:*)", letters):
        parser.options.append(Option((f"-{letter}",), len(value), len(value), line=line))
    return parser


def _spelled_options(letters: str, cases: list[Case], functions: dict[str, Command], line: int) -> Interface:
    """`getopts "ab:-:"`: what follows `--` is the value of `-`, and a `case` has its name, mostly beside a letter."""
    parser = _lettered(letters, line)
    refuses = False
    for case in cases:
        for patterns, body in case.arms:
            names = [_pattern(pattern) for pattern in patterns]
            refuses |= bool({"??*", "*", "-*", "--*"} & set(names)) and _leaves(body, functions)
            long = [name.removesuffix("=*").lstrip("-") for name in names if len(name) > 1 and "?" not in name]
            parser.open_options |= any(_GLOB.search(name) for name in long)
            parser.options += [Option((f"--{name}",), 0, 1, line=line) for name in long if name]
    return Interface("getopts", parser, line) if refuses and not parser.open_options else Interface("unknown")


def _after_options(commands: list[Command], functions: dict[str, Command], text: str) -> Interface | None:
    """`shift $((OPTIND - 1))`, then a `case` about the first word that is left."""
    for index, each in enumerate(commands):
        if isinstance(each, Simple) and each.words and each.words[0].bare == "shift":
            rest = commands[index + 1 :]
            said, *lines = text.split("\n")[each.words[0].line - 1 :]
            if "OPTIND" not in said or len(each.words) != 2:
                return None
            firsts = firsts_of(rest, "\n".join(line for line in lines if not line.lstrip().startswith("#")))
            ending = _Counted(functions)
            for case in rest:
                if isinstance(case, Case):
                    if _is_parameter(case.subject, "1") or _is_one_of(case.subject, firsts):
                        return _chosen(case, functions, optional=firsts.get(_only(case.subject), False))
                    return None
                if not isinstance(case, (Simple, Function)) and ending.may_end(case):
                    return None
            return None
    return None


def _together(options: Interface, chosen: Interface) -> Interface:
    """Options with `getopts`, and the choice of the first word behind them."""
    parser = chosen.parser
    parser.options += options.parser.options
    parser.open_options = not options.known or options.parser.open_options
    return Interface("case", parser, chosen.line)


def _pattern(word: ShellWord) -> str:
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


def _chosen(case: Case, functions: dict[str, Command], *, optional: bool = False) -> Interface:
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
    optional = optional or empty or bool(variables and variables[0].operator)
    parser = Parser(abbreviations=False, line=case.subject.line, open_options=True, has_commands=True)
    parser.command_required = not optional
    parser.commands = {word: Parser(open_options=True, open_operands=True) for word in words if word}
    return Interface("case", parser, case.subject.line)


def _required(commands: list[Command], functions: dict[str, Command], *, strict: bool) -> Interface:
    """How many words a script insists on: `${1:?message}`, `[ $# -ne 2 ] && usage`, `if [ -z "$1" ]; then exit 1`."""
    counted = _Counted(functions, strict=strict)
    for each in commands:
        if not counted.over:
            counted.look(each)
    if counted.least == 0 and counted.most == ANY:
        return Interface("unknown")
    parser = Parser(abbreviations=False, open_options=True)
    parser.operands = [Operand(f"${index + 1}") for index in range(counted.least)]
    if counted.most > counted.least:
        parser.operands.append(Operand("more", 0, counted.most - counted.least))
    return Interface("positional", parser, counted.line)


class _Counted:
    """The number of words, read from tests at the top of a script before it changes them."""

    def __init__(self, functions: dict[str, Command], *, strict: bool = False) -> None:
        self.functions = functions
        self.least, self.most, self.line = 0, ANY, 1
        self.over = False
        self.depth = 0
        self.strict = strict
        """A variable that is not set ends the script: `set -u`."""
        self.copies: dict[str, int] = {}
        """Variables that hold a word: `VERSION=$1`."""

    def look(self, command: Command) -> None:
        match command:
            case Pipeline(commands=[only], negated=False):
                self.look(only)
            case If(branches=[([condition], body), *_]) if _leaves(body, self.functions):
                self.refused(condition)
            case Logic(operator="&&", left=left, right=right) if _leaves([right], self.functions):
                self.refused(left)
            case Logic(operator="||", left=left, right=right) if _leaves([right], self.functions):
                self.insisted(left)
            case Simple(words=[first, only]) if first.bare in self.functions and _is_parameter(only, "@"):
                self.called(self.functions[str(first.bare)])
            case Simple(words=words, assignments=assignments):
                self.over |= bool(words) and (words[0].bare in ("shift", "getopts") or _sets_words(words))
                self.strict |= bool(words) and words[0].bare == "set" and _is_strict(words)
                for each in assignments:
                    if not isinstance(each.value, list) and (index := _index(each.value)):
                        self.copies[each.name] = index
                insists = ("", ":?", "?") if self.strict else (":?", "?")
                for word in [*words, *(a.value for a in assignments if not isinstance(a.value, list))]:
                    for part in word.parts:
                        if isinstance(part, Variable) and part.name.isdigit() and part.operator in insists:
                            self.insist(int(part.name), ANY, word)
            case Function():
                pass
            case _:
                self.over |= isinstance(command, (Loop, Case)) or "shift" in repr(command) or self.may_end(command)

    def called(self, function: Command) -> None:
        """A function that is given all of the script's words: they are its own."""
        self.depth += 1
        body = function.body if isinstance(function, Group) else [function]
        for each in body if self.depth < _DEEPEST else ():
            if not self.over:
                self.look(each)
        self.over |= self.depth >= _DEEPEST
        self.depth -= 1

    def may_end(self, command: Command) -> bool:
        """Whether a script may end here, and not with a failure."""
        for each in _flat([command]):
            if isinstance(each, Simple) and each.words:
                name, code = each.words[0].bare, each.words[1].bare if len(each.words) > 1 else "0"
                if name in ("exit", "return", "exec") and not (name != "exec" and (code or "0").strip("0")):
                    return True
                if name in self.functions and "exit" in repr(self.functions[name]):
                    return True
        return False

    def refused(self, condition: Command) -> None:
        """The script leaves where this holds."""
        if isinstance(condition, Pipeline) and len(condition.commands) == 1:
            (self.insisted if condition.negated else self.refused)(condition.commands[0])
        elif isinstance(condition, Logic) and condition.operator == "||":
            self.refused(condition.left)
            self.refused(condition.right)
        elif isinstance(condition, Simple) and (plain := _turned(condition)) is not None:
            self.insisted(plain)
        elif isinstance(condition, Simple):
            for test in _alternatives(condition):
                self.compared(test, refused=True)

    def insisted(self, condition: Command) -> None:
        """The script leaves where this does not hold."""
        if isinstance(condition, Pipeline) and len(condition.commands) == 1:
            (self.refused if condition.negated else self.insisted)(condition.commands[0])
        elif isinstance(condition, Simple) and len(tests := list(_alternatives(condition))) == 1:
            self.compared(tests[0], refused=False)

    def compared(self, test: list[ShellWord], *, refused: bool) -> None:
        match test:
            case [empty, word] if empty.bare in (("-z",) if refused else ("-n",)):
                index = _index(word) or next((self.copies.get(p.name, 0) for p in _variables(word)[:1]), 0)
                self.insist(index, ANY, word)
            case [count, operator, number] if [p.name for p in _variables(count)] == ["#"]:
                limit, sign = _pattern(number), operator.bare or ""
                if not limit.isdigit():
                    return
                value = int(limit)
                kept = sign if not refused else _OPPOSITE.get(sign, "")
                least, most = {
                    "-eq": (value, value), "==": (value, value), "=": (value, value), "-ge": (value, ANY),
                    "-gt": (value + 1, ANY), "-le": (0, value), "-lt": (0, value - 1), "-ne": (int(value == 0), ANY),
                    "!=": (int(value == 0), ANY),
                }.get(kept, (0, ANY))  # fmt: skip
                self.insist(least, most, count)

    def insist(self, least: int, most: int, word: ShellWord) -> None:
        if least > self.least or most < self.most:
            self.line = word.line
        self.least, self.most = max(self.least, least), min(self.most, most)


_OPPOSITE = {"-ne": "-eq", "!=": "==", "-lt": "-ge", "-le": "-gt", "-gt": "-le", "-ge": "-lt", "-eq": "-ne",
             "==": "!=", "=": "!="}  # fmt: skip


_DEEPEST = 4
"""How many functions deep the script's words are followed."""
_STRICT = re.compile(r"(^|\s)-[a-z]*u|-o nounset")
_STRICT_PROGRAM = re.compile(r"#![^\n]*sh\s+-[a-z]*u")


def _sets_words(words: list[ShellWord]) -> bool:
    """`set -- a b`, `set a b`: the script's words are others from here on."""
    if words[0].bare != "set" or len(words) == 1:
        return False
    said = _pattern(words[1])
    return said in ("--", "-") or said[:1] not in ("-", "+") or any(_pattern(word) == "--" for word in words)


def _is_strict(words: list[ShellWord]) -> bool:
    return _STRICT.search(" ".join(map(_pattern, words))) is not None


def _turned(test: Simple) -> Simple | None:
    """What `[ ! one -eq other ]` denies; None for a test that denies nothing, or says more."""
    match test.words:
        case [bracket, no, *rest] if bracket.bare in ("[", "[[", "test") and no.bare == "!":
            if any(each.bare in ("-a", "-o", "&&", "||", "(") for each in rest):
                return None
            return replace(test, words=[bracket, *rest])
        case _:
            return None


def _alternatives(test: Simple) -> Iterator[list[ShellWord]]:
    """The parts of `[ … -o … ]`; nothing where the test says more than that."""
    words = test.words
    if not words or words[0].bare not in ("[", "[[", "test") or any(each.bare in ("-a", "!", "(") for each in words):
        return
    found: list[ShellWord] = []
    for each in [*words[1:], None]:
        if each is None or each.bare in ("-o", "]", "]]"):
            if found:
                yield found
            found = []
        else:
            found.append(each)


def _variables(word: ShellWord) -> list[Variable]:
    """What a word consists of, if only of variables."""
    parts = [part for part in word.parts if not (isinstance(part, Text) and not part.text)]
    return [part for part in parts if isinstance(part, Variable)] if all(isinstance(p, Variable) for p in parts) else []


def _index(word: ShellWord) -> int:
    """Which of the script's words a word is; 0 for none, or for one that has a default."""
    match _variables(word):
        case [Variable(name=name, operator=operator, argument=argument)] if name.isdigit():
            plain = not operator or (operator in (":-", "-") and (argument is None or not argument.parts))
            return int(name) if plain else 0
        case _:
            return 0
