"""The file systems that calls in images and containers may see, and the services whose containers those are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING

from sophia_preflight.calls.entering import NamedImages
from sophia_preflight.calls.locations import ImageView
from sophia_preflight.calls.model import Site
from sophia_preflight.readers.compose import Project, Service
from sophia_preflight.readers.dockerfile import Instruction

if TYPE_CHECKING:
    from sophia_preflight.context import Context


_VARIABLE = re.compile(r"(?:\$\{(\w+)\}|\$(\w+))(?::\S*)?")
"""The name of an image of which all but a tag is a variable without a default."""


class Seeing:
    """Ask `filesystems`."""

    def __init__(self, context: Context) -> None:
        self.context = context

    def filesystems(self, site: Site) -> Iterator[ImageView]:
        """The file systems that a call in an image may see."""
        if site.inside is not None or "::" in site.image:
            yield from self._of_service(site)
            return
        path, _, rest = site.image.partition("#")
        stage_text, _, instruction = rest.partition("@")
        made = self.context.dockerfiles.get(path)
        if made is None or not stage_text.isdigit():
            return
        stage = made.stages[int(stage_text)]
        index = int(instruction)
        if index < len(stage.instructions) and _brings_files(stage.instructions[index]):
            return
        for build in self.context.builds(path):
            files = self.context.images.filesystem(made, stage, build.directory, index)
            yield ImageView(files, build.certain)

    def services_at(self, site: Site) -> Iterator[tuple[Project, Service]]:
        """The services whose containers a call may run in."""
        if site.inside is not None:
            name = site.inside.service
            projects = list(
                self.context.compositions.project_at(site.path, site.inside.directory, site.inside.composition)
            )
        else:
            file, _, name = site.image.partition("::")
            projects = self.context.compositions.projects_with(file)
        for project in projects:
            service = project.services(self.context.composes).get(name)
            if service is not None:
                yield project, service

    def is_by_variable(self, site: Site, package: str) -> bool:
        """Whether a service's image is only named by a variable, by whose name it is that of a package."""
        services = self.services_at(site) if "::" in site.image else ()
        images = [service.get("image") for _, service in services if not service.has("build")]
        names = [_VARIABLE.fullmatch(image.node.text) if image is not None else None for image in images]
        return bool(names) and all(
            name and f"_{package}_" in f"_{name[name.lastindex or 0].lower()}_" for name in names
        )

    def _of_service(self, site: Site) -> Iterator[ImageView]:
        for project, service in self.services_at(site):
            made = self.context.service_build(project, service)
            if made is None:
                yield from self._of_image(service)
                continue
            path, build = made
            dockerfile = self.context.dockerfiles[path]
            stage = self.context.stage_of(dockerfile, build)
            if stage is not None:
                yield ImageView(self.context.images.filesystem(dockerfile, stage, build.directory), True)

    def _of_image(self, service: Service) -> Iterator[ImageView]:
        """The image of a service without a build, where the repository builds it by the very same name."""
        image = service.get("image")
        found = self._images.exactly(image.text) if image is not None else None
        if found is not None:
            made, stage, directory = found
            yield ImageView(self.context.images.filesystem(made, stage, directory), False)

    @cached_property
    def _images(self) -> NamedImages:
        return NamedImages(self.context)


def _brings_files(instruction: Instruction) -> bool:
    """Whether something is mounted while an instruction runs that may bring files: anything but a cache or secret."""
    mounts = instruction.flags.get("mount", "").split()
    return any(not re.search(r"\btype=(cache|secret|ssh|tmpfs)\b", each) for each in mounts)
