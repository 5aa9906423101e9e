"""A container of a Helm chart mounts a volume that the pod of its template does not declare."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from sophia_preflight.clusters.templates import WORKLOADS, Template, listings, templates
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Confidence, Finding, Rule, Severity
from sophia_preflight.standing import limited

RULE = Rule(
    id="undeclared-chart-volume",
    title="a template of a chart mounts a volume that it does not declare",
    severity=Severity.CRITICAL,
    why='the API server refuses the pods: "volumeMounts[0].name: Not found"',
    fix="declare it under `volumes`",
    family="clusters",
)


def check(context: Context) -> Iterable[Finding]:
    for directory in context.cluster.charts:
        for each in templates(context.repository, directory):
            if each.kind in WORKLOADS or each.kind in ("Job", "CronJob"):
                yield from _mounts(context, directory, each)


def _mounts(context: Context, directory: str, each: Template) -> Iterator[Finding]:
    volumes = list(listings(each.text, "volumes"))
    claims = list(listings(each.text, "volumeClaimTemplates", nested=True))
    mounts = [mount for key in ("volumeMounts", "volumeDevices") for mount in listings(each.text, key)]
    declared = {name for listing in (*volumes, *claims) for name in listing.names}
    mounted = {name: at for mount in mounts for name, at in mount.names.items()}
    is_open = any(listing.is_open for listing in (*volumes, *claims))
    idle = sorted({name for listing in volumes for name in listing.names} - set(mounted))
    for name, at in mounted.items() if volumes and not any("{{" in name for name in declared) else ():
        if "{{" in name or name in declared or (is_open and (len(idle) != 1 or _is_said(context, directory, name))):
            continue
        near = idle if len(idle) == 1 else get_close_matches(name, sorted(declared), n=1)
        yield RULE.found(
            f"a container of the {each.kind} of `{each.path}` mounts `{name}`, a volume that its pod does not declare",
            each.place(at),
            anchor=f"volume {name}",
            severity=limited(RULE.severity, each.path.replace("/templates/", "/")),
            confidence=Confidence.LIKELY,
            fix=RULE.fix + (f", or use `{near[0]}`" if near else ""),
            blocks=f"what the chart of `{each.path}` installs",
        )


def _is_said(context: Context, directory: str, name: str) -> bool:
    """Whether the values or helpers of a chart name a volume: they may bring it."""
    said = re.compile(rf"(?<![\w-]){re.escape(name)}(?![\w-])")
    repository = context.repository
    others = (path for path in repository.inside(directory) if "/templates/" not in f"/{path}" or path.endswith(".tpl"))
    return any(said.search(repository.glimpse(path)) for path in others if not path.endswith(".md"))


_CHART = """
    === chart/Chart.yaml
    apiVersion: v2
    name: api
    version: 1.0.0
    === chart/values.yaml
    volumes: %s
    === chart/templates/api.yaml
    apiVersion: apps/v1
    kind: StatefulSet
    metadata:
      name: api
    spec:
      template:
        spec:
          volumes:
          - name: %s
            configMap:
              name: settings
          {{- if .Values.more }}
          - name: more
            emptyDir: {}
          {{- end }}%s
          containers:
            - name: api
              image: registry.example.com/api:1
              volumeMounts:
                - mountPath: /config
                  name: config # what it is told
                {{- if .Values.more }}
                - name: more
                  mountPath: /more
                {{- end }}
                - {name: data, mountPath: /data}
                - name: data
                  mountPath: /data
      volumeClaimTemplates:
        - metadata:
            name: data
"""
_GIVEN = """
          {{- with .Values.volumes }}
          {{- toYaml . | nindent 10 }}
          {{- end }}"""
BAD = [
    tree(_CHART % ("[]", "settings", "")),
    tree(_CHART % ("[]", "settings", _GIVEN)),
]
GOOD = [
    tree(_CHART % ("[]", "config", "")),
    tree(_CHART % ("[]", "config", _GIVEN)),
    tree(_CHART % ("[{name: config, emptyDir: {}}]", "settings", _GIVEN)),
    tree(_CHART % ("[]", "{{ .Values.name }}", "")),
]
