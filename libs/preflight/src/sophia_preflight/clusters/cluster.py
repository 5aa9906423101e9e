"""All that a repository means for clusters, and the sets in which it is applied: what rules about manifests ask.

A `Scope` is what comes together: what a kustomization builds, or for plain files everything in the repository that is
not of another environment (`staging/` does not help `production/`).
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from sophia_preflight.clusters import schema
from sophia_preflight.clusters.kustomize import Builder, Built, Patch
from sophia_preflight.clusters.objects import Item, Pod, items_of, literal, literal_label
from sophia_preflight.readers.tree import Documents, Node
from sophia_preflight.text import named

if TYPE_CHECKING:
    from sophia_preflight.repository import Repository

ENVIRONMENTS = named(
    "dev devel development staging stage stg prod production prd test testing qa uat local preview sandbox demo "
    "minikube kind k3s k3d eks gke aks aws gcp azure ci e2e canary integration preprod"
)
_GIVEN = {
    "ConfigMap": named(
        "kube-root-ca.crt istio-ca-root-cert openshift-service-ca.crt extension-apiserver-authentication"
    ),
    "Secret": named(""),
    "ServiceAccount": named("default builder deployer"),
    "Service": named("kubernetes"),
    "Role": named("extension-apiserver-authentication-reader"),
    "ClusterRole": named("cluster-admin admin edit view cluster-reader basic-user self-provisioner"),
}
"""What clusters bring."""
_REFERRING = named(
    "envFrom env valueFrom volumes configMap configMapRef configMapKeyRef secret secretRef secretKeyRef secretName "
    "claimName persistentVolumeClaim serviceAccountName serviceAccount projected scaleTargetRef roleRef subjects "
    "backend defaultBackend tls $patch"
)
"""Keys of a merge patch by which it changes what an object refers to; its `name`s say which object it is for."""
_REFERRED = _REFERRING | {"name"}


def environments(path: str) -> frozenset[str]:
    """The environments that a path says it is for."""
    parts = [part for each in posixpath.dirname(path).split("/") for part in re.split(r"[-_.]", each)]
    stem = posixpath.basename(path).split(".")
    parts += [part for each in stem[:-1] for part in re.split(r"[-_]", each)]
    return frozenset(part.lower() for part in parts if part.lower() in ENVIRONMENTS)


@dataclass(eq=False)
class Scope:
    """Objects that are applied together. `complete` unless something comes from elsewhere."""

    items: list[Item]
    patches: list[Patch] = field(default_factory=list)
    complete: bool = True
    closed: bool = True
    """Only files of the repository are missing, if anything is."""
    owner: str = ""
    """The kustomization; empty for plain files."""
    affixes: frozenset[tuple[str, str]] = frozenset()
    spare: list[Item] = field(default_factory=list)
    """What may be applied, too, under the name of a file that is missing."""

    @cached_property
    def by_name(self) -> dict[tuple[str, str], list[Item]]:
        found: dict[tuple[str, str], list[Item]] = {}
        for each in (*self.items, *self.spare):
            for prefix, suffix in {("", ""), *self.affixes}:
                found.setdefault((each.kind, prefix + each.name + suffix), []).append(each)
        return found

    def find(self, kind: str, name: str) -> list[Item]:
        return self.by_name.get((kind, name), [])

    def of(self, *kinds: str) -> Iterator[Item]:
        return (each for each in self.items if each.kind in kinds)

    @cached_property
    def pods(self) -> list[Pod]:
        return [each.pod for each in self.items if each.pod is not None]

    def changed(self, item: Item, *words: str) -> bool:
        """Whether a patch touches fields of these names in an object, or removes it."""
        return any(each.deletes or each.words & set(words) or "remove" in each.words for each in self._patches_of(item))

    def refers_otherwise(self, item: Item) -> bool:
        """Whether a patch gives an object other references than it has, or takes some away."""
        return any(
            each.deletes or each.words & (_REFERRING if each.merges else _REFERRED) or "remove" in each.words
            for each in self._patches_of(item)
        )

    def _patches_of(self, item: Item) -> Iterator[Patch]:
        return (
            each
            for each in self.patches
            if each.pattern or ((not each.kind or each.kind == item.kind) and (not each.name or each.name == item.name))
        )

    @cached_property
    def foreign_words(self) -> frozenset[str]:
        """All texts in objects that operators turn into others."""
        found: set[str] = set()
        for each in self.items:
            if each.group not in schema.groups():
                found |= each.strings
        return frozenset(found)

    def given(self, kind: str, name: str) -> bool:
        """Whether clusters or operators bring it."""
        return name in _GIVEN.get(kind, ()) or name in self.foreign_words or name.startswith("system:")

    def matching(self, selector: Mapping[str, str], namespace: str = "") -> list[Pod]:
        """Pods that carry all these labels."""
        return [
            pod
            for pod in self.pods
            if selector.items() <= pod.labels.items() and _same_namespace(namespace, pod.item.namespace)
        ]


def _same_namespace(one: str, other: str) -> bool:
    return not one or not other or one == other or not literal(one) or not literal(other)


class Cluster:
    """Made once for a check, from the YAML files of the repository."""

    def __init__(self, repository: Repository, documents: Mapping[str, Documents]) -> None:
        self.repository = repository
        self.documents = documents
        self.builder = Builder(repository, documents)
        self.items: dict[str, list[Item]] = {}
        for path, made in documents.items():
            if path not in self.builder.kustomizations and (found := items_of(path, made)):
                self.items[path] = found

    @cached_property
    def patches(self) -> frozenset[str]:
        """Files that are laid over objects and are none by themselves."""
        return frozenset(
            each.located(named.node.text)
            for each in self.builder.kustomizations.values()
            for named in each.patch_paths()
        )

    @cached_property
    def charts(self) -> list[str]:
        """Directories of Helm charts."""
        return [posixpath.dirname(path) for path in self.repository.by_name.get("Chart.yaml", [])]

    @cached_property
    def builds(self) -> list[Built]:
        return [self.builder.built(each) for each in self.builder.roots()]

    @cached_property
    def _built_paths(self) -> frozenset[str]:
        return frozenset(path for each in self.builds for path in each.paths)

    @cached_property
    def relabelled(self) -> frozenset[str]:
        """Files to whose objects a kustomization adds selectors and labels."""
        return frozenset(
            path
            for each in self.builder.kustomizations.values()
            if each.node["commonLabels"].is_map
            or any(one["includeSelectors"].value is True for one in each.node["labels"].elements())
            for path in self.builder.built(each).paths
        )

    @cached_property
    def patched(self) -> frozenset[tuple[str, str]]:
        """Kinds and names that some patch is laid over."""
        return frozenset(
            (patch.kind, patch.name)
            for each in self.builder.kustomizations.values()
            for patch in self.builder.built(each).patches
        )

    def is_partial(self, path: str) -> bool:
        """Whether objects of a file may lack anything, because they are laid over others."""
        return path in self.patches or "patch" in posixpath.basename(path).lower() or "/patches/" in f"/{path}"

    @cached_property
    def whole(self) -> list[tuple[Item, Scope]]:
        """Every complete object with a scope that it is applied in; one that is in several comes several times."""
        found: list[tuple[Item, Scope]] = []
        for built in self.builds:
            scope = self._scope(built)
            found += [(item, scope) for item in scope.items]
        for path, items in self.items.items():
            if path not in self._built_paths and not self.is_partial(path):
                scope = self._plain(environments(path))
                found += [(item, scope) for item in items]
        return found

    @cached_property
    def scopes(self) -> list[Scope]:
        """Each scope once."""
        found = {id(scope): scope for _, scope in self.whole}
        return list(found.values())

    def _scope(self, built: Built) -> Scope:
        removed = {(each.kind, each.name) for each in built.patches if each.deletes}
        items = [each for each in built.items if (each.kind, each.name) not in removed]
        path, affixes = built.kustomization.path, frozenset(built.affixes)
        return Scope(items, built.patches, built.complete, built.closed, path, affixes, built.spare)

    def _plain(self, own: frozenset[str]) -> Scope:
        if own not in self._plain_scopes:
            items = [
                item
                for path, items in self.items.items()
                if not self.is_partial(path) and (not own or not environments(path) or own & environments(path))
                for item in items
            ]
            items += [
                item
                for built in self.builds
                if not own or not environments(built.kustomization.path) or own & environments(built.kustomization.path)
                for item in built.items
                if item.path == built.kustomization.path or item.path not in self.items
            ]
            self._plain_scopes[own] = Scope(items)
        return self._plain_scopes[own]

    @cached_property
    def _plain_scopes(self) -> dict[frozenset[str], Scope]:
        return {}


def equal_labels(node: Node) -> dict[str, str] | None:
    """A selector of labels as pairs; None where one of them is left to be filled in."""
    pairs = {name: value.text for name, value in node.items()}
    return pairs if all(literal_label(value) for value in pairs.values()) else None
