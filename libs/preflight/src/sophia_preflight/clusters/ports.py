"""Ports in the templates of a chart that do not fit each other: of probes, by name."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass

from sophia_preflight.clusters.templates import WORKLOADS, Template
from sophia_preflight.context import Context
from sophia_preflight.model import Place
from sophia_preflight.readers import yaml
from sophia_preflight.readers.tree import Node

_PORT = re.compile(r"^[ \t]*-[ \t]+.*\n(?:[ \t]+(?!-)\S.*\n)*", re.MULTILINE)
_ASKED_PORT = re.compile(r"^[ \t]*(targetPort|port):[ \t]*([a-z][a-z0-9-]*)[ \t]*$", re.MULTILINE)
_ANSWERS = re.compile(
    r"--?(?:liveness|readiness|health|healthz|probe)[\w-]*[=\s\"',]+(?:\w+://)?[\w.*\[\]]*:?(\d{2,5})\b"
)
"""An argument that says where a program answers probes."""
_PROBE_PORT = re.compile(
    r"^([ \t]*)(liveness|readiness|startup)Probe:[ \t]*\n(?:\1[ \t]+.*\n)*?\1[ \t]+port:[ \t]*(\d{2,5})[ \t]*$",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Unmet:
    """A port that is asked for in vain: where, the sentence, what stays the same of it, and what may be meant."""

    path: str
    place: Place
    said: str
    anchor: str
    near: str = ""


def unmet_ports(context: Context, directory: str, objects: list[Template]) -> Iterator[Unmet]:
    """Of the chart in a directory that makes these objects."""
    yield from _probes(objects)
    yield from _ports(context, directory, objects)


def _probes(objects: list[Template]) -> Iterator[Unmet]:
    """Probes of another port than the one on which the program is told to answer them."""
    for each in objects:
        answers = set(_ANSWERS.findall(each.text)) if each.kind in WORKLOADS else set()
        for probe in _PROBE_PORT.finditer(each.text) if len(answers) == 1 else ():
            elsewhere = each.text[: probe.start(3)] + each.text[probe.end(3) :]
            without = _PROBE_PORT.sub(lambda found: found[0].replace(found[3], ""), elsewhere)
            if probe[3] not in answers and not re.search(rf"(?<!\d){probe[3]}(?!\d)", without):
                (there,) = answers
                said = (
                    f"the {probe[2]}Probe of {each.title} asks port `{probe[3]}`, and its program answers on `{there}`"
                )
                yield Unmet(each.path, each.place(probe.start(3)), said, f"probe {probe[3]}", there)


def _ports(context: Context, directory: str, objects: list[Template]) -> Iterator[Unmet]:
    names = _port_names([each for each in objects if each.kind in WORKLOADS])
    if not names:
        return
    told: set[str] = set()
    for each in objects:
        if each.kind == "Service" or each.kind in WORKLOADS:
            for found in _ASKED_PORT.finditer(each.text):
                if (found[1] == "targetPort") == (each.kind == "Service") and found[2] not in names | told:
                    told.add(found[2])
                    yield _port(each.path, each.place(found.start(2)), each.title, found[2], names)
    own = posixpath.join(directory, "values.yaml")
    values = yaml.root_of(context.repository.text(own)) if context.repository.is_file(own) else Node(None)
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        is_used = any(re.search(rf"toYaml\s+\(?\s*\.Values\.{probe}\b", each.text) for each in objects)
        for kind in ("httpGet", "tcpSocket"):
            port = values[probe][kind]["port"]
            if is_used and re.fullmatch(r"[a-z][a-z0-9-]*", port.text) and port.text not in names | told:
                told.add(port.text)
                yield _port(own, port.place(own), f"`{probe}`", port.text, names)


def _port_names(workloads: list[Template]) -> set[str]:
    """The names of all ports of containers; empty where there are others that nobody can tell."""
    found: set[str] = set()
    for each in workloads:
        if re.search(
            r"^[ \t]*(-[ \t]+)?ports:[ \t]*(\{\{|\n\s*\{\{-?\s*(toYaml|include|range|tpl|with))",
            each.text,
            re.MULTILINE,
        ):
            return set()
        if re.search(
            r"(containers|initContainers|extraContainers|sidecars):?[ \t]*\n?\s*\{\{-?\s*(toYaml|include|range|tpl)",
            each.text,
        ):
            return set()
        if re.search(r"\{\{[^{}]*(sidecar|extraContainer|extraPorts|additionalPorts)", each.text, re.IGNORECASE):
            return set()
        for entry in _PORT.finditer(each.text):
            if "containerPort:" in entry[0]:
                name = re.search(r"\bname:[ \t]*(\S.*?)[ \t]*$", entry[0], re.MULTILINE)
                if name is not None and "{{" in name[1]:
                    return set()
                found |= {name[1].strip("\"'")} if name is not None else set()
    return found


def _port(path: str, place: Place, who: str, port: str, names: set[str]) -> Unmet:
    there = ", ".join(f"`{each}`" for each in sorted(names))
    said = f"{who} asks for the port `{port}`, and no container of the chart has one of that name (there is {there})"
    return Unmet(path, place, said, f"port {port}")
