"""Interfaces of Python programs: argparse, click, typer, and programs that read `sys.argv` or nothing at all.

Here is decided which of them a program is; each library has a module of its own beside this one.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Mapping, Sequence

from sophia_preflight.interfaces import plain
from sophia_preflight.interfaces.argparse import Argparse
from sophia_preflight.interfaces.click import Click
from sophia_preflight.interfaces.literals import name_of
from sophia_preflight.interfaces.model import Interface, Option
from sophia_preflight.interfaces.typer import Typer
from sophia_preflight.readers.python import nodes_of

READS_ARGUMENTS = re.compile(
    r"\bargv\b|argparse|ArgumentParser|\bclick\b|\btyper\b|\bfire\b|docopt|optparse|\bgetopt\b|\babsl\b|\bhydra\b|\btyro\b|"
    r"cyclopts|simple_parsing|\bplac\b|defopt|jsonargparse|\bgflags\b|\bclize\b|CliApp|cli_parse_args|execute_from_command_line|"
    r"argh\b|\bcleo\b|\bcement\b|pytest\.main|unittest\.main|\bluigi\b|\blocust\b|import_module|\bexec\(|runpy|Configargparse|orig_argv"
)
_QUIET_CALLS = frozenset({"asyncio.run", "uvicorn.run", "sys.exit", "exit", "print", "logging.basicConfig", "anyio.run",
                          "SystemExit", "trio.run", "multiprocessing.freeze_support", "load_dotenv"})  # fmt: skip


_SEES_FIRST = re.compile(
    r"sys\.argv\s*(\[[^\]]*\]\s*)?=(?!=)|(\bsys\.|(?<![\w.]))argv\.(insert|pop|append|remove)|\bdel sys\.argv"
    r"|(\bsys\.|(?<![\w.]))argv\s*\[(?!\s*(0|1\s*:)\s*\])|\bin (sys\.)?argv\b"
)
"""How a program looks at its arguments, or changes them, before a parser sees them."""
_TAKEN_OUT = re.compile(
    r"""["'](--?[A-Za-z][\w-]*)["']\s+in\s+(?:sys\.)?argv\b(?=[\s\S]*\bargv\.remove\(\s*["']\1["']\s*\))"""
)
"""An option that a program looks for and takes out of its arguments, so that no parser sees it."""
_EXAMPLE = re.compile(r"^[ \t]*(>>>|\.\.\.)[^\n]*", re.MULTILINE)
"""Lines of a docstring that show how a function is called."""
_ASKS_FOR_HELP = re.compile(
    r"""["'](--?h(elp)?|--version)["']\s+(not\s+)?in\s+(sys\.)?argv\b"""
    r"""|\bin\s+sys\.argv\S*\s+for\s+\w+\s+in\s+[\w.]*help_option_names"""
)
_AFTERWARDS = re.compile(r"\.parse_args\(\s*\)\n(?:[ \t]+[^\n]*\n|\n|[ \t]*#[^\n]*\n)*")
"""What a function does once its parser has accepted the arguments; there is nothing more to refuse."""
_ENDS_OR_CHANGES = re.compile(
    r"\bexit\(|\braise\b|\bargv\s*(\[[^\]]*\]\s*)?=(?!=)|\bargv\.(insert|pop|append|remove|extend|clear)|\bdel argv"
    r"|\breturn argv\b"
)
_CHANGES = re.compile(
    r"\bargv\s*(\[[^\]]*\]\s*)?\+?=(?!=)|\bargv\.(insert|pop|append|remove|extend|clear)|\bdel (sys\.)?argv"
)
_SAYS = re.compile(
    r"print|(logging|log|logger|warnings|traceback|console|err_console|error_console|sys\.std(out|err))\.\w+"
)
_BUILTINS = frozenset(dir(builtins))
_IMPORTS = r"\b(?:import\s+(?:[\w.]+,\s*)*|from\s+)"
_PARSES = re.compile(rf"argparse|ArgumentParser|{_IMPORTS}(typer|(rich_|async)?click)\b")
_TYPER = re.compile(rf"{_IMPORTS}typer\b")
_CLICK = re.compile(rf"{_IMPORTS}(rich_|async)?click\b")


def interface_of(tree: ast.Module, text: str, nodes: Sequence[ast.AST], own: str = "") -> Interface:
    """What the file accepts when it is run as a program; `nodes` are all of `tree`.

    Where a program has several files, `text` and `nodes` are those of all of them, and `own` is the file's text.
    """
    return _with_taken_out(_run(tree, text, nodes, own or text), own or text)


def _run(tree: ast.Module, text: str, nodes: Sequence[ast.AST], own: str) -> Interface:
    if not READS_ARGUMENTS.search(text):
        return Interface("nothing" if _is_self_contained(tree, nodes) else "unknown")
    if not _PARSES.search(text):
        return plain.interface_of(tree, own, nodes)
    if _sees_first(tree, own):
        return Interface("unknown")
    for said in dict.fromkeys((own, text)):
        if ("argparse" in said or "ArgumentParser" in said) and not _begins_otherwise(tree, nodes, said):
            return Argparse(tree, nodes).interface()
        if _TYPER.search(said):
            return Typer(nodes, main_block(tree)).interface()
        if _CLICK.search(said):
            return Click(nodes, main_block(tree)).interface()
    return Interface("unknown")


def _begins_otherwise(tree: ast.Module, nodes: Sequence[ast.AST], text: str) -> bool:
    """Whether a program that has a parser as well starts commands of click or typer, and parses nothing on the way."""
    if not (_TYPER.search(text) or _CLICK.search(text)):
        return False
    functions = {n.name: n for n in nodes if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))}
    calls = [node for each in main_block(tree) for node in ast.walk(each) if isinstance(node, ast.Call)]
    own = [functions[name] for each in calls if (name := name_of(each.func)) in functions]
    parses = any(name_of(each.func).endswith(("parse_args", "parse_known_args")) for each in calls)
    return bool(own) and not parses and not any(_parses_within(each, functions) for each in own)


def entry_interface(tree: ast.Module, text: str, nodes: Sequence[ast.AST], entry: str, own: str = "") -> Interface:
    """What the file accepts when an installed command calls its `entry`; unknown unless that surely reads it."""
    return _with_taken_out(_entered(tree, text, nodes, entry, own or text), own or text)


def _entered(tree: ast.Module, text: str, nodes: Sequence[ast.AST], entry: str, own: str) -> Interface:
    if _sees_first(tree, own):
        return Interface("unknown")
    functions = {n.name: n for n in nodes if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))}
    function = next((n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == entry), None)
    start = function.body if function is not None and not function.decorator_list else ast.parse(f"{entry}()").body
    for said in dict.fromkeys((own, text)):
        if "ArgumentParser" in said and function is not None and _parses_within(function, functions):
            return Argparse(tree, nodes).interface()
        if _TYPER.search(said):
            return Typer(nodes, start).interface()
        if _CLICK.search(said):
            return Click(nodes, start).interface()
    return Interface("unknown")


def _sees_first(tree: ast.Module, text: str) -> bool:
    """Whether a program looks at its arguments, or changes them, before its parser does."""
    if "argv" not in text:
        return False
    before = _AFTERWARDS.sub(".parse_args(", _without_looks(tree, _as_it_starts(tree, text)))
    for name in _TAKEN_OUT.findall(before):
        said = rf"""["']{re.escape(name)}["']"""
        before = re.sub(rf"{said}\s+in\s+(sys\.)?argv\b|argv\.remove\(\s*{said}\s*\)", "", before)
    return _SEES_FIRST.search(_ASKS_FOR_HELP.sub("", _EXAMPLE.sub("", before))) is not None


def _with_taken_out(interface: Interface, text: str) -> Interface:
    """An interface that accepts what the program itself takes out of its arguments, wherever that stands."""
    names = set(_TAKEN_OUT.findall(text)) if interface.known and "argv" in text else set()
    waiting, seen = [interface.parser] if names else [], set()
    while waiting:
        parser = waiting.pop()
        if id(parser) not in seen:
            seen.add(id(parser))
            parser.options += [Option((name,), 0, 0) for name in sorted(names - set(parser.names()))]
            waiting += parser.commands.values()
    return interface


def _as_it_starts(tree: ast.Module, text: str) -> str:
    """A program's text without texts of several lines, which are other programs, and what is run by parsed words."""
    lines = text.split("\n")
    for node in nodes_of(tree) if "argv" in text else ():
        if isinstance(node, (ast.Constant, ast.JoinedStr)) and (end := node.end_lineno or 0) > node.lineno + 1:
            lines[node.lineno : end - 1] = [""] * (end - 1 - node.lineno)
        elif isinstance(node, ast.FunctionDef) and any(map(_makes_command, node.decorator_list)):
            start, end = node.body[0].lineno - 1, node.end_lineno or node.lineno
            lines[start:end] = [""] * (end - start)
        elif isinstance(node, ast.ExceptHandler) or (isinstance(node, ast.If) and _only_says(node)):
            start, end = node.lineno - 1, (node.end_lineno or node.lineno)
            if not _CHANGES.search("\n".join(lines[start:end])):
                lines[start:end] = [""] * (end - start)
    return "\n".join(lines)


def _only_says(node: ast.If) -> bool:
    """Whether a condition on what an option is among leads to nothing but words for people, or a setting."""
    if not all(isinstance(each, ast.Compare) for each in _conditions(node.test)):
        return False
    for each in (*node.body, *node.orelse):
        called = name_of(each.value.func) if isinstance(each, ast.Expr) and isinstance(each.value, ast.Call) else ""
        given = isinstance(each, ast.Assign) and isinstance(each.value, ast.Constant)
        if not given and not _SAYS.fullmatch(called):
            return False
    return True


def _conditions(test: ast.expr) -> list[ast.expr]:
    return test.values if isinstance(test, ast.BoolOp) else [test]


def _makes_command(decorator: ast.expr) -> bool:
    """Whether click or typer calls a function once it has read what it was given."""
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    return isinstance(called, ast.Attribute) and called.attr in ("command", "group", "callback")


def _without_looks(tree: ast.Module, text: str) -> str:
    """A program's text without functions that are given the arguments and only say something about them.

    What they say is kept in a variable, and none of them ends the program or changes what a parser sees.
    """
    lines = text.split("\n")
    for function in (each for each in tree.body if isinstance(each, ast.FunctionDef)):
        inner = "\n".join(lines[function.lineno - 1 : function.end_lineno])
        given = any(each.arg == "argv" for each in function.args.args)
        if not given or "sys.argv" in inner or _ENDS_OR_CHANGES.search(inner):
            continue
        uses = re.findall(rf"^.*\b{function.name}\(.*$", text, re.MULTILINE)
        if all(re.match(rf"\s*(def {function.name}|[\w ,]+ = {function.name})\(", use) for use in uses):
            lines[function.lineno - 1 : function.end_lineno] = [""] * len(inner.split("\n"))
    return "\n".join(lines)


def _parses_within(
    function: ast.FunctionDef | ast.AsyncFunctionDef, functions: Mapping[str, ast.FunctionDef | ast.AsyncFunctionDef]
) -> bool:
    """Whether a function, or one of the file that it calls, parses arguments."""
    waiting, seen = [function], {function.name}
    while waiting:
        for node in ast.walk(waiting.pop()):
            if not isinstance(node, ast.Call):
                continue
            name = name_of(node.func)
            if name.endswith(("parse_args", "parse_known_args")):
                return True
            if name in functions and name not in seen:
                seen.add(name)
                waiting.append(functions[name])
    return False


def main_block(tree: ast.Module) -> list[ast.stmt]:
    """What runs only when the file is run as a program."""
    return [
        each
        for node in tree.body
        if isinstance(node, ast.If) and "__name__" in ast.dump(node.test) and "__main__" in ast.dump(node.test)
        for each in node.body
    ]


def _is_self_contained(tree: ast.Module, nodes: Sequence[ast.AST]) -> bool:
    """Whether all that the program calls to begin with is its own, so that nobody else can read its arguments."""
    block = main_block(tree)
    own = {node.name for node in nodes if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))}
    if not block:
        return False
    assigned = {
        target.id
        for node in nodes
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for statement in block:
        for node in ast.walk(statement):
            if isinstance(node, ast.Call):
                name = ast.unparse(node.func) if isinstance(node.func, (ast.Name, ast.Attribute)) else ""
                root = name.partition(".")[0]
                if name not in _QUIET_CALLS and root not in own and root not in assigned and root not in _BUILTINS:
                    return False
    return True
