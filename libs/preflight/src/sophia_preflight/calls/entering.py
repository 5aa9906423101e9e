"""What images of the repository are told as they start: by Compose, `docker run` and Kubernetes, through an ENTRYPOINT.

Which image is meant, only the whole repository tells: the one that a build gives the same name. What is told follows
what its Dockerfile starts, so that the arguments meet the program that reads them.
"""

from __future__ import annotations

import itertools
import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from sophia_preflight.calls.compose import service_key
from sophia_preflight.calls.docker import combined, image_key, interpreted, working_directory
from sophia_preflight.calls.documents import Page
from sophia_preflight.calls.model import Call, Caller, ImageBuild, Module, Program, Script, Site, Started, System, Trace
from sophia_preflight.clusters.objects import items_of
from sophia_preflight.clusters.templates import outlined, templates
from sophia_preflight.readers import yaml
from sophia_preflight.readers.compose import Project, Service, command_words
from sophia_preflight.readers.dockerfile import Dockerfile, Stage
from sophia_preflight.readers.tree import Node
from sophia_preflight.standing import Standing, is_development, standing
from sophia_preflight.text import CWD, UNKNOWN, Word, is_known, joined

if TYPE_CHECKING:
    from sophia_preflight.clusters.objects import Item
    from sophia_preflight.context import BuildContext, Context

_EXAMPLE = re.compile(r"(^|/)(examples?|samples?|demos?|tutorials?|docs?)/")
_STARTS = re.compile(r"""^[^#\n]*\bexec\b[^#\n]*"\$@\"""", re.MULTILINE)
_GIVEN = re.compile(r"\$[@*]|\$\{@")
_ENTRYPOINT = re.compile(r"entry-?_?point", re.IGNORECASE)
_PUTS_BEFORE = re.compile(r"""^[^#\n]*\bset --[ \t]+([\w./-]+(?:[ \t]+[\w./=-]+)*)[ \t]+"\$@\"""", re.MULTILINE)
_DEEPEST = 6
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_VARIABLE = re.compile(r"\$\([A-Za-z_]\w*\)")
"""What Kubernetes puts a variable's value for."""


def started(context: Context) -> Iterator[Call]:
    """Calls that images make with what they are told."""
    images = NamedImages(context)
    seen: set[tuple[object, ...]] = set()
    clusters = (_workloads(context, images), _charts(context, images))
    told = (_told(context, images), _run(context), _services(context, images), *clusters)
    for call in itertools.chain.from_iterable(told):
        key = (call.place, call.text, call.site.owner)
        if key not in seen:
            seen.add(key)
            yield call


def in_images(context: Context) -> list[Call]:
    """Calls of Kubernetes' workloads in images that the repository builds, and of modules that by their names are its
    own in any image: what they start has to be there."""
    images = NamedImages(context)
    found = [*_workloads(context, images), *(each for each in _charts(context, images) if _is_module(each))]
    return [call for call in found if call.site.system is System.IMAGE or _is_module(call)]


def _is_module(call: Call) -> bool:
    return isinstance(call.target, Module) and call.site.system is System.UNKNOWN


class NamedImages:
    """The images that the repository builds, by the last part of their names."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self._named: dict[str, set[tuple[str, int]]] = {}
        self._whole: dict[str, set[tuple[str, int, str]]] = {}
        told = (call for each in context.facts.values() if isinstance(each.data, Page) for call in each.trace.calls)
        for call in (*context.typed, *told):
            if isinstance(call.target, ImageBuild) and (made := context.called_build(call, call.target)) is not None:
                for tag in call.target.tags:
                    self._add(tag.value, made[0], made[1])
        for project in context.projects:
            for service in project.services(context.composes).values():
                image = service.get("image")
                if image is not None and service.has("build") and (made := context.service_build(project, service)):
                    self._add(image.text, made[0], made[1])

    def _add(self, tag: str, path: str, build: BuildContext) -> None:
        stage = self.context.stage_of(self.context.dockerfiles[path], build)
        if stage is not None and (name := _name(tag)):
            self._named.setdefault(name, set()).add((path, stage.index))
            self._whole.setdefault(tag.removesuffix(":latest"), set()).add((path, stage.index, build.directory))

    def exactly(self, image: str) -> tuple[Dockerfile, Stage, str] | None:
        """The Dockerfile, the stage and the context of an image that a build gives this very name and tag."""
        found = self._whole.get(image.removesuffix(":latest"), set())
        if len(found) != 1 or not is_known(image):
            return None
        path, index, directory = next(iter(found))
        made = self.context.dockerfiles[path]
        return made, made.stages[index], directory

    def find(self, image: str) -> tuple[Dockerfile, Stage] | None:
        """The Dockerfile and the stage of an image; None where several go by its name. Where no build says which is
        of the name of a project that is here, the one Dockerfile that there is for it."""
        found = self._named.get(_name(image), set())
        if not found and (name := _current(image)) and _is_ours(self.context, name):
            return self._only
        if len(found) != 1:
            return None
        path, index = next(iter(found))
        made = self.context.dockerfiles[path]
        return made, made.stages[index]

    @cached_property
    def _only(self) -> tuple[Dockerfile, Stage] | None:
        """The one Dockerfile of the repository that is not for development or tests, with its last stage."""
        usual = [
            made
            for path, made in self.context.dockerfiles.items()
            if standing(path) is Standing.PRODUCT and not is_development(path) and not path.startswith(".")
        ]
        final = usual[0].final if len(usual) == 1 else None
        return (usual[0], final) if final is not None else None


def _name(image: str) -> str:
    """The last part of an image's name, without its tag; empty where it is not known."""
    name = image.partition("@")[0].rpartition("/")[2].partition(":")[0]
    return name if re.fullmatch(r"[a-z0-9][\w.-]*", name) else ""


def _current(image: str) -> str:
    """The name of an image that is the newest there is; one of a release may differ from what is here."""
    _, _, tag = image.rpartition("/")[2].partition(":")
    return "" if "@" in image or re.match(r"v?\d", tag) else _name(image)


def _is_ours(context: Context, name: str) -> bool:
    """Whether an image has the name of a project of the repository, or of a command that one brings."""
    projects = context.modules.projects.by_directory.values()
    return name in context.entries or name.replace("_", "-") in {each.name.replace("_", "-") for each in projects}


def is_in_our_image(context: Context, site: Site) -> bool:
    """Whether a call runs in containers of an image that is not built here, but has the name of a project of ours."""
    if site.inside is None and "::" not in site.image:
        return False
    services = [service for _, service in context.services_at(site)]
    images = [service.get("image") for service in services if not service.has("build")]
    names = [_current(image.text) if image is not None else "" for image in images]
    return bool(names) and len(names) == len(services) and all(name and _is_ours(context, name) for name in names)


def _is_for(context: Context, name: str, words: Sequence[Word], *, sure: bool) -> bool:
    """Whether words that an image is given are for the program of its name: options, or a command that it has."""
    if words[0].value.startswith("-"):
        return sure
    if words[0].value == name:
        return False
    entry = context.entries.find(name)
    return entry is not None and words[0].value in entry[1].parser.commands


def _is_of_then(path: str, image: str) -> bool:
    """Whether an example starts a release of an image, which may take other words than what is here."""
    return _EXAMPLE.search(path) is not None and re.search(r":v?\d+\.\d", image) is not None


def _entry(made: Dockerfile, stage: Stage) -> list[str]:
    """The words of the entrypoint of a stage, or of what it is made from; nothing where a shell reads them."""
    entries = (entry for each in made.chain(stage) if (entry := each.last("ENTRYPOINT")) is not None)
    entry = next(entries, None)
    return list(entry.words or ()) if entry is not None else []


def _with(context: Context, entry: Sequence[str], words: Sequence[Word]) -> Iterator[list[Word]]:
    """Commands that an entrypoint and what follows it make, all placed where the latter is written."""
    first = [replace(words[0], value=each, assumed=False) for each in entry]
    for command in combined(first, list(words)):
        if len(command) > len(words):
            yield command
        if len(command) > 2 and command[1].value in context.entries and _hands_on(context, command):
            yield command[1:]
    if entry and words[0].value.startswith("-"):
        for before in _put_before(context, entry[0]):
            yield [*(replace(words[0], value=each, assumed=False) for each in before), *words]


def _put_before(context: Context, entrypoint: str) -> Iterator[list[str]]:
    """What an entrypoint puts before options that it is given: `set -- shop serve "$@"`, where it then starts that."""
    for path in context.repository.by_name.get(posixpath.basename(entrypoint), ()):
        text = context.repository.glimpse(path)
        found = _PUTS_BEFORE.findall(text)
        if len(found) == 1 and _STARTS.search(text):
            yield found[0].split()


def _hands_on(context: Context, command: Sequence[Word]) -> bool:
    """Whether an entrypoint starts what it is given, and has no options of its own that are among that."""
    name = posixpath.basename(command[0].value)
    texts = [context.repository.glimpse(each) for each in context.repository.by_name.get(name, ())]
    starts = _GIVEN if _ENTRYPOINT.search(name) else _STARTS
    options = [re.escape(each.value.partition("=")[0]) for each in command[2:] if each.value.startswith("-")]
    own = (
        re.compile(rf"^[ \t(]*(?:[^\s|]+[ ]?\|[ ]?)*(?:{'|'.join(options)})(?:=?\*)?[ ]?[|)]", re.MULTILINE)
        if options
        else None
    )
    return (bool(texts) or starts is _GIVEN) and all(
        starts.search(text) is not None and (own is None or own.search(text) is None) for text in texts
    )


# --- docker run -----------------------------------------------------------------------------------------------------


def _told(context: Context, images: NamedImages) -> Iterator[Call]:
    for call in context.typed:
        match call.target:
            case Started(image=image, arguments=[_, *_] as words, entrypoint=None):
                if (found := images.find(image.value)) is None:
                    if words[0].value in context.entries and _is_ours(context, _name(image.value)):
                        yield from _calls(list(words), replace(call.site, system=System.UNKNOWN, directory=UNKNOWN))
                    continue
                made, stage = found
                key = image_key(made.path, stage.index, len(stage.instructions))
                directory = working_directory(made, stage)
                site = replace(call.site, system=System.IMAGE, image=key, directory=directory, search=())
                for command in _with(context, _entry(made, stage), words):
                    yield from _calls(command, site)


def _run(context: Context) -> Iterator[Call]:
    """`docker compose run SERVICE WORDS`: the words take the place of the image's command, not of its entrypoint."""
    for call in context.typed:
        inside = call.site.inside
        if inside is None or inside.composition.verb != "run":
            continue
        match call.target:
            case Program(name=name, arguments=arguments):
                words = [name, *arguments]
            case Script(path=path, interpreter="", arguments=arguments):
                words = [path, *arguments]
            case _:
                continue
        for project, service in context.services_at(call.site):
            made = context.service_build(project, service)
            stage = context.stage_of(context.dockerfiles[made[0]], made[1]) if made is not None else None
            if made is not None and stage is not None and not service.has("entrypoint"):
                for command in _with(context, _entry(context.dockerfiles[made[0]], stage), words):
                    yield from _calls(command, call.site)


def _calls(words: list[Word], site: Site) -> list[Call]:
    trace = Trace()
    interpreted(words, site, trace)
    return trace.calls


# --- Compose --------------------------------------------------------------------------------------------------------


def _services(context: Context, images: NamedImages) -> Iterator[Call]:
    for project in context.projects:
        for name, service in project.services(context.composes).items():
            command = service.get("command")
            if command is None or service.has("entrypoint") or not (words := command_words(command.node)):
                continue
            path = command.file.path
            found = _image_of(context, images, project, service)
            image = service.get("image")
            if image is not None and not service.has("build") and _is_of_then(path, image.text):
                continue
            if image is not None and not service.has("build") and words[0].value in context.entries:
                if _is_ours(context, _current(image.text)):
                    site = Site(path, Caller.COMPOSE, UNKNOWN, System.UNKNOWN, service_key(path, name), owner=name)
                    yield from _calls(words, site)
                continue
            if found is None:
                own = _current(image.text) if image is not None and not service.has("build") else ""
                if image is not None and image.node.text.startswith("${") and not service.has("build"):
                    own = name  # whoever starts it says which image
                if own and _is_for(context, own, words, sure=own != name):
                    key = service_key(path, name)
                    site = Site(path, Caller.COMPOSE, UNKNOWN, System.UNKNOWN, key, owner=name)
                    yield from _calls([replace(words[0], value=own), *words], site)
                continue
            made, stage = found
            directory = service.get("working_dir")
            base = joined(CWD, directory.text) if directory is not None else working_directory(made, stage)
            site = Site(path, Caller.COMPOSE, base, System.IMAGE, service_key(path, name), owner=name)
            if not service.has("volumes") and not any(context.filesystems(site)):  # only its name says what it is
                site = replace(site, image=image_key(made.path, stage.index, len(stage.instructions)))
            for each in _with(context, _entry(made, stage), words):
                yield from _calls(each, site)


def _image_of(
    context: Context, images: NamedImages, project: Project, service: Service
) -> tuple[Dockerfile, Stage] | None:
    built = context.service_build(project, service)
    if built is None:
        image = service.get("image")
        return images.find(image.text) if image is not None else None
    made = context.dockerfiles[built[0]]
    stage = context.stage_of(made, built[1])
    return (made, stage) if stage is not None else None


# --- Kubernetes -----------------------------------------------------------------------------------------------------


def _workloads(context: Context, images: NamedImages) -> Iterator[Call]:
    for path, items in context.cluster.items.items():
        for item in items:
            for container in item.pod.all_containers if item.pod is not None else ():
                yield from _container(context, path, item, container.node, images)


def _charts(context: Context, images: NamedImages) -> Iterator[Call]:
    """What containers run that the templates of charts make, and the commands of our own that their values give."""
    for directory in context.cluster.charts:
        file = posixpath.join(directory, "values.yaml")
        values = yaml.root_of(context.repository.text(file)) if context.repository.is_file(file) else Node(None)
        yield from _valued(context, file, values)
        for path in {each.path for each in templates(context.repository, directory)}:
            made = yaml.parse(outlined(context.repository.text(path), values))
            for item in items_of(path, made):
                for container in item.pod.all_containers if item.pod is not None else ():
                    yield from _container(context, path, item, container.node, images)


def _valued(context: Context, path: str, node: Node, depth: int = 0) -> Iterator[Call]:
    words = [*_words(node["command"]), *_words(node["args"])] if node.is_map else []
    image = _name(node["image"]["repository"].text) if words else ""
    if words and not _words(node["command"]) and _is_for(context, image, words, sure=image in context.entries):
        words = [replace(words[0], value=image), *words]
    if words and words[0].value in context.entries:
        yield from _calls(words, Site(path, Caller.KUBERNETES, UNKNOWN, System.UNKNOWN, owner=path))
    for _, inner in node.items() if depth < _DEEPEST else ():
        yield from _valued(context, path, inner, depth + 1)


def _container(context: Context, path: str, item: Item, node: Node, images: NamedImages) -> Iterator[Call]:
    """What a container runs: its own command, or what its image's entrypoint makes of its arguments."""
    command, words = _words(node["command"]), _words(node["args"])
    for asked in (*(node[each] for each in _PROBES), node["lifecycle"]["postStart"], node["lifecycle"]["preStop"]):
        if inner := _words(asked["exec"]["command"]):
            yield from _calls(inner, Site(path, Caller.KUBERNETES, UNKNOWN, System.UNKNOWN, owner=item.name))
    site = Site(path, Caller.KUBERNETES, UNKNOWN, System.UNKNOWN, owner=item.name)
    found = images.find(node["image"].text)
    directory = node["workingDir"].text or (working_directory(*found) if found is not None else "")
    if found is not None and not _is_mounted(node, directory, [each.value for each in command] or _entry(*found)):
        made, stage = found
        key = image_key(made.path, stage.index, len(stage.instructions))
        site = replace(site, directory=directory, system=System.IMAGE, image=key)
    if command:
        yield from _calls([*command, *words], site)
    elif words and found is not None:
        for each in _with(context, _entry(*found), words):
            yield from _calls(each, site)
    elif words and (name := _current(node["image"].text)) and _is_for(context, name, words, sure=True):
        yield from _calls([replace(words[0], value=name), *words], site)


def _is_mounted(node: Node, directory: str, words: Sequence[str]) -> bool:
    """Whether something is mounted over a container's working directory, or where a word of its command leads."""
    for mount in node["volumeMounts"].elements():
        path = mount["mountPath"].text.rstrip("/")
        if not is_known(path) or f"{directory}/".startswith(f"{path}/") or any(path in each for each in words):
            return True
    return False


def _words(node: Node) -> list[Word]:
    return [Word(_VARIABLE.sub(UNKNOWN, each.text), each.line, each.column) for each in node.elements()]
