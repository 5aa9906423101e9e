"""Image builds as somebody asks for them, in one form: from compose files, commands, workflows."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass, replace

from sophia_preflight.calls.locations import Location
from sophia_preflight.calls.model import ImageBuild
from sophia_preflight.composing import Used, located, used
from sophia_preflight.context import Context
from sophia_preflight.model import Confidence, Place, Severity
from sophia_preflight.readers.compose import build_of
from sophia_preflight.standing import consequence
from sophia_preflight.text import UNKNOWN, Word, joined, shown


@dataclass(frozen=True)
class Asked:
    """A build with where its parts are; `context` and `dockerfile` as they were written."""

    place: Place
    owner: str
    severity: Severity
    blocks: str
    confidence: Confidence
    context: str
    context_location: Location
    context_place: Place
    dockerfile: str
    dockerfile_location: Location
    dockerfile_place: Place
    stage: str
    stage_place: Place
    arguments: tuple[tuple[str, str, Place], ...]
    """Names, values (unknown where the builder's environment has them), and where they are said."""


def asked(context: Context) -> Iterator[Asked]:
    """Every build of the repository."""
    for each in used(context):
        yield from _of_service(context, each)
    for call in context.typed:
        if isinstance(call.target, ImageBuild):
            target = call.target
            severity, blocks = consequence(call.site)
            base = joined(call.site.directory, target.context.value)
            word = target.dockerfile or Word("Dockerfile", call.place.line, call.place.column)
            site_of_file = call.site.directory if target.dockerfile else base
            located_file = context.finder.path(Word(joined(site_of_file, word.value)), call.site)
            if located_file.found and (called := context.called_build(call, target)) is not None:
                located_file = replace(located_file, path=called[0])
            if not target.dockerfile and not located_file.found:
                for other in ("dockerfile", "Containerfile"):
                    again = context.finder.path(Word(joined(base, other)), call.site)
                    located_file = again if again.found else located_file
            here = call.site.path
            assumed = target.context.assumed or word.assumed
            yield Asked(
                call.place,
                call.site.owner,
                severity,
                blocks,
                Confidence.LIKELY if assumed else Confidence.CERTAIN,
                shown(target.context.value),
                context.finder.path(target.context, call.site, directory=True),
                Place(here, target.context.line, target.context.column),
                shown(word.value),
                located_file,
                Place(here, word.line, word.column),
                target.stage.value if target.stage else "",
                Place(here, target.stage.line, target.stage.column) if target.stage else call.place,
                tuple(
                    (*_argument(argument.value), Place(here, argument.line, argument.column))
                    for argument in target.arguments
                ),
            )


def _of_service(context: Context, each: Used) -> Iterator[Asked]:
    build = build_of(each.service)
    part = each.service.get("build")
    if build is None or part is None or build.foreign:
        return
    severity, blocks = each.consequence
    place = part.node.place(part.file.path)
    said = each.service.get("build", "context") or part
    file = each.service.get("build", "dockerfile") or part
    stage = each.service.get("build", "target") or part
    where = located(context, each.project, said.file, build.context, directory=True)
    path = posixpath.join(build.context, build.dockerfile) if not build.dockerfile.startswith("/") else build.dockerfile
    found = located(context, each.project, said.file, path)
    if build.inline:
        found = where
    elif not each.service.has("build", "dockerfile") and not found.found:
        for other in ("dockerfile", "Containerfile"):
            again = located(context, each.project, said.file, posixpath.join(build.context, other))
            found = again if again.found else found
    yield Asked(
        place,
        each.service.name,
        severity,
        blocks,
        Confidence.LIKELY if build.assumed else each.confidence,
        shown(build.context),
        where,
        said.node.place(said.file.path),
        shown(build.dockerfile),
        found,
        file.node.place(file.file.path),
        build.stage,
        stage.node.place(stage.file.path),
        tuple(
            (name, value.text or UNKNOWN, value.node.place(value.file.path))
            for name, value in each.service.mapping("build", "args").items()
        ),
    )


def _argument(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    return name, value if equals else UNKNOWN
