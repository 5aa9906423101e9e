"""Calls that Python code makes: `subprocess`, `os.system`, `runpy`, asyncio, and functions of its own that wrap them.

The file's tree is followed as far as its values are plain: paths from `__file__`, joins, f-strings, lists built step by
step, loops over literals, attributes set once. What is computed otherwise is unknown, and unknown is never wrong.
"""

from __future__ import annotations

import ast
import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property

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
from sophia_preflight.calls.values import Items, Pairs, Scope, Value, Values, added, assumed, longer
from sophia_preflight.calls.wrapping import Wrapper, arguments_of, wrappers
from sophia_preflight.readers.snippet import Snippet
from sophia_preflight.text import CWD, MANY, ROOT, UNKNOWN, Word, is_known, joined, named

MOST_STEPS = 60_000
MOST_ITEMS = 30
_FAILURES = frozenset({"Exception", "BaseException", "subprocess.CalledProcessError", "subprocess.SubprocessError"})
_APPLICATION = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")
_MAKES = re.compile(r"(^|_)(download|fetch|retrieve|unpack)", re.IGNORECASE)
"""Functions that put what others keep where they are told."""
_OF_NOX = named("run run_always run_install install")
_CHANGES = re.compile(r"chdir|(^|[._])cd$|pushd|working_dir|in_dir", re.IGNORECASE)


def trace_of(path: str, tree: ast.Module, nodes: Sequence[ast.AST]) -> Trace:
    """The calls that the module's code makes when it is run or its functions are called; `nodes` are all of `tree`."""
    found = Trace()
    _Follower(path, tree, nodes, found).module()
    return found


class _Follower:
    def __init__(self, path: str, tree: ast.Module, nodes: Sequence[ast.AST], trace: Trace) -> None:
        self.path, self.tree, self.trace = path, tree, trace
        self.all_calls = [node for node in nodes if isinstance(node, ast.Call)]
        self.values = Values(path, nodes)
        self.pretended = [
            node.lineno
            for node in nodes
            if isinstance(node, ast.Assign) and any(ast.unparse(each) == "sys.argv" for each in node.targets)
        ]
        """Lines that say with which words the program was started."""
        self.wrappers: dict[str, Wrapper] = {}
        self.owner = ""
        self.steps = 0

    def module(self) -> None:
        self.find_wrappers()
        self.block(self.tree.body, self.values.globals)
        self.values.globals.directory = self.common_directory()
        concerned = self.concerned()
        for owner, function in self.functions(self.tree.body, ""):
            if not any(function.lineno <= line <= (function.end_lineno or function.lineno) for line in concerned):
                continue
            self.owner = owner
            scope = self.values.globals.copy()
            scope.tested = ()
            for argument in arguments_of(function):
                scope.names[argument] = None
            self.block(function.body, scope)

    @cached_property
    def has_tasks(self) -> bool:
        """Whether its functions are tasks of invoke, whose first argument runs commands."""
        return any(each.startswith("invoke.") for each in self.values.imported.values())

    def concerned(self) -> list[int]:
        """Lines with calls that run, make or change something: functions without one need not be followed."""
        calls = [node.lineno for node in self.all_calls if self.concerns(node.func)]
        return [*calls, *self.pretended]

    def concerns(self, node: ast.expr) -> bool:
        name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
        known = name in CONCERNING or name in self.wrappers or name in FOREIGN_WRAPPERS
        return known or is_of_servers(name) or self.values.dotted(node) in RUNS

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
            value.value if isinstance(value := self.values.value(node.args[0], self.values.globals), Word) else UNKNOWN
            for node in self.all_calls
            if node.args and self.values.dotted(node.func) == "os.chdir"
        }
        if not targets:
            return CWD
        only = targets.pop()
        return joined(CWD, only) if not targets and is_known(only) else UNKNOWN

    # --- preparation -------------------------------------------------------------------------------------------------

    def find_wrappers(self) -> None:
        running = [node for node in self.all_calls if node.args and self.values.dotted(node.func) in RUNS]
        functions = self.functions(self.tree.body, "") if running else ()
        self.wrappers = wrappers((function for _, function in functions), running, self.values.dotted)

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
                if any(self.values.dotted(each) == "sys.argv" for each in targets):
                    self.pretends(value, scope)
                for target in targets:
                    self.bind(target, self.values.value(value, scope), scope)
            case ast.AnnAssign(target=target, value=value) if value is not None:
                self.calls_in(value, scope)
                self.bind(target, self.values.value(value, scope), scope)
            case ast.AugAssign(target=ast.Name(id=name), op=ast.Add(), value=value):
                self.calls_in(value, scope)
                scope.names[name] = added(scope.names.get(name), self.values.value(value, scope))
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

    def pretends(self, node: ast.expr, scope: Scope) -> None:
        """`sys.argv = ["gunicorn", …]`: what stands there is read as if the program had been started with it."""
        value = self.values.value(node, scope)
        first = value.items[0] if isinstance(value, Items) and value.items else None
        if isinstance(first, Word) and re.fullmatch(r"[a-z][a-z0-9_-]*", first.value):
            self.argv(value, self.here(scope))

    def forgives(self, handler: ast.ExceptHandler) -> bool:
        """Whether a handler catches a command that fails, and neither passes it on nor gives up."""
        caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
        if not any(each is None or self.values.dotted(each) in _FAILURES for each in caught):
            return False
        inner = [each for statement in handler.body for each in ast.walk(statement)]
        return not any(isinstance(each, (ast.Raise, ast.Return)) or self.ends(each) for each in inner)

    def within(self, node: ast.With | ast.AsyncWith, scope: Scope) -> bool:
        """A `with` block; one that changes the directory does so for the block."""
        kept = scope.directory
        for item in node.items:
            self.calls_in(item.context_expr, scope)
            if isinstance(item.context_expr, ast.Call) and _CHANGES.search(self.values.dotted(item.context_expr.func)):
                value = self.values.value(item.context_expr.args[0], scope) if item.context_expr.args else None
                scope.directory = joined(kept, value.value) if isinstance(value, Word) else UNKNOWN
        ended = self.block(node.body, scope)
        scope.directory = kept
        return ended

    def ends(self, node: ast.AST) -> bool:
        return isinstance(node, ast.Call) and self.values.dotted(node.func) in ("sys.exit", "exit", "quit", "os._exit")

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
                    scope.names[name] = assumed(value)
                elif before is not value and before != value:
                    both = isinstance(before, Items) and isinstance(value, Items)
                    scope.names[name] = longer(before, value) if both else None
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
            found = self.values.value(node.func.value, scope)
            if isinstance(found, Pairs):
                if node.func.attr == "values":
                    return list(found.pairs.values())
                keys: list[Value] = [Word(key, node.lineno, node.col_offset + 1) for key in found.pairs]
                if node.func.attr == "keys":
                    return keys
                return [Items([key, value]) for key, value in zip(keys, found.pairs.values(), strict=True)]
        if isinstance(node, ast.Call) and self.values.dotted(node.func) == "enumerate" and node.args:
            return [Items([None, each]) for each in self.iterated(node.args[0], scope)]
        found = self.values.value(node, scope)
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
                if self.values.dotted(function).startswith("os.path."):
                    subject = node.args[0] if node.args else None
                else:
                    subject = function.value
                value = self.values.value(subject, scope) if subject is not None else None
                return ((joined(scope.directory, value.value),) if isinstance(value, Word) else ()), ()
            case _:
                return (), ()

    # --- calls -------------------------------------------------------------------------------------------------------

    def calls_in(self, node: ast.expr, scope: Scope) -> None:
        for each in ast.walk(node):
            if isinstance(each, ast.Call):
                self.call(each, scope)

    def call(self, node: ast.Call, scope: Scope) -> None:
        name = self.values.dotted(node.func)
        if name in RUNS:
            self.run(node, name, scope)
            return
        method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        match name:
            case "os.chdir" if node.args:
                value = self.values.value(node.args[0], scope)
                scope.directory = joined(scope.directory, value.value) if isinstance(value, Word) else UNKNOWN
            case "runpy.run_path" if node.args:
                if isinstance(value := self.values.value(node.args[0], scope), Word):
                    self.here(scope).call(Script(value, "python", (Word(MANY),)), [value])
            case "runpy.run_module" if node.args:
                if isinstance(value := self.values.value(node.args[0], scope), Word) and value.known:
                    run = self.here(scope)
                    run.call(Module(value, (Word(MANY),), (run.site.directory,)), [value])
            case "os.execl" | "os.execlp" if len(node.args) > 1:
                self.argv(self.values.elements(node.args[1:], scope), self.here(scope))
            case "os.execv" | "os.execvp" | "os.execve" | "os.execvpe" if len(node.args) > 1:
                self.argv(self.values.value(node.args[1], scope), self.here(scope))
            case "importlib.util.spec_from_file_location" | "spec_from_file_location" if len(node.args) > 1:
                if isinstance(value := self.values.value(node.args[1], scope), Word):
                    self.here(scope).call(Needed(value, "the module that is loaded"), [value])
            case "uvicorn.run" if node.args and isinstance(node.args[0], ast.Constant):
                self.served(node.args[0], scope)
            case "open" | "io.open" if len(node.args) > 1 or node.keywords:
                self.opened(node, scope)
            case _:
                self.other(node, name, method, scope)

    def other(self, node: ast.Call, name: str, method: str, scope: Scope) -> None:
        if _MAKES.search(method or name):
            given = [self.values.value(each, scope) for each in (*node.args, *(each.value for each in node.keywords))]
            paths = [each.value for each in given if isinstance(each, Word) and each.known and "://" not in each.value]
            self.trace.produced += [Produced(joined(scope.directory, each)) for each in paths if " " not in each]
        if method in ("write_text", "write_bytes", "touch") and isinstance(node.func, ast.Attribute):
            value = self.values.value(node.func.value, scope)
            if isinstance(value, Word):
                self.trace.produced.append(Produced(joined(scope.directory, value.value)))
        elif method in ("append", "extend", "insert") and isinstance(node.func, ast.Attribute):
            self.lengthen(node, node.func, scope)
        elif method in _OF_NOX and name.startswith("session.") and "nox" in self.values.imported.values():
            before = [ast.copy_location(ast.Constant(each), node) for each in ("pip", "install")]
            words = [*before, *node.args] if method == "install" else node.args
            self.argv(self.values.elements(words, scope), self.here(scope))
        elif method == "run" and node.args and re.fullmatch(r"(c|ctx|context)\.run", name) and self.has_tasks:
            self.command(node.args[0], self.here(scope), scope, shell=True)
        elif is_of_servers(method or name):
            for words in servers(node):
                self.argv(self.values.elements(words, scope), self.here(scope))
        else:
            called = method or name
            own = isinstance(node.func, ast.Name) or (
                isinstance(node.func, ast.Attribute)
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id in ("self", "cls")
            )
            wrapper = self.wrappers.get(called) if own else None
            if wrapper is None and called in FOREIGN_WRAPPERS and called in self.values.imported:
                wrapper = Wrapper(0, "command", "cwd")
            if wrapper is not None:
                self.wrapped(node, wrapper, scope)

    def wrapped(self, node: ast.Call, wrapper: Wrapper, scope: Scope) -> None:
        named = {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg}
        command = node.args[wrapper.position] if wrapper.position < len(node.args) else named.get(wrapper.name)
        if command is None:
            return
        cwd = named.get(wrapper.cwd) if wrapper.cwd else None
        if cwd is None and 0 <= wrapper.cwd_position < len(node.args):
            cwd = node.args[wrapper.cwd_position]
        run = self.here(scope, cwd)
        if wrapper.before:
            given = (
                node.args[wrapper.position :]
                if wrapper.spread
                else [ast.copy_location(ast.Starred(command, ast.Load()), command)]
            )
            first, last = (
                self.values.elements(each, self.values.globals).items for each in (wrapper.before, wrapper.after)
            )
            self.argv(Items([*first, *self.values.elements(given, scope).items, *last]), run)
        else:
            self.command(command, run, scope, shell=True)

    def run(self, node: ast.Call, name: str, scope: Scope) -> None:
        named = {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg}
        run = self.here(scope, named.get("cwd"))
        if name == "asyncio.create_subprocess_exec":
            self.argv(self.values.elements(node.args, scope), run)
            return
        command = node.args[0] if node.args else named.get("args")
        if command is None:
            return
        shell = name in AS_SHELL or (isinstance(flag := named.get("shell"), ast.Constant) and bool(flag.value))
        self.command(command, run, scope, shell=shell)

    def command(self, node: ast.expr, run: Run, scope: Scope, *, shell: bool) -> None:
        value = self.values.value(node, scope)
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
            value = self.values.value(cwd, scope)
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
        value = self.values.value(node, scope)
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
            value = self.values.value(node.args[0], scope)
            if isinstance(value, Word):
                self.trace.produced.append(Produced(joined(scope.directory, value.value)))

    def lengthen(self, node: ast.Call, function: ast.Attribute, scope: Scope) -> None:
        if not isinstance(function.value, ast.Name) or not node.args:
            return
        known = scope.names.get(function.value.id)
        if isinstance(known, Items):
            more = self.values.value(node.args[-1], scope)
            added = [more] if function.attr != "extend" else more.items if isinstance(more, Items) else [Word(MANY)]
            scope.names[function.value.id] = Items([*known.items, *added])
