"""A template of a Helm chart asks for a value that the chart's defaults have under another name."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from difflib import get_close_matches

from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Confidence, Finding, Involved, Place, Rule, Severity
from sophia_preflight.readers import yaml
from sophia_preflight.readers.tree import Node
from sophia_preflight.standing import limited

RULE = Rule(
    id="unknown-chart-value",
    title="a template asks for a value that the chart's `values.yaml` calls otherwise",
    severity=Severity.HIGH,
    why="Helm puts nothing in its place, whatever is set under the other name",
    fix="use one name in the template and in `values.yaml`",
    family="clusters",
)
_NIL = 'the chart cannot be rendered: "nil pointer evaluating interface {}"'
_ACTION = re.compile(r"\{\{-?(.*?)-?\}\}", re.DOTALL)
_VALUE = re.compile(r"\.Values((?:\.\w+)+)")
_BARE = re.compile(r"\s*\$?\.Values(?:\.\w+)+(\s*\|\s*(quote|squote|toString|int|int64|upper|lower|b64enc|trim))*\s*")


def check(context: Context) -> Iterable[Finding]:
    for directory in context.cluster.charts:
        values = posixpath.join(directory, "values.yaml")
        if context.repository.is_file(values):
            yield from _chart(context, directory, values)


def _chart(context: Context, directory: str, values: str) -> Iterator[Finding]:
    root = yaml.root_of(context.repository.text(values))
    if not root.is_map:
        return
    texts = dict(_templates(context, directory))
    asked = [
        (path, action.start(1) + found.start(1), found[1], _BARE.fullmatch(action[1]) is not None)
        for path, text in texts.items()
        for action in _ACTION.finditer(text)
        for found in _VALUE.finditer(action[1])
    ]
    names = {name for _, _, name, _ in asked}
    guarded = {name for _, _, name, bare in asked if not bare}
    told: set[str] = set()
    for path, at, whole, bare in asked:
        name = _missing(root, whole)
        if bare and not any(f"{each}.".startswith(f"{name}.") for each in guarded) and name not in told:
            told.add(name)
            other = _other_name(root, name, names)
            if other and not _is_said(context, directory, name.rpartition(".")[2]):
                found = _found(path, texts[path], at, name, other, values, root)
                yield found if name == whole else replace(found, why=_NIL)


def _missing(root: Node, name: str) -> str:
    """The first part of a value that is not there, with what is above it; all of it where every part is there."""
    said, node = "", root
    for part in name[1:].split("."):
        said += f".{part}"
        if node.is_map and part not in node:
            return said
        node = node[part]
    return said


def _templates(context: Context, directory: str) -> Iterator[tuple[str, str]]:
    inside = f"{directory}/templates/" if directory else "templates/"
    for path in context.repository.inside(directory):
        if path.startswith(inside) and path.endswith((".yaml", ".yml", ".tpl", ".txt", ".json")):
            yield path, context.repository.text(path)


def _other_name(root: Node, name: str, names: set[str]) -> str:
    """A value of nearly that name beside it: one that no template asks for, or else one of almost the same letters.
    Empty where the value is there, or may be."""
    *above, last = name[1:].split(".")
    node = root
    for part in above:
        if part not in node:
            return ""
        node = node[part]
    if not node.is_map or last in node:
        return ""
    base = "".join(f".{part}" for part in above)
    if base in names:
        return ""  # some template takes all of it
    idle = [key for key, _ in node.items() if not any(f"{each}.".startswith(f"{base}.{key}.") for each in names)]
    near = get_close_matches(last, idle, n=1, cutoff=0.5) or [
        each
        for each in get_close_matches(last, [key for key, _ in node.items()], n=1, cutoff=0.85)
        if each.rstrip("s") != last.rstrip("s")
    ]
    return f"{base}.{near[0]}" if near else ""


def _is_said(context: Context, directory: str, key: str) -> bool:
    """Whether a comment, a schema or other values of a chart, or of the one above it, speak of a key."""
    said = re.compile(rf"[\"']?\b{re.escape(key)}\b[\"']?\s*:")
    above = directory.rpartition("/charts/")[0] if "/charts/" in directory else directory
    return any(
        said.search(context.repository.text(path))
        for path in context.repository.inside(above)
        if (path.startswith(f"{directory}/") or not path.startswith(f"{above}/charts/"))
        and "/templates/" not in f"/{path}"
        and path.endswith((".yaml", ".yml", ".json"))
    )


def _found(path: str, text: str, at: int, name: str, other: str, values: str, root: Node) -> Finding:
    place = Place(path, text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at))
    *above, last = other[1:].split(".")
    return RULE.found(
        f"`.Values{name}` is nowhere in `{values}`, which has `{other[1:]}`",
        Involved(place, "use"),
        Involved(root.at(*above).key(last).place(values), "declaration"),
        anchor=name,
        severity=limited(RULE.severity, path.replace("/templates/", "/")),
        confidence=Confidence.LIKELY,
        fix=f"{RULE.fix}: there is `.Values{other}`",
        blocks=f"what the chart of `{path}` installs",
    )


_CHART = """
    === chart/Chart.yaml
    apiVersion: v2
    name: api
    version: 1.0.0
    === chart/values.yaml
    replicas: 2
    resources:
      api: {memory: 1Gi}
    image:
      repository: registry.example.com/api
      tag: "1.4"
    # annotations: {}
    === chart/templates/api.yaml
    apiVersion: apps/v1
    kind: Deployment
    metadata:
      name: api
    spec:
      replicas: {{ .Values.%s }}
      template:
        spec:
          containers:
            - name: api
              resources: {requests: {memory: {{ .Values.resources.%s.memory }}}}
              image: "{{ .Values.image.%s }}:{{ .Values.image.tag | default .Chart.AppVersion }}"
"""
BAD = [
    tree(
        _CHART % ("replicas", "api", "repository")
        + """
            - name: init
              image: "{{ .Values.image.repositry }}:1"
"""
    ),
    tree(_CHART % ("replicaCount", "api", "repository")),
    tree(_CHART % ("replicas", "api", "repo")),
    tree(_CHART % ("replicas", "apis", "repository")),
]
GOOD = [
    tree(_CHART % ("replicas", "api", "repository")),
    tree(_CHART % ("replicaCount | default 1", "api", "repository")),
    tree(_CHART % ("annotations", "api", "repository")),
    tree(_CHART % ("replicas", "api", "digest")),
]
