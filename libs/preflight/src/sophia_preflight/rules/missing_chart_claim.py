"""A claim for storage in a Helm chart by a name that none of the chart's claims has, where one of them must be meant.

Templates are not rendered: names are compared as they are written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

from sophia_preflight.clusters.templates import templates
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Confidence, Finding, Involved, Rule, Severity
from sophia_preflight.standing import limited

RULE = Rule(
    id="missing-chart-claim",
    title="pods of a Helm chart claim storage that the chart makes under another name",
    severity=Severity.CRITICAL,
    why="the chart installs, and its pods wait for a claim that is not there",
    fix="give both the same name",
    family="clusters",
)
_CLAIM = re.compile(r"^[ \t]*claimName:[ \t]*(\S.*?)[ \t]*$", re.MULTILINE)
_PART = re.compile(
    r"\{\{-?\s*(?:(?:include|template)\s+\"([^\"]+)\"\s+[.$]|\$?(\.Release\.Name))\s*(?:\|\s*(?:quote|trim)\s*)?-?\}\}"
)


def check(context: Context) -> Iterable[Finding]:
    for directory in context.cluster.charts:
        objects = list(templates(context.repository, directory, tests=True))
        made = {_normal(each.name): each for each in objects if each.kind == "PersistentVolumeClaim"}
        asked = [(each, _normal(found[1]), found) for each in objects for found in _CLAIM.finditer(each.text)]
        helpers = (path for path in context.repository.inside(directory) if path.endswith(".tpl"))
        if not made or "" in made or any(not name for _, name, _ in asked):
            continue
        if any("claimName" in context.repository.text(path) for path in helpers):
            continue
        left = [name for name in made if not any(name == other for _, other, _ in asked)]
        for each, name, found in asked:
            alike = get_close_matches(name, [one for one in made if _start(one) == _start(name)], n=1, cutoff=0.75)
            near = next((one for one in left if _start(one) == _start(name)), "") or "".join(alike)
            if name in made or not near:
                continue
            shown = found[1].strip("\"'")
            yield RULE.found(
                f"the {each.kind} of `{each.path}` claims `{shown}`, and the chart makes only a claim of another name",
                Involved(each.place(found.start(1)), "claim"),
                Involved(made[near].place(0), "the one that is there"),
                anchor=f"claim {name}",
                severity=limited(RULE.severity, each.path.replace("/templates/", "/")),
                confidence=Confidence.LIKELY,
                fix=f"{RULE.fix}: there is `{made[near].name.strip(chr(34) + chr(39))}`",
                blocks=f"what the chart of `{each.path}` installs",
            )


def _normal(said: str) -> str:
    """A name with its helpers in a common form; empty where something else decides it too, or no helper does."""
    text = _PART.sub(lambda found: f"<{found[1] or found[2]}>", said.strip("\"' "))
    return text if re.fullmatch(r"[a-z0-9.-]*(<[\w.-]+>[a-z0-9.-]*)+", text) else ""


def _start(name: str) -> str:
    """What a name begins with, up to the end of its first helper."""
    return name.partition(">")[0]


_CHART = """
    === chart/Chart.yaml
    apiVersion: v2
    name: shop
    version: 1.0.0
    === chart/templates/claim.yaml
    apiVersion: v1
    kind: PersistentVolumeClaim
    metadata:
      name: "%s-data"
    spec:
      accessModes: [ReadWriteOnce]
      resources: {requests: {storage: 1Gi}}
    === chart/templates/shop.yaml
    apiVersion: apps/v1
    kind: Deployment
    metadata:
      name: {{ .Release.Name }}-shop
    spec:
      selector:
        matchLabels: {app: shop}
      template:
        metadata:
          labels: {app: shop}
        spec:
          containers:
            - name: shop
              image: registry.example.com/shop:1.4
              volumeMounts:
                - {name: data, mountPath: /data}
          volumes:
            - name: data
              persistentVolumeClaim:
                claimName: %s
"""
_HELPER = """
    === chart/templates/_helpers.tpl
    {{- define "shop.name" -}}shop{{- end }}
"""
_RELEASE, _NAMED = "{{ .Release.Name }}", '{{ include "shop.name" . }}'
BAD = [
    tree(_CHART % (_RELEASE, f"{_RELEASE}-store")),
    tree((_CHART % (_NAMED, f"{_NAMED}-store")).replace(f'"{_NAMED}-data"', f"{_NAMED}-data") + _HELPER),
    tree(_CHART % ("{{ $.Release.Name }}-shop", '"{{ .Release.Name }}-data"')),
]
GOOD = [
    tree(_CHART % (_RELEASE, f'"{_RELEASE}-data"')),
    tree(_CHART % (_RELEASE, "shop-data")),
    tree(_CHART % (_RELEASE, "{{ .Values.claim }}")),
    tree(_CHART % (_RELEASE, f"{_NAMED}-data") + _HELPER),
]
