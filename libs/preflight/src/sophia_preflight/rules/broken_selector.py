"""A selector that matches nothing: a workload that does not select its own pods, a service without any."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from sophia_preflight.clusters.cluster import Scope, equal_labels
from sophia_preflight.clusters.objects import CONTROLLERS, Item, Pod
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Confidence, Finding, Involved, Rule, Severity
from sophia_preflight.readers.tree import Node
from sophia_preflight.standing import Standing, is_development, limited, standing

RULE = Rule(
    id="broken-selector",
    title="a selector matches nothing",
    severity=Severity.CRITICAL,
    why="the service has no pods behind it: every request fails",
    fix="make the selector and the labels of the pods equal",
    family="clusters",
)


_GIVEN_LATER = re.compile(
    r"(^|[./_-])(role|instanceRole|pod-name|pod-index|pod-template-hash|revision-hash|leader|primary)$"
)
"""Labels that controllers and the programs in the pods set while they run."""


_PROGRAM = re.compile(r"\.(go|py|sh|bash|ts|js|java|kt|rb|rs)$")


def check(context: Context) -> Iterable[Finding]:
    for item, scope in context.cluster.whole:
        if item.kind in CONTROLLERS:
            yield from _own_pods(item, scope)
        elif item.kind == "Service" and item.api == "v1":
            yield from _service(context, item, scope)
        elif item.kind == "PodDisruptionBudget" or (item.kind == "NetworkPolicy" and item.api.startswith("networking")):
            key = "selector" if item.kind == "PodDisruptionBudget" else "podSelector"
            yield from _loose(item, item.node["spec"][key]["matchLabels"], scope)


def _own_pods(item: Item, scope: Scope) -> Iterator[Finding]:
    pod = item.pod
    selector = item.node["spec"]["selector"]["matchLabels"]
    if pod is None or not selector.is_map or scope.changed(item, "labels", "selector", "matchLabels"):
        return
    wanted, has = equal_labels(selector), equal_labels(pod.metadata["labels"])
    if wanted is None or has is None:
        return
    for name, value in wanted.items():
        if has.get(name) == value:
            continue
        said = f"has `{name}: {has[name]}`" if name in has else f"lacks `{name}`"
        yield RULE.found(
            f"{item.said} selects `{name}: {value}`, and its own template {said}",
            Involved(selector[name].place(item.path), "selector"),
            Involved((pod.metadata["labels"] or pod.metadata).place(item.path), "labels"),
            anchor=f"{item.said} {name}",
            severity=limited(Severity.HIGH if is_development(item.path) else Severity.CRITICAL, item.path),
            why="the API server refuses it",
            blocks=f"applying `{item.path}`",
        )


def _service(context: Context, item: Item, scope: Scope) -> Iterator[Finding]:
    spec = item.node["spec"]
    selector = equal_labels(spec["selector"])
    if not selector or spec["type"].text == "ExternalName" or not scope.closed:
        return
    if scope.matching(selector, item.namespace) or _changes_labels(item, scope):
        return
    meant = _meant(item, selector, scope)
    if meant is None:
        return
    labels = meant.labels
    failing = [name for name, value in selector.items() if labels.get(name) != value]
    if all(name not in labels and _GIVEN_LATER.search(name) for name in failing) and len(failing) < len(selector):
        return
    wrong = failing[0]
    if standing(item.path) is Standing.TEST and _is_made_by_tests(context, selector[wrong]):
        return
    said = f"have `{wrong}: {labels[wrong]}`" if wrong in labels else f"have no `{wrong}`"
    yield RULE.found(
        f"{item.said} selects `{wrong}: {selector[wrong]}`, and the pods of {meant.item.said} {said}",
        Involved(spec["selector"][wrong].place(item.path), "selector"),
        Involved((meant.metadata["labels"] or meant.item.node).place(meant.item.path), "labels"),
        anchor=f"{item.said} {wrong}",
        severity=limited(Severity.HIGH if is_development(item.path) else Severity.CRITICAL, item.path),
        confidence=Confidence.LIKELY,
        blocks=f"requests to {item.said} of `{item.path}`",
    )


def _is_made_by_tests(context: Context, value: str) -> bool:
    """Whether a program speaks of a value that is no everyday word: tests start pods of their own."""
    texts = (each for each in context.repository.entries if _PROGRAM.search(each))
    return "-" in value and any(f'"{value}"' in context.repository.glimpse(each) for each in texts)


def _changes_labels(item: Item, scope: Scope) -> bool:
    words = ("labels", "selector", "matchLabels")
    return scope.changed(item, *words) or any(scope.changed(pod.item, *words) for pod in scope.pods)


def _meant(item: Item, selector: dict[str, str], scope: Scope) -> Pod | None:
    """The pods that a service was meant for: of its own name, or the only ones beside it; None where nobody can say."""
    name = item.name.removesuffix("-service").removesuffix("-svc")
    for pod in scope.pods:
        other = pod.item.name.removesuffix("-deployment").removesuffix("-deploy")
        if other == name or pod.item.name == item.name:
            return pod
    near = [pod for pod in scope.pods if pod.item.path == item.path]
    if len(near) == 1 or (near and _are_alike(near, selector)):
        return near[0]
    if not scope.complete:
        return None
    values = set(selector.values())
    beside = [pod for pod in scope.pods if values & {pod.item.name, *pod.labels.values()}]
    return beside[0] if len(beside) == 1 else None


def _are_alike(pods: list[Pod], selector: dict[str, str]) -> bool:
    """Whether pods are the members of one thing: they say the same of everything that a selector asks for."""
    return all(len({pod.labels.get(name) for pod in pods}) == 1 for name in selector) and any(
        name in pods[0].labels for name in selector
    )


def _loose(item: Item, node: Node, scope: Scope) -> Iterator[Finding]:
    """Selectors whose failure nobody notices at once."""
    selector = equal_labels(node)
    if not selector or not scope.complete or not scope.pods or scope.matching(selector, item.namespace):
        return
    if _changes_labels(item, scope):
        return
    yield RULE.found(
        f"{item.said} selects pods that nothing here makes",
        node.place(item.path),
        anchor=item.said,
        severity=limited(Severity.MEDIUM, item.path),
        confidence=Confidence.LIKELY,
        why="it protects nothing",
    )


_DEPLOYMENT = """
    apiVersion: apps/v1
    kind: Deployment
    metadata:
      name: api
    spec:
      selector:
        matchLabels: {app: api}
      template:
        metadata:
          labels: {app: %s}
        spec:
          containers:
            - name: api
              image: registry.example.com/api:1.4
"""
_SERVICE = """
    apiVersion: v1
    kind: Service
    metadata:
      name: api
    spec:
      selector: {app: %s}
      ports: [{port: 80}]
"""
BAD = [
    tree("    === k8s/api.yaml" + _DEPLOYMENT % "backend"),
    tree("    === k8s/api.yaml" + _DEPLOYMENT % "api" + "    === k8s/service.yaml" + _SERVICE % "backend"),
    tree("""
        === k8s/store.yaml
        apiVersion: v1
        kind: Service
        metadata: {name: store-client}
        spec:
          selector: {app: store-server}
          ports: [{port: 2379}]
        ---
        apiVersion: v1
        kind: Pod
        metadata: {name: store0, labels: {app: store, member: "0"}}
        spec: {containers: [{name: store, image: "registry.example.com/store:1"}]}
        ---
        apiVersion: v1
        kind: Pod
        metadata: {name: store1, labels: {app: store, member: "1"}}
        spec: {containers: [{name: store, image: "registry.example.com/store:1"}]}
    """),
    tree(
        "    === k8s/kustomization.yaml\n    resources: [api.yaml, service.yaml, ingress.yaml]\n    === k8s/api.yaml"
        + _DEPLOYMENT % "api"
        + "    === k8s/service.yaml"
        + _SERVICE % "backend"
    ),
]
GOOD = [
    tree("    === k8s/api.yaml" + _DEPLOYMENT % "api" + "    === k8s/service.yaml" + _SERVICE % "api"),
    tree("    === k8s/service.yaml" + _SERVICE % "from-a-chart"),
    tree(
        "    === k8s/kustomization.yaml\n    resources: [api.yaml, service.yaml, 'github.com/example/pods?ref=v1']\n"
        "    === k8s/api.yaml" + _DEPLOYMENT % "api" + "    === k8s/service.yaml" + _SERVICE % "backend"
    ),
    tree("""
        === k8s/store.yaml
        apiVersion: v1
        kind: Service
        metadata: {name: store-leader}
        spec:
          selector: {app: store, role: leader}
          ports: [{port: 5432}]
        ---
        apiVersion: apps/v1
        kind: StatefulSet
        metadata: {name: store}
        spec:
          serviceName: store-leader
          selector: {matchLabels: {app: store}}
          template:
            metadata: {labels: {app: store}}
            spec: {containers: [{name: store, image: "registry.example.com/store:1"}]}
    """),
]
