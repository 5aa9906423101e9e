"""Interfaces of programs with argparse: parsers are values that flow through names, attributes and helper functions.

What comes from elsewhere (an imported helper, a computed name) opens the interface at that point.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from sophia_preflight.interfaces.literals import Constants, keyword_of, literal, name_of, written_name
from sophia_preflight.interfaces.model import ANY, Interface, Operand, Option, Parser
from sophia_preflight.readers.python import nodes_of


@dataclass
class _Sub:
    """What `add_subparsers` returns."""

    owner: Parser


@dataclass
class _Exclusive:
    owner: Parser
    names: list[str]


_SAYS = frozenset({"error", "exit", "print_help", "format_help", "print_usage", "format_usage", "_print_message"})
_REFUSED = re.compile(r"(error: *)?(unrecogni[sz]ed|unknown|unexpected) (argument|option|flag)", re.IGNORECASE)
"""What a program says, once its parser has left something over, of what it refuses after all."""
_Thing = Parser | _Sub | _Exclusive


def _let_go(parser: Parser) -> None:
    """What it needs may be put among the words that it is given, and more than it is called with."""
    parser.open_options = parser.open_operands = True
    for option in parser.options:
        option.required = False
    for operand in parser.operands:
        operand.least = 0


class Argparse:
    def __init__(self, tree: ast.Module, nodes: Sequence[ast.AST]) -> None:
        self.tree, self.nodes = tree, nodes
        self.constants = Constants(nodes)
        every = [node for node in nodes if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
        alone = [node for node in nodes if isinstance(node, ast.Module)] == [tree]
        own = every if alone else nodes_of(tree)
        self.explored = {node.name: node for node in own if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))}
        counted = Counter(node.name for node in every)
        self.functions = {node.name: node for node in every if counted[node.name] == 1} | self.explored
        self.made: list[Parser] = []
        self.parents: set[int] = set()
        self.parsed: set[int] = set()
        self.wholly: set[int] = set()
        """Parsers that are given all words there are, and refuse what they do not know."""
        self.helpless: set[int] = set()
        """Parsers that leave `--help` to another."""
        self.known_only: set[int] = set()
        """Parsers that pass over what they do not know, and leave it to others."""
        self.marked: dict[int, set[str]] = {}
        """What parsers set of their own, by which the program may know their commands."""
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
        chosen = self.whole(called) or called or roots
        if len(chosen) != 1 or self.strays:
            return Interface("unknown")
        for each in chosen:
            if id(each) in self.known_only:
                self.pass_over(each)
            for parser in (each, *each.every_command()):
                parser.open_operands |= parser.has_commands and not parser.commands  # they are made elsewhere
        return Interface("argparse", chosen[0], chosen[0].line)

    def pass_over(self, parser: Parser) -> None:
        """What a parser does not know is no mistake, nor what its commands do not; where what is left is refused in
        the end, only commands that are marked by what they set take more than they say."""
        if any(isinstance(each, ast.Constant) and _REFUSED.match(str(each.value)) for each in self.nodes):
            looked_at = self.looked_at()
            for command in parser.every_command():
                if self.marked.get(id(command), set()) & looked_at:
                    command.open_options = command.open_operands = True
            return
        for each in (parser, *parser.every_command()):
            each.ignores_unknown = not each.open_options and not each.has_commands
            each.open_options = each.open_operands = True

    def looked_at(self) -> set[str]:
        """What stands in the functions that parse what they know: texts, and names of attributes."""
        found: set[str] = set()
        for function in (each for each in self.nodes if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)):
            inside = list(ast.walk(function))
            attributes = {each.attr for each in inside if isinstance(each, ast.Attribute)}
            if attributes & {"parse_known_args", "parse_known_intermixed_args"}:
                texts = (each.value for each in inside if isinstance(each, ast.Constant))
                found |= attributes | {each for each in texts if isinstance(each, str)}
        return found

    def whole(self, called: Sequence[Parser]) -> list[Parser]:
        """The one parser that reads everything, where others without `--help` look for some options before it."""
        last = [each for each in called if id(each) in self.wholly]
        before = [each for each in called if id(each) in self.helpless - self.wholly and not each.has_commands]
        if len(last) != 1 or not before or len(called) != 1 + len(before):
            return []
        for each in before:  # what they take may be no word of those that are left
            last[0].options[:0] = [replace(option, required=False) for option in each.options]
            last[0].open_options |= each.open_options
            last[0].open_operands |= each.open_operands or bool(each.operands)
        return last

    def added(self, body: Sequence[ast.stmt], name: str, parser: Parser) -> None:
        """Read what the statements of a function add to the parser that it is given under a name."""
        self.block(body, {name: parser}, 0)

    def takes_parser(self, function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
        return any("parser" in written_name(each).lower() for each in function.args.args)

    def block(self, body: Sequence[ast.stmt], things: dict[str, _Thing], depth: int, *, into: str = "") -> None:
        for node in body:
            self.statement(node, things, depth, into)

    def statement(self, node: ast.stmt, things: dict[str, _Thing], depth: int, into: str) -> None:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                if into:  # it is called by this name here, whatever else is
                    self.functions = {**self.functions, node.name: node}
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
                elif isinstance(target, ast.Attribute):  # `parser.add_argument("--shelf").completer = shelves`
                    self.evaluate(target.value, things, depth)
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
        if literal(keyword_of(node, "add_help")) is False:
            self.helpless.add(id(made))
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
                    self.wholly.add(id(owner))
                if node.args and self.is_changed(name_of(node.args[0])):
                    _let_go(owner)
            case "set_defaults":
                values = {each.value.value for each in node.keywords if isinstance(each.value, ast.Constant)}
                told = {each.arg for each in node.keywords if literal(each.value) is True}
                self.marked[id(owner)] = {each for each in values | told if isinstance(each, str)}
            case "parse_known_args" | "parse_known_intermixed_args":
                self.parsed.add(id(owner))
                self.known_only.add(id(owner))
        return None

    def is_changed(self, name: str) -> bool:
        """Whether the words that a parser is given are others than those that the program is."""
        for node in self.nodes if name else ():
            match node:
                case ast.AugAssign(target=ast.Name(id=changed)):
                    pass
                case ast.Call(func=ast.Attribute(value=ast.Name(id=changed), attr="insert" | "append" | "extend")):
                    pass
                case _:
                    continue
            if changed == name:
                return True
        return False

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
        choices = self.constants.words(keyword_of(node, "choices")) if not _changes_case(node) else None
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
        words = _words_given(function, node)
        around = [things[each] for each in sorted(_free(function)) if each in things] if words else []
        entry: tuple[str | int, ...] = (
            name, *words.values(), *(id(thing) for _, _, thing in given),
            *(id(thing if isinstance(thing, Parser) else thing.owner) for thing in around),
        )  # fmt: skip
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
        if given or words:
            self.returns.pop(name, None)
        self.inside.append(name)
        kept = self.constants.values
        self.constants.values = {**kept, **{each: ast.Constant(word) for each, word in words.items()}}
        self.block(function.body, inner, depth + 1, into=name)
        self.constants.values = kept
        self.inside.pop()
        return self.returns.get(name)


def _words_given(function: ast.FunctionDef | ast.AsyncFunctionDef, call: ast.Call) -> dict[str, str]:
    """The names that a function adds commands by, where a call of it says which: `command("sell")`."""
    arguments = [each.arg for each in function.args.args]
    given = {each.arg: literal(each.value) for each in call.keywords if each.arg}
    given |= {name: literal(each) for name, each in zip(arguments, call.args, strict=False)}
    named = {
        node.args[0].id
        for node in ast.walk(function)
        if isinstance(node, ast.Call) and name_of(node.func).endswith(".add_parser") and node.args
        if isinstance(node.args[0], ast.Name)
    }
    return {name: word for name, word in given.items() if name in named and isinstance(word, str)}


def _free(function: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    """The names that a function takes from around it."""
    return {node.id for node in ast.walk(function) if isinstance(node, ast.Name)} - {
        each.arg for each in function.args.args
    }


def _changes_case(node: ast.Call) -> bool:
    """Whether what is given is compared with the choices in other letters: `type=str.upper`."""
    kind = keyword_of(node, "type")
    return kind is not None and re.search(r"\b(upper|lower|casefold|title|capitalize)\b", ast.unparse(kind)) is not None
