"""Words of shell scripts, character by character: quotes, expansions, substitutions, assignments, redirections.

What stands in a substitution are commands, which the grammar of `shell` reads: the two call each other.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Collection

from sophia_preflight.readers.script import (
    Assignment,
    Command,
    Heredoc,
    Logic,
    Opaque,
    Part,
    Pipeline,
    Redirect,
    ShellWord,
    Simple,
    Substitution,
    Text,
    Variable,
)
from sophia_preflight.text import PAD

DEEPEST = 60
_OPERATORS = (
    ":-",
    ":=",
    ":+",
    ":?",
    "##",
    "%%",
    "//",
    "^^",
    ",,",
    "-",
    "=",
    "+",
    "?",
    "#",
    "%",
    "/",
    "^",
    ",",
    ":",
    "@",
)
ENDS = frozenset(" \t\n;&|()<>")
"""What ends a word."""
_PLAIN = re.compile(rf"[^\s;&|()<>'\"`$\\{{}}{PAD}!*?+@]+")


class Words(ABC):
    """A text that is read from `at` on; what a method does not understand it steps over."""

    def __init__(self, text: str) -> None:
        self.text, self.at, self.depth = text, 0, 0
        self.pending: list[tuple[Heredoc, bool]] = []
        self.breaks = [-1, *(found.start() for found in re.finditer("\n", text))]

    @abstractmethod
    def script(self) -> list[Command]:
        """All commands of the text."""

    @abstractmethod
    def commands(self, closers: Collection[str]) -> list[Command]:
        """Until a closing word, `)`, `;;` or the end; the closer itself is left."""

    def position(self, at: int) -> tuple[int, int]:
        line = bisect_left(self.breaks, at)
        return line, at - self.breaks[line - 1]

    # --- between words -----------------------------------------------------------------------------------------------

    def peek(self, length: int = 1) -> str:
        return self.text[self.at : self.at + length]

    def blanks(self) -> None:
        """Over spaces, continued lines and comments; not over line ends."""
        text = self.text
        while self.at < len(text):
            char = text[self.at]
            if char in " \t\r" or char == PAD:
                self.at += 1
            elif char == "\\" and text[self.at + 1 : self.at + 2] == "\n":
                self.at += 2
            elif char == "#":
                end = text.find("\n", self.at)
                self.at = len(text) if end < 0 else end
            else:
                return

    def newline(self) -> None:
        self.at += 1
        for heredoc, strip in self.pending:
            self.heredoc_body(heredoc, strip=strip)
        self.pending = []

    def heredoc_body(self, heredoc: Heredoc, *, strip: bool) -> None:
        heredoc.line = self.position(self.at)[0]
        lines = []
        while self.at < len(self.text):
            end = self.text.find("\n", self.at)
            end = len(self.text) if end < 0 else end
            line = self.text[self.at : end]
            self.at = end + 1
            if (line.lstrip("\t") if strip else line).rstrip("\r") == heredoc.delimiter:
                break
            lines.append(line.lstrip("\t") if strip else line)
        self.at = min(self.at, len(self.text))
        heredoc.text = "".join(line + "\n" for line in lines)

    def separators(self) -> None:
        """Over blanks, line ends and `;`."""
        while True:
            self.blanks()
            char = self.peek()
            if char == "\n":
                self.newline()
            elif char == ";" and self.peek(2) not in (";;", ";&"):
                self.at += 1
            else:
                return

    def close(self, char: str) -> None:
        self.separators()
        if self.peek() == char:
            self.at += 1

    def balanced(self, opening: str, closing: str) -> str:
        """Over text with nested brackets; what was between them."""
        start = self.at + len(opening)
        self.at, depth = start, len(opening)
        while self.at < len(self.text) and depth:
            char = self.text[self.at]
            depth += (char == opening[0]) - (char == closing[0])
            self.at += 1
        return self.text[start : max(start, self.at - len(closing))]

    # --- words -------------------------------------------------------------------------------------------------------

    def word(self) -> ShellWord | None:
        """The word here; None where none begins."""
        line, column = self.position(self.at)
        parts: list[Part] = []
        start = self.at
        while self.at < len(self.text):
            char = self.text[self.at]
            if char in "<>" and self.text[self.at + 1 : self.at + 2] == "(":
                self.at += 2
                parts.append(Substitution(self.substituted(), process=True))
                continue
            if char == "(" and self.at > start and self.text[self.at - 1] in "?*+@!":
                parts.append(Text("(" + self.balanced("(", ")") + ")"))
                continue
            if char in ENDS:
                break
            before = self.at
            self.part(parts, quoted=False, closing="")
            if self.at == before:
                self.at += 1
        return ShellWord(_merged(parts), line, column) if self.at > start else None

    def part(self, parts: list[Part], *, quoted: bool, closing: str) -> None:
        char = self.text[self.at]
        if char == PAD:
            self.at += 1
        elif char == "'" and not quoted:
            end = self.text.find("'", self.at + 1)
            end = len(self.text) if end < 0 else end
            parts.append(Text(self.text[self.at + 1 : end], True))
            self.at = end + 1
        elif char == '"':
            self.double_quoted(parts)
        elif char == "$":
            self.dollar(parts, quoted=quoted)
        elif char == "`":
            self.backticks(parts, quoted=quoted)
        elif char == "\\":
            self.escape(parts, quoted=quoted)
        else:
            found = _PLAIN.match(self.text, self.at) if not quoted and not closing else None
            end = found.end() if found else self.at + 1
            parts.append(Text(self.text[self.at : end], quoted))
            self.at = end

    def escape(self, parts: list[Part], *, quoted: bool) -> None:
        following = self.text[self.at + 1 : self.at + 2]
        if following == "\n":
            self.at += 2
            return
        if quoted and following not in '$`"\\':
            parts.append(Text("\\", True))
            self.at += 1
            return
        parts.append(Text(following, True))
        self.at += 2

    def double_quoted(self, parts: list[Part]) -> None:
        self.at += 1
        parts.append(Text("", True))
        while self.at < len(self.text) and self.text[self.at] != '"':
            char = self.text[self.at]
            if char in "$`\\" or char == PAD:
                self.part(parts, quoted=True, closing='"')
                continue
            found = re.compile(rf'[^"$`\\{PAD}]+').match(self.text, self.at)
            end = found.end() if found else self.at + 1
            parts.append(Text(self.text[self.at : end], True))
            self.at = end
        self.at += 1

    def backticks(self, parts: list[Part], *, quoted: bool) -> None:
        end = self.at + 1
        while end < len(self.text) and self.text[end] != "`":
            end += 2 if self.text[end] == "\\" else 1
        inner = self.text[self.at + 1 : end]
        body = type(self)(inner).script() if self.depth < DEEPEST else []
        line, column = self.position(self.at + 1)
        _moved(body, line - 1, column - 1)
        parts.append(Substitution(body, quoted))
        self.at = end + 1

    def substituted(self) -> list[Command]:
        body = self.commands(())
        self.close(")")
        return body

    def dollar(self, parts: list[Part], *, quoted: bool) -> None:
        following = self.text[self.at + 1 : self.at + 2]
        if self.peek(3) == "$((":
            self.at += 1
            self.balanced("((", "))")
            parts.append(Opaque(quoted))
        elif following == "(":
            self.at += 2
            parts.append(Substitution(self.substituted(), quoted))
        elif following == "{":
            self.at += 2
            self.braced(parts, quoted=quoted)
        elif following == "'" and not quoted:
            end = self.text.find("'", self.at + 2)
            end = len(self.text) if end < 0 else end
            parts.append(Text(self.text[self.at + 2 : end], True))
            self.at = end + 1
        elif following == '"' and not quoted:
            self.at += 1
        elif found := re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[0-9@*#?$!_-]").match(self.text, self.at + 1):
            parts.append(Variable(found[0], quoted))
            self.at = found.end()
        else:
            parts.append(Text("$", quoted))
            self.at += 1

    def braced(self, parts: list[Part], *, quoted: bool) -> None:
        prefix = ""
        if self.peek() in ("#", "!") and self.peek(2)[1:] not in ("}", ":", "-"):
            prefix = self.peek()
            self.at += 1
        found = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[0-9]+|[@*#?$!-]").match(self.text, self.at)
        made = Variable(prefix + (found[0] if found else ""), quoted)
        self.at = found.end() if found else self.at
        if self.peek() == "[":
            made.index = self.balanced("[", "]") or "?"
        for operator in _OPERATORS:
            if self.text.startswith(operator, self.at):
                made.operator = operator
                self.at += len(operator)
                break
        line, column = self.position(self.at)
        inner: list[Part] = []
        while self.at < len(self.text) and self.text[self.at] != "}":
            before = self.at
            self.part(inner, quoted=False, closing="}")
            if self.at == before:
                self.at += 1
        self.at += 1
        made.argument = ShellWord(_merged(inner), line, column)
        parts.append(made)

    def assignment(self, found: re.Match[str]) -> Assignment:
        line, column = self.position(self.at)
        self.at = found.end()
        if self.peek() == "(":
            self.at += 1
            words = []
            while True:
                self.separators()
                if self.at >= len(self.text) or self.peek() == ")":
                    break
                before = self.at
                if word := self.word():
                    words.append(word)
                if self.at == before:
                    self.at += 1
            self.at += 1
            return Assignment(found[1], words, bool(found[3]))
        word = self.word() or ShellWord([], line, column)
        return Assignment(found[1] + (found[2] or ""), word, bool(found[3]))

    # --- redirections ------------------------------------------------------------------------------------------------

    def redirects(self) -> list[Redirect]:
        found: list[Redirect] = []
        self.blanks()
        while self.redirect(found):
            self.blanks()
        return found

    def redirect(self, found: list[Redirect]) -> bool:
        match = re.compile(r"(?:\d+|\{\w+\})?(<<<|<<-?|<>|>>|>\||>&|<&|&>>|&>|<(?!\()|>(?!\())").match(
            self.text, self.at
        )
        if not match:
            return False
        self.at = match.end()
        operator = match[1]
        self.blanks()
        if operator in ("<<", "<<-"):
            found.append(Redirect(operator, None, self.heredoc(strip=operator == "<<-")))
        else:
            found.append(Redirect(operator, self.word()))
        return True

    def heredoc(self, *, strip: bool) -> Heredoc:
        match = re.compile(r"(?:'[^'\n]*'|\"[^\"\n]*\"|\\.|[^\s;&|()<>'\"\\])+").match(self.text, self.at)
        raw = match[0] if match else ""
        self.at += len(raw)
        quoted = any(each in raw for each in "'\"\\")
        heredoc = Heredoc("", 0, quoted, re.sub(r"['\"\\]", "", raw))
        self.pending.append((heredoc, strip))
        return heredoc


def _merged(parts: list[Part]) -> list[Part]:
    """Neighbouring pieces of text become one."""
    found: list[Part] = []
    for each in parts:
        last = found[-1] if found else None
        if isinstance(each, Text) and isinstance(last, Text) and each.quoted == last.quoted:
            found[-1] = Text(last.text + each.text, each.quoted)
        else:
            found.append(each)
    return found


def _moved(commands: list[Command], lines: int, columns: int) -> None:
    """Shift what was parsed from a piece of the text to where the piece stands; the first line by columns too."""
    for each in commands:
        if isinstance(each, Simple):
            for word in each.words:
                word.column += columns if word.line == 1 else 0
                word.line += lines
            each.column += columns if each.line == 1 else 0
            each.line += lines
        elif isinstance(each, Pipeline):
            _moved(each.commands, lines, columns)
        elif isinstance(each, Logic):
            _moved([each.left, each.right], lines, columns)
