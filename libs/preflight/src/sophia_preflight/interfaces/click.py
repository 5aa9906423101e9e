"""Interfaces of programs with click: commands and groups by their decorators, and what joins them."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence

from sophia_preflight.interfaces.literals import Constants, functions_of, keyword_of, literal, name_of, written_name
from sophia_preflight.interfaces.model import ANY, Interface, Operand, Option, Parser

_SHARED = 4
"""How deep decorators that add options may lie in each other."""


_BRINGS = re.compile(r"option|opts?\b|flag|params|^pass_|config|logging|verbos")

_MINDS = re.compile(
    r"error|exception|catch|handl(e|ing)|(^|_)a?sync|coro|trace|(^|_)log_|tim(ed|ing|er)|profil(e|ing)$|deprecat|experimental"
    r"|telemetry|track|instrument|retr(y|ies)|requir|ensure|safe|guard|cached?$|metrics?$|spinner|inject"
)
"""Decorators that by their names look after how a command runs, and add no option to it."""
_OWN = frozenset({"option", "argument", "command", "group", "version_option", "help_option", "password_option",
                  "confirmation_option", "pass_context", "pass_obj"})  # fmt: skip
"""What click itself decorates with."""


_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_PLAIN_CLASS = re.compile(r"(?:(?:click|rich_click|asyncclick|rich)\.)?(?:Rich|HelpColors|Async)?(?:Group|Command)")
"""Classes of commands that take what is defined, and nothing else."""
_READ_WORDS = frozenset({"parse_args", "make_parser", "get_params", "make_context", "resolve_command", "__new__"})
"""Methods that decide which words a command takes."""
_FIND_COMMANDS = frozenset({"get_command", "list_commands", "command", "group", "add_command"})
_PARAMETERS = re.compile(r"\bparams\b|\bOption\(|\bArgument\(|ignore_unknown_options|allow_\w+")


def _is_option(call: ast.Call) -> bool:
    kind = name_of(call.func).rpartition(".")[2]
    first = literal(call.args[0]) if call.args else None
    return kind in ("option", "argument") and isinstance(first, str) and first.startswith("-") == (kind == "option")


def _computes_options(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether a function defines options whose names are nowhere in it."""
    calls = (node for node in ast.walk(function) if isinstance(node, ast.Call))
    return any(name_of(each.func) in ("click.option", "option") and not _is_option(each) for each in calls)


def _only_minds(call: ast.Call | None, kind: str) -> bool:
    """Whether a decorator that is not here adds no options, by its name and what it is given."""
    given = [literal(each) for each in (*call.args, *(each.value for each in call.keywords))] if call else []
    minds = _MINDS.search(kind) is not None and _BRINGS.search(kind) is None
    return minds and not any(isinstance(each, str) and each[:1] == "-" for each in given)


def _width(kind: ast.expr) -> int:
    """How many values a type is of that is written as a tuple: `(int, str)`, `(float,) * 4`; zero for another."""
    match kind:
        case ast.Tuple(elts=elements):
            return len(elements)
        case ast.BinOp(left=ast.Tuple(elts=elements), op=ast.Mult(), right=ast.Constant(value=int(times))):
            return len(elements) * times
        case _:
            return 0


class Click:
    def __init__(self, nodes: Sequence[ast.AST], start: Sequence[ast.stmt]) -> None:
        self.nodes, self.start = nodes, start
        self.constants = Constants(nodes)
        self.functions = functions_of(nodes)
        self.of_click = {
            alias.asname or alias.name
            for each in nodes
            if isinstance(each, ast.ImportFrom) and each.module in ("click", "rich_click", "asyncclick", "click.core")
            for alias in each.names
        }
        self.classes = {each.name: each for each in nodes if isinstance(each, ast.ClassDef)}
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
                made.open_operands |= call is not None and keyword_of(call, "commands") is not None
                self.own_names[function.name] = self.names(function, call)
            else:
                self.decorated(made, decorator)
        made.operands.reverse()
        foreign = [each for each in function.decorator_list if self.is_foreign(each)]
        if foreign and function.args.kwarg is None and not self.is_set_open(function):
            made.accounted = frozenset(
                each.arg for each in (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)
            )
        if is_command:
            self.parsers[function.name] = made
        return group

    def is_foreign(self, decorator: ast.expr) -> bool:
        """Whether a decorator is of another package, and by its name brings an option or hands something on."""
        name = name_of(decorator.func if isinstance(decorator, ast.Call) else decorator)
        known = name in self.constants.values or name in self.functions or name.startswith("click.") or name in _OWN
        return not known and _BRINGS.search(name.rpartition(".")[2]) is not None

    def is_set_open(self, function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
        """Whether anything but decorators of other packages leaves open what a command accepts."""
        made = Parser()
        for each in function.decorator_list:
            call = each if isinstance(each, ast.Call) else None
            if name_of(call.func if call else each).rpartition(".")[2] in ("command", "group"):
                self.settings(made, call)
            elif not self.is_foreign(each):
                self.decorated(made, each)
        return made.open_options

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
        elif kind not in (
            "pass_context",
            "pass_obj",
            "wraps",
            "make_pass_decorator",
            "with_appcontext",
        ) and not _only_minds(call, kind):
            made.open_options = made.open_operands = True

    def added(self, function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.expr]:
        """Options that a function adds to the commands that it decorates, itself or by what it names."""
        if function.name not in self.known_added:
            found = self.known_added[function.name] = []
            for node in (each for statement in function.body for each in ast.walk(statement)):
                if isinstance(node, ast.Call) and node.args and _is_option(node):
                    found += [node] if node not in found else []
                elif isinstance(node, ast.Name) and (other := self.functions.get(node.id)) and not other.decorator_list:
                    found += [each for each in self.added(other) if each not in found]
                elif isinstance(node, ast.Name) and (value := self.constants.values.get(node.id)) is not None:
                    listed = value.elts if isinstance(value, (ast.List, ast.Tuple)) else [value]
                    options = [each for each in listed if isinstance(each, ast.Call) and _is_option(each)]
                    found += [each for each in options if each not in found]
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
        if "ignore_unknown_options" in ast.unparse(call):
            made.open_options = made.open_operands = True
        if (kind := keyword_of(call, "cls")) is not None:
            self.of_class(made, name_of(kind))
        if "allow_extra_args" in ast.unparse(call):
            made.open_operands = True
        settings = keyword_of(call, "context_settings")
        said = ast.unparse(self.constants.values.get(name_of(settings), settings)) if settings is not None else ""
        if re.search(r"ignore_unknown_options|allow_extra_args", said) or (
            said and "{" not in said and "dict" not in said
        ):
            made.open_options = made.open_operands = made.takes_more = True

    def of_class(self, made: Parser, name: str, depth: int = 0) -> None:
        """What the class of a command leaves open: nothing, if it is one of click's, or one of ours made of such that
        neither looks for commands and options itself nor adds any."""
        if _PLAIN_CLASS.fullmatch(name) and ("." in name or name in self.of_click):
            return
        own = self.classes.get(name)
        methods = {each.name for each in own.body if isinstance(each, _FUNCTIONS)} if own is not None else set()
        if own is None or depth > _SHARED or methods & _READ_WORDS or _PARAMETERS.search(ast.unparse(own)):
            made.open_options = made.open_operands = True
            return
        made.open_operands |= bool(methods & _FIND_COMMANDS)
        for base in own.bases:
            self.of_class(made, name_of(base), depth + 1)

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
        nargs = width if kind is not None and (width := _width(kind)) else nargs
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
        if keyword_of(call, "nargs") is not None and not isinstance(nargs, int):
            made.operands.append(Operand(name, 0, ANY))
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
