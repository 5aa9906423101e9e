"""What the rules about compose files share: services of projects, their sites, paths as Compose sees them."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass

from sophia_preflight.calls.compose import service_key
from sophia_preflight.calls.locations import Location, State
from sophia_preflight.calls.model import Caller, Site, System
from sophia_preflight.context import Context
from sophia_preflight.model import Confidence, Severity
from sophia_preflight.readers.compose import ComposeFile, Part, Project, Service
from sophia_preflight.standing import consequence
from sophia_preflight.text import is_known


@dataclass(frozen=True)
class Used:
    """A service as a project uses it."""

    project: Project
    service: Service

    @property
    def site(self) -> Site:
        path = self.service.parts[-1].file.path
        return Site(
            path,
            Caller.COMPOSE,
            system=System.IMAGE,
            image=service_key(path, self.service.name),
            owner=self.service.name,
        )

    @property
    def consequence(self) -> tuple[Severity, str]:
        return consequence(self.site)

    @property
    def confidence(self) -> Confidence:
        """Whether somebody is known to use these files together."""
        return Confidence.CERTAIN if self.project.called or len(self.project.files) == 1 else Confidence.LIKELY


def used(context: Context) -> Iterator[Used]:
    """Every service of every project."""
    for project in context.projects:
        for service in project.services(context.composes).values():
            yield Used(project, service)


def file_consequence(path: str, owner: str = "") -> tuple[Severity, str]:
    """What fails when a compose file cannot be used at all."""
    severity, _ = consequence(Site(path, Caller.COMPOSE, owner=owner or path))
    return severity, f"`docker compose` with `{path}`"


def located(context: Context, project: Project, file: ComposeFile, path: str, *, directory: bool = False) -> Location:
    """A path of a project's file, relative to what the paths of that file are."""
    if not is_known(path) or path.startswith(("/", "~")) or "://" in path:
        return Location(State.UNKNOWN)
    place = posixpath.normpath(posixpath.join(project.base_of(file), path))
    if place.startswith(".."):
        return Location(State.UNKNOWN)
    if context.finder.exists(place, directory=directory) or (directory and context.repository.is_file(place)):
        return Location(State.FOUND, place)
    if context.finder.is_made(place):
        return Location(State.UNKNOWN)
    return Location(State.MISSING, place, Confidence.CERTAIN, f"`{posixpath.dirname(place) or '.'}`")


def is_external(part: Part) -> bool:
    """`external: true`, or a mapping with the name."""
    node = part.node["external"]
    return bool(node) and node.text.lower() != "false"
