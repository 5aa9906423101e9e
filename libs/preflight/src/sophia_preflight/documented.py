"""Where a documented command is typed: a page does not say, so people type it where it works.

A command is placed in the directory in which its target is found. Only if there is none, it stays where a reader would
first try it, and the rules say what it lacks there. What belongs to another repository, to a host, or to a file that
the reader makes is left out.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import replace
from difflib import get_close_matches
from typing import TYPE_CHECKING

from sophia_preflight.calls.documents import Page, is_about_migration, is_front
from sophia_preflight.calls.model import (
    Call,
    Composition,
    ImageBuild,
    MakeTarget,
    Module,
    Needed,
    PackageScript,
    Program,
    ProjectTask,
    Recipe,
    Script,
    Site,
    Started,
    System,
    Trace,
)
from sophia_preflight.readers.compose import COMPOSE_NAMES
from sophia_preflight.readers.makefile import MAKEFILE_NAMES
from sophia_preflight.rendering import is_rendered
from sophia_preflight.standing import Standing, standing
from sophia_preflight.text import CWD, ROOT, Word, is_known, joined, named, upward

if TYPE_CHECKING:
    from sophia_preflight.context import Context

_STAND_IN = re.compile(
    r"(^|[/_.-])(your|my|path|some|foo|bar|baz|xxx?|dummy)s?([/_.-]|$)|(^|/)(the[_-][\w-]+\.\w+|(?-i:[NXYZ]))(/|$)"
    r"|(^|/)(example|name|file|script|hello|hello_world|the_test|test_(file|example|something|module|feature|name|new|flake|case|specific\w*))"
    r"\.\w+$",
    re.IGNORECASE,
)
_READERS = re.compile(r"^\s*(?:from|import) (?:my|your)_?(?:app|application|package|project|module)\b", re.MULTILINE)
"""What a page imports that shows how its reader's own program is made."""
_USUAL = re.compile(r"(app|main|manage|server|run|demo|client|worker|tasks|code|program)\.\w+|(un)?stack\.sh")
_SAMPLE = re.compile(r"\.(example|sample|template|dist)$|^(example|sample)\.")

_ENVIRONMENT_HERE = re.compile(r"(-m venv|\bvirtualenv|\buv venv)(\s+-\S+(=\S+)?)*\s+\.(?=\s|$)", re.MULTILINE)
"""How a page makes a virtual environment in the very directory that its reader is in."""
_SCAFFOLDING = named("kubebuilder operator-sdk cookiecutter copier cruft yo")
"""Programs that write makefiles, or more of them."""
_BUILDERS = named(
    "help clean html dirhtml singlehtml pickle json htmlhelp qthelp devhelp epub applehelp latex latexpdf latexpdfja "
    "text man texinfo info gettext changes xml pseudoxml linkcheck doctest coverage livehtml spelling autobuild"
)
"""What Sphinx makes where a makefile hands it all targets that it does not have."""

_OURS = re.compile(r"root|repo|proj|pwd|top|here|work|base|src|source|script|home", re.IGNORECASE)
"""Words of variables that may hold the place of this repository."""


def documented(context: Context, path: str, trace: Trace, page: Page) -> Iterator[Call]:
    """The commands of a page that are about this repository, each where it is typed."""
    placing = _Placing(context, path, trace, page)
    past = is_about_migration(path)
    for call in trace.calls:
        if past and not isinstance(call.target, Script):
            continue
        if call.site.system is System.REPOSITORY and call.site.inside is None:
            placed = placing.placed(call)
            if placed is not None and (not past or context.script(placed).found):
                yield placed
        elif isinstance(call.target, Program) and (
            call.site.inside is not None or (not past and call.target.name.value in context.entries)
        ):
            yield call  # in a container, or on a host


class _Placing:
    def __init__(self, context: Context, path: str, trace: Trace, page: Page) -> None:
        self.context, self.repository, self.path, self.page = context, context.repository, path, page
        self.front = is_front(path)
        shelf = None if self.front else re.match(r"(?:.*/)?docs?(?:umentation)?(?=/)", path, re.IGNORECASE)
        self.shelf = shelf[0] if shelf else ""
        """The folder of pages that a page lies in; how it is made is rarely what a page in it tells."""
        self.skill = posixpath.basename(path) == "SKILL.md" and not re.search(r"(^|/)\.", path)
        """Whether it tells an agent what to do in the repositories of others."""
        self.unpacks = any(each.tree and each.path in (ROOT, CWD) for each in trace.produced)
        self.made = {posixpath.basename(each.path.removesuffix("/bin")) for each in trace.produced} - {""}
        self.names = self._names()
        self.scaffolds = any(
            isinstance(call.target, Program) and call.target.name.value in _SCAFFOLDING for call in trace.calls
        )
        self.own = self._own(trace)

    # --- where a reader is -------------------------------------------------------------------------------------------

    def _own(self, trace: Trace) -> set[str]:
        """Directories that a clone of this repository makes: those named like it, or in which what is ours is run."""
        own = {name for name, placeholder in self.page.clones.items() if placeholder or name.lower() in self.names}
        for call in trace.calls:
            name, _, rest = call.site.directory.removeprefix(CWD).lstrip("/").partition("/")
            if name in self.page.clones and self._is_ours(call, rest):
                own.add(name)
        return own

    def _names(self) -> set[str]:
        """What the repository may be called, in small letters."""
        project = self.context.modules.projects.by_directory.get("")
        package = self.context.packages.get("package.json")
        said = [project.name, project.name.replace("_", "-")] if project is not None else []
        said += [posixpath.basename(package.documents.root["name"].text).lower()] if package is not None else []
        return {self.repository.root.name.lower(), *said} - {""}

    def _is_ours(self, call: Call, directory: str) -> bool:
        match call.target:
            case Script(path=word):
                return word.known and self.repository.is_file(_below(directory, word.value))
            case MakeTarget(names=names, file=None):
                return bool(names) and self._makes(directory, names)
            case PackageScript(name=word):
                package = self.context.packages.get(_below(directory, "package.json"))
                return package is not None and word.value in package.scripts
            case _:
                return False

    def directories(self, site: Site) -> list[str]:
        """Directories of the repository in which the reader may be."""
        found: list[str] = []
        for value in (site.directory, *site.elsewhere):
            if not value.startswith(CWD) or not is_known(value):
                continue
            inner = value.removeprefix(CWD).lstrip("/")
            first, _, rest = inner.partition("/")
            if first in self.own or (first.lower() in self.names and not self.repository.is_directory(inner)):
                inner = rest
            elif first in self.page.clones:
                continue
            for base in self._bases():
                place = posixpath.normpath(posixpath.join(base, inner or "."))
                if place not in found and not place.startswith("..") and self.repository.is_directory(place):
                    found.append(place)
        return found

    def _is_in_clone(self, site: Site) -> bool:
        """Whether the last that the page says of where its reader is, is a clone of another repository."""
        places = (each.removeprefix(CWD).lstrip("/").partition("/")[0] for each in (site.directory, *site.elsewhere))
        return any(
            each in self.page.clones and each not in self.own and each.lower() not in self.names for each in places
        )

    def _is_of_another(self, value: str) -> bool:
        """Whether the page speaks of a path below a variable that holds the place of another project."""
        said = rf"\$\{{?(\w+)\}}?/{re.escape(posixpath.normpath(value))}(?![\w./-])"
        return any(not _OURS.search(name) for name in re.findall(said, self.repository.text(self.path)))

    def _bases(self) -> Iterator[str]:
        yield from (*upward(posixpath.dirname(self.path)), ".")

    # --- commands ----------------------------------------------------------------------------------------------------

    def placed(self, call: Call) -> Call | None:
        directories = self.directories(call.site)
        if not directories:
            return None
        match call.target:
            case MakeTarget() | PackageScript() | Composition() | ImageBuild() if self.skill:
                return None
            case Composition() if self._is_in_clone(call.site):
                return None
            case Script(interpreter="source"):
                return None
            case Script(path=word, interpreter="", arguments=arguments) if self._is_installed(word.value):
                return self._at(replace(call, target=Program(word, arguments)), directories[0])
            case Script(path=word):
                return self._file(call, word, directories)
            case Needed(path=word, directory=is_directory):
                return self._file(call, word, directories, is_directory=is_directory)
            case Module():
                return self._module(call, call.target, directories)
            case MakeTarget():
                return self._make(call, call.target, directories)
            case PackageScript():
                return self._package(call, call.target, directories)
            case Composition(files=files):
                return self._compose(call, files, directories)
            case ImageBuild(context=word):
                return self._build(call, word, directories)
            case Program() | Started() | ProjectTask() | Recipe():
                return self._at(call, directories[0])
            case _:
                return None

    @staticmethod
    def _at(call: Call, directory: str) -> Call:
        return replace(call, site=replace(call.site, directory=joined(ROOT, directory), elsewhere=()))

    @staticmethod
    def _nowhere(call: Call) -> Call:
        """From wherever its reader begins: no directory has what it needs."""
        return replace(call, site=replace(call.site, directory=CWD, elsewhere=()))

    def _file(self, call: Call, word: Word, directories: list[str], *, is_directory: bool = False) -> Call | None:
        value = word.value
        if not word.known or value.startswith(("/", "~")) or _STAND_IN.search(value) or ":" in value:
            return None
        for directory in directories:
            if self.context.finder.path(word, self._at(call, directory).site, directory=is_directory).found:
                return self._at(call, directory)
        if re.match(r"(\./)?bin/", value) and _ENVIRONMENT_HERE.search(self.repository.text(self.path)):
            return None
        if "/" in value and self._is_of_another(value):
            return None
        if _READERS.search(self.repository.text(self.path)):
            return None
        others = call.target.either if isinstance(call.target, Needed) else ()
        if any(map(self._is_from_above, (value, *others))):
            return None
        name, folder = posixpath.basename(value.rstrip("/")), posixpath.dirname(posixpath.normpath(value))
        if name in self.made or name in self.page.written or name.partition(".")[0] in self.made:
            return None
        if (
            self.unpacks
            or value.removeprefix("./").split("/")[0] in self.made
            or (not folder and not self._is_said_plainly(call, value))
        ):
            return None
        if self.skill:
            directories = [posixpath.dirname(self.path)]
        if not folder and self._has_nearly(name):
            return self._at(call, posixpath.dirname(self.path) or ".")
        there = [each for each in directories if not folder or self.repository.is_directory(_below(each, folder))]
        if not there and (not self.front or isinstance(call.target, Needed)):
            return None
        return self._nowhere(call)

    def _is_installed(self, value: str) -> bool:
        """Whether a path is that of a command of ours in an environment: `./bin/shop`, `.venv/bin/shop`; or, by a path
        from the top, of one that is called by the beginning of such a name."""
        directory, name = posixpath.split(value)
        cut = "-" in name and any(each.startswith(f"{name}-") for each in self.context.entries.names)
        if cut and value.startswith(("/", "~")) and posixpath.basename(directory) in ("bin", "Scripts"):
            return True
        return (
            posixpath.basename(directory) in ("bin", "Scripts")
            and name in self.context.entries
            and not self.repository.is_directory(posixpath.normpath(directory))
        )

    def _has_nearly(self, name: str) -> bool:
        """Whether a file of nearly that name lies beside the page: that is what its reader looks for."""
        home, ending = posixpath.dirname(self.path), posixpath.splitext(name)[1]
        beside = [each for each in self.repository.inside(home or ".") if posixpath.dirname(each) == home]
        alike = [posixpath.basename(each) for each in beside if ending and each.endswith(ending)]
        return bool(get_close_matches(name, alike, n=1, cutoff=0.75))

    def _is_from_above(self, value: str) -> bool:
        """Whether a path is there for a reader who is in the directory that the repository was cloned into."""
        first, _, rest = value.removeprefix("./").partition("/")
        return first.lower() in self.names and self.repository.exists(posixpath.normpath(rest or "."))

    def _has_of_its_kind(self, value: str) -> bool:
        """Whether files like it lie beside the page; else it is one that the reader has."""
        ending, home = posixpath.splitext(value)[1], posixpath.dirname(self.path)
        return (
            not ending
            or value.startswith("./")
            or any(
                posixpath.dirname(each) == home and each.endswith(ending)
                for each in self.repository.inside(home or ".")
            )
        )

    def _is_said_plainly(self, call: Call, value: str) -> bool:
        """A file without a directory: pages name many that their readers have; ours are named by front pages."""
        if not self.front or _USUAL.fullmatch(posixpath.basename(value)) or not self._has_of_its_kind(value):
            return False
        if isinstance(call.target, Needed):
            return call.target.purpose.startswith("the requirements") or bool(_SAMPLE.search(value))
        return True

    def _module(self, call: Call, target: Module, directories: list[str]) -> Call | None:
        name = target.name.value
        if not is_known(name) or not self.context.module_roots(name.partition(".")[0]):
            return None
        for directory in directories:
            place = joined(ROOT, directory)
            if self.context.finder.module(name, replace(call.site, directory=place), (place,)).found:
                return replace(self._at(call, directory), target=replace(target, search=(place,)))
        return replace(call, target=replace(target, search=(CWD,))) if "." in name else None

    def _make(self, call: Call, target: MakeTarget, directories: list[str]) -> Call | None:
        if target.file is not None or not all(word.known for word in target.names):
            return None
        if self.scaffolds or (self.page.branch and not self.front):
            return None
        if any(self._makes(directory, target.names) for directory in self._all(directories, MAKEFILE_NAMES)):
            return None
        if any(self._is_in_template(word.value) for word in target.names):
            return None
        for directory in self._off_the_shelf(directories):
            if any(self.repository.is_file(_below(directory, name)) for name in MAKEFILE_NAMES):
                return self._at(call, directory)
        return None

    def _is_in_template(self, name: str) -> bool:
        """Whether the makefile of a project that is made from a template here has a target of that name."""
        rule = re.compile(rf"^{re.escape(name)}[ \t]*:(?!=)", re.MULTILINE)
        return any(
            (standing(path) is Standing.TEMPLATE or is_rendered(self.repository, path))
            and rule.search(self.repository.glimpse(path))
            for path in self.context.makefiles
        )

    def _makes(self, directory: str, names: tuple[Word, ...]) -> bool:
        """Whether a directory's makefile may have the targets; one that includes others may have any."""
        for name in MAKEFILE_NAMES:
            path = _below(directory, name)
            if path in self.context.makefiles:
                targets = self.context.making.targets(path)
                pages = re.search(r"^%:.*\n\t@?\$[({]SPHINXBUILD[)}] -M", self.repository.text(path), re.MULTILINE)
                if pages and any(word.value not in targets.names | _BUILDERS for word in names):
                    return False
                return self.context.makefiles[path].dynamic or all(targets.may_make(word.value) for word in names)
        return False

    def _package(self, call: Call, target: PackageScript, directories: list[str]) -> Call | None:
        if target.optional or target.workspace or not target.name.known:
            return None
        gone = self._is_gone_to(call, directories, "package.json")
        for directory in directories if gone else self._all(directories, ("package.json",)):
            package = self.context.packages.get(_below(directory, "package.json"))
            if package is None or target.name.value in package.scripts:
                return None
        for directory in self._off_the_shelf(directories):
            if _below(directory, "package.json") in self.context.packages:
                return self._at(call, directory)
        return None

    def _is_gone_to(self, call: Call, directories: list[str], name: str) -> bool:
        """Whether the commands before go to the directory below the page's own that has such a file."""
        inner = call.site.directory.removeprefix(CWD).strip("/")
        below = _below(posixpath.dirname(self.path), inner)
        return bool(inner) and directories[0] == below and self.repository.is_file(_below(below, name))

    def _off_the_shelf(self, directories: list[str]) -> list[str]:
        return [each for each in directories if not self.shelf or not f"{each}/".startswith(f"{self.shelf}/")]

    def _all(self, directories: list[str], names: tuple[str, ...]) -> list[str]:
        """Directories that have such a file: where the reader may be, and those that the page names."""
        there = {posixpath.dirname(path) or "." for name in names for path in self.repository.by_name.get(name, [])}
        named = {each for each in there if posixpath.basename(each) in self.page.words}
        return sorted(there & set(directories) | named)

    def _compose(self, call: Call, files: tuple[Word, ...], directories: list[str]) -> Call | None:
        if any(not word.known or _STAND_IN.search(word.value) for word in files):
            return None
        for directory in directories:
            wanted = [word.value for word in files]
            if wanted and all(self.repository.is_file(_below(directory, each)) for each in wanted):
                return self._at(call, directory)
            if not wanted and any(self.repository.is_file(_below(directory, name)) for name in COMPOSE_NAMES):
                return None if self._serves(call, directories, directory) else self._at(call, directory)
        gone = [word for word in files if posixpath.basename(word.value) not in self.made | self.page.written]
        if not gone or not (self.front or all(self._is_of_a_folder(word.value, directories) for word in files)):
            return None
        return self._nowhere(call)

    def _is_of_a_folder(self, value: str, directories: list[str]) -> bool:
        """Whether a file is there, or is named with a directory of ours in which others like it are."""
        finder = self.context.finder
        places = [_below(each, value) for each in directories]
        return any(map(self.repository.is_file, places)) or (
            "/" in posixpath.normpath(value) and any(finder.is_among_its_like(each, moved=False) for each in places)
        )

    def _serves(self, call: Call, directories: list[str], first: str) -> bool:
        """Whether compose files of another directory that the page may mean have the services that the first lacks."""
        assert isinstance(call.target, Composition)
        wanted = {word.value for word in call.target.services if word.known}
        by_directory: dict[str, set[str]] = {}
        for file in self.context.composes.values():
            by_directory.setdefault(file.directory, set()).update(name for name, _ in file.root["services"].items())
        if wanted <= by_directory.get(first, set()):
            return False
        named = {each for each in by_directory if posixpath.basename(each) in self.page.words}
        return any(wanted <= by_directory.get(each, set()) for each in (named | set(directories)) - {first})

    def _build(self, call: Call, context: Word, directories: list[str]) -> Call | None:
        if not context.known or _STAND_IN.search(context.value):
            return None
        there = [each for each in directories if self.repository.is_directory(_below(each, context.value))]
        target = call.target
        assert isinstance(target, ImageBuild)
        if target.dockerfile is None or not there or not target.dockerfile.known:
            return None
        name = target.dockerfile.value
        if {"Dockerfile", posixpath.basename(name)} & self.page.written or posixpath.basename(name) in self.made:
            return None
        folder = posixpath.dirname(name)
        if folder and not self.front and not any(self.repository.is_directory(_below(each, folder)) for each in there):
            return None
        holds = [each for each in there if self.repository.is_file(_below(each, name))]
        deeper = [posixpath.dirname(each) for each in self.repository.by_name.get(name, [])]
        if not holds and any(f"{each}/".startswith(f"{base}/") for each in deeper for base in there):
            return None  # the one of the directory that the reader has chosen
        return self._at(call, (holds or there)[0])


def _below(directory: str, path: str) -> str:
    return posixpath.normpath(posixpath.join(directory, path))
