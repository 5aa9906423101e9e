"""Files of tests and examples that somebody runs all the same: what fails in them fails for whoever does.

A folder's name alone says that nobody would notice. A workflow, a makefile, a script or a page of instructions that
calls what lies there says otherwise, and so does what is called for what it calls in turn.
"""

from __future__ import annotations

import itertools
import posixpath
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from sophia_preflight.calls.documents import Page, is_front
from sophia_preflight.calls.model import (
    Call,
    Caller,
    Composition,
    ImageBuild,
    MakeTarget,
    Needed,
    PackageScript,
    Script,
)
from sophia_preflight.readers.compose import COMPOSE_NAMES, mount_of
from sophia_preflight.readers.makefile import MAKEFILE_NAMES
from sophia_preflight.rendering import is_rendered
from sophia_preflight.standing import Standing, standing
from sophia_preflight.text import CWD, UNKNOWN, Word, is_known, upward
from sophia_preflight.told import MATERIAL, Told, is_ours

if TYPE_CHECKING:
    from sophia_preflight.context import Context

_SHARED = re.compile(
    r"\b(re-?used|shared|common) (in|by|between|across|to|among) (\w+ ){0,3}(projects|repositories|repos)\b"
    r"|do not (edit|modify)\b|auto-?generated|\bgenerated (automatically|by|from)\b|@generated",
    re.IGNORECASE,
)
"""What is said at the top of a file that people here do not write."""
_LIGHT_ENOUGH = re.compile(r"(^|/)(package\.json|[^/]+\.(ya?ml|json|sh|template|tmpl|conf|toml))$")
"""Files that are read and say in turn what is run, or what is deployed."""
_STARTED = re.compile(r"\bdocker[ -]compose\b[^#\n]*?\b(up|run)\b")
_MOST_BYTES = 300_000
_TELLS = re.compile(r"\.(md|rst|sh|bash|mk)$|(^|/)(Makefile|Justfile)$|(^|/)\.github/workflows/[^/]+$")
_INSTALLED = re.compile(
    r"\bhelm (?:install|upgrade)\b(?:[ \t]+(?!\.{0,2}/)[^\s\\]+|[ \t]*\\\n)*?[ \t]+"
    r"((?:\.{1,2}/?|[\w-]+/)[\w./-]*)(?=\s|$)"
)
_GIVEN = re.compile(
    r"(?:\s(?:-f|-v|--filename|--volume|cp)[ =]|--config[\w.]*=)\s*(?:\./|\$\(pwd\)/|\$PWD/|\$\{PWD\}/)?([\w./-]+)"
)


def in_use(context: Context) -> frozenset[str]:
    """The files of tests and examples that are run, by themselves or through each other."""
    callers: dict[str, set[str]] = {}
    found: set[str] = set()
    for call in context.typed:
        for path in _called(context, call):
            if _is_light(path) and _counts(call, path):
                if _is_light(call.site.path) and call.site.caller is not Caller.DOCUMENT:
                    callers.setdefault(call.site.path, set()).add(path)
                else:
                    found.add(path)
    for path in filter(_is_light, context.dockerfiles):
        builders = {each.caller for each in context.builds(path) if each.certain and each.caller}
        found |= {path for builder in builders if not _is_light(builder)}
        for builder in builders:
            callers.setdefault(builder, set()).add(path)
    found |= set(_built_by_name(context))
    light = {path for path in context.facts if _is_light(path) and not MATERIAL.search(path)}
    found |= Told(context.repository, light, context.composes).read()
    found |= {*_headed(context), *_beside_pages(context)}
    found |= {*_given(context), *_told_to_make(context), *_shipped(context), *_imported(context), *_installed(context)}
    for file in filter(_is_light, context.composes):
        callers.setdefault(file, set()).update(_mounted(context, file))
    waiting = list(found)
    while waiting:
        new = callers.get(waiting.pop(), set()) - found
        found |= new
        waiting += new
    return frozenset(found)


def shared(context: Context) -> frozenset[str]:
    """Files that are not, or not all, for this repository: makefiles that say of themselves that they are made, or come
    from another one, templates of whole projects, and compose files that tests beside them read."""
    made = {path for path in context.makefiles if _SHARED.search(_head(context.repository.glimpse(path)))}
    rendered = {path for path in context.facts if is_rendered(context.repository, path)}
    return frozenset(made | rendered | set(_read_by_tests(context)))


def _read_by_tests(context: Context) -> Iterator[str]:
    """Compose files of no usual name in packages of Go whose tests name them, as what a reader is given."""
    for path in context.composes:
        directory, name = posixpath.split(path)
        if name not in COMPOSE_NAMES:
            tests = [
                each
                for each in context.repository.inside(directory or ".")
                if each.endswith("_test.go") and posixpath.dirname(each) == directory
            ]
            if any(f'"{name}"' in context.repository.glimpse(each) for each in tests):
                yield path


def _head(text: str) -> str:
    """The comments that a file begins with."""
    lines = itertools.takewhile(lambda line: not line.strip() or line.startswith("#"), text[:4000].split("\n"))
    return " ".join(line.strip("# ") for line in lines)


def _is_light(path: str) -> bool:
    return standing(path) in (Standing.TEST, Standing.EXAMPLE)


def _counts(call: Call, path: str) -> bool:
    """Whether a failure would be noticed: what pages of invented repositories tell is typed by nobody."""
    if call.site.guard.tolerated or MATERIAL.search(path):
        return False
    return call.site.caller is not Caller.DOCUMENT or is_ours(call.site.path)


def _called(context: Context, call: Call) -> Iterator[str]:
    """The files that a call runs or starts."""
    match call.target:
        case Script():
            location = context.script(call)
            yield from [location.path] if location.found else []
        case Needed(path=word) if word.known and _LIGHT_ENOUGH.search(word.value):
            yield from (place.path for place in [context.path_of(word, call)] if place.found and _is_light(place.path))
        case PackageScript(workspace=""):
            place = context.path_of(Word("package.json", call.place.line, call.place.column), call)
            yield from [place.path] if place.found else []
        case MakeTarget(file=file):
            words = [file] if file is not None else [Word(name, 0, 0) for name in MAKEFILE_NAMES]
            yield from (place.path for word in words if (place := context.path_of(word, call)).found)
        case Composition():
            for project in context.compositions.projects_of(call):
                yield from project.key
                for service in project.services(context.composes).values():
                    if (made := context.service_build(project, service)) is not None:
                        yield made[0]


def _built_by_name(context: Context) -> Iterator[str]:
    """Dockerfiles that a call builds which is given the name of their directory, where its file has that name."""
    light = [path for path in context.dockerfiles if _is_light(path)]
    for call in context.calls if light else ():
        if not isinstance(call.target, ImageBuild) or _is_light(call.site.path):
            continue
        word = call.target.dockerfile or call.target.context
        before, mark, after = word.value.partition(UNKNOWN)
        if not mark or not before.endswith("/") or not is_known(before + after) or len(before) < 5:
            continue
        after = after if call.target.dockerfile is not None else posixpath.join(after or "/", "Dockerfile")
        one = re.compile(rf"(?:^|/){re.escape(before.lstrip('./'))}([^/]+){re.escape(after)}")
        text = context.repository.glimpse(call.site.path)
        for path in light:
            match = one.search(path)
            if match and match.end() == len(path):
                named = rf"(?<![\w-]){re.escape(match[1])}(?![\w-])|{re.escape(before)}\*"
                yield from [path] if re.search(named, text) else []


def _told_to_make(context: Context) -> Iterator[str]:
    """Makefiles in which a page tells people to make a target."""
    for path, facts in context.facts.items():
        if not isinstance(facts.data, Page) or MATERIAL.search(path):
            continue
        above = (*upward(posixpath.dirname(path)), "")
        for call in facts.trace.calls:
            if isinstance(call.target, MakeTarget) and call.target.file is None and call.site.directory.startswith(CWD):
                inner = call.site.directory.removeprefix(CWD).lstrip("/")
                places = {posixpath.normpath(posixpath.join(base, inner)) for base in above}
                made = [posixpath.normpath(posixpath.join(place, name)) for place in places for name in MAKEFILE_NAMES]
                yield from (each for each in made if each in context.makefiles and standing(each) is Standing.TEST)


def _shipped(context: Context) -> Iterator[str]:
    """Configurations that an image which is no example gets by name."""
    for path, made in context.dockerfiles.items():
        copies = [each for stage in made.stages for each in stage.instructions if each.name in ("COPY", "ADD")]
        for build in context.builds(path) if not _is_light(path) and copies else ():
            for each in copies:
                for source in each.arguments()[:-1] if "from" not in each.flags else ():
                    place = posixpath.normpath(posixpath.join(build.directory, source.lstrip("/")))
                    if place in context.documents and _is_light(place) and not MATERIAL.search(place):
                        yield place


def _imported(context: Context) -> Iterator[str]:
    """Modules that are taken for tests by their names alone, and that the product imports."""
    for path, facts in context.modules.python.items():
        if standing(path) is Standing.PRODUCT:
            for each in facts.outline.imports:
                if not each.lazy and not each.conditional and not each.guarded:
                    yield from (
                        file
                        for file in context.modules.targets(path, each)
                        if _is_light(file) and not _is_light(f"{posixpath.dirname(file)}/module.py")
                    )


def _mounted(context: Context, path: str) -> Iterator[str]:
    """What services of a compose file are given of the files beside it."""
    file = context.composes[path]
    volumes = (each for _, node in file.root["services"].items() for each in node["volumes"].elements())
    for mount in map(mount_of, volumes):
        if mount is not None and mount.source.startswith("."):
            place = posixpath.normpath(posixpath.join(file.directory, mount.source))
            if place in context.facts and _is_light(place):
                yield place


def _installed(context: Context) -> Iterator[str]:
    """What charts consist of that a page beside them, or one that says their whole path, tells people to install."""
    pages = [path for path in context.repository.entries if path.endswith((".md", ".rst"))]
    for chart in context.cluster.charts:
        if standing(f"{chart}/Chart.yaml") is not Standing.EXAMPLE or MATERIAL.search(chart):
            continue
        above = posixpath.dirname(chart)
        for page in pages:
            beside = posixpath.dirname(page) in (chart, above)
            text = context.repository.glimpse(page) if beside or is_ours(page) else ""
            told = {match[1] for match in _INSTALLED.finditer(text)} if "helm" in text else set()
            bases = (chart, above, "") if beside else ("",)
            if any(posixpath.normpath(posixpath.join(base, each)) == chart for each in told for base in bases):
                for path in context.repository.inside(chart):
                    yield from (path, path.replace("/templates/", "/"))
                break


def _headed(context: Context) -> Iterator[str]:
    """Compose files that say at their top how people start them."""
    for path in context.composes:
        if _is_light(path) and not MATERIAL.search(path) and _STARTED.search(_head(context.repository.glimpse(path))):
            yield path


def _beside_pages(context: Context) -> Iterator[str]:
    """Configurations of agents that lie in an example beside the page that tells how it is run."""
    for path, facts in context.facts.items():
        if _is_light(path) and any(call.site.caller is Caller.AGENT for call in facts.trace.calls):
            home = posixpath.dirname(path)
            if any(is_ours(each) and is_front(each) and posixpath.dirname(each) == home for each in context.pages):
                yield path


def _given(context: Context) -> Iterator[str]:
    """Configurations and manifests that some command is given by their whole path."""
    light = [each for each in context.documents if "/" in each and _is_light(each) and not MATERIAL.search(each)]
    if not light:
        return
    texts = [
        context.repository.glimpse(each)
        for each, entry in context.repository.entries.items()
        if entry.size < _MOST_BYTES and _TELLS.search(each)
    ]
    given = {match[1] for text in texts for match in _GIVEN.finditer(text)}
    yield from (each for each in light if each in given)
