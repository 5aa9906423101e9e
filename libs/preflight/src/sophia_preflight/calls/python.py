"""Calls that Python code makes: `subprocess`, `os.system`, `runpy`, asyncio, and functions of its own that wrap them.

The file's tree is followed as far as its values are plain: paths from `__file__`, joins, f-strings, lists built step by
step, loops over literals, attributes set once. What is computed otherwise is unknown, and unknown is never wrong.
"""

from __future__ import annotations

import ast
import posixpath
import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TypeAlias

from sophia_preflight.calls.commands import interpret
from sophia_preflight.calls.model import (
    Attribute,
    Caller,
    Guard,
    Module,
    Needed,
    Produced,
    Script,
    Site,
    System,
    Trace,
)
from sophia_preflight.calls.running import Run
from sophia_preflight.calls.shell import follow
from sophia_preflight.calls.telling import AS_SHELL, CONCERNING, FOREIGN_WRAPPERS, RUNS, is_of_servers, servers
from sophia_preflight.calls.wrapping import Wrapper, arguments_of, wrappers
from sophia_preflight.readers.snippet import Snippet
from sophia_preflight.text import CWD, MANY, ROOT, UNKNOWN, Word, is_known, joined, named, plain

MOST_STEPS = 60_000
MOST_ITEMS = 30
_FAILURES = frozenset({"Exception", "BaseException", "subprocess.CalledProcessError", "subprocess.SubprocessError"})
_APPLICATION = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")
_OF_NOX = named("run run_always run_install install")
_CHANGES = re.compile(r"chdir|(^|[._])cd$|pushd|working_dir|in_dir", re.IGNORECASE)

Value: TypeAlias = "Word | Items | Pairs | None"


@dataclass
class Items:
    items: list[Value]


@dataclass
class Pairs:
    pairs: dict[str, Value]


@dataclass
class Scope:
    names: dict[str, Value] = field(default_factory=dict)
    tested: tuple[str, ...] = ()
    directory: str = CWD
    tolerated: bool = False
    """A failing command is caught, and the code goes on."""

    def copy(self) -> Scope:
        return Scope(dict(self.names), self.tested, self.directory, self.tolerated)


def trace_of(path: str, tree: ast.Module, nodes: Sequence[ast.AST]) -> Trace:
    """The calls that the module's code makes when it is run or its functions are called; `nodes` are all of `tree`."""
    found = Trace()
    _Follower(path, tree, nodes, found).module()
    return found


class _Follower:
    def __init__(self, path: str, tree: ast.Module, nodes: Sequence[ast.AST], trace: Trace) -> None:
        self.path, self.tree, self.trace = path, tree, trace
        self.imports_made = [node for node in nodes if isinstance(node, (ast.Import, ast.ImportFrom))]
        self.all_calls = [node for node in nodes if isinstance(node, ast.Call)]
        self.setting = [node for node in nodes if isinstance(node, (ast.Assign, ast.ClassDef))]
        self.imported: dict[str, str] = {}
        self.wrappers: dict[str, Wrapper] = {}
        self.attributes: dict[str, Value] = {}
        self.globals = Scope()
        self.owner = ""
        self.steps = 0

    def module(self) -> None:
        self.imports()
        self.find_wrappers()
        self.find_attributes()
        self.block(self.tree.body, self.globals)
        self.globals.directory = self.common_directory()
        concerned = self.concerned()
        for owner, function in self.functions(self.tree.body, ""):
            if not any(function.lineno <= line <= (function.end_lineno or function.lineno) for line in concerned):
                continue
            self.owner = owner
            scope = self.globals.copy()
            scope.tested = ()
            for argument in arguments_of(function):
                scope.names[argument] = None
            self.block(function.body, scope)

    @cached_property
    def has_tasks(self) -> bool:
        """Whether its functions are tasks of invoke, whose first argument runs commands."""
        return any(each.startswith("invoke.") for each in self.imported.values())

    def concerned(self) -> list[int]:
        """Lines with calls that run, make or change something: functions without one need not be followed."""
        return [node.lineno for node in self.all_calls if self.concerns(node.func)]

    def concerns(self, node: ast.expr) -> bool:
        name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
        known = name in CONCERNING or name in self.wrappers or name in FOREIGN_WRAPPERS
        return known or is_of_servers(name) or self.dotted(node) in RUNS

    def functions(
        self, body: Sequence[ast.stmt], inside: str
    ) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
        for each in body:
            if isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef)):
                yield each.name, each
                yield from self.functions(each.body, each.name)
            elif isinstance(each, ast.ClassDef):
                yield from self.functions(each.body, each.name)
            elif isinstance(each, (ast.If, ast.Try, ast.With)):
                yield from self.functions(each.body, inside)

    def common_directory(self) -> str:
        """Where functions run: where the module changed to, if it says so in one way only."""
        targets = {
            value.value if isinstance(value := self.value(node.args[0], self.globals), Word) else UNKNOWN
            for node in self.all_calls
            if node.args and self.dotted(node.func) == "os.chdir"
        }
        if not targets:
            return CWD
        only = targets.pop()
        return joined(CWD, only) if not targets and is_known(only) else UNKNOWN

    # --- preparation -------------------------------------------------------------------------------------------------

    def imports(self) -> None:
        for node in self.imports_made:
            if isinstance(node, ast.Import):
                for alias in node.names:
                    top = alias.name.partition(".")[0]
                    self.imported[alias.asname or top] = alias.name if alias.asname else top
            elif node.module and not node.level:
                for alias in node.names:
                    self.imported[alias.asname or alias.name] = f"{node.module}.{alias.name}"

    def dotted(self, node: ast.expr) -> str:
        """The full name of what is called, imports followed: `subprocess.run`."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return ""
        return ".".join([self.imported.get(node.id, node.id), *reversed(parts)])

    def find_wrappers(self) -> None:
        running = [node for node in self.all_calls if node.args and self.dotted(node.func) in RUNS]
        functions = self.functions(self.tree.body, "") if running else ()
        self.wrappers = wrappers((function for _, function in functions), running, self.dotted)

    def find_attributes(self) -> None:
        """`self.name = …` and class attributes, where one value is all there is."""
        seen: dict[str, list[ast.expr]] = {}
        for node in self.setting:
            if isinstance(node, ast.Assign) and len(node.targets) == 1:
                target = node.targets[0]
                if (
                    isinstance(target, ast.Attribute)
                    and isinstance(target.value, ast.Name)
                    and target.value.id == "self"
                ):
                    seen.setdefault(target.attr, []).append(node.value)
            elif isinstance(node, ast.ClassDef):
                for each in node.body:
                    if (
                        isinstance(each, ast.Assign)
                        and len(each.targets) == 1
                        and isinstance(each.targets[0], ast.Name)
                    ):
                        seen.setdefault(each.targets[0].id, []).append(each.value)
        self.single_attributes = {name: values[0] for name, values in seen.items() if len(values) == 1}

    # --- statements --------------------------------------------------------------------------------------------------

    def block(self, body: Sequence[ast.stmt], scope: Scope) -> bool:
        """Follow statements; whether they certainly leave the block."""
        for each in body:
            self.steps += 1
            if self.steps > MOST_STEPS:
                return False
            if self.statement(each, scope):
                return True
        return False

    def statement(self, node: ast.stmt, scope: Scope) -> bool:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                return False
            case ast.Assign(targets=targets, value=value):
                self.calls_in(value, scope)
                for target in targets:
                    self.bind(target, self.value(value, scope), scope)
            case ast.AnnAssign(target=target, value=value) if value is not None:
                self.calls_in(value, scope)
                self.bind(target, self.value(value, scope), scope)
            case ast.AugAssign(target=ast.Name(id=name), op=ast.Add(), value=value):
                self.calls_in(value, scope)
                scope.names[name] = _added(scope.names.get(name), self.value(value, scope))
            case ast.If():
                return self.conditional(node, scope)
            case ast.For() | ast.AsyncFor():
                self.loop(node, scope)
            case ast.While():
                self.calls_in(node.test, scope)
                self.branch(node.body, scope, ())
            case ast.With() | ast.AsyncWith():
                return self.within(node, scope)
            case ast.Try():
                kept, scope.tolerated = scope.tolerated, scope.tolerated or any(map(self.forgives, node.handlers))
                self.block(node.body, scope)
                scope.tolerated = kept
                for handler in node.handlers:
                    self.branch(handler.body, scope, ())
                self.block([*node.orelse, *node.finalbody], scope)
            case ast.Match():
                self.calls_in(node.subject, scope)
                for case in node.cases:
                    self.branch(case.body, scope, ())
            case ast.Return() | ast.Raise() | ast.Continue() | ast.Break():
                for each in ast.iter_child_nodes(node):
                    if isinstance(each, ast.expr):
                        self.calls_in(each, scope)
                return True
            case _:
                for each in ast.iter_child_nodes(node):
                    if isinstance(each, ast.expr):
                        self.calls_in(each, scope)
                return isinstance(node, ast.Expr) and self.ends(node.value)
        return False

    def forgives(self, handler: ast.ExceptHandler) -> bool:
        """Whether a handler catches a command that fails, and neither passes it on nor gives up."""
        caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
        if not any(each is None or self.dotted(each) in _FAILURES for each in caught):
            return False
        inner = [each for statement in handler.body for each in ast.walk(statement)]
        return not any(isinstance(each, (ast.Raise, ast.Return)) or self.ends(each) for each in inner)

    def within(self, node: ast.With | ast.AsyncWith, scope: Scope) -> bool:
        """A `with` block; one that changes the directory does so for the block."""
        kept = scope.directory
        for item in node.items:
            self.calls_in(item.context_expr, scope)
            if isinstance(item.context_expr, ast.Call) and _CHANGES.search(self.dotted(item.context_expr.func)):
                value = self.value(item.context_expr.args[0], scope) if item.context_expr.args else None
                scope.directory = joined(kept, value.value) if isinstance(value, Word) else UNKNOWN
        ended = self.block(node.body, scope)
        scope.directory = kept
        return ended

    def ends(self, node: ast.AST) -> bool:
        return isinstance(node, ast.Call) and self.dotted(node.func) in ("sys.exit", "exit", "quit", "os._exit")

    def conditional(self, node: ast.If, scope: Scope) -> bool:
        self.calls_in(node.test, scope)
        holding, failing = self.tests(node.test, scope)
        one = self.branch(node.body, scope, holding)
        other = self.branch(node.orelse, scope, failing)
        if one and not node.orelse:
            scope.tested = (*scope.tested, *failing)
        return one and other and bool(node.orelse)

    def branch(self, body: Sequence[ast.stmt], scope: Scope, tested: tuple[str, ...]) -> bool:
        """Follow a block that may not run; what it sets and the rest does not is assumed, or unknown."""
        inner = scope.copy()
        inner.tested = (*scope.tested, *tested)
        ended = self.block(body, inner)
        if not ended:
            for name, value in inner.names.items():
                before = scope.names.get(name)
                if name not in scope.names:
                    scope.names[name] = _assumed(value)
                elif before is not value and before != value:
                    both = isinstance(before, Items) and isinstance(value, Items)
                    scope.names[name] = _longer(before, value) if both else None
        return ended

    def loop(self, node: ast.For | ast.AsyncFor, scope: Scope) -> None:
        self.calls_in(node.iter, scope)
        items = self.iterated(node.iter, scope)
        if not items or len(items) > MOST_ITEMS:
            inner = scope.copy()
            self.bind(node.target, None, inner)
            self.branch(node.body, inner, ())
            return
        for item in items:
            inner = scope.copy()
            self.bind(node.target, item, inner)
            self.block(node.body, inner)

    def iterated(self, node: ast.expr, scope: Scope) -> list[Value]:
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in ("items", "values", "keys")
        ):
            found = self.value(node.func.value, scope)
            if isinstance(found, Pairs):
                if node.func.attr == "values":
                    return list(found.pairs.values())
                keys: list[Value] = [Word(key, node.lineno, node.col_offset + 1) for key in found.pairs]
                if node.func.attr == "keys":
                    return keys
                return [Items([key, value]) for key, value in zip(keys, found.pairs.values(), strict=True)]
        if isinstance(node, ast.Call) and self.dotted(node.func) == "enumerate" and node.args:
            return [Items([None, each]) for each in self.iterated(node.args[0], scope)]
        found = self.value(node, scope)
        return found.items if isinstance(found, Items) else []

    def bind(self, target: ast.expr, value: Value, scope: Scope) -> None:
        if isinstance(target, ast.Name):
            scope.names[target.id] = value
        elif isinstance(target, (ast.Tuple, ast.List)):
            items = (
                value.items
                if isinstance(value, Items) and len(value.items) == len(target.elts)
                else [None] * len(target.elts)
            )
            for each, item in zip(target.elts, items, strict=True):
                self.bind(each, item, scope)

    def tests(self, node: ast.expr, scope: Scope) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Paths that are there when the condition holds, and when it fails."""
        match node:
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                holding, failing = self.tests(operand, scope)
                return failing, holding
            case ast.BoolOp(values=values):
                both = [self.tests(each, scope) for each in values]
                return tuple(p for one, _ in both for p in one), tuple(p for _, other in both for p in other)
            case ast.Call(func=ast.Attribute(attr="exists" | "is_file" | "is_dir" | "isfile" | "isdir") as function):
                if self.dotted(function).startswith("os.path."):
                    subject = node.args[0] if node.args else None
                else:
                    subject = function.value
                value = self.value(subject, scope) if subject is not None else None
                return ((joined(scope.directory, value.value),) if isinstance(value, Word) else ()), ()
            case _:
                return (), ()

    # --- calls -------------------------------------------------------------------------------------------------------

    def calls_in(self, node: ast.expr, scope: Scope) -> None:
        for each in ast.walk(node):
            if isinstance(each, ast.Call):
                self.call(each, scope)

    def call(self, node: ast.Call, scope: Scope) -> None:
        name = self.dotted(node.func)
        if name in RUNS:
            self.run(node, name, scope)
            return
        method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        match name:
            case "os.chdir" if node.args:
                value = self.value(node.args[0], scope)
                scope.directory = joined(scope.directory, value.value) if isinstance(value, Word) else UNKNOWN
            case "runpy.run_path" if node.args:
                if isinstance(value := self.value(node.args[0], scope), Word):
                    self.here(scope).call(Script(value, "python", (Word(MANY),)), [value])
            case "runpy.run_module" if node.args:
                if isinstance(value := self.value(node.args[0], scope), Word) and value.known:
                    run = self.here(scope)
                    run.call(Module(value, (Word(MANY),), (run.site.directory,)), [value])
            case "os.execv" | "os.execvp" | "os.execve" | "os.execvpe" if len(node.args) > 1:
                self.argv(self.value(node.args[1], scope), self.here(scope))
            case "importlib.util.spec_from_file_location" | "spec_from_file_location" if len(node.args) > 1:
                if isinstance(value := self.value(node.args[1], scope), Word):
                    self.here(scope).call(Needed(value, "the module that is loaded"), [value])
            case "uvicorn.run" if node.args and isinstance(node.args[0], ast.Constant):
                self.served(node.args[0], scope)
            case "open" | "io.open" if len(node.args) > 1 or node.keywords:
                self.opened(node, scope)
            case _:
                self.other(node, name, method, scope)

    def other(self, node: ast.Call, name: str, method: str, scope: Scope) -> None:
        if method in ("write_text", "write_bytes", "touch") and isinstance(node.func, ast.Attribute):
            value = self.value(node.func.value, scope)
            if isinstance(value, Word):
                self.trace.produced.append(Produced(joined(scope.directory, value.value)))
        elif method in ("append", "extend", "insert") and isinstance(node.func, ast.Attribute):
            self.lengthen(node, node.func, scope)
        elif method in _OF_NOX and name.startswith("session.") and "nox" in self.imported.values():
            before = [ast.copy_location(ast.Constant(each), node) for each in ("pip", "install")]
            words = [*before, *node.args] if method == "install" else node.args
            self.argv(self.elements(words, scope), self.here(scope))
        elif method == "run" and node.args and re.fullmatch(r"(c|ctx|context)\.run", name) and self.has_tasks:
            self.command(node.args[0], self.here(scope), scope, shell=True)
        elif is_of_servers(method or name):
            for words in servers(node):
                self.argv(self.elements(words, scope), self.here(scope))
        else:
            called = method or name
            own = isinstance(node.func, ast.Name) or (
                isinstance(node.func, ast.Attribute)
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id in ("self", "cls")
            )
            wrapper = self.wrappers.get(called) if own else None
            if wrapper is None and called in FOREIGN_WRAPPERS and called in self.imported:
                wrapper = Wrapper(0, "command", "cwd")
            if wrapper is not None:
                self.wrapped(node, wrapper, scope)

    def wrapped(self, node: ast.Call, wrapper: Wrapper, scope: Scope) -> None:
        named = {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg}
        command = node.args[wrapper.position] if wrapper.position < len(node.args) else named.get(wrapper.name)
        if command is None:
            return
        run = self.here(scope, named.get(wrapper.cwd) if wrapper.cwd else None)
        if wrapper.before:
            given = node.args[wrapper.position :] if wrapper.spread else [ast.Starred(command, ast.Load())]
            first, last = (self.elements(each, self.globals).items for each in (wrapper.before, wrapper.after))
            self.argv(Items([*first, *self.elements(given, scope).items, *last]), run)
        else:
            self.command(command, run, scope, shell=True)

    def run(self, node: ast.Call, name: str, scope: Scope) -> None:
        named = {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg}
        run = self.here(scope, named.get("cwd"))
        if name == "asyncio.create_subprocess_exec":
            self.argv(self.elements(node.args, scope), run)
            return
        command = node.args[0] if node.args else named.get("args")
        if command is None:
            return
        shell = name in AS_SHELL or (isinstance(flag := named.get("shell"), ast.Constant) and bool(flag.value))
        self.command(command, run, scope, shell=shell)

    def command(self, node: ast.expr, run: Run, scope: Scope, *, shell: bool) -> None:
        value = self.value(node, scope)
        if isinstance(value, Items):
            if shell and value.items and isinstance(value.items[0], Word) and " " in value.items[0].value:
                value = value.items[0]
            else:
                self.argv(value, run)
                return
        if not isinstance(value, Word):
            return
        if shell:
            self.text(value, run, node)
        elif is_known(value.value) and " " not in value.value:
            self.argv(Items([value]), run)

    def text(self, word: Word, run: Run, node: ast.expr) -> None:
        if node.lineno != getattr(node, "end_lineno", node.lineno) and "\n" not in word.value:
            snippet = Snippet(self.path, word.value, word.line, word.column)
        else:
            snippet = Snippet(
                self.path, word.value, word.line, word.column + (2 if isinstance(node, ast.JoinedStr) else 1)
            )
        follow(snippet, run.site, self.trace)

    def argv(self, value: Value, run: Run) -> None:
        if not isinstance(value, Items) or not value.items:
            return
        words = [each if isinstance(each, Word) else Word(UNKNOWN) for each in value.items]
        first = next((word for word in words if word.line > 1 or word.column > 1), words[0])
        words = [
            word if word.line > 1 or word.column > 1 else replace(word, line=first.line, column=first.column)
            for word in words
        ]
        interpret(words, run)

    def here(self, scope: Scope, cwd: ast.expr | None = None) -> Run:
        directory = scope.directory
        if cwd is not None and not (isinstance(cwd, ast.Constant) and cwd.value is None):
            value = self.value(cwd, scope)
            directory = joined(scope.directory, value.value) if isinstance(value, Word) else UNKNOWN
        site = Site(
            self.path, Caller.PYTHON, directory, System.REPOSITORY, owner=self.owner,
            guard=Guard(scope.tolerated, scope.tested), script=f"{ROOT}/{self.path}",
        )  # fmt: skip

        def as_script(word: Word, run: Run) -> None:
            follow(Snippet(self.path, word.value, word.line, word.column + 1), run.site, self.trace)

        return Run(site, self.trace, as_script, interpret)

    def served(self, node: ast.expr, scope: Scope) -> None:
        """`uvicorn.run("module:attribute")`: modules beside the script are found, whoever starts it."""
        value = self.value(node, scope)
        if not isinstance(value, Word) or not value.known or not _APPLICATION.fullmatch(value.value):
            return
        if "." in value.value:  # one that is no part of a package may be found anywhere
            beside = joined(ROOT, posixpath.dirname(self.path) or ".")
            self.here(scope).call(Attribute(value, "uvicorn", (beside, scope.directory)), [value])

    def opened(self, node: ast.Call, scope: Scope) -> None:
        mode = node.args[1] if len(node.args) > 1 else next((k.value for k in node.keywords if k.arg == "mode"), None)
        if (
            isinstance(mode, ast.Constant)
            and isinstance(mode.value, str)
            and set(mode.value) & set("wax")
            and node.args
        ):
            value = self.value(node.args[0], scope)
            if isinstance(value, Word):
                self.trace.produced.append(Produced(joined(scope.directory, value.value)))

    def lengthen(self, node: ast.Call, function: ast.Attribute, scope: Scope) -> None:
        if not isinstance(function.value, ast.Name) or not node.args:
            return
        known = scope.names.get(function.value.id)
        if isinstance(known, Items):
            more = self.value(node.args[-1], scope)
            added = [more] if function.attr != "extend" else more.items if isinstance(more, Items) else [Word(MANY)]
            scope.names[function.value.id] = Items([*known.items, *added])

    # --- values ------------------------------------------------------------------------------------------------------

    def value(self, node: ast.expr, scope: Scope) -> Value:
        """What an expression is, as far as it can be told."""
        match node:
            case ast.Constant(value=str() as text):
                return self.word(node, plain(text))
            case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
                return self.word(node, str(number))
            case ast.JoinedStr(values=pieces):
                return self.word(node, "".join(self.piece(each, scope) for each in pieces))
            case ast.Name(id="__file__"):
                return self.word(node, f"{ROOT}/{self.path}")
            case ast.Name(id=name):
                return scope.names.get(name, self.globals.names.get(name))
            case ast.List(elts=elements) | ast.Tuple(elts=elements):
                return self.elements(elements, scope)
            case ast.Dict(keys=keys, values=values):
                return Pairs(
                    {
                        key.value: self.value(value, scope)
                        for key, value in zip(keys, values, strict=True)
                        if isinstance(key, ast.Constant) and isinstance(key.value, str)
                    }
                )
            case ast.BinOp():
                return self.operation(node, scope)
            case ast.Attribute():
                return self.attribute(node, scope)
            case ast.Call():
                return self.returned(node, scope)
            case ast.Subscript():
                return self.subscript(node, scope)
            case ast.IfExp(body=body, orelse=other):
                one, two = self.value(body, scope), self.value(other, scope)
                if isinstance(one, Word) and isinstance(two, Word) and one.value != two.value:
                    return self.word(node, posixpath.commonprefix([one.value, two.value]) + UNKNOWN)
                same = isinstance(one, Word) and isinstance(two, Word) and one.value == two.value
                return one if same or one == two else None
            case ast.Starred(value=inner) | ast.Await(value=inner):
                return self.value(inner, scope)
            case _:
                return None

    def word(self, node: ast.expr, text: str, *, assumed: bool = False) -> Word:
        return Word(text, node.lineno, node.col_offset + 1, assumed)

    def piece(self, node: ast.expr, scope: Scope) -> str:
        if isinstance(node, ast.FormattedValue):
            value = self.value(node.value, scope)
            return value.value if isinstance(value, Word) and node.format_spec is None else UNKNOWN
        return plain(str(node.value)) if isinstance(node, ast.Constant) else UNKNOWN

    def elements(self, nodes: Iterable[ast.expr], scope: Scope) -> Items:
        return Items([item for each in nodes for item in self.element(each, scope)])

    def element(self, node: ast.expr, scope: Scope) -> list[Value]:
        if isinstance(node, ast.Starred):
            inner = self.value(node.value, scope)
            return inner.items if isinstance(inner, Items) else [Word(MANY, node.lineno, node.col_offset + 1)]
        value = self.value(node, scope)
        return [Word(UNKNOWN, node.lineno, node.col_offset + 1) if value is None else value]

    def operation(self, node: ast.BinOp, scope: Scope) -> Value:
        left = self.value(node.left, scope)
        right = self.value(node.right, scope)
        if isinstance(node.op, ast.Div) and isinstance(left, Word):
            return self.word(
                node, joined(left.value, right.value if isinstance(right, Word) else UNKNOWN), assumed=left.assumed
            )
        if isinstance(node.op, ast.Add):
            if isinstance(left, Items) or isinstance(right, Items):
                return _added(left, right)
            if isinstance(left, Word) or isinstance(right, Word):
                one = left.value if isinstance(left, Word) else UNKNOWN
                return self.word(node, one + (right.value if isinstance(right, Word) else UNKNOWN))
        if isinstance(node.op, ast.Mod) and isinstance(left, Word):
            return self.word(node, re.sub(r"%[sdr]", UNKNOWN, left.value))
        return None

    def attribute(self, node: ast.Attribute, scope: Scope) -> Value:
        name = self.dotted(node)
        if name in ("sys.executable", "os.sys.executable"):
            return self.word(node, "python")
        if node.attr in ("parent", "name", "stem"):
            value = self.value(node.value, scope)
            if isinstance(value, Word):
                base = posixpath.basename(value.value)
                made = {"parent": _parent(value.value), "name": base, "stem": base.rpartition(".")[0] or base}
                return self.word(node, made[node.attr], assumed=value.assumed)
            return None
        if isinstance(node.value, ast.Name) and node.attr in self.single_attributes:
            if node.attr not in self.attributes:
                self.attributes[node.attr] = None
                self.attributes[node.attr] = self.value(self.single_attributes[node.attr], self.beside(node.attr))
            return self.used(self.attributes[node.attr], node)
        return None

    def used(self, value: Value, node: ast.expr) -> Value:
        """A command that is kept for several to run: it is called where it is used."""
        if isinstance(value, Items) and len(value.items) > 1 and isinstance(first := value.items[0], Word):
            return Items([self.word(node, first.value, assumed=first.assumed), *value.items[1:]])
        return value

    def beside(self, name: str) -> Scope:
        """What the value of an attribute of a class may name: also the attributes beside it."""
        scope = self.globals.copy()
        for node in ast.walk(self.single_attributes[name]):
            other = self.single_attributes.get(node.id) if isinstance(node, ast.Name) and node.id != name else None
            if isinstance(node, ast.Name) and other is not None and node.id not in scope.names:
                scope.names[node.id] = self.value(other, self.globals)
        return scope

    def subscript(self, node: ast.Subscript, scope: Scope) -> Value:
        key = node.slice
        if isinstance(node.value, ast.Attribute) and node.value.attr == "parents" and isinstance(key, ast.Constant):
            value = self.value(node.value.value, scope)
            if isinstance(value, Word) and isinstance(key.value, int):
                path = value.value
                for _ in range(key.value + 1):
                    path = _parent(path)
                return self.word(node, path)
            return None
        found = self.value(node.value, scope)
        if isinstance(found, Pairs) and isinstance(key, ast.Constant) and isinstance(key.value, str):
            return found.pairs.get(key.value)
        if isinstance(found, Items) and isinstance(key, ast.Constant) and isinstance(key.value, int):
            return found.items[key.value] if -len(found.items) <= key.value < len(found.items) else None
        return None

    def returned(self, node: ast.Call, scope: Scope) -> Value:
        name = self.dotted(node.func)
        values = [self.value(each, scope) for each in node.args]
        words = [each for each in values if isinstance(each, Word)]
        method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        whole = len(words) == len(values) and bool(words)
        match name:
            case "pathlib.Path" | "pathlib.PurePath" | "pathlib.PosixPath":
                if not values:
                    return self.word(node, CWD)
                if not whole:
                    return None
                return self.word(node, _chain(words), assumed=words[0].assumed)
            case "os.path.join":
                pieces = [each if isinstance(each, Word) else Word(UNKNOWN) for each in values]
                return self.word(node, _chain(pieces), assumed=any(word.assumed for word in pieces)) if pieces else None
            case "os.path.dirname" if whole:
                return self.word(node, _parent(words[0].value))
            case "os.path.basename" if whole:
                return self.word(node, posixpath.basename(words[0].value))
            case "os.path.abspath" | "os.path.realpath" | "os.path.normpath" | "os.path.expanduser" if whole:
                return self.word(node, joined(scope.directory, words[0].value) if name[8] in "ar" else words[0].value)
            case "os.getcwd" | "pathlib.Path.cwd":
                return self.word(node, scope.directory)
            case "str" | "os.fspath" | "shlex.quote" if whole:
                return words[0]
            case "shutil.which" if whole:
                return words[0]
            case "os.environ.get" | "os.getenv" if len(values) > 1 and isinstance(values[1], Word):
                return replace(values[1], assumed=True)
            case "shlex.split" if whole:
                return _split(words[0])
            case "list" | "tuple" | "sorted" if values and isinstance(values[0], Items):
                return values[0]
            case _:
                return self.method(node, method, values, words, scope)

    def method(self, node: ast.Call, method: str, values: list[Value], words: list[Word], scope: Scope) -> Value:
        if not isinstance(node.func, ast.Attribute):
            return None
        subject = self.value(node.func.value, scope)
        if isinstance(subject, Items) and method == "copy":
            return Items(list(subject.items))
        if not isinstance(subject, Word):
            return None
        match method:
            case "resolve" | "absolute":
                return replace(subject, value=joined(scope.directory, subject.value))
            case "as_posix" | "__str__" | "strip" | "expanduser":
                return subject
            case "joinpath":
                return self.word(
                    node, _chain([subject, *(each if isinstance(each, Word) else Word(UNKNOWN) for each in values)])
                )
            case "format":
                return replace(subject, value=re.sub(r"\{[^{}]*\}", UNKNOWN, subject.value))
            case "split" if not values or (len(words) == len(values) == 1 and words[0].value == " "):
                return _split(subject)
            case "with_suffix" | "with_name" if words:
                base = subject.value.rpartition(".")[0] if method == "with_suffix" else _parent(subject.value) + "/"
                return self.word(node, base + words[0].value)
            case "replace" if len(words) == 2:
                return replace(subject, value=subject.value.replace(words[0].value, words[1].value))
            case _:
                return None


def _split(word: Word) -> Value:
    try:
        pieces = shlex.split(word.value)
    except ValueError:
        return None
    return Items([Word(each, word.line, word.column, word.assumed) for each in pieces])


def _parent(path: str) -> str:
    if path in (ROOT, CWD, UNKNOWN, "."):
        return UNKNOWN if path != "." else "."
    head, slash, _ = path.rstrip("/").rpartition("/")
    return head if slash else "."


def _chain(words: Iterable[Word]) -> str:
    path = ""
    for word in words:
        path = joined(path, word.value) if path else word.value
    return path


def _added(left: Value, right: Value) -> Value:
    if isinstance(left, Word) and isinstance(right, Word):
        return replace(left, value=left.value + right.value)
    one: list[Value] = left.items if isinstance(left, Items) else [Word(MANY)]
    two: list[Value] = right.items if isinstance(right, Items) else [Word(MANY)]
    return Items([*one, *two])


def _longer(before: Value, after: Value) -> Value:
    """Of two lists of which one was built on the other, the longer, whose further words are assumed."""
    assert isinstance(before, Items) and isinstance(after, Items)
    if after.items[: len(before.items)] != before.items:
        return None
    return Items([*before.items, *(_assumed(each) for each in after.items[len(before.items) :])])


def _assumed(value: Value) -> Value:
    if isinstance(value, Word):
        return replace(value, assumed=True)
    return value
