"""What words of a shell script are worth, as far as the state that the script is in tells."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace

from sophia_preflight.calls.expanding import braces, line, stripped
from sophia_preflight.calls.running import Run
from sophia_preflight.calls.states import Held, State
from sophia_preflight.calls.words import INTERPRETER, TEMPLATED
from sophia_preflight.readers.expansion import PREFIX
from sophia_preflight.readers.script import Command, Opaque, Part, ShellWord, Substitution, Text, Variable
from sophia_preflight.readers.shell import is_placeholder
from sophia_preflight.readers.snippet import Snippet
from sophia_preflight.text import MANY, PAD, ROOT, UNKNOWN, Word, is_known


class Values(ABC):
    """The state of a script, and its words in it. What commands print says who follows them."""

    def __init__(self, snippet: Snippet, run: Run, variables: dict[str, Held]) -> None:
        self.snippet, self.run = snippet, run
        self.state = State(run.site.directory, variables)
        self.positional: list[Word] | None = None
        self.is_read_in = False
        """The script only defines functions, for those that read it in: `$0` is one of them."""

    @abstractmethod
    def printed(self, body: Sequence[Command]) -> str:
        """What commands print, where that follows from their words."""

    def single(self, word: ShellWord) -> Word:
        """The word as exactly one, as in an assignment or a test."""
        place = self.snippet.place(word.line, word.column)
        value, assumed, _ = self.value(word.parts)
        return Word(value.replace(MANY, UNKNOWN), place.line, place.column, assumed)

    def expand(self, word: ShellWord) -> list[Word]:
        """The words that a word becomes."""
        place = self.snippet.place(word.line, word.column)
        if listed := self.array(word):
            return listed
        value, assumed, glob = self.value(word.parts)
        made = Word(value, place.line, place.column, assumed, glob)
        if word.bare and "{" in value:
            return [replace(made, value=each) for each in braces(value)]
        only = word.parts[0] if len(word.parts) == 1 else None
        if value in (UNKNOWN, MANY) and (held := _variable(word)) is not None and not held.operator:
            if INTERPRETER.fullmatch(held.name):
                return [replace(made, value="python", assumed=True)]
            if PREFIX.fullmatch(held.name):
                return []
        if re.search(r"[ \t\n]", value) and isinstance(only, Variable) and not only.quoted:
            return [
                replace(made, value=each if each == MANY else each.replace(MANY, UNKNOWN)) for each in value.split()
            ]
        if MANY in value and value != MANY:
            made = replace(made, value=value.replace(MANY, UNKNOWN))
        if not value and word.parts and not any(isinstance(part, Text) and part.quoted for part in word.parts):
            return []
        return [made]

    def array(self, word: ShellWord) -> list[Word] | None:
        """`"${NAME[@]}"`, and `"$@"` of a function that was called with known words."""
        only = _variable(word)
        if only is None:
            return None
        if only.name in ("@", "*") and self.positional is not None and only.operator in ("", ":"):
            start = self.single(only.argument).value if only.operator and only.argument else "1"
            return self.positional[max(0, int(start) - 1) :] if start.isdigit() else None
        if only.index in ("@", "*") and (held := self.state.variables.get(only.name)) and held.items is not None:
            return held.items
        return None

    def value(self, parts: Sequence[Part]) -> tuple[str, bool, bool]:
        """Text, whether a default was assumed, whether it is a pattern."""
        pieces: list[str] = []
        assumed = glob = False
        for index, part in enumerate(parts):
            match part:
                case Text(text=text, quoted=quoted):
                    if not quoted and index == 0 and text.startswith("~"):
                        text = UNKNOWN + text[1:].lstrip("abcdefghijklmnopqrstuvwxyz")
                    glob |= not quoted and re.search(r"[*?]|\[.+\]", text) is not None
                    text = TEMPLATED.sub(UNKNOWN, text)
                    if not text.isascii():
                        text, put = self.placed(text, quoted=quoted)
                        assumed |= put
                    pieces.append(text)
                case Variable():
                    held = self.variable(part)
                    assumed |= held.assumed
                    glob |= not part.quoted and "*" in held.value
                    pieces.append(held.value)
                case Substitution():
                    value = self.substitution(part)
                    pieces.append(MANY if value == UNKNOWN and not part.quoted else value)
                case Opaque():
                    pieces.append(UNKNOWN)
        return "".join(pieces), assumed, glob

    def placed(self, text: str, *, quoted: bool) -> tuple[str, bool]:
        """Text with the values of the outer language in it."""
        made, assumed = [], False
        for char in text:
            if char == PAD:
                continue
            put = self.snippet.placeholders.get(char) if is_placeholder(char) else None
            if put is None:
                made.append(UNKNOWN if is_placeholder(char) else char)
                continue
            assumed |= put.assumed
            made.append(MANY if put.value == UNKNOWN and not (quoted or put.single) else put.value)
        return "".join(made), assumed

    def variable(self, part: Variable) -> Held:
        name = part.name
        unknown = Held(UNKNOWN if part.quoted and name != "@" and part.index != "@" else MANY)
        held = self.known_variable(name, part)
        argument = self.value(part.argument.parts)[0].replace(MANY, UNKNOWN) if part.argument else ""
        match part.operator:
            case "":
                return held or unknown
            case ":-" | "-" | ":=" | "=":
                return held if held and is_known(held.value) and held.value else Held(argument, True)
            case ":?" | "?":
                return held or unknown
            case ":+" | "+" if part.argument and not (held and not held.value):
                return Held("" if argument == "echo" else argument, True)  # only said, where nothing shall be done
            case "#" | "##" | "%" | "%%" if held is not None and is_known(argument):
                return Held(stripped(held.value, part.operator, argument), held.assumed)
            case "/" | "//" if (
                held and is_known(held.value) and is_known(argument) and not re.search(r"^[%#]|\*", argument)
            ):
                pattern, _, new = argument.partition("/")
                return Held(held.value.replace(pattern, new, 1 if part.operator == "/" else -1), held.assumed)
            case _:
                return unknown

    def known_variable(self, name: str, part: Variable) -> Held | None:
        if name == "0" and self.is_read_in:
            return None
        if name in ("0", "BASH_SOURCE"):
            return Held(self.run.site.script)
        if name == "#" and self.positional is not None and not any(each.many for each in self.positional):
            return Held(str(len(self.positional)))
        if name.isdigit() and self.positional is not None:
            index = int(name) - 1
            return Held(self.positional[index].value) if index < len(self.positional) else Held("")
        if name in ("@", "*") and self.positional and not any(re.search(r"\s", each.value) for each in self.positional):
            return None if any(each.many for each in self.positional) else Held(line(self.positional))
        held = self.state.variables.get(name)
        if held is not None:
            if part.index and part.index not in ("@", "*", "0") and held.items is not None:
                index = int(part.index) if part.index.isdigit() else -1
                return Held(held.items[index].value) if 0 <= index < len(held.items) else None
            return held
        if name == "PWD":
            return Held(self.state.directory)
        if name in ("GITHUB_WORKSPACE", "CI_PROJECT_DIR", "BUILD_SOURCESDIRECTORY", "TRAVIS_BUILD_DIR"):
            return Held(ROOT)
        return None

    def substitution(self, part: Substitution) -> str:
        """What a command prints, for the few whose output follows from their words."""
        kept = self.state
        self.state = kept.copy()
        try:
            said = self.printed(part.body)
            return UNKNOWN if part.process else said
        finally:
            self.state = kept


def _variable(word: ShellWord) -> Variable | None:
    """The variable that is all of a word."""
    parts = [part for part in word.parts if not (isinstance(part, Text) and not part.text)]
    return parts[0] if len(parts) == 1 and isinstance(parts[0], Variable) else None
