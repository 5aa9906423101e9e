"""A port in a manifest that its other end does not have: of a service, a probe, an ingress."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from sophia_preflight.clusters.cluster import Scope, equal_labels
from sophia_preflight.clusters.objects import Item, Pod, literal
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Confidence, Finding, Involved, Place, Rule, Severity
from sophia_preflight.readers.tree import NOTHING, Node
from sophia_preflight.standing import is_development, limited

RULE = Rule(
    id="unknown-port",
    title="a service or probe asks for a port that no container has",
    severity=Severity.CRITICAL,
    why="requests to it are refused",
    fix="use a port that the container declares, or declare this one",
    family="contradictions",
)
_ADDRESS = re.compile(
    r"\b[a-z][a-z0-9+]*://(?:[^@/\s'\"]*@)?(?P<host>[a-z][a-z0-9-]*)"
    r"(?:\.(?P<space>[a-z][a-z0-9-]*)(?:\.svc(?:\.cluster\.local)?)?)?:(?P<port>\d{2,5})(?=[/?\s'\",]|$)"
)
_PROBES = ("readinessProbe", "livenessProbe", "startupProbe")


def check(context: Context) -> Iterable[Finding]:
    for item, scope in context.cluster.whole:
        if item.pod is not None:
            yield from _probes(item, item.pod, scope)
        if item.kind == "Service" and item.api == "v1":
            yield from _service(item, scope)
        if item.kind == "Ingress" and item.api == "networking.k8s.io/v1":
            yield from _ingress(item, scope)
        yield from _addresses(item, scope)


def _probes(item: Item, pod: Pod, scope: Scope) -> Iterator[Finding]:
    if scope.changed(item, "ports", "containerPort", "port"):
        return
    asked = [
        container.node[name][kind]["port"].text
        for container in pod.containers
        for name in _PROBES
        for kind in ("httpGet", "tcpSocket")
    ]
    for container in pod.containers:
        for name in _PROBES:
            probe = container.node[name]
            for kind in ("httpGet", "tcpSocket", "grpc"):
                port = probe[kind]["port"]
                if not port.text or probe["httpGet"]["host"].text:
                    continue
                if wrong := _wrong(port, pod):
                    yield _found(
                        item,
                        f"the {name} of `{container.name}` in {item.said} asks port `{port.text}`, {wrong}",
                        [Involved(port.place(item.path), "probe"), _declared(item, pod)],
                        f"{name} {port.text} of {container.name} of {item.said}",
                        confidence=_confidence(port),
                        surely=not port.text.isdigit() or _listens(pod, asked),
                        why="the probe never succeeds: the container is restarted, or gets no requests",
                    )


def _service(item: Item, scope: Scope) -> Iterator[Finding]:
    selector = equal_labels(item.node["spec"]["selector"])
    if not selector or scope.changed(item, "ports", "targetPort", "port"):
        return
    pods = scope.matching(selector, item.namespace)
    if not pods or any(scope.changed(pod.item, "ports", "containerPort") for pod in pods):
        return
    ports = item.node["spec"]["ports"].elements()
    targets = [port["targetPort"] if port["targetPort"].text else port["port"] for port in ports]
    wrong = [(target, said) for target in targets if (said := _wrong_everywhere(target, pods))]
    for target, said in wrong:
        yield _found(
            item,
            f"{item.said} sends to port `{target.text}`, {said} ({pods[0].item.said})",
            [Involved(target.place(item.path), "target"), _declared(pods[0].item, pods[0])],
            f"{target.text} of {item.said}",
            confidence=_confidence(target),
            surely=not target.text.isdigit() or len(wrong) == len(targets),
        )


def _confidence(port: Node) -> Confidence:
    """Declaring numbers is a custom, declaring names is needed."""
    return Confidence.LIKELY if port.text.isdigit() else Confidence.CERTAIN


def _listens(pod: Pod, asked: list[str]) -> bool:
    """Whether something beside the declaration says that the declared port is the one: another probe, or a setting.

    Programs often answer probes on a port of their own that nobody declares.
    """
    if len(pod.port_numbers) != 1:
        return False
    (number,) = pod.port_numbers
    settings = {
        variable["value"].text
        for each in pod.containers
        for variable in each.node["env"].elements()
        if variable["name"].text.endswith("PORT")
    }
    return number in asked or set(pod.port_names.values()) & set(asked) != set() or settings == {number}


def _wrong_everywhere(target: Node, pods: list[Pod]) -> str:
    answers = [_wrong(target, pod) for pod in pods]
    return answers[0] if all(answers) else ""


def _wrong(port: Node, pod: Pod) -> str:
    """What is wrong with a port that pods are asked for; empty where nothing is, or nobody can say."""
    text = port.text
    if text.isdigit():
        if pod.says_all_ports and text not in pod.port_numbers:
            return f"and no container declares it (there is {_list(pod.port_numbers)})"
        return ""
    if literal(text) and pod.containers and text not in pod.port_names:
        names = _list(pod.port_names) if pod.port_names else "no port with a name"
        return f"and no container has a port of that name (there is {names})"
    return ""


def _list(names: Iterable[str]) -> str:
    return ", ".join(f"`{each}`" for each in sorted(names))


def _declared(item: Item, pod: Pod) -> Involved:
    port = next((each.node["ports"] for each in pod.containers if each.node["ports"].elements()), NOTHING)
    return Involved(port.place(item.path) if port else item.place, "declaration")


def _ingress(item: Item, scope: Scope) -> Iterator[Finding]:
    paths = [p for rule in item.node["spec"]["rules"].elements() for p in rule["http"]["paths"].elements()]
    for backend in [path["backend"]["service"] for path in paths]:
        services = [each for each in scope.find("Service", backend["name"].text) if each.api == "v1"]
        wanted = backend["port"]["number"] if backend["port"]["number"].text else backend["port"]["name"]
        if len(services) != 1 or not wanted.text or scope.changed(services[0], "ports", "port"):
            continue
        key = "port" if wanted.text.isdigit() else "name"
        known = {port[key].text for port in services[0].node["spec"]["ports"].elements()}
        if wanted.text in known or not services[0].node["spec"]["ports"].elements():
            continue
        place: Place = services[0].node["spec"]["ports"].place(services[0].path)
        there = _list(known - {""}) or "none with a name"
        yield _found(
            item,
            f"{item.said} sends to port `{wanted.text}` of {services[0].said}, which has {there}",
            [Involved(wanted.place(item.path), "backend"), Involved(place, "declaration")],
            f"{wanted.text} of {services[0].said} for {item.said}",
            confidence=Confidence.CERTAIN,
        )


def _addresses(item: Item, scope: Scope) -> Iterator[Finding]:
    """Addresses of services in the variables of containers and in the values of a ConfigMap."""
    for name, value in _settings(item):
        for found in _ADDRESS.finditer(value.text):
            services = [each for each in scope.find("Service", found["host"]) if each.api == "v1"]
            services = [each for each in services if found["space"] in (None, each.namespace) or not each.namespace]
            if (
                len(services) != 1
                or scope.changed(services[0], "ports", "port")
                or scope.changed(item, "value", "data")
            ):
                continue
            spec = services[0].node["spec"]
            known = {port["port"].text for port in spec["ports"].elements()}
            direct = spec["clusterIP"].text == "None" or spec["type"].text == "ExternalName"
            if direct or not known or not all(each.isdigit() for each in known) or found["port"] in known:
                continue
            yield _found(
                item,
                f"`{name}` of {item.said} asks {services[0].said} on port `{found['port']}`, which has {_list(known)}",
                [
                    Involved(value.place(item.path), "call"),
                    Involved(spec["ports"].place(services[0].path), "declaration"),
                ],
                f"{name} {found['host']}:{found['port']} of {item.said}",
                confidence=Confidence.LIKELY,
            )


def _settings(item: Item) -> Iterator[tuple[str, Node]]:
    for container in item.pod.all_containers if item.pod is not None else ():
        for variable in container.node["env"].elements():
            if variable["value"].text:
                yield variable["name"].text, variable["value"]
    if item.kind == "ConfigMap" and item.api == "v1":
        for name, value in item.node["data"].items():
            if "\n" not in value.text:
                yield name, value


def _found(
    item: Item,
    message: str,
    places: list[Involved],
    anchor: str,
    *,
    confidence: Confidence,
    surely: bool = True,
    why: str | None = None,
) -> Finding:
    severity = Severity.HIGH if is_development(item.path) else Severity.CRITICAL
    return RULE.found(
        message,
        *places,
        anchor=anchor,
        severity=limited(severity if surely else Severity.MEDIUM, item.path),
        confidence=confidence,
        why=why,
        blocks=f"{item.said} of `{item.path}`",
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
          labels: {app: api}
        spec:
          containers:
            - name: api
              image: registry.example.com/api:1.4
              ports: [{name: http, containerPort: 8000}]
              readinessProbe:
                httpGet: {path: /health, port: %s}
"""
_SERVICE = """
    ---
    apiVersion: v1
    kind: Service
    metadata:
      name: api
    spec:
      selector: {app: api}
      ports: [{port: 80, targetPort: %s}]
"""
_CALLER = """
    ---
    apiVersion: v1
    kind: ConfigMap
    metadata:
      name: web
    data:
      API_URL: http://%s:%s/v1
"""
BAD = [
    tree("    === k8s/api.yaml" + _DEPLOYMENT % "8080" + _SERVICE % "http"),
    tree("    === k8s/api.yaml" + _DEPLOYMENT % "http" + _SERVICE % "web"),
    tree("    === k8s/api.yaml" + _DEPLOYMENT % "8000" + _SERVICE % "8080"),
    tree("    === k8s/api.yaml" + _DEPLOYMENT % "http" + _SERVICE % "http" + _CALLER % ("api", "8000")),
    tree(
        "    === k8s/api.yaml"
        + _DEPLOYMENT % "http"
        + _SERVICE % "http"
        + _CALLER % ("api.shop.svc.cluster.local", "81")
    ),
]
GOOD = [
    tree("    === k8s/api.yaml" + _DEPLOYMENT % "http" + _SERVICE % "8000"),
    tree("    === k8s/api.yaml" + _DEPLOYMENT % "8000" + _SERVICE % "http"),
    tree("    === k8s/api.yaml" + _DEPLOYMENT % "http" + _SERVICE % "http" + _CALLER % ("api", "80")),
    tree("    === k8s/api.yaml" + _DEPLOYMENT % "http" + _SERVICE % "http" + _CALLER % ("api.example.com", "8000")),
]
