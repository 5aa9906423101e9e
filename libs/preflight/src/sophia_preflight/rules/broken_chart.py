"""Helm charts: templates that do not parse or include what is nowhere defined, values whose parent no file has."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from sophia_preflight.clusters import syntax
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Confidence, Finding, Place, Rule, Severity
from sophia_preflight.readers import yaml
from sophia_preflight.readers.tree import Node
from sophia_preflight.standing import limited

RULE = Rule(
    id="broken-chart",
    title="a Helm chart cannot be rendered",
    severity=Severity.CRITICAL,
    why="`helm install` and `helm upgrade` end with an error before anything is applied",
    fix="correct the name, or define it",
    family="clusters",
)
_COMMENT = re.compile(r"\{\{-?\s*/\*.*?\*/\s*-?\}\}", re.DOTALL)
_INCLUDE = re.compile(r"\{\{[^{}]*?\b(?:include|template)\s+\"([^\"]+)\"")
_DEFINE = re.compile(r"\{\{-?\s*(?:define|block)\s+\"([^\"]+)\"")
_SETTING = re.compile(r"\.(sh|bash|ya?ml|mk|tf|py|ts|go)$|(^|/)(Makefile|Justfile|Tiltfile|Jenkinsfile)$")
_BLOCKS = re.compile(r"\{\{-?\s*(if|with|range|define|block|else|end)\b((?:(?!\}\}).)*?)-?\}\}")
_VALUE = re.compile(r"(?<![\w)])\$?\.Values((?:\.[A-Za-z_]\w*)+)")


def check(context: Context) -> Iterable[Finding]:
    for directory in context.cluster.charts:
        yield from _chart(context, directory)


def _chart(context: Context, directory: str) -> Iterator[Finding]:
    repository = context.repository
    root = yaml.root_of(repository.text(posixpath.join(directory, "Chart.yaml")))
    path = posixpath.join(directory, "Chart.yaml")
    for key in ("name", "version"):
        if root.is_map and not root[key].text:
            yield _found(path, Place(path), f"`Chart.yaml` lacks `{key}`", f"no {key}", fix=f"add `{key}`")
    files = {
        each: _COMMENT.sub(lambda m: re.sub(r"[^\n]", " ", m[0]), repository.text(each))
        for each in repository.inside(directory)
        if "/templates/" in f"/{each}" and each.endswith((".yaml", ".yml", ".tpl", ".txt"))
    }
    yield from _dependencies(context, directory, path, root)
    if root["type"].text != "library":
        yield from _includes(context, directory, files)
    yield from _values(context, directory, files)
    own = f"{directory}/templates/".lstrip("/")
    if root["name"].text and "{" not in root["name"].text:
        yield from _parsed({each: repository.text(each) for each in files}, own)


def _dependencies(context: Context, directory: str, path: str, root: Node) -> Iterator[Finding]:
    """Charts that `file://` takes from beside."""
    for each in root["dependencies"].elements():
        said = each["repository"].text
        place = posixpath.normpath(posixpath.join(directory, said.removeprefix("file://")))
        if not said.startswith("file://.") or "{" in said or place.startswith(".."):
            continue
        repository = context.repository
        if not (repository.is_directory(place) or repository.is_ignored(place) or repository.is_foreign(place)):
            yield _found(
                path,
                each["repository"].place(path),
                f"the chart `{said}` is not there",
                f"dependency {each['name'].text}",
                fix="correct the path, or add the chart",
            )


def _parsed(files: dict[str, str], own: str) -> Iterator[Finding]:
    """What Helm refuses to parse, and asks of its own objects in vain, in the chart's own templates."""
    for path, text in files.items():
        told: set[str] = set()
        for fault in syntax.faults(text) if path.startswith(own) else ():
            if fault.message in told:
                continue
            told.add(fault.message)
            yield _found(
                path,
                _place(path, text, fault.at),
                fault.message,
                f"{path} {fault.message}",
                severity=Severity.HIGH if fault.parses else Severity.CRITICAL,
                fix=RULE.fix + (f": there is `{fault.near}`" if fault.near else ""),
            )


def _includes(context: Context, directory: str, files: dict[str, str]) -> Iterator[Finding]:
    """A chart shares its definitions with the charts that it lies in; those of charts from elsewhere are unknown."""
    repository, outer = context.repository, directory
    while (
        outer
        and "/charts/" in outer
        and f"{(above := outer.rpartition('/charts/')[0])}/Chart.yaml" in repository.entries
    ):
        outer = above
    own = yaml.root_of(repository.text(posixpath.join(directory, "Chart.yaml")))["name"].text
    foreign = False
    for path in repository.by_name["Chart.yaml"]:
        is_part = path == posixpath.join(outer, "Chart.yaml") or path.startswith(posixpath.join(outer, "charts/"))
        if is_part and (others := yaml.root_of(repository.text(path))["dependencies"].elements()):
            foreign = True
            if own in {name.text for each in others for name in (each["name"], each["alias"])}:
                return
    inside = list(repository.inside(outer))
    foreign |= any(each.endswith(".tgz") for each in inside)
    defined = {m[1] for each in inside if "/templates/" in each for m in _DEFINE.finditer(repository.text(each))}
    for path, text in files.items():
        for found in _INCLUDE.finditer(text):
            name = found[1]
            if name in defined or "%" in name:
                continue
            if foreign and not (
                own and name.startswith(f"{own}.") and any(each.startswith(f"{own}.") for each in defined)
            ):
                continue
            near = get_close_matches(name, defined, n=1)
            yield _found(
                path,
                _place(path, text, found.start(1)),
                f"the template `{name}` is included and nowhere defined",
                f"template {name}",
                fix=RULE.fix + (f": there is `{near[0]}`" if near else ""),
            )


def _values(context: Context, directory: str, files: dict[str, str]) -> Iterator[Finding]:
    """`.Values.a.b` fails when there is no `a`; a missing leaf is only empty."""
    repository = context.repository
    own = posixpath.join(directory, "values.yaml")
    documents = yaml.parse(repository.text(own)) if repository.is_file(own) else None
    if documents is None or documents.faults or any("subcharts" in each for each in files):
        return
    roots = [documents.root] + [
        yaml.root_of(repository.text(each))
        for each in repository.entries
        if re.search(r"(^|/)[^/]*values[^/]*\.ya?ml$", each) and each != own
    ]
    seen: set[str] = set()
    for path, text in files.items():
        for found in _VALUE.finditer(text):
            parts = found[1].strip(".").split(".")
            parent = ".".join(parts[:-1])
            if len(parts) < 2 or parent in seen or any(_has(each, parts[:-1]) for each in roots):
                continue
            if _guarded(text, found.start(), parts, documents.root) or parts[0] == "global":
                continue
            seen.add(parent)
            if _is_set(context, parent):
                continue
            yield _found(
                path,
                _place(path, text, found.start()),
                f"`.Values.{'.'.join(parts)}` is read, and no values file has `{parent}`",
                f"values {parent}",
                severity=Severity.HIGH,
                confidence=Confidence.LIKELY,
                fix=f"add `{parent}` to `{own}`",
            )


def _has(root: Node, parts: list[str]) -> bool:
    node = root.at(*parts)
    return bool(node) and not node.is_null


def _guarded(text: str, at: int, parts: list[str], root: Node) -> bool:
    """Whether it is read only where something says that its parent is there, or inside of any condition.

    A condition on the value itself reads the parent, and fails with it; so does what comes after a `|`.
    """
    tag = text.rfind("{{", 0, at)
    end = text.find("}}", at)
    inside = text[max(tag, 0) : end if end >= 0 else len(text)]
    if re.search(r"\b(dig|hasKey|get|required|tpl)\b", inside):
        return True
    for length in range(1, len(parts)):
        name = re.escape(".".join(parts[:length]))
        if re.search(rf"\.Values\.{name}(?![\w.])", text[max(tag, 0) : at]):
            return True
        if re.search(rf"\b(if|with|and|or|hasKey|range)\b[^}}]*\.Values\.{name}(?![\w.])", text[: max(tag, 0)]):
            return True
    opened = _opened(text[: max(tag, 0)])
    if re.match(r"\{\{-?\s*else\b", inside):
        opened = opened[:-1]  # what another branch of it is chosen by
    return any(not _is_on(root, each) for each in opened)


def _opened(text: str) -> list[str]:
    """What stands open at the end of a text: the value of a condition that is one alone, else the whole action."""
    found: list[str] = []
    for action in _BLOCKS.finditer(text):
        if action[1] == "end":
            del found[-1:]
        elif action[1] == "else":
            found[-1:] = [action[0]]
        else:
            value = re.fullmatch(r"\s*\$?\.Values((?:\.\w+)+)\s*", action[2])
            found.append(value[1] if value is not None and action[1] == "if" else action[0])
    return found


def _is_on(root: Node, condition: str) -> bool:
    """Whether a condition holds as long as nobody sets its value."""
    if not condition.startswith("."):
        return False
    node = root.at(*condition[1:].split("."))
    return (node.is_map and bool(node.items())) or node.text not in ("", "false", "0")


def _is_set(context: Context, parent: str) -> bool:
    """Whether some command gives the value: `helm install --set parent.name=…`."""
    pattern = re.compile(
        rf"--set(-string|-file)?[= \"']+[^\n]*\b{re.escape(parent)}\.|name\s*[=:]\s*\"?{re.escape(parent)}\."
    )
    return any(
        pattern.search(context.repository.glimpse(path))
        for path, entry in context.repository.entries.items()
        if entry.size < 300_000 and _SETTING.search(path)
    )


def _place(path: str, text: str, at: int) -> Place:
    return Place(path, text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at))


def _found(
    path: str,
    place: Place,
    message: str,
    anchor: str,
    *,
    fix: str | None = None,
    severity: Severity = Severity.CRITICAL,
    confidence: Confidence = Confidence.CERTAIN,
) -> Finding:
    return RULE.found(
        message,
        place,
        anchor=anchor,
        severity=limited(severity, path.replace("/templates/", "/")),
        confidence=confidence,
        fix=fix,
        blocks=f"rendering the chart of `{path}`",
    )


_CHART = """
    === chart/Chart.yaml
    apiVersion: v2
    name: api
    version: 1.0.0
    === chart/values.yaml
    image: {repository: registry.example.com/api, tag: "1"}
    === chart/templates/_helpers.tpl
    {{- define "api.labels" -}}
    app: api
    {{- end -}}
"""
BAD = [
    tree(
        _CHART
        + """
    === chart/templates/service.yaml
    metadata:
      labels: {{- include "api.label" . | nindent 4 }}
    """
    ),
    tree(
        _CHART
        + """
    === chart/templates/service.yaml
    spec:
      type: {{ .Values.service.type }}
    """
    ),
    tree(
        _CHART
        + """
    === chart/templates/deployment.yaml
    spec:
      {{- if not .Values.autoscaling.enabled }}
      replicas: 1
      {{- end }}
    """
    ),
    tree(
        _CHART
        + """
    === chart/templates/deployment.yaml
    spec:
      {{- if .Values.image.tag }}
      replicas: 1
      {{- else if .Values.autoscaling.enabled }}
      replicas: 2
      {{- end }}
    """
    ),
    tree(
        _CHART.replace(
            "version: 1.0.0", "version: 1.0.0\n    dependencies:\n    - {name: store, repository: 'file://../store'}"
        )
        + """
    === storage/Chart.yaml
    name: store
    version: 1.0.0
    === chart/templates/service.yaml
    metadata:
      labels: {{- include "api.label" . | nindent 4 }}
    """
    ),
]
BAD += [
    tree(_CHART + "    === chart/templates/service.yaml\n" + each)
    for each in (
        "    name: {{ $name }}",
        "    {{- range $key, $value := .Values.image }}\n    {{ $kye }}: {{ $value }}\n    {{- end }}",
        '    {{- if .Values.image }}\n    {{- $tag := "1" }}\n    {{- end }}\n    tag: {{ $tag }}',
        '    {{- $tag := "1" }}\n    {{- define "api.tag" }}{{ $tag }}{{ end }}',
        "    {{- if .Values.image }}\n    kind: Service",
        "    kind: Service\n    {{- end }}",
        '    labels: {{- inclued "api.labels" . | nindent 4 }}',
        "    image: {{ toYml .Values.image }}",
        "    version: {{ .Chart.AppVerison }}",
        "    name: {{ $.Release.Names }}",
    )
]
GOOD = [
    tree(
        _CHART
        + """
    === chart/templates/service.yaml
    metadata:
      labels: {{- include "api.labels" . | nindent 4 }}
    spec:
      image: {{ .Values.image.repository }}
      {{- if .Values.ingress }}
      host: {{ .Values.ingress.host }}
      {{- end }}
      port: {{ (.Values.service).port | default 80 }}
    """
    ),
    tree(
        _CHART
        + """
    === chart/templates/deployment.yaml
    spec:
      {{- if and .Values.autoscaling .Values.autoscaling.enabled }}
      replicas: {{ .Values.autoscaling.least }}
      {{- end }}
      {{- with .Values.probe }}
      path: {{ .path }}{{ $.Values.probe.port | default 80 }}
      {{- end }}
      host: {{ .Values.proxy.host }}
    === install.sh
    helm upgrade api chart --set image.tag=2 --set proxy.host=example.com
    """
    ),
    tree(
        _CHART
        + """
    === chart/templates/service.yaml
    {{- /* $gone {{ if }} */}}
    {{- $top := . -}}
    {{- $name := "{{ $no }}" }}
    {{- with $image := .Values.image }}
    version: {{ $image.tag }}{{ $.Chart.AppVersion }}{{ $top.Release.Name }}{{ .Release.Oddity }}
    {{- $name = printf "$%s" $name }}
    {{- else }}
    {{- $deep := $image }}{{ $deep }}
    {{- end }}
    {{- range $index, $each := .Values.image }}{{ $index }}{{ $each }}{{ end }}
    said: {{ `{{ $labels.instance }}` }} {{ "{{ end }}" }} $HOME ${HOME}
    {{- define "api.tag" }}{{- $tag := .tag }}{{ $tag | quote | trimAll "-" }}{{ end }}
    {{- if semverCompare ">=1.2" .Capabilities.KubeVersion.GitVersion }}{{ .Template.BasePath }}{{ end }}
    """
    ),
]
