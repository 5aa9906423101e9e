"""Programs in Python whose interface is spread over several files: sub-commands and options that are imported.

The files of a program are read as if they were one: what a name means in its file is put in its place, so that the
readers of single files see `app.add_typer(serve)` next to the `serve` that another file makes. Taken in are the files
that the program imports and that speak of arguments, and those of its packages that add commands to what it imports.
"""

from __future__ import annotations

import ast
import posixpath
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sophia_preflight.interfaces.model import Interface, Parser
from sophia_preflight.interfaces.python import entry_interface, interface_of
from sophia_preflight.readers.later_grammar import parsed
from sophia_preflight.readers.python import nodes_of

if TYPE_CHECKING:
    from sophia_preflight.context import Context

SPEAKS = re.compile(
    r"^\s*(import\s+([\w.]+,\s*)*|from\s+)(click|typer|argparse|asyncclick|rich_click)\b|ArgumentParser|\.add_(argument|parser|command|typer)\(",
    re.MULTILINE,
)
ADDS = re.compile(r"^\s*@[\w.]+\.(command|group)\b|\.(add_command|add_typer)\(|\.command\([^)]*\)\(", re.MULTILINE)
MOST_FILES = 300
"""A program of more files is not read: the commands of those left out would be missing."""
SHORT = 3000
"""A file that does not speak of arguments, and only starts another, is not longer."""
DEEPEST = 8


@dataclass
class _Unit:
    """A file: its tree, the names that it defines itself, and what its imports bring."""

    path: str
    tree: ast.Module
    own: set[str]
    imports: dict[str, tuple[str, str]] = field(default_factory=dict)
    """By local name: the file of a module, and the name in it; no name for the module itself."""
    stars: list[str] = field(default_factory=list)
    suffix: str = ""


class Programs:
    """Interfaces of programs, by file and, for installed commands, by the name that is called in it."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self._units: dict[str, _Unit | None] = {}
        self._taken: set[str] | None = None
        """The files of the program that is read, once they are known: what others define is of no interest."""
        self._known: dict[tuple[str, str], Interface] = {}

    def interface(self, path: str, entry: str = "") -> Interface:
        """What a file accepts when it is run, or when an installed command calls its `entry`."""
        key = (path, entry)
        if key not in self._known:
            self._units, self._taken = {}, None  # names are replaced in the trees, for one program
            try:
                self._known[key] = self._read(path, entry)
            except (RecursionError, MemoryError):
                self._known[key] = Interface("unknown")
        return self._known[key]

    def tree(self, path: str) -> ast.Module | None:
        """A file as it is written; None where it does not parse."""
        self._units, self._taken = {}, None
        unit = self._unit(path)
        return unit.tree if unit is not None else None

    def defined(self, path: str, name: str) -> tuple[str, str]:
        """The file that defines what a name means in another, and what it is called there."""
        self._units, self._taken = {}, None
        return self._defined(path, name)

    def _read(self, path: str, entry: str) -> Interface:
        if entry:
            path, entry = self._defined(path, entry)
        main = self._unit(path)
        if main is None:
            return Interface("unknown")
        files = [path, *self._others(path)]
        if len(files) > MOST_FILES:
            return Interface("unknown")
        plugged = list(self._plugged(files))
        files += [file for file in dict.fromkeys(file for _, _, file, _ in plugged) if file not in files]
        self._taken = set(files)
        units = [unit for each in files if (unit := self._unit(each)) is not None]
        for number, unit in enumerate(units):
            unit.suffix = f"·{number}" if number else ""
        for unit in units:
            _Renamed(self, unit).visit(unit.tree)
        nodes = [node for unit in units for node in nodes_of(unit.tree)]
        for group, name, file, inner in plugged:
            unit = next((each for each in units if each.path == file), None)
            if unit is not None:
                adds = ast.Attribute(ast.Name(self.symbol(main, group)), "add_command")
                nodes.append(ast.Call(adds, [ast.Name(self.symbol(unit, inner)), ast.Constant(name)], []))
        text = "\n".join(self.context.repository.text(unit.path) for unit in units)
        own = self.context.repository.text(path)
        if entry:
            found = entry_interface(main.tree, text, nodes, entry, own)
        else:
            found = interface_of(main.tree, text, nodes, own)
        return found if len(units) == len(files) else _without_some(found)

    def _plugged(self, files: list[str]) -> Iterator[tuple[str, str, str, str]]:
        """Commands that projects give a group of the first file as entry points: group, name, file and function."""
        unit = self._unit(files[0])
        text = self.context.repository.text(files[0])
        if unit is None or "entry_points" not in text:
            return
        points = [
            point
            for project in self.context.modules.projects.by_directory.values()
            for point in project.entry_points
            if not point.is_command and re.search(rf"[\"']{re.escape(point.group)}[\"']", text)
        ]
        groups = set(_loading(unit.tree))
        for point in points if len(groups) == 1 else ():
            module, _, inner = point.value.partition(":")
            file = self._module(files[0], module.strip(), 0)
            if file and inner.strip().isidentifier():
                file, inner = self._defined(file, inner.strip())
                (group,) = groups
                if (file, inner) != (files[0], group):
                    yield group, point.name, file, inner

    # --- which files -------------------------------------------------------------------------------------------------

    def _others(self, path: str) -> list[str]:
        """The other files of a program, as far as they decide what it accepts."""
        found: list[str] = []
        seen, waiting = {path}, [path]
        while waiting and len(found) < MOST_FILES:
            unit = self._unit(waiting.pop(0))
            if unit is None:
                continue
            imported = {file for file, _ in unit.imports.values()}
            handed_on = {self._defined(*each)[0] for each in set(unit.imports.values()) if self._hands_on(each)}
            for other in sorted(imported | handed_on | set(unit.stars)):
                if other not in seen:
                    seen.add(other)
                    facts = self.context.python(other)
                    if facts is not None and facts.speaks:
                        found.append(other)
                        waiting.append(other)
        text = self.context.repository.text(path)
        if re.search(r"\b(click|typer)\b", text) or found:
            packages = {self._package(each) for each in (path, *found)} - {""}
            found += [other for other in self._adding(packages) if other not in seen]
        return found

    def _hands_on(self, imported: tuple[str, str]) -> bool:
        """Whether what is imported is only passed on by a package, and made elsewhere."""
        path, name = imported
        return bool(name) and path.endswith("__init__.py") and name in self.context.repository.glimpse(path)

    def _adding(self, packages: set[str]) -> Iterator[str]:
        """Files of packages that may add commands."""
        for path in sorted(self.context.repository.entries):
            inside = path.endswith(".py") and any(path.startswith(f"{each}/") for each in packages)
            tests = re.search(r"(^|/)(tests?/|test_)", path)
            facts = self.context.python(path) if inside and not tests else None
            if facts is not None and facts.adds:
                yield path

    def _package(self, path: str) -> str:
        directory = posixpath.dirname(path)
        while directory and self.context.repository.is_file(f"{posixpath.dirname(directory)}/__init__.py".lstrip("/")):
            directory = posixpath.dirname(directory)
        return directory

    # --- what names mean ---------------------------------------------------------------------------------------------

    def _unit(self, path: str) -> _Unit | None:
        if path not in self._units:
            self._units[path] = self._parsed(path)
        return self._units[path]

    def _parsed(self, path: str) -> _Unit | None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                tree, _ = parsed(self.context.repository.text(path), path)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None
        unit = _Unit(path, tree, set(_defined(tree.body)))
        for node in nodes_of(tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    name = alias.name if alias.asname else alias.name.partition(".")[0]
                    if file := self._module(path, name, 0):
                        unit.imports[alias.asname or name] = (file, "")
            elif isinstance(node, ast.ImportFrom):
                self._imported(unit, node)
        unit.own -= set(_substitutes(tree.body)) & set(unit.imports)
        return unit

    def _imported(self, unit: _Unit, node: ast.ImportFrom) -> None:
        file = self._module(unit.path, node.module or "", node.level)
        for alias in node.names:
            inner = f"{node.module}.{alias.name}" if node.module else alias.name
            if alias.name == "*" and file:
                unit.stars.append(file)
            elif module := self._module(unit.path, inner, node.level):
                unit.imports[alias.asname or alias.name] = (module, "")
            elif file:
                unit.imports[alias.asname or alias.name] = (file, alias.name)

    def _module(self, path: str, name: str, level: int) -> str:
        """The file of a module that a file imports; empty where it is not ours."""
        inner = name.replace(".", "/")
        if level:
            base = posixpath.dirname(path)
            for _ in range(level - 1):
                base = posixpath.dirname(base)
            roots = [base or "."]
        else:
            roots = sorted(self.context.module_roots(name.partition(".")[0]), key=lambda each: not _holds(each, path))
        for root in roots:
            base = inner if root in (".", "") else f"{root}/{inner}".rstrip("/")
            for file in (f"{base}.py", f"{base}/__init__.py".lstrip("/")):
                if self.context.repository.is_file(file):
                    return file
        return ""

    def _defined(self, path: str, name: str) -> tuple[str, str]:
        """Where a name of a file is defined, through imports and other names for the same."""
        for _ in range(DEEPEST):
            unit = self._unit(path)
            if unit is None:
                break
            if name in unit.imports and name not in unit.own:
                file, inner = unit.imports[name]
                if not inner:
                    break
                path, name = file, inner
                if self._taken is not None and path not in self._taken and not path.endswith("__init__.py"):
                    break
            elif name not in unit.own and (star := self._star(unit, name)):
                path = star
            elif other := _alias(unit.tree, name):
                name = other
            else:
                break
        return path, name

    def _star(self, unit: _Unit, name: str) -> str:
        return next((file for file in unit.stars if (it := self._unit(file)) is not None and name in it.own), "")

    def symbol(self, unit: _Unit, name: str) -> str:
        """What takes the place of a name; itself where it is not of another file."""
        path, inner = self._defined(unit.path, name)
        found = self._unit(path) if self._taken is None or path in self._taken else None
        if found is None or (path == unit.path and inner not in unit.own) or (found.path != unit.path and not inner):
            return name
        return inner + found.suffix if inner in found.own else name


def _without_some(interface: Interface) -> Interface:
    """What is known of a program of which some files are for a newer Python: there may be more commands than these."""
    if not interface.parser.has_commands:
        return Interface("unknown")
    _open_groups(interface.parser)
    return interface


def _open_groups(parser: Parser) -> None:
    if parser.has_commands:
        parser.open_options = parser.open_operands = True
    for each in parser.commands.values():
        _open_groups(each)


def _loading(tree: ast.Module) -> Iterator[str]:
    """Groups that a decorator, or a loop over entry points, gives the commands that those name."""
    for node in nodes_of(tree):
        if isinstance(node, ast.FunctionDef):
            if any("entry_points" in ast.unparse(each) for each in node.decorator_list):
                yield node.name
        elif isinstance(node, ast.For) and "entry_points" in ast.unparse(node.iter):
            for each in ast.walk(node):
                if isinstance(each, ast.Attribute) and each.attr == "add_command" and isinstance(each.value, ast.Name):
                    yield each.value.id


def _holds(root: str, path: str) -> bool:
    return root in (".", "") or path.startswith(root + "/")


def _defined(body: list[ast.stmt]) -> Iterator[str]:
    """Names that statements at the top define; not what only stands in for an import that fails."""
    for node in body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.Assign(targets=targets):
                yield from (each.id for each in targets if isinstance(each, ast.Name))
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield name
            case ast.If(body=inner, orelse=other):
                yield from _defined([*inner, *other])
            case ast.Try(body=inner, handlers=handlers, orelse=other):
                yield from _defined([*inner, *other])
                brought = {alias.asname or alias.name for each in inner for alias in getattr(each, "names", ())}
                instead = _defined([each for handler in handlers for each in handler.body])
                yield from (name for name in instead if name not in brought)


def _substitutes(body: list[ast.stmt]) -> Iterator[str]:
    """Names that are imported, and defined only where that fails: `try: from shop import app; except: app = None`."""
    for node in body:
        if isinstance(node, ast.Try):
            brought = {
                alias.asname or alias.name
                for each in [*node.body, *node.orelse]
                if isinstance(each, (ast.Import, ast.ImportFrom))
                for alias in each.names
            }
            yield from brought & set(_defined([each for handler in node.handlers for each in handler.body]))


def _alias(tree: ast.Module, name: str) -> str:
    """`main = app`, `cli = typer.main.get_command(app)`."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(
            isinstance(each, ast.Name) and each.id == name for each in node.targets
        ):
            match node.value:
                case ast.Name(id=other) if other != name:
                    return other
                case ast.Call(func=ast.Attribute(attr="get_command"), args=[ast.Name(id=other)]) if other != name:
                    return other
    return ""


class _Renamed(ast.NodeTransformer):
    """Puts in the place of each name one that no other file of the program has; what people see is kept as `said`."""

    def __init__(self, programs: Programs, unit: _Unit) -> None:
        self.programs, self.unit = programs, unit
        self.symbols: dict[str, str] = {}

    def symbol(self, name: str) -> str:
        if name not in self.symbols:
            self.symbols[name] = self.programs.symbol(self.unit, name)
        return self.symbols[name]

    def visit_Name(self, node: ast.Name) -> ast.Name:
        node.id = self.symbol(node.id)
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        if isinstance(node.value, ast.Name) and node.value.id in self.unit.imports:
            file, inner = self.unit.imports[node.value.id]
            other = self.programs._unit(file) if not inner else None
            if other is not None:
                symbol = self.programs.symbol(other, node.attr)
                if symbol != node.attr or not other.suffix:
                    return ast.copy_location(ast.Name(symbol, ast.Load()), node)
                return node
        self.generic_visit(node)
        return node

    def named(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> ast.AST:
        if node.name in self.unit.own and self.unit.suffix:
            node.said = node.name  # type: ignore[union-attr]  # for the readers of interfaces
            node.name += self.unit.suffix
        self.generic_visit(node)
        return node

    visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef = named  # noqa: N815  # names of `ast`

    def visit_arg(self, node: ast.arg) -> ast.arg:
        symbol = self.symbol(node.arg)
        if symbol != node.arg:
            node.said, node.arg = node.arg, symbol  # type: ignore[attr-defined]  # as above
        self.generic_visit(node)
        return node
