"""Which variables of the environment a Python module reads, by names that stand in its text."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

_READ = re.compile(
    r"(?:\benviron\s*\[|\w*(?:env|ENV)\w*(?:\.\w+)?\(|\benvvar\s*=|\benv\s*=)\s*\[?\s*[\"']([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)[\"']"
    r"(?!\s*\]\s*=[^=])"
)
_NO_READING = re.compile(r"(?:set|put|del|pop|unset|write|add|export|patch)\w*\($|setdefault\($")
_SETTINGS = ("BaseSettings", "SettingsConfigDict")


@dataclass(frozen=True, slots=True)
class Settings:
    """A class whose fields are variables that begin with `prefix`; `read` are those variables, and their lines."""

    prefix: str
    line: int
    read: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Variables:
    read: tuple[tuple[str, int], ...] = ()
    settings: tuple[Settings, ...] = ()


def variables_of(tree: ast.Module, text: str) -> Variables:
    """What a module reads; nothing where its text speaks of no environment."""
    settings = tuple(_settings(tree)) if any(each in text for each in _SETTINGS) else ()
    read = tuple(_read(text)) if "env" in text else ()
    return Variables(read, settings)


def _read(text: str) -> Iterator[tuple[str, int]]:
    for found in _READ.finditer(text):
        if not _NO_READING.search(text, found.start(), found.start(1) - 1):
            yield found[1], text.count("\n", 0, found.start(1)) + 1


def _settings(tree: ast.Module) -> Iterator[Settings]:
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and any(ast.unparse(base).endswith("BaseSettings") for base in node.bases):
            said = _prefix(node)
            if said is not None:
                prefix, line = said
                yield Settings(prefix, line or node.lineno, tuple(_fields(node, prefix)))


def _prefix(node: ast.ClassDef) -> tuple[str, int] | None:
    """What a class puts before the names of its fields, and where it says so; None if that is not known."""
    for each in ast.walk(node):
        pairs: list[tuple[object, ast.expr]] = []
        match each:
            case ast.keyword(arg=str(name)):
                pairs = [(name, each.value)]
            case ast.Assign(targets=[ast.Name(id=name)]):
                pairs = [(name, each.value)]
            case ast.Dict():
                pairs = [
                    (getattr(key, "value", None), value) for key, value in zip(each.keys, each.values, strict=True)
                ]
        for key, value in pairs:
            if key == "env_prefix":
                text = value.value if isinstance(value, ast.Constant) else None
                return (text.upper(), value.lineno) if isinstance(text, str) else None
    return "", 0


def _fields(node: ast.ClassDef, prefix: str) -> Iterator[tuple[str, int]]:
    for each in node.body:
        if not isinstance(each, ast.AnnAssign) or not isinstance(each.target, ast.Name):
            continue
        if each.target.id.startswith(("_", "model_config")) or "ClassVar" in ast.unparse(each.annotation):
            continue
        aliases = [
            inner.value
            for keyword in (each.value.keywords if isinstance(each.value, ast.Call) else ())
            if keyword.arg in ("alias", "validation_alias", "env")
            for inner in ast.walk(keyword.value)
            if isinstance(inner, ast.Constant) and isinstance(inner.value, str)
        ]
        for name in aliases or [prefix + each.target.id]:
            yield name.upper(), each.lineno
