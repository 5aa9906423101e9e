"""Texts of which an API server accepts only some, by type and field; their capitals count (`always` is refused)."""

from __future__ import annotations

import re

from sophia_preflight.text import named

_PROTOCOLS = named("TCP UDP SCTP")
_PULL = named("Always IfNotPresent Never")
_MESSAGES = named("File FallbackToLogsOnError")
_MODES = named("ReadWriteOnce ReadOnlyMany ReadWriteMany ReadWriteOncePod")
_EFFECTS = named("NoSchedule PreferNoSchedule NoExecute")
_OPERATORS = named("In NotIn Exists DoesNotExist")
_VOLUMES = named("Filesystem Block")
_METRICS = named("ContainerResource External Object Pods Resource")

CHOICES: dict[tuple[str, str], frozenset[str]] = {
    ("apps.v1.DaemonSetUpdateStrategy", "type"): named("RollingUpdate OnDelete"),
    ("apps.v1.DeploymentStrategy", "type"): named("RollingUpdate Recreate"),
    ("apps.v1.StatefulSetSpec", "podManagementPolicy"): named("OrderedReady Parallel"),
    ("apps.v1.StatefulSetUpdateStrategy", "type"): named("RollingUpdate OnDelete"),
    ("autoscaling.v2.MetricSpec", "type"): _METRICS,
    ("autoscaling.v2.MetricTarget", "type"): named("Utilization Value AverageValue"),
    ("batch.v1.CronJobSpec", "concurrencyPolicy"): named("Allow Forbid Replace"),
    ("batch.v1.JobSpec", "completionMode"): named("NonIndexed Indexed"),
    ("core.v1.Container", "imagePullPolicy"): _PULL,
    ("core.v1.Container", "terminationMessagePolicy"): _MESSAGES,
    ("core.v1.ContainerPort", "protocol"): _PROTOCOLS,
    ("core.v1.HTTPGetAction", "scheme"): named("HTTP HTTPS"),
    ("core.v1.HostPathVolumeSource", "type"): named(
        "DirectoryOrCreate Directory FileOrCreate File Socket CharDevice BlockDevice"
    ),
    ("core.v1.NodeSelectorRequirement", "operator"): _OPERATORS | named("Gt Lt"),
    ("core.v1.PersistentVolumeClaimSpec", "accessModes"): _MODES,
    ("core.v1.PersistentVolumeClaimSpec", "volumeMode"): _VOLUMES,
    ("core.v1.PersistentVolumeSpec", "accessModes"): _MODES,
    ("core.v1.PersistentVolumeSpec", "persistentVolumeReclaimPolicy"): named("Retain Delete Recycle"),
    ("core.v1.PersistentVolumeSpec", "volumeMode"): _VOLUMES,
    ("core.v1.PodSpec", "dnsPolicy"): named("ClusterFirst ClusterFirstWithHostNet Default None"),
    ("core.v1.PodSpec", "preemptionPolicy"): named("PreemptLowerPriority Never"),
    ("core.v1.PodSpec", "restartPolicy"): named("Always OnFailure Never"),
    ("core.v1.SeccompProfile", "type"): named("RuntimeDefault Localhost Unconfined"),
    ("core.v1.ServicePort", "protocol"): _PROTOCOLS,
    ("core.v1.ServiceSpec", "externalTrafficPolicy"): named("Cluster Local"),
    ("core.v1.ServiceSpec", "internalTrafficPolicy"): named("Cluster Local"),
    ("core.v1.ServiceSpec", "ipFamilyPolicy"): named("SingleStack PreferDualStack RequireDualStack"),
    ("core.v1.ServiceSpec", "sessionAffinity"): named("ClientIP None"),
    ("core.v1.ServiceSpec", "type"): named("ClusterIP NodePort LoadBalancer ExternalName"),
    ("core.v1.Taint", "effect"): _EFFECTS,
    ("core.v1.Toleration", "effect"): _EFFECTS,
    ("core.v1.Toleration", "operator"): named("Exists Equal Lt Gt"),
    ("core.v1.TopologySpreadConstraint", "whenUnsatisfiable"): named("DoNotSchedule ScheduleAnyway"),
    ("meta.v1.LabelSelectorRequirement", "operator"): _OPERATORS,
    ("networking.v1.HTTPIngressPath", "pathType"): named("Exact Prefix ImplementationSpecific"),
    ("networking.v1.NetworkPolicyPort", "protocol"): _PROTOCOLS,
    ("networking.v1.NetworkPolicySpec", "policyTypes"): named("Ingress Egress"),
    ("rbac.v1.RoleRef", "kind"): named("Role ClusterRole"),
    ("rbac.v1.Subject", "kind"): named("User Group ServiceAccount"),
    ("storage.v1.StorageClass", "reclaimPolicy"): named("Retain Delete"),
    ("storage.v1.StorageClass", "volumeBindingMode"): named("Immediate WaitForFirstConsumer"),
}


def refused(kind: str, field: str, text: str) -> frozenset[str]:
    """What would be accepted in the place of a text; empty where it is, or where it is still to be filled in."""
    allowed = CHOICES.get((kind, field), frozenset())
    return allowed if allowed and text not in allowed and re.fullmatch(r"[A-Za-z]+", text) else frozenset()


_CRON = ("minute", "hour", "day of the month", "month", "day of the week")
_MOST = (59, 23, 31, 12, 7)
_NICKNAMES = named("@yearly @annually @monthly @weekly @daily @midnight @hourly")


def wrong_schedule(text: str) -> str:
    """What is wrong with the times of a CronJob; empty where nothing is, or where they are still to be filled in."""
    if re.search(r"[${}<>]|\b[A-Z_]{4,}\b", text) or not text.strip():
        return ""
    if text.startswith("@"):
        return "" if text in _NICKNAMES or text.startswith("@every ") else "is no time that cron knows"
    fields = text.removeprefix("CRON_TZ=").removeprefix("TZ=").split()
    fields = fields[1:] if "TZ=" in text else fields
    if len(fields) != len(_CRON):
        return f"has {len(fields)} fields, and cron's times have five"
    for name, field, most in zip(_CRON, fields, _MOST, strict=True):
        if not re.fullmatch(r"[\d*/,?A-Za-z-]+", field):
            return f"has a {name} that is none: `{field}`"
        if any(int(number) > most for number in re.findall(r"(?<![/\d])\d+", field)):
            return f"has a {name} that is too large: `{field}`"
    return ""
