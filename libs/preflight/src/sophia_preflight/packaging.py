"""Python projects as their own files describe them: what they need, which version of Python, which commands they bring.

`pyproject.toml`, `setup.cfg` and `setup.py` are read, never run.
"""

from __future__ import annotations

import ast
import configparser
import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sophia_preflight.model import Place
from sophia_preflight.readers import toml
from sophia_preflight.readers.python_version import Version, oldest_allowed
from sophia_preflight.repository import Repository

PROJECT_FILES = ("pyproject.toml", "setup.cfg", "setup.py")
_REQUIREMENTS = re.compile(
    r"(^|/)([\w.-]*(require|constraint|deps)[\w.-]*\.(txt|in|pip)|Pipfile|[\w.-]*environment[\w.-]*\.ya?ml)$"
    r"|(^|/)requirements/[^/]+\.(txt|in|pip)$"
)
_NAME = re.compile(r"^\s*(?:-\s+)?[\"']?([A-Za-z0-9][\w.-]*)")
_REQUIREMENT = re.compile(r"^[A-Za-z0-9][\w.-]*\s*(\[[^\]]*\])?\s*([<>=!~;@(].*)?$")
_SPLIT_BUILD = re.compile(r"maturin|scikit.build|meson|cmake|setuptools.rust|cython|pybind", re.IGNORECASE)


def normal_name(name: str) -> str:
    """A distribution's or module's name as one of them would be written."""
    return re.sub(r"[-_.]+", "_", name).lower()


@dataclass(frozen=True)
class EntryPoint:
    """`name = module:attribute` of a group; `place` is where it is said."""

    group: str
    name: str
    value: str
    place: Place

    @property
    def is_command(self) -> bool:
        return self.group in ("console_scripts", "gui_scripts")


class PythonProject:
    """The project whose files lie in `directory`."""

    def __init__(self, directory: str, texts: Mapping[str, str]) -> None:
        self.directory, self._texts = directory, texts

    def _path(self, name: str) -> str:
        return f"{self.directory}/{name}" if self.directory else name

    @cached_property
    def toml(self) -> dict[str, Any]:
        return toml.parse(self._texts.get("pyproject.toml", ""))

    @cached_property
    def _cfg(self) -> configparser.ConfigParser:
        parser = configparser.ConfigParser(interpolation=None, strict=False)
        try:
            parser.read_string(self._texts.get("setup.cfg", ""))
        except configparser.Error:
            return configparser.ConfigParser(interpolation=None)
        return parser

    @cached_property
    def _setup(self) -> dict[str, ast.expr]:
        """Keywords of the call of `setup` in setup.py; names that are assigned once are followed."""
        try:
            tree = ast.parse(self._texts.get("setup.py", ""))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return {}
        known = {
            node.targets[0].id: node.value
            for node in tree.body
            if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name)
        }
        found: dict[str, ast.expr] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("setup", "setuptools.setup", "core.setup"):
                for keyword in node.keywords:
                    found[keyword.arg or ""] = _spelled_out(keyword.value, known)
        return found

    def _table(self, *path: str) -> Any:
        found = toml.at(self.toml, *path)
        return found if found is not None else {}

    @cached_property
    def name(self) -> str:
        """The distribution's name, normalized; empty where it is not said plainly."""
        for found in (self._table("project", "name"), self._table("tool", "poetry", "name")):
            if isinstance(found, str):
                return normal_name(found)
        if self._cfg.has_option("metadata", "name"):
            return normal_name(self._cfg.get("metadata", "name"))
        said = self._setup.get("name")
        return normal_name(said.value) if isinstance(said, ast.Constant) and isinstance(said.value, str) else ""

    @cached_property
    def oldest_python(self) -> tuple[Version, Place] | None:
        """The oldest version that the project says it runs on, and where it says so."""
        poetry = self._table("tool", "poetry", "dependencies", "python")
        for name, specifier in (
            ("pyproject.toml", self._table("project", "requires-python")),
            ("pyproject.toml", poetry.get("version") if isinstance(poetry, dict) else poetry),
            ("setup.cfg", self._cfg.get("options", "python_requires", fallback="")),
            ("setup.py", getattr(self._setup.get("python_requires"), "value", "")),
        ):
            version = oldest_allowed(specifier) if isinstance(specifier, str) and specifier else None
            if version is not None:
                return version, self._said(name, r"requires-python|python_requires|^\s*python\s*=")
        return None

    def _said(self, name: str, pattern: str) -> Place:
        for number, line in enumerate(self._texts.get(name, "").split("\n"), 1):
            if match := re.search(pattern, line):
                return Place(self._path(name), number, match.start() + 1)
        return Place(self._path(name))

    @cached_property
    def is_compiled(self) -> bool:
        """Some of its modules may be made by a compiler."""
        said = str(self._table("build-system")) + self._texts.get("setup.py", "")
        return bool(_SPLIT_BUILD.search(said)) or "ext_modules" in self._setup

    @cached_property
    def needs(self) -> frozenset[str]:
        """Distributions that it names as its dependencies, normalized."""
        return frozenset(normal_name(each) for said in self._dependencies() if (each := _required(said)))

    def _dependencies(self) -> Iterator[str]:
        yield from _texts_in(self._table("project", "dependencies"))
        yield from _texts_in(self._table("project", "optional-dependencies"))
        yield from _texts_in(self._table("dependency-groups"))
        yield from _texts_in(self._table("build-system", "requires"))
        poetry = self._table("tool", "poetry")
        for section in (poetry, *_values(self._table("tool", "poetry", "group"))):
            for name in ("dependencies", "dev-dependencies"):
                found = section.get(name) if isinstance(section, dict) else None
                yield from found if isinstance(found, dict) else ()
        for section_name in self._cfg.sections():
            for option, value in self._cfg.items(section_name):
                if option.endswith("_requires") or section_name == "options.extras_require":
                    yield from value.split("\n")
        for name, value_node in self._setup.items():
            if "require" in name and name != "python_requires":
                yield from (
                    node.value
                    for node in ast.walk(value_node)
                    if isinstance(node, ast.Constant) and isinstance(node.value, str)
                )

    def source(self, module: str) -> str:
        """The file or package that becomes a module as the project is built, without its ending; empty where none does.

        hatch takes any directory into a package: `force-include` and `sources`, of a build or of a target.
        """
        path = module.replace(".", "/")
        hatch = self._table("tool", "hatch", "build")
        wheel = self._table("tool", "hatch", "build", "targets", "wheel")
        for table in (wheel, hatch):
            for key in ("force-include", "sources"):
                said = table.get(key) if isinstance(table, dict) else None
                for before, after in said.items() if isinstance(said, dict) else ():
                    inside = f"{path}/".startswith(f"{str(after).strip('/')}/") if str(after).strip("/") else False
                    if inside and isinstance(before, str):
                        rest = path[len(after.strip("/")) :].lstrip("/")
                        return posixpath.normpath(posixpath.join(self.directory, before.removesuffix("/"), rest))
        return ""

    # --- commands ----------------------------------------------------------------------------------------------------

    @cached_property
    def entry_points(self) -> tuple[EntryPoint, ...]:
        return (*self._toml_points(), *self._cfg_points(), *self._setup_points())

    def _toml_points(self) -> Iterator[EntryPoint]:
        for group, table in (
            ("console_scripts", self._table("project", "scripts")),
            ("gui_scripts", self._table("project", "gui-scripts")),
            ("console_scripts", self._table("tool", "poetry", "scripts")),
            *_groups(self._table("project", "entry-points")),
            *_groups(self._table("tool", "poetry", "plugins")),
        ):
            for name, value in table.items() if isinstance(table, dict) else ():
                if isinstance(value, dict):
                    value = value.get("reference" if value.get("type") == "console" else "callable")
                if isinstance(value, str):
                    place = self._said(
                        "pyproject.toml", rf"^\s*[\"']?{re.escape(str(name))}[\"']?\s*=.*{re.escape(value)}"
                    )
                    yield EntryPoint(group, str(name), value, place)

    def _cfg_points(self) -> Iterator[EntryPoint]:
        for section in ("options.entry_points", "entry_points"):
            for group, lines in self._cfg.items(section) if self._cfg.has_section(section) else ():
                yield from self._lines(group, lines, "setup.cfg")

    def _setup_points(self) -> Iterator[EntryPoint]:
        said = self._setup.get("entry_points")
        try:
            value = ast.literal_eval(said) if said is not None else None
        except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
            return
        if isinstance(value, str):
            parser = configparser.ConfigParser(interpolation=None, strict=False)
            try:
                parser.read_string(value)
            except configparser.Error:
                return
            value = {group: "\n".join(f"{k} = {v}" for k, v in parser.items(group)) for group in parser.sections()}
        for group, lines in value.items() if isinstance(value, dict) else ():
            joined = "\n".join(lines) if isinstance(lines, (list, tuple)) else lines
            if isinstance(joined, str):
                yield from self._lines(str(group), joined, "setup.py")

    def _lines(self, group: str, lines: str, name: str) -> Iterator[EntryPoint]:
        for line in lines.split("\n"):
            key, mark, value = line.partition("=")
            if mark and not key.strip().startswith("#"):
                value = value.split("#")[0].strip()
                place = self._said(name, rf"{re.escape(key.strip())}\s*=\s*{re.escape(value)}")
                yield EntryPoint(group, key.strip(), value, place)


class PythonProjects:
    """Every Python project of a repository."""

    def __init__(self, repository: Repository) -> None:
        self.repository = repository

    @cached_property
    def by_directory(self) -> dict[str, PythonProject]:
        found: dict[str, dict[str, str]] = {}
        for name in PROJECT_FILES:
            for path in self.repository.by_name.get(name, []):
                found.setdefault(posixpath.dirname(path), {})[name] = self.repository.text(path)
        return {directory: PythonProject(directory, texts) for directory, texts in found.items()}

    def of(self, path: str) -> PythonProject | None:
        """The project that a file lies in: the nearest one above it."""
        directory = posixpath.dirname(path)
        while True:
            if directory in self.by_directory:
                return self.by_directory[directory]
            if not directory:
                return None
            directory = posixpath.dirname(directory)

    def needs_like(self, module: str) -> frozenset[str]:
        """Those of `needs` that begin with a module's top name: what may bring it, or a part of its namespace."""
        top = normal_name(module.partition(".")[0])
        return self._needs_by_top.get(top, frozenset())

    @cached_property
    def _needs_by_top(self) -> dict[str, frozenset[str]]:
        found: dict[str, set[str]] = {}
        for name in self.needs:
            parts = name.split("_")
            for length in range(1, len(parts) + 1):
                found.setdefault("_".join(parts[:length]), set()).add(name)
        return {top: frozenset(names) for top, names in found.items()}

    @cached_property
    def needs(self) -> frozenset[str]:
        """Distributions that any file of the repository names as a dependency, its own projects left out."""
        found = {name for project in self.by_directory.values() for name in project.needs}
        for path in self.repository.entries:
            if _REQUIREMENTS.search(path):
                for line in self.repository.text(path).split("\n"):
                    match = _NAME.match(line)
                    if match and "://" not in line:
                        found.add(normal_name(match[1]))
        return frozenset(found - {project.name for project in self.by_directory.values()})


def _required(said: str) -> str:
    """The name that a requirement begins with."""
    match = _NAME.match(said) if _REQUIREMENT.match(said.strip()) else None
    return match[1] if match else ""


def _texts_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, dict)):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _texts_in(each)


def _values(value: Any) -> Iterator[Any]:
    return iter(value.values()) if isinstance(value, dict) else iter(())


def _groups(value: Any) -> Iterator[tuple[str, Any]]:
    return iter((str(key), each) for key, each in value.items()) if isinstance(value, dict) else iter(())


def _spelled_out(node: ast.expr, known: dict[str, ast.expr]) -> ast.expr:
    """An expression with the values of names in the place of names, also within lists and mappings."""
    match node:
        case ast.Name(id=name):
            return known.get(name, node)
        case ast.List(elts=elements):
            return ast.copy_location(ast.List([_spelled_out(each, known) for each in elements], node.ctx), node)
        case ast.Dict(keys=keys, values=values):
            return ast.copy_location(ast.Dict(keys, [_spelled_out(each, known) for each in values]), node)
        case _:
            return node
