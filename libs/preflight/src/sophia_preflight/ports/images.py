"""Ports of images by themselves: what a Dockerfile declares and probes, and what is published of a container of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from sophia_preflight.calls.entering import NamedImages
from sophia_preflight.calls.model import Call, Started
from sophia_preflight.context import Context
from sophia_preflight.images import Filesystem
from sophia_preflight.model import Involved, Place, Severity
from sophia_preflight.ports.listening import Ports, by_source, image_of, is_said, of_image, take
from sophia_preflight.ports.unspoken import Sources, is_unspoken_in
from sophia_preflight.readers.dockerfile import Dockerfile, Instruction, Stage
from sophia_preflight.standing import consequence, is_development, limited
from sophia_preflight.text import Word, is_known

PROBED = re.compile(r"(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1\])(?::|\s+|['\"],\s*)(\d{2,5})\b")
"""A port that a probe asks on its own machine."""
_OF_PORTS = re.compile(r"(?<![a-z])port|bind|listen|addr|(^|\s)-[pb]\b", re.IGNORECASE)
"""Words that may tell a program another port."""
_PUBLISHED = re.compile(r"(?:[\d.]+:)?\d{2,5}:(\d{2,5})")


@dataclass(frozen=True)
class Unanswered:
    """A port to which the program of an image does not listen; `why` says what comes of it where that is another."""

    message: str
    places: tuple[Involved, ...]
    anchor: str
    severity: Severity
    why: str = ""
    blocks: str = ""


def in_images(context: Context, sources: Sources) -> Iterator[Unanswered]:
    """Of every image that the repository builds, and every container of one that somebody starts by hand."""
    yield from _run(context, sources)
    for path, made in context.dockerfiles.items():
        if (stage := made.final) is not None:
            ports = _ports(context, made, stage)
            if probe := stage.last("HEALTHCHECK"):
                yield from _probed(context, path, probe, ports)
            if exposed := stage.last("EXPOSE"):
                yield from _exposed(context, path, exposed, ports)


def shown(ports: Iterable[str]) -> str:
    return ", ".join(f"`{port}`" for port in sorted(ports))


def _ports(context: Context, made: Dockerfile, stage: Stage) -> Ports:
    """Those of an image as it starts by itself."""
    ports = of_image(made, stage)
    builds = [each for each in context.builds(made.path) if each.certain]
    if not ports.started and len(builds) == 1:
        take(ports, by_source(context, made, stage, builds[0].directory, {}, {}))
    return ports


def _exposed(context: Context, path: str, exposed: Instruction, ports: Ports) -> Iterator[Unanswered]:
    if ports.started and ports.declared and not ports.started & ports.declared:
        there = ports.place or Place(path)
        built = any(each.certain for each in context.builds(path))
        alone = not built and not any(is_said(context, port, there) for port in ports.started)
        yield Unanswered(
            f"the image exposes {shown(ports.declared)} and its program listens to {shown(ports.started)}",
            (Involved(Place(path, exposed.line), "declaration"), Involved(there, "command")),
            "expose",
            limited(Severity.HIGH if alone else Severity.MEDIUM, path),
            why="who believes the image publishes a port that nobody answers",
        )


def _run(context: Context, sources: Sources) -> Iterator[Unanswered]:
    """Containers that somebody starts by hand, of images that the repository builds."""
    images = NamedImages(context)
    for call in context.typed:
        target = call.target
        if not isinstance(target, Started) or not target.published or target.entrypoint:
            continue
        found = images.find(target.image.value)
        ports = [(word, _PUBLISHED.fullmatch(word.value)) for word in target.published]
        if found is None or any(port is None for _, port in ports):
            continue
        made, stage = found
        there = _ports(context, made, stage)
        known = there.started if not (target.arguments or target.variables) else set()
        told = " ".join(word.value for word in (*target.arguments, *target.variables))
        if not known and is_known(told) and not _OF_PORTS.search(told):
            known = there.started | there.exposed
        places = {build.directory for build in context.builds(made.path)}
        if not known and not there.started and is_known(told) and not _OF_PORTS.search(told) and len(places) == 1:
            yield from _unspoken(context, call, ports, made, stage, sources, places.pop())
        for word, port in ports if known else ():
            if port is None or any(other and other[1] in known for _, other in ports) or port[1] in told:
                continue
            place = Place(call.site.path, word.line, word.column)
            if there.mentions(port[1]) or port[1] in there.declared:
                continue
            if known != there.started and is_said(context, port[1], place, within=_only_image(context, made.path)):
                continue
            severity, blocks = consequence(call.site)
            listens = f"listens to {shown(there.started)}" if there.started else f"exposes {shown(known)}"
            yield Unanswered(
                f"the container of `{made.path}` publishes its port `{port[1]}` and {listens}",
                (Involved(place, "published"), *([Involved(there.place, "command")] if there.place else [])),
                f"run {target.image.value} {port[1]}",
                severity.at_most(Severity.HIGH),
                blocks=blocks,
            )


def _unspoken(
    context: Context,
    call: Call,
    ports: Sequence[tuple[Word, re.Match[str] | None]],
    made: Dockerfile,
    stage: Stage,
    sources: Sources,
    directory: str,
) -> Iterator[Unanswered]:
    """Published ports of which nothing in the image speaks, where the program that it starts names others."""
    told = sources.of(made, stage, directory)
    numbers = [(word, port[1]) for word, port in ports if port is not None]
    if not told or any(number in told for _, number in numbers):
        return
    for word, number in numbers:
        if is_unspoken_in(context, made, directory, number, asker=call.site.path):
            severity, blocks = consequence(call.site)
            yield Unanswered(
                f"the container of `{made.path}` publishes its port `{number}`, and its program names {shown(told)}",
                (
                    Involved(Place(call.site.path, word.line, word.column), "published"),
                    Involved(next(iter(told.values())), "source"),
                ),
                f"run {made.path} {number}",
                severity.at_most(Severity.HIGH),
                blocks=blocks,
            )


def _only_image(context: Context, path: str) -> Filesystem | None:
    """What is in the image of a Dockerfile that is built in one way."""
    builds = context.builds(path)
    return image_of(context, path, builds[0]) if len(builds) == 1 else None


def _probed(context: Context, path: str, probe: Instruction, ports: Ports) -> Iterator[Unanswered]:
    known = ports.started or ports.exposed
    for found in PROBED.finditer(probe.flat):
        if not known or found[1] in known or ports.mentions(found[1]):
            continue
        before = probe.value[: max(probe.value.find(found[1]), 0)]
        place = Place(path, probe.line + before.count("\n"))
        if not ports.started and is_said(context, found[1], place, within=_only_image(context, path)):
            continue
        yield Unanswered(
            f"the health check asks port `{found[1]}`, and the program listens to {shown(known)}",
            (Involved(Place(path, probe.line), "probe"), Involved(ports.place or place, "command")),
            f"probe {found[1]}",
            limited(Severity.HIGH if is_development(path) else Severity.CRITICAL, path),
            "the container is never healthy",
            f"the start of the image of `{path}`",
        )
