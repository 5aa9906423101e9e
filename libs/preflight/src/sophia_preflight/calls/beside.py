"""Files that Python code names by where it lies itself, and reads: `Path(__file__).parent / "schema.sql"`.

Code that may do without a file says so: it asks whether it is there, catches the error, or makes it. What nothing of
that is said about has to lie where the code says, wherever the program is started.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence

from sophia_preflight.calls.model import Call, Caller, Needed, Script, Site, Trace
from sophia_preflight.calls.values import Scope, Values
from sophia_preflight.model import Place
from sophia_preflight.text import ROOT, Word, named

READ = "the file that the code beside it reads"
_WRITTEN = re.compile(
    r"[\w-]\.(py|sh|bash|sql|ya?ml|toml|ini|cfg|conf|j2|jinja2?|tmpl|tpl|mako|css|[cm]?js|ts|lua|graphql|proto|tf|hcl|ps1|"
    r"rego|mustache|cypher|ebnf|lark|xsd|xsl)$"
)
"""Endings of what people write and programs hardly make."""
_EITHER = re.compile(r"[\w-]\.(json5?|txt|md|html|xml|csv|rst)$")
"""Endings of what people write and programs make, too: it counts where it is read at once."""
_EXTENDING = named("joinpath with_name with_suffix parent parents resolve absolute as_posix expanduser")
_READING = named("read_text read_bytes")
_SAME = named("str os.fspath pathlib.Path os.path.abspath os.path.realpath os.path.normpath")
_PASSING = (ast.keyword, ast.Starred, ast.Await, ast.FormattedValue)
_FAILURES = named("Exception BaseException OSError IOError FileNotFoundError EnvironmentError RuntimeError")
_ASKS = re.compile(
    r"exists|is_?file|is_?dir|access|glob|listdir|iterdir|mkdir|makedirs|write|touch|unlink|remove|rmtree|rename|copy|move|"
    r"stat\b|^(any|all|next|filter|list|sorted|tuple|print)$|dump|save|mkstemp|samefile|relpath|relative_to"
)


def needed(path: str, tree: ast.Module, nodes: Sequence[ast.AST], trace: Trace) -> None:
    """Calls for the files of a module's own that it reads without a question; `nodes` are all of `tree`."""
    run = {each.target.path.value for each in trace.calls if isinstance(each.target, (Needed, Script))}
    for target, site, text in _Reader(path, tree, nodes).found():
        if target.path.value not in run:
            place = Place(path, target.path.line, target.path.column)
            trace.calls.append(Call(target, site, place, text))


class _Reader:
    def __init__(self, path: str, tree: ast.Module, nodes: Sequence[ast.AST]) -> None:
        self.path, self.nodes = path, nodes
        self.values = Values(path, nodes)
        self.above = {id(child): node for node in nodes for child in ast.iter_child_nodes(node)}
        self.loads: dict[str, list[ast.expr]] = {}
        for node in nodes:
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                self.loads.setdefault(node.id, []).append(node)
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
                self.loads.setdefault(f".{node.attr}", []).append(node)
        self.asking = {
            node.name
            for node in nodes
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) and _asks(node)
        }
        self.bind(tree.body, self.values.globals)

    def bind(self, body: Sequence[ast.stmt], scope: Scope) -> None:
        for each in body:
            if isinstance(each, ast.Assign) and len(each.targets) == 1 and isinstance(each.targets[0], ast.Name):
                value = self.values.value(each.value, scope)
                name = each.targets[0].id
                scope.names[name] = value if name not in scope.names else None
            elif isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name) and each.value is not None:
                scope.names[each.target.id] = self.values.value(each.value, scope)

    def found(self) -> Iterator[tuple[Needed, Site, str]]:
        scopes: dict[int, Scope] = {}
        for node in self.nodes:
            if not isinstance(node, (ast.BinOp, ast.Call)) or not self.is_path(node) or self.is_extended(node):
                continue
            last = _last(node)
            if last is None or not (_WRITTEN.search(last.value) or _EITHER.search(last.value)):
                continue
            function = self.function(node)
            if function is not None and id(function) not in scopes:
                scope = scopes[id(function)] = self.values.globals.copy()
                self.bind(function.body, scope)
            scope = self.values.globals if function is None else scopes[id(function)]
            value = self.values.value(node, scope)
            if not isinstance(value, Word) or not value.known or not value.value.startswith(f"{ROOT}/"):
                continue
            if self.is_read(node, frozenset(), at_once=not _WRITTEN.search(last.value)):
                owner = function.name if function is not None else ""
                word = Word(value.value, last.line, last.column)
                site = Site(self.path, Caller.PYTHON, owner=owner, script=f"{ROOT}/{self.path}")
                yield Needed(word, READ, mentioned=True), site, last.value

    def is_path(self, node: ast.expr) -> bool:
        if isinstance(node, ast.BinOp):
            return isinstance(node.op, ast.Div)
        assert isinstance(node, ast.Call)
        method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        return method in ("joinpath", "with_name") or self.values.dotted(node.func) == "os.path.join"

    def is_extended(self, node: ast.expr) -> bool:
        """Whether it is only the beginning of a longer path."""
        above = self.above.get(id(node))
        if isinstance(above, ast.BinOp):
            return True
        if isinstance(above, ast.Call):
            return self.values.dotted(above.func) == "os.path.join"
        return isinstance(above, ast.Attribute) and above.attr in ("joinpath", "with_name", "with_suffix", "parent")

    def function(self, node: ast.AST) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
        above = self.above.get(id(node))
        while above is not None and not isinstance(above, (ast.FunctionDef, ast.AsyncFunctionDef)):
            above = self.above.get(id(above))
        return above

    def is_read(self, node: ast.expr, seen: frozenset[str], *, at_once: bool) -> bool:
        """Whether nothing is asked, caught or made before the file of that path is read."""
        above = self.above.get(id(node))
        asked = isinstance(above, ast.Attribute) and above.attr in ("exists", "is_file")
        asked |= isinstance(above, ast.Call) and self.values.dotted(above.func) in ("os.path.exists", "os.path.isfile")
        if len(seen) > 3 or (not asked and self.is_caught(node)):
            return False
        match above:
            case ast.Attribute(attr=attr) if attr in _READING:
                return True
            case ast.Attribute(attr="exists" | "is_file"):
                return not at_once and self.is_demanded(self.above.get(id(above)))
            case ast.Attribute(attr="open"):
                call = self.call_above(above)
                return call is not None and call.func is above and not _writes(call, 0)
            case ast.Attribute(attr="resolve" | "absolute" | "as_posix" | "expanduser"):
                call = self.call_above(above)
                return call is not None and self.is_read(call, seen, at_once=at_once)
            case ast.Call(func=function) if function is not node:
                return self.is_read_by(above, function, seen, at_once=at_once)
            case ast.List(elts=[first, *_]) if first is not node and self.is_interpreter(first):
                return True
            case ast.List() | ast.Tuple() | ast.keyword():
                call = self.call_above(above)
                return call is not None and self.is_read_by(call, call.func, seen, at_once=at_once)
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                return self.is_read_as(name, seen, at_once=at_once)
            case ast.Assign(targets=[ast.Attribute(attr=name)]):
                return self.is_read_as(f".{name}", seen, at_once=at_once)
            case ast.Return():
                returning = self.function(above)
                return returning is not None and self.is_read_as(returning.name, seen, at_once=at_once)
            case _:
                return False

    def is_read_by(self, call: ast.Call, function: ast.expr, seen: frozenset[str], *, at_once: bool) -> bool:
        name = self.values.dotted(function)
        if name in _SAME:
            return self.is_read(call, seen, at_once=at_once)
        if name in ("open", "io.open"):
            return not _writes(call, 1)
        if name in ("os.path.exists", "os.path.isfile"):
            return not at_once and self.is_demanded(call)
        last = name.rpartition(".")[2] or (function.attr if isinstance(function, ast.Attribute) else "")
        return not at_once and bool(last) and not _ASKS.search(last) and last not in self.asking

    def is_interpreter(self, node: ast.expr) -> bool:
        if isinstance(node, ast.Name) and re.search(r"python|interpreter|executable", node.id):
            return True
        value = self.values.value(node, self.values.globals)
        return isinstance(value, Word) and re.fullmatch(r"python\d?|bash|sh|node", value.value) is not None

    def call_above(self, node: ast.AST) -> ast.Call | None:
        above = self.above.get(id(node))
        return above if isinstance(above, ast.Call) else None

    def is_demanded(self, test: ast.AST | None) -> bool:
        """Whether a question whether a file is there ends the program, or the test, where it is not."""
        above = self.above.get(id(test))
        if isinstance(above, ast.Assert):
            return above.test is test
        if not isinstance(above, ast.UnaryOp) or not isinstance(above.op, ast.Not):
            return False
        branch = self.above.get(id(above))
        if not isinstance(branch, ast.If) or branch.test is not above:
            return False
        last = branch.body[-1]
        ended = isinstance(last, ast.Expr) and isinstance(last.value, ast.Call)
        return isinstance(last, ast.Raise) or (
            ended and self.values.dotted(last.value.func) in ("sys.exit", "exit", "os._exit", "pytest.fail")  # type: ignore[attr-defined]
        )

    def is_read_as(self, name: str, seen: frozenset[str], *, at_once: bool) -> bool:
        """Whether that holds for every use of the name that a path is kept by."""
        if name in seen:
            return False
        uses = list(self.loads.get(name, ()))
        if not name.startswith("."):
            uses += self.loads.get(f".{name}", ())
        found = []
        for use in uses:
            above = self.above.get(id(use))
            if isinstance(above, ast.FormattedValue):
                continue  # in a text that people read
            called = isinstance(above, ast.Call) and above.func is use
            found.append(self.is_read(above if called else use, seen | {name}, at_once=at_once))  # type: ignore[arg-type]
        return bool(found) and all(found)

    def is_caught(self, node: ast.AST) -> bool:
        above = self.above.get(id(node))
        while above is not None and not isinstance(above, (ast.FunctionDef, ast.AsyncFunctionDef)):
            if isinstance(above, (ast.If, ast.While, ast.Assert, ast.IfExp)) and _asks(above.test):
                return True
            if isinstance(above, (ast.With, ast.AsyncWith)) and any("suppress" in ast.dump(i) for i in above.items):
                return True
            if isinstance(above, ast.Try) and any(map(_forgives, above.handlers)):
                return True
            above = self.above.get(id(above))
        return False


def _last(node: ast.expr) -> Word | None:
    """The end of a path, where it is written out."""
    words = [node.right] if isinstance(node, ast.BinOp) else node.args if isinstance(node, ast.Call) else []
    end = words[-1] if words else None
    if isinstance(end, ast.Constant) and isinstance(end.value, str):
        return Word(end.value, end.lineno, end.col_offset + 2)
    return None


def _writes(call: ast.Call, position: int) -> bool:
    mode = call.args[position] if len(call.args) > position else None
    mode = mode or next((each.value for each in call.keywords if each.arg == "mode"), None)
    return mode is not None and (not isinstance(mode, ast.Constant) or bool(set(str(mode.value)) & set("wax+")))


def _asks(node: ast.AST) -> bool:
    names = (each.attr if isinstance(each, ast.Attribute) else each.id for each in ast.walk(node)
             if isinstance(each, (ast.Attribute, ast.Name)))  # fmt: skip
    return any(_ASKS.search(name) for name in names)


def _forgives(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    return any(
        (each.id if isinstance(each, ast.Name) else each.attr) in _FAILURES
        for each in ast.walk(handler.type)
        if isinstance(each, (ast.Name, ast.Attribute))
    )
