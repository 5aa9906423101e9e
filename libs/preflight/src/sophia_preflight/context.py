"""What rules are given: the repository, the facts of its files, and what follows from all of them together.

Everything here is made when it is first asked for and kept for the check.
"""

from __future__ import annotations

import posixpath
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
from sophia_preflight.calls.model import Call, Caller, ImageBuild, Script, Site, Trace
from sophia_preflight.changes import Changes
from sophia_preflight.clusters.cluster import Cluster
from sophia_preflight.compositions import Compositions
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
from sophia_preflight.readers.compose import ComposeFile, Project, Service, build_of
from sophia_preflight.readers.dockerfile import Dockerfile, Stage
from sophia_preflight.readers.makefile import Makefile
from sophia_preflight.readers.pipeline import Pipeline
from sophia_preflight.readers.tree import Documents
from sophia_preflight.readers.workflow import Workflow
from sophia_preflight.recipes import Recipes
from sophia_preflight.repository import Repository
from sophia_preflight.seeing import Seeing
from sophia_preflight.settings import Settings
from sophia_preflight.tested import Tested
from sophia_preflight.text import CWD, ROOT, Word, in_repository, is_known, joined

_T = TypeVar("_T")


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

    @cached_property
    def tested(self) -> Tested:
        """Which tests are run by somebody."""
        return Tested(self)

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
            found += documented(self, path, page.tasks, page)
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
    def compositions(self) -> Compositions:
        return Compositions(self)

    @property
    def projects(self) -> list[Project]:
        """Compose files as they are used together."""
        return self.compositions.projects

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
