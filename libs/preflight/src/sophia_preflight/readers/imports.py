"""What a Python module imports and which names it has, statement by statement, with the conditions it does so under.

Only what is sure to be executed counts against anybody: imports for type checkers are left out, and those that a `try`
or a condition surrounds say so.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from sophia_preflight.readers.python_version import Need, Version

_OPENS = re.compile(
    r"globals\(\)|(?<![\w.])(?:exec|execfile)\(|(?<![\w.])(?:vars\(\)|locals\(\)\[)"
    r"|sys\.modules(?:\[|\.(?:get|setdefault)\()\s*__(?:name|package|spec)__"
    r"|lazy_loader|LazyModule|LazyImporter|lazy_import\b"
)
"""Text of a module that may have names which no statement shows."""
_SPREADS = re.compile(
    r"(?<![\w.])__path__|__path__\s*(?:\+?=(?!=)|\.(?:append|extend|insert)\b)|declare_namespace|extend_path"
    r"|(?<!in )sys\.modules(?!\.(?:get|pop|keys|items|values|copy)\()|sys\.meta_path|sys\.path_hooks"
)
"""Text of a package whose modules may lie elsewhere."""
_INJECTS = re.compile(r"sys\.modules(?:\[\s*|\.setdefault\(\s*)[\"']([\w.]+)[\"']")
_PUTS = frozenset({"public", "private"})
"""Functions of atpublic, which put what they are given by name into the module that calls them."""
_GLOBAL = re.compile(r"^[ \t]*global[ \t]+([\w, \t]+)", re.MULTILINE)
_CAUGHT = frozenset({"ImportError", "ModuleNotFoundError", "Exception", "BaseException"})


@dataclass(frozen=True, slots=True)
class Imported:
    """A name that a `from … import` takes."""

    name: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Import:
    """One `import` or `from … import`. `lazy`: when a function is called; `conditional`: in a branch."""

    module: str
    level: int
    line: int
    column: int
    names: tuple[Imported, ...] = ()
    star: bool = False
    lazy: bool = False
    conditional: bool = False
    guarded: bool = False
    """Its failure is caught."""
    caught: bool = False
    """It is caught by a `try` that has no other source for what it brings."""
    fallback: bool = False
    """It is what is done where something else failed."""

    @property
    def shown(self) -> str:
        return "." * self.level + self.module


@dataclass(frozen=True)
class Outline:
    """A module's imports and names. `opaque`: it may have more names than these and those of its star imports."""

    imports: tuple[Import, ...] = ()
    names: frozenset[str] = frozenset()
    own: frozenset[str] = frozenset()
    """Those of its names that no `from … import` of that name gives it."""
    opaque: bool = False
    spreads: bool = False
    injected: frozenset[str] = frozenset()
    need: Need | None = None
    """Where its grammar is younger than Python 3.9."""

    @property
    def stars(self) -> tuple[Import, ...]:
        return tuple(each for each in self.imports if each.star and not each.lazy)


@dataclass(frozen=True, slots=True)
class _Under:
    """Where a statement stands."""

    lazy: bool = False
    conditional: bool = False
    guarded: bool = False
    caught: bool = False
    fallback: bool = False


@dataclass
class _Reading:
    imports: list[Import] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    brought: set[str] = field(default_factory=set)
    opaque: bool = False
    walruses: bool = False
    need: Need | None = None

    def needs(self, version: Version, what: str, line: int) -> None:
        if self.need is None or self.need.version < version:
            self.need = Need(version, what, line)


def outline_of(tree: ast.Module, text: str) -> Outline:
    """The outline of a parsed module."""
    reading = _Reading(opaque=_OPENS.search(text) is not None, walruses=":=" in text)
    _statements(tree.body, _Under(), reading)
    if "global " in text:
        reading.names.update(name for said in _GLOBAL.findall(text) for name in re.findall(r"\w+", said))
    return Outline(
        tuple(reading.imports),
        frozenset(reading.names),
        frozenset(reading.names - reading.brought),
        reading.opaque,
        _SPREADS.search(text) is not None,
        frozenset(_INJECTS.findall(text) if "sys.modules" in text else ()),
        reading.need,
    )


def _statements(body: list[ast.stmt], under: _Under, out: _Reading) -> None:
    for node in body:
        _statement(node, under, out)


def _statement(node: ast.stmt, under: _Under, out: _Reading) -> None:
    match node:
        case (
            ast.Expr(value=ast.Call() as call)
            | ast.Assign(value=ast.Call() as call)
            | ast.Return(value=ast.Call() as call)
        ) if name := _imported_by(call):
            how = (under.lazy, under.conditional, under.guarded, under.caught, under.fallback)
            out.imports.append(Import(name, 0, call.lineno, call.col_offset + 1, (), False, *how))
            if isinstance(node, ast.Assign) and not under.lazy:
                _binding(node, out)
        case ast.Import() | ast.ImportFrom():
            out.imports += _imports(node, under)
            if not under.lazy:
                out.names.update(_bound(node))
                out.brought.update(_brought(node))
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            if not under.lazy:
                out.names.add(name)
                out.opaque |= name == "__getattr__"
            _statements(node.body, replace(under, lazy=True), out)
        case ast.ClassDef(name=name):
            if not under.lazy:
                out.names.add(name)
            inner = _Reading(need=out.need)
            _statements(node.body, under, inner)
            out.imports += inner.imports
            out.need = inner.need
        case ast.If():
            _branches(node, under, out)
        case ast.Try() | ast.TryStar():
            if isinstance(node, ast.TryStar):
                out.needs((3, 11), "`except*` is", node.handlers[0].lineno)
            _attempt(node, under, out)
        case ast.With() | ast.AsyncWith():
            if not under.lazy:
                out.names.update(_targets([item.optional_vars for item in node.items if item.optional_vars]))
            caught = any(_names_caught(item.context_expr) for item in node.items)
            _statements(node.body, replace(under, guarded=under.guarded or caught), out)
        case ast.For() | ast.AsyncFor() | ast.While():
            if not under.lazy and not isinstance(node, ast.While):
                out.names.update(_targets([node.target]))
            _statements([*node.body, *node.orelse], replace(under, conditional=True), out)
        case ast.Match():
            out.needs((3, 10), "`match` is", node.lineno)
            if not under.lazy:
                out.names.update(_captured(node))
            for choice in node.cases:
                _statements(choice.body, replace(under, conditional=True), out)
        case ast.Assign() | ast.AnnAssign() | ast.AugAssign() | ast.Expr() if not under.lazy:
            _binding(node, out)
        case _:
            alias = getattr(node, "name", None)  # `type X = …` where this interpreter knows it
            if not under.lazy and isinstance(alias, ast.Name):
                out.names.add(alias.id)


def _imported_by(call: ast.Call) -> str:
    """The module that `import_module("a.b")` imports; empty for other calls, and for names that are put together."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    match call.args:
        case [ast.Constant(value=str(module))] if name == "import_module" and re.fullmatch(
            r"[a-z_]\w*(\.\w+)+", module
        ):
            return module
    return ""


def _imports(node: ast.Import | ast.ImportFrom, under: _Under) -> Iterator[Import]:
    how = (under.lazy, under.conditional, under.guarded, under.caught, under.fallback)
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield Import(alias.name, 0, alias.lineno, alias.col_offset + 1, (), False, *how)
        return
    names = tuple(Imported(each.name, each.lineno, each.col_offset + 1) for each in node.names if each.name != "*")
    star = len(names) < len(node.names)
    place = (node.lineno, node.col_offset + 1)
    yield Import(node.module or "", node.level, *place, names, star, *how)


def _bound(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    for alias in node.names:
        if alias.name != "*":
            yield alias.asname or (alias.name.partition(".")[0] if isinstance(node, ast.Import) else alias.name)


def _brought(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    """What `from … import` gives under its own name."""
    for alias in node.names if isinstance(node, ast.ImportFrom) else ():
        if alias.asname in (None, alias.name):
            yield alias.name


def _binding(node: ast.Assign | ast.AnnAssign | ast.AugAssign | ast.Expr, out: _Reading) -> None:
    if isinstance(node, ast.Assign):
        out.names.update(_targets(node.targets))
    elif isinstance(node, (ast.AnnAssign, ast.AugAssign)):
        out.names.update(_targets([node.target]))
    elif isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Name) and node.value.func.id in _PUTS:
        out.names.update(keyword.arg for keyword in node.value.keywords if keyword.arg)
    if out.walruses and not isinstance(value := node.value, (ast.Constant, ast.Name, type(None))):
        out.names.update(_walruses(value))


def _walruses(value: ast.expr) -> Iterator[str]:
    for inner in ast.walk(value):
        if isinstance(inner, ast.NamedExpr):
            yield inner.target.id


def _targets(nodes: list[ast.expr]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, (ast.Tuple, ast.List)):
            yield from _targets(node.elts)
        elif isinstance(node, ast.Starred):
            yield from _targets([node.value])


def _captured(node: ast.Match) -> Iterator[str]:
    for each in ast.walk(node):
        if isinstance(each, (ast.MatchAs, ast.MatchStar)) and each.name:
            yield each.name


def _branches(node: ast.If, under: _Under, out: _Reading) -> None:
    """A branch that only type checkers, or only other versions of Python, enter is nobody's failure."""
    said = ast.unparse(node.test)
    if out.walruses and not under.lazy:
        out.names.update(_walruses(node.test))
    branch = replace(under, conditional=True)
    if "version_info" in said or "PY2" in said or "PY3" in said:
        branch = replace(branch, guarded=True)
    body = branch
    if ("TYPE_CHECKING" in said and not said.startswith("not ")) or said in ("False", "0", "None"):
        body = replace(branch, guarded=True)
    elif "__name__" in said and "__main__" in said:
        body = under
    _statements(node.body, body, out)
    _statements(node.orelse, under if "TYPE_CHECKING" in said else branch, out)


def _attempt(node: ast.Try | ast.TryStar, under: _Under, out: _Reading) -> None:
    caught = any(handler.type is None or _names_caught(handler.type) for handler in node.handlers)
    alone = (
        caught and not under.guarded and not _bring(node.body) & _bring(each for h in node.handlers for each in h.body)
    )
    _statements(node.body, replace(under, guarded=under.guarded or caught, caught=alone), out)
    for handler in node.handlers:
        if handler.name and not under.lazy:
            out.names.add(handler.name)
        _statements(handler.body, replace(under, conditional=True, fallback=True), out)
    _statements(node.orelse, replace(under, conditional=under.conditional or caught), out)
    _statements(node.finalbody, under, out)


def _bring(body: Iterable[ast.stmt]) -> set[str]:
    """All names that imports among statements bring."""
    inner = (each for node in body for each in ast.walk(node) if isinstance(each, (ast.Import, ast.ImportFrom)))
    return {name for each in inner for name in _bound(each)}


def _names_caught(node: ast.expr) -> bool:
    return any(
        (isinstance(each, ast.Name) and each.id in _CAUGHT)
        or (isinstance(each, ast.Attribute) and each.attr in _CAUGHT)
        for each in ast.walk(node)
    )
