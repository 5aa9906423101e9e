"""Shell scripts as trees: enough of POSIX sh and bash to know which commands a script has, and in what circumstances.

A parser of our own, because none fits: bashlex gives up on a whole script at one construct that it does not know (and
is GPL), and a tree-sitter grammar cannot read what other languages put into shell text (`${{ … }}`, `$(VAR)` of make,
`{{ … }}`), which here are placeholders of a `Snippet`. It never fails: what it does not understand it steps over.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from sophia_preflight.readers.script import (
    Assignment,
    Case,
    Command,
    Function,
    Group,
    Heredoc,
    If,
    Logic,
    Loop,
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
from sophia_preflight.text import FIRST_PLACEHOLDER, LAST_PLACEHOLDER, PAD

DEEPEST = 60


_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ASSIGNED = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(\[[^\]]*\])?(\+?)=")
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
_ENDS = frozenset(" \t\n;&|()<>")
_PLAIN = re.compile(rf"[^\s;&|()<>'\"`$\\{{}}{PAD}!*?+@]+")
_CLOSERS = frozenset({"then", "else", "elif", "fi", "do", "done", "esac", "}", "in"})


def parse(text: str) -> list[Command]:
    """The script's commands, in order."""
    return _Parser(text.replace("\r\n", "\n")).script()


def is_placeholder(char: str) -> bool:
    return FIRST_PLACEHOLDER <= ord(char) <= LAST_PLACEHOLDER


class _Parser:
    def __init__(self, text: str) -> None:
        self.text, self.at, self.depth = text, 0, 0
        self.pending: list[tuple[Heredoc, bool]] = []
        self.breaks = [-1, *(found.start() for found in re.finditer("\n", text))]

    def script(self) -> list[Command]:
        found: list[Command] = []
        while self.at < len(self.text):
            before = self.at
            found += self.commands(())
            if self.at == before:
                self.at += 1  # a closing word or bracket that nothing opened
            elif self.at < len(self.text) and self.text[self.at] in ");}":
                self.at += 1
        return found

    def position(self, at: int) -> tuple[int, int]:
        import bisect

        line = bisect.bisect_left(self.breaks, at)
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

    # --- commands ----------------------------------------------------------------------------------------------------

    def commands(self, closers: Collection[str]) -> list[Command]:
        """Until a closing word, `)`, `;;` or the end; the closer itself is left."""
        found: list[Command] = []
        self.depth += 1
        while self.depth < DEEPEST:
            self.separators()
            if self.at >= len(self.text) or self.peek() == ")" or self.peek(2) in (";;", ";&"):
                break
            word = self.reserved()
            if word in closers or word in _CLOSERS:
                break
            before = self.at
            command = self.logic()
            if command is not None:
                found.append(command)
            if self.peek() == "&" and self.peek(2) != "&&":
                self.at += 1
            if self.at == before:
                self.at += 1
        self.depth -= 1
        return found

    def reserved(self) -> str:
        """The bare word here, without moving."""
        found = re.compile(r"[A-Za-z_]+|[{}!]|\[\[").match(self.text, self.at)
        if not found:
            return ""
        after = self.text[found.end() : found.end() + 1]
        return found[0] if not after or after in _ENDS or found[0] == "}" else ""

    def expect(self, word: str) -> bool:
        self.separators()
        if self.reserved() == word:
            self.at += len(word)
            return True
        return False

    def logic(self) -> Command | None:
        left = self.pipeline()
        while left is not None:
            self.blanks()
            operator = self.peek(2)
            if operator not in ("&&", "||"):
                break
            self.at += 2
            self.line_ends()
            right = self.pipeline()
            if right is None:
                break
            left = Logic(operator, left, right)
        return left

    def line_ends(self) -> None:
        self.blanks()
        while self.peek() == "\n":
            self.newline()
            self.blanks()

    def pipeline(self) -> Command | None:
        self.blanks()
        negated = False
        while self.reserved() in ("!", "time"):
            negated ^= self.reserved() == "!"
            self.at += len(self.reserved())
            self.blanks()
        first = self.command()
        if first is None:
            return None
        commands = [first]
        while True:
            self.blanks()
            if self.peek() != "|" or self.peek(2) == "||":
                break
            self.at += 2 if self.peek(2) == "|&" else 1
            self.line_ends()
            following = self.command()
            if following is None:
                break
            commands.append(following)
        return Pipeline(commands, negated) if len(commands) > 1 or negated else first

    def command(self) -> Command | None:
        self.blanks()
        if self.peek(2) == "((":
            return self.arithmetic_command()
        if self.peek() == "(":
            self.at += 1
            body = self.commands(())
            self.close(")")
            return Group(body, True, self.redirects())
        word = self.reserved()
        compound = {
            "{": self.group, "if": self.conditional, "for": self.for_loop, "select": self.for_loop,
            "while": self.while_loop, "until": self.while_loop, "case": self.case, "function": self.function_word,
        }.get(word)  # fmt: skip
        if compound:
            return compound()
        return self.simple()

    def close(self, char: str) -> None:
        self.separators()
        if self.peek() == char:
            self.at += 1

    def arithmetic_command(self) -> Command:
        line, column = self.position(self.at)
        self.balanced("((", "))")
        return Simple([], [], [], line, column)

    def balanced(self, opening: str, closing: str) -> str:
        """Over text with nested brackets; what was between them."""
        start = self.at + len(opening)
        self.at, depth = start, len(opening)
        while self.at < len(self.text) and depth:
            char = self.text[self.at]
            depth += (char == opening[0]) - (char == closing[0])
            self.at += 1
        return self.text[start : max(start, self.at - len(closing))]

    def group(self) -> Command:
        self.at += 1
        body = self.commands(("}",))
        self.close("}")
        return Group(body, False, self.redirects())

    def conditional(self) -> Command:
        self.at += 2
        branches, otherwise = [], []
        condition = self.commands(("then",))
        self.expect("then")
        branches.append((condition, self.commands(("elif", "else", "fi"))))
        while self.expect("elif"):
            condition = self.commands(("then",))
            self.expect("then")
            branches.append((condition, self.commands(("elif", "else", "fi"))))
        if self.expect("else"):
            otherwise = self.commands(("fi",))
        self.expect("fi")
        self.redirects()
        return If(branches, otherwise)

    def for_loop(self) -> Command:
        kind = self.reserved()
        self.at += len(kind)
        self.blanks()
        if self.peek(2) == "((":
            self.balanced("((", "))")
            return self.loop_body(kind, "", None, [])
        found = _NAME.match(self.text, self.at)
        variable = found[0] if found else ""
        self.at += len(variable)
        words: list[ShellWord] | None = None
        if self.expect("in"):
            words = []
            self.blanks()
            while self.at < len(self.text) and self.peek() not in ";\n&|)":
                word = self.word()
                if word is None:
                    break
                words.append(word)
                self.blanks()
        return self.loop_body(kind, variable, words, [])

    def while_loop(self) -> Command:
        kind = self.reserved()
        self.at += len(kind)
        return self.loop_body(kind, "", None, self.commands(("do",)))

    def loop_body(self, kind: str, variable: str, words: list[ShellWord] | None, condition: list[Command]) -> Command:
        self.separators()
        if self.reserved() == "{":
            self.at += 1
            body = self.commands(("}",))
            self.close("}")
        else:
            self.expect("do")
            body = self.commands(("done",))
            self.expect("done")
        return Loop(kind, variable, words, condition, body, self.redirects())

    def case(self) -> Command:
        line, column = self.position(self.at)
        self.at += 4
        self.blanks()
        subject = self.word() or ShellWord([], line, column)
        self.expect("in")
        arms = []
        while True:
            self.separators()
            if self.at >= len(self.text) or self.reserved() == "esac":
                break
            before = self.at
            if self.peek() == "(":
                self.at += 1
            patterns = self.patterns()
            body = self.commands(("esac",))
            arms.append((patterns, body))
            self.blanks()
            if self.peek(2) in (";;", ";&"):
                self.at += 3 if self.peek(3) == ";;&" else 2
            if self.at == before:
                self.at += 1
        self.expect("esac")
        self.redirects()
        return Case(subject, arms)

    def patterns(self) -> list[ShellWord]:
        found = []
        while self.at < len(self.text):
            self.blanks()
            if self.peek() == ")":
                self.at += 1
                break
            if self.peek() == "|":
                self.at += 1
                continue
            word = self.word()
            if word is None:
                break
            found.append(word)
        return found

    def function_word(self) -> Command | None:
        line, _ = self.position(self.at)
        self.at += len("function")
        self.blanks()
        found = re.compile(r"[^\s(){};]+").match(self.text, self.at)
        if not found:
            return None
        self.at = found.end()
        self.blanks()
        if self.peek() == "(":
            self.balanced("(", ")")
        return self.function_body(found[0], line)

    def function_body(self, name: str, line: int) -> Command | None:
        self.separators()
        body = self.command()
        return Function(name, body, line) if body is not None else None

    def simple(self) -> Command | None:
        line, column = self.position(self.at)
        made = Simple([], [], [], line, column)
        while True:
            self.blanks()
            if self.redirect(made.redirects):
                continue
            if not made.words and (found := _ASSIGNED.match(self.text, self.at)):
                made.assignments.append(self.assignment(found))
                continue
            if self.peek() == "(" and len(made.words) == 1 and not made.assignments:
                return self.function_or_step(made, line)
            word = self.word()
            if word is None:
                break
            made.words.append(word)
            if word.bare == "[[" and len(made.words) == 1:
                self.double_test(made)
            elif word.bare in ("declare", "local", "export", "readonly", "typeset") and len(made.words) == 1:
                self.declared(made)
        return made if made.words or made.assignments or made.redirects else None

    def function_or_step(self, made: Simple, line: int) -> Command | None:
        name = made.words[0].bare
        after = re.compile(r"\(\s*\)").match(self.text, self.at)
        if name and after:
            self.at = after.end()
            return self.function_body(name, line)
        self.balanced("(", ")")
        return made

    def declared(self, made: Simple) -> None:
        """`export NAME=value …`: assignments that come as words."""
        while True:
            self.blanks()
            if found := _ASSIGNED.match(self.text, self.at):
                made.assignments.append(self.assignment(found))
                continue
            word = self.word()
            if word is None:
                return
            made.words.append(word)

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

    def double_test(self, made: Simple) -> None:
        while self.at < len(self.text):
            self.blanks()
            if self.peek(2) == "]]":
                self.at += 2
                return
            if self.peek() == "\n":
                self.newline()
                continue
            line, column = self.position(self.at)
            operator = re.compile(r"&&|\|\||[()<>|&;]").match(self.text, self.at)
            if operator:
                self.at = operator.end()
                made.words.append(ShellWord([Text(operator[0])], line, column))
            elif word := self.word():
                made.words.append(word)
            else:
                self.at += 1

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
            if char in _ENDS:
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
        body = _Parser(inner).script() if self.depth < DEEPEST else []
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
