"""Shell scripts as trees: enough of POSIX sh and bash to know which commands a script has, and in what circumstances.

A parser of our own, because none fits: bashlex gives up on a whole script at one construct that it does not know (and
is GPL), and a tree-sitter grammar cannot read what other languages put into shell text (`${{ … }}`, `$(VAR)` of make,
`{{ … }}`), which here are placeholders of a `Snippet`. It never fails: what it does not understand it steps over.
"""

from __future__ import annotations

import re
from collections.abc import Collection

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
)
from sophia_preflight.readers.shell_words import DEEPEST, ENDS, Words
from sophia_preflight.text import FIRST_PLACEHOLDER, LAST_PLACEHOLDER

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ASSIGNED = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(\[[^\]]*\])?(\+?)=")
_CLOSERS = frozenset({"then", "else", "elif", "fi", "do", "done", "esac", "}", "in"})


def parse(text: str) -> list[Command]:
    """The script's commands, in order."""
    return _Parser(text.replace("\r\n", "\n")).script()


def is_placeholder(char: str) -> bool:
    return FIRST_PLACEHOLDER <= ord(char) <= LAST_PLACEHOLDER


class _Parser(Words):
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
        return found[0] if not after or after in ENDS or found[0] == "}" else ""

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

    def arithmetic_command(self) -> Command:
        line, column = self.position(self.at)
        self.balanced("((", "))")
        return Simple([], [], [], line, column)

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
