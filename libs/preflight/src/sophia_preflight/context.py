"""What rules are given: the repository, the facts of its files, and what follows from all of them together.

Everything here is made when it is first asked for and kept for the check.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from sophia_preflight.built import Built
from sophia_preflight.calls.documents import Page
from sophia_preflight.calls.entering import in_images
from sophia_preflight.calls.finding import Finder
from sophia_preflight.calls.locations import ImageView, Location
from sophia_preflight.calls.matching import Misfit, misfits
from sophia_preflight.calls.model import Call, Caller, Composition, ImageBuild, Script, Site, Trace
from sophia_preflight.changes import Changes
from sophia_preflight.clusters.cluster import Cluster
from sophia_preflight.documented import documented
from sophia_preflight.entries import Entries
from sophia_preflight.facts import DataFacts, Facts, PackageFacts, PythonFacts, ShellFacts
from sophia_preflight.history import Past
from sophia_preflight.images import Images
from sophia_preflight.interfaces.defining import Defined
from sophia_preflight.interfaces.django import Management
from sophia_preflight.interfaces.model import Interface
from sophia_preflight.interfaces.programs import SHORT, Programs
from sophia_preflight.making import Making
from sophia_preflight.mentions import Mentions
from sophia_preflight.model import Place
from sophia_preflight.modules import Modules
from sophia_preflight.passing import passed
from sophia_preflight.pipelines import Whole, wholes
from sophia_preflight.readers.compose import COMPOSE_NAMES, ComposeFile, Project, Service, build_of
from sophia_preflight.readers.dockerfile import Dockerfile, Stage
from sophia_preflight.readers.makefile import Makefile
from sophia_preflight.readers.pipeline import Pipeline
from sophia_preflight.readers.tree import Documents
from sophia_preflight.readers.workflow import Workflow
from sophia_preflight.recipes import Recipes
from sophia_preflight.repository import Repository
from sophia_preflight.seeing import Seeing
from sophia_preflight.settings import Settings
from sophia_preflight.text import CWD, ROOT, Word, in_repository, is_known, joined, upward
from sophia_preflight.together import bodies, is_another_way, lacking, offered

_T = TypeVar("_T")
STARTING = frozenset({"up", "start", "create", "run", "deploy"})
"""Verbs of compose that start services."""
_TOGETHER = re.compile(r"(?:(?:-f|--file)[\"']?[ =,]+|[=:])[\"']?(?:\$\{?\w+\}?/)?([\w./-]+\.ya?ml)(?=[\s\"':`),;]|$)")
"""Files of a call of compose, or of `COMPOSE_FILE`, in a line of text."""
_SCRIPT = re.compile(r"\.(sh|bash)$|^(GNUm|m|M)akefile$|^justfile$")
_NOTE = re.compile(r"readme|\.env\b|env\.(example|sample)", re.IGNORECASE)


@dataclass(frozen=True)
class BuildContext:
    """A way in which a Dockerfile is built. `place` is where that is said; without one it is a convention."""

    directory: str
    place: Place | None = None
    stage: str = ""
    arguments: tuple[str, ...] = ()
    caller: str = ""

    @property
    def certain(self) -> bool:
        return self.place is not None


class Context:
    def __init__(
        self, repository: Repository, facts: Mapping[str, Facts], settings: Settings, past: Callable[[], Past] = Past
    ) -> None:
        self.repository, self.facts, self.settings = repository, facts, settings
        self.changes, self.mentions = Changes(repository, past), Mentions(repository)
        self._directories: dict[str, set[str]] = {}
        self._located: dict[int, tuple[Call, Location]] = {}
        self._by_image: dict[tuple[tuple[str, ...], str], dict[str, Service]] = {}

    @cached_property
    def defined_by(self) -> dict[str, Defined]:
        """What sources define, as far as anybody asked."""
        return {}

    # --- files by kind -----------------------------------------------------------------------------------------------

    def _of(self, kind: type[_T]) -> dict[str, _T]:
        return {path: each.data for path, each in self.facts.items() if isinstance(each.data, kind)}

    @cached_property
    def traces(self) -> dict[str, Trace]:
        """What files do; not commands that pages only tell, nor parts of pipelines that none of ours uses."""
        used = {path for whole in self.wholes for path in whole.files}
        found = {
            path: each.trace
            for path, each in self.facts.items()
            if not isinstance(each.data, Page) and (path in used or not isinstance(each.data, Pipeline))
        }
        return found | dict(self.making.traces())

    @cached_property
    def calls(self) -> list[Call]:
        """Every call of the repository, by file and place."""
        found = [call for path in sorted(self.traces) for call in self.traces[path].calls]
        return [*found, *passed(self)]

    @cached_property
    def typed(self) -> list[Call]:
        """Every call, and every command that a page tells people to type, placed where it is typed."""
        found = list(self.calls)
        for path, page in sorted(self.pages.items()):
            found += documented(self, path, self.facts[path].trace, page)
        return found

    @cached_property
    def pages(self) -> dict[str, Page]:
        """Pages whose commands people type."""
        return self._of(Page)

    @cached_property
    def begun(self) -> list[Call]:
        """Every call, with those of workloads in images that the repository builds."""
        return [*self.typed, *in_images(self)]

    @cached_property
    def written(self) -> frozenset[str]:
        """Names of files that pages let their readers write."""
        return frozenset(name for page in self.pages.values() for name in page.written)

    @cached_property
    def dockerfiles(self) -> dict[str, Dockerfile]:
        return self._of(Dockerfile)

    @cached_property
    def composes(self) -> dict[str, ComposeFile]:
        return self._of(ComposeFile)

    @cached_property
    def workflows(self) -> dict[str, Workflow]:
        return self._of(Workflow)

    @cached_property
    def pipelines(self) -> dict[str, Pipeline]:
        """Pipelines of GitLab, and parts of them, whoever uses them."""
        return self._of(Pipeline)

    @cached_property
    def wholes(self) -> list[Whole]:
        """The pipelines that GitLab runs for this repository."""
        return wholes(self)

    @cached_property
    def makefiles(self) -> dict[str, Makefile]:
        """Each as it is alone."""
        return self._of(Makefile)

    @cached_property
    def making(self) -> Making:
        """Makefiles with what they include."""
        return Making(self.repository, self.makefiles, self.facts)

    @cached_property
    def recipes(self) -> Recipes:
        """What the files of task runners offer."""
        return Recipes(self.repository)

    @cached_property
    def packages(self) -> dict[str, PackageFacts]:
        return self._of(PackageFacts)

    @cached_property
    def documents(self) -> dict[str, Documents]:
        """YAML and JSON files that are of no kind of their own."""
        return {path: each.documents for path, each in self._of(DataFacts).items()}

    @cached_property
    def cluster(self) -> Cluster:
        """What is meant for Kubernetes."""
        return Cluster(self.repository, self.documents)

    def python(self, path: str) -> PythonFacts | None:
        found = self.facts.get(path)
        return found.data if found is not None and isinstance(found.data, PythonFacts) else None

    def interface(self, path: str) -> Interface | None:
        """What a program of the repository accepts; where its own file does not tell, its others may."""
        found = self.facts.get(path)
        if found is None or not isinstance(found.data, (PythonFacts, ShellFacts)):
            return None
        data, interface = found.data, found.data.interface
        if not isinstance(data, PythonFacts) or not data.is_program or not interface.is_open:
            return interface
        told = data.speaks or len(self.repository.text(path)) < SHORT
        return self.programs.interface(path) if told else interface

    @cached_property
    def programs(self) -> Programs:
        """What programs accept whose commands and options lie in several files."""
        return Programs(self)

    @cached_property
    def management(self) -> Management:
        """The management commands of Django."""
        return Management(self)

    @cached_property
    def built(self) -> Built:
        """The programs that are built from source in a compiled language."""
        return Built(self)

    @cached_property
    def misfits(self) -> list[Misfit]:
        """Calls that their callees do not accept."""
        return list(misfits(self))

    # --- where things are --------------------------------------------------------------------------------------------

    @cached_property
    def finder(self) -> Finder:
        return Finder(self)

    @cached_property
    def modules(self) -> Modules:
        return Modules(self)

    @cached_property
    def entries(self) -> Entries:
        """The commands that the repository's own projects bring."""
        return Entries(self)

    def callers_directories(self, path: str) -> set[str]:
        """Directories from which somebody runs a script, where they are known."""
        return self._callers.get(path, set())

    @cached_property
    def _callers(self) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for call in self.calls:
            if isinstance(call.target, Script) and call.target.path.known:
                directory = in_repository(call.site.directory)
                path = in_repository(joined(call.site.directory, call.target.path.value))
                if directory is not None and path is not None:
                    found.setdefault(path, set()).add(directory)
        return found

    @cached_property
    def _module_roots(self) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for path in self.repository.entries:
            if not path.endswith(".py"):
                continue
            directory, name = posixpath.split(path)
            if name != "__init__.py":
                found.setdefault(name[:-3], set()).add(directory or ".")
            while directory:
                directory, name = posixpath.split(directory)
                found.setdefault(name, set()).add(directory or ".")
        return found

    def module_roots(self, top: str) -> set[str]:
        """Directories in which a package or module of that name lies."""
        return self._module_roots.get(top, set())

    # --- images ------------------------------------------------------------------------------------------------------

    @cached_property
    def images(self) -> Images:
        return Images(self.repository, self.traces)

    @cached_property
    def _builds(self) -> dict[str, list[BuildContext]]:
        found: dict[str, list[BuildContext]] = {}
        for path, build in self._said_builds():
            known = found.setdefault(path, [])
            if build not in known:
                known.append(build)
        return found

    def _said_builds(self) -> Iterator[tuple[str, BuildContext]]:
        for call in self.calls:
            made = self.called_build(call, call.target) if isinstance(call.target, ImageBuild) else None
            if made is not None:
                yield made
        for project in self.projects:
            for service in project.services(self.composes).values():
                if (made := self.service_build(project, service)) is not None:
                    yield made

    def called_build(self, call: Call, target: ImageBuild) -> tuple[str, BuildContext] | None:
        """The Dockerfile that a call builds, and how; None where they are not both seen from one directory."""
        value = joined(call.site.directory, target.context.value)
        file = (
            joined(call.site.directory, target.dockerfile.value) if target.dockerfile else joined(value, "Dockerfile")
        )
        anywhere = value.startswith(CWD) or file.startswith(CWD)
        for start in self.finder.bases(call.site.path, CWD if anywhere else ROOT):
            # both are seen from the same directory
            context, path = (_below(start, each) for each in (value, file))
            if path in self.dockerfiles and context is not None and self.repository.is_directory(context):
                arguments = tuple(word.value.partition("=")[0] for word in target.arguments)
                stage = target.stage.value if target.stage else ""
                return path, BuildContext(context, call.place, stage, arguments, call.site.path)
        return None

    def service_build(self, project: Project, service: Service) -> tuple[str, BuildContext] | None:
        """The Dockerfile that a service's image is built from, and how; None where that cannot be told."""
        image = service.get("image")
        if image is not None and not service.has("build"):
            service = self._building(project).get(image.text, service)
        build = build_of(service)
        part = service.get("build")
        if (
            build is None
            or part is None
            or build.foreign
            or build.inline
            or not is_known(build.context + build.dockerfile)
        ):
            return None
        said = service.get("build", "context") or part
        context = posixpath.normpath(posixpath.join(project.base_of(said.file), build.context))
        path = posixpath.normpath(posixpath.join(context, build.dockerfile))
        if path not in self.dockerfiles or not self.repository.is_directory(context):
            return None
        arguments = tuple(service.mapping("build", "args"))
        place = part.node.place(part.file.path)
        return path, BuildContext(context, place, build.stage, arguments, part.file.path)

    def _building(self, project: Project) -> dict[str, Service]:
        """The services of a project that build an image, by its name: others may start it too."""
        key = (project.key, project.base)
        if key not in self._by_image:
            self._by_image[key] = {
                image.text: each
                for each in project.services(self.composes).values()
                if each.has("build") and (image := each.get("image")) is not None and is_known(image.text)
            }
        return self._by_image[key]

    def builds(self, dockerfile: str) -> list[BuildContext]:
        """How a Dockerfile is built: as its builders say, else from its own directory or one above it."""
        said = self._builds.get(dockerfile)
        if said:
            return said
        found, directory = [BuildContext(".")], posixpath.dirname(dockerfile)
        while directory:
            found.insert(len(found) - 1, BuildContext(directory))
            directory = posixpath.dirname(directory)
        return found

    def stage_of(self, dockerfile: Dockerfile, build: BuildContext) -> Stage | None:
        named = dockerfile.stage(build.stage) if build.stage and is_known(build.stage) else None
        return named or dockerfile.final

    @cached_property
    def seeing(self) -> Seeing:
        return Seeing(self)

    def filesystems(self, site: Site) -> Iterator[ImageView]:
        """The file systems that a call in an image may see."""
        return self.seeing.filesystems(site)

    def services_at(self, site: Site) -> Iterator[tuple[Project, Service]]:
        """The services whose containers a call may run in."""
        return self.seeing.services_at(site)

    # --- compose projects --------------------------------------------------------------------------------------------

    @cached_property
    def projects(self) -> list[Project]:
        """Compose files as they are used together: as calls say, and each file that no call names by its convention."""
        found: dict[tuple[object, ...], Project] = {}
        named: set[str] = set()
        composing = [(call, call.target) for call in self.typed if isinstance(call.target, Composition)]
        for call, target in sorted(composing, key=lambda pair: pair[1].verb not in STARTING):
            for project in self._called_project(call, target):
                key = (project.key, project.base, project.stack)
                whole = target.verb in STARTING and not project.partial
                if key not in found or (found[key].partial and whole):
                    found[key] = project
                named |= set(project.key)
        for path, file in self.composes.items():
            if path not in named and not file.is_fragment and path not in self._extended:
                files = self._usual(file)
                brought = self._brought(files, {file.path})
                project = Project(files, file.directory, self._is_stack(file), brought=brought)
                found.setdefault((project.key, project.base, project.stack), project)
        return list(found.values())

    @cached_property
    def _extended(self) -> set[str]:
        """Compose files that others take services from."""
        return {
            posixpath.normpath(posixpath.join(file.directory, node.at("extends", "file").text))
            for file in self.composes.values()
            for _, node in file.root["services"].items()
            if node.at("extends", "file").text
        }

    @cached_property
    def _included(self) -> dict[str, str]:
        """Compose files that others include, with what their paths are relative to."""
        found: dict[str, str] = {}
        for file in self.composes.values():
            for entry in file.root["include"].elements():
                for path in entry["path"].some() or entry.some():
                    place = posixpath.normpath(posixpath.join(file.directory, path.text))
                    base = entry["project_directory"].text or posixpath.dirname(path.text)
                    found[place] = posixpath.normpath(posixpath.join(file.directory, base))
        return found

    def including(self, file: ComposeFile) -> list[tuple[ComposeFile, ...]]:
        """The wholes that a file which others include is a part of: Compose looks for what it names in each of them."""
        wholes = (self._with_included((each,)) for each in self.composes.values() if each.root["include"])
        return [each for each in wholes if file in each[1:]]

    def _brought(self, files: tuple[ComposeFile, ...], named: set[str]) -> dict[str, str]:
        """Those of the files that only an `include` brings."""
        return {each.path: self._included[each.path] for each in files if each.path in self._included.keys() - named}

    def _with_included(self, files: tuple[ComposeFile, ...]) -> tuple[ComposeFile, ...]:
        """The files, and after each what it includes."""
        found: list[ComposeFile] = []
        waiting = list(reversed(files))
        while waiting and len(found) < 50:
            file = waiting.pop()
            if file in found:
                continue
            found.append(file)
            for entry in file.root["include"].elements():
                for path in entry["path"].some() or entry.some():
                    place = posixpath.normpath(posixpath.join(file.directory, path.text))
                    if place in self.composes:
                        waiting.append(self.composes[place])
        return tuple(found)

    def projects_with(self, path: str) -> list[Project]:
        return [project for project in self.projects if path in project.key]

    def projects_of(self, call: Call) -> list[Project]:
        """The project that a call uses; empty where that cannot be told."""
        assert isinstance(call.target, Composition)
        return list(self._called_project(call, call.target))

    def _usual(self, file: ComposeFile) -> tuple[ComposeFile, ...]:
        """A file alone, with its override; or, where it is not whole, on top of the files that have what it lacks."""
        base = self.composes.get(file.path.replace(".override.", "."))
        alone = self._with_included(self._overridden(base) if base is not None else (file,))
        if (base is not None and base is not file) or (
            posixpath.basename(file.path) in COMPOSE_NAMES and not bodies(lacking(alone))
        ):
            return alone
        if told := self._told_with(file):
            return self._with_included(told)
        others = [other for other in self.composes.values() if other is not file and not other.is_fragment]
        others.sort(
            key=lambda other: (other.directory != file.directory, posixpath.basename(other.path) not in COMPOSE_NAMES)
        )
        below: list[ComposeFile] = []
        for _ in range(4):
            missing = lacking(self._with_included((file,))) - {each for other in below for each in offered(other)}
            whole = bodies(missing)
            helper = next(
                (
                    other
                    for other in others
                    if other not in below
                    and (whole or (missing if self._is_added_to(file, other) else set())) & offered(other)
                ),
                None,
            )
            if helper is None:
                break
            below.insert(0, helper)
        return self._with_included((*below, file))

    def _told_with(self, file: ComposeFile) -> tuple[ComposeFile, ...]:
        """Files of one call that a comment of this one tells of, or a note or script beside or above it."""
        above = [*upward("" if file.directory == "." else file.directory), ""]
        places = {file.path: False} | {path: is_script for path, is_script in self._tellers if _shelf(path) in above}
        partial = bool(lacking((file,)))
        for path, is_script in places.items():
            text = self.repository.text(path).replace("\\\n", " ")
            if posixpath.basename(file.path) not in text or (is_script and not partial):
                continue
            for line in [text] if is_script else text.splitlines():
                names = dict.fromkeys(_TOGETHER.findall(line))
                hits = [self._compose_at(name, above) for name in names]
                found = [each for each in hits if each is not None]
                if file in found and len(found) > 1:
                    # a script may add to its first file whichever it needs of the others
                    return (found[0], file) if is_script and found[0] is not file else tuple(found)
        return ()

    def _compose_at(self, name: str, bases: list[str]) -> ComposeFile | None:
        places = (posixpath.normpath(posixpath.join(base, name)) for base in bases)
        return next((self.composes[place] for place in places if place in self.composes), None)

    @cached_property
    def _tellers(self) -> list[tuple[str, bool]]:
        """Files that tell how compose files are used, and whether they are scripts."""
        names = ((path, posixpath.basename(path)) for path in self.repository.entries)
        return [
            (path, _SCRIPT.search(name) is not None)
            for path, name in names
            if _NOTE.match(name) or _SCRIPT.search(name)
        ]

    def _is_added_to(self, file: ComposeFile, other: ComposeFile) -> bool:
        """Whether a file may be used on top of another: of the usual one beside it, where there is one."""
        names = {posixpath.normpath(posixpath.join(file.directory, name)) for name in COMPOSE_NAMES}
        usual = names & self.composes.keys() or {other.path}
        return file.directory == other.directory and other.path in usual and not is_another_way(file, other)

    def _overridden(self, file: ComposeFile) -> tuple[ComposeFile, ...]:
        """A file with the override that Compose takes by itself."""
        name = re.sub(r"\.(ya?ml)$", r".override.\1", file.path)
        return (file, self.composes[name]) if name in self.composes else (file,)

    def _is_stack(self, file: ComposeFile) -> bool:
        return bool(re.search(r"stack|swarm", posixpath.basename(file.path), re.IGNORECASE))

    def _called_project(self, call: Call, target: Composition) -> Iterator[Project]:
        yield from self.project_at(call.site.path, call.site.directory, target)

    def project_at(self, path: str, directory: str, target: Composition) -> Iterator[Project]:
        paths: list[str] = []
        for word in target.files:
            if not word.known:
                return
            places = list(self.finder.bases(path, joined(directory, word.value)))
            hit = next((place for place in places if place in self.composes), None)
            if hit is None:
                return
            paths.append(hit)
        if not target.files:
            for base in self.finder.bases(path, directory):
                hit = next(
                    (
                        p
                        for name in COMPOSE_NAMES
                        if (p := posixpath.normpath(posixpath.join(base, name))) in self.composes
                    ),
                    None,
                )
                if hit is not None:
                    paths = [each.path for each in self._overridden(self.composes[hit])]
                    break
            else:
                return
        files = self._with_included(tuple(self.composes[path] for path in paths))
        base = files[0].directory
        if target.base is not None:
            base = next(iter(self.finder.bases(path, target.base)), base)
        brought = self._brought(files, set(paths))
        yield Project(files, base, target.stack, True, self._is_partial(target, paths), brought)

    @staticmethod
    def _is_partial(target: Composition, paths: list[str]) -> bool:
        """Whether nobody starts all services at once; the root's own file alone is one that people start by hand."""
        return target.verb in STARTING and target.partial and not all(path in COMPOSE_NAMES for path in paths)

    # --- conveniences for rules --------------------------------------------------------------------------------------

    def located(self, call: Call, find: Callable[[], Location]) -> Location:
        """Found once per call, however many rules ask."""
        held = self._located.get(id(call))
        if held is None:
            held = self._located[id(call)] = (call, find())  # the call is kept: no other may get its identity
        return held[1]

    def script(self, call: Call) -> Location:
        """Where the script of a call is."""
        assert isinstance(call.target, Script)
        return self.located(call, lambda: self.finder.path(call.target.path, call.site))  # type: ignore[union-attr]  # asserted

    def is_among_its_like(self, site: Site, path: str) -> bool:
        """Whether files like the one at `path`, in the file system of the site, are where it would be."""
        homes = [view.files.home(path) for view in self.filesystems(site)] if path.startswith("/") else [path]
        moved = site.caller is not Caller.DOCUMENT
        return bool(homes) and all(self.finder.is_among_its_like(each, moved=moved) for each in homes)

    def path_of(self, word: Word, call: Call, *, directory: bool = False, written: bool = False) -> Location:
        return self.finder.path(word, call.site, directory=directory, written=written)


def _below(start: str, value: str) -> str | None:
    """Where in the repository a value leads a caller in the directory `start`; None where that is not known."""
    return in_repository(joined(joined(ROOT, start), value[1:].lstrip("/")) if value.startswith(CWD) else value)


def _shelf(path: str) -> str:
    """The directory that a note or script is about: its own, or the one that has its folder of scripts."""
    directory = posixpath.dirname(path)
    return re.sub(r"(^|/)(scripts?|bin|tools|hack|dev|docs?|tests?|e2e)$", "", directory)
