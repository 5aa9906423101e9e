"""A route, a monitor or a policy that names a port which its service, or its pods, do not have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sophia_preflight.clusters.cluster import Scope, equal_labels
from sophia_preflight.clusters.objects import Item, literal
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Confidence, Finding, Involved, Rule, Severity
from sophia_preflight.readers.tree import Node
from sophia_preflight.standing import is_development, limited

RULE = Rule(
    id="unknown-routed-port",
    title="a route, monitor or policy names a port that nothing there has",
    severity=Severity.CRITICAL,
    why="requests, or scrapes, reach nothing",
    fix="name a port of the service, or of the pods",
    family="contradictions",
)


def check(context: Context) -> Iterable[Finding]:
    for item, scope in context.cluster.whole:
        match item.kind, item.group:
            case ("HTTPRoute" | "GRPCRoute" | "TCPRoute" | "TLSRoute", "gateway.networking.k8s.io"):
                yield from _routes(item, scope)
            case ("VirtualService", "networking.istio.io"):
                yield from _destinations(item, scope)
            case ("ServiceMonitor", "monitoring.coreos.com"):
                yield from _monitor(item, scope)
            case ("PodMonitor", "monitoring.coreos.com"):
                yield from _pod_monitor(item, scope)
            case ("NetworkPolicy", "networking.k8s.io"):
                yield from _policy(item, scope)


def _routes(item: Item, scope: Scope) -> Iterator[Finding]:
    for rule in item.node["spec"]["rules"].elements():
        for backend in rule["backendRefs"].elements():
            if backend["kind"].text in ("", "Service") and not backend["namespace"]:
                yield from _backend(item, scope, backend["name"].text, backend["port"])


def _destinations(item: Item, scope: Scope) -> Iterator[Finding]:
    for kind in ("http", "tcp", "tls"):
        for rule in item.node["spec"][kind].elements():
            for route in rule["route"].elements():
                host, _, rest = route["destination"]["host"].text.partition(".")
                if not rest or rest.split(".")[0] == item.namespace:
                    yield from _backend(item, scope, host, route["destination"]["port"]["number"])


def _backend(item: Item, scope: Scope, name: str, port: Node) -> Iterator[Finding]:
    services = [each for each in scope.find("Service", name) if each.api == "v1"]
    if len(services) != 1 or not port.text.isdigit() or scope.changed(services[0], "ports", "port"):
        return
    entries = services[0].node["spec"]["ports"]
    known = [entry["port"].text for entry in entries.elements()]
    if known and all(each.isdigit() for each in known) and port.text not in known:
        yield _found(
            item,
            f"{item.said} sends to port `{port.text}` of {services[0].said}, which has {_list(known)}",
            port,
            Involved(entries.place(services[0].path), "declaration"),
            Severity.CRITICAL,
        )


def _monitor(item: Item, scope: Scope) -> Iterator[Finding]:
    """Ports go by their names in the services that a monitor selects."""
    selector = _selected(item.node["spec"]["selector"])
    if not selector or item.node["spec"]["namespaceSelector"]:
        return
    services = [
        each
        for each in scope.of("Service")
        if selector.items() <= {name: node.text for name, node in each.node["metadata"]["labels"].items()}.items()
    ]
    if not services or any(scope.changed(each, "ports", "name", "labels") for each in services):
        return
    known = {entry["name"].text for each in services for entry in each.node["spec"]["ports"].elements()}
    for endpoint in item.node["spec"]["endpoints"].elements():
        port = endpoint["port"]
        if literal(port.text) and port.text not in known:
            yield _found(
                item,
                f"{item.said} asks the port `{port.text}` of {services[0].said}, which has {_list(known - {''})}",
                port,
                Involved(services[0].node["spec"]["ports"].place(services[0].path), "declaration"),
                Severity.HIGH,
            )


def _pod_monitor(item: Item, scope: Scope) -> Iterator[Finding]:
    selector = _selected(item.node["spec"]["selector"])
    pods = scope.matching(selector, item.namespace) if selector and not item.node["spec"]["namespaceSelector"] else []
    if not pods or any(scope.changed(pod.item, "ports", "name", "labels") for pod in pods):
        return
    known = {name for pod in pods for name in pod.port_names}
    for endpoint in item.node["spec"]["podMetricsEndpoints"].elements():
        port = endpoint["port"]
        if literal(port.text) and port.text not in known:
            yield _found(
                item,
                f"{item.said} asks the port `{port.text}` of pods of {pods[0].item.said}, which have {_list(known)}",
                port,
                Involved(pods[0].item.place, "declaration"),
                Severity.HIGH,
            )


def _policy(item: Item, scope: Scope) -> Iterator[Finding]:
    """A policy lets requests in to ports of the pods that it selects; where it lets in to none of them, nobody asks."""
    selector = _selected(item.node["spec"]["podSelector"])
    pods = scope.matching(selector, item.namespace) if selector else []
    if not pods or not all(pod.says_all_ports for pod in pods):
        return
    if any(scope.changed(pod.item, "ports", "containerPort") for pod in pods) or scope.changed(item, "ingress", "port"):
        return
    rules = item.node["spec"]["ingress"].elements()
    ports = [entry["port"] for rule in rules for entry in rule["ports"].elements()]
    open_to_all = any(not rule["ports"].elements() for rule in rules) or any(
        entry["endPort"] for rule in rules for entry in rule["ports"].elements()
    )
    known = {name for pod in pods for name in (*pod.port_numbers, *pod.port_names)}
    if ports and not open_to_all and not any(port.text in known for port in ports):
        yield _found(
            item,
            f"{item.said} lets in to port `{ports[0].text}`, and the pods of {pods[0].item.said} have {_list(known)}",
            ports[0],
            Involved(pods[0].item.place, "declaration"),
            Severity.HIGH,
        )


def _selected(selector: Node) -> dict[str, str] | None:
    """The labels that a selector asks for; None where it asks for more than that."""
    return equal_labels(selector["matchLabels"]) if not selector["matchExpressions"] else None


def _list(names: Iterable[str]) -> str:
    return ", ".join(f"`{each}`" for each in sorted(names)) or "none with a name"


def _found(item: Item, message: str, port: Node, declared: Involved, severity: Severity) -> Finding:
    severity = severity.at_most(Severity.HIGH) if is_development(item.path) else severity
    return RULE.found(
        message,
        Involved(port.place(item.path), "call"),
        declared,
        anchor=f"{port.text} of {item.said}",
        severity=limited(severity, item.path),
        confidence=Confidence.LIKELY,
        blocks=f"{item.said} of `{item.path}`",
    )


_API = """
    === k8s/api.yaml
    apiVersion: v1
    kind: Service
    metadata: {name: api, labels: {app: api}}
    spec:
      selector: {app: api}
      ports: [{name: http, port: 80, targetPort: web}]
    ---
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: api}
    spec:
      selector: {matchLabels: {app: api}}
      template:
        metadata: {labels: {app: api}}
        spec:
          containers:
            - name: api
              image: registry.example.com/api:1.4
              ports: [{name: web, containerPort: 8000}]
    ---
"""
_ROUTE = """
    apiVersion: gateway.networking.k8s.io/v1
    kind: HTTPRoute
    metadata: {name: api}
    spec:
      parentRefs: [{name: front}]
      rules: [{backendRefs: [{name: api, port: %s}]}]
"""
_VIRTUAL = """
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: api}
    spec:
      hosts: [api.example.com]
      http: [{route: [{destination: {host: api, port: {number: %s}}}]}]
"""
_MONITOR = """
    apiVersion: monitoring.coreos.com/v1
    kind: ServiceMonitor
    metadata: {name: api}
    spec:
      selector: {matchLabels: {app: api}}
      endpoints: [{port: %s}]
"""
_POD_MONITOR = """
    apiVersion: monitoring.coreos.com/v1
    kind: PodMonitor
    metadata: {name: api}
    spec:
      selector: {matchLabels: {app: api}}
      podMetricsEndpoints: [{port: %s}]
"""
_POLICY = """
    apiVersion: networking.k8s.io/v1
    kind: NetworkPolicy
    metadata: {name: api}
    spec:
      podSelector: {matchLabels: {app: api}}
      policyTypes: [Ingress]
      ingress: [{ports: [{protocol: TCP, port: %s}]}]
"""
BAD = [
    tree(_API + _ROUTE % "8000"),
    tree(_API + _VIRTUAL % "8000"),
    tree(_API + _MONITOR % "metrics"),
    tree(_API + _POD_MONITOR % "http"),
    tree(_API + _POLICY % "8080"),
]
GOOD = [
    tree(_API + _ROUTE % "80"),
    tree(_API + _VIRTUAL % "80"),
    tree(_API + _MONITOR % "http"),
    tree(_API + _POD_MONITOR % "web"),
    tree(_API + _POLICY % "8000"),
    tree(_API + _POLICY % "web"),
]
