"""Where the target of a call is, or that it is nowhere: a call meets the repository, or the image that it runs in.

Unknown is the usual answer when in doubt. A target is missing only where everything that decides it is known: the
directory, the file system, that nobody makes it, that git does not ignore it, that it lies in no other repository.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from difflib import get_close_matches
from functools import cached_property
from typing import TYPE_CHECKING

from sophia_preflight.calls.hosts import is_at_home, module_on_host, on_host
from sophia_preflight.calls.locations import NOWHERE, ImageView, Location, State, below
from sophia_preflight.calls.model import Caller, Produced, Site, System
from sophia_preflight.facts import PythonFacts
from sophia_preflight.model import Confidence
from sophia_preflight.mounting import covered
from sophia_preflight.packaging import PythonProject, normal_name
from sophia_preflight.readers.compose import mount_of
from sophia_preflight.text import CWD, ROOT, Word, in_repository, is_known, joined, named, upward

if TYPE_CHECKING:
    from sophia_preflight.context import Context

_MADE = re.compile(
    r"(^|/)(dist|build|out|target|node_modules|\.venv|venv|env|\.next|coverage|htmlcov|(tmp|temp)([-_][\w-]+)?|generated|gen|__generated__|"
    r"\.tox|\.nox|artifacts|downloads|\.git|\.cache|_build|site|logs?|cdk\.out|\.aws-sam|\.serverless|bazel-bin|Pods)(/|$)"
)
_RUNTIME = re.compile(
    r"(^|/)\.env($|\.(?!([\w-]+\.)*(example|sample|template|dist)$))|\.(log|pid|sock|db|sqlite3?|pem|key|crt|cer|p12|whl|tar|gz|tgz|zip|jar|exe|bin|so|dump|bak)$|(^|/)a\.out$|"
    r"\.pb(\.gw)?\.(go|cc|h)$|_pb2(_grpc)?\.pyi?$|\.swagger\.json$|[._](gen|generated)\.\w+$"
)


_WRITTEN = re.compile(
    r"\.(ya?ml|toml|py|[cm]?[jt]sx?|conf|cfg|ini|j2|sql|tf|hcl|example|sample|service|ps1|env|rb|tmpl|tpl)$"
)
"""Endings of what people write and hardly any archive brings."""
_SYSTEM = re.compile(r"/(etc|usr|var|s?bin|lib|root|home|opt)/")
"""Where what is made is no file of a repository; elsewhere it may be, unless it is a copy of one that is there."""
_CONVENTIONAL = re.compile(
    r"requirements[\w.-]*\.txt|package(-lock)?\.json|pyproject\.toml|Makefile|Dockerfile|(docker-)?compose\.ya?ml|main\.py"
)
"""Names that many directories have a file by: one that is made says nothing of another."""
_COMPILED = (".c", ".cc", ".cpp", ".cxx", ".rs", ".hs", ".zig", ".nim", ".f90", ".d")
"""Endings of sources that are made into a program by their name."""
_BUILDS = ("Makefile.am", "CMakeLists.txt", "meson.build", "Cargo.toml")
_PROGRAMS = re.compile(
    r"^\w+_PROGRAMS[ \t]*\+?=[ \t]*((?:[^\\\n]|\\\n)*)|\badd_executable\s*\(\s*([\w.-]+)"
    r"|\bexecutable\s*\(\s*'([\w.-]+)'|^\[\[bin\]\]\s*\nname\s*=\s*\"([\w-]+)\"",
    re.MULTILINE,
)
_KEPT_HIDDEN = re.compile(r"\.(github|gitlab|circleci|ci|docker|devcontainer|vscode|config|buildkite|husky|\w*ops)")
"""Hidden directories that people write files into; others are made by tools."""


_RECIPES = re.compile(r"\.(sh|bash|mk)$|(^|/)(GNUm|m|M)akefile$")
_COPIES = re.compile(r"\bcp +-[a-zA-Z]*[rRa]|\brsync\b")
_FILLS_BIN = ("go.mod", "Cargo.toml", "CMakeLists.txt", "Gemfile", "composer.json")

_TOOLS = named(
    "mypy pytest pip ruff black isort flake8 coverage build twine tox nox venv unittest pylint pyright sphinx"
)
"""Modules of others that a file of ours may be called as well: far from the caller it is not what is run."""


def _copies(folder: str, text: str) -> bool:
    """Whether a text copies all that is in a folder, which it may call by the end of its path."""
    end = re.escape("/".join(folder.split("/")[-2:]))
    return re.search(rf"(?:{_COPIES.pattern})[^\n]*[\s/\"']{end}(?:/(?:\*|\.)?)?[\"']?(?=\s|$)", text) is not None


class Finder:
    """Asks where things are, in the circumstances of their call."""

    def __init__(self, context: Context) -> None:
        self.context, self.repository = context, context.repository
        self._kept: dict[str, bool] = {}
        self.made_names: set[str] = set()
        self.made_tree_names: set[str] = set()
        self.made_trees: set[str] = set()
        self.made_paths: set[str] = set()
        self.unpacking: set[str] = set()
        """Files that unpack something into their own directory: there may be more than is here."""
        for path, trace in context.traces.items():
            for produced in trace.produced:
                self._note(produced, path)

    def _note(self, produced: Produced, path: str) -> None:
        if produced.tree and produced.path in (ROOT, CWD):
            self.unpacking.add(path)
            return
        name = posixpath.basename(produced.path)
        placed = produced.path.startswith(ROOT) and is_known(produced.path) and _CONVENTIONAL.fullmatch(name)
        elsewhere = produced.path.startswith("/") and (
            _SYSTEM.match(produced.path) is not None or name in self.repository.by_name
        )
        on_the_way = produced.empty and not produced.tree
        usable = is_known(name) and name not in ("", ".", "..", "bin") and not name.startswith((ROOT, CWD))
        if usable and not placed and not elsewhere and not produced.copied and not on_the_way:
            self.made_names.add(_name(produced.path))
            if produced.tree:
                self.made_tree_names.add(name)
        for base in self.bases(path, produced.path):
            if base not in (".", ""):
                (self.made_trees if produced.tree else self.made_paths).add(base)

    # --- paths -------------------------------------------------------------------------------------------------------

    def path(self, word: Word, site: Site, *, directory: bool = False, written: bool = False) -> Location:
        """Where a path of a call leads; what people write is not made by whatever makes something of its name."""
        if not word.known or not word.value or site.system is System.UNKNOWN or word.value[1:3] in (":/", ":\\"):
            return NOWHERE
        if site.system is System.REMOTE:
            return on_host(self, joined(site.directory if not is_at_home(word.value) else "", word.value), site)
        value = joined(site.directory, word.value)
        if site.system is System.IMAGE:
            there = self._in_images(word.value, site)
            return NOWHERE if there.missing and self._tested(value, site) else there
        if value.startswith("/") or not is_known(value) or value[:1] == "~":
            return on_host(self, value, site)
        tested = self._tested(value, site)
        found = self.candidate(value, site, directory=directory, written=written)
        opaque = site.opaque or site.path in self.unpacking
        return NOWHERE if found.missing and (tested or (opaque and not self._is_source(found.path))) else found

    def _is_in_next_folder(self, inner: str) -> bool:
        """Whether a script is in a folder beside the one that is named, and nowhere else."""
        folder, name = posixpath.split(inner)
        beside = [each for each in self.repository.by_name.get(name, ()) if re.search(r"\.(py|sh|bash)$", each)]
        return len(beside) == 1 and posixpath.dirname(posixpath.dirname(beside[0])) == posixpath.dirname(folder) != ""

    def _is_source(self, inner: str) -> bool:
        """A file that people write, and that an artifact hardly brings, in a directory that is there."""
        if inner.startswith(".github/"):
            return True
        if "/" not in inner or not self.repository.is_directory(posixpath.dirname(inner)):
            return self._is_in_next_folder(inner)
        if re.search(r"\.(py|sh|bash)$", inner) or self.is_among_its_like(inner, moved=False):
            return True
        return self._is_one_step_off(inner)

    def _is_one_step_off(self, path: str) -> bool:
        """Whether a file of that name, which not every directory has, is right above or right below its place."""
        directory, name = posixpath.split(path)
        homes = (posixpath.dirname(each) for each in self.repository.by_name.get(name, ()))
        above = posixpath.dirname(directory)
        near = (each in (directory, above) or posixpath.dirname(each) == directory for each in homes)
        return not _CONVENTIONAL.fullmatch(name) and any(near)

    def _tested(self, value: str, site: Site) -> bool:
        tested = (each for each in site.guard.tested if each not in (CWD, ROOT))  # an empty word, or where one is
        return any(value == each or value.startswith(each.rstrip("/") + "/") for each in tested)

    def candidate(self, value: str, site: Site, *, directory: bool = False, written: bool = False) -> Location:
        """A path value in the repository, wherever its beginning may be."""
        places = list(self.bases(site.path, value))
        if not places:
            return NOWHERE
        for place in places:
            if self.exists(place, directory=directory):
                return Location(State.FOUND, self.repository.resolved(place))
        if any(map(self._may_be_put, places)) if written else self._may_be_made(places):
            return NOWHERE
        if any(self._is_beside_twin(site.path, each, directory=directory) for each in places):
            return NOWHERE
        exact = value.startswith(ROOT)
        inner = [place for place in places if not place.startswith("..") and "/" in place]
        if not exact and value.startswith(f"{CWD}/../") and len(inner) == 1:
            return self._above(inner[0], directory=directory)
        if not exact:
            relative = value[1:].lstrip("/")
            if self.repository.ending_with(relative) or self._directory_ending(relative):
                return NOWHERE
        if ".." in places[0].split("/") or not self._directory_there(site):
            return NOWHERE
        where = posixpath.dirname(places[0]) or "."
        confidence = Confidence.LIKELY if site.caller is Caller.DOCUMENT else Confidence.CERTAIN
        return Location(State.MISSING, places[0], confidence, f"`{where}`" if where != "." else "the repository")

    def _above(self, place: str, *, directory: bool) -> Location:
        """What a file of a directory names above it: the one place that is in the repository at all."""
        folder = posixpath.dirname(place)
        elsewhere = self._directory_ending(place) if directory else self.repository.ending_with(place)
        if elsewhere or not self.repository.is_directory(folder) or not self.is_among_its_like(place, moved=False):
            return NOWHERE
        return Location(State.MISSING, place, Confidence.LIKELY, f"`{folder}`")

    def _is_beside_twin(self, caller: str, path: str, *, directory: bool) -> bool:
        """Whether a path is there from where a link to its caller lies, or a copy of it: that is what is run."""
        home = posixpath.dirname(caller)
        if not home or not path.startswith(f"{home}/"):
            return False
        inner = path[len(home) + 1 :]
        places = (posixpath.join(posixpath.dirname(each), inner) for each in self._twins(caller))
        return any(self.exists(each, directory=directory) for each in places)

    def _twins(self, path: str) -> Iterator[str]:
        """Links to a file, and copies of it."""
        entries, texts = self.repository.entries, self.repository.text
        for each in self.repository.by_name.get(posixpath.basename(path), []):
            copied = path in entries and entries[each].size == entries[path].size and texts(each) == texts(path)
            if each != path and (entries[each].target == path or copied):
                yield each

    def _may_be_made(self, places: Sequence[str]) -> bool:
        """Whether something makes it; where one of the directories that it may be in is there, it is not in another."""
        likely = [place for place in places if self.repository.is_directory(posixpath.dirname(place) or ".")]
        return any(self.is_made(place) for place in likely or places) or any(map(self._is_put, places))

    def _directory_there(self, site: Site) -> bool:
        """Whether the call's own directory is there; if not, whoever goes there is told, not whoever follows."""
        places = [each for each in self.bases(site.path, site.directory) if not each.startswith("..")]
        return not places or any(map(self.repository.is_directory, places))

    def _directory_ending(self, relative: str) -> bool:
        return any(each == relative or each.endswith("/" + relative) for each in self.repository.directories)

    def exists(self, path: str, *, directory: bool = False) -> bool:
        if path.startswith(".."):
            return False
        return self.repository.is_directory(path) if directory else self.repository.exists(path)

    def is_made(self, path: str) -> bool:
        """Whether something that is not here now may well be there when it is needed."""
        if path.startswith(".."):
            return True
        name = posixpath.basename(path)
        if not self.made_names.isdisjoint((name, _name(path))):
            return True
        if self._is_put(path) or _RUNTIME.search(path):
            return True
        match = _MADE.search(path)
        if match and not self.repository.is_directory(path[: match.end()].rstrip("/")):
            return True
        if path.endswith(".py") and self.context.modules.is_compiled(path):
            return True
        if self._is_configured(path) or self._is_below_made(path) or self._is_compiled(name):
            return True
        if self._is_vendored(path) or self._is_installed(path) or self.repository.is_left_out(path):
            return True
        if self._is_put_together(path) or self._is_of_a_whole(path):
            return True
        ignored = self.repository.is_ignored(path) and not self._is_kept_elsewhere(path)
        return ignored or self.repository.is_foreign(path)

    def _is_vendored(self, path: str) -> bool:
        """Whether `go mod vendor` brings it, which was not run here."""
        before, mark, _ = f"/{path}/".partition("/vendor/")
        module = before.lstrip("/")
        here = self.repository.is_directory(posixpath.join(module, "vendor"))
        return bool(mark) and not here and self.repository.is_file(posixpath.join(module, "go.mod"))

    def _is_of_a_whole(self, path: str) -> bool:
        """Whether the path leads through a folder that is called like this project, and is no folder of it, to what is
        here: it begins in a larger repository, of which this is a part."""
        project = self.context.modules.projects.by_directory.get("")
        name = normal_name(project.name) if project is not None else ""
        parts = path.split("/")
        return any(
            at > 0 and normal_name(part) == name and self.repository.exists("/".join(parts[at + 1 :]))
            for at, part in enumerate(parts[:-1])
            if name and not self.repository.is_directory("/".join(parts[: at + 1]))
        )

    def _is_put_together(self, path: str) -> bool:
        """Whether what lies in another folder, by the same name in a folder of the same name, is copied with all that
        it lies in: folders of several things are put together somewhere else, and this one is meant to be there."""
        name = posixpath.basename(path)
        below = f"{posixpath.basename(posixpath.dirname(path))}/{name}"
        twins = (each for each in self.repository.by_name.get(name, ()) if each.endswith(f"/{below}"))
        homes = {each.removesuffix(f"/{below}") for each in twins if each != path}
        return any("/" in home and any(_copies(home, text) for text in self._copying) for home in homes)

    @cached_property
    def _copying(self) -> list[str]:
        """The texts of makefiles and shell scripts that copy folders."""
        paths = (each for each in self.repository.entries if _RECIPES.search(each))
        texts = (self.repository.glimpse(each) for each in paths)
        return [text for text in texts if _COPIES.search(text)]

    def _is_installed(self, path: str) -> bool:
        """Whether it is a program in a `bin` that is not there, of a project whose tools put some there."""
        directory, name = posixpath.split(path)
        if posixpath.basename(directory) != "bin" or "." in name or self.repository.is_directory(directory):
            return False
        home = posixpath.dirname(directory)
        return any(self.repository.is_file(posixpath.join(home, each)) for each in _FILLS_BIN)

    def _is_kept_elsewhere(self, path: str) -> bool:
        """Whether git has one of that name although it is told to ignore it, too: its patterns say too much."""
        name, tracked = posixpath.basename(path), self.repository.tracked
        if name not in self._kept:
            within = f"/{name}/"
            self._kept[name] = any(
                self.repository.is_ignored(each)
                for each in tracked
                if each.endswith(f"/{name}") or each == name or within in f"/{each}"
            )
        return self._kept[name]

    def _may_be_put(self, path: str) -> bool:
        """Whether a command puts what people write there, or brings it from elsewhere."""
        return self._is_put(path) or self._is_vendored(path) or self.repository.is_left_out(path)

    def _is_put(self, path: str) -> bool:
        """Whether a command makes it, or puts things into a directory that it may be among.

        What is put beside scripts that people write is hardly one more of them."""
        if path in self.made_paths:
            return True
        for tree in self.made_trees:
            if path == tree or path.startswith(tree + "/"):
                directory = posixpath.dirname(path)
                written = path.endswith((".sh", ".bash")) and self.repository.is_directory(directory)
                if written and any(each.endswith((".sh", ".bash")) for each in self.repository.beside(directory)):
                    return False
                return not _WRITTEN.search(path) or not self._has_namesake(path)
        return False

    def _has_namesake(self, path: str) -> bool:
        """Whether a file of its ending and nearly of its name, which git has, lies beside where it would be."""
        directory, name = posixpath.split(path)
        tracked = self.repository.tracked
        beside = (each for each in self.repository.beside(directory) if not tracked or each in tracked)
        ending = posixpath.splitext(name)[1]
        alike = [posixpath.basename(each) for each in beside if each.endswith(ending)]
        return bool(get_close_matches(name, alike, n=1, cutoff=0.75))

    def is_among_its_like(self, path: str, *, moved: bool = True) -> bool:
        """Whether a path that is nowhere has neighbours that it would be one of: of its ending, or nearly of its name;
        or, if it may have been moved, whether there is a file of its name elsewhere."""
        directory, name = posixpath.split(path)
        ending = posixpath.splitext(name)[1]
        beside = [posixpath.basename(each) for each in self.repository.beside(directory)]
        alike = [each for each in beside if posixpath.splitext(each)[1] == ending]
        if not ending:
            folders = (each for each in self.repository.directories if posixpath.dirname(each) == directory)
            alike += map(posixpath.basename, folders)
        if get_close_matches(name, alike, n=1, cutoff=0.75):
            return True
        if not ending or not directory:
            return False
        if len(alike) > 1:
            return True
        folder = posixpath.basename(directory)
        homes = (posixpath.dirname(each) for each in self.repository.by_name.get(name, ()))
        there = self.repository.is_directory(directory)
        return moved and any(there or posixpath.basename(each) == folder for each in homes)

    def _is_configured(self, path: str, find: Callable[[str], object] | None = None) -> bool:
        """Whether a step of configuration makes it: from a template beside it, or as makefiles of such projects are.

        `find` asks for files of the file system that the path is in, if that is not the repository."""
        is_file = find or self.repository.is_file
        if any(is_file(path + ending) for ending in (".in", ".am", ".PL", ".ac")):
            return True
        name, directory = posixpath.basename(path), posixpath.dirname(path)
        if name not in ("Makefile", "makefile", "GNUmakefile", "configure", "config.status"):
            return False
        names = ("CMakeLists.txt", "configure", "configure.ac", "Makefile.PL", "meson.build", "extconf.rb")
        return any(is_file(posixpath.join(directory, each)) for each in names)

    def _is_compiled(self, name: str) -> bool:
        """Whether a compiler makes a program of that name, as far as the names of sources tell."""
        sources = self.repository.by_name
        compiled = "." not in name and any(name + each in sources for each in _COMPILED)
        return compiled or name in self._go or name in self._programs

    def is_program(self, name: str) -> bool:
        """Whether a build makes a program of that name, as far as what it is told to build tells."""
        return name in self._programs or name in self._go

    @cached_property
    def _programs(self) -> set[str]:
        """Names of the programs that automake, CMake, Meson and Cargo are told to build."""
        paths = [path for name in _BUILDS for path in self.repository.by_name.get(name, [])]
        paths += [path for path in self.repository.entries if path.endswith(".am") and path not in paths]
        texts = (self.repository.glimpse(path) for path in paths)
        return {
            name for text in texts for match in _PROGRAMS.finditer(text) for name in match[match.lastindex or 0].split()
        }

    @cached_property
    def _go(self) -> set[str]:
        """Names of directories with source in Go, and of modules: `go build` calls a program after them."""
        directories = {posixpath.dirname(path) for path in self.repository.entries if path.endswith(".go")}
        texts = (self.repository.glimpse(path) for path in self.repository.by_name.get("go.mod", []))
        modules = (match[1] for text in texts if (match := re.search(r"^module\s+(\S+)", text, re.MULTILINE)))
        return {posixpath.basename(each) for each in (*directories, *modules) if each}

    def _is_below_made(self, path: str) -> bool:
        """Whether the first directory on its way that is not here is a tool's, or called like one that is made."""
        parts = path.split("/")[:-1]
        for end in range(1, len(parts) + 1):
            if not self.repository.is_directory("/".join(parts[:end])):
                first = parts[end - 1]
                hidden = first.startswith(".") and not _KEPT_HIDDEN.fullmatch(first)
                return hidden or first in self.made_tree_names
        return False

    def bases(self, file: str, value: str) -> Iterator[str]:
        """Paths of the repository that a value may mean: one, or one for each directory that a caller may be in."""
        if not is_known(value):
            return
        if value.startswith(ROOT):
            inner = in_repository(value)
            yield inner if inner is not None else "../outside"
        elif value.startswith(CWD):
            relative = value[1:].lstrip("/") or "."
            directory = posixpath.dirname(file)
            seen = set()
            for base in (".", *upward(directory), *self.context.callers_directories(file)):
                place = posixpath.normpath(posixpath.join(base, relative))
                if place not in seen:
                    seen.add(place)
                    yield place

    # --- images ------------------------------------------------------------------------------------------------------

    def _in_images(self, value: str, site: Site) -> Location:
        """In every file system that the call may run in; missing only where all agree."""
        systems = list(self.context.filesystems(site))
        if not systems:
            absolute = joined(site.directory, value)
            return (self._mounted(absolute, site) if is_known(absolute) else None) or NOWHERE
        missing: Location | None = None
        for system in systems:
            path = self._image_path(value, site, system)
            mounted = self._mounted(path, site) if path else None
            if mounted is not None:
                return mounted
            found = system.files.find(path) if path else None
            if found:
                return Location(State.FOUND, found)
            if found is None or self._is_configured(path, system.files.find) or self._is_inside(path, site, system):
                return NOWHERE
            if path.startswith("/tmp/") and posixpath.basename(path) not in self.repository.by_name:
                return NOWHERE  # made by what is at work there
            if self._is_covered(path, site) or self.repository.is_left_out(system.files.home(path) or "."):
                return NOWHERE
            if system.files.is_opaque() and self._is_compiled(posixpath.basename(path)):
                return NOWHERE
            confidence = Confidence.CERTAIN if system.certain else Confidence.LIKELY
            missing = Location(State.MISSING, path, confidence, f"the image, at `{path}`")
        return missing or NOWHERE

    @staticmethod
    def _is_inside(path: str, site: Site, system: ImageView) -> bool:
        """Whether the call's own directory, which a `cd` went to, is not there: that is told of the `cd`."""
        directory = site.directory
        inside = directory.startswith("/") and path.startswith(f"{directory.rstrip('/')}/")
        return inside and directory != system.files.workdir and system.files.find(directory) == ""

    def _image_path(self, value: str, site: Site, system: ImageView) -> str:
        directory = site.directory
        if directory.startswith(CWD):
            directory = system.files.workdir + directory[1:]
        path = joined(directory, value)
        return path if path.startswith("/") and is_known(path) else ""

    def _is_covered(self, path: str, site: Site) -> bool:
        """Whether who starts the image mounts something over a path that its start needs."""
        targets = self._covered.get(site.image.partition("#")[0], ()) if site.caller is Caller.START else ()
        return any(f"{path}/".startswith(f"{each}/") for each in targets)

    @cached_property
    def _covered(self) -> dict[str, frozenset[str]]:
        return covered(self.context)

    def _mounted(self, path: str, site: Site) -> Location | None:
        """What a mount of the service says of a path in its container; None where no mount covers it."""
        for project, service in self.context.services_at(site) if site.inside or "::" in site.image else ():
            for part in reversed(service.listed("volumes")):
                mount = mount_of(part.node)
                if mount is None or not (path + "/").startswith(mount.target.rstrip("/") + "/"):
                    if mount is not None and not is_known(mount.target):
                        return NOWHERE
                    continue
                relative = mount.kind == "bind" and mount.source.startswith(".") and not mount.assumed
                if not relative or not is_known(mount.source):
                    return NOWHERE
                inner = path[len(mount.target.rstrip("/")) :].lstrip("/")
                base = posixpath.join(project.base_of(part.file), mount.source, inner)
                return self.candidate(joined(ROOT, posixpath.normpath(base)), site)
        return None

    # --- modules -----------------------------------------------------------------------------------------------------

    def module(self, name: str, site: Site, search: Iterable[str]) -> Location:
        """The file of a dotted module; a module that is not ours is unknown."""
        inner = name.replace(".", "/")
        top = name.partition(".")[0]
        if is_known(name) and site.system is System.UNKNOWN and site.caller is Caller.KUBERNETES:
            roots = self.context.module_roots(top)
            ours = "/" in inner and top in {normal_name(each.name) for each in self._projects()}
            return (self._lacking_of_installed(inner, top, roots) if ours else None) or NOWHERE
        if not is_known(name) or site.system is System.UNKNOWN:
            return NOWHERE
        if site.system is System.REMOTE:
            installed = site.caller in (Caller.SYSTEMD, Caller.CRON, Caller.SUPERVISOR)
            return module_on_host(self, inner, top, search) if installed else NOWHERE
        if site.system is System.IMAGE:
            return self._module_in_images(inner, top, site, search)
        roots = self.context.module_roots(top)
        if "." in name:  # a file of that name is no package
            roots = {each for each in roots if self.repository.is_directory(below(each, top))}
        wanted = {place for each in search for place in self.bases(site.path, each)}
        for root in sorted(roots, key=lambda each: (each not in wanted, each)):
            if name in _TOOLS and root not in wanted:
                continue
            if found := self.module_file(root, inner):
                return Location(State.FOUND, found)
        near = [root for root in sorted(roots) if root in wanted] or self._installed(roots)
        if not near or any(self.is_made(below(root, inner) + ".py") for root in near) or site.opaque:
            return NOWHERE
        exact = all(each.startswith(ROOT) for each in search)
        own = site.path.startswith(f"{below(near[0], top)}/")
        if not exact and own and self.repository.is_file(below(near[0], "__init__.py")):
            return NOWHERE  # its own package lies within another one, by whose name alone nobody knows it
        return Location(
            State.MISSING, f"{below(near[0], inner)}.py", Confidence.CERTAIN if exact else Confidence.LIKELY,
            f"the package `{top}` in `{near[0]}`",
        )  # fmt: skip

    def _projects(self) -> Iterable[PythonProject]:
        return self.context.modules.projects.by_directory.values()

    def _installed(self, roots: set[str]) -> list[str]:
        """The one folder that has the package, where a project's packages lie: who runs it installed the project."""
        if len(roots) != 1:
            return []
        (root,) = roots
        above = [root, posixpath.dirname(root) or "."] if posixpath.basename(root) == "src" else [root]
        projects = ("pyproject.toml", "setup.py", "setup.cfg")
        is_project = any(self.repository.is_file(below(each, name)) for each in above for name in projects)
        return [root] if is_project else []

    def module_file(self, root: str, inner: str) -> str | None:
        base = below(root, inner)
        for path in (f"{base}.py", f"{base}/__init__.py"):
            if self.repository.is_file(path):
                return self.repository.resolved(path)
        if self.repository.is_directory(base) and any(path.endswith(".py") for path in self.repository.inside(base)):
            return base
        return None

    def only_module(self, name: str) -> str:
        """The one module of ours that has a name with dots, wherever it is: images hold it under that name too."""
        top, dot, _ = name.partition(".")
        if not dot or not is_known(name):
            return ""
        found = {self.module_file(root, name.replace(".", "/")) for root in self.context.module_roots(top)} - {None}
        return str(found.pop()) if len(found) == 1 else ""

    def only_program(self, name: str) -> str:
        """The one module of ours that `-m` starts by a name: with dots, or a package that can be run."""
        if "." in name or not is_known(name):
            return self.only_module(name)
        mains = [posixpath.join(root, name, "__main__.py") for root in self.context.module_roots(name)]
        there = [path for each in mains if self.repository.is_file(path := posixpath.normpath(each))]
        return there[0] if len(mains) == len(there) == 1 else ""

    def _module_in_images(self, inner: str, top: str, site: Site, search: Iterable[str]) -> Location:
        roots = self.context.module_roots(top)
        missing: Location | None = None
        search = list(search) or [site.directory]
        systems = list(self.context.filesystems(site))
        if not systems and self.context.seeing.is_by_variable(site, top):
            return self._lacking_of_installed(inner, top, roots) or NOWHERE
        for system in systems:
            answers: list[str | None] = []
            for directory in search:
                base = (
                    self._image_path(directory, site, system)
                    if directory != site.directory
                    else self._image_path(".", site, system)
                )
                if not base:
                    answers.append(None)
                    continue
                for path in (f"{base}/{inner}.py", f"{base}/{inner}/__init__.py", f"{base}/{inner}"):
                    mounted = self._mounted(path, site)
                    if mounted is not None and not mounted.missing:
                        return mounted
                    answer = "" if mounted is not None else system.files.find(path)
                    if answer:
                        return Location(State.FOUND, answer)
                    answers.append(answer)
            if None in answers or not roots:
                lacking = self._lacking_of_installed(inner, top, roots) if system.files.installs() else None
                if lacking is None:
                    return NOWHERE
                missing = lacking
                continue
            if system.files.installs() and any(self.module_file(root, inner) for root in roots):
                return NOWHERE
            confidence = Confidence.CERTAIN if system.certain else Confidence.LIKELY
            place = f"{self._image_path('.', site, system)}/{inner}.py"
            missing = Location(State.MISSING, place, confidence, f"the image, at `{place}`")
        return missing or NOWHERE

    def _lacking_of_installed(self, inner: str, top: str, roots: set[str]) -> Location | None:
        """Of an image that installs the repository's own project: a module that the project does not have."""
        installed = self._installed(roots)
        if not installed or any(self.module_file(root, inner) for root in installed):
            return None
        root = installed[0]
        if self.is_made(below(root, inner) + ".py"):
            return None
        return Location(State.MISSING, below(root, inner) + ".py", Confidence.LIKELY, f"the package `{top}`")

    def lacks(self, module: str, attribute: str) -> bool:
        """Whether a module's file certainly has no such name at its top."""
        facts = self.context.python(module)
        if not isinstance(facts, PythonFacts) or facts.fault is not None or facts.open:
            return False
        return attribute.partition(".")[0] not in facts.names


def _name(path: str) -> str:
    """What a file that is made is known by: its name, for one of a usual name with that of its directory."""
    directory, name = posixpath.split(path)
    folder = posixpath.basename(directory)
    usual = _CONVENTIONAL.fullmatch(name) and is_known(folder) and folder not in ("", ".", ROOT, CWD)
    return f"{folder}/{name}" if usual else name
