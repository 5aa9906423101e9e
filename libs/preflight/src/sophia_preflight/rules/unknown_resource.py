"""Roles whose rules name a resource or verb that Kubernetes does not know: they allow nothing by it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sophia_preflight.clusters import schema
from sophia_preflight.clusters.objects import Item
from sophia_preflight.clusters.rendered import chart_of
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Confidence, Finding, Rule, Severity
from sophia_preflight.readers.tree import Node
from sophia_preflight.spelling import is_slip
from sophia_preflight.standing import limited
from sophia_preflight.text import named

RULE = Rule(
    id="unknown-resource",
    title="a role names a resource or verb that Kubernetes does not know",
    severity=Severity.HIGH,
    why="Kubernetes takes the role and allows nothing by that name: requests of the account are forbidden",
    fix="write the resource as the API does, in the plural and in small letters, or the verb as it is",
    family="clusters",
)
_ROLES = named("Role ClusterRole")
_VERBS = named(
    "get list watch create update patch delete deletecollection bind escalate impersonate use approve sign attest"
)
_OFTEN = named("get list watch create update patch delete deletecollection impersonate")
"""Verbs that are long enough, or common enough, to be meant by a slip of them."""
_PARTS = {
    "pods": named("status log exec attach portforward proxy eviction binding ephemeralcontainers resize finalizers"),
    "services": named("status proxy finalizers"),
    "nodes": named("status proxy stats log metrics spec finalizers"),
    "serviceaccounts": named("token finalizers"),
    "deployments": named("status scale rollback finalizers"),
    "statefulsets": named("status scale finalizers"),
    "replicasets": named("status scale finalizers"),
}
"""What resources have below them, where it is known."""


def check(context: Context) -> Iterable[Finding]:
    charts = [chart_of(context.repository, directory) for directory in context.cluster.charts]
    plain = [item for items in context.cluster.items.values() for item in items]
    own = {
        item.node["spec"]["names"][form].text
        for item in (*plain, *(item for chart in charts for item in chart.scope.items))
        if item.kind == "CustomResourceDefinition"
        for form in ("plural", "singular")
    }
    for item in plain:
        yield from _role(item, own)
    for chart in charts:
        for item in chart.scope.items:
            yield from map(chart.told, _role(item, own))


def _role(item: Item, own: set[str]) -> Iterator[Finding]:
    if item.kind not in _ROLES or item.group != "rbac.authorization.k8s.io":
        return
    rules = item.node["rules"].elements()
    allowed = {each.text for rule in rules for each in rule["resources"].elements()}
    for rule in rules:
        groups = [each.text for each in rule["apiGroups"].elements()]
        kinds = [schema.resource_names().get(group) for group in groups]
        if not groups or None in kinds:
            continue  # another's, which may call its resources as it likes
        known = {form: plural for each in kinds if each is not None for form, plural in each.items()}
        for node in rule["resources"].elements():
            meant = _meant(node.text, known)
            if meant and meant not in allowed and node.text.partition("/")[0] not in own:
                yield _found(item, node, "resource", meant)
        yield from _verbs(item, rule)


def _meant(name: str, known: dict[str, str]) -> str:
    """The resource for which one that there is not stands; empty where there is it, or nobody can say."""
    head, line, part = name.partition("/")
    plurals = set(known.values())
    if head in plurals:
        parts = _PARTS.get(head, frozenset())
        near = [each for each in parts if is_slip(part, each)] if part not in parts else []
        return f"{head}/{near[0]}" if len(near) == 1 else ""
    forms = [head.lower()] if head.lower() in plurals else []
    forms = forms or ([known[head.lower()]] if head.lower() in known else [])
    forms = forms or [each for each in sorted(plurals) if len(each) > 4 and is_slip(head, each)]
    return forms[0] + line + part if len(forms) == 1 else ""


def _verbs(item: Item, rule: Node) -> Iterator[Finding]:
    verbs = {each.text for each in rule["verbs"].elements()}
    for node in rule["verbs"].elements():
        near = [each for each in sorted(_OFTEN) if is_slip(node.text.lower(), each) or node.text.lower() == each]
        if node.text not in _VERBS and len(near) == 1 and near[0] not in verbs and "*" not in verbs:
            yield _found(item, node, "verb", near[0])


def _found(item: Item, node: Node, what: str, meant: str) -> Finding:
    return RULE.found(
        f"{item.said} names the {what} `{node.text}`, which Kubernetes does not know",
        node.place(item.path),
        anchor=f"{what} {node.text} of {item.said}",
        severity=limited(Severity.HIGH, item.owner),
        confidence=Confidence.LIKELY,
        fix=f"write `{meant}`",
        blocks=f"what {item.said} of `{item.path}` is to allow",
    )


_ROLE = """
    === %s
    apiVersion: rbac.authorization.k8s.io/v1
    kind: Role
    metadata:
      name: api
    rules:
      - apiGroups: ["%s"]
        resources: [%s]
        verbs: [%s]
"""
_PLAIN = "k8s/role.yaml"
_CHART = """
    === chart/Chart.yaml
    apiVersion: v2
    name: api
    version: 1.0.0
"""
_LISTED = """
    === chart/templates/role.yaml
    apiVersion: rbac.authorization.k8s.io/v1
    kind: ClusterRole
    metadata:
      name: {{ .Release.Name }}-api
    rules:
    - apiGroups:
      - ""
      resources:
      - configmaps
      - persistentvolumeclaim
      verbs:
      - get
      - list
"""
BAD = [
    tree(_ROLE % (_PLAIN, "", "pod, services", "get, list")),
    tree(_ROLE % (_PLAIN, "apps", "deployment", "get")),
    tree(_ROLE % (_PLAIN, "networking.k8s.io", "ingress", "get")),
    tree(_ROLE % (_PLAIN, "", "pod/status", "patch")),
    tree(_ROLE % (_PLAIN, "", "pods/logs", "get")),
    tree(_ROLE % (_PLAIN, "", "configMaps", "get")),
    tree(_ROLE % (_PLAIN, "", "secerts", "get")),
    tree(_ROLE % (_PLAIN, "batch", "jobs", "get, lst")),
    tree(_ROLE % (_PLAIN, "", "pods", "get, list, wach")),
    tree(_CHART + _LISTED),
]
GOOD = [
    tree(_ROLE % (_PLAIN, "", "pods, pods/log, pods/exec, nodes/stats, endpoints, serviceaccounts/token", "get, list")),
    tree(_ROLE % (_PLAIN, "example.com", "pod", "get, lst")),
    tree(_ROLE % (_PLAIN, "", "pods, pod", "get")),
    tree(_ROLE % (_PLAIN, "metrics.k8s.io", "pods, nodes", "get")),
    tree(_ROLE % (_PLAIN, "networking.k8s.io", "ingresses, ingresses/status, networkpolicies, ingressclasses", "get")),
    tree(_CHART + _LISTED.replace("claim", "claims")),
]
