"""Interfaces of programs with typer: apps, what they are called, and the signatures of their functions."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence

from sophia_preflight.interfaces.literals import Constants, functions_of, keyword_of, literal, name_of, written_name
from sophia_preflight.interfaces.model import ANY, Interface, Operand, Option, Parser
from sophia_preflight.interfaces.reaching import Reaching


def is_app(call: ast.Call) -> bool:
    return name_of(call.func).rpartition(".")[2] in ("Typer", "AsyncTyper")


_CHANGES = re.compile(r"commands|add_command|resolve_command|list_commands")
"""How programs change which commands there are, once they are made."""


_SHOWS = re.compile(r"(format|list|get_(help|usage)|collect)_\w+|get_help|get_usage|invoke")
"""Methods of a group that decide what is shown, and how what was understood is run."""
_LOOKS = frozenset({"hasattr", "isinstance", "getattr", "callable", "type", "id", "repr", "str", "print", "len", "dir"})
"""What only looks at what it is given."""
_TYPES = frozenset({"bool", "bytes", "datetime", "float", "int", "list", "Path", "str", "tuple", "UUID", "Any"})
_MOST_ALIASES = 5
_COMPLETION = Option(("--install-completion", "--show-completion"), 0, 1)
"""What every app has by itself."""


def _open_options(parser: Parser) -> None:
    parser.open_options = True
    parser.open_operands |= not parser.commands
    for each in parser.commands.values():
        _open_options(each)


def _is_marker(call: ast.Call) -> bool:
    """Whether a call says of a parameter how it is given: `typer.Option(...)`, `typer.Argument(...)`."""
    return name_of(call.func).endswith(("Option", "Argument"))


class Typer:
    def __init__(self, nodes: Sequence[ast.AST], start: Sequence[ast.stmt]) -> None:
        self.nodes, self.start = nodes, start
        self.constants = Constants(nodes)
        self.classes = {node.name for node in nodes if isinstance(node, ast.ClassDef)}
        self.apps: dict[str, Parser] = {}
        self.app_names: dict[str, str] = {}
        self.own: dict[str, list[Parser]] = {}
        self.callbacks: set[str] = set()
        self.nested: set[str] = set()
        self.given_away: set[str] = set()
        """Apps that something else is given, which may add commands to them."""
        self.parameters = {
            node.arg for node in nodes if isinstance(node, ast.arg) and "Typer" in ast.unparse(node.annotation or node)
        }
        self.floating: dict[str, Parser] = {}
        """Commands of apps that functions are given."""

    def interface(self) -> Interface:
        functions = functions_of(self.nodes)
        for node in self.nodes:
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and is_app(node.value):
                self.app(name_of(node.targets[0]), node.value)
            elif isinstance(node, ast.AnnAssign) and isinstance(node.value, ast.Call) and is_app(node.value):
                self.app(name_of(node.target), node.value)
        for function in functions.values():
            for decorator in function.decorator_list:
                call = decorator if isinstance(decorator, ast.Call) else None
                owner, _, kind = name_of(call.func if call else decorator).rpartition(".")
                self.registered(owner, kind, call, function)
        for node in self.nodes:
            if isinstance(node, ast.Call):
                self.registered_by_call(node, functions)
        for name, made in self.apps.items():
            if name in self.given_away:
                made.open_operands = True
                for said, command in self.floating.items():
                    made.commands.setdefault(said, command)
        for node in self.nodes:
            self.made_command(node)
        return self.chosen(functions)

    def made_command(self, node: ast.AST) -> None:
        """`cli = typer.main.get_command(app)`: what else it is given to may change options, hardly what there is."""
        match node:
            case ast.Assign(targets=[target], value=ast.Call(args=[_, *_]) as value):
                pass
            case ast.AnnAssign(target=target, value=ast.Call(args=[_, *_]) as value):
                pass
            case _:
                return
        is_command = name_of(value.func).rpartition(".")[2] == "get_command"
        made, name = self.apps.get(name_of(value.args[0])) if is_command else None, name_of(target)
        if made is None or not name or name in self.apps:
            return
        self.apps[name] = made
        self.callbacks.add(name)
        calls = [each for each in self.nodes if isinstance(each, ast.Call) and name_of(each.func) not in _LOOKS]
        if any(name in map(name_of, [*each.args, *(keyword.value for keyword in each.keywords)]) for each in calls):
            _open_options(made)
            changes = (each.attr for each in self.nodes if isinstance(each, ast.Attribute))
            made.open_operands |= any(_CHANGES.fullmatch(each) for each in changes)

    def app(self, name: str, call: ast.Call) -> None:
        made = Parser(abbreviations=False, has_commands=True, line=call.lineno)
        made.open_options = made.open_operands = self.is_open(call)
        made.options.append(_COMPLETION)
        self.apps[name] = made
        said = literal(keyword_of(call, "name"))
        if isinstance(said, str):
            self.app_names[name] = said

    def registered(
        self, owner: str, kind: str, call: ast.Call | None, function: ast.FunctionDef | ast.AsyncFunctionDef | None
    ) -> None:
        """A command or callback; of one without a function nothing but its name is known."""
        if kind not in ("command", "callback"):
            return
        made = self.parser(function) if function is not None else Parser(open_options=True, open_operands=True)
        if self.is_open(call):
            made.open_options = made.open_operands = True
            made.takes_more = keyword_of(call, "context_settings") is not None if call is not None else False
        if kind == "callback":
            if owner in self.apps:
                self.callbacks.add(owner)
                self.apps[owner].options += made.options
                self.apps[owner].open_options |= made.open_options
                takes_more = function is not None and function.args.vararg is None and not self.is_open(call)
                self.apps[owner].open_operands |= made.open_operands and not takes_more
            return
        first = call.args[0] if call and call.args else keyword_of(call, "name") if call else None
        given = literal(first)
        name = str(given) if given else written_name(function).lower().replace("_", "-") if function is not None else ""
        if owner in self.apps and name:
            self.apps[owner].commands[name] = made
            self.own.setdefault(owner, []).append(made)
        elif owner in self.apps:
            self.apps[owner].open_operands = True
        elif name and owner in self.parameters:
            self.floating[name] = made if name not in self.floating else Parser(open_options=True, open_operands=True)

    def registered_by_call(
        self, node: ast.Call, functions: Mapping[str, ast.FunctionDef | ast.AsyncFunctionDef]
    ) -> None:
        """`app.add_typer(other, name="other")`, `app.command()(function)`, an app that something else is given."""
        func = node.func
        if isinstance(func, ast.Call) and isinstance(func.func, ast.Attribute) and func.func.attr == "command":
            function = functions.get(name_of(node.args[0])) if node.args else None
            self.registered(name_of(func.func.value), "command", func, function)
        elif isinstance(func, ast.Attribute) and func.attr == "add_typer":
            parent = self.apps.get(name_of(func.value))
            child = name_of(node.args[0]) if node.args else ""
            name = literal(keyword_of(node, "name")) or self.app_names.get(child)
            if parent is not None and child in self.apps and isinstance(name, str):
                parent.commands[name] = self.apps[child]
                self.nested.add(child)
                self.callbacks.add(name_of(func.value))
            elif parent is not None:
                parent.open_operands = True
        elif name_of(func) not in ("typer.main.get_command", "get_command"):
            given = [*node.args, *(keyword.value for keyword in node.keywords)]
            self.given_away.update(name for each in given if (name := name_of(each)) in self.apps)

    def is_open(self, call: ast.Call | None) -> bool:
        """Whether settings, or a class of the program's own, decide what is accepted."""
        if call is None:
            return False
        if (group := keyword_of(call, "cls")) is not None and not self.only_says(name_of(group)):
            return True
        settings = literal(keyword_of(call, "context_settings") or ast.Dict([], []))
        return not isinstance(settings, dict) or bool(settings.keys() & {"ignore_unknown_options", "allow_extra_args"})

    def only_says(self, name: str) -> bool:
        """Whether a class of groups changes what is shown, and hands on what it is asked for as it is."""
        made = next((each for each in self.nodes if isinstance(each, ast.ClassDef) and each.name == name), None)
        if made is None or not any(name_of(base).endswith(("TyperGroup", "click.Group")) for base in made.bases):
            return False
        for each in made.body:
            if not isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            given = ", ".join(argument.arg for argument in each.args.args[1:])
            returned = [node.value for node in ast.walk(each) if isinstance(node, ast.Return) and node.value]
            same = {f"super().{written_name(each)}({given})"}
            if not _SHOWS.fullmatch(written_name(each)) and not (returned and {*map(ast.unparse, returned)} == same):
                return False
        return True

    def chosen(self, functions: Mapping[str, ast.FunctionDef | ast.AsyncFunctionDef]) -> Interface:
        found = self.begun(self.start, functions)
        return found if found.known else self.begun(Reaching(self.nodes).from_start(self.start), functions)

    def begun(
        self, start: Sequence[ast.stmt], functions: Mapping[str, ast.FunctionDef | ast.AsyncFunctionDef]
    ) -> Interface:
        """What the app accepts that these statements start."""
        calls = [node for each in start for node in ast.walk(each) if isinstance(node, ast.Call)]
        for each in start:
            if isinstance(each, ast.Assign) and (made_by := self.returned(each.value, functions)):
                target = name_of(each.targets[0])
                self.apps[target], self.own[target] = self.apps[made_by], self.own.get(made_by, [])
                self.callbacks |= {target} if made_by in self.callbacks else set()
        for node in calls:
            name = name_of(node.func) or self.returned(node.func, functions)
            if name == "typer.run" and node.args and (function := functions.get(name_of(node.args[0]))):
                made = self.parser(function)
                return Interface("typer", made, made.line)
            if name in self.apps and name not in self.nested:
                commands = self.own.get(name, [])
                if len(commands) == 1 and name not in self.callbacks and not self.apps[name].open_operands:
                    commands[0].options.append(_COMPLETION)
                    return Interface("typer", commands[0], commands[0].line)
                return Interface("typer", self.apps[name], self.apps[name].line)
        return Interface("unknown")

    def returned(self, value: ast.expr, functions: Mapping[str, ast.FunctionDef | ast.AsyncFunctionDef]) -> str:
        """The app that a function returns which is called here; empty for anything else."""
        made_by = functions.get(name_of(value.func)) if isinstance(value, ast.Call) else None
        found = [
            name_of(node.value)
            for node in (ast.walk(made_by) if made_by is not None else ())
            if isinstance(node, ast.Return) and node.value is not None
        ]
        return next((each for each in found if each in self.apps), "")

    def parser(self, function: ast.FunctionDef | ast.AsyncFunctionDef) -> Parser:
        made = Parser(line=function.lineno, abbreviations=False)
        arguments = function.args
        every = [*arguments.posonlyargs, *arguments.args]
        defaults: list[ast.expr | None] = [None] * (len(every) - len(arguments.defaults))
        pairs = [*zip(every, [*defaults, *arguments.defaults], strict=True)]
        pairs += list(zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True))
        if arguments.vararg or arguments.kwarg:
            made.open_options = made.open_operands = True
        for argument, default in pairs:
            self.parameter(made, argument, default)
        return made

    def spelled(self, annotation: ast.expr | None) -> ast.expr | None:
        """An annotation, or what it is another name for: `Verbose = Annotated[bool, typer.Option()]`."""
        for _ in range(_MOST_ALIASES):
            if not isinstance(annotation, ast.Name) or annotation.id not in self.constants.values:
                break
            annotation = self.constants.values[annotation.id]
        return annotation

    def kept(self, default: ast.expr | None) -> ast.expr | None:
        """A default, or the option or argument that it is another name for: `PORT = typer.Option(80, "--port")`."""
        value = self.constants.values.get(name_of(default)) if default is not None else None
        return value if isinstance(value, ast.Call) and _is_marker(value) else default

    def is_type(self, name: str) -> bool:
        """Whether a name is that of a type for certain; another may stand for a type with an option or argument."""
        return name in _TYPES or name in self.classes

    def parameter(self, made: Parser, argument: ast.arg, default: ast.expr | None) -> None:
        annotation, default = self.spelled(argument.annotation), self.kept(default)
        marker: ast.Call | None = None
        if isinstance(annotation, ast.Subscript) and name_of(annotation.value).endswith("Annotated"):
            inner = annotation.slice.elts if isinstance(annotation.slice, ast.Tuple) else [annotation.slice]
            annotation = inner[0]
            marker = next(
                (e for each in inner[1:] if isinstance(e := self.kept(each), ast.Call) and _is_marker(e)),
                None,
            )
        said = ast.unparse(annotation) if annotation is not None else ""
        if said.endswith("Context"):
            return
        required = default is None
        if marker is None and isinstance(default, ast.Call) and _is_marker(default):
            marker = default
            first = default.args[0] if default.args else keyword_of(default, "default")
            required = first is None or (isinstance(first, ast.Constant) and first.value is ...)
        if marker is None and isinstance(annotation, ast.Name) and not self.is_type(annotation.id):
            made.open_options = made.open_operands = True
            return
        words = [str(literal(each)) for each in (marker.args if marker else []) if isinstance(literal(each), str)]
        many = said.startswith(("list", "List", "Optional[List", "Optional[list", "tuple", "Tuple"))
        choices = tuple(self.constants.enums[said]) if said in self.constants.enums else None
        is_argument = name_of(marker.func).endswith("Argument") if marker else default is None
        if marker is not None and (keyword_of(marker, "envvar") or keyword_of(marker, "default_factory")) is not None:
            required = False
        if is_argument:
            made.operands.append(
                Operand(written_name(argument), 1 if required else 0, ANY if many else 1, choices, argument.lineno)
            )
            return
        names = [piece for word in words if word.startswith("-") for piece in word.split("/")]
        flag = said in ("bool", "Optional[bool]", "bool | None") or isinstance(literal(default), bool)
        base = written_name(argument).replace("_", "-")
        if not names:
            names = [f"--{base}", f"--no-{base}"] if flag else [f"--{base}"]
        count = 0 if flag else 1
        required = required and not flag and not (marker is not None and keyword_of(marker, "prompt") is not None)
        made.options.append(Option(tuple(names), count, count, required, choices, argument.lineno))
