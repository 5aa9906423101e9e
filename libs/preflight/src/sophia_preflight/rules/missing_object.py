"""Something in a cluster that is needed by name and that nothing creates, or that lacks the key that is read."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from itertools import takewhile

from sophia_preflight.clusters.cluster import Scope
from sophia_preflight.clusters.mentions import Mentions
from sophia_preflight.clusters.objects import Item, Reference, is_kustomization, literal, references
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Confidence, Finding, Involved, Rule, Severity
from sophia_preflight.readers.tree import Node
from sophia_preflight.standing import is_development, limited

RULE = Rule(
    id="missing-object",
    title="a manifest needs an object that nothing creates",
    severity=Severity.CRITICAL,
    why="the pods wait for it and never start",
    fix="correct the name, or add the object to what is applied",
    family="clusters",
)
_CERTIFICATE = "`tls`"
_WHY = {
    "`tls`": "requests are answered with a certificate that nobody trusts",
    "Service": "requests that come in here reach nothing",
    "Role": "the account gets none of the permissions",
    "a subject": "the account gets none of the permissions",
    "ClusterRole": "the account gets none of the permissions",
}


def check(context: Context) -> Iterable[Finding]:
    mentioned = Mentions(context)
    for item, scope in context.cluster.whole:
        if item.pod is not None:
            yield from _volumes(item, scope)
            for reference in references(item.pod):
                yield from _reference(mentioned, item, scope, reference)
        for reference in _others(item):
            yield from _reference(mentioned, item, scope, reference)


def _others(item: Item) -> Iterator[Reference]:
    spec = item.node["spec"]
    if item.kind == "Ingress" and item.api == "networking.k8s.io/v1":
        backends = [spec["defaultBackend"]]
        for rule in spec["rules"].elements():
            backends += [path["backend"] for path in rule["http"]["paths"].elements()]
        for backend in backends:
            if backend["service"]["name"].text:
                yield Reference("Service", backend["service"]["name"], by="a backend")
        for certificate in spec["tls"].elements():
            yield Reference("Secret", certificate["secretName"], by=_CERTIFICATE)
    elif item.kind == "HorizontalPodAutoscaler":
        target = spec["scaleTargetRef"]
        if target["kind"].text in ("Deployment", "StatefulSet"):
            yield Reference(target["kind"].text, target["name"], by="the target")
    elif item.kind in ("RoleBinding", "ClusterRoleBinding"):
        kind = item.node["roleRef"]["kind"].text
        if kind == "Role" or kind == "ClusterRole":
            yield Reference(kind, item.node["roleRef"]["name"], by="`roleRef`")
        for subject in item.node["subjects"].elements():
            if subject["kind"].text == "ServiceAccount":
                yield Reference("ServiceAccount", subject["name"], by="a subject")


def _reference(mentioned: Mentions, item: Item, scope: Scope, reference: Reference) -> Iterator[Finding]:
    name = reference.name.text
    if reference.optional or not literal(name) or scope.given(reference.kind, name):
        return
    found = scope.find(reference.kind, name)
    if found:
        yield from _key(item, scope, reference, found)
        return
    if not scope.closed or scope.refers_otherwise(item):
        return
    known = sorted({each.name for each in scope.of(reference.kind) if literal(each.name)})
    idle = _idle(item, scope, reference) or _left_over(mentioned, item, scope, reference)
    near = idle or get_close_matches(name, known, n=1, cutoff=0.8)
    if not scope.complete and not (near := near or _sibling(name, known)):
        return  # a file that is missing may have it
    if reference.by == _CERTIFICATE and not (near := _spare_certificate(item, scope)):
        return  # made by an operator
    own = reference.kind == "ServiceAccount" and any(each.path == item.path for each in scope.of("ServiceAccount"))
    if reference.by == "a subject" and not (near := _unnamed(item, scope) or _of_namespace(item, scope, reference)):
        return  # of another namespace
    if reference.kind == "ClusterRole" and not (near := near or _unbound(item, scope)):
        return  # of an operator, or another repository's
    if not idle and ((not near and mentioned.anywhere(name, account=own)) or mentioned.is_released(name)):
        return
    severity = _weight(reference, item, scope, near=bool(near) or own)
    where = f"`{scope.owner}`" if scope.owner else "the repository"
    places = [Involved(reference.name.place(item.path), "reference")]
    if near:
        places.append(Involved(scope.find(reference.kind, near[0])[0].place, "the one that is there"))
    yield RULE.found(
        f"{reference.by} of {item.said} needs the {reference.kind} `{name}`, which nothing in {where} creates",
        *places,
        anchor=f"{reference.kind} {name} for {item.said}",
        severity=limited(severity, item.path),
        confidence=Confidence.LIKELY,
        why=_WHY.get(reference.by) or _WHY.get(reference.kind),
        fix=RULE.fix + (f": there is `{near[0]}`" if near else ""),
        blocks=f"{item.said} of `{item.path}`",
    )


def _sibling(name: str, known: list[str]) -> list[str]:
    """The only object of its kind, where it begins with the same word."""
    return known if len(known) == 1 and known[0].split("-")[0] == name.split("-")[0] else []


def _idle(item: Item, scope: Scope, reference: Reference) -> list[str]:
    """The only object that nobody needs: made by the kustomization beside a manifest, or an account, claim or workload
    beside it."""
    used = {(each.kind, each.name.text) for pod in scope.pods for each in references(pod)}
    used |= {(each.kind, each.name.text) for one in scope.items for each in _others(one)}
    beside = [each for each in scope.of(reference.kind) if _is_beside(each, item)]
    own = reference.kind in ("ServiceAccount", "PersistentVolumeClaim") or reference.by == "the target"
    made = {each.name for each in beside if is_kustomization(each.path) or own}
    found = [name for name in made if (reference.kind, name) not in used]
    same = len(beside) == 1 and own and beside[0].path == item.path
    alike = same or (bool(found) and found[0].split("-")[0] == reference.name.text.split("-")[0])
    return found if len(found) == 1 and alike else []


def _is_beside(each: Item, item: Item) -> bool:
    """Whether an object lies in the folder of another, or is an account of the same namespace."""
    if posixpath.dirname(each.path) == posixpath.dirname(item.path):
        return True
    return each.kind == "ServiceAccount" and literal(item.namespace) and each.namespace == item.namespace


def _left_over(mentioned: Mentions, item: Item, scope: Scope, reference: Reference) -> list[str]:
    """The only object of its kind in the folder that nothing needs or speaks of, where its name begins alike and
    nothing but a chart makes the one that is needed."""
    if reference.kind not in ("ConfigMap", "Secret") or mentioned.anywhere(reference.name.text, charts=False):
        return []
    used = {each.name.text for pod in scope.pods for each in references(pod) if each.kind == reference.kind}
    beside = {each.name for each in scope.of(reference.kind) if _is_beside(each, item)}
    idle = [name for name in beside - used if literal(name) and not mentioned.anywhere(name, charts=False)]
    if len(idle) != 1:
        return []
    one, other = idle[0].split("-"), reference.name.text.split("-")
    alike = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
    return idle if alike and alike >= min(len(one), len(other)) - 1 else []


def _of_namespace(item: Item, scope: Scope, reference: Reference) -> list[str]:
    """The account of a whole kustomization in the namespace in which a binding looks for one."""
    spaces = {
        each["namespace"].text for each in item.node["subjects"].elements() if each["name"].text == reference.name.text
    }
    accounts = [each.name for each in scope.of("ServiceAccount") if each.namespace and spaces == {each.namespace}]
    return accounts if scope.owner and scope.complete and len(accounts) == 1 else []


def _spare_certificate(item: Item, scope: Scope) -> list[str]:
    """The only certificate in the file of an ingress, where nothing names it."""
    named = {each.name.text for one in scope.items for each in _others(one) if each.kind == "Secret"}
    named |= {each.name.text for pod in scope.pods for each in references(pod)}
    made = [each for each in scope.of("Secret") if each.path == item.path and "tls" in each.node["type"].text]
    return [made[0].name] if len(made) == 1 and made[0].name not in named else []


def _unbound(item: Item, scope: Scope) -> list[str]:
    """The role in the file of a binding that nothing binds, if there is one."""
    bound = {each.node["roleRef"]["name"].text for each in scope.items if each.kind.endswith("RoleBinding")}
    return [each.name for each in scope.of("ClusterRole") if each.path == item.path and each.name not in bound][:1]


def _unnamed(item: Item, scope: Scope) -> list[str]:
    """The account in the file of a binding that no binding and no pod names, if there is one."""
    named = {each["name"].text for one in scope.items for each in one.node["subjects"].elements()}
    named |= {each.spec["serviceAccountName"].text for each in scope.pods}
    accounts = [each.name for each in scope.of("ServiceAccount") if each.path == item.path]
    return [each for each in accounts if literal(each) and each not in named][:1]


def _weight(reference: Reference, item: Item, scope: Scope, *, near: bool) -> Severity:
    """Secrets are often made by hand, and a file alone may be applied beside others: that is only worth a look."""
    if not near and (reference.kind == "Secret" or not any(each.path != item.path for each in scope.items)):
        return Severity.MEDIUM
    is_right = reference.kind in ("Role", "ClusterRole") or reference.by == "a subject"
    return Severity.HIGH if is_right or is_development(item.path) else Severity.CRITICAL


def _key(item: Item, scope: Scope, reference: Reference, found: list[Item]) -> Iterator[Finding]:
    key = reference.key.text
    if not key or reference.kind not in ("ConfigMap", "Secret") or not re.fullmatch(r"[-._a-zA-Z0-9]+", key):
        return
    known: set[str] = set()
    for each in found:
        keys = _keys(each)
        if keys is None or scope.changed(each, "data", "stringData", "binaryData"):
            return
        known |= keys
    if key in known:
        return
    near = get_close_matches(key, sorted(known), n=1)
    severity = Severity.HIGH if is_development(item.path) else Severity.CRITICAL
    yield RULE.found(
        f"{reference.by} of {item.said} reads `{key}`, which {found[0].said} does not have",
        Involved(reference.key.place(item.path), "reference"),
        Involved(found[0].place, "declaration"),
        anchor=f"key {key} of {reference.kind} {reference.name.text} for {item.said}",
        severity=limited(severity, item.path),
        confidence=Confidence.CERTAIN if len(found) == 1 else Confidence.LIKELY,
        fix="correct the key, or add it" + (f": there is `{near[0]}`" if near else ""),
        blocks=f"{item.said} of `{item.path}`",
    )


def _keys(item: Item) -> set[str] | None:
    if item.node["kind"].text != item.kind:
        return None if item.keys is None else set(item.keys)
    parts = [item.node[name] for name in ("data", "stringData", "binaryData")]
    if any(part and not part.is_map and not part.is_null for part in parts) or "sops" in item.node:
        return None
    found = {key for part in parts for key, _ in part.items()}
    return found or None


def _volumes(item: Item, scope: Scope) -> Iterator[Finding]:
    pod = item.pod
    assert pod is not None
    if scope.changed(item, "volumes"):
        return
    known = {each["name"].text for each in pod.spec["volumes"].elements()}
    known |= {each["metadata"]["name"].text for each in item.node["spec"]["volumeClaimTemplates"].elements()}
    for container in pod.all_containers:
        for mount in container.node["volumeMounts"].elements():
            name: Node = mount["name"]
            if not literal(name.text) or name.text in known:
                continue
            near = get_close_matches(name.text, sorted(known), n=1)
            severity = Severity.HIGH if is_development(item.path) else Severity.CRITICAL
            yield RULE.found(
                f"the container `{container.name}` of {item.said} mounts the volume `{name.text}`, "
                "which the pod does not declare",
                name.place(item.path),
                anchor=f"volume {name.text} of {item.said}",
                severity=limited(severity, item.path),
                why="the API server refuses it",
                fix="declare it under `volumes`" + (f", or use `{near[0]}`" if near else ""),
                blocks=f"{item.said} of `{item.path}`",
            )


_POD = """
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
"""
_ROLES = """
    apiVersion: rbac.authorization.k8s.io/v1
    kind: ClusterRole
    metadata:
      name: watcher
    rules: []
    ---
    apiVersion: rbac.authorization.k8s.io/v1
    kind: ClusterRoleBinding
    metadata:
      name: watcher
    roleRef:
      apiGroup: rbac.authorization.k8s.io
      kind: ClusterRole
      name: {role}
    subjects: [{{kind: ServiceAccount, name: {account}, namespace: default}}]
    ---
    apiVersion: v1
    kind: ServiceAccount
    metadata:
      name: watcher
"""
_GENERATED = """
    === k8s/watch/kustomization.yaml
    resources: [watch.yaml]
    configMapGenerator:
      - name: shop-watch
        literals: [LEVEL=info]
      - name: shop-other
        literals: [LEVEL=info]
    === k8s/watch/watch.yaml
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: watch}
    spec:
      selector: {matchLabels: {app: watch}}
      template:
        metadata: {labels: {app: watch}}
        spec:
          containers:
            - name: watch
              image: registry.example.com/watch:1.4
              envFrom: [configMapRef: {name: shop-other}]
          volumes:
            - name: settings
              configMap: {name: %s}
    === README.md
    `helm upgrade -i shop ./chart` and `kubectl apply -k k8s/watch`.
"""
_LAID_OVER = """
    === k8s/base/kustomization.yaml
    resources: [api.yaml, settings.yaml, budget.yaml]
    === k8s/base/%s.yaml
    apiVersion: policy/v1
    kind: PodDisruptionBudget
    metadata: {name: api}
    === k8s/base/settings.yaml
    apiVersion: v1
    kind: ConfigMap
    metadata: {name: %s}
    data: {LEVEL: info}
    === k8s/base/api.yaml
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
              envFrom: [configMapRef: {name: api-config}]
    === k8s/production/kustomization.yaml
    resources: [../base]
    patches: [{path: api.yaml}]
    === k8s/production/api.yaml
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: api}
    spec:
      template:
        spec:
          containers: [{name: api, resources: {limits: {memory: 1Gi}}%s}]
"""
_CERTIFIED = """
    === k8s/web.yaml
    apiVersion: networking.k8s.io/v1
    kind: Ingress
    metadata: {name: web}
    spec:
      tls: [{hosts: [shop.example.com], secretName: web-tls}]
      rules: [{http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}]
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: web}
    spec: {ports: [{port: 80}], selector: {app: web}}
    %s
"""
_CERTIFICATE_MADE = """---
    apiVersion: v1
    kind: Secret
    metadata: {name: web-certificate}
    type: kubernetes.io/tls
    === k8s/api.yaml
    apiVersion: v1
    kind: ConfigMap
    metadata: {name: api}
"""
_LEFT = """
    === chart/Chart.yaml
    {apiVersion: v2, name: api, version: 1.0.0}
    === chart/templates/settings.yaml
    kind: ConfigMap
    apiVersion: v1
    metadata: {name: api-db-schema, labels: {{ .Values.labels }}}
    === k8s/schema.yaml
    {apiVersion: v1, kind: ConfigMap, metadata: {name: api-db-init}, data: {LEVEL: info}}
    === CHANGELOG.md
    kubectl: `api-db-schema`"""
_BOUND = """
    === base/kustomization.yaml
    resources: [accounts.yaml]
    === base/accounts.yaml
    {apiVersion: v1, kind: ServiceAccount, metadata: {name: watch-agent, namespace: watch}}
    === acting/kustomization.yaml
    resources: [../base, binding.yaml]
    === acting/binding.yaml
    apiVersion: rbac.authorization.k8s.io/v1
    kind: ClusterRoleBinding
    metadata: {name: watch}
    roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}
    subjects: [{kind: ServiceAccount, name: watch, namespace: %s}]
"""
_NEEDS = "              envFrom: [{configMapRef: {name: %s}}]\n"
BAD = [
    tree(_LEFT + "\n    === k8s/api.yaml" + _POD + _NEEDS % "api-db-schema"),
    tree(_BOUND % "watch"),
    tree(_LAID_OVER % ("budget", "api-settings", "")),
    tree(_LAID_OVER % ("budgets", "api-settings", "")),
    tree(_CERTIFIED % _CERTIFICATE_MADE),
    tree(_GENERATED % "shop-settings"),
    tree(f"""
    === k8s/api.yaml{_POD}
              envFrom:
                - configMapRef:
                    name: api-settings
    === k8s/config.yaml
    apiVersion: v1
    kind: ConfigMap
    metadata:
      name: api-config
    data:
      LEVEL: info
    """),
    tree(f"""
    === k8s/api.yaml{_POD}
              env:
                - name: LEVEL
                  valueFrom:
                    configMapKeyRef:
                      name: api-config
                      key: LOG_LEVEL
    === k8s/config.yaml
    apiVersion: v1
    kind: ConfigMap
    metadata:
      name: api-config
    data:
      LEVEL: info
    """),
    tree(f"""
    === k8s/api.yaml{_POD}
              volumeMounts:
                - name: data
                  mountPath: /data
    """),
    tree("""
        === k8s/ingress.yaml
        apiVersion: networking.k8s.io/v1
        kind: Ingress
        metadata:
          name: web
        spec:
          rules:
            - http:
                paths:
                  - path: /
                    pathType: Prefix
                    backend:
                      service:
                        name: web-service
                        port: {number: 80}
        === k8s/service.yaml
        apiVersion: v1
        kind: Service
        metadata:
          name: web
        spec:
          type: ExternalName
          externalName: web.example.com
    """),
    tree(f"""
    === k8s/api.yaml{_POD}
          serviceAccountName: api
    ---
    apiVersion: v1
    kind: ServiceAccount
    metadata:
      name: caller-of-the-cluster
    === README.md
    `kubectl apply -f k8s/api.yaml` starts api.
    """),
    tree(f"""
    === k8s/rbac.yaml{_ROLES.format(role="reader", account="watcher")}
    """),
    tree(f"""
    === k8s/rbac.yaml{_ROLES.format(role="watcher", account="reader")}
    """),
]
GOOD = [
    tree(_LEFT + "\n    === k8s/api.yaml" + _POD + _NEEDS % "api-db-init"),
    tree(
        _LEFT
        + "    === k8s/api.yaml"
        + _POD
        + _NEEDS % "other-db-schema"
        + "    === make.sh\n    kubectl create configmap other-db-schema\n"
    ),
    tree(_BOUND % "elsewhere"),
    tree(_LAID_OVER % ("budget", "api-config", "")),
    tree(_LAID_OVER % ("budget", "api-settings", ", envFrom: [configMapRef: {name: api-settings}]")),
    tree(_CERTIFIED % ""),
    tree(_GENERATED % "shop-watch"),
    tree(f"""
    === k8s/base/api.yaml{_POD}
              envFrom:
                - configMapRef:
                    name: api-config
                - secretRef:
                    name: api-secrets
              volumeMounts:
                - name: data
                  mountPath: /data
          volumes:
            - name: data
              persistentVolumeClaim:
                claimName: data
            - name: roots
              configMap:
                name: kube-root-ca.crt
    === k8s/base/kustomization.yaml
    resources: [api.yaml, claim.yaml]
    configMapGenerator:
      - name: api-config
        literals: [LEVEL=info]
    === k8s/base/claim.yaml
    apiVersion: v1
    kind: PersistentVolumeClaim
    metadata:
      name: data
    spec:
      accessModes: [ReadWriteOnce]
      resources:
        requests:
          storage: 1Gi
    === k8s/production/kustomization.yaml
    resources: [../base, secrets.yaml]
    namePrefix: production-
    === k8s/production/secrets.yaml
    apiVersion: external-secrets.io/v1
    kind: ExternalSecret
    metadata:
      name: api
    spec:
      target:
        name: api-secrets
    """),
    tree(f"""
    === k8s/api.yaml{_POD}
              envFrom:
                - configMapRef:
                    name: settings
    === scripts/prepare.sh
    kubectl create configmap settings --from-literal=LEVEL=info
    """),
    tree(f"""
    === k8s/rbac.yaml{_ROLES.format(role="watcher", account="watcher")}
    ---
    apiVersion: rbac.authorization.k8s.io/v1
    kind: ClusterRoleBinding
    metadata:
      name: viewer
    roleRef:
      apiGroup: rbac.authorization.k8s.io
      kind: ClusterRole
      name: view
    subjects: []
    ---
    apiVersion: rbac.authorization.k8s.io/v1
    kind: ClusterRoleBinding
    metadata:
      name: operator
    roleRef:
      apiGroup: rbac.authorization.k8s.io
      kind: ClusterRole
      name: of-some-operator
    subjects: []
    """),
    tree("""
        === examples/ingress.yaml
        apiVersion: networking.k8s.io/v1
        kind: Ingress
        metadata: {name: shop}
        spec:
          rules:
            - http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: shop-web, port: {number: 80}}}}]}
        ---
        apiVersion: v1
        kind: Service
        metadata: {name: other}
        spec: {type: ExternalName, externalName: other.example.com}
        === examples/up.sh
        helm upgrade --install --timeout 10m0s shop ./charts/shop
        kubectl apply -f examples/ingress.yaml
    """),
]
