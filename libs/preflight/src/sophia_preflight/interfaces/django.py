"""What management commands of Django accept: of `manage.py`, `django-admin`, and a project's own command like them.

A command is a class `Command` in `management/commands/NAME.py`. What its `add_arguments` adds, and that of the classes
which it is made from, is read as long as they are ours; where others bring some of it, nothing is said.
"""

from __future__ import annotations

import ast
import posixpath
import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from sophia_preflight.calls.model import Call, Caller, Module, Program, Script, Site
from sophia_preflight.interfaces.argparse import Argparse
from sophia_preflight.interfaces.literals import name_of
from sophia_preflight.interfaces.model import ANY, Interface, Operand, Option, Parser
from sophia_preflight.interfaces.vocabulary import Vocabulary
from sophia_preflight.model import Place
from sophia_preflight.readers.python import nodes_of
from sophia_preflight.text import MANY, UNKNOWN, Word, named

if TYPE_CHECKING:
    from sophia_preflight.context import Context

COMMANDS = re.compile(r"(^|/)management/commands/([A-Za-z][\w-]*)\.py$")
_HANDS_OVER = re.compile(r"\bexecute_from_command_line\((sys\.argv|argv|)\)|\bManagementUtility\(")
_CHANGES = re.compile(r"\bargv\.(insert|append|extend|pop)\(|\bargv\s*(\[[^\]]*\])?\s*\+?=(?!=)")
_BASES: dict[str, tuple[Operand, ...]] = {
    "BaseCommand": (),
    "NoArgsCommand": (),
    "AppCommand": (Operand("app_label", 1, ANY),),
    "LabelCommand": (Operand("label", 1, ANY),),
}
"""Django's own classes, and the operands that they add."""
_EVERY = (
    Option(("-h", "--help"), 0, 0),
    Option(("--version",), 0, 0),
    Option(("-v", "--verbosity"), choices=("0", "1", "2", "3")),
    Option(("--settings",)),
    Option(("--pythonpath",)),
    *(Option((f"--{name}",), 0, 0) for name in ("traceback", "no-color", "force-color", "skip-checks")),
)
_BUILT_IN = {
    "changepassword": named("database"),
    "check": named("database deploy fail-level list-tags tag"),
    "clearsessions": named(""),
    "collectstatic": named("clear dry-run ignore link no-default-ignore no-input no-post-process noinput"),
    "compilemessages": named("check-format exclude ignore locale use-fuzzy"),
    "createcachetable": named("database dry-run"),
    "dumpdata": named("all database exclude format indent natural natural-foreign natural-primary output pks"),
    "flush": named("database no-input noinput no-initial-data"),
    "inspectdb": named("database include-partitions include-views"),
    "loaddata": named("app database exclude format ignore ignorenonexistent"),
    "makemessages": named(
        "add-location all domain exclude extension files-from ignore keep-pot locale no-default-ignore no-location "
        "no-obsolete no-wrap previous symlinks update version"
    ),
    "makemigrations": named("check dry-run empty merge name no-header no-input noinput scriptable update exit"),
    "migrate": named(
        "check database fake fake-initial no-input noinput plan prune run-syncdb list merge no-initial-data "
        "shared tenant schema executor all delete-ghost-migrations ignore-ghost-migrations"
    ),
    "showmigrations": named("database list plan"),
    "sqlmigrate": named("backwards database"),
    "squashmigrations": named("no-header no-input no-optimize noinput squashed-name"),
}
"""What Django's own commands take in any of its releases, and what others that stand in for them add."""
_DECIDING = named("create_parser run_from_argv parse_args option_list print_help")
"""What a class has that parses in a way of its own."""
_DEEPEST = 6

_Class = tuple[ast.Module, ast.ClassDef]


class Management:
    """The management commands of the repository by name."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self._known: dict[str, tuple[str, Interface] | None] = {}

    @cached_property
    def commands(self) -> dict[str, list[str]]:
        """Names of our own commands, and the files that define them."""
        found: dict[str, list[str]] = {}
        for path in sorted(self.context.repository.entries):
            if (match := COMMANDS.search(path)) and not match[2].startswith("_"):
                found.setdefault(match[2], []).append(path)
        return found

    def words(self, call: Call) -> Sequence[Word] | None:
        """The name of a command and what it is told; None for a call of anything else."""
        match call.target:
            case Script(path=path, arguments=arguments, interpreter=interpreter) if interpreter != "source":
                told = posixpath.basename(path.value) == "manage.py"
            case Program(name=name, arguments=arguments):
                told = name.value == "django-admin" or posixpath.basename(name.value) in self._managers
            case Module(name=name, arguments=arguments):
                told = name.value in ("django", "manage")
            case _:
                return None
        return arguments if told else None

    def called(self) -> Iterator[Call]:
        """What code tells a command by `call_command`, as if somebody had typed it."""
        for path in self.context.modules.python if self.commands else ():
            if "call_command(" not in self.context.repository.glimpse(path):
                continue
            tree = self.context.programs.tree(path)
            for node in ast.walk(tree) if tree is not None else ():
                if isinstance(node, ast.Call) and name_of(node.func).rpartition(".")[2] == "call_command" and node.args:
                    words = tuple(_word(each) for each in node.args)
                    more = (Word(MANY, node.lineno, node.col_offset + 1),) if node.keywords else ()
                    command = Program(Word("django-admin", node.lineno, node.col_offset + 1), (*words, *more))
                    place = Place(path, node.lineno, node.col_offset + 1)
                    yield Call(command, Site(path, Caller.PYTHON), place, "call_command")

    @cached_property
    def _managers(self) -> frozenset[str]:
        """Commands that our projects install and that hand all that they are told to Django."""
        if not self.commands:
            return frozenset()
        points = [
            (project.directory, point)
            for project in self.context.modules.projects.by_directory.values()
            for point in project.entry_points
            if point.is_command
        ]
        return frozenset(
            point.name
            for directory, point in points
            if re.search(r"manage|django", point.name + point.value) or self._hands_over(directory, point.value)
        )

    def _hands_over(self, directory: str, reference: str) -> bool:
        module, _, function = reference.replace(" ", "").partition(":")
        for root in self.context.module_roots(module.partition(".")[0]):
            path = self.context.finder.module_file(root, module.replace(".", "/"))
            inside = not directory or (path or "").startswith(f"{directory}/")
            if not path or not inside or "django" not in self.context.repository.glimpse(path):
                continue
            tree = self.context.programs.tree(path)
            for node in tree.body if tree is not None else ():
                if isinstance(node, ast.FunctionDef) and node.name == function:
                    text = ast.unparse(node)
                    return _HANDS_OVER.search(text) is not None and _CHANGES.search(text) is None
        return False

    def interface(self, name: str) -> tuple[str, Interface] | None:
        """The file and the interface of a command of ours, which may be unknown; None where several have the name."""
        if name not in self._known:
            found = self.commands.get(name, [])
            self._known[name] = (found[0], self._read(found[0])) if len(found) == 1 else None
        return self._known[name]

    def vocabulary(self, name: str) -> Vocabulary | None:
        """What a command of Django itself takes, where nobody here stands in for it."""
        manage = self.context.repository.by_name.get("manage.py", [])
        if name not in _BUILT_IN or name in self.commands or not manage:
            return None
        every = {each.lstrip("-") for option in _EVERY for each in option.names}
        return Vocabulary("Python", manage[0], options=_BUILT_IN[name] | every, abbreviates=True)

    def _read(self, path: str) -> Interface:
        chain = list(self._chain(path, "Command", 0))
        if not chain or None in chain:
            return Interface("unknown")
        made = Parser(options=list(_EVERY))
        for each in chain:
            if isinstance(each, str):
                made.operands += _BASES[each]
            elif each is not None and not self._adds(each, made):
                return Interface("unknown")
        made.line = next((each[1].lineno for each in chain if isinstance(each, tuple)), 1)
        return Interface("argparse", made, made.line)

    def _chain(self, path: str, name: str, depth: int) -> Iterator[_Class | str | None]:
        """A class and all that it is made from: ours, the names of Django's, None for what others bring."""
        path, name = self.context.programs.defined(path, name)
        tree = self.context.programs.tree(path)
        body = tree.body if tree is not None and depth < _DEEPEST else []
        defined = next((node for node in body if isinstance(node, ast.ClassDef) and node.name == name), None)
        if tree is None or defined is None:
            yield None
            return
        yield tree, defined
        for base in defined.bases:
            said = name_of(base)
            last = said.rpartition(".")[2]
            if last in _BASES and "django.core.management" in ast.unparse(tree):
                yield last
            elif said == "object":
                continue
            elif said and "." not in said:
                yield from self._chain(path, said, depth + 1)
            else:
                yield None
        if defined.keywords:
            yield None

    @staticmethod
    def _adds(each: _Class, made: Parser) -> bool:
        """Add what a class adds; whether that is all that it does."""
        tree, defined = each
        for node in defined.body:
            names = [node.name] if isinstance(node, ast.FunctionDef) else []
            if isinstance(node, ast.Assign):
                names = [name_of(target) for target in node.targets]
            if _DECIDING & set(names):
                return False
            if isinstance(node, ast.FunctionDef) and node.name == "add_arguments":
                parameters = [argument.arg for argument in node.args.args]
                if len(parameters) != 2:
                    return False
                body = [statement for statement in node.body if not _asks_parent(statement)]
                Argparse(tree, nodes_of(tree)).added(body, parameters[1], made)
        return True


def _word(node: ast.expr) -> Word:
    """An argument as a word: of unknown text, or any number of them, where it is computed."""
    value = node.value if isinstance(node, ast.Constant) else MANY if isinstance(node, ast.Starred) else UNKNOWN
    return Word(str(value), node.lineno, node.col_offset + 1)


def _asks_parent(statement: ast.stmt) -> bool:
    """`super().add_arguments(parser)`: what the class is made from is read anyway."""
    match statement:
        case ast.Expr(
            value=ast.Call(
                func=ast.Attribute(value=ast.Call(func=ast.Name(id="super")) | ast.Name(), attr="add_arguments")
            )
        ):
            return True
        case _:
            return False
