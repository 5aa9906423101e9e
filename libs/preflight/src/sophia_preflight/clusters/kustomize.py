"""Kustomizations: what they name, and which objects come together when one is built.

Nothing is built here. A `Built` holds the objects as their files declare them, with what generators add; where remote
bases, charts or plugins bring more, it says that it is not complete, and nobody may conclude from what is not in it.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from sophia_preflight.clusters.objects import KUSTOMIZATIONS, Item, items_of
from sophia_preflight.readers import yaml
from sophia_preflight.readers.tree import Documents, Node
from sophia_preflight.text import named

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sophia_preflight.repository import Repository

FIELDS = named(
    "apiVersion kind metadata openapi namePrefix nameSuffix namespace commonLabels labels commonAnnotations "
    "patchesStrategicMerge patchesJson6902 patches images imageTags replacements replicas vars sortOptions resources "
    "components crds bases configMapGenerator secretGenerator helmGlobals helmCharts helmChartInflationGenerator "
    "generatorOptions configurations generators transformers validators buildMetadata"
)
PATCH_FIELDS = named("path patch target options")
GENERATOR_FIELDS = named("name namespace behavior literals files envs env options type")
_REMOTE = re.compile(
    r"://|^git@|^(github|gitlab|bitbucket)\.[a-z]+[/:]|^[\w.-]+\.[a-z]{2,}/.*//|\?ref=|^git::|\.git(\?|//|$)"
)


@dataclass(frozen=True)
class Named:
    """A path in a kustomization, with what it is for; `directory` says whether it may be one."""

    node: Node
    field: str
    directory: bool = False
    purpose: str = ""


@dataclass
class Kustomization:
    path: str
    node: Node

    @property
    def directory(self) -> str:
        return posixpath.dirname(self.path) or "."

    @property
    def is_component(self) -> bool:
        return self.node["kind"].text == "Component"

    def located(self, text: str) -> str:
        return posixpath.normpath(posixpath.join(self.directory, text))

    def names(self) -> Iterator[Named]:
        """Every file and directory that it names; what is remote or written in place is left out."""
        node = self.node
        for key in ("resources", "bases", "components", "generators", "transformers", "validators"):
            for each in node[key].elements():
                if is_local(each):
                    yield Named(each, key, True)
        for key in ("crds", "configurations", "patchesStrategicMerge"):
            for each in node[key].elements():
                if is_local(each):
                    yield Named(each, key)
        for key in ("patches", "patchesJson6902", "replacements"):
            for each in node[key].elements():
                if is_local(each["path"]):
                    yield Named(each["path"], key)
        if is_local(node["openapi"]["path"]):
            yield Named(node["openapi"]["path"], "openapi")
        for key in ("configMapGenerator", "secretGenerator"):
            for each in node[key].elements():
                yield from _sources(each, key)
        for each in node["helmCharts"].elements():
            for one in [each["valuesFile"], *each["additionalValuesFiles"].elements()]:
                if is_local(one):
                    yield Named(one, "helmCharts")

    @property
    def bases(self) -> list[str]:
        """Files and directories of the repository whose objects it takes over."""
        return [
            self.located(each.text)
            for key in ("resources", "bases", "components")
            for each in self.node[key].elements()
            if is_local(each)
        ]

    @property
    def open(self) -> bool:
        """It takes over something that is not in the repository, or that a plugin makes."""
        return any(self.node[key].elements() for key in ("generators", "transformers", "helmCharts")) or bool(
            self.node["helmChartInflationGenerator"].elements()
        ) or any(
            each.text and not is_local(each)
            for key in ("resources", "bases", "components")
            for each in self.node[key].elements()
        )  # fmt: skip

    def patch_paths(self) -> list[Named]:
        """Files that are laid over objects."""
        found = [Named(each, "patchesStrategicMerge") for each in self.node["patchesStrategicMerge"].elements()]
        for key in ("patches", "patchesJson6902"):
            found += [Named(each["path"], key) for each in self.node[key].elements() if each["path"].text]
        return [each for each in found if is_local(each.node)]


def _sources(generator: Node, key: str) -> Iterator[Named]:
    for each in generator["files"].elements():
        _, equals, path = each.text.partition("=")
        node = Node(path, each.line, each.column) if equals else each
        if is_local(node):
            yield Named(node, key, purpose="files")
    for each in [*generator["envs"].elements(), generator["env"]]:
        if is_local(each):
            yield Named(each, key, purpose="envs")


def is_local(node: Node) -> bool:
    """Whether a text is a path that is written out: no address, no YAML in place, nothing to be filled in."""
    text = node.text
    return bool(text) and "\n" not in text and not _REMOTE.search(text) and not re.search(r"[${}<>*]|^/", text)


@dataclass
class Patch:
    """A strategic merge patch of one object, or a JSON patch of those that a target selects."""

    path: str
    node: Node
    """Where it is said that this patch is laid over something."""
    kind: str
    name: str
    words: frozenset[str]
    item: Item | None = None
    pattern: bool = False
    """The name is a pattern, or the target selects by labels: whether it matches is not for us to say."""
    deletes: bool = False

    @property
    def merges(self) -> bool:
        """Whether it is laid over an object as a part of one, rather than by operations."""
        return self.item is not None


@dataclass
class Built:
    """What one kustomization brings together."""

    kustomization: Kustomization
    items: list[Item] = field(default_factory=list)
    patches: list[Patch] = field(default_factory=list)
    complete: bool = True
    closed: bool = True
    """Nothing comes from elsewhere; where it is not complete, only files of the repository are missing."""
    paths: set[str] = field(default_factory=set)
    affixes: set[tuple[str, str]] = field(default_factory=set)
    spare: list[Item] = field(default_factory=list)
    """What lies beside a file that is missing and is listed nowhere: that file under another name, perhaps."""
    loop: bool = False


class Builder:
    """Builds what kustomizations of a repository bring together, once each."""

    def __init__(self, repository: Repository, documents: Mapping[str, Documents]) -> None:
        self.repository, self.documents = repository, documents
        self.kustomizations = {
            path: Kustomization(path, made.root)
            for path, made in documents.items()
            if posixpath.basename(path) in KUSTOMIZATIONS and made.root.is_map and self._is_one(made.root)
        }
        self._built: dict[str, Built] = {}

    @staticmethod
    def _is_one(root: Node) -> bool:
        return "kustomize.toolkit.fluxcd.io" not in root["apiVersion"].text and not root["spec"]

    def of_directory(self, directory: str) -> Kustomization | None:
        directory = self.repository.resolved(directory)
        for name in KUSTOMIZATIONS:
            found = self.kustomizations.get(posixpath.normpath(posixpath.join(directory, name)))
            if found is not None:
                return found
        return None

    def roots(self) -> list[Kustomization]:
        """Those that no other one takes over, and that are no components."""
        used: set[str] = set()
        for each in self.kustomizations.values():
            for path in each.bases:
                inner = self.of_directory(path)
                if inner is not None:
                    used.add(inner.path)
        return [each for path, each in self.kustomizations.items() if path not in used and not each.is_component]

    def built(self, kustomization: Kustomization) -> Built:
        if kustomization.path not in self._built:
            self._built[kustomization.path] = self._build(kustomization, ())
        return self._built[kustomization.path]

    def _build(self, one: Kustomization, above: tuple[str, ...]) -> Built:
        found = Built(one, paths={one.path})
        found.complete = found.closed = not one.open
        if one.path in above:
            found.loop, found.complete = True, False
            return found
        for path in one.bases:
            self._take(path, found, (*above, one.path))
        for key, kind in (("configMapGenerator", "ConfigMap"), ("secretGenerator", "Secret")):
            for each in one.node[key].elements():
                found.items += _generated(one, each, kind)
        found.patches += self._patches(one)
        found.affixes.add((one.node["namePrefix"].text, one.node["nameSuffix"].text))
        return found

    def _take(self, path: str, found: Built, above: tuple[str, ...]) -> None:
        inner = self.of_directory(path)
        if inner is not None:
            more = self._build(inner, above)
            found.items += more.items
            found.patches += more.patches
            found.paths |= more.paths
            found.affixes |= more.affixes
            found.complete = found.complete and more.complete
            found.closed = found.closed and more.closed
            found.spare += more.spare
            found.loop = found.loop or more.loop
            return
        path = self.repository.resolved(path)
        made = self.documents.get(path)
        if made is None or not made.documents:
            found.spare += (unlisted := self._unlisted(path))
            found.complete = found.complete and bool(unlisted)
            found.closed = found.closed and not self.repository.exists(path) and not self.repository.is_ignored(path)
            return
        found.paths.add(path)
        found.items += items_of(path, made)

    def _unlisted(self, path: str) -> list[Item]:
        """Objects beside a file that is not there, in files that no kustomization names: it has been renamed."""
        directory = posixpath.dirname(path)
        if self.repository.exists(path) or self.repository.is_ignored(path):
            return []
        return [
            item
            for each, made in self.documents.items()
            if posixpath.dirname(each) == directory and each not in self._listed and each not in self.kustomizations
            for item in items_of(each, made)
        ]

    @cached_property
    def _listed(self) -> frozenset[str]:
        """Every path that some kustomization names."""
        return frozenset(one.located(each.node.text) for one in self.kustomizations.values() for each in one.names())

    def _patches(self, one: Kustomization) -> Iterator[Patch]:
        for each in one.node["patchesStrategicMerge"].elements():
            yield from self._merge_patches(one, each, each)
        for each in one.node["patches"].elements():
            if each["target"].is_map:
                yield self._targeted(one, each)
            else:
                yield from self._merge_patches(one, each, each["path"] or each["patch"])
        for each in one.node["patchesJson6902"].elements():
            yield self._targeted(one, each)

    def _merge_patches(self, one: Kustomization, said: Node, source: Node) -> Iterator[Patch]:
        path, documents = self._text(one, source)
        if documents is None:
            return
        for item in items_of(path, documents):
            deletes = item.node["$patch"].text == "delete"
            yield Patch(one.path, said, item.kind, item.name, item.words, item, deletes=deletes)

    def _text(self, one: Kustomization, source: Node) -> tuple[str, Documents | None]:
        if is_local(source):
            path = one.located(source.text)
            return path, self.documents.get(path)
        return one.path, yaml.parse(source.text) if "\n" in source.text else None

    def _targeted(self, one: Kustomization, each: Node) -> Patch:
        target = each["target"]
        _, documents = self._text(one, each["path"] or each["patch"])
        words: set[str] = set()
        for document in documents.documents if documents else ():
            for operation in document.elements():
                words |= set(operation["path"].text.split("/")) | {operation["op"].text}
            words |= {word for item in items_of(one.path, documents or Documents()) for word in item.words}
        plain = re.fullmatch(r"[a-z0-9][-a-z0-9.]*", target["name"].text) is not None
        pattern = not plain or bool(target["labelSelector"].text or target["annotationSelector"].text)
        return Patch(one.path, each, target["kind"].text, target["name"].text, frozenset(words), pattern=pattern)


def _generated(one: Kustomization, each: Node, kind: str) -> list[Item]:
    keys: set[str] | None = {literal.text.partition("=")[0] for literal in each["literals"].elements()}
    for file in each["files"].elements():
        name, equals, _ = file.text.partition("=")
        if keys is not None:
            keys.add(name if equals else posixpath.basename(file.text))
    if each["envs"].elements() or each["env"].text or each["behavior"].text in ("merge", "replace"):
        keys = None
    name = each["name"].text
    made = Item(one.path, each, "v1", kind, name, each["namespace"].text, frozenset(keys) if keys is not None else None)
    return [made] if name else []
