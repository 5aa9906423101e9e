"""Interfaces of Python programs: argparse, click, typer, and programs that read `sys.argv` or nothing at all.

The file's tree is followed in order, parsers are values that flow through names, attributes and helper functions of the
same file. What comes from elsewhere (an imported helper, a computed name) opens the interface at that point.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sophia_preflight.interfaces import plain
from sophia_preflight.interfaces.literals import Constants, functions_of, keyword_of, literal, name_of, written_name
from sophia_preflight.interfaces.model import ANY, Interface, Operand, Option, Parser
from sophia_preflight.interfaces.typer import Typer
from sophia_preflight.readers.python import nodes_of

READS_ARGUMENTS = re.compile(
    r"\bargv\b|argparse|ArgumentParser|\bclick\b|\btyper\b|\bfire\b|docopt|optparse|\bgetopt\b|\babsl\b|\bhydra\b|\btyro\b|"
    r"cyclopts|simple_parsing|\bplac\b|defopt|jsonargparse|\bgflags\b|\bclize\b|CliApp|cli_parse_args|execute_from_command_line|"
    r"argh\b|\bcleo\b|\bcement\b|pytest\.main|unittest\.main|\bluigi\b|\blocust\b|import_module|\bexec\(|runpy|Configargparse|orig_argv"
)
_QUIET_CALLS = frozenset({"asyncio.run", "uvicorn.run", "sys.exit", "exit", "print", "logging.basicConfig", "anyio.run",
                          "SystemExit", "trio.run", "multiprocessing.freeze_support", "load_dotenv"})  # fmt: skip


_SEES_FIRST = re.compile(
    r"sys\.argv\s*(\[[^\]]*\]\s*)?=(?!=)|(\bsys\.|(?<![\w.]))argv\.(insert|pop|append|remove)|\bdel sys\.argv"
    r"|(\bsys\.|(?<![\w.]))argv\s*\[(?!\s*(0|1\s*:)\s*\])|\bin (sys\.)?argv\b"
)
"""How a program looks at its arguments, or changes them, before a parser sees them."""
_ASKS_FOR_HELP = re.compile(
    r"""["'](--?h(elp)?|--version)["']\s+(not\s+)?in\s+(sys\.)?argv\b"""
    r"""|\bin\s+sys\.argv\S*\s+for\s+\w+\s+in\s+[\w.]*help_option_names"""
)
_BUILTINS = frozenset(dir(builtins))
_SHARED = 4
"""How deep decorators that add options may lie in each other."""


_PARSES = re.compile(r"argparse|ArgumentParser|\b(import|from)\s+(typer|(rich_|async)?click)\b")
_TYPER = re.compile(r"\b(import|from)\s+typer\b")
_CLICK = re.compile(r"\b(import|from)\s+(rich_|async)?click\b")


def interface_of(tree: ast.Module, text: str, nodes: Sequence[ast.AST], own: str = "") -> Interface:
    """What the file accepts when it is run as a program; `nodes` are all of `tree`.

    Where a program has several files, `text` and `nodes` are those of all of them, and `own` is the file's text.
    """
    own = own or text
    if not READS_ARGUMENTS.search(text):
        return Interface("nothing" if _is_self_contained(tree, nodes) else "unknown")
    if not _PARSES.search(text):
        return plain.interface_of(tree, own, nodes)
    if _SEES_FIRST.search(_ASKS_FOR_HELP.sub("", own)):
        return Interface("unknown")
    for said in dict.fromkeys((own, text)):
        if "argparse" in said or "ArgumentParser" in said:
            return _Argparse(tree, nodes).interface()
        if _TYPER.search(said):
            return Typer(nodes, main_block(tree)).interface()
        if _CLICK.search(said):
            return _Click(nodes, main_block(tree)).interface()
    return Interface("unknown")


def entry_interface(tree: ast.Module, text: str, nodes: Sequence[ast.AST], entry: str, own: str = "") -> Interface:
    """What the file accepts when an installed command calls its `entry`; unknown unless that surely reads it."""
    own = own or text
    if _SEES_FIRST.search(_ASKS_FOR_HELP.sub("", own)):
        return Interface("unknown")
    functions = {n.name: n for n in nodes if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))}
    function = next((n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == entry), None)
    start = function.body if function is not None and not function.decorator_list else ast.parse(f"{entry}()").body
    for said in dict.fromkeys((own, text)):
        if "ArgumentParser" in said and function is not None and _parses_within(function, functions):
            return _Argparse(tree, nodes).interface()
        if _TYPER.search(said):
            return Typer(nodes, start).interface()
        if _CLICK.search(said):
            return _Click(nodes, start).interface()
    return Interface("unknown")


def _parses_within(
    function: ast.FunctionDef | ast.AsyncFunctionDef, functions: Mapping[str, ast.FunctionDef | ast.AsyncFunctionDef]
) -> bool:
    """Whether a function, or one of the file that it calls, parses arguments."""
    waiting, seen = [function], {function.name}
    while waiting:
        for node in ast.walk(waiting.pop()):
            if not isinstance(node, ast.Call):
                continue
            name = name_of(node.func)
            if name.endswith(("parse_args", "parse_known_args")):
                return True
            if name in functions and name not in seen:
                seen.add(name)
                waiting.append(functions[name])
    return False


def main_block(tree: ast.Module) -> list[ast.stmt]:
    """What runs only when the file is run as a program."""
    return [
        each
        for node in tree.body
        if isinstance(node, ast.If) and "__name__" in ast.dump(node.test) and "__main__" in ast.dump(node.test)
        for each in node.body
    ]


def _is_self_contained(tree: ast.Module, nodes: Sequence[ast.AST]) -> bool:
    """Whether all that the program calls to begin with is its own, so that nobody else can read its arguments."""
    block = main_block(tree)
    own = {node.name for node in nodes if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))}
    if not block:
        return False
    assigned = {
        target.id
        for node in nodes
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for statement in block:
        for node in ast.walk(statement):
            if isinstance(node, ast.Call):
                name = ast.unparse(node.func) if isinstance(node.func, (ast.Name, ast.Attribute)) else ""
                root = name.partition(".")[0]
                if name not in _QUIET_CALLS and root not in own and root not in assigned and root not in _BUILTINS:
                    return False
    return True


# --- argparse -------------------------------------------------------------------------------------------------------


@dataclass
class _Sub:
    """What `add_subparsers` returns."""

    owner: Parser


@dataclass
class _Exclusive:
    owner: Parser
    names: list[str]


_SAYS = frozenset({"error", "exit", "print_help", "format_help", "print_usage", "format_usage", "_print_message"})
_Thing = Parser | _Sub | _Exclusive


class _Argparse:
    def __init__(self, tree: ast.Module, nodes: Sequence[ast.AST]) -> None:
        self.tree, self.nodes = tree, nodes
        self.constants = Constants(nodes)
        every = [node for node in nodes if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
        self.explored = {
            node.name: node for node in nodes_of(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        }
        counted = Counter(node.name for node in every)
        self.functions = {node.name: node for node in every if counted[node.name] == 1} | self.explored
        self.made: list[Parser] = []
        self.parents: set[int] = set()
        self.parsed: set[int] = set()
        self.known_only: set[int] = set()
        """Parsers that pass over what they do not know, and leave it to others."""
        self.strays = False
        """Whether the file has something parsed in part of which nobody can tell which parser it is."""
        self.entered: set[str] = set()
        self.followed: set[tuple[str | int, ...]] = set()
        self.returns: dict[str, _Thing] = {}
        self.inside: list[str] = []
        """The functions that are being followed; a call of one of their names is another's, or comes back to it."""
        self.looped: set[str] = set()
        """Names to which a loop gives one known word after the other."""
        self.subclasses = {
            node.name: all(isinstance(each, ast.Expr) or getattr(each, "name", "") in _SAYS for each in node.body)
            for node in nodes
            if isinstance(node, ast.ClassDef) and any(name_of(base).endswith("ArgumentParser") for base in node.bases)
        }
        """Parsers of the program's own, and whether they only say things in another way."""

    def interface(self) -> Interface:
        things: dict[str, _Thing] = {}
        self.block(self.tree.body, things, 0)
        for name, function in self.explored.items():
            if name not in self.entered and not self.takes_parser(function):
                self.inside = [name]
                self.block(function.body, dict(things), 0, into=name)
        roots = [parser for parser in self.made if id(parser) not in self.parents]
        called = [parser for parser in roots if id(parser) in self.parsed]
        chosen = called or roots
        if len(chosen) != 1 or self.strays:
            return Interface("unknown")
        for each in chosen:
            if id(each) in self.known_only:
                each.ignores_unknown = not each.open_options and not each.has_commands
                each.open_options = each.open_operands = True
        return Interface("argparse", chosen[0], chosen[0].line)

    def takes_parser(self, function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
        return any("parser" in written_name(each).lower() for each in function.args.args)

    def block(self, body: Sequence[ast.stmt], things: dict[str, _Thing], depth: int, *, into: str = "") -> None:
        for node in body:
            self.statement(node, things, depth, into)

    def statement(self, node: ast.stmt, things: dict[str, _Thing], depth: int, into: str) -> None:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                return
            case ast.ClassDef(body=body):
                for each in body:
                    if isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef)) and not self.takes_parser(each):
                        self.entered.add(each.name)
                        self.block(each.body, things, depth, into=each.name)
            case ast.Assign(targets=[ast.Attribute(value=owner, attr="required")], value=ast.Constant(value=required)):
                sub = self.evaluate(owner, things, depth)
                if isinstance(sub, _Sub):
                    sub.owner.command_required = bool(required)
            case ast.Assign(targets=[target], value=value):
                thing = self.evaluate(value, things, depth)
                if thing is not None and (name := name_of(target)):
                    things[name] = thing
            case ast.AnnAssign(target=target, value=value) if value is not None:
                thing = self.evaluate(value, things, depth)
                if thing is not None and (name := name_of(target)):
                    things[name] = thing
            case ast.For(target=target, iter=iterated, body=body):
                self.loop(target, iterated, body, things, depth, into)
            case ast.If(test=test, body=body, orelse=orelse):
                self.evaluate_all(test, things, depth)
                holds = self.holds(test, things)
                if holds is not False:
                    self.block(body, things, depth, into=into)
                if holds is not True:
                    self.block(orelse, things, depth, into=into)
            case ast.With(body=body) | ast.While(body=body):
                self.block(body, things, depth, into=into)
            case ast.Try(body=body, handlers=handlers, orelse=orelse, finalbody=final):
                self.block([*body, *orelse, *final], things, depth, into=into)
                for handler in handlers:
                    self.block(handler.body, things, depth, into=into)
            case ast.Return(value=value) if value is not None:
                thing = self.evaluate(value, things, depth)
                if thing is not None and into:
                    self.returns[into] = thing
            case ast.Expr(value=value):
                self.evaluate(value, things, depth)
            case _:
                for inner in ast.iter_child_nodes(node):
                    if isinstance(inner, ast.expr):
                        self.evaluate(inner, things, depth)

    def loop(
        self,
        target: ast.expr,
        iterated: ast.expr,
        body: list[ast.stmt],
        things: dict[str, _Thing],
        depth: int,
        into: str,
    ) -> None:
        values = self.constants.values
        words = self.constants.words(iterated)
        if isinstance(target, ast.Name) and words is not None and len(words) < 40:
            self.looped.add(target.id)
            for word in words:
                values[target.id] = ast.Constant(word)
                self.block(body, things, depth, into=into)
            values.pop(target.id, None)
            self.looped.discard(target.id)
            return
        rows = list(self.rows(iterated))
        names = [name_of(each) for each in (target.elts if isinstance(target, ast.Tuple) else [target])]
        if not rows or len(rows) > 40 or any(len(row) != len(names) for row in rows):
            values.update(dict.fromkeys(names, ast.Name("", ast.Load())))  # unknown, and opens what it reaches
            self.block(body, things, depth, into=into)
            return
        for row in rows:
            inner, functions = dict(things), self.functions
            for name, each in zip(names, row, strict=True):
                thing = things.get(name_of(each))
                if thing is not None:
                    inner[name] = thing
                elif name_of(each) in self.functions:
                    self.functions = {**self.functions, name: self.functions[name_of(each)]}
                else:
                    values[name] = each
            self.block(body, inner, depth, into=into)
            self.functions = functions
        for name in names:
            values.pop(name, None)

    def holds(self, test: ast.expr, things: Mapping[str, _Thing]) -> bool | None:
        """Whether a condition on a loop's word, or on what a function was given, holds; None where nobody can tell."""
        match test:
            case ast.Name(id=name) if name in things:
                return True
            case ast.Compare(left=ast.Name(id=name), ops=[operator], comparators=[ast.Constant(value=None)]) if (
                name in things
            ):
                return isinstance(operator, (ast.IsNot, ast.NotEq))
            case ast.Compare(left=ast.Name(id=name), ops=[operator], comparators=[other]) if name in self.looped:
                word = self.text(test.left)
                words = self.constants.words(other) if isinstance(operator, (ast.In, ast.NotIn)) else None
                said = self.text(other)
                if isinstance(operator, (ast.Eq, ast.NotEq)) and word is not None and said is not None:
                    return (word == said) == isinstance(operator, ast.Eq)
                if word is not None and words is not None:
                    return (word in words) == isinstance(operator, ast.In)
                return None
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                held = self.holds(operand, things)
                return None if held is None else not held
            case _:
                return None

    def rows(self, iterated: ast.expr) -> Iterator[list[ast.expr]]:
        """What a loop gives its names each time, where that is written down."""
        match iterated:
            case ast.Name(id=name) if name in self.constants.values:
                yield from self.rows(self.constants.values[name])
            case ast.Call(func=ast.Attribute(value=inner, attr="items"), args=[]):
                inner = self.constants.values.get(name_of(inner), inner)
                if isinstance(inner, ast.Dict):
                    yield from ([key, value] for key, value in zip(inner.keys, inner.values, strict=True) if key)
            case ast.List(elts=elements) | ast.Tuple(elts=elements):
                yield from (list(e.elts) if isinstance(e, (ast.Tuple, ast.List)) else [e] for e in elements)
            case _:
                return

    def evaluate_all(self, node: ast.expr, things: dict[str, _Thing], depth: int) -> None:
        for each in ast.walk(node):
            if isinstance(each, ast.Call):
                self.evaluate(each, things, depth)

    def evaluate(self, node: ast.expr, things: dict[str, _Thing], depth: int) -> _Thing | None:
        if isinstance(node, (ast.Name, ast.Attribute)):
            return things.get(name_of(node))
        if isinstance(node, ast.Await):
            return self.evaluate(node.value, things, depth)
        if not isinstance(node, ast.Call):
            for each in ast.iter_child_nodes(node):
                if isinstance(each, ast.expr):
                    self.evaluate(each, things, depth)
            return None
        name = name_of(node.func)
        last = name.rpartition(".")[2]
        if last == "ArgumentParser" or last in self.subclasses:
            return self.parser(node, things, not self.subclasses.get(last, True))
        if isinstance(node.func, ast.Attribute):
            thing = self.evaluate(node.func.value, things, depth)
            if thing is not None:
                return self.method(thing, node.func.attr, node, things)
            self.strays |= node.func.attr in ("parse_known_args", "parse_known_intermixed_args")
        return self.helper(last, node, things, depth)

    def parser(self, node: ast.Call, things: dict[str, _Thing], subclass: bool) -> Parser:
        made = Parser(line=node.lineno, open_options=subclass, open_operands=subclass)
        made.abbreviations = literal(keyword_of(node, "allow_abbrev")) is not False
        if (
            any(keyword.arg is None for keyword in node.keywords)
            or keyword_of(node, "fromfile_prefix_chars") is not None
        ):
            made.open_options = made.open_operands = True
        self.inherit(made, node, things)
        self.made.append(made)
        return made

    def inherit(self, made: Parser, node: ast.Call, things: dict[str, _Thing]) -> None:
        parents = keyword_of(node, "parents")
        if parents is None:
            return
        elements = parents.elts if isinstance(parents, (ast.List, ast.Tuple)) else None
        if elements is None:
            made.open_options = made.open_operands = True
            return
        for each in elements:
            thing = self.evaluate(each, things, 0)
            if not isinstance(thing, Parser):
                made.open_options = made.open_operands = True
                continue
            self.parents.add(id(thing))
            made.options += thing.options
            made.operands += thing.operands
            made.one_of += thing.one_of
            made.open_options |= thing.open_options
            made.open_operands |= thing.open_operands

    def method(self, thing: _Thing, name: str, node: ast.Call, things: dict[str, _Thing]) -> _Thing | None:
        owner = thing if isinstance(thing, Parser) else thing.owner
        match name:
            case "add_argument":
                self.argument(owner, node, thing if isinstance(thing, _Exclusive) else None)
            case "add_argument_group":
                return owner
            case "add_mutually_exclusive_group":
                group = _Exclusive(owner, [])
                names = group.names
                required = literal(keyword_of(node, "required")) is True
                owner.one_of.append((names, required))
                return group
            case "add_subparsers":
                owner.has_commands = True
                owner.command_required = literal(keyword_of(node, "required")) is True
                return _Sub(owner)
            case "add_parser" if isinstance(thing, _Sub):
                return self.command(thing, node, things)
            case "parse_args" | "parse_intermixed_args":
                if not node.args or "argv" in ast.unparse(node.args[0]) or isinstance(node.args[0], ast.Name):
                    self.parsed.add(id(owner))
            case "parse_known_args" | "parse_known_intermixed_args":
                self.parsed.add(id(owner))
                self.known_only.add(id(owner))
        return None

    def command(self, sub: _Sub, node: ast.Call, things: dict[str, _Thing]) -> Parser:
        made = Parser(line=node.lineno)
        made.abbreviations = sub.owner.abbreviations
        self.inherit(made, node, things)
        names = self.text(node.args[0]) if node.args else None
        if names is None:
            sub.owner.open_operands = True
            return made
        sub.owner.commands[names] = made
        for alias in self.constants.words(keyword_of(node, "aliases")) or ():
            sub.owner.commands[alias] = made
        return made

    def text(self, node: ast.expr) -> str | None:
        if isinstance(node, ast.Name) and node.id in self.constants.values:
            node = self.constants.values[node.id]
        if isinstance(node, ast.JoinedStr):
            pieces = [
                self.text(each.value) if isinstance(each, ast.FormattedValue) else self.text(each)
                for each in node.values
            ]
            return "".join(str(piece) for piece in pieces) if all(piece is not None for piece in pieces) else None
        value = literal(node)
        return value if isinstance(value, str) else None

    def spelled_out(self, node: ast.Call) -> ast.Call:
        """The call with keywords in the place of a `**mapping` that is written down."""
        keywords: list[ast.keyword] = []
        for each in node.keywords:
            mapping = self.constants.values.get(name_of(each.value), each.value) if each.arg is None else None
            keys = [literal(key) for key in mapping.keys] if isinstance(mapping, ast.Dict) else []
            if isinstance(mapping, ast.Dict) and all(isinstance(key, str) for key in keys):
                pairs = zip(keys, mapping.values, strict=True)
                keywords += [ast.keyword(arg=str(key), value=value) for key, value in pairs]
            else:
                keywords.append(each)
        return ast.copy_location(ast.Call(node.func, node.args, keywords), node)

    def argument(self, owner: Parser, node: ast.Call, group: _Exclusive | None) -> None:
        node = self.spelled_out(node) if any(keyword.arg is None for keyword in node.keywords) else node
        names = [self.text(each) for each in node.args]
        if any(keyword.arg is None for keyword in node.keywords) or any(name is None for name in names) or not names:
            owner.open_options = owner.open_operands = True
            return
        words = [str(name) for name in names]
        least, most = self.count(node)
        nargs = keyword_of(node, "nargs")
        if nargs is not None and (ast.unparse(nargs).endswith("REMAINDER") or literal(nargs) in ("...", "A...")):
            owner.open_options = owner.open_operands = True  # all that follows is for somebody else
        choices = self.constants.words(keyword_of(node, "choices"))
        if not words[0].startswith("-"):
            has_default = keyword_of(node, "default") is not None and least == 0
            least = 0 if has_default else least
            owner.operands.append(Operand(words[0], least, most, choices, node.lineno, self.number(node)))
            return
        required = literal(keyword_of(node, "required")) is True
        action = keyword_of(node, "action")
        if action is not None and ast.unparse(action).endswith("BooleanOptionalAction"):
            words += ["--no-" + word[2:] for word in words if word.startswith("--")]
        owner.options.append(Option(tuple(words), least, most, required, choices, node.lineno, self.number(node)))
        if group is not None:
            group.names.extend(words)

    def number(self, node: ast.Call) -> str:
        kind = keyword_of(node, "type")
        return kind.id if isinstance(kind, ast.Name) and kind.id in ("int", "float") else ""

    def count(self, node: ast.Call) -> tuple[int, int]:
        action, nargs = keyword_of(node, "action"), keyword_of(node, "nargs")
        value = literal(action)
        if value in ("store_true", "store_false", "count", "help", "version", "store_const", "append_const"):
            return 0, 0
        if action is not None and ast.unparse(action).endswith("BooleanOptionalAction"):
            return 0, 0
        if nargs is None:
            return (1, 1) if action is None or isinstance(value, str) else (0, ANY)
        if ast.unparse(nargs).endswith("REMAINDER"):
            return 0, ANY
        match literal(nargs):
            case int() as number:
                return number, number
            case "?":
                return 0, 1
            case "*" | "...":
                return 0, ANY
            case "+":
                return 1, ANY
            case _:
                return 0, ANY

    def helper(self, name: str, node: ast.Call, things: dict[str, _Thing], depth: int) -> _Thing | None:
        """A call that a parser goes into, or comes out of."""
        given: list[tuple[int, str, _Thing]] = []
        for index, each in enumerate(node.args):
            thing = self.evaluate(each, things, depth)
            if thing is not None:
                given.append((index, "", thing))
        for keyword in node.keywords:
            thing = self.evaluate(keyword.value, things, depth)
            if thing is not None:
                given.append((-1, keyword.arg or "", thing))
        function = self.functions.get(name)
        if function is None:
            for _, _, thing in given:
                owner = thing if isinstance(thing, Parser) else thing.owner
                if name not in ("print", "vars", "setattr", "getattr", "isinstance", "autocomplete", "id", "type"):
                    owner.open_options = owner.open_operands = True
            return None
        entry: tuple[str | int, ...] = (name, *(id(thing) for _, _, thing in given))
        if depth > 6 or entry in self.followed or name in self.inside:
            return self.returns.get(name)
        self.followed.add(entry)
        self.entered.add(name)
        arguments = [each.arg for each in function.args.args]
        written = {written_name(each): each.arg for each in (*function.args.args, *function.args.kwonlyargs)}
        if arguments[:1] in (["self"], ["cls"]):
            arguments = arguments[1:]
        inner = dict(things)
        for index, keyword_name, thing in given:
            if keyword_name or index < len(arguments):
                inner[written.get(keyword_name, keyword_name) or arguments[index]] = thing
        if given:
            self.returns.pop(name, None)
        self.inside.append(name)
        self.block(function.body, inner, depth + 1, into=name)
        self.inside.pop()
        return self.returns.get(name)


# --- click ----------------------------------------------------------------------------------------------------------


def _is_option(call: ast.Call) -> bool:
    kind = name_of(call.func).rpartition(".")[2]
    first = literal(call.args[0]) if call.args else None
    return kind in ("option", "argument") and isinstance(first, str) and first.startswith("-") == (kind == "option")


def _computes_options(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether a function defines options whose names are nowhere in it."""
    calls = (node for node in ast.walk(function) if isinstance(node, ast.Call))
    return any(name_of(each.func) in ("click.option", "option") and not _is_option(each) for each in calls)


class _Click:
    def __init__(self, nodes: Sequence[ast.AST], start: Sequence[ast.stmt]) -> None:
        self.nodes, self.start = nodes, start
        self.constants = Constants(nodes)
        self.functions = functions_of(nodes)
        self.parsers: dict[str, Parser] = {}
        self.own_names: dict[str, list[str]] = {}
        """What commands are called, by their functions."""
        self.known_added: dict[str, list[ast.expr]] = {}

    def interface(self) -> Interface:
        waiting = [(function, self.read(function)) for function in self.functions.values()]
        for function, owner in waiting:
            if owner in self.parsers and function.name in self.parsers:
                self.join(self.parsers[owner], function.name)
        for node in self.nodes:
            if isinstance(node, ast.For):
                self.joined_in_loop(node)
            elif isinstance(node, ast.Call):
                self.joined_by_call(node)
        called = {name_of(node.func) for each in self.start for node in ast.walk(each) if isinstance(node, ast.Call)}
        roots = [name for name in called if name in self.parsers]
        if len(roots) != 1:
            return Interface("unknown")
        return Interface("click", self.parsers[roots[0]], self.parsers[roots[0]].line)

    def join(self, group: Parser, name: str, said: object = None) -> None:
        names = [said] if isinstance(said, str) else self.own_names[name]
        group.commands.update(dict.fromkeys(names, self.parsers[name]))
        group.open_operands |= not names

    def joined_by_call(self, node: ast.Call) -> None:
        """`group.add_command(one)`, `group.command("name")(one)`."""
        func, said = node.func, node.args[1] if len(node.args) > 1 else keyword_of(node, "name")
        if (
            isinstance(func, ast.Call)
            and isinstance(func.func, ast.Attribute)
            and func.func.attr in ("command", "group")
        ):
            group, said = self.parsers.get(name_of(func.func.value)), func.args[0] if func.args else None
        elif isinstance(func, ast.Attribute) and func.attr == "add_command":
            group = self.parsers.get(name_of(func.value)) or self.of_flask(name_of(func.value))
        else:
            return
        name = name_of(node.args[0]) if node.args else ""
        if group is not None and name in self.parsers:
            self.join(group, name, literal(said))
        elif group is not None:
            group.open_operands = True

    def of_flask(self, name: str) -> Parser | None:
        """The group of the one `FlaskGroup` that there is, which has what is added to the `cli` of an application."""
        if not name.endswith(".cli"):
            return None
        found = [
            self.parsers[each.name]
            for each in self.functions.values()
            if each.name in self.parsers and any("cls=FlaskGroup" in ast.unparse(one) for one in each.decorator_list)
        ]
        return found[0] if len(found) == 1 else None

    def joined_in_loop(self, node: ast.For) -> None:
        """`for each in (one, two): group.add_command(each)`."""
        listed = node.iter.elts if isinstance(node.iter, (ast.List, ast.Tuple)) else []
        for inner in ast.walk(node):
            if (
                isinstance(inner, ast.Call)
                and isinstance(inner.func, ast.Attribute)
                and inner.func.attr == "add_command"
            ):
                group = self.parsers.get(name_of(inner.func.value))
                for name in (name_of(each) for each in listed):
                    if group is not None and name in self.parsers:
                        self.join(group, name)

    def read(self, function: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
        """Read a command; returns the group that it says it belongs to."""
        made = Parser(line=function.lineno, abbreviations=False)
        group, is_command = "", False
        for decorator in reversed(function.decorator_list):
            call = decorator if isinstance(decorator, ast.Call) else None
            name = name_of(call.func if call else decorator)
            owner, _, kind = name.rpartition(".")
            if kind in ("command", "group"):
                is_command, group = True, owner
                made.has_commands = kind == "group"
                made.command_required = kind == "group" and not self.says(call, "invoke_without_command")
                self.settings(made, call)
                self.own_names[function.name] = self.names(function, call)
            else:
                self.decorated(made, decorator)
        made.operands.reverse()
        if is_command:
            self.parsers[function.name] = made
        return group

    def decorated(self, made: Parser, decorator: ast.expr, depth: int = 0) -> None:
        """What a decorator, or a function that decorates, adds to a command."""
        call = decorator if isinstance(decorator, ast.Call) else None
        name = name_of(call.func if call else decorator)
        kind = name.rpartition(".")[2]
        if kind in ("option", "argument") and call:
            (self.option if kind == "option" else self.operand)(made, call)
        elif kind in ("version_option", "help_option", "password_option", "confirmation_option"):
            names = tuple(str(literal(each)) for each in (call.args if call else []) if isinstance(literal(each), str))
            made.options.append(
                Option(names or (f"--{kind.partition('_')[0]}", "--yes"), 0, 1 if "pass" in kind else 0)
            )
        elif name in self.constants.values and depth < _SHARED:
            self.decorated(made, self.constants.values[name], depth + 1)
        elif name in self.functions and depth < _SHARED:
            made.open_options |= _computes_options(self.functions[name])
            for each in self.added(self.functions[name]):
                self.decorated(made, each, depth + 1)
            for each in call.args if call else []:
                listed = self.constants.values.get(name_of(each), each)
                for element in listed.elts if isinstance(listed, (ast.List, ast.Tuple)) else []:
                    self.decorated(made, element, depth + 1)
        elif kind not in ("pass_context", "pass_obj", "wraps", "make_pass_decorator", "with_appcontext"):
            made.open_options = made.open_operands = True

    def added(self, function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.expr]:
        """Options that a function adds to the commands that it decorates, itself or by what it names."""
        if function.name not in self.known_added:
            found = self.known_added[function.name] = []
            for node in (each for statement in function.body for each in ast.walk(statement)):
                if isinstance(node, ast.Call) and node.args and _is_option(node):
                    found.append(node)
                elif isinstance(node, ast.Name) and (other := self.functions.get(node.id)) and not other.decorator_list:
                    found += [each for each in self.added(other) if each not in found]
                elif isinstance(node, ast.Name) and (value := self.constants.values.get(node.id)) is not None:
                    listed = value.elts if isinstance(value, (ast.List, ast.Tuple)) else [value]
                    found += [each for each in listed if isinstance(each, ast.Call) and _is_option(each)]
        return self.known_added[function.name]

    def names(self, function: ast.FunctionDef | ast.AsyncFunctionDef, call: ast.Call | None) -> list[str]:
        """What a command is called; releases of click differ in what they leave out of a function's name."""
        said = (call.args[0] if call.args else keyword_of(call, "name")) if call else None
        if said is not None:
            given = literal(said)
            return [given] if isinstance(given, str) else []
        base = written_name(function).lower().replace("_", "-")
        endings = ("-command", "-cmd", "-group", "-grp")
        return [base, *(base.removesuffix(each) for each in endings if base.endswith(each))]

    def says(self, call: ast.Call | None, name: str) -> bool:
        return call is not None and literal(keyword_of(call, name)) is True

    def settings(self, made: Parser, call: ast.Call | None) -> None:
        if call is None:
            return
        if keyword_of(call, "cls") is not None or "ignore_unknown_options" in ast.unparse(call):
            made.open_options = made.open_operands = True
        if "allow_extra_args" in ast.unparse(call):
            made.open_operands = True

    def option(self, made: Parser, call: ast.Call) -> None:
        texts = [literal(each) for each in call.args]
        words = [each for each in texts if isinstance(each, str) and each.startswith("-")]
        if any(not isinstance(each, str) for each in texts) or not words or any(k.arg is None for k in call.keywords):
            made.open_options = True
            return
        names = [piece.strip() for word in words for piece in word.split("/")]
        flag = any("/" in word for word in words) or self.says(call, "is_flag") or self.says(call, "count")
        flag = flag or keyword_of(call, "flag_value") is not None
        flag = flag or (isinstance(literal(keyword_of(call, "default")), bool) and keyword_of(call, "type") is None)
        nargs = literal(keyword_of(call, "nargs"))
        kind = keyword_of(call, "type")
        nargs = len(kind.elts) if isinstance(kind, ast.Tuple) else nargs
        count = 0 if flag else nargs if isinstance(nargs, int) else 1
        required = self.says(call, "required") and keyword_of(call, "envvar") is None
        required = required and not self.says(call, "prompt") and keyword_of(call, "default") is None
        least = 0 if keyword_of(call, "prompt") is not None or keyword_of(call, "is_flag") is not None else count
        made.options.append(Option(tuple(names), least, count, required, self.choices(call), call.lineno))

    def operand(self, made: Parser, call: ast.Call) -> None:
        name, nargs = literal(call.args[0]) if call.args else None, literal(keyword_of(call, "nargs"))
        if not isinstance(name, str):
            made.open_operands = True
            return
        count = nargs if isinstance(nargs, int) else 1
        optional = literal(keyword_of(call, "required")) is False or keyword_of(call, "default") is not None
        optional = optional or keyword_of(call, "envvar") is not None
        if count < 0:
            made.operands.append(Operand(name, 1 if self.says(call, "required") else 0, ANY, self.choices(call)))
        else:
            made.operands.append(Operand(name, 0 if optional else count, count, self.choices(call), call.lineno))

    def choices(self, call: ast.Call) -> tuple[str, ...] | None:
        kind = keyword_of(call, "type")
        if isinstance(kind, ast.Call) and name_of(kind.func).endswith("Choice") and kind.args:
            if literal(keyword_of(kind, "case_sensitive")) is False:
                return None
            return self.constants.words(kind.args[0])
        return None


# --- typer ----------------------------------------------------------------------------------------------------------
