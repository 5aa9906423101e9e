"""Imports of Python modules against the modules that a repository has.

Judged are only modules and packages of the repository itself. Which directories are on the path of which program cannot
be known in general, so an absolute import is wrong only where no directory of the repository that could be meant has
what it names, or where the importing file lies in the very package that lacks it. What is generated, compiled, ignored
by git, spread over several places or made at run time is unknown, and unknown is never wrong.
"""

from __future__ import annotations

import posixpath
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property
from typing import TYPE_CHECKING

from sophia_preflight.calls.model import Attribute, Call, Module, Script
from sophia_preflight.facts import PythonFacts
from sophia_preflight.model import Confidence, Severity
from sophia_preflight.packaging import PythonProjects, normal_name
from sophia_preflight.readers.imports import Import, Imported, Outline
from sophia_preflight.standing import Standing, consequence, limited, standing
from sophia_preflight.unused import Unused

if TYPE_CHECKING:
    from sophia_preflight.context import Context

_GENERATED = re.compile(
    r"(^|_)(version|versions|generated|build_info|buildinfo|commit)_*$|_pb2(_grpc)?$|_rc$|^ui_|^_cython|^parsetab$|^lextab$"
    r"|^local_?settings|^settings_?local|(^|_)local$|^secrets?$|^credentials$|^version$|_thrift$|^parser_?tab"
)
_COMPILED = (
    ".pyi",
    ".pyx",
    ".so",
    ".pyd",
    ".c",
    ".cpp",
    ".rs",
    ".py.in",
    ".py.j2",
    ".py.tmpl",
    ".pyc",
    ".f90",
    ".proto",
)
_BUILDING = re.compile(r"setuptools|distutils|[Ee]xtension|pybind11")
_EXTENSION = re.compile(r"\w*Extension\(\s*(?:name\s*=\s*)?[\"']([A-Za-z_][\w.]*)[\"']")
_ALWAYS = frozenset(
    {"__name__", "__file__", "__doc__", "__path__", "__spec__", "__loader__", "__package__", "__dict__", "__builtins__",
     "__annotations__"}
)  # fmt: skip
_PROJECT = frozenset(
    {"pyproject.toml", "setup.py", "setup.cfg", "requirements.txt", "Pipfile", "Dockerfile", "manage.py", "tox.ini",
     "environment.yml", "conftest.py", "pytest.ini"}
)  # fmt: skip
_SOURCE_DIRECTORY = frozenset({"src", "lib", "python", "app", "backend", "server", "source", "api"})
_MOST_STARS = 8


def place_of(path: str) -> str:
    """Where the module of a file lies, as imports count: its path without the ending, of a package the directory."""
    return path.removesuffix(".py").removesuffix("/__init__")


@dataclass(frozen=True)
class Lack:
    """Something that an import names and that is not there: a module at `path`, or a name of the module at `path`."""

    importer: str
    imported: Import
    path: str
    confidence: Confidence
    name: Imported | None = None
    module: str = ""


@dataclass
class _Answer:
    """What an import finds below one directory. `state` is True found, False lacking, None unknown."""

    state: bool | None
    files: tuple[str, ...] = ()
    path: str = ""
    module: str = ""
    names: list[Imported] = field(default_factory=list)


class Modules:
    """The Python modules of a repository and who imports them."""

    def __init__(self, context: Context) -> None:
        self.context, self.repository = context, context.repository
        self.projects = PythonProjects(context.repository)
        self._names: dict[str, frozenset[str] | None] = {}
        self._answers: dict[tuple[str, Import], _Answer] = {}

    @cached_property
    def python(self) -> dict[str, PythonFacts]:
        return {path: each.data for path, each in self.context.facts.items() if isinstance(each.data, PythonFacts)}

    @cached_property
    def _injected(self) -> frozenset[str]:
        """Modules that some file puts in place at run time."""
        return frozenset(name for facts in self.python.values() for name in facts.outline.injected)

    @cached_property
    def compiled(self) -> frozenset[str]:
        """Modules that compilers make, as the builds of Python projects name them, in setup.py or beside it."""
        building = (
            path
            for path, facts in self.python.items()
            if any(_BUILDING.search(" ".join((each.module, *_names(each)))) for each in facts.outline.imports)
        )
        return frozenset(name for path in building for name in _EXTENSION.findall(self.repository.glimpse(path)))

    def is_compiled(self, path: str) -> bool:
        """Whether the module that would be at a path is one that a compiler makes."""
        inner = path.removesuffix(".py").replace("/", ".")
        return any(inner == each or inner.endswith(f".{each}") for each in self.compiled)

    # --- what is lacking ---------------------------------------------------------------------------------------------

    @cached_property
    def lacks(self) -> tuple[Lack, ...]:
        """Everything that imports name and that is not there, in the order of files and lines."""
        return tuple(lack for path in sorted(self.python) for lack in self._lacks_of(path))

    def _lacks_of(self, path: str) -> Iterator[Lack]:
        if self._is_shadowed(path):
            return
        for imported in self.python[path].outline.imports:
            if imported.guarded and not (imported.caught and imported.names):
                continue
            judged = self._relative(path, imported) if imported.level else self._absolute(path, imported)
            if judged is None:
                continue
            answer, confidence = judged
            if not imported.level and self._is_laid_in(path, imported, answer):
                continue
            if imported.guarded and not self._is_renamed(answer):
                continue
            if not answer.names:
                yield Lack(path, imported, answer.path, confidence, module=answer.module)
            for name in answer.names:
                yield Lack(path, imported, answer.path, confidence, name, answer.module)

    def _is_renamed(self, answer: _Answer) -> bool:
        """Whether a module that is there has each name that it lacks under a name like it: whoever catches that it is
        lacking is never without it otherwise."""
        facts = self.python.get(answer.path)
        names = facts.names if facts is not None else frozenset()
        return bool(answer.names) and all(
            get_close_matches(each.name, names, n=1, cutoff=0.75) for each in answer.names
        )

    def _relative(self, path: str, imported: Import) -> tuple[_Answer, Confidence] | None:
        base = _above(path, imported.level)
        if base is None or not self._is_plain(path):
            return None
        answer = self._answer(base, imported)
        if answer.state is not False:
            return None
        regular = self.repository.is_file(_below(base, "__init__.py"))
        return answer, Confidence.CERTAIN if regular else Confidence.LIKELY

    def _is_laid_in(self, path: str, imported: Import, answer: _Answer) -> bool:
        """Whether what a package lacks lies beside the file that imports it, outside: both are copied into it."""
        home, top = posixpath.dirname(path), imported.module.partition(".")[0]
        if top in home.split("/") or self.repository.is_file(_below(home, "__init__.py")):
            return False
        names = [each.name for each in answer.names] or [imported.module.rpartition(".")[2]]
        return all(self.repository.is_file(_below(home, f"{each}.py")) for each in names)

    def _is_shadowed(self, path: str) -> bool:
        """Whether a package of the same name stands beside a module: whoever imports that name gets the package."""
        return self.repository.is_file(f"{path[:-3]}/__init__.py") and path not in self.reached

    def _is_plain(self, path: str) -> bool:
        """Neither a template nor foreign code, whose surroundings are elsewhere."""
        return standing(path) not in (Standing.TEMPLATE, Standing.VENDORED)

    def _absolute(self, path: str, imported: Import) -> tuple[_Answer, Confidence] | None:
        top = imported.module.partition(".")[0]
        if top in sys.stdlib_module_names or imported.module in self._injected or not self._is_plain(path):
            return None
        roots = self.context.module_roots(top)
        named = [imported.module, *(f"{imported.module}.{name}" for name in _names(imported))]
        if not roots or any(map(self._is_needed, named)) or "sys.path.remove" in self.repository.text(path):
            return None
        own = self._own_root(path, top)
        if own is not None and standing(path) is not Standing.TEST:
            answer = self._answer(own, imported)
            if answer.state is not False:
                return None
            if not any(self._answer(root, imported).state is not False for root in roots if root != own):
                return (answer, Confidence.CERTAIN) if self._is_root(own, top) else None
            return (answer, Confidence.LIKELY) if self._is_project(own) else None
        answers = {root: self._answer(root, imported) for root in roots}
        if any(answer.state is not False for answer in answers.values()):
            return None
        near = self._nearest(path, top, roots)
        if near is None or answers[near].path == path:  # a module that imports its own name means another one
            return None
        regular = self.repository.is_file(_below(near, f"{top}/__init__.py"))
        place = answers[near].path
        if not regular and _below(near, top) in (place, posixpath.dirname(place)) and self._is_shared(near, top):
            return None
        return answers[near], Confidence.CERTAIN if regular and self.is_used(top, near) else Confidence.LIKELY

    def _is_shared(self, root: str, top: str) -> bool:
        """Whether the project that brings a namespace is called after it and a part of it: others bring other parts."""
        project = self.projects.of(_below(root, f"{top}/"))
        return project is not None and project.name.startswith(normal_name(top) + "_")

    def _is_needed(self, module: str) -> bool:
        """Whether a module, or a package that it lies in, is one that the repository installs: `poetry.core`."""
        name = normal_name(module)
        return any(name == each or name.startswith(each + "_") for each in self.projects.needs_like(module))

    def _own_root(self, path: str, top: str) -> str | None:
        """The directory of the outermost regular package around a file, where that package is called `top`."""
        directory = posixpath.dirname(path)
        outermost = ""
        while directory and self.repository.is_file(f"{directory}/__init__.py"):
            outermost, directory = directory, posixpath.dirname(directory)
        return (directory or ".") if outermost and posixpath.basename(outermost) == top else None

    def _is_root(self, root: str, top: str) -> bool:
        return self._is_project(root) or self.is_used(top, root)

    def _is_project(self, root: str) -> bool:
        if root in (".", "") or posixpath.basename(root) in _SOURCE_DIRECTORY:
            return True
        return any(self.repository.is_file(_below(root, name)) for name in _PROJECT)

    def _nearest(self, path: str, top: str, roots: Iterable[str]) -> str | None:
        """The directory whose `top` a file outside of it most likely means; None where none is likely."""
        here = posixpath.dirname(path) or "."
        likely = []
        for root in roots:
            if self.repository.is_file(_below(root, "__init__.py")) and not self._is_project(root):
                continue  # inside a package, whose modules go by its name
            package = self.repository.is_file(_below(root, f"{top}/__init__.py"))
            sibling = root == here and not self._is_packaged(here)
            above = root == "." or path.startswith(root + "/")
            if self.is_used(top, root) and (above or self._is_project(root)):
                likely.append((not above, -len(root), root))
            elif sibling and (package or self.repository.is_file(_below(root, f"{top}.py"))):
                likely.append((False, -len(root), root))
        return min(likely)[2] if likely else None

    def _is_packaged(self, directory: str) -> bool:
        """Whether modules of a directory go by the name of a package: its own, or one above whose part it is."""
        above = posixpath.dirname(directory)
        return any(self.repository.is_file(_below(each, "__init__.py")) for each in {directory, above} - {""})

    def is_known(self, top: str) -> bool:
        """Whether a top name is one of Python's own, of something here, or of what the repository installs."""
        known = top in sys.stdlib_module_names or top in self._injected or self.is_elsewhere(top)
        return known or bool(self.context.module_roots(top)) or self._is_needed(top)

    def is_used(self, top: str, root: str) -> bool:
        """Whether some other import finds a part of `top` in this directory: so that it is on somebody's path."""
        return (top, root or ".") in self._evidence

    @cached_property
    def _evidence(self) -> frozenset[tuple[str, str]]:
        found = set()
        for facts in self.python.values():
            for imported in facts.outline.imports:
                top, dot, _ = imported.module.partition(".")
                if imported.level or not (dot or imported.names):
                    continue
                for root in self.context.module_roots(top):
                    if (top, root) not in found and self._answer(root, imported).state is True:
                        found.add((top, root))
        return frozenset(found)

    # --- one import below one directory ------------------------------------------------------------------------------

    def _answer(self, root: str, imported: Import) -> _Answer:
        key = (root or ".", imported)
        if key not in self._answers:
            self._answers[key] = self._looked_up(root, imported)
        return self._answers[key]

    def lack_in(self, root: str, imported: Import) -> tuple[str, bool] | None:
        """What an import would not find below a directory: a path, and whether it is a name that is lacking there."""
        answer = self._answer(root, imported)
        return (answer.path, bool(answer.names)) if answer.state is False else None

    def is_elsewhere(self, top: str) -> bool:
        """Whether a module may come from somewhere that is not looked at: another repository, a compiler, a link."""
        links = (*self.repository.submodules, *self.repository.linked_directories, *self.repository.broken_links)
        return any(posixpath.basename(each) == top for each in links) or self._is_mentioned(top)

    def _looked_up(self, root: str, imported: Import) -> _Answer:
        parts = imported.module.split(".") if imported.module else []
        at = root if root != "." else ""
        files: list[str] = []
        for number, part in enumerate(parts):
            step = self._step(at, part)
            if step is None:
                return _Answer(None)
            if step == "":
                return _Answer(False, tuple(files), _below(at, f"{part}.py"), imported.shown)
            at = step
            file = self._file(at)
            if file:
                files.append(file)
            if at.endswith(".py") and number < len(parts) - 1:
                facts = self.python.get(at)
                spreads = facts is None or facts.outline.spreads
                return _Answer(None) if spreads else _Answer(False, tuple(files), at, imported.shown)
        return self._with_names(at, imported, files)

    def _with_names(self, at: str, imported: Import, files: list[str]) -> _Answer:
        lacking: list[Imported] = []
        for name in imported.names:
            has = self._has(at, name.name)
            if has is None:
                return _Answer(None, tuple(files))
            if not has:
                lacking.append(name)
            elif not at.endswith(".py") and (step := self._step(at, name.name)):
                files.append(self._file(step) or "")
        shown = imported.shown or "."
        return _Answer(not lacking, tuple(each for each in files if each), self._file(at) or at, shown, lacking)

    def _step(self, directory: str, part: str) -> str | None:
        """The package directory or file of a module in a directory; empty where there is none, None if unknown."""
        base = _below(directory, part)
        if self.repository.is_file(f"{base}/__init__.py"):
            return base
        if self.repository.is_file(f"{base}.py"):
            return f"{base}.py"
        if self.repository.is_directory(base):
            stubs = self.repository.is_file(f"{base}/__init__.pyi")
            return None if stubs or self._is_generated(directory, base, part) else base
        names = self.repository.entries
        if any(f"{base}{suffix}" in names for suffix in _COMPILED) or self._is_generated(directory, base, part):
            return None
        package = self.python.get(_below(directory, "__init__.py"))
        if package is not None and (package.outline.spreads or package.fault):
            return None
        return ""

    def _is_generated(self, directory: str, base: str, part: str) -> bool:
        if _GENERATED.search(part) or self.context.finder.is_made(f"{base}.py") or self.repository.is_ignored(base):
            return True
        project = self.projects.of(base)
        if project is not None and (project.is_compiled and (part.startswith("_") or self._is_mentioned(part))):
            return True
        prefix = f"{directory}/{part}." if directory else f"{part}."
        return any(path.startswith(prefix) for path in self._by_stem.get(part, ()))

    @cached_property
    def _by_stem(self) -> dict[str, list[str]]:
        """First part of the base name -> files that are no plain modules: `fast.cpython-311.so`, `fast.pyx`."""
        found: dict[str, list[str]] = {}
        for name, paths in self.repository.by_name.items():
            stem, dot, rest = name.partition(".")
            if dot and rest != "py":
                found.setdefault(stem, []).extend(paths)
        return found

    def _is_mentioned(self, part: str) -> bool:
        """Whether some build file, or a source in another language, goes by the name of a module."""
        return part in self._by_stem

    def _file(self, at: str) -> str | None:
        """The file that is executed for a package directory or module."""
        if at.endswith(".py"):
            return self.repository.resolved(at)
        path = _below(at, "__init__.py")
        return self.repository.resolved(path) if self.repository.is_file(path) else None

    def _has(self, at: str, name: str) -> bool | None:
        """Whether a module has a name, or a package a module of that name; None if it cannot be told."""
        if name in _ALWAYS:
            return True
        file = self._file(at)
        known = self._names_of(file, 0) if file else frozenset()
        if known is not None and name in known:
            return True
        made_by_class = re.match(r"([A-Z]\w*?)_[A-Z]", name)  # class decorators add names that begin with the class's
        if known is not None and made_by_class and made_by_class[1] in known:
            return None
        if at.endswith(".py"):
            return None if known is None else False
        step = self._step(at, name)
        if step:
            return True
        return None if step is None or known is None else False

    def _names_of(self, file: str, depth: int) -> frozenset[str] | None:
        """Names at the top of a module, those of its star imports included; None if there may be others."""
        if file in self._names:
            return self._names[file]
        facts = self.python.get(file)
        if facts is None or facts.fault is not None or facts.outline.opaque or depth > _MOST_STARS:
            return None
        self._names[file] = None
        names: set[str] | None = set(facts.outline.names - _taken_from_itself(file, facts.outline))
        for star in facts.outline.stars:
            found = self._star(file, star, depth)
            if found is None or names is None:
                names = None
                break
            names |= found
        self._names[file] = frozenset(names) if names is not None else None
        return self._names[file]

    def _star(self, file: str, star: Import, depth: int) -> frozenset[str] | None:
        if star.level:
            base = _above(file, star.level)
            roots: Iterable[str] = [base] if base is not None else []
        else:
            roots = self.context.module_roots(star.module.partition(".")[0])
        answers = [self._answer(root, star) for root in roots]
        found = [answer.files[-1] for answer in answers if answer.state is True and answer.files]
        return self._names_of(found[0], depth + 1) if len(set(found)) == 1 else None

    # --- who starts what ---------------------------------------------------------------------------------------------

    @cached_property
    def reached(self) -> dict[str, tuple[Severity, str]]:
        """Modules that are executed as soon as something that somebody starts is: how bad it is if one fails, and what
        fails with it."""
        found: dict[str, tuple[Severity, str]] = {}
        waiting: list[tuple[str, tuple[Severity, str]]] = []
        for call in self.context.calls:
            path = self.started(call)
            if path in self.python:
                waiting.append((path, consequence(call.site)))
        waiting.sort(key=lambda each: (each[1][0].rank, each[0], each[1][1]), reverse=True)
        while waiting:
            path, what = waiting.pop()
            if path in found:
                continue
            found[path] = what
            waiting += [(each, what) for each in sorted(self._executes(path)) if each not in found]
        return found

    def started(self, call: Call) -> str:
        """The Python file that a call starts; empty where it starts none, or nobody can tell which."""
        match call.target:
            case Script():
                location = self.context.script(call)
            case Module(name=word, search=search) | Attribute(name=word, search=search):
                name = word.value.partition(":")[0]
                location = self.context.finder.module(name, call.site, search or (call.site.directory,))
            case _:
                return ""
        if not location.found:
            return ""
        inner = _below(location.path, "__main__.py")
        return inner if not location.path.endswith(".py") and inner in self.python else location.path

    def _executes(self, path: str) -> set[str]:
        """Modules that importing a module executes at once."""
        found: set[str] = set()
        for imported in self.python[path].outline.imports:
            if not imported.lazy and not imported.conditional:
                found |= set(self.targets(path, imported))
        return found & self.python.keys()

    def targets(self, path: str, imported: Import) -> tuple[str, ...]:
        """Files of the repository that an import executes, where it is clear which ones are meant."""
        if imported.level:
            base = _above(path, imported.level)
            return self._answer(base, imported).files if base is not None else ()
        top = imported.module.partition(".")[0]
        if top in sys.stdlib_module_names:
            return ()
        own = self._own_root(path, top)
        roots = [own] if own is not None else sorted(self.context.module_roots(top))
        found = [files for root in roots if (files := self._answer(root, imported).files)]
        return found[0] if len(found) == 1 else ()

    @cached_property
    def imported(self) -> frozenset[str]:
        """Modules that some other module imports."""
        return frozenset(
            file
            for path, facts in self.python.items()
            for each in facts.outline.imports
            for file in self.targets(path, each)
            if file != path
        )

    @cached_property
    def unused(self) -> Unused:
        """The modules that nothing reaches."""
        return Unused(self)

    def severity(self, path: str, imported: Import | None = None) -> tuple[Severity, str]:
        """How bad it is that a module, or an import in it, fails, and what fails with it."""
        usual = limited(Severity.HIGH, path)
        lazy = imported is not None and (imported.lazy or imported.conditional)
        if standing(path) is Standing.TEST and not lazy and (by := self.context.tested.by(path)):
            return Severity.HIGH, f"the tests that `{by}` runs"
        if self.unused.covers(path):
            return usual.at_most(Severity.MEDIUM), ""
        if imported is not None and imported.conditional:
            return usual.at_most(Severity.MEDIUM), ""
        if imported is not None and imported.lazy:
            return usual, f"a function of `{path}`"
        severity, blocks = self.reached.get(path, (usual, f"the import of `{path}`"))
        return (severity, blocks) if severity.rank < usual.rank else (usual, blocks)


def _taken_from_itself(file: str, outline: Outline) -> frozenset[str]:
    """What a package has only because it imports it from itself: its modules, if they are there."""
    folder, name = posixpath.split(file)
    if name != "__init__.py":
        return frozenset()
    dotted = f".{folder.replace('/', '.')}"
    taken: set[str] = set()
    given = set(outline.own)
    for each in outline.imports:
        itself = each.module == "" if each.level == 1 else not each.level and dotted.endswith(f".{each.module}")
        if not each.lazy:
            (taken if itself and not each.guarded else given).update(_names(each))
    return frozenset(taken - given)


def _names(imported: Import) -> Iterator[str]:
    return (each.name for each in imported.names)


def _above(path: str, level: int) -> str | None:
    """The directory that a relative import of a level begins in; None above the repository."""
    directory = posixpath.dirname(path)
    for _ in range(level - 1):
        if not directory:
            return None
        directory = posixpath.dirname(directory)
    return directory


def _below(directory: str, name: str) -> str:
    return name if directory in ("", ".") else f"{directory}/{name}"
