"""Attributes that a module asks of what argparse made of its words, and that no argument of its parsers gives.

Read only where a module shows all there is to its parsers: every argument by its name, no parser handed to others.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sophia_preflight.interfaces.literals import keyword_of, literal, name_of
from sophia_preflight.readers.python import nodes_of
from sophia_preflight.text import named

_GROUPS = named("add_subparsers add_parser add_argument_group add_mutually_exclusive_group")
_PARSES = named("parse_args parse_intermixed_args")
_PARSES_SOME = named("parse_known_args parse_known_intermixed_args")
_METHODS = (
    _GROUPS
    | _PARSES
    | _PARSES_SOME
    | named("add_argument set_defaults get_default print_help print_usage format_help format_usage error exit")
)
_SAYS = named("prog description usage epilog error exit print_help print_usage formatter_class title required metavar")
_HARMLESS = named("print isinstance str repr type id bool autocomplete pprint pformat hasattr getattr")
_DENIED = named("AttributeError Exception BaseException")
_READS = named("items get keys values copy")

_Function = ast.FunctionDef | ast.AsyncFunctionDef
_Scope = ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef
_SCOPES = (ast.Module, ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)


@dataclass(frozen=True, slots=True)
class Unset:
    """`holder.name`, which nothing in the module gives; `handed` where others are handed the holder, and may."""

    name: str
    holder: str
    line: int
    column: int
    near: tuple[str, ...]
    handed: bool


class _Open(Exception):
    """There may be more to the parsers than the module shows."""


_ASKED = re.compile(
    r"(?<![\w./-])(?:(\w+)\.([A-Za-z]\w*)\b(?!\s*(?:\(|=[^=])|[\"'/-])|self\.(\w+)\.([A-Za-z]\w*)\b(?!\s*(?:\(|=[^=]))"
    r"|([\w.]+)\.([A-Za-z]\w*)\(\5\))"
)
_ALIAS = re.compile(r"[\"']--[\w-]+[\"']\s*,\s*[\"']--([\w-]+)[\"']")
_SAID = re.compile(r"[\"']-*([\w-]+)[\"']")
_FROM = re.compile(r"^[ \t]*from\s+\S+|^[ \t]*import\s.*$", re.MULTILINE)
_BROUGHT = re.compile(r"^[ \t]*(?:from\s+\S+\s+)?import\s+(.+(?:\n[ \t]+.+)*)", re.MULTILINE)


def unset_in(tree: ast.Module, text: str, nodes: Sequence[ast.AST] = ()) -> tuple[Unset, ...]:
    """Every attribute that is surely not there, once each; none where nobody can tell. `nodes`: those of the tree,
    where they are known."""
    if "argparse" not in text or not any(each in text for each in (*_PARSES, *_PARSES_SOME)) or not _asks(text):
        return ()
    try:
        return tuple(_Reading(nodes or nodes_of(tree)).unset())
    except _Open:
        return ()


def _asks(text: str) -> bool:
    """Whether a module asks anything but what it imports for an attribute that it gives no argument by name: told by
    its words alone, since few modules do."""
    said = {each.replace("-", "_") for each in {*_SAID.findall(text)} - {*_ALIAS.findall(text)}}
    brought = {word for names in _BROUGHT.findall(text) for word in re.findall(r"\w+", names)}
    asked = (
        (each[1] or each[3] or each[5], each[2] or each[4] or each[6]) for each in _ASKED.finditer(_FROM.sub("", text))
    )
    return any(name not in said and holder not in brought and not holder[0].isdigit() for holder, name in asked)


class _Reading:
    def __init__(self, nodes: Sequence[ast.AST]) -> None:
        self.nodes = nodes
        self.above: dict[int, ast.AST] = {
            id(child): node for node in self.nodes for child in ast.iter_child_nodes(node)
        }  # marks of loading and storing are shared, and never asked for
        self.makers = {name for node in self.nodes for name in _makers(node)}
        every = [node for node in self.nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
        counted = Counter(node.name for node in every)
        self.functions: dict[str, _Function] = {node.name: node for node in every if counted[node.name] == 1}
        self.parsers: set[str] = set()
        self.handed = False
        self.known: set[str] = set()
        self.spaces: set[tuple[int, str]] = set()
        self.used: dict[str, list[ast.Name]] = {}
        for node in self.nodes:
            if isinstance(node, ast.Name):
                self.used.setdefault(node.id, []).append(node)
        self._returned: dict[int, list[ast.expr | None]] = {}

    def unset(self) -> Iterator[Unset]:
        if not self.makers:
            return
        self.find_parsers()
        for node in self.nodes:
            if isinstance(node, ast.Call):
                self.read_call(node)
            if isinstance(node, ast.expr) and self.is_parser(node):
                self.ask_where_parser_goes(node)
        self.impure = set(self.given_otherwise())
        self.bound = self.bindings()
        self.returning = self.functions_that_parse()
        self.find_namespaces()
        for node in self.nodes:
            if isinstance(node, ast.expr) and self.is_namespace(node):
                self.ask_where_namespace_goes(node)
        seen: set[str] = set()
        for node in self.nodes:
            if (
                isinstance(node, ast.Attribute)
                and isinstance(node.ctx, ast.Load)
                and node.attr not in self.known | seen
                and not node.attr.startswith("_")
                and self.is_namespace(node.value)
                and not self.is_expected_to_fail(node)
            ):
                seen.add(node.attr)
                holder = name_of(node.value) or ast.unparse(node.value)
                column = (node.end_col_offset or 0) - len(node.attr) + 1
                yield Unset(
                    node.attr, holder, node.end_lineno or node.lineno, column, tuple(sorted(self.known)), self.handed
                )

    # --- parsers -----------------------------------------------------------------------------------------------------

    def find_parsers(self) -> None:
        """The names that parsers and their groups go by, whatever the scope."""
        before = -1
        while before != len(self.parsers):
            before = len(self.parsers)
            for node in self.nodes:
                match node:
                    case ast.Assign(targets=targets, value=value) if self.is_parser(value):
                        self.parsers.update(name for each in targets if (name := name_of(each)))
                    case ast.AnnAssign(target=target, value=value) | ast.NamedExpr(target=target, value=value) if (
                        value is not None and self.is_parser(value)
                    ):
                        self.parsers.add(name_of(target))
                    case ast.Call() if (function := self.called(node)) is not None:
                        self.parsers.update(name for name, value in _given(function, node) if self.is_parser(value))
            self.parsers.discard("")

    def is_parser(self, node: ast.expr) -> bool:
        match node:
            case ast.Name() | ast.Attribute():
                return isinstance(node.ctx, ast.Load) and name_of(node) in self.parsers
            case ast.Call(func=ast.Attribute(value=owner, attr=attr)) if attr in _GROUPS:
                return self.is_parser(owner)
            case ast.Call() if name_of(node.func) in self.makers:
                return True
            case ast.Call() if (function := self.called(node)) is not None:
                returned = self.returned(function)
                return bool(returned) and all(
                    each is not None and not isinstance(each, ast.Call) and self.is_parser(each) for each in returned
                )
            case _:
                return False

    def called(self, node: ast.Call) -> _Function | None:
        """The module's own function that a call calls."""
        head, _, last = name_of(node.func).rpartition(".")
        return self.functions.get(last) if head in ("", "self", "cls") else None

    def returned(self, function: _Function) -> list[ast.expr | None]:
        """What a function returns; None for nothing, and for what it yields."""
        if id(function) not in self._returned:
            self._returned[id(function)] = [
                each.value if isinstance(each, ast.Return) else None
                for each in ast.walk(function)
                if isinstance(each, ast.Yield | ast.YieldFrom)
                or (isinstance(each, ast.Return) and self.scope(each) is function)
            ]
        return self._returned[id(function)]

    def read_call(self, node: ast.Call) -> None:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else name_of(node.func)
        makes = name_of(node.func) in self.makers
        if makes or name in _GROUPS or name in ("add_argument", "set_defaults"):
            if any(each.arg is None for each in node.keywords):
                raise _Open
            if name == "set_defaults":
                self.known.update(each.arg for each in node.keywords if each.arg)
        if name in ("add_argument", "add_subparsers"):
            self.known.add(self.destination(node))
            action = keyword_of(node, "action")
            own = isinstance(action, ast.Name) and any(
                isinstance(each, ast.ClassDef) and each.name == action.id for each in self.nodes
            )
            self.handed |= not (action is None or own or isinstance(literal(action), str)) and not ast.unparse(
                action
            ).endswith("BooleanOptionalAction")
        if makes or name == "add_parser":
            parents = keyword_of(node, "parents")
            listed = parents.elts if isinstance(parents, ast.List | ast.Tuple) else [parents] if parents else []
            if not all(self.is_parser(each) for each in listed):
                raise _Open
        if keyword_of(node, "prefix_chars") is not None or keyword_of(node, "parser_class") is not None:
            raise _Open
        if name in ("setattr", "getattr", "hasattr", "delattr") and len(node.args) > 1:
            said = literal(node.args[1])
            if isinstance(said, str):
                self.known.add(said)
            elif name == "setattr" and name_of(node.args[1]) != "self.dest" and name_of(node.args[0]) != "self":
                raise _Open
        if name in ("Namespace", "SimpleNamespace"):
            self.known.update(each.arg for each in node.keywords if each.arg)
        is_told = len(node.args) > 1 or keyword_of(node, "namespace") is not None
        if is_told and name in _PARSES | _PARSES_SOME and isinstance(node.func, ast.Attribute):
            raise _Open

    def destination(self, node: ast.Call) -> str:
        """The attribute that an argument gives."""
        said = keyword_of(node, "dest")
        words = [literal(each) for each in node.args]
        texts = [each for each in words if isinstance(each, str)]
        if len(texts) != len(words) or (said is not None and not isinstance(literal(said), str)):
            raise _Open
        if said is not None:
            return str(literal(said))
        long = next((each for each in texts if each.startswith("--")), texts[0] if texts else "")
        return long.lstrip("-").replace("-", "_") if long.startswith("-") else long

    def ask_where_parser_goes(self, node: ast.expr) -> None:
        above = self.above[id(node)]
        match above:
            case ast.Attribute(attr=attr):
                is_called = isinstance(further := self.above[id(above)], ast.Call) and further.func is above
                if not (attr in _METHODS if is_called else attr in _SAYS or isinstance(above.ctx, ast.Store)):
                    raise _Open
            case ast.Call(func=called) if called is not node and not any(each is node for each in above.args):
                raise _Open
            case ast.Call():
                if self.called(above) is None and name_of(above.func).rpartition(".")[2] not in _HARMLESS:
                    raise _Open
            case ast.keyword():
                further = self.above[id(above)]
                if not isinstance(further, ast.Call) or (above.arg != "parents" and self.called(further) is None):
                    raise _Open
            case ast.List() | ast.Tuple():
                if not (isinstance(further := self.above[id(above)], ast.keyword) and further.arg == "parents"):
                    raise _Open
            case ast.Return():
                function = self.scope(above)
                returned = self.returned(function) if isinstance(function, _FUNCTIONS) else []
                if not all(each is not None and self.is_parser(each) for each in returned):
                    raise _Open
            case ast.Assign(targets=targets):
                if not all(name_of(each) for each in targets):
                    raise _Open
            case ast.AnnAssign() | ast.NamedExpr() | ast.Expr() | ast.Compare() | ast.BoolOp() | ast.If():
                pass
            case _:
                raise _Open

    def given_otherwise(self) -> Iterator[str]:
        """Names of parsers that other things go by too, or things that others hand in."""
        fed = {
            (id(function), name)
            for node in self.nodes
            if isinstance(node, ast.Call) and (function := self.called(node)) is not None
            for name, value in _given(function, node)
            if self.is_parser(value)
        }
        for node in self.nodes:
            if isinstance(node, ast.arg) and node.arg in self.parsers:
                home = self.above[id(self.above[id(node)])]
                if (id(home), node.arg) not in fed:
                    yield node.arg
            elif isinstance(node, ast.Name | ast.Attribute) and not isinstance(node.ctx, ast.Load):
                name = name_of(node)
                if name in self.parsers:
                    above = self.above[id(node)]
                    value = getattr(above, "value", None)
                    if not isinstance(value, ast.expr) or not self.is_parser(value):
                        yield name

    # --- namespaces --------------------------------------------------------------------------------------------------

    def scope(self, node: ast.AST) -> ast.AST:
        """The innermost function, class or module around a node."""
        node = self.above.get(id(node), node)
        while not isinstance(node, _SCOPES):
            node = self.above[id(node)]
        return node

    def bindings(self) -> dict[tuple[int, str], list[ast.expr | None]]:
        """What scopes give their names: the values that are assigned, None for anything else."""
        found: dict[tuple[int, str], list[ast.expr | None]] = {}
        for node in self.nodes:
            names: list[str] = []
            value: ast.expr | None = None
            match node:
                case ast.Name(id=name) if not isinstance(node.ctx, ast.Load):
                    names, value = [name], self.assigned(node)
                case ast.arg(arg=name):
                    function = self.above[id(self.above[id(node)])]
                    found.setdefault((id(function), name), []).append(node)  # type: ignore[arg-type]  # handed in
                    continue
                case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                    names = [name]
                case ast.alias():
                    names = [(node.asname or node.name).partition(".")[0]]
                case ast.ExceptHandler(name=str() as name) | ast.MatchAs(name=str() as name):
                    names = [name]
                case ast.Global(names=declared) | ast.Nonlocal(names=declared):
                    for other in declared:
                        for each in self.nodes:
                            if isinstance(each, _SCOPES):
                                found.setdefault((id(each), other), []).append(None)
            for name in names:
                found.setdefault((id(self.scope(node)), name), []).append(value)
        return found

    def assigned(self, node: ast.Name) -> ast.expr | None:
        above = self.above[id(node)]
        match above:
            case ast.Assign(targets=[target], value=value) if target is node:
                return value
            case ast.AnnAssign(value=value) | ast.NamedExpr(value=value):
                return value
            case ast.Tuple(elts=[first, *_]) if first is node:
                further = self.above[id(above)]
                if isinstance(further, ast.Assign) and self.parses(further.value, _PARSES_SOME):
                    return further.value
        return None

    def parses(self, node: ast.AST | None, methods: frozenset[str]) -> bool:
        """Whether an expression has a parser of this module parse words."""
        match node:
            case ast.Call(func=ast.Attribute(value=parser, attr=attr)) if attr in methods:
                return self.is_parser(parser) and name_of(parser) not in self.impure
            case _:
                return False

    def functions_that_parse(self) -> set[str]:
        """Functions that return what was parsed, and nothing else."""
        found: set[str] = set()
        for name, function in self.functions.items():
            returned = self.returned(function)
            if returned and all(each is not None and self.is_parsed_here(each, function) for each in returned):
                found.add(name)
        return found

    def is_parsed_here(self, node: ast.expr, function: _Function) -> bool:
        if isinstance(node, ast.Name):
            values = self.bound.get((id(function), node.id), [])
            return bool(values) and all(self.parses(each, _PARSES | _PARSES_SOME) for each in values)
        return self.parses(node, _PARSES)

    def find_namespaces(self) -> None:
        """Scopes and names in them that surely stand for what was parsed."""
        before = -1
        while before != len(self.spaces):
            before = len(self.spaces)
            for key, values in self.bound.items():
                if all(each is not None and self.is_made(each) for each in values):
                    self.spaces.add(key)

    def is_made(self, value: ast.AST) -> bool:
        if isinstance(value, ast.arg):
            return self.is_handed_in(value)
        some = self.parses(value, _PARSES_SOME)
        return some or (isinstance(value, ast.Call) and self.is_namespace(value))

    def is_handed_in(self, argument: ast.arg) -> bool:
        """Whether all that the module hands to a function by a parameter is what was parsed."""
        function = self.above[id(self.above[id(argument)])]
        if not isinstance(function, _FUNCTIONS) or not isinstance(self.above[id(function)], ast.Module):
            return False
        if self.functions.get(function.name) is not function or function.decorator_list:
            return False
        first = function.args.args[:1] == [argument] and len(function.args.args) == 1
        uses = self.used.get(function.name, [])
        for use in uses:
            match above := self.above[id(use)]:
                case ast.Call(func=called) if called is use:
                    values = [value for name, value in _given(function, above) if name == argument.arg]
                    if len(values) != 1 or not self.is_namespace(values[0]):
                        return False
                case ast.keyword(arg=str() as called):
                    setting = self.above[id(above)]
                    is_default = isinstance(setting, ast.Call) and name_of(setting.func).endswith(".set_defaults")
                    if not first or not is_default or not self.calls_back(called):
                        return False
                case _:
                    return False
        return bool(uses)

    def calls_back(self, attribute: str) -> bool:
        """Whether the module hands what was parsed to the function that it holds: `args.func(args)`."""
        calls = [
            each
            for each in self.nodes
            if isinstance(each, ast.Call) and isinstance(each.func, ast.Attribute) and each.func.attr == attribute
            if self.is_namespace(each.func.value)
        ]
        return bool(calls) and all(
            len(each.args) == 1 and not each.keywords and self.is_namespace(each.args[0]) for each in calls
        )

    def is_namespace(self, node: ast.expr) -> bool:
        match node:
            case ast.Name(id=name) if isinstance(node.ctx, ast.Load):
                scope = self.scope(node)
                while (id(scope), name) not in self.bound or isinstance(scope, ast.ClassDef):
                    if isinstance(scope, ast.Module):
                        return False
                    scope = self.scope(scope)
                return (id(scope), name) in self.spaces
            case ast.Attribute(value=ast.Name(id="self"), attr=attr) if isinstance(node.ctx, ast.Load):
                return self.is_kept(node, attr)
            case ast.Call(func=ast.Name(id=name)):
                return name in self.returning
            case ast.Call():
                return self.parses(node, _PARSES)
            case _:
                return False

    def is_kept(self, node: ast.Attribute, attr: str) -> bool:
        """Whether a class without bases keeps what was parsed under an attribute, and nothing else."""
        home: ast.AST = self.scope(node)
        while not isinstance(home, ast.ClassDef | ast.Module):
            home = self.scope(home)
        if isinstance(home, ast.Module) or home.bases or home.keywords:
            return False
        stores = [
            each
            for each in self.nodes
            if isinstance(each, ast.Attribute) and each.attr == attr and not isinstance(each.ctx, ast.Load)
        ]
        made = (
            isinstance(above := self.above[id(each)], ast.Assign | ast.AnnAssign)
            and isinstance(above.value, ast.Call)
            and self.is_namespace(above.value)
            for each in stores
        )
        return bool(stores) and all(made)

    def ask_where_namespace_goes(self, node: ast.expr) -> None:
        above = self.above[id(node)]
        match above:
            case ast.Attribute(attr="__dict__"):
                raise _Open
            case ast.Attribute(attr=attr) if not isinstance(above.ctx, ast.Load):
                self.known.add(attr)
            case ast.Call(func=ast.Name(id="vars")):
                self.ask_where_mapping_goes(above)
            case ast.Call() if self.called(above) is None and not self.is_callback(above):
                self.handed |= name_of(above.func).rpartition(".")[2] not in {*_HARMLESS, "setattr"}
            case ast.Compare(left=left) if node is not left:
                if not isinstance(said := literal(left), str):
                    raise _Open
                self.known.add(said)
            case ast.Assign(targets=[ast.Attribute(value=ast.Name(id="self"))]) if isinstance(node, ast.Call):
                pass
            case ast.Assign(targets=[ast.Name()]) if isinstance(node, ast.Call):
                pass
            case ast.Attribute() | ast.Call() | ast.Return() | ast.Expr() | ast.FormattedValue():
                pass
            case _:
                self.handed = True

    def is_callback(self, node: ast.Call) -> bool:
        """Whether a call is of what the module's own `set_defaults` keep."""
        return isinstance(node.func, ast.Attribute) and self.is_namespace(node.func.value)

    def ask_where_mapping_goes(self, node: ast.Call) -> None:
        match above := self.above[id(node)]:
            case ast.keyword(arg=None) | ast.FormattedValue():
                pass
            case ast.Attribute(attr=attr) if attr in _READS:
                pass
            case ast.Subscript() if isinstance(above.ctx, ast.Load):
                pass
            case ast.Call():
                self.handed = True
            case _:
                raise _Open

    def is_expected_to_fail(self, node: ast.AST) -> bool:
        """Whether somebody stands ready for the attribute not to be there."""
        child = node
        while not isinstance(child, ast.Module):
            node = self.above[id(child)]
            if isinstance(node, ast.Try) and any(each is child for each in node.body):
                for handler in node.handlers:
                    kinds = ast.walk(handler.type) if handler.type is not None else ()
                    if handler.type is None or any(isinstance(k, ast.Name) and k.id in _DENIED for k in kinds):
                        return True
            child = node
        return False


_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def _makers(node: ast.AST) -> Iterator[str]:
    """What `ArgumentParser` is called, where a module imports it."""
    match node:
        case ast.Import(names=names):
            yield from (f"{each.asname or each.name}.ArgumentParser" for each in names if each.name == "argparse")
        case ast.ImportFrom(module="argparse", names=names):
            yield from (each.asname or each.name for each in names if each.name == "ArgumentParser")


def _given(function: _Function, node: ast.Call) -> Iterator[tuple[str, ast.expr]]:
    """The parameters of a function and what a call gives them."""
    names = [each.arg for each in (*function.args.posonlyargs, *function.args.args)]
    if names[:1] in (["self"], ["cls"]):
        names = names[1:]
    for name, value in zip(names, node.args, strict=False):
        if isinstance(value, ast.Starred):
            break
        yield name, value
    yield from ((each.arg, each.value) for each in node.keywords if each.arg)
