"""Published ports of which nothing speaks that runs in the image: the program has its port from its own source, and
that says another."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from sophia_preflight.composing import Used
from sophia_preflight.context import Context
from sophia_preflight.model import Place
from sophia_preflight.ports.listening import Ports, may_matter, mounted, said
from sophia_preflight.readers.compose import Part, port_of
from sophia_preflight.readers.dockerfile import Dockerfile, Stage
from sophia_preflight.standing import Standing, standing

_DEFAULT = re.compile(
    r"(?<![A-Za-z])(?:[A-Za-z_]*_)?(?:port|PORT)(?:_[A-Z]+)?[\"']?\s*(?::\s*\w+\s*)?(?:=|,\s*default\s*=|,)\s*[\"']?(\d{4,5})(?!\d)"
)
_CODE = re.compile(r"\.(py|go|[cm]?[jt]s|rs|rb)$")
_OF_FRAMEWORKS = frozenset({"80", "443", "3000", "7860", "8501", "8888"})
"""What programs listen to that have their port from whatever serves them."""
_SERVED_BY = {
    "5000": re.compile(r"\b(flask|quart|mlflow)\b", re.IGNORECASE),
    "8000": re.compile(r"uvicorn|gunicorn|django|hypercorn|daphne|granian|sanic|http\.server|fastmcp", re.IGNORECASE),
    "8080": re.compile(r"aiohttp|\bbottle\b|nicegui|http-server|tornado|\bnet/http\b|spring|express", re.IGNORECASE),
}
"""The servers that listen to a port without a word about it."""
_MODULE = re.compile(r"(?:\S*/)?python3?\s+(?:-[uBO]\s+)*-m\s+([A-Za-z_]\w*)")
_MOST_BYTES = 6_000_000
_MOST_TOLD = 20


class Sources:
    """What the sources of images say of ports; each is read once."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self._said: dict[str, tuple[tuple[str, int], ...]] = {}
        self._code = [
            path for path in context.repository.entries if _CODE.search(path) and standing(path) is Standing.PRODUCT
        ]

    def ports(self, each: Used, ports: Ports) -> dict[str, Place]:
        """The ports that the source of a service's program names, where it starts one of ours and is told none."""
        context = self.context
        built = context.service_build(each.project, each.service)
        if built is None or ports.started or ports.usual or each.service.has("network_mode"):
            return {}
        made = context.dockerfiles[built[0]]
        stage = context.stage_of(made, built[1])
        return self.of(made, stage, built[1].directory) if stage is not None else {}

    def of(self, made: Dockerfile, stage: Stage, directory: str) -> dict[str, Place]:
        """The ports that the source of the program names that an image starts by itself, where that is one of ours."""
        start = stage.last("ENTRYPOINT") or stage.last("CMD")
        if start is None or not self._is_ours(said(start)):
            return {}
        found: dict[str, Place] = {}
        size = 0
        for path in self._code:
            if self.context.images.takes(made, directory, path):
                size += self.context.repository.entries[path].size
                if size > _MOST_BYTES:
                    return {}
                for port, line in self._of(path):
                    found.setdefault(port, Place(path, line))
        return found if len(found) <= _MOST_TOLD else {}

    def _is_ours(self, start: str) -> bool:
        """Whether a command starts a program of the repository: one that it brings, or a package of its own."""
        module = _MODULE.match(start)
        if module is None:
            return posixpath.basename(start.partition(" ")[0]) in self.context.entries
        repository = self.context.repository
        places = repository.ending_with(f"{module[1]}/__main__.py") + repository.ending_with(f"{module[1]}.py")
        return any(standing(each) is Standing.PRODUCT for each in places)

    def _of(self, path: str) -> tuple[tuple[str, int], ...]:
        """The ports that a file names, with their lines."""
        if path not in self._said:
            text = self.context.repository.glimpse(path)
            self._said[path] = tuple(
                (match[1], text.count("\n", 0, match.start(1)) + 1) for match in _DEFAULT.finditer(text)
            )
        return self._said[path]


def is_unspoken(context: Context, each: Used, ports: Ports, port: str) -> bool:
    """Whether nothing speaks of a port that runs in the image of a service, or is read there."""
    built = context.service_build(each.project, each.service)
    if built is None or ports.mentions(port) or any(mounted(each)):
        return False
    return is_unspoken_in(context, context.dockerfiles[built[0]], built[1].directory, port)


def is_unspoken_in(context: Context, made: Dockerfile, directory: str, port: str, *, asker: str = "") -> bool:
    """Whether nothing that an image is given speaks of a port, nor serves on it without a word.

    What starts containers of it, as `asker` does, is no part of the program, even where it is in the image."""
    if port in _OF_FRAMEWORKS:
        return False
    givers = {asker, *context.composes, *context.dockerfiles, *context.workflows}
    charts = tuple(
        path.removesuffix("Chart.yaml") for path in context.repository.entries if path.endswith("/Chart.yaml")
    )
    number = re.compile(rf"(?<![\w.]){port}(?![\w.])")
    serving = _SERVED_BY.get(port, number)
    return not any(
        path not in givers
        and not path.startswith(charts)
        and may_matter(path)
        and (number.search(text := context.repository.glimpse(path)) or serving.search(text))
        and context.images.takes(made, directory, path)
        for path in context.repository.entries
    )


def unspoken(
    context: Context, each: Used, ports: Ports, sources: Sources
) -> Iterator[tuple[Part, str, dict[str, Place]]]:
    """Ports that a service publishes and of which its image does not speak, and those that its source names."""
    told = sources.ports(each, ports)
    for part in each.service.listed("ports") if told else ():
        port = port_of(part.node)
        number = port.container if port is not None and port.protocol == "tcp" else ""
        if number.isdigit() and number not in told and is_unspoken(context, each, ports, number):
            nearest = sorted((abs(int(one) - int(number)), one) for one in told)[:4]
            yield part, number, {one: told[one] for _, one in nearest}
