"""Objects of a Helm chart that do not find each other: names, keys and ports as the templates write them.

Templates are not rendered. A name is compared as it is written, so that two that call the same helper are the same; one
that values or loops decide is unknown.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from sophia_preflight.clusters.ports import unmet_ports
from sophia_preflight.clusters.templates import BLOCK, RELEASE, WORKLOADS, Template, as_written, normal, templates
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Confidence, Finding, Involved, Place, Rule, Severity
from sophia_preflight.standing import limited

RULE = Rule(
    id="chart-reference",
    title="an object of a Helm chart asks for what the chart does not make",
    severity=Severity.CRITICAL,
    why="the chart installs, and its pods wait for what is not there",
    fix="correct the name, or make what it names",
    family="clusters",
)
_REFERENCE = re.compile(
    r"^(?P<indent>[ \t]*)(?:-[ \t]+)?"
    r"(?P<how>configMap|configMapRef|configMapKeyRef|secret|secretRef|secretKeyRef):[ \t]*\n"
    r"(?P<body>(?:(?P=indent)[ \t]+\S.*\n|[ \t]*\n){1,8})",
    re.MULTILINE,
)
_FIELD = re.compile(r"^[ \t]*(name|secretName|key|optional):[ \t]*(\S.*?)[ \t]*$", re.MULTILINE)
_KEY = re.compile(r"^([ \t]+)[\"']?([-._a-zA-Z0-9]+)[\"']?:")
_DATA = re.compile(r"^(data|stringData|binaryData):[ \t]*(.*)$", re.MULTILINE)
_KINDS = {"configMap": "ConfigMap", "secret": "Secret"}


def check(context: Context) -> Iterable[Finding]:
    for directory in context.cluster.charts:
        objects = list(templates(context.repository, directory))
        if objects:
            yield from _references(objects)
            yield from _bindings(context, objects)
            yield from _selectors(objects)
            for each in unmet_ports(context, directory, objects):
                yield _found(each.path, each.place, each.said, each.anchor, each.near, None)


# --- names and keys --------------------------------------------------------------------------------------------------


def _references(objects: list[Template]) -> Iterator[Finding]:
    made: dict[str, dict[str, list[Template]]] = {"ConfigMap": {}, "Secret": {}}
    for each in objects:
        if each.kind in made:
            made[each.kind].setdefault(normal(each.name), []).append(each)
    told: set[tuple[str, str, str]] = set()
    for each in objects:
        for found in _REFERENCE.finditer(each.text):
            kind = _KINDS[re.sub(r"(Key)?Ref$", "", found["how"])]
            fields = {match[1]: match for match in _FIELD.finditer(found["body"])}
            named = fields.get("secretName") or fields.get("name")
            name = normal(named[2]) if named else ""
            if not name or named is None or "" in made[kind] or not made[kind] or "optional" in fields:
                continue
            key = fields["key"] if found["how"].endswith("KeyRef") and "key" in fields else None
            wrong = _wrong(kind, name, key[2].strip("\"'") if key else "", made[kind])
            place = each.place(found.start("body") + (key or named).start(2))
            if wrong is None or (kind, name, wrong[0]) in told:
                continue
            told.add((kind, name, wrong[0]))
            said, near, there = wrong
            yield _found(each.path, place, f"{each.title} {said}", f"{said} for {each.kind}", near, there)


_Wrong = tuple[str, str, Place]


def _wrong(kind: str, name: str, key: str, made: dict[str, list[Template]]) -> _Wrong | None:
    """What is not there, what is there instead, and where; None where all is there, as far as is known."""
    if name not in made:
        helper = re.findall(r"<[^>]+>", name)[0]
        alike = [other for other in made if helper in other]
        near = get_close_matches(name, alike, n=1, cutoff=0.85 if kind == "Secret" else 0.3)
        if helper == RELEASE and near:  # charts that come with this one name theirs by the release, too
            own = {each.replace(RELEASE, ""): each for each in alike}
            near = [own[each] for each in get_close_matches(name.replace(RELEASE, ""), own, n=1, cutoff=0.7)]
        if not near:
            return None  # of another chart, or made by hand
        return (
            f"needs the {kind} `{as_written(name)}`, which the chart does not make",
            as_written(near[0]),
            made[near[0]][0].place(0),
        )
    if not re.fullmatch(r"[-._a-zA-Z0-9]+", key):
        return None
    known: set[str] = set()
    for each in made[name]:
        keys = _keys(each.text)
        if keys is None:
            return None
        known |= keys
    if not known or key in known:
        return None
    near = get_close_matches(key, sorted(known), n=1)
    said = f"reads `{key}` of the {kind} `{as_written(name)}`, which does not have it"
    return said, near[0] if near else "", made[name][0].place(0)


def _keys(text: str) -> set[str] | None:
    """The keys of an object's data; None where a template makes more than it shows."""
    found: set[str] = set()
    for section in _DATA.finditer(text):
        if section[2].strip():
            return None
        indent = ""
        for line in text[section.end() + 1 :].split("\n"):
            if line.strip() and not line.startswith((" ", "\t", "{", "#")):
                break
            if BLOCK.match(line) or not line.strip() or line.lstrip().startswith("#"):
                continue
            key = _KEY.match(line)
            if key is not None and (not indent or key[1] == indent):
                indent = key[1]
                found.add(key[2])
            elif not indent or not line.startswith(indent + " "):
                return None
    return found


# --- names that are written out ---------------------------------------------------------------------------------------

_ROLE = re.compile(r"^roleRef:[ \t]*\n((?:[ \t]+\S.*\n)+)", re.MULTILINE)
_ROLE_KIND = re.compile(r"^[ \t]+kind:[ \t]*(ClusterRole|Role)[ \t]*$", re.MULTILINE)
_ACCOUNT = re.compile(r"^[ \t]+serviceAccountName:[ \t]*(\S.*?)[ \t]*$", re.MULTILINE)
_ROLE_NAME = re.compile(r"^[ \t]+name:[ \t]*(\S.*?)[ \t]*$", re.MULTILINE)
_SUBJECT = re.compile(
    r"^[ \t]*-[ \t]+kind:[ \t]*ServiceAccount[ \t]*\n[ \t]+name:[ \t]*(\S.*?)[ \t]*$"
    r"|^[ \t]*-[ \t]+name:[ \t]*(\S.*?)[ \t]*\n[ \t]+kind:[ \t]*ServiceAccount[ \t]*$",
    re.MULTILINE,
)
_FILLED = re.compile(r"<[\w.-]+>")


def _bindings(context: Context, objects: list[Template]) -> Iterator[Finding]:
    """Bindings of roles, and pods of accounts, that the chart does not make, though it makes one that nobody names."""
    asked = [one for each in objects for one in _named(each)]
    for each, kind, name, at in asked:
        made = {_common(one.name): one for one in objects if one.kind == kind}
        others = [one for one in made if one and not any(said == one for _, of, said, _ in asked if of == kind)]
        if not name or not all(map(functools.partial(_is_like, name), made)) or name in made or not others:
            continue
        said = f"{each.title} needs the {kind} `{as_written(name)}`, which the chart does not make"
        alike = get_close_matches(name, others, n=1, cutoff=0.6)
        sure = kind in ("ConfigMap", "Secret") and get_close_matches(name, others, n=1, cutoff=0.75)
        if not sure and _is_brought(context, kind, name):
            continue  # a manifest beside the chart makes it, which need not come together with it
        if not alike and kind in ("ConfigMap", "Secret"):
            continue  # of another chart, or made by hand
        near = (alike or others)[0]
        yield _found(each.path, each.place(at), said, f"{kind} {name}", as_written(near), made[near].place(0))


def _named(each: Template) -> Iterator[tuple[Template, str, str, int]]:
    """The roles and accounts that an object asks for by names in their common form, and where it does."""
    for role in _ROLE.finditer(each.text):
        kind, name = _ROLE_KIND.search(role[1]), _ROLE_NAME.search(role[1])
        if kind is not None and name is not None:
            yield each, kind[1], _common(name[1]), role.start(1) + name.start(1)
    for found in _REFERENCE.finditer(each.text):
        fields = {match[1]: match for match in _FIELD.finditer(found["body"])}
        named = fields.get("secretName") or fields.get("name")
        if named is not None and "optional" not in fields and re.fullmatch(r"[\"']?[a-z0-9.-]+[\"']?", named[2]):
            what = _KINDS[re.sub(r"(Key)?Ref$", "", found["how"])]
            yield each, what, named[2].strip("\"'"), found.start("body") + named.start(2)
    for account in _ACCOUNT.finditer(each.text):
        if each.kind in WORKLOADS:
            yield each, "ServiceAccount", _common(account[1]), account.start(1)
    for subject in _SUBJECT.finditer(each.text) if each.kind.endswith("Binding") else ():
        group = 1 if subject[1] else 2
        yield each, "ServiceAccount", _common(subject[group]), subject.start(group)


def _common(said: str) -> str:
    """A name that is written out, or made of one helper; empty where something else decides it too."""
    name = said.strip("\"'")
    return name if re.fullmatch(r"[a-z0-9.-]+", name) else normal(said)


def _is_like(one: str, other: str) -> bool:
    """Whether it can be told if two names are the same: both are written out, or made of the same helper."""
    return bool(other) and _FILLED.findall(one) == _FILLED.findall(other)


def _is_brought(context: Context, kind: str, name: str) -> bool:
    """Whether a cluster brings it, or a manifest beside the chart makes it."""
    given = name in ("default", "cluster-admin", "admin", "edit", "view") or name.startswith("system:")
    items = (item for some in context.cluster.items.values() for item in some)
    return given or any(item.kind == kind and item.name == name for item in items)


# --- labels ----------------------------------------------------------------------------------------------------------

_SELECTOR = re.compile(r"^  selector:[ \t]*\n((?:    +\S.*\n)+)", re.MULTILINE)
_OWN = re.compile(r"^  selector:[ \t]*\n    matchLabels:[ \t]*\n((?:      +\S.*\n)+)", re.MULTILINE)
_LABELS = re.compile(
    r"^ {4,8}metadata:[ \t]*\n(?: {6,}\S.*\n)*?(?P<indent> +)labels:[ \t]*\n(?P<body>(?:(?P=indent) +\S.*\n)+)",
    re.MULTILINE,
)
_PAIR = re.compile(r"[\w./-]+:\s+\S.*")


def _selectors(objects: list[Template]) -> Iterator[Finding]:
    """Services, and workloads, whose selector as it is written is not among the labels of the pods that are meant."""
    workloads = [each for each in objects if each.kind in WORKLOADS or each.kind in ("Job", "CronJob")]
    pods = [(each, _pairs(found["body"])) for each in workloads for found in _LABELS.finditer(each.text)]
    for each in objects:
        own = [labels for one, labels in pods if one is each]
        found = _SELECTOR.search(each.text) if each.kind == "Service" else None
        found = found or (_OWN.search(each.text) if own else None)
        wanted, is_open = _pairs(found[1]) if found is not None else ({}, True)
        if found is None or not wanted:
            continue
        meant = own or [
            labels for one, labels in pods if one.path == each.path or (each.name and one.name == each.name)
        ]
        if not meant and (is_open or len(pods) < len(workloads)):
            continue
        among = meant or [labels for _, labels in pods]
        if any(_may_match(wanted, labels, is_open or more) for labels, more in among):
            continue
        if not among or (not meant and not any(wanted.keys() <= labels.keys() for labels, _ in among)):
            continue
        shown = "`, `".join(sorted(f"{key}: {value}" for key, value in wanted.items()))
        whose = (
            "its own pods do not" if own else "no pods of the chart" if not meant else "the pods that it is for do not"
        )
        said = f"{each.title} selects `{shown}`, and {whose} have these labels"
        yield _found(each.path, each.place(found.start(1) + 4), said, "selector", "", None)


def _may_match(wanted: dict[str, str], labels: dict[str, str], is_open: bool) -> bool:
    """Whether pods may have all labels: a template that adds some changes none that are written out."""
    if not is_open:
        return wanted.items() <= labels.items()
    return all("{{" in value + labels.get(key, "{{") or labels[key] == value for key, value in wanted.items())


def _pairs(body: str) -> tuple[dict[str, str], bool]:
    """Labels as they are written, and whether a template brings more."""
    lines = [re.sub(r"[\"']", "", line.strip()) for line in body.split("\n") if line.strip()]
    lines = [line for line in lines if not line.startswith("#") and not BLOCK.match(line)]
    pairs = [line.partition(":") for line in lines if _PAIR.fullmatch(line)]
    return {key: value.strip() for key, _, value in pairs}, len(pairs) < len(lines)


# --- all ------------------------------------------------------------------------------------------------------------


def _found(path: str, place: Place, message: str, anchor: str, near: str, there: Place | None) -> Finding:
    return RULE.found(
        message,
        Involved(place, "reference"),
        *([Involved(there, "the one that is there")] if there is not None else []),
        anchor=anchor,
        severity=limited(RULE.severity, path.replace("/templates/", "/")),
        confidence=Confidence.LIKELY,
        fix=RULE.fix + (f": there is `{near}`" if near else ""),
        blocks=f"what the chart of `{path}` installs",
    )


_CHART = """
    === chart/Chart.yaml
    apiVersion: v2
    name: api
    version: 1.0.0
    === chart/values.yaml
    port: 8000
    level: info
    livenessProbe: {httpGet: {path: /, port: %s}}
    === chart/templates/_helpers.tpl
    {{- define "api.fullname" -}}
    {{ .Release.Name }}-api
    {{- end -}}
    === chart/templates/config.yaml
    apiVersion: v1
    kind: ConfigMap
    metadata:
      name: {{ include "api.fullname" . }}-settings
    data:
      {{- if .Values.level }}
      level: {{ .Values.level | quote }}
      {{- end }}
      nginx.conf: |
        events {}
          {{ .Values.port }}
    === chart/templates/deployment.yaml
    apiVersion: apps/v1
    kind: Deployment
    metadata:
      labels: {}
      name: {{ include "api.fullname" . }}
    spec:
      template:
        spec:
          containers:
            - name: api
              image: registry.example.com/api:1
              livenessProbe: {{- toYaml .Values.livenessProbe | nindent 16 }}
              env:
                - name: LEVEL
                  valueFrom:
                    configMapKeyRef:
                      name: {{ include "api.fullname" $ }}-settings
                      key: %s
              ports:
                - containerPort: {{ .Values.port }}
                  name: http
          volumes:
            - name: settings
              configMap:
                name: "{{ include "api.fullname" . }}-%s"
            - name: more
              projected:
                sources:
                  - configMap:
                      name: {{ include "api.fullname" . }}-settings
            - name: keys
              secret:
                secretName: {{ include "api.fullname" . }}-tls
    === chart/templates/service.yaml
    apiVersion: v1
    kind: Service
    metadata:
      name: {{ include "api.fullname" . }}
    spec:
      ports:
        - port: 80
          targetPort: %s
"""
_ROLES = """
    === chart/Chart.yaml
    apiVersion: v2
    name: watcher
    version: 1.0.0
    === chart/templates/role.yaml
    kind: ClusterRole
    metadata:
      # what the watcher may do
      name: watcher-role
    === chart/templates/binding.yaml
    kind: ClusterRoleBinding
    metadata:
      name: watcher
    roleRef:
      kind: ClusterRole
      name: %s
      apiGroup: rbac.authorization.k8s.io
    === chart/templates/watcher.yaml
    kind: Deployment
    metadata:
      name: watcher
    spec:
      template:
        spec:
          serviceAccountName: %s
          containers:
            - name: watcher
              args:
                - "--liveness=http://0.0.0.0:%s/healthz"
              livenessProbe:
                httpGet:
                  path: /healthz
                  port: 8080
    ---
    kind: ServiceAccount
    metadata:
      name: watcher-account
"""
_SELECTED = """
    === chart/Chart.yaml
    apiVersion: v2
    name: web
    version: 1.0.0
    === chart/templates/web.yaml
    apiVersion: apps/v1
    kind: Deployment
    metadata:
      name: {{ .Release.Name }}
    spec:
      selector:
        matchLabels:
          tier: %s
      template:
        metadata:
          labels:
            app: {{ .Chart.Name }}
            tier: front%s
        spec:
          containers:
            - name: web
              envFrom:
                - configMapRef:
                    name: %s
    ---
    apiVersion: v1
    kind: ConfigMap
    metadata:
      name: web-config
    data:
      LEVEL: info
    === chart/templates/service.yaml
    apiVersion: v1
    kind: Service
    metadata:
      name: {{ .Release.Name }}
    spec:
      selector:
        app: {{ .Chart.Name }}
        tier: %s
      ports:
        - port: 80
"""
_MORE = """
            {{- range $key, $value := .Values.labels }}
            {{ $key }}: {{ $value }}
            {{- end }}"""
_RELEASED = """
    === chart/Chart.yaml
    apiVersion: v2
    name: shop
    version: 1.0.0
    === chart/templates/settings.yaml
    apiVersion: v1
    kind: ConfigMap
    metadata:
      name: %s-{{ .Release.Name }}
    data:
      level: info
    === chart/templates/job.yaml
    apiVersion: batch/v1
    kind: Job
    metadata:
      name: {{ .Release.Name }}
    spec:
      template:
        spec:
          containers: []
          volumes:
            - name: settings
              configMap:
                name: "%s-{{ .Release.Name }}"
"""
_BESIDE = """
    === chart/Chart.yaml
    apiVersion: v2
    name: web
    version: 1.0.0
    === chart/templates/keys.yaml
    apiVersion: v1
    kind: Secret
    metadata:
      name: web-store-keys
    === chart/templates/web.yaml
    apiVersion: v1
    kind: Pod
    metadata:
      name: web
    spec:
      containers:
        - name: web
          image: registry.example.com/web:1.4
          envFrom:
            - secretRef:
                name: %s
    === k8s/keys.yaml
    apiVersion: v1
    kind: Secret
    metadata: {name: %s}
"""
_ACCOUNTS = """
    === chart/Chart.yaml
    apiVersion: v2
    name: web
    version: 1.0.0
    === chart/templates/_helpers.tpl
    {{- define "web.name" }}{{ .Release.Name }}-web{{ end }}
    {{- define "web.account" }}{{ .Release.Name }}-web{{ end }}
    === chart/templates/web.yaml
    apiVersion: apps/v1
    kind: Deployment
    metadata:
      name: {{ include "web.name" . }}
    spec:
      selector: {matchLabels: {app: web}}
      template:
        metadata:
          labels: {app: web}
        spec:
          serviceAccountName: {{ include "ASKED" . }}
          containers: [{name: web, image: "example.com/web:1"}]
    === chart/templates/roles.yaml
    apiVersion: rbac.authorization.k8s.io/v1
    kind: RoleBinding
    metadata:
      name: {{ include "web.name" . }}
    subjects:
      - kind: ServiceAccount
        name: {{ include "ASKED" . }}
    roleRef:
      apiGroup: rbac.authorization.k8s.io
      kind: Role
      name: {{ include "web.name" . }}ROLE
    ---
    apiVersion: rbac.authorization.k8s.io/v1
    kind: Role
    metadata:
      name: {{ include "web.name" . }}
    === chart/templates/account.yaml
    apiVersion: v1
    kind: ServiceAccount
    metadata:
      name: {{ include "web.name" . }}MADE
"""


def _accounts(asked: str, made: str, role: str = "") -> str:
    return _ACCOUNTS.replace("ASKED", asked).replace("MADE", made).replace("ROLE", role)


BAD = [
    tree(_accounts("web.name", "-sa")),
    tree(_accounts("web.name", "", "-reader")),
    tree(_BESIDE % ("web-store-key", "web-store-key")),
    tree(_RELEASED % ("runner-config", "shop-runner-config")),
    tree(_CHART % ("http", "level", "config", "http")),
    tree(_CHART % ("http", "log-level", "settings", "http")),
    tree(_CHART % ("http", "level", "settings", "web")),
    tree(_CHART % ("web", "level", "settings", "http")),
    tree(_ROLES % ("watcher", "watcher-account", "8080")),
    tree(_ROLES % ("watcher-role", "watcher", "8080")),
    tree(_ROLES % ("watcher-role", "watcher-account", "8081")),
    tree(_SELECTED % ("front", "", "web-config", "frontend")),
    tree(_SELECTED % ("front", _MORE, "web-config", "frontend")),
    tree(_SELECTED % ("front", "", "web-configs", "front")),
    tree(_SELECTED % ("frontend", _MORE, "web-config", "front")),
]
GOOD = [
    tree(_accounts("web.name", "")),
    tree(_accounts("web.account", "")),
    tree(_accounts("web.account", "-sa")),
    tree(_BESIDE % ("of-another", "of-another")),
    tree(_RELEASED % ("runner-config", "runner-config")),
    tree(_RELEASED % ("runner-config", "ca")),
    tree(_CHART % ("http", "level", "settings", "http")),
    tree(_ROLES % ("watcher-role", "watcher-account", "8080")),
    tree(_ROLES % ("cluster-admin", "default", "{{ .Values.port }}")),
    tree(_SELECTED % ("front", "", "web-config", "front")),
    tree(_SELECTED % ("front", "", "of-another-chart", "front")),
    tree(_SELECTED % ("front", _MORE, "web-config", "{{ .Values.tier }}")),
]
