"""Interfaces of Python programs that use none of the large libraries: `sys.argv`, getopt, docopt, fire.

Each is known only where the program itself refuses what it does not know: a count of words that it leaves with an error
for, a list of letters, a usage text, a function's parameters.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence

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
    counted = _counted(tree, text)
    return _worded(tree, required=bool(counted.parser.operands)) or counted


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
                yield from _with_called(inner, functions)
        elif not isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield from _with_called(node, functions)


def _with_called(statement: ast.stmt, functions: Mapping[str, ast.FunctionDef]) -> Iterator[ast.stmt]:
    """A statement, and those of the functions that it calls for nothing but what they do."""
    yield statement
    call = statement.value if isinstance(statement, ast.Expr) else None
    call = statement.exc if isinstance(statement, ast.Raise) else call
    for each in ast.walk(call) if call is not None else ():
        if isinstance(each, ast.Call) and isinstance(each.func, ast.Name) and each.func.id in functions:
            yield from functions[each.func.id].body


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


# --- the first word -------------------------------------------------------------------------------------------------


def _worded(tree: ast.Module, *, required: bool) -> Interface | None:
    """`if sys.argv[1] == "start": … elif …: … else: sys.exit("unknown")`, and what is like it: one of these words."""
    known = _Words(tree)
    for statement in _beginning(tree):
        if isinstance(statement, ast.Assign):
            known.note(statement)
        words = known.asked(statement)
        if words:
            parser = Parser(abbreviations=False, line=statement.lineno, open_options=True, has_commands=True)
            parser.commands = {word: Parser(open_options=True, open_operands=True) for word in words}
            parser.command_required = required and not known.optional
            return Interface("argv", parser, statement.lineno)
    return None


class _Words:
    """What stands for the first word of a program as it begins, and which words it asks for."""

    def __init__(self, tree: ast.Module) -> None:
        self.firsts, self.rests = {"sys.argv[1]", "argv[1]"}, {"sys.argv[1:]"}
        self.optional = False
        self.tables = {
            target.id: words
            for node in tree.body
            if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None
            for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
            if isinstance(target, ast.Name) and (words := _listed(node.value))
        }

    def note(self, statement: ast.Assign) -> None:
        """A name that is given the first word, or all of them."""
        value = statement.value
        if isinstance(value, ast.IfExp):
            self.optional |= ast.unparse(value.body) in self.firsts
            value = value.body
        match value:
            case ast.Call(func=ast.Attribute(value=inner, attr="lower" | "strip"), args=[]):
                value = inner
        names = [each.id for each in statement.targets if isinstance(each, ast.Name)]
        said = ast.unparse(value)
        for name in names:
            self.firsts -= {name, f"{name}[0]"}
            if said in self.firsts:
                self.firsts.add(name)
            elif said in self.rests:
                self.firsts.add(f"{name}[0]")

    def asked(self, statement: ast.stmt) -> list[str]:
        """All words that a statement goes on with; nothing where it may go on with others."""
        if isinstance(statement, ast.Match):
            return self._matched(statement)
        words: list[str] = []
        branch: ast.stmt | None = statement
        while isinstance(branch, ast.If):
            if not words and not branch.orelse and _leaves(branch.body) and isinstance(branch.test, ast.Compare):
                refused = self._compared(branch.test, ast.NotIn)
                return refused or []
            found = self._tested(branch.test)
            if not found:
                return []
            words += found
            if len(branch.orelse) != 1 or not isinstance(branch.orelse[0], ast.If):
                return words if _leaves(branch.orelse) else []
            branch = branch.orelse[0]
        return []

    def _tested(self, test: ast.expr) -> list[str]:
        """The words that a condition is true for; nothing where it may be for others."""
        if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.Or):
            found = [self._tested(each) for each in test.values]
            return [word for words in found for word in words] if all(found) else []
        if not isinstance(test, ast.Compare):
            return []
        return self._compared(test, ast.Eq) or self._compared(test, ast.In)

    def _compared(self, test: ast.Compare, sign: type[ast.cmpop]) -> list[str]:
        if len(test.ops) != 1 or not isinstance(test.ops[0], sign) or ast.unparse(test.left) not in self.firsts:
            return []
        right = test.comparators[0]
        if sign is ast.Eq:
            return [right.value] if isinstance(right, ast.Constant) and isinstance(right.value, str) else []
        return self.tables.get(right.id, []) if isinstance(right, ast.Name) else _listed(right)

    def _matched(self, statement: ast.Match) -> list[str]:
        words: list[str] = []
        if ast.unparse(statement.subject) not in self.firsts:
            return []
        for case in statement.cases:
            patterns = case.pattern.patterns if isinstance(case.pattern, ast.MatchOr) else [case.pattern]
            for pattern in patterns:
                match pattern:
                    case ast.MatchValue(value=ast.Constant(value=str(word))):
                        words.append(word)
                    case ast.MatchAs(pattern=None):
                        return words if _leaves(case.body) else []
                    case _:
                        return []
        return []


def _listed(value: ast.expr) -> list[str]:
    """The words of a list, or the keys of a table, that holds nothing else."""
    if isinstance(value, (ast.List, ast.Tuple, ast.Set)):
        found: list[ast.expr | None] = list(value.elts)
    elif isinstance(value, ast.Dict):
        found = list(value.keys)
    else:
        return []
    words = [each.value for each in found if isinstance(each, ast.Constant) and isinstance(each.value, str)]
    return words if len(words) == len(found) else []


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
