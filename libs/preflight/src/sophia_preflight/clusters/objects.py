"""Kubernetes objects as files declare them, and the pods that workloads make.

An `Item` is one document with `apiVersion` and `kind`, or one element of a `List`. Names and labels that a template
engine or `envsubst` fills in (`$NAME`, `<name>`, `PLACEHOLDER`) are unknown: `literal` tells them apart.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from sophia_preflight.model import Place
from sophia_preflight.readers.tree import NOTHING, Documents, Node

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.:]*[a-z0-9])?")
_LABEL = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?")
_TEMPLATES = {
    "Deployment": ("spec", "template"),
    "StatefulSet": ("spec", "template"),
    "DaemonSet": ("spec", "template"),
    "ReplicaSet": ("spec", "template"),
    "ReplicationController": ("spec", "template"),
    "Job": ("spec", "template"),
    "Rollout": ("spec", "template"),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
}
_TEMPLATE = re.compile(r"\{\{|\{%|<%|^\s*#@|\{[A-Z_]{3,}\}", re.MULTILINE)
_MANIFEST = re.compile(r"^apiVersion:\s*\S+", re.MULTILINE)
_KIND = re.compile(r"^kind:\s*\w+", re.MULTILINE)
CONTROLLERS = frozenset({"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"})
"""Those whose selector has to match their own template."""


def literal(text: str) -> bool:
    """Whether a name is written out and not left to be filled in."""
    return bool(_NAME.fullmatch(text))


def literal_label(text: str) -> bool:
    return bool(_LABEL.fullmatch(text)) and not (text.isupper() and len(text) > 2)


def is_manifest(text: str) -> bool:
    """Whether a text that cannot be parsed was meant as a manifest, and not as a template of one."""
    return bool(_MANIFEST.search(text) and _KIND.search(text)) and not _TEMPLATE.search(text)


@dataclass(eq=False)
class Item:
    path: str
    node: Node
    api: str
    kind: str
    name: str
    namespace: str
    keys: frozenset[str] | None = None
    """For what a generator makes: the keys of its data, where they are known."""
    templated: bool = False
    """Made by a template of a chart."""

    @property
    def owner(self) -> str:
        """The path by whose folders it is judged how much the object matters."""
        return self.path.replace("/templates/", "/") if self.templated else self.path

    @property
    def group(self) -> str:
        return self.api.rpartition("/")[0]

    @property
    def said(self) -> str:
        return f"{self.kind} `{self.name}`"

    @property
    def place(self) -> Place:
        metadata = self.node["metadata"]
        node = metadata["name"] or self.node.key("kind")
        return node.place(self.path)

    @cached_property
    def pod(self) -> Pod | None:
        """The pods that this makes; None for what makes none."""
        if self.kind == "Pod" and self.api == "v1":
            return Pod(self, self.node["metadata"], self.node["spec"])
        template = self.node.at(*_TEMPLATES[self.kind]) if self.kind in _TEMPLATES else NOTHING
        if self.kind == "Rollout" and "argoproj" not in self.api:
            return None
        return Pod(self, template["metadata"], template["spec"]) if template.is_map else None

    @cached_property
    def strings(self) -> frozenset[str]:
        """Every scalar in it: what an operator may take a name from."""
        return frozenset(each.text for each in scalars(self.node))

    @cached_property
    def words(self) -> frozenset[str]:
        """Every key in it, at any depth."""
        return frozenset(_keys(self.node))


@dataclass(frozen=True)
class Container:
    node: Node
    name: str
    initial: bool = False


@dataclass(eq=False)
class Pod:
    item: Item
    metadata: Node
    spec: Node

    @property
    def labels(self) -> dict[str, str]:
        return {name: node.text for name, node in self.metadata["labels"].items()}

    @cached_property
    def containers(self) -> list[Container]:
        """Those that run on, sidecars among the init containers included."""
        found = [Container(each, each["name"].text) for each in self.spec["containers"].elements() if each.is_map]
        return found + [
            Container(each, each["name"].text)
            for each in self.spec["initContainers"].elements()
            if each.is_map and each["restartPolicy"].text == "Always"
        ]

    @cached_property
    def all_containers(self) -> list[Container]:
        initial = [
            Container(each, each["name"].text, True)
            for each in self.spec["initContainers"].elements()
            if each.is_map and each["restartPolicy"].text != "Always"
        ]
        return [*self.containers, *initial]

    @cached_property
    def port_names(self) -> dict[str, str]:
        """Name -> number of the ports that containers declare."""
        return {
            port["name"].text: port["containerPort"].text
            for each in self.containers
            for port in each.node["ports"].elements()
            if port["name"].text
        }

    @cached_property
    def port_numbers(self) -> frozenset[str]:
        return frozenset(
            port["containerPort"].text for each in self.containers for port in each.node["ports"].elements()
        )

    @property
    def says_all_ports(self) -> bool:
        """Every container declares ports, and none of their numbers is left to be filled in."""
        return bool(self.containers) and all(
            each.node["ports"].elements() and all(p["containerPort"].text.isdigit() for p in each.node["ports"].value)
            for each in self.containers
        )


def scalars(node: Node, depth: int = 0) -> Iterator[Node]:
    """All scalars below a node."""
    if depth > 60:
        return
    if node.is_map:
        for value in node.value.values():
            yield from scalars(value, depth + 1)
    elif node.is_list:
        for each in node.elements():
            yield from scalars(each, depth + 1)
    elif node.value is not None:
        yield node


def _keys(node: Node, depth: int = 0) -> Iterator[str]:
    if depth > 60:
        return
    for name, value in node.items():
        yield name
        yield from _keys(value, depth + 1)
    for each in node.elements():
        yield from _keys(each, depth + 1)


def items_of(path: str, documents: Documents) -> list[Item]:
    """The objects of a file; none where it is something else."""
    found: list[Item] = []
    for document in documents.documents:
        _collect(path, document, found, 0)
    return found


def _collect(path: str, node: Node, found: list[Item], depth: int) -> None:
    api, kind = node["apiVersion"], node["kind"]
    if not (api.is_scalar and kind.is_scalar and api.text and kind.text) or depth > 3:
        return
    if kind.text.endswith("List") and node["items"].is_list:
        for each in node["items"].elements():
            _collect(path, each, found, depth + 1)
        return
    metadata = node["metadata"]
    found.append(Item(path, node, api.text, kind.text, metadata["name"].text, metadata["namespace"].text))


def is_kustomization(path: str) -> bool:
    return posixpath.basename(path) in KUSTOMIZATIONS


KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml", "Kustomization")


@dataclass(frozen=True)
class Reference:
    """An object that another one needs by name; `key` is a key of its data, `optional` if it may be missing."""

    kind: str
    name: Node
    key: Node = field(default=NOTHING)
    optional: bool = False
    by: str = ""


def references(pod: Pod) -> Iterator[Reference]:
    """What the pods need before their containers can start."""
    spec = pod.spec
    account = spec["serviceAccountName"] or spec["serviceAccount"]
    if account.text and account.text != "default":
        yield Reference("ServiceAccount", account, by="the pods")
    for volume in spec["volumes"].elements():
        yield from _volume(volume)
    for container in pod.all_containers:
        by = f"the container `{container.name}`"
        for source in container.node["envFrom"].elements():
            for key, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
                if source[key]["name"].text:
                    yield Reference(kind, source[key]["name"], optional=source[key]["optional"].value is True, by=by)
        for variable in container.node["env"].elements():
            origin = variable["valueFrom"]
            for key, kind in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")):
                if origin[key]["name"].text:
                    optional = origin[key]["optional"].value is True
                    yield Reference(kind, origin[key]["name"], origin[key]["key"], optional, by)


def _volume(volume: Node) -> Iterator[Reference]:
    by = f"the volume `{volume['name'].text}`"
    claim = volume["persistentVolumeClaim"]["claimName"]
    if claim.text:
        yield Reference("PersistentVolumeClaim", claim, by=by)
    sources = [volume, *volume["projected"]["sources"].elements()]
    for source in sources:
        for key, kind, name in (
            ("configMap", "ConfigMap", "name"),
            ("secret", "Secret", "secretName" if source is volume else "name"),
        ):
            part = source[key]
            if not part[name].text:
                continue
            optional = part["optional"].value is True
            yield Reference(kind, part[name], optional=optional, by=by)
            for item in part["items"].elements():
                if item["key"].text:
                    yield Reference(kind, part[name], item["key"], optional, by)
