"""Functions of a Python file that run what they are given: a whole command, or the end of one that they begin.

`def tool(*words): subprocess.run([sys.executable, "-m", "shop.tool", *words])` is called with words that only meet
their program here.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Wrapper:
    """A function whose argument becomes a command, or the words of one between `before` and `after`."""

    position: int
    name: str
    cwd: str = ""
    cwd_position: int = -1
    """Where among the arguments it is told the directory; negative where only by its name."""
    before: tuple[ast.expr, ...] = field(default=(), compare=False)
    after: tuple[ast.expr, ...] = field(default=(), compare=False)
    spread: bool = False
    """All arguments from the position on are words: `*words`."""


def wrappers(
    functions: Iterable[ast.FunctionDef | ast.AsyncFunctionDef],
    running: Sequence[ast.Call],
    dotted: Callable[[ast.expr], str],
) -> dict[str, Wrapper]:
    """By name, those of the functions that hand an argument to one of the calls that run something."""
    found: dict[str, Wrapper] = {}
    for function in functions:
        end = function.end_lineno or function.lineno
        for node in running:
            if function.lineno <= node.lineno <= end and (made := _wrapper(node, function, dotted)):
                found[function.name] = made
                break
    return found


def arguments_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    """The names that calls of a function may give something."""
    arguments = function.args
    return [each.arg for each in [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]]


def _wrapper(
    node: ast.Call, function: ast.FunctionDef | ast.AsyncFunctionDef, dotted: Callable[[ast.expr], str]
) -> Wrapper | None:
    arguments = arguments_of(function)
    taken = 1 if arguments[:1] in (["self"], ["cls"]) else 0
    first = node.args[0]
    first = first.value if isinstance(first, ast.Starred) else first
    if isinstance(first, ast.Call) and first.args and dotted(first.func) in ("shlex.split", "list", "str"):
        first = first.args[0]
    cwd = next((k.value.id for k in node.keywords if k.arg == "cwd" and isinstance(k.value, ast.Name)), "")
    cwd = cwd if cwd in arguments else ""
    placed = [each.arg for each in [*function.args.posonlyargs, *function.args.args]]
    at_cwd = placed.index(cwd) - taken if cwd in placed else -1
    if isinstance(first, ast.Name) and first.id in arguments:
        return Wrapper(arguments.index(first.id) - taken, first.id, cwd, at_cwd)
    if isinstance(first, ast.Name):
        set_here = [each for each in ast.walk(function) if isinstance(each, ast.Assign) and _sets(each, first.id)]
        changed = any(_changes(each, first.id) for each in ast.walk(function))
        first = set_here[0].value if len(set_here) == 1 and not changed else first
    parts = _parts(first)
    spread = function.args.vararg.arg if function.args.vararg is not None else ""
    names = {*arguments, spread}
    given = [at for at, each in enumerate(parts) if isinstance(each, ast.Starred) and _name(each.value) in names]
    if len(given) != 1 or given[0] == 0:
        return None
    name, before, after = _name(parts[given[0]]), tuple(parts[: given[0]]), tuple(parts[given[0] + 1 :])
    at = len([*function.args.posonlyargs, *function.args.args]) if name == spread else arguments.index(name)
    return Wrapper(at - taken, name, cwd, at_cwd, before, after, name == spread)


def _parts(node: ast.expr) -> list[ast.expr]:
    """The elements of a list that is written out, or put together of such and of others by name."""
    match node:
        case ast.List(elts=elements) | ast.Tuple(elts=elements):
            return elements
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            one, other = _parts(left), _parts(right)
            return [*one, *other] if one and other else []
        case ast.Name():
            return [ast.copy_location(ast.Starred(node, ast.Load()), node)]
        case ast.Call(func=ast.Name(id="list"), args=[ast.Name() as only]):
            return _parts(only)
        case _:
            return []


def _name(node: ast.expr) -> str:
    node = node.value if isinstance(node, ast.Starred) else node
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("list", "tuple"):
        node = node.args[0] if len(node.args) == 1 else node
    return node.id if isinstance(node, ast.Name) else ""


def _sets(node: ast.Assign, name: str) -> bool:
    return any(isinstance(each, ast.Name) and each.id == name for each in node.targets)


def _changes(node: ast.AST, name: str) -> bool:
    """Whether a list is made longer after it was made: its words are not those that it began with."""
    match node:
        case ast.AugAssign(target=ast.Name(id=changed)):
            return changed == name
        case ast.Call(func=ast.Attribute(value=ast.Name(id=changed), attr="insert")):
            return changed == name
        case _:
            return False
