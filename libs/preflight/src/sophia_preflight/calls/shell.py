"""What a shell script does, as far as its text tells: variables, `cd`, functions, tests and loops are followed.

Nothing is run. Branches are followed side by side and what they disagree about afterwards is unknown; a loop over known
words is followed once a word; a function is followed where it is called, or from the start when nobody calls it.
"""

from __future__ import annotations

import itertools
import posixpath
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from sophia_preflight.calls.commands import PYTHON, SHELLS, interpret
from sophia_preflight.calls.demanding import DEMANDED, demanded, otherwise, tested
from sophia_preflight.calls.embedded import python_text
from sophia_preflight.calls.expanding import holds, printed
from sophia_preflight.calls.marking import fatal_marks, is_idle, kept_status, marks, statuses, updates
from sophia_preflight.calls.model import Caller, Guard, Needed, Site, System, Trace
from sophia_preflight.calls.operands import folders
from sophia_preflight.calls.running import Run
from sophia_preflight.calls.shell_values import Values
from sophia_preflight.calls.states import Held, State, asks_for_program, merged
from sophia_preflight.calls.words import DECLARING, ENDING, READING, SILENT, WRITTEN
from sophia_preflight.calls.written import is_written, written
from sophia_preflight.readers import shell
from sophia_preflight.readers.script import (
    Assignment,
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
    Variable,
)
from sophia_preflight.readers.snippet import Snippet
from sophia_preflight.text import CWD, MANY, ROOT, UNKNOWN, Word, is_known, joined

MOST_STEPS = 20_000
MOST_ITEMS = 40
DEEPEST = 24


def follow(snippet: Snippet, site: Site, trace: Trace, variables: dict[str, Held] | None = None) -> State:
    """Follow a script from its first line; `variables` are what its surroundings set. Returns how it ends."""
    follower = _Follower(snippet, Run(site, trace, _followed, interpret), dict(variables or {}))
    return follower.whole()


def _followed(word: Word, run: Run) -> None:
    """Text inside a script that is run as a script itself."""
    snippet = Snippet(run.site.path, word.value, word.line, word.column + 1)
    _Follower(snippet, run, {}).whole()


def script_site(path: str) -> Site:
    """Where a shell script of the repository runs when nobody says where from."""
    return Site(path, Caller.SHELL, CWD, System.REPOSITORY, script=f"{ROOT}/{path}")


class _Follower(Values):
    def __init__(self, snippet: Snippet, run: Run, variables: dict[str, Held]) -> None:
        super().__init__(snippet, run, variables)
        self.functions: dict[str, Command] = {}
        self.called: set[str] = set()
        self.stack: list[str] = []
        self.branches = 0
        """How many conditions and loops what is followed is inside, of the function that it is in."""
        self.guard = run.site.guard
        self.steps = 0
        self.decisive = False
        """The script gives up if what is followed now fails."""
        self.statuses: frozenset[str] = frozenset()
        """Variables that hold how a command ended, and with which the script ends itself."""
        self.failing: frozenset[tuple[str, str]] = frozenset()
        """What variables hold where the script has noted a failure, for which it gives up in the end."""
        self.named_before: set[str] = set()
        """Last parts of the paths that commands were given, of which some make what they are given."""
        self.sourced = self.foreign = False
        """A script was read in; a command was run that may be a function of it, and go anywhere."""
        self.updated_next = False
        """The next command works on a clone of some repository: so what `cd` goes to is one."""

    def whole(self) -> State:
        if self.run.depth > 8 or not self.snippet.text.strip():
            return self.state
        start = self.state.copy()
        commands = shell.parse(self.snippet.text)
        self.failing, self.statuses = fatal_marks(commands), statuses(commands)
        self.is_read_in = bool(commands) and all(isinstance(each, Function) for each in commands)
        self.commands(commands)
        end, guard, called = self.state, self.run.site.guard, {*self.called}
        for name, body in (each for each in [*self.functions.items()] if each[0] not in self.called):
            self.state = replace(start.copy(), variables={**end.variables})
            self.guard = guard.tolerant() if is_idle(name, self.snippet.text, called) else guard
            self.stack = [name]
            self.command(body)
        return end

    # --- commands ----------------------------------------------------------------------------------------------------

    def commands(self, commands: Iterable[Command]) -> None:
        commands = list(commands)
        for each, after in itertools.zip_longest(commands, commands[1:]):
            self.updated_next = updates(after)
            self.command(each)
            if self.state.ended:
                break

    def command(self, command: Command) -> None:
        self.steps += 1
        if self.steps > MOST_STEPS or len(self.stack) > DEEPEST:
            return
        self.branches += (inside := isinstance(command, Logic | If | Loop | Case))
        match command:
            case Simple():
                self.simple(command)
            case Pipeline():
                self.pipeline(command)
            case Logic():
                self.logic(command)
            case Group():
                self.group(command)
            case If():
                self.conditional(command)
            case Loop():
                self.loop(command)
            case Case():
                self.case(command)
            case Function():
                self.functions[command.name] = command.body
        self.branches -= inside

    def pipeline(self, command: Pipeline) -> None:
        if len(command.commands) == 1:
            kept_guard = self.guard
            if command.negated and not self.decisive:
                self.guard = kept_guard.tolerant()
            self.command(command.commands[0])
            self.guard = kept_guard
            self.state.ended = False
            return
        for each in command.commands:
            kept = self.state
            self.state = kept.copy()
            self.command(each)
            self.state = kept
            if isinstance(each, Simple) and each.words and each.words[0].bare == "read":
                self.unknown_words(each.words[1:])

    def logic(self, command: Logic) -> None:
        holding, failing = self.tests([command.left])
        if command.operator == "&&":
            kept_decisive, self.decisive = self.decisive, self.decisive or self.ends(command.right)
            self.updated_next = updates(command.right)
            self.command(command.left)
            self.decisive = kept_decisive
            if self.has_ended():
                return
            after = self.state.copy()
            self.state.tested = (*self.state.tested, *holding)
            self.command(command.right)
            if self.has_ended():  # `[ ! -f x ] && exit`: what follows knows that x is there
                self.state = after
                self.state.tested = (*after.tested, *failing)
            else:
                self.state.tested = after.tested
            return
        self.demands(otherwise(command.left, command.right, self.single, self.functions))
        ends = self.ends(command.right) or kept_status(command.right) in self.statuses
        kept = self.guard
        self.guard = kept if ends else kept.tolerant()
        self.command(command.left)
        self.guard = kept
        after = self.state.copy()
        after.ended = False
        self.state.tested = (*self.state.tested, *failing)
        self.command(command.right)
        self.state = after
        if ends:
            self.state.tested = (*after.tested, *holding)

    def demands(self, words: Iterable[Word]) -> None:
        for word in words:
            self.here().call(Needed(word, DEMANDED, mentioned=True), [word])

    def has_ended(self) -> bool:
        return self.state.ended

    def ends(self, command: Command, within: frozenset[str] = frozenset()) -> bool:
        """Whether a command certainly leaves the script; a function that calls itself does not by that."""
        match command:
            case Simple(words=[first, *_]):
                name = first.bare or ""
                own = self.functions.get(name) if name not in within else None
                return name in ENDING or (own is not None and self.ends(own, within | {name}))
            case Group(body=body):
                return any(self.ends(each, within) for each in body)
            case Logic(right=right):
                return self.ends(right, within)
            case _:
                return False

    def group(self, command: Group) -> None:
        if command.subshell:
            kept = self.state
            self.state = kept.copy()
            self.commands(command.body)
            self.state = kept
        else:
            self.commands(command.body)
        self.redirects(command)

    def conditional(self, command: If) -> None:
        outcomes: list[State] = []
        knows: tuple[str, ...] = self.state.tested
        for condition, body in command.branches:
            if (held := self.decided(condition)) is False:
                continue
            holding, failing = self.tests(condition)
            self.asked(condition, body, command.otherwise)
            self.demands(demanded(condition, body, self.single, self.functions))
            self.state.ended = False
            rest = self.state.copy()
            self.state = rest.copy()
            self.state.tested = (*knows, *holding)
            self.commands(body)
            if self.state.ended:
                knows = (*knows, *failing)
            else:
                outcomes.append(self.state)
            self.state = rest
            if held:
                break
        else:
            self.otherwise(command, knows, outcomes)
        if not outcomes:
            self.state.ended = True
            return
        self.state = merged(outcomes)
        self.state.tested = knows

    def otherwise(self, command: If, knows: tuple[str, ...], outcomes: list[State]) -> None:
        """Follow what is done where no branch is taken; who has no program that the script asks for is none of ours."""
        if outcomes and asks_for_program(command):
            return
        otherwise = self.state.copy()
        if command.otherwise:
            failing_all = [path for condition, _ in command.branches for path in self.tests(condition)[1]]
            self.state = otherwise
            self.state.tested = (*knows, *failing_all)
            self.commands(command.otherwise)
            otherwise = self.state
        if not otherwise.ended:
            outcomes.append(otherwise)

    def decided(self, condition: Sequence[Command]) -> bool | None:
        """Whether a test of the words that a function was given holds; None where they are not known.

        A test of no text at all fails that is the value of an expression: `[ -n "${{ matrix.floor }}" ]`."""
        match condition:
            case [Simple(words=[first, *rest]) | Pipeline(commands=[Simple(words=[first, *rest])], negated=False)]:
                pass
            case _:
                return None
        own = [part.name for word in rest for part in word.parts if isinstance(part, Variable)]
        if first.bare in ("[", "[[") and not own and len(rest) == 3 and rest[0].bare == "-n":
            return False if self.single(rest[1]).value == "" else None
        if first.bare not in ("[", "[[") or self.positional is None or not own:
            return None
        words = [self.single(word) for word in rest[:-1]]
        if not all(name == "#" or name.isdigit() for name in own) or not all(word.known for word in words):
            return None
        return holds([word.value for word in words])

    def asked(self, condition: Sequence[Command], body: Sequence[Command], otherwise: Sequence[Command]) -> None:
        """Follow a condition: its failure is an answer, unless the script gives up on it."""
        negated = bool(condition) and isinstance(condition[-1], Pipeline) and condition[-1].negated
        kept = self.guard, self.decisive
        failed = body if negated else otherwise
        self.decisive = any(self.ends(each) for each in failed) or self.notes_failure(failed)
        if not self.decisive:
            self.guard = self.guard.tolerant()
        self.commands(condition)
        self.guard, self.decisive = kept

    def notes_failure(self, commands: Sequence[Command]) -> bool:
        """Whether commands set a variable for which, or with which, the script gives up in the end."""
        return any(mark in self.failing or (mark[0] in self.statuses and mark[1] != "0") for mark in marks(commands))

    def tests(self, condition: Sequence[Command]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Paths that are there when the condition holds, and paths that are there when it fails."""
        return tested(condition, self.single, self.state.directory)

    def loop(self, command: Loop) -> None:
        self.commands(command.condition)
        self.state.ended = False
        before = self.state.copy()
        items: list[Word] = []
        if command.words is not None:
            items = [word for each in command.words for word in self.expand(each)]
        for needed in folders(items) if not _asks_first(command.body) else ():
            self.here().call(needed, [needed.path])
        if command.variable and 0 < len(items) <= MOST_ITEMS and all(word.known for word in items):
            for item in items:
                self.state = before.copy()
                self.state.variables[command.variable] = Held(item.value, item.assumed)
                self.commands(command.body)
        else:
            if command.variable:
                globs = [word for word in items if word.glob]
                self.state.variables[command.variable] = Held(
                    globs[0].value.replace("*", UNKNOWN) if globs else UNKNOWN
                )
            elif command.condition:
                for each in command.condition:
                    if isinstance(each, Simple) and each.words and each.words[0].bare == "read":
                        self.unknown_words(each.words[1:])
            self.commands(command.body)
        self.state.ended = False
        self.state = merged([before, self.state])
        self.redirects(command)

    def case(self, command: Case) -> None:
        before = self.state.copy()
        outcomes = []
        exhaustive = False
        for patterns, body in command.arms:
            self.state = before.copy()
            exhaustive |= any(pattern.bare == "*" for pattern in patterns)
            self.commands(body)
            if not self.state.ended:
                outcomes.append(self.state)
        if not exhaustive or not outcomes:
            outcomes.append(before)
        self.state = merged(outcomes)
        self.state.tested = before.tested

    # --- simple commands ---------------------------------------------------------------------------------------------

    def simple(self, command: Simple) -> None:
        words = [word for each in command.words for word in self.expand(each)]
        name = words[0].value if words else ""
        own = dict(self.state.variables) if words and name not in DECLARING else None
        for each in command.assignments:
            self.assign(each)
        self.redirects(command)
        if words:
            self.named(name, words, command)
        if own is not None:
            for each in command.assignments:
                if each.name in own:
                    self.state.variables[each.name] = own[each.name]
                else:
                    self.state.variables.pop(each.name, None)

    def named(self, name: str, words: list[Word], command: Simple) -> None:
        if name in self.functions:
            self.noted(name, words[1:])
            self.function(name, words[1:])
        elif name in ("cd", "pushd"):
            self.change(words)
        elif name == "popd":
            self.state.directory = self.state.pushed.pop() if self.state.pushed else UNKNOWN
        elif name in ("exit", "return", "break", "continue"):
            self.state.ended = True
        elif name in ("read", "getopts", "mapfile", "readarray", "unset"):
            self.unknown_words(command.words[1:])
        elif name == "shift":
            self.shift(words[1:])
        elif name == "eval" and len(words) > 1:
            text = " ".join(word.value for word in words[1:])
            _followed(replace(words[1], value=text), self.here().deeper())
        elif name == "trap" and len(words) > 2 and re.search(r"[ /]", words[1].value):
            _followed(words[1], self.here().deeper())
        elif name == "command" and len(words) > 1 and words[1].value in ("-v", "-V"):
            return
        elif name not in SILENT and name not in DECLARING:
            self.noted(name, words[1:])
            run = self.here()
            target = words[1:] if name in ("command", "exec") else words
            if name == "exec":
                self.state.ended = bool(target)
            if target:
                interpret(target, run)
                self.heredocs(command, words, run)

    def noted(self, name: str, arguments: Sequence[Word]) -> None:
        """Remember what may have been made by a command that nobody here knows, and where it may have gone."""
        self.foreign |= self.sourced and re.fullmatch(r"[a-z_]\w*", name) is not None and name not in self.functions
        self.sourced |= name in (".", "source") and not any(_last(word.value) == "activate" for word in arguments)
        if name not in READING:
            self.named_before |= {_last(word.value) for word in arguments if word.known}

    def here(self) -> Run:
        """The run as it is at this point: directory, guard, search path."""
        search: tuple[str, ...] = self.run.site.search
        if path := self.state.variables.get("PYTHONPATH"):
            search = tuple(joined(self.state.directory, each) for each in path.value.split(":") if each)
        guard = Guard(self.guard.tolerated, (*self.guard.tested, *self.state.tested))
        owner = self.stack[-1] if self.stack and not self.run.site.owner else self.run.site.owner
        return self.run.at(directory=self.state.directory, guard=guard, search=search, owner=owner)

    def function(self, name: str, arguments: list[Word]) -> None:
        if name in self.stack:
            return
        self.called.add(name)
        kept = self.positional, self.branches
        self.positional, self.branches = arguments, 0
        self.stack.append(name)
        self.command(self.functions[name])
        self.stack.pop()
        self.positional, self.branches = kept
        if self.state.ended and not self.ends(self.functions[name]):
            self.state.ended = False

    def shift(self, words: list[Word]) -> None:
        """Drop arguments, where it is sure how many are dropped."""
        count = words[0].value if words else "1"
        known = self.positional is not None and not self.branches and count.isdigit()
        self.positional = (self.positional or [])[int(count) :] if known else None

    def change(self, words: list[Word]) -> None:
        operands = [word for word in words[1:] if not word.value.startswith("-") or word.value == "-"]
        if words[0].value == "pushd":
            self.state.pushed.append(self.state.directory)
        if not operands or operands[0].value == "-":
            self.state.directory = UNKNOWN
            return
        target = operands[0]
        elsewhere = self.updated_next or self.foreign or _last(target.value) in self.named_before
        if target.known and target.value.strip("./") and target.value[:1] not in (ROOT, CWD, "/") and not elsewhere:
            needed = Needed(target, "the directory that `cd` goes to", directory=True)
            self.here().call(needed, words)
        self.state.directory = joined(self.state.directory, UNKNOWN if target.glob else target.value)

    def heredocs(self, command: Simple, words: list[Word], run: Run) -> None:
        """Text that a shell, here or elsewhere, reads from its input."""
        program = posixpath.basename(words[0].value)
        for each in command.redirects:
            if each.heredoc is None:
                continue
            place = self.snippet.place(each.heredoc.line, 1)
            if is_written(command):
                written(command, Word(each.heredoc.text, place.line, 0), run, quoted=each.heredoc.quoted)
                continue
            inner = Snippet(self.snippet.path, each.heredoc.text, place.line, place.column, self.snippet.indent)
            if program == "ssh" or (program in ("docker", "kubectl") and "exec" in [word.value for word in words[1:4]]):
                system = System.REMOTE if program == "ssh" else System.UNKNOWN
                _Follower(inner, run.at(system=system, directory=UNKNOWN).deeper(), {}).whole()
            elif (program in SHELLS or program == "sudo") and not any(word.value.endswith(".sh") for word in words[1:]):
                _Follower(inner, run.deeper(), {}).whole()
            elif PYTHON.fullmatch(program) and all(word.value == "-" for word in words[1:]):
                python_text(Word(each.heredoc.text, place.line, place.column), words, run)

    def redirects(self, command: Simple | Group | Loop) -> None:
        for each in command.redirects:
            if each.target is not None and each.operator in (">", ">>", "&>", "&>>", ">|"):
                word = self.single(each.target)
                if is_known(word.value.rpartition("/")[2]):
                    self.here().produces(word)
            elif each.target is not None and each.operator in ("<", "<<<"):
                word = self.single(each.target)
                if each.operator == "<" and word.known and WRITTEN.search(word.value):
                    self.here().call(Needed(word, "the file that is read"), [word])

    def unknown_words(self, words: Iterable[ShellWord]) -> None:
        for each in words:
            if each.bare and re.fullmatch(r"[A-Za-z_]\w*", each.bare):
                self.state.variables[each.bare] = Held(UNKNOWN, items=[Word(MANY)])

    def assign(self, each: Assignment) -> None:
        if isinstance(each.value, list):
            items = [word for item in each.value for word in self.expand(item)]
            before = self.state.variables.get(each.name)
            if each.append and before and before.items is not None:
                items = [*before.items, *items]
            self.state.variables[each.name] = Held(items[0].value if items else "", items=items)
            return
        word = self.single(each.value)
        value = word.value
        if each.append:
            before = self.state.variables.get(each.name)
            value = (before.value if before else UNKNOWN) + value
        self.state.variables[each.name] = Held(value, word.assumed)

    # --- what is printed ---------------------------------------------------------------------------------------------

    def printed(self, body: Sequence[Command]) -> str:
        if not body:
            return UNKNOWN
        last: Command = body[-1]
        before, start = list(body[:-1]), self.state.copy()
        while isinstance(last, Logic) and last.operator == "&&":
            before.append(last.left)
            last = last.right
        for each in before:
            self.silently_change(each)
        if isinstance(last, Logic):
            kept = self.guard
            self.guard = kept if self.ends(last.right) else kept.tolerant()
            default = self.printed([last.left])
            self.guard = kept
            return default
        if isinstance(last, Simple):
            words = [word for each in last.words for word in self.expand(each)]
            if (known := printed(words, self.state.directory)) is not None:
                return known
        self.state = start
        self.commands(body)
        return UNKNOWN

    def silently_change(self, command: Command) -> None:
        """`cd` inside a substitution: `$(cd … && pwd)` names a directory."""
        if isinstance(command, Simple) and command.words and command.words[0].bare == "cd" and len(command.words) > 1:
            operands = [value for word in command.words[1:] if (value := self.single(word).value)[:1] != "-"]
            self.state.directory = joined(self.state.directory, operands[0]) if operands else UNKNOWN
        else:
            self.command(command)


def _asks_first(body: Sequence[Command]) -> bool:
    """Whether a loop begins with a test of what it is given."""
    match body[:1]:
        case [Logic(left=first)] | [If(branches=[([first, *_], _), *_])]:
            first = first.commands[0] if isinstance(first, Pipeline) else first
            return isinstance(first, Simple) and bool(first.words) and first.words[0].bare in ("[", "[[", "test")
        case _:
            return False


def _last(path: str) -> str:
    return posixpath.basename(path.rstrip("/"))
