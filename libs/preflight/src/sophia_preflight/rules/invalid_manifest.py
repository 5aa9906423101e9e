"""A manifest that an API server or kubectl refuses: wrong version, unknown or missing fields, wrong types."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator

from sophia_preflight.clusters import schema
from sophia_preflight.clusters.objects import CONTROLLERS, Item, Pod, is_manifest
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Confidence, Finding, Place, Rule, Severity
from sophia_preflight.standing import is_development, limited

RULE = Rule(
    id="invalid-manifest",
    title="Kubernetes refuses a manifest",
    severity=Severity.CRITICAL,
    why="applying it ends with an error, and what it describes is not there",
    fix="write it as this version of the API has it",
    family="clusters",
)
_PLACEHOLDER = re.compile(r"[<${]|your|replace|placeholder|base64|change|todo|example|xxx|\.\.\.", re.IGNORECASE)


def check(context: Context) -> Iterable[Finding]:
    for path, documents in context.documents.items():
        for fault in documents.faults:
            text = context.repository.text(path)
            if fault.kind == "syntax" and is_manifest(text):
                yield _finding(
                    path, Place(path, fault.line, fault.column), f"`{path}` is no YAML: {fault.message}", fault.message
                )
    for path, items in context.cluster.items.items():
        for item in items:
            partial = context.cluster.is_partial(path) or (item.kind, item.name) in context.cluster.patched
            yield from _item(item, partial=partial, relabelled=path in context.cluster.relabelled)


def _item(item: Item, *, partial: bool, relabelled: bool) -> Iterator[Finding]:
    kind = item.node["kind"]
    gone = schema.removed(item.api, item.kind)
    if gone is not None:
        version, now = gone
        yield _finding(
            item.path,
            item.node["apiVersion"].place(item.path),
            f"`{item.api}` is not served for {item.kind} since Kubernetes {version}",
            f"{item.api} {item.said}",
            fix=f"use `{now}`" + (", whose fields differ" if item.kind == "Ingress" else "") if now else "remove it",
            confidence=Confidence.CERTAIN if version in ("1.16", "1.21", "1.22", "1.25") else Confidence.LIKELY,
        )
        return
    if other := schema.wrong_api(item.api, item.kind):
        said = f"there is no {item.kind} in `{item.api}`"
        yield _finding(item.path, kind.place(item.path), said, f"{item.api} {item.said}", fix=f"use `{other}`")
        return
    for problem in schema.problems(item.api, item.kind, item.node, partial=partial):
        if relabelled and problem.anchor.endswith(".selector") and problem.kind == "missing":
            continue
        yield _finding(
            item.path,
            problem.node.place(item.path),
            f"{problem.message} ({item.said})",
            f"{problem.anchor} of {item.said}",
            fix=problem.fix or None,
            confidence=Confidence.CERTAIN if problem.surely else Confidence.LIKELY,
        )
    if item.kind == "Secret" and item.api == "v1":
        yield from _secret(item)
    if item.pod is not None and not partial:
        yield from _restarts(item, item.pod)


def _restarts(item: Item, pod: Pod) -> Iterator[Finding]:
    """Jobs end, so that their pods say what follows a failure; what runs on is always started again."""
    policy, wanted = pod.spec["restartPolicy"], ""
    if item.kind in ("Job", "CronJob") and item.api.startswith("batch/") and pod.spec["containers"].elements():
        wanted = "" if policy.text not in ("", "Always") else "`Never` or `OnFailure`"
    elif item.kind in CONTROLLERS:
        wanted = "`Always`" if policy.text in ("Never", "OnFailure") else ""
    if wanted:
        said = f"and says `{policy.text}`" if policy.text else "and says nothing"
        yield _finding(
            item.path,
            (policy or pod.spec).place(item.path),
            f"the template of {item.said} needs the `restartPolicy` {wanted}, {said}",
            f"restartPolicy of {item.said}",
            fix=f"write {wanted}",
        )


def _secret(item: Item) -> Iterator[Finding]:
    for name, value in item.node["data"].items():
        text = value.text.strip()
        if not isinstance(value.value, str) or not text or _PLACEHOLDER.search(text):
            continue
        try:
            base64.b64decode(re.sub(r"\s", "", text), validate=True)
        except (binascii.Error, ValueError):
            yield _finding(
                item.path,
                value.place(item.path),
                f"`data.{name}` of {item.said} is no base64",
                f"base64 {name} of {item.said}",
                fix="encode it, or put the plain value under `stringData`",
            )


def _finding(
    path: str,
    place: Place,
    message: str,
    anchor: str,
    *,
    fix: str | None = None,
    confidence: Confidence = Confidence.CERTAIN,
) -> Finding:
    severity = Severity.HIGH if is_development(path) else Severity.CRITICAL
    return RULE.found(
        message,
        place,
        anchor=anchor,
        severity=limited(severity, path),
        confidence=confidence,
        fix=fix,
        blocks=f"applying `{path}`",
    )


BAD = [
    tree("""
        === k8s/api.yaml
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
                  env:
                    - name: PORT
                      value: 8080
    """),
    tree("""
        === k8s/ingress.yaml
        apiVersion: networking.k8s.io/v1beta1
        kind: Ingress
        metadata:
          name: web
        spec:
          rules: []
    """),
    tree("""
        === k8s/job.yaml
        apiVersion: batch/v1
        kind: CronJob
        metadata:
          name: nightly
        spec:
          schedule: "0 3 * * *"
          template:
            spec:
              containers:
                - name: nightly
                  image: registry.example.com/nightly:2
    """),
    tree("""
        === k8s/secret.yaml
        apiVersion: v1
        kind: Secret
        metadata:
          name: database
        data:
          password: "plain text!"
    """),
    tree("""
        === k8s/nightly.yaml
        apiVersion: batch/v1
        kind: CronJob
        metadata: {name: nightly}
        spec:
          schedule: every night
          jobTemplate:
            spec:
              template:
                spec:
                  restartPolicy: Never
                  containers: [{name: nightly, image: "registry.example.com/nightly:2"}]
    """),
    tree("""
        === k8s/pod.yaml
        apiVersion: v1
        kind: Pod
        metadata:
          name: once
        spec:
          restartPolicy: always
          containers:
            - name: once
              image: registry.example.com/once:1.4
              ports: [{containerPort: 80, protocol: tcp}]
    """),
    tree("""
        === k8s/job.yaml
        apiVersion: batch/v1
        kind: Job
        metadata:
          name: migrate
        spec:
          template:
            spec:
              containers:
                - name: migrate
                  image: registry.example.com/api:1.4
    """),
]
GOOD = [
    tree("""
        === k8s/api.yaml
        apiVersion: apps/v1
        kind: Deployment
        metadata:
          name: api
          annotations: {checksum: "12"}
        spec:
          replicas: ${REPLICAS}
          selector:
            matchLabels: {app: api}
          template:
            metadata:
              labels: {app: api}
            spec:
              containers:
                - name: api
                  image: ${IMAGE}
                  resources:
                    limits: {cpu: 1, memory: 512Mi}
                  env:
                    - name: PORT
                      value: "8080"
        ---
        apiVersion: monitoring.coreos.com/v1
        kind: ServiceMonitor
        metadata:
          name: api
        spec:
          anything: goes
        === k8s/patches/replicas.yaml
        apiVersion: apps/v1
        kind: Deployment
        metadata:
          name: api
        spec:
          replicas: 3
        === deploy/stack.yaml
        apiVersion: tool.example.com/v3
        kind: Deployment
        spec: 1
    """),
    tree("""
        === k8s/job.yaml
        apiVersion: batch/v1
        kind: Job
        metadata:
          name: migrate
        spec:
          template:
            spec:
              restartPolicy: OnFailure
              dnsPolicy: ${DNS}
              containers:
                - name: migrate
                  image: registry.example.com/api:1.4
                  imagePullPolicy: PULL_POLICY
        ---
        apiVersion: v1
        kind: PersistentVolumeClaim
        metadata:
          name: data
        spec:
          accessModes: [ReadWriteOnce]
          resources: {requests: {storage: 1Gi}}
    """),
    tree("""
        === k8s/nightly.yaml
        apiVersion: batch/v1
        kind: CronJob
        metadata: {name: nightly}
        spec:
          schedule: "*/15 3-6,22 * JAN-MAR ?"
          jobTemplate:
            spec:
              template:
                spec:
                  restartPolicy: Never
                  containers: [{name: nightly, image: "registry.example.com/nightly:2"}]
    """),
]
