"""What an API server accepts: kinds by version, and the fields of each with their types.

The table `kubernetes.json` holds names and types of Kubernetes' own OpenAPI document. Types are written `s` text,
`i` whole number, `n` number, `b` truth, `p` number or text, `q` quantity, `*` anything, `@T` an object of type T, and
`[` or `{` before a type for a list or a mapping of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib import resources
from typing import Any

from sophia_preflight.clusters.choices import refused, wrong_schedule
from sophia_preflight.readers.tree import Node
from sophia_preflight.text import named

REMOVED = {
    "extensions/v1beta1": "1.22", "apps/v1beta1": "1.16", "apps/v1beta2": "1.16", "batch/v1beta1": "1.25",
    "batch/v2alpha1": "1.21", "networking.k8s.io/v1beta1": "1.22", "policy/v1beta1": "1.25",
    "autoscaling/v2beta1": "1.25", "autoscaling/v2beta2": "1.26", "rbac.authorization.k8s.io/v1beta1": "1.22",
    "rbac.authorization.k8s.io/v1alpha1": "1.22", "apiextensions.k8s.io/v1beta1": "1.22",
    "admissionregistration.k8s.io/v1beta1": "1.22", "apiregistration.k8s.io/v1beta1": "1.22",
    "storage.k8s.io/v1beta1": "1.22", "scheduling.k8s.io/v1beta1": "1.22", "scheduling.k8s.io/v1alpha1": "1.22",
    "certificates.k8s.io/v1beta1": "1.22", "coordination.k8s.io/v1beta1": "1.22", "node.k8s.io/v1beta1": "1.25",
    "discovery.k8s.io/v1beta1": "1.25", "events.k8s.io/v1beta1": "1.25",
    "flowcontrol.apiserver.k8s.io/v1beta1": "1.26", "flowcontrol.apiserver.k8s.io/v1beta2": "1.29",
    "flowcontrol.apiserver.k8s.io/v1beta3": "1.32", "authentication.k8s.io/v1beta1": "1.22",
    "authorization.k8s.io/v1beta1": "1.22",
}  # fmt: skip
"""API version -> the Kubernetes version that no longer serves it."""
_GONE_KINDS = {"PodSecurityPolicy": "1.25"}
_TEXT_THAT_IS_TRUTH = named("yes no on off Yes No On Off YES NO ON OFF")
_SAID = {"s": "text", "i": "a whole number", "n": "a number", "b": "true or false"}


@dataclass(frozen=True)
class Problem:
    """What an API server would refuse; `kind` is `unknown`, `missing`, `type`, `choice` or `version`."""

    kind: str
    message: str
    node: Node
    anchor: str
    fix: str = ""
    surely: bool = True


@cache
def _table() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(resources.files(__package__).joinpath("kubernetes.json").read_bytes())
    return found


@cache
def _served() -> dict[str, list[str]]:
    """Kind -> API versions that serve it."""
    found: dict[str, list[str]] = {}
    for key in _table()["kinds"]:
        api, _, kind = key.rpartition(" ")
        found.setdefault(kind, []).append(api)
    return found


_MORE = {
    "": named("Binding ComponentStatus PodTemplate Event User Group"),
    "metrics.k8s.io": named("Node Pod"),
    "extensions": named("Deployment Ingress NetworkPolicy ReplicaSet DaemonSet PodSecurityPolicy"),
    "policy": named("PodSecurityPolicy"),
    "authentication.k8s.io": named("TokenReview SelfSubjectReview UserExtra"),
    "authorization.k8s.io": named(
        "SubjectAccessReview SelfSubjectAccessReview SelfSubjectRulesReview LocalSubjectAccessReview"
    ),
}
"""Kinds by group that roles name, and manifests do not."""


@cache
def resource_names() -> dict[str, dict[str, str]]:
    """What roles call the kinds of each of Kubernetes' own groups: singular -> plural, in small letters."""
    found: dict[str, dict[str, str]] = {}
    pairs = [(api.rpartition("/")[0], kind) for api, _, kind in (each.partition(" ") for each in _table()["kinds"])]
    pairs += [(group, kind) for group, kinds in _MORE.items() for kind in sorted(kinds)]
    for group, kind in pairs:
        name = kind.lower()
        plural = f"{name[:-1]}ies" if name.endswith("y") else name + ("es" if name.endswith(("ss", "us")) else "s")
        found.setdefault(group, {})[name] = name if name.endswith("ts") else plural
    return found


@cache
def groups() -> frozenset[str]:
    """API groups of Kubernetes itself; what is in others is somebody else's."""
    return frozenset({key.rpartition(" ")[0].rpartition("/")[0] for key in _table()["kinds"]} | {"extensions"})


def removed(api: str, kind: str) -> tuple[str, str] | None:
    """The version that no longer serves this, and what does; None where it is served."""
    if f"{api} {kind}" in _table()["kinds"]:
        return None
    now = _served().get(kind, [])
    if kind in _GONE_KINDS and api.startswith(("policy/", "extensions/")):
        return _GONE_KINDS[kind], ""
    if api in REMOVED and now:
        return REMOVED[api], next((each for each in now if "alpha" not in each and "beta" not in each), now[0])
    return None


def wrong_api(api: str, kind: str) -> str:
    """Where a kind of Kubernetes stands under an API version of Kubernetes that never had it: the one that has."""
    now = _served().get(kind, [])
    if not now or api in now or api in REMOVED:
        return ""
    if api.rpartition("/")[0] not in groups() or (api.rpartition("/")[0] and kind in ("Event", "Scale")):
        return ""
    return next((each for each in now if "alpha" not in each and "beta" not in each), now[0])


def problems(api: str, kind: str, node: Node, *, partial: bool) -> Iterator[Problem]:
    """What is wrong with an object, by its type; a `partial` one is laid over another and may lack anything."""
    name = _table()["kinds"].get(f"{api} {kind}")
    if name is not None:
        yield from _object(name, node, kind, partial=partial)


def _object(name: str, node: Node, path: str, *, partial: bool) -> Iterator[Problem]:
    fields, *rest = _table()["types"][name]
    if not node.is_map:
        if not node.is_null:
            yield Problem("type", f"`{path}` is a mapping, and this is {_kind(node)}", node, f"{path} is no mapping")
        return
    for key, value in node.items():
        inner = f"{path}.{key}"
        if key not in fields:
            if not key.startswith(("$", "x-", "<")):
                near = get_close_matches(key, fields, n=1)
                fix = f"did you mean `{near[0]}`?" if near else "remove it, or move it where it belongs"
                yield Problem("unknown", f"`{path}` has no field `{key}`", node.key(key), f"unknown {inner}", fix)
            continue
        yield from _value(fields[key], value, inner, partial=partial)
        yield from _chosen(name, key, value, inner)
    for key in rest[0] if rest and not partial else ():
        if key not in node or node[key].is_null:
            yield Problem("missing", f"`{path}` lacks `{key}`", node, f"missing {path}.{key}", f"add `{key}`")


def _chosen(kind: str, field: str, node: Node, path: str) -> Iterator[Problem]:
    """Texts of which only some are accepted."""
    if (kind, field) == ("batch.v1.CronJobSpec", "schedule") and (said := wrong_schedule(node.text)):
        yield Problem("choice", f"`{path}` {said}", node, f"choice {path}", "write it like `0 3 * * *`")
    for each in node.some():
        if each.is_scalar and (allowed := refused(kind, field, each.text)):
            near = get_close_matches(each.text.lower(), [one.lower() for one in allowed], n=1)
            meant = next((one for one in sorted(allowed) if near and one.lower() == near[0]), "")
            listed = ", ".join(f"`{one}`" for one in sorted(allowed))
            fix = f"write `{meant}`" if meant else f"write one of {listed}"
            yield Problem("choice", f"`{path}` is one of {listed}, not `{each.text}`", each, f"choice {path}", fix)


def _value(kind: str, node: Node, path: str, *, partial: bool) -> Iterator[Problem]:
    if node.is_null or kind == "*" or "" in node:
        return  # `{{ value }}` is a mapping with a mapping as its key, to YAML
    head, rest = kind[0], kind[1:]
    if head == "@":
        yield from _object(rest, node, path, partial=partial)
    elif head == "[":
        if not node.is_list:
            yield Problem("type", f"`{path}` is a list, and this is {_kind(node)}", node, f"{path} is no list")
        for each in node.elements():
            if each.is_map and "$patch" in each:
                continue
            yield from _value(rest, each, f"{path}[]", partial=partial)
    elif head == "{":
        if not node.is_map:
            yield Problem("type", f"`{path}` is a mapping, and this is {_kind(node)}", node, f"{path} is no mapping")
        for key, value in node.items():
            yield from _value(rest, value, f"{path}.{key}", partial=partial)
    else:
        yield from _scalar(head, node, path)


def _scalar(head: str, node: Node, path: str) -> Iterator[Problem]:
    value = node.value
    if not node.is_scalar:
        yield Problem("type", f"`{path}` is {_SAID.get(head, 'a scalar')}, and this is {_kind(node)}", node, path)
    elif head == "s" and not isinstance(value, str):
        fix = f'put quotes around it: "{node.text}"'
        yield Problem("type", f"`{path}` is text, and this is {_kind(node)}", node, f"{path} is no text", fix)
    elif head == "s" and not node.style and not node.tag and value in _TEXT_THAT_IS_TRUTH:
        said = f"`{path}` is text, and `{value}` without quotes is read as true or false"
        yield Problem("type", said, node, f"{path} is no text", f'put quotes around it: "{value}"', False)
    elif head == "i" and not _is_whole(value):
        yield from _unless_filled_in(head, node, path)
    elif head == "b" and not isinstance(value, bool):
        if not (isinstance(value, str) and not node.style and value in _TEXT_THAT_IS_TRUTH):
            yield from _unless_filled_in(head, node, path)
    elif head == "n" and (isinstance(value, (str, bool))):
        yield from _unless_filled_in(head, node, path)


def _unless_filled_in(head: str, node: Node, path: str) -> Iterator[Problem]:
    """A number that is still a placeholder (`${REPLICAS}`) is nobody's mistake."""
    if isinstance(node.value, str) and any(mark in node.value for mark in "$<{%@_"):
        return
    fix = "remove the quotes" if node.style else ""
    said = f"`{path}` is {_SAID[head]}, and this is {_kind(node)}"
    yield Problem("type", said, node, f"{path} is not {_SAID[head]}", fix)


def _is_whole(value: object) -> bool:
    return (isinstance(value, int) and not isinstance(value, bool)) or (isinstance(value, float) and value.is_integer())


def _kind(node: Node) -> str:
    if node.is_map:
        return "a mapping"
    if node.is_list:
        return "a list"
    if isinstance(node.value, bool):
        return f"`{node.text}`"
    return "text" if isinstance(node.value, str) else f"the number {node.text}"
