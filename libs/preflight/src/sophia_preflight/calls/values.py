"""What expressions of Python code are worth, as far as that is plain: texts, lists of them, and dictionaries.

Paths from `__file__`, joins, f-strings, lists that are added up, attributes that are set once. What is computed
otherwise is None, or has an unknown part.
"""

from __future__ import annotations

import ast
import posixpath
import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from sophia_preflight.text import CWD, MANY, ROOT, UNKNOWN, Word, joined, plain

Value: TypeAlias = "Word | Items | Pairs | None"


@dataclass
class Items:
    items: list[Value]


@dataclass
class Pairs:
    pairs: dict[str, Value]


@dataclass
class Scope:
    names: dict[str, Value] = field(default_factory=dict)
    tested: tuple[str, ...] = ()
    directory: str = CWD
    tolerated: bool = False
    """A failing command is caught, and the code goes on."""

    def copy(self) -> Scope:
        return Scope(dict(self.names), self.tested, self.directory, self.tolerated)


class Values:
    """The values of a file's expressions; `globals` are those of its names, `imported` the full names of imports."""

    def __init__(self, path: str, nodes: Sequence[ast.AST]) -> None:
        self.path = path
        self.imported: dict[str, str] = {}
        self.globals = Scope()
        self.attributes: dict[str, Value] = {}
        self.single_attributes = _single_attributes(nodes)
        for node in nodes:
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                self.imports(node)

    def imports(self, node: ast.Import | ast.ImportFrom) -> None:
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.partition(".")[0]
                self.imported[alias.asname or top] = alias.name if alias.asname else top
        elif node.module and not node.level:
            for alias in node.names:
                self.imported[alias.asname or alias.name] = f"{node.module}.{alias.name}"

    def dotted(self, node: ast.expr) -> str:
        """The full name of what is called, imports followed: `subprocess.run`."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return ""
        return ".".join([self.imported.get(node.id, node.id), *reversed(parts)])

    def value(self, node: ast.expr, scope: Scope) -> Value:
        """What an expression is, as far as it can be told."""
        match node:
            case ast.Constant(value=str() as text):
                return self.word(node, plain(text))
            case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
                return self.word(node, str(number))
            case ast.JoinedStr(values=pieces):
                return self.word(node, "".join(self.piece(each, scope) for each in pieces))
            case ast.Name(id="__file__"):
                return self.word(node, f"{ROOT}/{self.path}")
            case ast.Name(id=name):
                return scope.names.get(name, self.globals.names.get(name))
            case ast.List(elts=elements) | ast.Tuple(elts=elements):
                return self.elements(elements, scope)
            case ast.Dict(keys=keys, values=values):
                return Pairs(
                    {
                        key.value: self.value(value, scope)
                        for key, value in zip(keys, values, strict=True)
                        if isinstance(key, ast.Constant) and isinstance(key.value, str)
                    }
                )
            case ast.BinOp():
                return self.operation(node, scope)
            case ast.Attribute():
                return self.attribute(node, scope)
            case ast.Call():
                return self.returned(node, scope)
            case ast.Subscript():
                return self.subscript(node, scope)
            case ast.IfExp(body=body, orelse=other):
                one, two = self.value(body, scope), self.value(other, scope)
                if isinstance(one, Word) and isinstance(two, Word) and one.value != two.value:
                    return self.word(node, posixpath.commonprefix([one.value, two.value]) + UNKNOWN)
                same = isinstance(one, Word) and isinstance(two, Word) and one.value == two.value
                return one if same or one == two else None
            case ast.Starred(value=inner) | ast.Await(value=inner):
                return self.value(inner, scope)
            case _:
                return None

    def word(self, node: ast.expr, text: str, *, assumed: bool = False) -> Word:
        return Word(text, node.lineno, node.col_offset + 1, assumed)

    def piece(self, node: ast.expr, scope: Scope) -> str:
        if isinstance(node, ast.FormattedValue):
            value = self.value(node.value, scope)
            return value.value if isinstance(value, Word) and node.format_spec is None else UNKNOWN
        return plain(str(node.value)) if isinstance(node, ast.Constant) else UNKNOWN

    def elements(self, nodes: Iterable[ast.expr], scope: Scope) -> Items:
        return Items([item for each in nodes for item in self.element(each, scope)])

    def element(self, node: ast.expr, scope: Scope) -> list[Value]:
        if isinstance(node, ast.Starred):
            inner = self.value(node.value, scope)
            return inner.items if isinstance(inner, Items) else [Word(MANY, node.lineno, node.col_offset + 1)]
        value = self.value(node, scope)
        return [Word(UNKNOWN, node.lineno, node.col_offset + 1) if value is None else value]

    def operation(self, node: ast.BinOp, scope: Scope) -> Value:
        left = self.value(node.left, scope)
        right = self.value(node.right, scope)
        if isinstance(node.op, ast.Div) and isinstance(left, Word):
            return self.word(
                node, joined(left.value, right.value if isinstance(right, Word) else UNKNOWN), assumed=left.assumed
            )
        if isinstance(node.op, ast.Add):
            if isinstance(left, Items) or isinstance(right, Items):
                return added(left, right)
            if isinstance(left, Word) or isinstance(right, Word):
                one = left.value if isinstance(left, Word) else UNKNOWN
                return self.word(node, one + (right.value if isinstance(right, Word) else UNKNOWN))
        if isinstance(node.op, ast.Mod) and isinstance(left, Word):
            return self.word(node, re.sub(r"%[sdr]", UNKNOWN, left.value))
        return None

    def attribute(self, node: ast.Attribute, scope: Scope) -> Value:
        name = self.dotted(node)
        if name in ("sys.executable", "os.sys.executable"):
            return self.word(node, "python")
        if node.attr in ("parent", "name", "stem"):
            value = self.value(node.value, scope)
            if isinstance(value, Word):
                base = posixpath.basename(value.value)
                made = {"parent": _parent(value.value), "name": base, "stem": base.rpartition(".")[0] or base}
                return self.word(node, made[node.attr], assumed=value.assumed)
            return None
        if isinstance(node.value, ast.Name) and node.attr in self.single_attributes:
            if node.attr not in self.attributes:
                self.attributes[node.attr] = None
                self.attributes[node.attr] = self.value(self.single_attributes[node.attr], self.beside(node.attr))
            return self.used(self.attributes[node.attr], node)
        return None

    def used(self, value: Value, node: ast.expr) -> Value:
        """A command that is kept for several to run: it is called where it is used."""
        if isinstance(value, Items) and len(value.items) > 1 and isinstance(first := value.items[0], Word):
            return Items([self.word(node, first.value, assumed=first.assumed), *value.items[1:]])
        return value

    def beside(self, name: str) -> Scope:
        """What the value of an attribute of a class may name: also the attributes beside it."""
        scope = self.globals.copy()
        for node in ast.walk(self.single_attributes[name]):
            other = self.single_attributes.get(node.id) if isinstance(node, ast.Name) and node.id != name else None
            if isinstance(node, ast.Name) and other is not None and node.id not in scope.names:
                scope.names[node.id] = self.value(other, self.globals)
        return scope

    def subscript(self, node: ast.Subscript, scope: Scope) -> Value:
        key = node.slice
        if isinstance(node.value, ast.Attribute) and node.value.attr == "parents" and isinstance(key, ast.Constant):
            value = self.value(node.value.value, scope)
            if isinstance(value, Word) and isinstance(key.value, int):
                path = value.value
                for _ in range(key.value + 1):
                    path = _parent(path)
                return self.word(node, path)
            return None
        found = self.value(node.value, scope)
        if isinstance(found, Pairs) and isinstance(key, ast.Constant) and isinstance(key.value, str):
            return found.pairs.get(key.value)
        if isinstance(found, Items) and isinstance(key, ast.Constant) and isinstance(key.value, int):
            return found.items[key.value] if -len(found.items) <= key.value < len(found.items) else None
        return None

    def returned(self, node: ast.Call, scope: Scope) -> Value:
        name = self.dotted(node.func)
        values = [self.value(each, scope) for each in node.args]
        words = [each for each in values if isinstance(each, Word)]
        method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        whole = len(words) == len(values) and bool(words)
        match name:
            case "pathlib.Path" | "pathlib.PurePath" | "pathlib.PosixPath":
                if not values:
                    return self.word(node, CWD)
                if not whole:
                    return None
                return self.word(node, _chain(words), assumed=words[0].assumed)
            case "os.path.join":
                pieces = [each if isinstance(each, Word) else Word(UNKNOWN) for each in values]
                return self.word(node, _chain(pieces), assumed=any(word.assumed for word in pieces)) if pieces else None
            case "os.path.dirname" if whole:
                return self.word(node, _parent(words[0].value))
            case "os.path.basename" if whole:
                return self.word(node, posixpath.basename(words[0].value))
            case "os.path.abspath" | "os.path.realpath" | "os.path.normpath" | "os.path.expanduser" if whole:
                return self.word(node, joined(scope.directory, words[0].value) if name[8] in "ar" else words[0].value)
            case "os.getcwd" | "pathlib.Path.cwd":
                return self.word(node, scope.directory)
            case "str" | "os.fspath" | "shlex.quote" if whole:
                return words[0]
            case "shutil.which" if whole:
                return words[0]
            case "os.environ.get" | "os.getenv" if len(values) > 1 and isinstance(values[1], Word):
                return replace(values[1], assumed=True)
            case "shlex.split" if whole:
                return _split(words[0])
            case "list" | "tuple" | "sorted" if values and isinstance(values[0], Items):
                return values[0]
            case _:
                return self.method(node, method, values, words, scope)

    def method(self, node: ast.Call, method: str, values: list[Value], words: list[Word], scope: Scope) -> Value:
        if not isinstance(node.func, ast.Attribute):
            return None
        subject = self.value(node.func.value, scope)
        if isinstance(subject, Items) and method == "copy":
            return Items(list(subject.items))
        if not isinstance(subject, Word):
            return None
        match method:
            case "resolve" | "absolute":
                return replace(subject, value=joined(scope.directory, subject.value))
            case "as_posix" | "__str__" | "strip" | "expanduser":
                return subject
            case "joinpath":
                return self.word(
                    node, _chain([subject, *(each if isinstance(each, Word) else Word(UNKNOWN) for each in values)])
                )
            case "format":
                return replace(subject, value=re.sub(r"\{[^{}]*\}", UNKNOWN, subject.value))
            case "split" if not values or (len(words) == len(values) == 1 and words[0].value == " "):
                return _split(subject)
            case "with_suffix" | "with_name" if words:
                base = subject.value.rpartition(".")[0] if method == "with_suffix" else _parent(subject.value) + "/"
                return self.word(node, base + words[0].value)
            case "replace" if len(words) == 2:
                return replace(subject, value=subject.value.replace(words[0].value, words[1].value))
            case _:
                return None


def _single_attributes(nodes: Sequence[ast.AST]) -> dict[str, ast.expr]:
    """`self.name = …` and class attributes, where one value is all there is."""
    seen: dict[str, list[ast.expr]] = {}
    for node in nodes:
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            target = node.targets[0]
            if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.value.id == "self":
                seen.setdefault(target.attr, []).append(node.value)
        elif isinstance(node, ast.ClassDef):
            for each in node.body:
                if isinstance(each, ast.Assign) and len(each.targets) == 1 and isinstance(each.targets[0], ast.Name):
                    seen.setdefault(each.targets[0].id, []).append(each.value)
    return {name: values[0] for name, values in seen.items() if len(values) == 1}


def _split(word: Word) -> Value:
    try:
        pieces = shlex.split(word.value)
    except ValueError:
        return None
    return Items([Word(each, word.line, word.column, word.assumed) for each in pieces])


def _parent(path: str) -> str:
    if path in (ROOT, CWD, UNKNOWN, "."):
        return UNKNOWN if path != "." else "."
    head, slash, _ = path.rstrip("/").rpartition("/")
    return head if slash else "."


def _chain(words: Iterable[Word]) -> str:
    path = ""
    for word in words:
        path = joined(path, word.value) if path else word.value
    return path


def added(left: Value, right: Value) -> Value:
    if isinstance(left, Word) and isinstance(right, Word):
        return replace(left, value=left.value + right.value)
    one: list[Value] = left.items if isinstance(left, Items) else [Word(MANY)]
    two: list[Value] = right.items if isinstance(right, Items) else [Word(MANY)]
    return Items([*one, *two])


def longer(before: Value, after: Value) -> Value:
    """Of two lists of which one was built on the other, the longer, whose further words are assumed."""
    assert isinstance(before, Items) and isinstance(after, Items)
    if after.items[: len(before.items)] != before.items:
        return None
    return Items([*before.items, *(assumed(each) for each in after.items[len(before.items) :])])


def assumed(value: Value) -> Value:
    if isinstance(value, Word):
        return replace(value, assumed=True)
    return value
