"""A kustomization that cannot be built: what it names is not there, what it patches neither, or it says it wrongly."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from sophia_preflight.clusters.kustomize import FIELDS, GENERATOR_FIELDS, PATCH_FIELDS, Built, Kustomization, Named
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Confidence, Finding, Involved, Rule, Severity
from sophia_preflight.readers.tree import Node
from sophia_preflight.standing import is_development, limited

RULE = Rule(
    id="broken-kustomization",
    title="a kustomization cannot be built",
    severity=Severity.CRITICAL,
    why="`kustomize build` ends with an error, and nothing of it is applied",
    fix="correct the name, or add what is missing",
    family="clusters",
)


def check(context: Context) -> Iterable[Finding]:
    for one in context.cluster.builder.kustomizations.values():
        yield from _fields(one)
        for named in one.names():
            yield from _named(context, one, named)
        built = context.cluster.builder.built(one)
        if built.loop:
            yield _found(one, one.node, "it takes over itself", "loop")
        elif built.complete and not one.is_component:
            yield from _patches(one, built)
            yield from _doubles(one, built)


def _fields(one: Kustomization) -> Iterator[Finding]:
    for name in one.node.keys:
        if name not in FIELDS:
            near = get_close_matches(name, FIELDS, n=1)
            fix = f"did you mean `{near[0]}`?" if near else "remove it"
            yield _found(one, one.node.key(name), f"there is no field `{name}`", f"field {name}", fix=fix)
    for key in ("resources", "bases", "components", "patchesStrategicMerge", "patches", "configMapGenerator"):
        if key in one.node and not one.node[key].is_list and not one.node[key].is_null:
            yield _found(one, one.node.key(key), f"`{key}` is a list", f"{key} is no list", fix="write it as a list")
    known = {"patches": PATCH_FIELDS, "configMapGenerator": GENERATOR_FIELDS, "secretGenerator": GENERATOR_FIELDS}
    for key, fields in known.items():
        for each in one.node[key].elements():
            for name in each.keys:
                if name not in fields:
                    near = get_close_matches(name, fields, n=1)
                    fix = f"did you mean `{near[0]}`?" if near else "remove it"
                    yield _found(one, each.key(name), f"`{key}` has no field `{name}`", f"{key} {name}", fix=fix)


def _named(context: Context, one: Kustomization, named: Named) -> Iterator[Finding]:
    repository = context.repository
    text = named.node.text
    path = one.located(text)
    if path.startswith("..") or repository.is_foreign(path):
        return
    if repository.is_file(path):
        return
    if repository.is_directory(path):
        if not named.directory:
            yield _found(one, named.node, f"`{named.field}` takes files, and `{path}` is a directory", f"{path}")
        elif context.cluster.builder.of_directory(path) is None:
            said = f"the directory `{path}` has no kustomization.yaml"
            yield _found(one, named.node, said, f"no kustomization in {path}", fix="add one, or name its files")
        return
    names = sorted(context.repository.by_name)
    near = get_close_matches(text.rpartition("/")[2], names, n=1, cutoff=0.75)
    there = [each for each in repository.by_name.get(near[0], ()) if each.startswith(one.directory)] if near else []
    made = repository.is_ignored(path) or _is_made(context, path)
    yield _found(
        one,
        named.node,
        f"`{named.field}` names `{text}`, and there is no `{path}`" + (" before something makes it" if made else ""),
        f"{named.field} {text}",
        fix=RULE.fix + (f": there is `{there[0]}`" if there else ""),
        severity=Severity.MEDIUM if made else None,
        confidence=Confidence.GUESS if made else Confidence.CERTAIN,
    )


def _is_made(context: Context, path: str) -> bool:
    """Whether some script writes a file of that name."""
    name = path.rpartition("/")[2]
    return any(each.path.rpartition("/")[2] == name for trace in context.traces.values() for each in trace.produced)


def _patches(one: Kustomization, built: Built) -> Iterator[Finding]:
    present = {(item.kind, prefix + item.name + suffix)
               for item in (*built.items, *built.spare) for prefix, suffix in {("", ""), *built.affixes}}  # fmt: skip
    for patch in built.patches:
        if patch.path != one.path or patch.pattern or not patch.kind or not patch.name:
            continue
        if (patch.kind, patch.name) in present:
            continue
        names = sorted(name for kind, name in present if kind == patch.kind)
        near = get_close_matches(patch.name, names, n=1) or names[:1]
        merge = patch.item is not None
        yield _found(
            one,
            patch.node,
            f"a patch is for {patch.kind} `{patch.name}`, which is not among its resources",
            f"patch of {patch.kind} {patch.name}",
            fix=RULE.fix + (f": there is `{near[0]}`" if near else ""),
            severity=None if merge else Severity.MEDIUM,
            why=None if merge else "the patch is left out without a word",
            also=[Involved(patch.item.place, "patch")] if patch.item is not None else [],
        )


def _doubles(one: Kustomization, built: Built) -> Iterator[Finding]:
    seen: dict[tuple[str, str, str, str], str] = {}
    for item in built.items:
        if not item.name or item.node["kind"].text != item.kind:
            continue
        key = (item.group, item.kind, item.name, item.namespace)
        if key in seen and (item.path in map(one.located, _texts(one)) or seen[key] in map(one.located, _texts(one))):
            said = f"{item.said} comes from `{seen[key]}` and from `{item.path}`"
            yield _found(
                one, one.node.key("resources"), said, f"twice {item.said}", also=[Involved(item.place, "the second")],
                fix="take it over once",
            )  # fmt: skip
        seen.setdefault(key, item.path)


def _texts(one: Kustomization) -> list[str]:
    return [each.text for each in one.node["resources"].elements()]


def _found(
    one: Kustomization,
    node: Node,
    message: str,
    anchor: str,
    *,
    fix: str | None = None,
    severity: Severity | None = None,
    confidence: Confidence = Confidence.CERTAIN,
    why: str | None = None,
    also: Iterable[Involved] = (),
) -> Finding:
    usual = Severity.HIGH if is_development(one.path) or is_development(one.directory) else Severity.CRITICAL
    return RULE.found(
        message,
        Involved(node.place(one.path), "kustomization"),
        *also,
        anchor=anchor,
        severity=limited(severity or usual, one.path),
        confidence=confidence,
        fix=fix,
        why=why,
        blocks=f"building `{one.directory}`",
    )


_BASE = """
    === k8s/base/kustomization.yaml
    resources: [settings.yaml]
    === k8s/base/settings.yaml
    apiVersion: v1
    kind: ConfigMap
    metadata:
      name: settings
    data: {LEVEL: info}
"""
BAD = [
    tree(
        _BASE.replace("[settings.yaml]", "[settings.yaml, budget.yaml]")
        + """
    === k8s/base/budgets.yaml
    apiVersion: policy/v1
    kind: PodDisruptionBudget
    metadata: {name: api}
    === k8s/production/kustomization.yaml
    resources: [../base]
    patches: [{path: level.yaml}]
    === k8s/production/level.yaml
    apiVersion: v1
    kind: ConfigMap
    metadata: {name: settings-of-old}
    data: {LEVEL: warning}
    """
    ),
    tree(
        _BASE
        + """
    === k8s/production/kustomization.yaml
    resources:
      - ../base
      - ingress.yaml
    """
    ),
    tree(
        _BASE
        + """
    === k8s/production/kustomization.yaml
    resources: [../base]
    patches:
      - path: level.yaml
    === k8s/production/level.yaml
    apiVersion: v1
    kind: ConfigMap
    metadata:
      name: setting
    data: {LEVEL: warning}
    """
    ),
    tree(
        _BASE
        + """
    === k8s/production/kustomization.yaml
    resource: [../base]
    """
    ),
]
GOOD = [
    tree(
        _BASE
        + """
    === k8s/production/kustomization.yaml
    namePrefix: production-
    resources:
      - ../base
      - https://github.com/example/addons//base?ref=v1
    patches:
      - path: level.yaml
      - target: {kind: Deployment, name: "api-.*"}
        patch: |
          - op: remove
            path: /spec/replicas
    === k8s/production/level.yaml
    apiVersion: v1
    kind: ConfigMap
    metadata:
      name: settings
    data: {LEVEL: warning}
    """
    ),
]
