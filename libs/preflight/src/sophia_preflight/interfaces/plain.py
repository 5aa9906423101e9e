"""Interfaces of Python programs that use none of the large libraries: `sys.argv`, getopt, docopt, fire.

Each is known only where the program itself refuses what it does not know: a count of words that it leaves with an error
for, a list of letters, a usage text, a function's parameters.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence

from sophia_preflight.interfaces.model import ANY, Interface, Operand, Option, Parser

_OPPOSITE: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.GtE, ast.LtE: ast.Gt, ast.Gt: ast.LtE, ast.GtE: ast.Lt,
}  # fmt: skip
_LEAVES = re.compile(r"(sys\.)?exit|usage|print_usage|SystemExit|die|fail")


def interface_of(tree: ast.Module, text: str, nodes: Sequence[ast.AST]) -> Interface:
    """What the file accepts when it is run."""
    for node in nodes:
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if name in ("getopt.getopt", "getopt.gnu_getopt", "getopt", "gnu_getopt") and "getopt" in text:
                return _getopt(node)
            if name in ("docopt", "docopt.docopt"):
                return _docopt(tree, node)
            if name == "fire.Fire":
                return _fire(node, nodes)
    if re.search(r"\b(argparse|click|typer|fire|docopt|optparse|getopt|absl|hydra|tyro|runpy|import_module)\b", text):
        return Interface("unknown")
    return _counted(tree, text)


# --- sys.argv -------------------------------------------------------------------------------------------------------


def _counted(tree: ast.Module, text: str) -> Interface:
    """`if len(sys.argv) != 3: sys.exit("usage: …")`, where the program begins."""
    if not re.search(r"\blen\((sys\.)?argv\)", text):
        return Interface("unknown")
    least, most, line = 0, ANY, 1
    for statement in _beginning(tree):
        if isinstance(statement, ast.If) and not statement.orelse and _leaves(statement.body):
            for low, high in _refused(statement.test):
                if low > least or high < most:
                    line = statement.lineno
                least, most = max(least, low), min(most, high)
        elif re.search(r"argv\s*=|argv\.(pop|append|insert|remove)|del sys\.argv", ast.unparse(statement)):
            break
    if (least, most) == (0, ANY):
        return Interface("unknown")
    parser = Parser(abbreviations=False, open_options=True)
    parser.operands = [Operand(f"argument {index + 1}") for index in range(least)]
    if most > least:
        parser.operands.append(Operand("more", 0, most - least))
    return Interface("argv", parser, line)


def _beginning(tree: ast.Module) -> Iterator[ast.stmt]:
    """Statements that surely run when the file is run, in their order: at its top, in its main block, in `main`."""
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    for node in tree.body:
        if isinstance(node, ast.If) and "__main__" in ast.unparse(node.test):
            for inner in node.body:
                yield inner
                call = inner.value if isinstance(inner, ast.Expr) else None
                for each in ast.walk(call) if call is not None else ():
                    if isinstance(each, ast.Call) and isinstance(each.func, ast.Name) and each.func.id in functions:
                        yield from functions[each.func.id].body
        elif not isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield node


def _leaves(body: list[ast.stmt]) -> bool:
    """Whether statements end the program with a failure."""
    for node in body:
        if isinstance(node, ast.Raise):
            return True
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            name = ast.unparse(node.value.func)
            if _LEAVES.fullmatch(name):
                first = node.value.args[0] if node.value.args else None
                return not (isinstance(first, ast.Constant) and first.value in (0, None))
        if isinstance(node, ast.Return):
            return isinstance(node.value, ast.Constant) and node.value.value not in (0, None)
    return False


def _refused(test: ast.expr) -> Iterator[tuple[int, int]]:
    """From a condition under which the program leaves: the least and most words that it does not leave for."""
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.Or):
        for each in test.values:
            yield from _refused(each)
    elif isinstance(test, ast.Compare) and len(test.ops) == 1 and re.fullmatch(
        r"len\((sys\.)?argv\)", ast.unparse(test.left)
    ):  # fmt: skip
        right = test.comparators[0]
        kept = _OPPOSITE.get(type(test.ops[0]))
        if not isinstance(right, ast.Constant) or not isinstance(right.value, int) or kept is None:
            return
        count = right.value - 1
        bounds = {
            ast.Eq: (count, count), ast.GtE: (count, ANY), ast.Gt: (count + 1, ANY), ast.LtE: (0, count),
            ast.Lt: (0, count - 1), ast.NotEq: (int(count == 0), ANY),
        }  # fmt: skip
        yield bounds[kept]


# --- getopt, docopt, fire -------------------------------------------------------------------------------------------


def _getopt(call: ast.Call) -> Interface:
    try:
        letters = ast.literal_eval(call.args[1])
        words = ast.literal_eval(call.args[2]) if len(call.args) > 2 else []
    except (ValueError, IndexError, TypeError):
        return Interface("unknown")
    if not isinstance(letters, str) or not isinstance(words, (list, tuple)):
        return Interface("unknown")
    parser = Parser(open_operands=True, line=call.lineno, options_first="gnu" not in ast.unparse(call.func))
    for letter, value in re.findall(r"(\w)(:?)", letters):
        parser.options.append(Option((f"-{letter}",), len(value), len(value), line=call.lineno))
    for word in words:
        count = int(str(word).endswith("="))
        parser.options.append(Option((f"--{str(word).rstrip('=')}",), count, count, line=call.lineno))
    return Interface("getopts", parser, call.lineno)


def _docopt(tree: ast.Module, call: ast.Call) -> Interface:
    """Every option that the usage text names; one that it does not is refused."""
    usage = ast.get_docstring(tree) if call.args and ast.unparse(call.args[0]) == "__doc__" else None
    if not usage or any(keyword.arg == "options_first" for keyword in call.keywords):
        return Interface("unknown")
    names = sorted(set(re.findall(r"(?<![\w-])--?[A-Za-z][\w-]*", usage)))
    parser = Parser(open_operands=True, options=[Option((name,), 0, 1) for name in names])
    return Interface("docopt", parser, call.lineno)


def _fire(call: ast.Call, nodes: Sequence[ast.AST]) -> Interface:
    """A function's parameters, by name or by place."""
    wanted = ast.unparse(call.args[0]) if call.args else ""
    function = next((n for n in nodes if isinstance(n, ast.FunctionDef) and n.name == wanted), None)
    if function is None or function.decorator_list or function.args.kwarg or function.args.vararg:
        return Interface("unknown")
    parser = Parser(open_operands=True, abbreviations=False, line=function.lineno)
    for each in (*function.args.args, *function.args.kwonlyargs):
        dashed = each.arg.replace("_", "-")
        names = (f"-{each.arg[0]}", f"--{each.arg}", f"--{dashed}", f"--no{each.arg}", f"--no{dashed}")
        parser.options.append(Option(tuple(dict.fromkeys(names)), 0, 1, line=each.lineno))
    parser.options.append(Option(("--interactive", "--verbose", "--trace", "--separator", "--completion"), 0, 1))
    return Interface("fire", parser, function.lineno)
