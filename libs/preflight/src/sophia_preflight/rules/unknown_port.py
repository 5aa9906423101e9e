"""A port in a manifest that its other end does not have: of a service, a probe, an ingress."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from sophia_preflight.clusters import schema
from sophia_preflight.clusters.cluster import Scope, equal_labels
from sophia_preflight.clusters.objects import Item, Pod, literal
from sophia_preflight.clusters.programs import Programs, is_exposed
from sophia_preflight.clusters.rendered import chart_of, is_decided
from sophia_preflight.clusters.told import addresses, told
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
_HERE = re.compile(r"(?:localhost|127\.0\.0\.1):(\d{2,5})(?!\d)")
_EXPORTER = re.compile(r"exporter|metrics|\bprom")
"""What containers and ports are called that Prometheus asks."""
_DEEPEST = 20
_PROBES = ("readinessProbe", "livenessProbe", "startupProbe")


def check(context: Context) -> Iterable[Finding]:
    programs = Programs(context)
    for item, scope in context.cluster.whole:
        if item.pod is not None:
            if not programs.ports(item.pod).started:
                yield from _untold(item, item.pod, scope)
            yield from _unanswered(programs, item, item.pod, scope)
            yield from _probes(programs, item, item.pod, scope)
            yield from _scraped(programs, item, item.pod, scope)
        if item.kind == "Service" and item.api == "v1":
            yield from _service(item, scope)
        if item.kind == "Ingress" and item.api == "networking.k8s.io/v1":
            yield from _ingress(item, scope)
        if item.pod is None and item.group not in schema.groups():
            yield from _others(item, scope)
        yield from _addresses(context, item, scope)
    for directory in context.cluster.charts:
        chart = chart_of(context.repository, directory)
        yield from map(chart.told, _of_chart(context, chart.scope))


def _of_chart(context: Context, scope: Scope) -> Iterator[Finding]:
    """What a chart installs; names of ports that its services hand on to are another rule's."""
    for item in scope.items:
        if item.pod is not None:
            yield from _untold(item, item.pod, scope)
        if item.kind == "Service" and item.api == "v1" and not is_exposed(context, item, scope):
            yield from _service(item, scope)
        if item.kind == "Ingress" and item.api == "networking.k8s.io/v1":
            yield from _ingress(item, scope)
        if item.pod is None and item.group not in schema.groups():
            yield from _others(item, scope)
        yield from _addresses(context, item, scope)


def _untold(item: Item, pod: Pod, scope: Scope) -> Iterator[Finding]:
    """The one port that a pod declares and is asked for, where an option tells its program another."""
    if len(pod.containers) != 1 or len(pod.port_numbers) != 1:
        return
    node, (declared,) = pod.containers[0].node, pod.port_numbers
    said = told(pod, pod.containers[0], scope)
    if said is None or not declared.isdigit() or said.port == declared:
        return
    if re.search(rf"(?<!\d){declared}(?!\d)", said.settings):
        return
    if scope.changed(item, "ports", "containerPort", "args", "command", "env", "data"):
        return
    probes = [node[name] for name in _PROBES]
    asked = {probe[kind]["port"].text for probe in probes for kind in ("httpGet", "tcpSocket", "grpc")}
    asked |= {
        match[1]
        for probe in probes
        for word in probe["exec"]["command"].elements()
        for match in _HERE.finditer(word.text)
    }
    for service in scope.of("Service"):
        selector = equal_labels(service.node["spec"]["selector"])
        if selector and scope.matching(selector, service.namespace) == [pod]:
            asked |= {entry["targetPort"].text for entry in service.node["spec"]["ports"].elements()}
    measures = any("metrics" in name for name in pod.port_names)
    if said.port in asked or not asked & {declared, *pod.port_names} or measures:
        return
    yield _found(
        item,
        f"the program of {item.said} is told the port `{said.port}`, and is asked on `{declared}`, which it declares",
        [Involved(said.place, "option"), _declared(item, pod)],
        f"{said.port} of {item.said}",
        confidence=Confidence.LIKELY,
    )


def _unanswered(programs: Programs, item: Item, pod: Pod, scope: Scope) -> Iterator[Finding]:
    """Probes, and services, that ask a port on which the only program of a pod does not listen."""
    ports = programs.ports(pod)
    if not ports.started or scope.changed(item, "ports", "containerPort", "port", "args", "command", "env"):
        return
    (container,) = pod.containers
    asked = [
        (f"the {name} of `{container.name}`", item, container.node[name][kind]["port"])
        for name in _PROBES
        for kind in ("httpGet", "tcpSocket")
    ]
    for service in scope.of("Service"):
        selector = equal_labels(service.node["spec"]["selector"])
        if selector and scope.matching(selector, service.namespace) == [pod] and service.api == "v1":
            entries = service.node["spec"]["ports"].elements()
            asked += [(service.said, service, each["targetPort"] or each["port"]) for each in entries]
    for who, asker, port in asked:
        number = port.text if port.text.isdigit() else pod.port_names.get(port.text, "")
        if number.isdigit() and number not in ports.started and not ports.mentions(number):
            yield _found(
                asker,
                f"{who} asks port `{number}`, and the program of {item.said} listens to {_list(ports.started)}",
                [Involved(port.place(asker.path), "call"), _declared(item, pod)],
                f"{who} {number} of {item.said}",
                confidence=Confidence.LIKELY,
            )


def _probes(programs: Programs, item: Item, pod: Pod, scope: Scope) -> Iterator[Finding]:
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
                    surely = not port.text.isdigit() or _listens(pod, asked)
                    ours = programs.is_ours(container.node["image"].text)
                    yield _found(
                        item,
                        f"the {name} of `{container.name}` in {item.said} asks port `{port.text}`, {wrong}",
                        [Involved(port.place(item.path), "probe"), _declared(item, pod)],
                        f"{name} {port.text} of {container.name} of {item.said}",
                        confidence=_confidence(port),
                        surely=surely or (ours and programs.is_nowhere(port, item.path)),
                        why="the probe never succeeds: the container is restarted, or gets no requests",
                    )


def _others(item: Item, scope: Scope) -> Iterator[Finding]:
    """Pods that an operator makes: names of ports that its object nearly declares, in probes and the service beside."""
    if scope.changed(item, "ports", "containerPort", "port", "targetPort"):
        return
    for node in _maps(item.node):
        pod = Pod(item, node["metadata"], node["spec"])
        names = pod.port_names
        probes = [
            (f"the {name} of `{each.name}` in {item.said}", each.node[name][kind]["port"])
            for each in pod.containers
            for name in _PROBES
            for kind in ("httpGet", "tcpSocket")
        ]
        targets = [
            (f"a service of {item.said}", each["targetPort"]) for each in node["service"]["ports"].elements() if names
        ]
        for who, port in (*probes, *targets):
            if not port.text.isdigit() and get_close_matches(port.text, names) and (wrong := _wrong(port, pod)):
                yield _found(
                    item,
                    f"{who} asks port `{port.text}`, {wrong}",
                    [Involved(port.place(item.path), "call"), _declared(item, pod)],
                    f"{who} {port.text}",
                    confidence=Confidence.LIKELY,
                )


def _maps(node: Node, depth: int = 0) -> Iterator[Node]:
    """Mappings at any depth that hold what pods are made by."""
    if depth > _DEEPEST:
        return
    if node.is_map and node["spec"]["containers"].elements():
        yield node
    for each in (*(value for _, value in node.items()), *node.elements()):
        yield from _maps(each, depth + 1)


def _scraped(programs: Programs, item: Item, pod: Pod, scope: Scope) -> Iterator[Finding]:
    """The port that an annotation tells Prometheus: nothing else speaks of it, and the one for it is declared."""
    notes = pod.metadata["annotations"]
    port = notes["prometheus.io/port"]
    wrong = _wrong(port, pod) if port.text.isdigit() and notes["prometheus.io/scrape"].text == "true" else ""
    if not wrong or scope.changed(item, "ports", "containerPort", "annotations", "args"):
        return
    telling = any(
        _EXPORTER.search(said)
        for each in pod.containers
        for said in (each.name, each.node["image"].text, *pod.port_names)
    )
    if telling and programs.is_nowhere(port, item.path):
        yield _found(
            item,
            f"Prometheus is told to ask {item.said} on port `{port.text}`, {wrong}",
            [Involved(port.place(item.path), "annotation"), _declared(item, pod)],
            f"scraped {port.text} of {item.said}",
            confidence=Confidence.LIKELY,
            why="its metrics are never read",
            most=Severity.HIGH,
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
    words = [word.text for each in pod.containers for key in ("command", "args") for word in each.node[key].elements()]
    if re.search(rf"--?[\w-]*port[= ]{number}(?!\d)", " ".join(words)):
        return True
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
    named = literal(text) and pod.containers and all(map(is_decided, (text, *pod.port_names)))
    if named and text not in pod.port_names:
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
        if not all(map(is_decided, (wanted.text, *known))):
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


def _addresses(context: Context, item: Item, scope: Scope) -> Iterator[Finding]:
    """Addresses of services in what containers are told and wait for, and in the values of a ConfigMap."""
    for each in addresses(item):
        name, value, host, space, port = each.name, each.value, each.host, each.space, each.port
        services = [each for each in scope.find("Service", host) if each.api == "v1"]
        services = [each for each in services if space in ("", each.namespace) or not each.namespace]
        if not services and not scope.changed(item, "value", "data", "args", "command"):
            yield from _renamed(item, name, value, host, port, scope)
        if (
            len(services) != 1
            or scope.changed(services[0], "ports", "port")
            or scope.changed(item, "value", "data", "args", "command")
        ):
            continue
        spec = services[0].node["spec"]
        known = {entry["port"].text for entry in spec["ports"].elements()}
        direct = spec["clusterIP"].text == "None" or spec["type"].text == "ExternalName"
        if direct or not known or not all(each.isdigit() for each in known) or port in known:
            continue
        if re.search(rf"(?m)^\s*#.*\b[pP]ort:\s*{port}\b", context.repository.text(services[0].path)):
            continue  # it is there to be switched on, as the rest is that asks for it
        yield _found(
            item,
            f"`{name}` of {item.said} asks {services[0].said} on port `{port}`, which has {_list(known)}",
            [
                Involved(value.place(item.path), "call"),
                Involved(spec["ports"].place(services[0].path), "declaration"),
            ],
            f"{name} {host}:{port} of {item.said}",
            confidence=Confidence.LIKELY,
        )


def _renamed(item: Item, name: str, value: Node, host: str, port: str, scope: Scope) -> Iterator[Finding]:
    """A host that only a workload is called, where the one service before its pods has another name, and the port."""
    if not scope.closed or scope.affixes or any(each.name == host for each in scope.of("Service", "Endpoints")):
        return
    pods = [pod for pod in scope.pods if host in (pod.item.name, pod.labels.get("app"))]
    meant = [
        each
        for each in scope.of("Service")
        if each.api == "v1"
        and (selector := equal_labels(each.node["spec"]["selector"]))
        and any(pod in pods for pod in scope.matching(selector, each.namespace))
        and port in {entry["port"].text for entry in each.node["spec"]["ports"].elements()}
    ]
    if len(meant) == 1 and meant[0].name != host:
        yield _found(
            item,
            f"`{name}` of {item.said} asks for the host `{host}`, and the service of these pods is `{meant[0].name}`",
            [Involved(value.place(item.path), "call"), Involved(meant[0].place, "the one that is there")],
            f"{name} {host} of {item.said}",
            confidence=Confidence.LIKELY,
            why="the name is not found",
        )


def _found(
    item: Item,
    message: str,
    places: list[Involved],
    anchor: str,
    *,
    confidence: Confidence,
    surely: bool = True,
    why: str | None = None,
    most: Severity = Severity.CRITICAL,
) -> Finding:
    severity = most.at_most(Severity.HIGH) if is_development(item.path) else most
    return RULE.found(
        message,
        *places,
        anchor=anchor,
        severity=limited(severity if surely else Severity.MEDIUM, item.owner),
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
_SERVER = """
    === k8s/api.yaml
    apiVersion: v1
    kind: Service
    metadata:
      name: api
    spec:
      selector: {app: api}
      ports: [{port: 80, targetPort: %s}]
    ---
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
              %s
"""
_SHOP = """
    === Makefile
    image:
    \tdocker build -t registry.example.com/api:1.4 .
    === Dockerfile
    FROM python:3.13-slim
    COPY app.py /
    CMD ["uvicorn", "app:app", "--host", "0.0.0.0", "--port", "8000"]
    === app.py
    app = None
"""
_TOLD = 'command: [uvicorn, "app:app", --host, 0.0.0.0, --port, "8000"]'
_OPTION = """args: ["%s"]
              ports: [{name: web, containerPort: %d}]
              livenessProbe: {%s}"""
_WAITING = """
    ---
    apiVersion: v1
    kind: Pod
    metadata: {name: work}
    spec:
      initContainers:
        - name: wait
          image: busybox:1.37
          command: [sh, -c, "until nc -z api %s; do sleep 1; done"]
      containers:
        - name: work
          image: registry.example.com/work:1.4
          args: [work, "--api-address=%s"]
"""
_MINE = """
    === Makefile
    image:
    \tdocker build -t registry.example.com/api:1.4 .
    === Dockerfile
    FROM debian:13
    COPY . /src
    === main.go
    package main
    const probes = 8081
"""
_SCRAPED = ("    === k8s/api.yaml" + _DEPLOYMENT % 8000).replace(
    "metadata:\n          labels",
    'metadata:\n          annotations: {prometheus.io/scrape: "true", prometheus.io/port: "%s"}\n          labels',
)
_CHART = """
    === chart/Chart.yaml
    apiVersion: v2
    name: web
    version: 1.0.0
    === chart/templates/_helpers.tpl
    {{- define "web.name" }}{{ .Release.Name }}{{ end }}
    {{- define "web.labels" }}app: web{{ end }}
    {{- define "web.port" }}8080{{ end }}
    === chart/values.yaml
    port: 8080
    service: {target: 8080, port: 80}
    args: [-level=info, %s]
    === chart/templates/web.yaml
    apiVersion: apps/v1
    kind: Deployment
    metadata:
      name: {{ include "web.name" . }}-web
    spec:
      selector: {matchLabels: {app: web}}
      template:
        metadata:
          labels:
            {{- include "web.labels" . | nindent 12 }}
        spec:
          containers:
            - name: web
              image: registry.example.com/web:1.4
              args:
                {{- range .Values.args }}
                - {{ . }}
                {{- end }}
              envFrom:
                - configMapRef:
                    name: {{ include "web.name" . }}
              ports:
                - name: http
                  containerPort: {{ .Values.port }}
              livenessProbe:
                httpGet:
                  port: http
    === chart/templates/service.yaml
    apiVersion: v1
    kind: Service
    metadata:
      name: {{ include "web.name" . }}-web
    spec:
      selector:
        {{- include "web.labels" . | nindent 8 }}
      ports:
        - port: {{ .Values.service.port | default 81 }}
          targetPort: %s
    === chart/templates/settings.yaml
    apiVersion: v1
    kind: ConfigMap
    metadata:
      name: {{ include "web.name" . }}
    data:
      WEB_PORT: "%s"
      BACK_URL: {{ printf "http://%%s-web:%s" (include "web.name" .) }}
    === chart/templates/ingress.yaml
    apiVersion: networking.k8s.io/v1
    kind: Ingress
    metadata:
      name: {{ .Release.Name }}
    spec:
      rules:
        - http:
            paths:
              - path: /
                backend:
                  service:
                    name: {{ include "web.name" . }}-web
                    port:
                      number: %s
"""
_TARGET = "{{ .Values.service.target }}"
_EXPOSED = "    === Dockerfile\n    FROM debian:13\n    EXPOSE 8017\n"
_OPERATED = """
    === k8s/cluster.yaml
    apiVersion: example.com/v1
    kind: Cluster
    metadata: {name: work}
    spec:
      worker:
        spec:
          containers:
            - name: worker
              image: registry.example.com/worker:1.4
              ports: [{name: http-dashboard, containerPort: 8788}]
              livenessProbe: {httpGet: {path: /health, port: %s}}
        service:
          ports: [{port: 80, targetPort: %s}]
"""
BAD = [
    tree(_CHART % ("-port=8081", _TARGET, "{{ .Values.some }}", 80, 80)),
    tree(_CHART % ("-port=8080", 8017, 8080, 80, 80)),
    tree(_CHART % ("-quiet", _TARGET, 8088, 80, 80)),
    tree(_CHART % ("-quiet", _TARGET, 8080, 8080, 80)),
    tree(_CHART % ("-quiet", _TARGET, 8080, 80, "{{ .Values.port }}")),
    tree(_SCRAPED.replace("name: http", "name: metrics") % 8001),
    tree(_SCRAPED.replace("8000", "9121").replace("api:1.4", "shop-exporter:1.4") % 9212),
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
    tree(_SERVER % ("8001", _TOLD)),
    tree(_SERVER % ("8001", _OPTION % ("-port=8081", 8001, "httpGet: {path: /, port: 8001}"))),
    tree(_SERVER % ("web", _OPTION % ("--listen=0.0.0.0:8081", 8001, "httpGet: {path: /, port: 9000}"))),
    tree(_SERVER % ("8001", _OPTION % ("--http-addr=:8081", 8001, "httpGet: {path: /, port: web}"))),
    tree(_SERVER % ("8001", _OPTION % ("-port=8081", 8001, 'exec: {command: [wget, "http://localhost:8001/"]}'))),
    tree(_SERVER % ("8000", _TOLD + "\n              livenessProbe: {httpGet: {path: /, port: 8001}}")),
    tree(_SHOP + _SERVER % ("8080", "ports: [{containerPort: 8080}]")),
    tree("    === k8s/api.yaml" + _DEPLOYMENT % "http" + _SERVICE % "http" + _WAITING % ("8000", "api:80")),
    tree("    === k8s/api.yaml" + _DEPLOYMENT % "http" + _SERVICE % "http" + _WAITING % ("80", "api:8000")),
    tree(_MINE + "    === k8s/api.yaml" + _DEPLOYMENT % "8082" + _SERVICE % "http"),
    tree(_OPERATED % ("http-dashbord", "http-dashboard")),
    tree(_OPERATED % ("http-dashboard", "dashboard")),
]
GOOD = [
    tree(_CHART % ("-port=8080", _TARGET, 8080, 80, "{{ .Values.service.port }}")),
    tree(_CHART % ("-quiet", 8017, "{{ .Values.some }}", 80, 80) + _EXPOSED),
    tree(_CHART % ("-port=8081 -admin=8080", _TARGET, 8080, 80, '{{ include "web.port" . }}')),
    tree(_SCRAPED % 8000),
    tree(_SCRAPED % 8001),
    tree(
        (_SCRAPED % 8001)
        .replace("name: http", "name: metrics")
        .replace("ports: [", 'args: ["--metrics=:8001"]\n              ports: [')
    ),
    tree(_SERVER % ("8001", _OPTION % ("-port=8001", 8001, "httpGet: {path: /, port: 8001}"))),
    tree(_SERVER % ("8001", _OPTION % ("--port=8081 --probes=:8001", 8001, "httpGet: {path: /, port: 8001}"))),
    tree(_SERVER % ("8001", _OPTION % ("--host=store --port=5432", 8001, "httpGet: {path: /, port: 8001}"))),
    tree(_SERVER % ("8001", _OPTION % ("--metrics-port=8081", 8001, "httpGet: {path: /, port: 8001}"))),
    tree("    === k8s/api.yaml" + _DEPLOYMENT % "http" + _SERVICE % "http" + _WAITING % ("80", "api:80")),
    tree("    === k8s/api.yaml" + _DEPLOYMENT % "http" + _SERVICE % "8000"),
    tree("    === k8s/api.yaml" + _DEPLOYMENT % "8000" + _SERVICE % "http"),
    tree("    === k8s/api.yaml" + _DEPLOYMENT % "http" + _SERVICE % "http" + _CALLER % ("api", "80")),
    tree("    === k8s/api.yaml" + _DEPLOYMENT % "http" + _SERVICE % "http" + _CALLER % ("api.example.com", "8000")),
    tree(_SERVER % ("8000", _TOLD + "\n              livenessProbe: {httpGet: {path: /, port: 8000}}")),
    tree(_SHOP + _SERVER % ("web", "ports: [{name: web, containerPort: 8000}]")),
    tree(_SHOP + _SERVER % ("8080", 'args: [gunicorn, -b, "0.0.0.0:8080", "app:app"]')),
    tree(_OPERATED % ("http-dashboard", "http-dashboard")),
    tree(_OPERATED % ("metrics", 9000)),
]
