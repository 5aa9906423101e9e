"""What is inside an image before anybody builds it: which files of the repository a Dockerfile puts where.

A stage is followed instruction by instruction over a build context. A path in it is present (and is a file of the
repository), absent, or unknown: what RUN makes, and what foreign images bring, cannot be told.
"""

from __future__ import annotations

import fnmatch
import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sophia_preflight.base_images import begins_in, brings, is_bare, is_plain
from sophia_preflight.calls.model import Trace
from sophia_preflight.ignoring import DockerIgnore
from sophia_preflight.readers.dockerfile import Dockerfile, Instruction, Stage
from sophia_preflight.text import CWD, UNKNOWN, is_known, joined, named

if TYPE_CHECKING:
    from sophia_preflight.repository import Repository

_MADE = re.compile(
    r"(^|/)(dist|build|out|target|bin|lib|\.next|node_modules|\.venv|venv|public|static|\.output|wheels?|vendor)(/|$)"
)
_INSTALLS = re.compile(
    r"\bpip3?\s+install\b[^&|;]*(\s[\"']?\.([\[/\s\"']|$)|\s-e\s|\s[\"']?/\S|\.whl)"
    r"|\b(poetry\s+install|uv\s+sync|pdm\s+install|setup\.py\s+install|pipenv\s+install|hatch\s+build|-m\s+build)\b"
    r"|\b(uv\s+tool|pipx)\s+install\s+[\"']?\."
)

_FETCHES = re.compile(
    r"\bgit\s+clone\s[^&|;\n]*\s\.[ \t]*($|[&|;\n])|\bgit\s+init[ \t]*($|[&|;\n]|\.[ \t]*($|[&|;\n]))"
    r"|\btar\s(?![^&|;\n]*\s(-C|--directory|--one-top-level))(?=[^&|;\n]*--strip)-?-?\w*x",
    re.MULTILINE,
)
"""What fills the directory that it works in with files of others."""

_WRITTEN = re.compile(r"\.(sh|bash)$")
"""Files that people write, and commands of a build hardly ever do."""


_SHIPPED = re.compile(r"\.(sh|bash|py|[cm]?js|rb|pl|php)$")
"""Endings of scripts, as they are put where programs lie."""
_QUIET = named(
    "apt-get apt apk yum dnf microdnf adduser addgroup useradd groupadd usermod mkdir chmod chown chgrp rm ln cp "
    "mv set echo printf cd true test [ : export update-ca-certificates strip upx setcap ldconfig sed touch cat find git"
)
"""Programs that make nothing which `Trace.produced` does not know; what packages bring lies where systems put it."""
_SYSTEM = re.compile(r"/(usr(?!/local/bin/)|lib\w*|etc|var|s?bin|root|home|proc|sys|dev|run|tmp|opt|go|mnt|srv)(/|$)")
"""Where systems, packages and tools put things."""
_PROGRAM_FILE = re.compile(r"[\w./-]+\.py(?![\w.])")
_WRITES = re.compile(r"\.write(_text|_bytes|lines)?\(|open\([^)\n]*[\"'][wxa]b?[\"']|\bdump\(|\bcopy\w*\(")
_COMMANDS = re.compile(r"&&|\|\||[;|\n]")
_ASSIGNED = re.compile(r"\s*(?:[A-Za-z_]\w*=(?:\"[^\"]*\"|'[^']*'|\S*)\s+)*")
_PROGRAMS = ("/usr/local/bin", "/usr/local/sbin", "/usr/bin", "/usr/sbin", "/bin", "/sbin")


@dataclass(frozen=True)
class Copied:
    """A file or directory of the context at a place in the image."""

    source: str
    destination: str
    directory: bool


@dataclass
class Filesystem:
    """A stage at some point; ask `find`."""

    repository: Repository
    context: str
    ignore: DockerIgnore
    workdir: str = UNKNOWN
    copied: list[Copied] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    """Below these anything may be."""
    begun: list[str] = field(default_factory=list)
    """Directories that commands make: what is in them is unknown, unless a directory of the repository is."""
    moved: list[tuple[str, str, Filesystem]] = field(default_factory=list)
    """Trees that are copied from other stages: where to, where from, and the stage."""
    made: set[str] = field(default_factory=set)
    """Paths and base names that commands make."""
    below: Filesystem | None = None
    base: str = ""
    """The image that the stage begins with; empty where it begins with another stage."""
    installs_project: bool = False
    opaque: bool = False
    """Commands were run that may make anything."""
    put: list[str] = field(default_factory=list)
    """Single files that are copied from other stages or made by commands: paths."""
    owned: set[str] = field(default_factory=set)
    """Directories that only we put something into."""
    matched: list[tuple[str, str]] = field(default_factory=list)
    """Patterns of names by which files of the repository are copied, each with the directory they are put into."""
    written: list[str] = field(default_factory=list)
    """Texts of programs of ours that commands run and that write files: what they name may be made."""

    def find(self, path: str) -> str | None:
        """The file or directory of the repository that is at an absolute path; empty for absent, None for unknown."""
        path = path if not path.startswith((UNKNOWN, CWD)) else ""
        if not path or not is_known(path):
            return None
        for each in reversed(self.copied):
            found = self._in(each, path)
            if found is not None:
                return found
        for target, source, stage in reversed(self.moved):
            if path == target or path.startswith(target.rstrip("/") + "/"):
                answer = stage.find(joined(source, path[len(target.rstrip("/")) :].lstrip("/") or "."))
                if answer != "":
                    return answer
        name = posixpath.basename(path)
        if any(name in text for text in self.written):
            return None
        if self._is_unwritten(path) or self._is_unshipped(path):
            return ""
        if any(each.destination.startswith(path.rstrip("/") + "/") for each in self.copied):
            return None  # a directory of several copies, which is none of the repository's
        trees = [*self.unknown, *(tree for tree in self.begun if not self._is_filled(tree, path))]
        if any(path == tree or path.startswith(tree.rstrip("/") + "/") for tree in trees):
            return None
        if path in self.made or posixpath.basename(path) in self.made:
            return None
        if self.is_nowhere(path):
            return ""
        if self.below is not None:
            return self.below.find(path)
        tops = self._tops()
        if any(path == top or path.startswith(top.rstrip("/") + "/") for top in tops) and not self._is_output(path):
            return ""
        if "/" in self.owned and is_plain(self.base) and re.fullmatch(r"/[^/]+\.\w{1,10}", path):
            return ""
        return None

    def is_nowhere(self, path: str) -> bool:
        """Whether nothing can have put a file there: a plain image, and commands that are known throughout."""
        own = list(self._below())
        if _SYSTEM.match(path) or any(stage.opaque or stage.installs_project for stage in own):
            return False
        base = own[-1].base
        if not (is_plain(base) or is_bare(base)) or not any(stage.copied or stage.moved or stage.put for stage in own):
            return False
        if any(stage.find(path) is None for stage in own[1:]):
            return False
        if any(each.startswith(f"{path.rstrip('/')}/") for stage in own for each in stage.put):
            return False
        return posixpath.dirname(path) in _PROGRAMS or posixpath.dirname(path) == "/" or self._is_ours_at(path)

    def _is_ours_at(self, path: str) -> bool:
        """Whether its directory is one that the file's own instructions put single files into."""
        return any(posixpath.dirname(path) == posixpath.dirname(each) for stage in self._below() for each in stage.put)

    def _is_output(self, path: str) -> bool:
        """Whether a path is where builds put what they make: no directory of the repository, or a program in one."""
        directory, name = posixpath.split(path)
        return _MADE.search(path) is not None and not ("." in name and self._has(directory))

    def is_opaque(self) -> bool:
        """Whether commands were run in it that may make anything."""
        return any(stage.opaque for stage in self._below())

    def is_untouched(self) -> bool:
        """Whether nothing of the repository, nor of another stage, was put into it."""
        return not any(stage.copied or stage.moved or stage.put for stage in self._below())

    def _has(self, directory: str) -> bool:
        """Whether a directory of the repository is at a path."""
        return any(each.directory and self._in(each, directory) for each in self.copied) or any(
            stage._has(source + directory[len(target) :])
            for target, source, stage in self.moved
            if f"{directory}/".startswith(f"{target}/")
        )

    def _is_unwritten(self, path: str) -> bool:
        """Whether a file that people write is none of those in the directory of the repository that is at its place."""
        directory, name = posixpath.split(path)
        if any(directory == target and fnmatch.fnmatchcase(name, pattern) for pattern, target in self.matched):
            return self.made.isdisjoint((name, path)) and not self._brings(name) and directory not in self.unknown
        return (
            _WRITTEN.search(name) is not None
            and self.made.isdisjoint((name, path))
            and self._has(directory)
            and not self._brings(name)
        )

    def _is_unshipped(self, path: str) -> bool:
        """Whether a script is none of those that are copied among programs, nor of those that the image brings."""
        directory, name = posixpath.split(path)
        own = list(self._below())
        if directory not in _PROGRAMS or not _SHIPPED.search(name):
            return False
        if not any(directory in stage.owned for stage in own) or brings(own[-1].base, name):
            return False
        if any(name in stage.made or stage._brings(name) for stage in self._layers()):
            return False
        return not any(f"{path}/".startswith(tree.rstrip("/") + "/") for stage in own for tree in stage.unknown)

    def lacks_program(self, name: str) -> bool:
        """Whether no program of that name can be found by it, in an image that begins with nothing but a system."""
        places = [f"{directory}/{name}" for directory in _PROGRAMS]
        own = list(self._below())
        unknown = [tree.rstrip("/") + "/" for stage in own for tree in stage.unknown]
        if name in self.made or any(stage._brings(name) for stage in self._layers()):
            return False
        if any(f"{place}/".startswith(tree) for tree in unknown for place in places):
            return False
        put = any(self.find(place) == "" for place in places) or not self.owned.isdisjoint(_PROGRAMS)
        return put and is_plain(own[-1].base)

    def has_program(self, name: str) -> bool:
        """Whether something of that name is put among programs, or made anywhere."""
        made = any(name in stage.made for stage in self._below())
        return made or any(self.find(f"{directory}/{name}") for directory in _PROGRAMS)

    def has_renamed(self, name: str) -> bool:
        """Whether a file of that name was put among programs under another one, and nothing is there under this."""
        own = list(self._below())
        places = [f"{directory}/{name}" for directory in _PROGRAMS]
        unknown = [tree.rstrip("/") + "/" for stage in own for tree in stage.unknown]
        single = [each for stage in own for each in stage.copied if not each.directory]
        if self.has_program(name):
            return False
        if any(posixpath.basename(each.destination) == name for each in single) or not is_plain(own[-1].base):
            return False
        if any(f"{place}/".startswith(tree) for tree in unknown for place in places):
            return False
        return any(
            posixpath.basename(each.source) == name and posixpath.dirname(each.destination) in _PROGRAMS
            for each in single
        )

    def _below(self) -> Iterator[Filesystem]:
        """This stage, and those that it begins with."""
        stage: Filesystem | None = self
        while stage is not None:
            yield stage
            stage = stage.below

    def _layers(self) -> Iterator[Filesystem]:
        """All stages that something of may be in this one."""
        for stage in self._below():
            yield stage
            for _, _, other in stage.moved:
                yield from other._layers()

    def ships(self, path: str) -> bool:
        """Whether a file of the repository is in it, or in a stage of which it takes something."""
        for stage in self._layers():
            for each in stage.copied:
                base = posixpath.normpath(each.source or ".")
                if path == base or base == "." or path.startswith(f"{base}/"):
                    return not stage.ignore.ignores(posixpath.relpath(path, stage.context or "."))
        return False

    def _brings(self, name: str) -> bool:
        return any(
            file == each.source or file.startswith(f"{each.source}/") or (each.directory and each.source == ".")
            for file in self.repository.by_name.get(name, [])
            for each in self.copied
        ) or any(posixpath.basename(each.destination) == name for each in self.copied)

    def _is_filled(self, tree: str, path: str) -> bool:
        """Whether a directory of the repository is all that is put into one, or into what a path is in below it."""
        return any(
            each.directory and f"{each.destination}/".startswith(f"{tree}/") and path.startswith(f"{each.destination}/")
            for each in self.copied
        ) or any(
            stage._is_filled(source + tree[len(target) :], source + path[len(target) :])
            for target, source, stage in self.moved
            if f"{tree}/".startswith(f"{target}/") and path.startswith(target)
        )

    def is_tree(self, path: str) -> bool:
        """Whether an absolute path is a directory that something of the repository was put into."""
        inside = path.rstrip("/") + "/"
        if path in self.owned or any(f"{each.destination}/".startswith(inside) for each in self.copied):
            return True
        return self.below is not None and self.below.is_tree(path)

    def home(self, path: str) -> str:
        """Where an absolute path would be in the repository, by the last directory that was copied over it."""
        for each in reversed(self.copied):
            base = each.destination.rstrip("/")
            if each.directory and path.startswith(base + "/"):
                return posixpath.normpath(posixpath.join(each.source, path[len(base) :].lstrip("/")))
        return self.below.home(path) if self.below is not None else ""

    def lost(self, path: str) -> str:
        """What of the repository would be at an absolute path if .dockerignore did not leave it out."""
        home = self.home(path)
        return home if self.repository.exists(home) and not self.find(path) else ""

    def _tops(self) -> set[str]:
        return {
            top
            for top in self.owned
            if top not in ("/", "/usr", "/usr/local", "/usr/local/bin", "/etc", "/opt", "/tmp", "/bin")
        }

    def _in(self, each: Copied, path: str) -> str | None:
        if not each.directory:
            return each.source if path == each.destination else None
        base = each.destination.rstrip("/")
        if path != base and not path.startswith(base + "/"):
            return None
        inner = posixpath.normpath(posixpath.join(each.source, path[len(base) :].lstrip("/")))
        if not self.repository.exists(inner):
            return None
        relative = inner if self.context == "." else posixpath.relpath(inner, self.context)
        if self.repository.is_file(inner) and self.ignore.ignores(relative):
            return None
        if relative != "." and self._is_left_out(inner, relative):
            return None
        return inner

    def _is_left_out(self, inner: str, relative: str) -> bool:
        """Whether .dockerignore leaves out a directory with all that is in it."""
        if not self.ignore.ignores(relative) or not self.repository.is_directory(inner):
            return False
        base = len(inner) - len(relative)
        return all(self.ignore.ignores(each[base:]) for each in self.repository.inside(inner))

    def installs(self) -> bool:
        """Whether a RUN of this stage or of one below installs a project, whose modules then are anywhere."""
        return self.installs_project or (self.below is not None and self.below.installs())


def installs_project(each: Instruction) -> bool:
    """Whether an instruction installs a project from where it lies."""
    return any(_INSTALLS.search(text) for text in (each.flat, *_documents(each)))


class Images:
    """File systems of the repository's images, made once each."""

    def __init__(self, repository: Repository, traces: dict[str, Trace]) -> None:
        self.repository, self.traces = repository, traces
        self._made: dict[tuple[str, int, int, str], Filesystem] = {}

    def ignore_of(self, dockerfile: str, context: str) -> DockerIgnore:
        """The .dockerignore that Docker uses: the Dockerfile's own, else the context's."""
        for path in (f"{dockerfile}.dockerignore", posixpath.normpath(posixpath.join(context, ".dockerignore"))):
            if self.repository.is_file(path):
                return DockerIgnore(self.repository.text(path))
        return DockerIgnore("")

    def takes(self, made: Dockerfile, context: str, path: str) -> bool:
        """Whether any stage takes a file: the last one may have it under another name, or what is made of it."""
        return any(self.filesystem(made, stage, context).ships(path) for stage in made.stages)

    def filesystem(self, made: Dockerfile, stage: Stage, context: str, before: int | None = None) -> Filesystem:
        """The stage as it is before an instruction; at its end without one."""
        count = len(stage.instructions) if before is None else before
        key = (made.path, stage.index, count, context)
        if key not in self._made:
            self._made[key] = self._follow(made, stage, context, count)
        return self._made[key]

    def _follow(self, made: Dockerfile, stage: Stage, context: str, count: int) -> Filesystem:
        found = Filesystem(self.repository, context, self.ignore_of(made.path, context))
        base = made.stage(stage.base)
        if base is not None and base.index < stage.index:
            found.below = self.filesystem(made, base, context)
            found.workdir = found.below.workdir
            found.owned = set(found.below.owned)
            for each in base.instructions:
                if each.onbuild:
                    self._effect(made, each, found)
        else:
            found.base = stage.base
            found.workdir = begins_in(stage.base)
        for each in stage.instructions[:count]:
            if not each.onbuild:
                self._effect(made, each, found)
        self._run(made, found)
        runs = (each.flat for each in stage.instructions[: count + 1] if each.name == "RUN")
        found.written = [text for flat in runs for text in self._writers(found, flat)]
        return found

    def _writers(self, found: Filesystem, command: str) -> Iterator[str]:
        """Texts of the repository's programs that a command runs in the image, of those that write files."""
        for match in _PROGRAM_FILE.finditer(command):
            path = found.find(joined(found.workdir, match[0]))
            if path and self.repository.is_file(path) and _WRITES.search(text := self.repository.glimpse(path)):
                yield text

    def _effect(self, made: Dockerfile, each: Instruction, found: Filesystem) -> None:
        if each.name == "WORKDIR":
            found.workdir = joined(found.workdir, each.expanded(each.flat.strip("\"'")))
            found.owned.add(found.workdir)
        elif each.name in ("COPY", "ADD"):
            self._copy(made, each, found)
        elif each.name == "RUN":
            found.installs_project |= installs_project(each)
            if any(_FETCHES.search(text) for text in (each.flat, *_documents(each))):
                found.unknown.append(found.workdir)
            found.opaque |= "mount" in each.flags or bool(each.heredocs) or _is_opaque(each)
            self._run(made, found)
        elif each.name == "VOLUME":
            found.unknown += [joined(found.workdir, word) for word in each.arguments()]

    def _run(self, made: Dockerfile, found: Filesystem) -> None:
        """What any RUN of the file makes may be there after this one: better unknown than wrongly absent."""
        for produced in self.traces[made.path].produced if made.path in self.traces else ():
            path = produced.path if produced.path.startswith("/") else joined(found.workdir, produced.path)
            if produced.path.startswith(UNKNOWN) or not is_known(path):
                found.made.add(posixpath.basename(produced.path))
                continue
            if produced.tree and path not in (found.workdir, "/"):
                (found.begun if produced.empty else found.unknown).append(path)
            found.made.add(path)
            if produced.path.startswith("/"):
                found.put.append(path)
            if not produced.path.startswith("/"):
                found.made.add(posixpath.basename(path))  # commands go to directories that nobody can name

    def _copy(self, made: Dockerfile, each: Instruction, found: Filesystem) -> None:
        words = each.arguments()
        if len(words) < 2:
            return
        *sources, destination = words
        target = joined(found.workdir, destination)
        if each.heredocs or "from" in each.flags:
            self._copy_from(made, each, sources, target, found)
            return
        into = destination.endswith("/") or len(sources) > 1 or destination in (".", "./", "")
        found.owned.add(target if into or not posixpath.splitext(target)[1] else posixpath.dirname(target))
        for source in sources:
            if "://" in source or not is_known(source):
                found.unknown.append(target)
                continue
            self._copy_source(source, target, each, found, into=into)

    def _copy_source(self, source: str, target: str, each: Instruction, found: Filesystem, *, into: bool) -> None:
        path = posixpath.normpath(posixpath.join(found.context, in_context(source)))
        matched = matches(self.repository, path)
        for one in matched:
            if self.repository.is_directory(one):
                found.copied.append(Copied(one, target, True))
                continue
            if into or self._is_directory(found, target):
                found.copied.append(Copied(one, joined(target, posixpath.basename(one)), False))
            if not into:
                found.copied.append(Copied(one, target, False))
            if each.name == "ADD" and re.search(r"\.(tar(\.\w+)?|tgz|zip)$", one):
                found.unknown.append(target)
        folder, pattern = posixpath.split(path)
        if len(matched) > 1 and into and "*" in pattern and "." in pattern and self.repository.is_directory(folder):
            found.matched.append((pattern, target.rstrip("/")))
        if not matched and (re.search(r"[*?\[]", source) or "." not in posixpath.basename(path)):
            found.unknown.append(target)
        elif not matched:  # made before the image is built, or missing, which is told where it is copied
            found.made |= {target, joined(target, posixpath.basename(path))}

    def _is_directory(self, found: Filesystem, target: str) -> bool:
        return target in found.owned or target == found.workdir

    def _copy_from(
        self, made: Dockerfile, each: Instruction, sources: list[str], target: str, found: Filesystem
    ) -> None:
        name = each.expanded(each.flags.get("from", ""))
        stage = made.stage(name)
        if stage is None or each.heredocs:
            found.unknown.append(target)
            return
        inner = self.filesystem(made, stage, found.context)
        for source in sources:
            path = joined("/", source)
            origin = inner.find(path) if is_known(path) else None
            if origin and self.repository.is_file(origin):
                found.copied.append(Copied(origin, target, False))
                found.copied.append(Copied(origin, joined(target, posixpath.basename(origin)), False))
            elif origin:
                found.copied.append(Copied(origin, target, True))
                found.moved.append((target, path, inner))
                found.owned.add(target)
                found.installs_project |= inner.installs()
                found.made |= inner.made
            elif origin is None and inner.is_tree(path):
                found.moved.append((target, path, inner))
                found.owned.add(target)
                found.installs_project |= inner.installs()
                found.made |= inner.made
            else:
                found.unknown.append(target)
                found.put.append(target)
                found.installs_project |= inner.installs()


def _documents(run: Instruction) -> Iterator[str]:
    """What heredocs of a RUN say, each command on a line of its own that ends there."""
    for _, text, _ in run.heredocs:
        yield re.sub(r"\n", "\n;", re.sub(r"\\\n", " ", text))


def _is_opaque(run: Instruction) -> bool:
    """Whether a RUN has a command that may make anything anywhere."""
    for command in _COMMANDS.split(run.flat.replace("\\\n", " ")):
        words = command[match.end() :].split() if (match := _ASSIGNED.match(command)) else command.split()
        if not words:
            continue
        builds = words[0] == "go" and (
            words[1:2] in (["mod"], ["version"]) or (words[1:2] == ["build"] and "-o" in words)
        )
        if words[0] not in _QUIET and not builds:
            return True
    return False


def in_context(source: str) -> str:
    """A source of COPY as Docker looks for it: what leads above the build context is left out."""
    return posixpath.normpath(f"/{source}").lstrip("/") or "."


def matches(repository: Repository, pattern: str) -> list[str]:
    """Files and directories that a source of COPY names, wildcards included."""
    if repository.exists(pattern):
        return [pattern]
    if not re.search(r"[*?\[]", pattern):
        return []
    depth = pattern.count("/")
    everything = [*repository.entries, *repository.directories]
    return [path for path in everything if path.count("/") == depth and fnmatch.fnmatchcase(path, pattern)]
