"""Objects of a Helm chart that act on others of it: what scales, routes and watches, and what is not there to it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from sophia_preflight.clusters.templates import WORKLOADS, Template, as_written, normal, templates
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Confidence, Finding, Involved, Place, Rule, Severity
from sophia_preflight.standing import limited

RULE = Rule(
    id="missing-chart-target",
    title="an object of a Helm chart acts on something that the chart does not make",
    severity=Severity.HIGH,
    why="the chart installs, and what the object is for never happens",
    fix="correct the name, or make what it names",
    family="clusters",
)
_SCALED = re.compile(r"^([ \t]*)(?:scaleTargetRef|targetRef):[ \t]*\n((?:\1[ \t]+\S.*\n)+)", re.MULTILINE)
_KIND = re.compile(r"^[ \t]+kind:[ \t]*(\w+)[ \t]*$", re.MULTILINE)
_NAME = re.compile(r"^[ \t]+name:[ \t]*(\S.*?)[ \t]*$", re.MULTILINE)
_BACKEND = re.compile(
    r"^([ \t]*)(?:-[ \t]+)?(?:service|backendRefs):[ \t]*\n[ \t]+(?:-[ \t]+)?name:[ \t]*(\S.*?)[ \t]*$"
    r"|^[ \t]+serviceName:[ \t]*(\S.*?)[ \t]*$",
    re.MULTILINE,
)
_ENDPOINT = re.compile(r"^[ \t]*(?:-[ \t]+)?port:[ \t]*[\"']?([a-z][a-z0-9-]*)[\"']?[ \t]*$", re.MULTILINE)
_PORT_NAME = re.compile(r"^[ \t]*(?:-[ \t]+)?name:[ \t]*[\"']?([a-z][a-z0-9-]*)[\"']?[ \t]*$", re.MULTILINE)
_PORTS = re.compile(
    r"^([ \t]*)(?:-[ \t]+)?ports:[ \t]*\n((?:\1(?:[ \t]+\S|-[ \t]).*(?:\n|$)|[ \t]*(?:\{\{.*)?\n)+)", re.MULTILINE
)
_TARGET = re.compile(r"^[ \t]*(?:-[ \t]+)?targetPort:[ \t]*[\"']?([a-z][a-z0-9-]*)[\"']?[ \t]*$", re.MULTILINE)
_SELECTOR = re.compile(r"^([ \t]*)selector:[ \t]*\n((?:\1[ \t]+\S.*(?:\n|$))+)", re.MULTILINE)
_LABEL = re.compile(r"^[ \t]+([\w./-]+):[ \t]*[\"']?([\w.-]+)[\"']?[ \t]*$", re.MULTILINE)
_OPEN = re.compile(r"\{\{-?\s*(toYaml|include|range|tpl|with|template)|name:[ \t]*[\"']?\{\{")
_ROUTES = frozenset({"Ingress", "HTTPRoute", "GRPCRoute", "TCPRoute"})


def check(context: Context) -> Iterable[Finding]:
    for directory in context.cluster.charts:
        objects = list(templates(context.repository, directory))
        for each in objects:
            yield from _scaled(each, objects)
            if each.kind in _ROUTES:
                yield from _routed(each, objects)
            elif each.kind in ("ServiceMonitor", "PodMonitor"):
                yield from _watched(each, objects)
            elif each.kind == "Service":
                yield from _served(each, objects)


def _scaled(each: Template, objects: list[Template]) -> Iterator[Finding]:
    """What is scaled, by a HorizontalPodAutoscaler and its like."""
    for target in _SCALED.finditer(each.text):
        kind, name = _KIND.search(target[2]), _NAME.search(target[2])
        if kind is not None and name is not None and kind[1] in WORKLOADS:
            yield from _missing(each, kind[1], name[1], target.start(2) + name.start(1), objects)


def _routed(each: Template, objects: list[Template]) -> Iterator[Finding]:
    for backend in _BACKEND.finditer(each.text):
        group = 2 if backend[2] else 3
        yield from _missing(each, "Service", backend[group], backend.start(group), objects)


def _missing(each: Template, kind: str, said: str, at: int, objects: list[Template]) -> Iterator[Finding]:
    made = {normal(one.name): one for one in objects if one.kind == kind}
    name = normal(said)
    if not name or "" in made or name in made:
        return
    helper = re.findall(r"<[^>]+>", name)[0]
    near = get_close_matches(name, [one for one in made if helper in one], n=1, cutoff=0.3)
    if near:  # else it is made by hand, or by another chart
        message = (
            f"the {each.kind} of `{each.path}` acts on the {kind} `{as_written(name)}`, which the chart does not make"
        )
        yield _found(each, at, message, f"{kind} {name}", as_written(near[0]), made[near[0]].place(0))


def _watched(each: Template, objects: list[Template]) -> Iterator[Finding]:
    """Ports that Prometheus is to scrape, by the names that services or containers give them."""
    kinds = {"Service"} if each.kind == "ServiceMonitor" else WORKLOADS
    sources = [one for one in objects if one.kind in kinds]
    listed = [ports for one in sources for ports in _listed(one.text)]
    if not listed or any(_OPEN.search(ports) for ports in listed) or len(listed) < len(sources):
        return
    names = {match[1] for ports in listed for match in _PORT_NAME.finditer(ports)}
    start = each.text.find("ndpoints:")
    for asked in _ENDPOINT.finditer(each.text, max(start, 0)):
        if asked[1] not in names and names:
            there = ", ".join(f"`{name}`" for name in sorted(names))
            whose = "service" if each.kind == "ServiceMonitor" else "container"
            message = (
                f"the {each.kind} of `{each.path}` scrapes the port `{asked[1]}`, and no {whose} of the chart has it"
            )
            yield _found(each, asked.start(1), f"{message} (there is {there})", f"port {asked[1]}", "", None)


def _listed(text: str) -> Iterator[str]:
    """The lists of ports in a text, without the actions that follow them."""
    for ports in _PORTS.finditer(text):
        lines = ports[2].split("\n")
        while lines and (not lines[-1].strip() or lines[-1].lstrip().startswith("{{")):
            lines.pop()
        yield "\n".join(lines)


def _served(each: Template, objects: list[Template]) -> Iterator[Finding]:
    """Names of ports that a service hands on to, where its plain labels tell which pods of the chart are meant."""
    selector = _SELECTOR.search(each.text)
    labels = _LABEL.findall(selector[2]) if selector is not None else []
    workloads = [one for one in objects if one.kind in WORKLOADS]
    meant = [one for one in workloads if labels and all(_is_labelled(one.text, *label) for label in labels)]
    meant = meant or (workloads if len(workloads) == 1 else [])
    listed = [ports for one in meant for ports in _listed(one.text)]
    if len(meant) != 1 or not listed or any(_OPEN.search(ports) for ports in listed):
        return
    names = {match[1] for ports in listed for match in _PORT_NAME.finditer(ports)}
    for asked in _TARGET.finditer(each.text):
        if names and asked[1] not in names:
            there = ", ".join(f"`{name}`" for name in sorted(names))
            message = (
                f"the Service of `{each.path}` hands on to the port `{asked[1]}`, and no container of "
                f"`{meant[0].path}` has it (there is {there})"
            )
            yield _found(each, asked.start(1), message, f"target {asked[1]}", "", meant[0].place(0))


def _is_labelled(text: str, name: str, value: str) -> bool:
    return (
        re.search(rf"^[ \t]*{re.escape(name)}:[ \t]*[\"']?{re.escape(value)}[\"']?[ \t]*$", text, re.MULTILINE)
        is not None
    )


def _found(each: Template, at: int, message: str, anchor: str, near: str, there: Place | None) -> Finding:
    return RULE.found(
        message,
        Involved(each.place(at), "reference"),
        *([Involved(there, "the one that is there")] if there is not None else []),
        anchor=anchor,
        severity=limited(RULE.severity, each.path.replace("/templates/", "/")),
        confidence=Confidence.LIKELY,
        fix=RULE.fix + (f": there is `{near}`" if near else ""),
        blocks=f"what the chart of `{each.path}` installs",
    )


_CHART = """
    === chart/Chart.yaml
    apiVersion: v2
    name: shop
    version: 1.0.0
    === chart/values.yaml
    {}
    === chart/templates/_helpers.tpl
    {{- define "shop.name" -}}
    {{ .Release.Name }}-shop
    {{- end -}}
    === chart/templates/workload.yaml
    apiVersion: apps/v1
    kind: StatefulSet
    metadata:
      name: {{ include "shop.name" . }}-worker
    spec:
      selector: {matchLabels: {app: shop}}
      template:
        metadata: {labels: {app: shop}}
        spec:
          containers:
            - name: worker
              image: registry.example.com/shop:1
              ports:
                - name: web
                  containerPort: 8000
    === chart/templates/service.yaml
    apiVersion: v1
    kind: Service
    metadata:
      name: {{ include "shop.name" . }}-web
    spec:
      selector: {app: shop}
      ports:
        - port: 80
          targetPort: web
          name: web
"""
_SCALER = (
    _CHART
    + """
    === chart/templates/hpa.yaml
    {{- if .Values.scales }}
    apiVersion: autoscaling/v2
    kind: HorizontalPodAutoscaler
    metadata:
      name: {{ include "shop.name" . }}
    spec:
      scaleTargetRef:
        apiVersion: apps/v1
        kind: StatefulSet
        name: {{ include "shop.name" $ }}-%s
      maxReplicas: 3
    {{- end }}
"""
)
_MONITOR = (
    _CHART
    + """
    === chart/templates/monitor.yaml
    apiVersion: monitoring.coreos.com/v1
    kind: %s
    metadata:
      name: {{ include "shop.name" . }}
    spec:
      selector: {matchLabels: {app: shop}}
      %s:
        - port: %s
          path: /metrics
"""
)
_INGRESS = (
    _CHART
    + """
    === chart/templates/ingress.yaml
    apiVersion: networking.k8s.io/v1
    kind: Ingress
    metadata:
      name: {{ include "shop.name" . }}
    spec:
      rules:
        - http:
            paths:
              - path: /
                pathType: Prefix
                backend:
                  service:
                    name: {{ include "shop.name" . }}%s
                    port:
                      name: web
"""
)
_PARTS = (
    _CHART.replace(
        "selector: {app: shop}", 'selector:\n        {{- include "shop.name" . | nindent 4 }}\n        part: %s'
    )
    .replace("labels: {app: shop}}\n        spec:", "labels: {part: worker}}\n        spec:")
    .replace("metadata: {labels: {part: worker}}", "metadata:\n          labels:\n            part: worker")
    + """
    === chart/templates/other.yaml
    apiVersion: apps/v1
    kind: Deployment
    metadata:
      name: {{ include "shop.name" . }}-site
    spec:
      template:
        metadata:
          labels:
            part: site
        spec:
          containers:
            - name: site
              ports:
                - name: site
                  containerPort: 8001
"""
)
_SERVED = "                  containerPort: 8000", "          targetPort: web"
BAD = [
    tree(_CHART.replace(_SERVED[1], "          targetPort: site")),
    tree(_PARTS % "site"),
    tree(_SCALER % "workers"),
    tree(_MONITOR % ("ServiceMonitor", "endpoints", "metrics")),
    tree(_MONITOR % ("PodMonitor", "podMetricsEndpoints", "metrics")),
    tree(_INGRESS % "-site"),
]
GOOD = [
    tree(
        _CHART.replace(
            _SERVED[0],
            _SERVED[0]
            + "\n    {{- if .Values.more }}"
            + "\n                - name: site\n                  containerPort: 1\n    {{- end }}",
        ).replace(_SERVED[1], "          targetPort: site")
    ),
    tree(_PARTS % "worker"),
    tree(_PARTS % "elsewhere"),
    tree(_SCALER % "worker"),
    tree(_MONITOR % ("ServiceMonitor", "endpoints", "web")),
    tree(
        (_MONITOR % ("ServiceMonitor", "endpoints", "metrics")).replace(
            "  name: web\n\n", "  name: {{ .Values.port }}\n\n"
        )
    ),
    tree(_INGRESS % "-web"),
    tree(_INGRESS.replace('{{ include "shop.name" . }}%s', "elsewhere")),
]
