"""What pods and settings tell programs: the addresses that they are to ask, and the port that they are to listen to."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass

from sophia_preflight.clusters.cluster import Scope
from sophia_preflight.clusters.objects import Container, Item, Pod, literal
from sophia_preflight.model import Place
from sophia_preflight.ports.asking import waited
from sophia_preflight.ports.defaults import GENERAL, told_port
from sophia_preflight.readers.tree import Node

_ADDRESS = re.compile(
    r"\b[a-z][a-z0-9+]*://(?:[^@/\s'\"]*@)?(?P<host>[a-z][a-z0-9-]*)"
    r"(?:\.(?P<space>[a-z][a-z0-9-]*)(?:\.svc(?:\.cluster\.local)?)?)?:(?P<port>\d{2,5})(?=[/?\s'\",]|$)"
)
_PLAIN = re.compile(
    r"(?:^|[=,(\s])(?P<host>[a-z][a-z0-9-]*)(?:\.(?P<space>[a-z][a-z0-9-]*)(?:\.svc(?:\.cluster\.local)?)?)?"
    r":(?P<port>\d{2,5})(?=[/,)\s]|$)"
)
"""An address without a scheme, as of a database or of what is waited for."""
_PORT = re.compile(r"(?:(\w+)_)?PORT")


@dataclass(frozen=True)
class Address:
    """A setting `name` says that somebody is at a host, of a namespace where that is said, and a port."""

    name: str
    value: Node
    host: str
    space: str
    port: str


def addresses(item: Item) -> Iterator[Address]:
    """Those in what containers are told and wait for, and in the values of a ConfigMap or a Secret."""
    for name, value in _settings(item):
        for host, space, port in dict.fromkeys(_asked(value.text, waits=name in ("command", "args"))):
            yield Address(name, value, host, space, port)


def _asked(text: str, *, waits: bool) -> Iterator[tuple[str, str, str]]:
    """Hosts, their namespaces where they are said, and ports."""
    for pattern in (_ADDRESS, _PLAIN):
        for found in pattern.finditer(text):
            yield found["host"], found["space"] or "", found["port"]
    if waits:
        yield from ((host, "", port) for _, host, port, *_ in waited(text))


def _settings(item: Item) -> Iterator[tuple[str, Node]]:
    for container in item.pod.all_containers if item.pod is not None else ():
        for variable in container.node["env"].elements():
            if variable["value"].text:
                yield variable["name"].text, variable["value"]
        for key in ("command", "args"):
            for word in container.node[key].elements():
                yield key, word
    if item.kind in ("ConfigMap", "Secret") and item.api == "v1":
        for key in ("data", "stringData") if item.kind == "Secret" else ("data",):
            for name, value in item.node[key].items():
                if "\n" not in value.text:
                    yield name, value


@dataclass(frozen=True)
class Told:
    """The one port that a program is told, and where; `settings` are all that it is told."""

    port: str
    place: Place
    settings: str


def told(pod: Pod, container: Container, scope: Scope) -> Told | None:
    """The port that an option tells a program, else the one variable that is named for it; None where none does, or
    where it has settings that nobody can read."""
    path, node = pod.item.path, container.node
    words = [word for key in ("command", "args") for word in node[key].elements()]
    variables = _variables(node, path, scope)
    if variables is None:
        return None
    settings = " ".join([*(word.text for word in words), *(value.text for value, _ in variables.values())])
    if port := told_port(" ".join(word.text for word in words)):
        word = next(each for each in reversed(words) if port in each.text)
        return Told(port, word.place(path), settings)
    name = posixpath.basename(re.sub(r"[:@].*", "", node["image"].text))
    own = {part for said in (container.name, name, pod.item.name) for part in re.split(r"[-_.]", said.upper())}
    named = [
        (value, where)
        for variable, (value, where) in variables.items()
        if (match := _PORT.fullmatch(variable)) is not None
        and re.fullmatch(r"\d{2,5}", value.text)
        and (match[1] is None or set(match[1].upper().split("_")) <= own | GENERAL)
    ]
    if len(named) != 1:
        return None
    ((value, where),) = named
    return Told(value.text, value.place(where), settings)


def _variables(node: Node, path: str, scope: Scope) -> dict[str, tuple[Node, str]] | None:
    """The variables of a container with the paths that give them; None where a ConfigMap is not there to be read."""
    found: dict[str, tuple[Node, str]] = {}
    for source in node["envFrom"].elements():
        name = source["configMapRef"]["name"].text
        maps = scope.find("ConfigMap", name) if literal(name) else []
        if source["configMapRef"] and len(maps) != 1:
            return None
        for each in maps:
            found |= {key: (value, each.path) for key, value in each.node["data"].items()}
    return found | {each["name"].text: (each["value"], path) for each in node["env"].elements()}
