"""The Compose specification, and what `docker stack deploy` takes of it (schema 3.13 of the Docker command line).

The two differ where it hurts: a stack refuses numbers for `cpus`, booleans in `environment`, `depends_on` with
conditions, and every key that came after version 3.
"""

from __future__ import annotations

import re
from dataclasses import replace

from sophia_preflight.schemas.shape import Shape
from sophia_preflight.text import named

TEXT = Shape(named("string"))
NUMBER = Shape(named("number integer"))
WHOLE = Shape(named("integer"))
FLAG = Shape(named("boolean"))
LOOSE_FLAG = Shape(named("boolean string"))
TEXT_OR_NUMBER = Shape(named("string number"))
ANY_SCALAR = Shape(named("string number boolean"), null=True)
TEXTS = Shape(each=TEXT)
LOOSE_TEXTS = Shape(each=TEXT_OR_NUMBER)
TEXT_OR_TEXTS = Shape(named("string"), each=TEXT)
PAIRS = Shape(each=TEXT, values=ANY_SCALAR)
ANYTHING = Shape(named("string number boolean"), null=True, open=True, keys={})
ANYTHING = replace(ANYTHING, each=ANYTHING)

_DURATION = re.compile(r"(\d+(\.\d+)?(ns|us|µs|ms|s|m|h|d|w))+|0")
_PORT = re.compile(r"((\[?[0-9a-fA-F.:]+\]?|localhost):)?(\d*(-\d+)?:)?\d+(-\d+)?(/(tcp|udp|sctp))?")
_SIZE = re.compile(r"-1|\d+(\.\d+)?\s*[kmgtp]?i?b?", re.IGNORECASE)


def _duration(text: str) -> str:
    return "" if _DURATION.fullmatch(text) else f"must be a duration like `30s`, not `{text}`"


def _port(text: str) -> str:
    if not _PORT.fullmatch(text):
        return f"must be a port like `8080:80`, not `{text}`"
    over = [number for number in re.findall(r"\d+", text.rpartition("]")[2].split("/")[0]) if int(number) > 65535]
    return f"has the port {over[0]}, and the last one is 65535" if over and "." not in text else ""


def _restart(text: str) -> str:
    legal = re.fullmatch(r"no|always|unless-stopped|on-failure(:\d+)?|false", text)
    return "" if legal else f"must be `no`, `always`, `on-failure` or `unless-stopped`, not `{text}`"


def _condition(text: str) -> str:
    known = ("service_started", "service_healthy", "service_completed_successfully")
    return "" if text in known else f"must be one of {', '.join(known)}, not `{text}`"


def _size(text: str) -> str:
    return "" if _SIZE.fullmatch(text.strip()) else f"must be a size like `512m`, not `{text}`"


def _whole(text: str) -> str:
    return "" if re.fullmatch(r"-?\d+", text) else f"must be a whole number, not `{text}`"


COUNT = Shape(named("integer string"), legal=_whole)
DURATION = replace(TEXT, legal=_duration)
SIZE = replace(TEXT, legal=_size)
SIZE_OR_NUMBER = replace(TEXT_OR_NUMBER, legal=_size)
PORT = Shape(
    named("string integer"),
    keys={
        "name": TEXT, "mode": TEXT, "host_ip": TEXT, "target": Shape(named("integer string")),
        "published": Shape(named("integer string")), "protocol": TEXT, "app_protocol": TEXT,
    },
    required=named("target"),
    legal=_port,
)  # fmt: skip
ULIMITS = Shape(values=Shape(named("integer string"), keys={"hard": WHOLE, "soft": WHOLE}))
MOUNT = Shape(
    named("string"),
    keys={
        "type": TEXT, "source": TEXT, "target": TEXT, "read_only": LOOSE_FLAG, "consistency": TEXT,
        "bind": Shape(open=True, keys={}), "volume": Shape(open=True, keys={}), "tmpfs": Shape(open=True, keys={}),
        "image": Shape(open=True, keys={}), "cluster": Shape(open=True, keys={}),
    },
    required=named("type"),
)  # fmt: skip
GRANTED = Shape(
    each=Shape(
        named("string"),
        keys={"source": TEXT, "target": TEXT, "uid": TEXT, "gid": TEXT, "mode": Shape(named("integer string"))},
    )
)
BUILD = Shape(
    named("string"),
    keys={
        "context": TEXT, "dockerfile": TEXT, "dockerfile_inline": TEXT, "args": PAIRS, "ssh": PAIRS,
        "cache_from": TEXTS, "cache_to": TEXTS, "no_cache": LOOSE_FLAG, "additional_contexts": PAIRS, "network": TEXT,
        "pull": LOOSE_FLAG, "target": TEXT, "shm_size": SIZE_OR_NUMBER, "secrets": GRANTED, "tags": TEXTS,
        "ulimits": ULIMITS, "platforms": TEXTS, "privileged": LOOSE_FLAG, "labels": PAIRS, "isolation": TEXT,
        "extra_hosts": Shape(each=TEXT, values=TEXT_OR_TEXTS), "entitlements": TEXTS, "no_cache_filter": TEXT_OR_TEXTS,
        "provenance": LOOSE_FLAG, "sbom": LOOSE_FLAG,
    },
)  # fmt: skip
HEALTH = Shape(
    keys={
        "test": TEXT_OR_TEXTS, "interval": DURATION, "timeout": DURATION, "start_period": DURATION,
        "start_interval": DURATION, "retries": COUNT, "disable": LOOSE_FLAG,
    },
)  # fmt: skip
LOGGING = Shape(keys={"driver": TEXT, "options": Shape(values=ANY_SCALAR)})
UPDATE = Shape(
    keys={
        "parallelism": Shape(named("integer string")), "delay": DURATION, "failure_action": TEXT, "monitor": DURATION,
        "max_failure_ratio": Shape(named("number string")), "order": TEXT,
    },
)  # fmt: skip
DEVICES = Shape(
    each=Shape(
        keys={
            "capabilities": TEXTS, "count": Shape(named("string integer")), "device_ids": TEXTS, "driver": TEXT,
            "options": PAIRS,
        }
    )
)  # fmt: skip


def _deploy(cpus: Shape) -> Shape:
    limits = Shape(keys={"cpus": cpus, "memory": SIZE, "pids": Shape(named("integer string"))})
    reservations = Shape(
        keys={"cpus": cpus, "memory": SIZE, "generic_resources": Shape(each=ANYTHING), "devices": DEVICES}
    )
    restart = Shape(
        keys={
            "condition": TEXT,
            "delay": DURATION,
            "max_attempts": Shape(named("integer string")),
            "window": DURATION,
        }
    )
    placement = Shape(
        keys={
            "constraints": TEXTS,
            "preferences": Shape(each=Shape(keys={"spread": TEXT})),
            "max_replicas_per_node": Shape(named("integer string")),
        }
    )
    return Shape(
        keys={
            "mode": TEXT, "endpoint_mode": TEXT, "replicas": COUNT, "labels": PAIRS,
            "rollback_config": UPDATE, "update_config": UPDATE,
            "resources": Shape(keys={"limits": limits, "reservations": reservations}), "restart_policy": restart,
            "placement": placement,
        },
        null=True,
    )  # fmt: skip


_ATTACHED = Shape(
    each=TEXT,
    values=Shape(
        keys={
            "aliases": TEXTS, "ipv4_address": TEXT, "ipv6_address": TEXT, "link_local_ips": TEXTS, "mac_address": TEXT,
            "priority": NUMBER, "driver_opts": Shape(values=ANY_SCALAR), "interface_name": TEXT, "gw_priority": NUMBER,
        },
        null=True,
    ),
)  # fmt: skip
_ENV_FILE = Shape(
    named("string"),
    each=Shape(named("string"), keys={"path": TEXT, "required": LOOSE_FLAG, "format": TEXT}, required=named("path")),
)
_DEPENDS = Shape(
    each=TEXT,
    values=Shape(
        keys={"condition": replace(TEXT, legal=_condition), "restart": LOOSE_FLAG, "required": FLAG},
        required=named("condition"),
    ),
)
_BOTH: dict[str, Shape] = {
    "build": BUILD, "cap_add": TEXTS, "cap_drop": TEXTS, "cgroup_parent": TEXT,
    "command": replace(TEXT_OR_TEXTS, null=True), "configs": GRANTED, "container_name": TEXT,
    "credential_spec": Shape(keys={"config": TEXT, "file": TEXT, "registry": TEXT}), "devices": Shape(each=ANYTHING),
    "dns": replace(TEXT_OR_TEXTS, null=True), "dns_search": TEXT_OR_TEXTS, "domainname": TEXT,
    "entrypoint": replace(TEXT_OR_TEXTS, null=True), "env_file": _ENV_FILE, "environment": PAIRS,
    "expose": Shape(each=Shape(named("string integer"))), "external_links": TEXTS,
    "extra_hosts": Shape(each=TEXT, values=TEXT_OR_TEXTS), "healthcheck": HEALTH, "hostname": TEXT, "image": TEXT,
    "init": LOOSE_FLAG, "ipc": TEXT, "isolation": TEXT, "labels": PAIRS, "links": TEXTS, "logging": LOGGING,
    "mac_address": TEXT, "network_mode": TEXT, "networks": _ATTACHED, "pid": replace(TEXT, null=True),
    "ports": Shape(each=PORT), "privileged": LOOSE_FLAG, "read_only": LOOSE_FLAG,
    "restart": Shape(named("string boolean"), legal=_restart), "security_opt": TEXTS, "shm_size": SIZE_OR_NUMBER,
    "secrets": GRANTED, "sysctls": PAIRS, "stdin_open": LOOSE_FLAG, "stop_grace_period": DURATION,
    "stop_signal": TEXT, "tmpfs": TEXT_OR_TEXTS, "tty": LOOSE_FLAG, "ulimits": ULIMITS, "user": TEXT_OR_NUMBER,
    "userns_mode": TEXT, "volumes": Shape(each=MOUNT), "working_dir": TEXT, "cgroupns_mode": TEXT,
}  # fmt: skip
_ONLY_COMPOSE: dict[str, Shape] = {
    "annotations": PAIRS, "attach": LOOSE_FLAG, "blkio_config": ANYTHING, "cgroup": TEXT,
    "cpu_count": Shape(named("string integer")), "cpu_percent": TEXT_OR_NUMBER, "cpu_period": TEXT_OR_NUMBER,
    "cpu_quota": TEXT_OR_NUMBER, "cpu_rt_period": TEXT_OR_NUMBER, "cpu_rt_runtime": TEXT_OR_NUMBER,
    "cpu_shares": TEXT_OR_NUMBER, "cpus": TEXT_OR_NUMBER, "cpuset": TEXT, "depends_on": _DEPENDS,
    "deploy": _deploy(TEXT_OR_NUMBER), "develop": ANYTHING, "device_cgroup_rules": TEXTS, "dns_opt": TEXTS,
    "extends": Shape(named("string"), keys={"service": TEXT, "file": TEXT}, required=named("service")),
    "gpus": Shape(named("string"), each=ANYTHING), "group_add": LOOSE_TEXTS, "label_file": TEXT_OR_TEXTS,
    "mem_limit": SIZE_OR_NUMBER, "mem_reservation": SIZE_OR_NUMBER, "mem_swappiness": Shape(named("integer string")),
    "memswap_limit": SIZE_OR_NUMBER, "models": ANYTHING, "oom_kill_disable": LOOSE_FLAG,
    "oom_score_adj": Shape(named("string integer")), "pids_limit": TEXT_OR_NUMBER, "platform": TEXT,
    "post_start": Shape(each=ANYTHING), "pre_stop": Shape(each=ANYTHING), "profiles": TEXTS, "provider": ANYTHING,
    "pull_policy": TEXT, "pull_refresh_after": TEXT, "runtime": TEXT, "scale": COUNT,
    "storage_opt": ANYTHING, "use_api_socket": LOOSE_FLAG, "uts": TEXT, "volumes_from": TEXTS,
}  # fmt: skip
_ONLY_STACK: dict[str, Shape] = {
    "depends_on": TEXTS,
    "deploy": _deploy(TEXT),
    "environment": Shape(each=TEXT, values=Shape(named("string number"), null=True)),
    "oom_score_adj": Shape(named("string integer")),
}
_NEAR = {
    "env": "did you mean `environment`?", "health_check": "it is `healthcheck`",
    "resources": "it belongs into `deploy`", "replicas": "it belongs into `deploy`",
    "limits": "it belongs into `deploy.resources`",
}  # fmt: skip

SERVICE = Shape(keys={**_BOTH, **_ONLY_COMPOSE}, aliases=_NEAR)
STACK_SERVICE = Shape(keys={**_BOTH, **_ONLY_STACK}, aliases=_NEAR)

_EXTERNAL = Shape(named("boolean string"), keys={"name": TEXT})
NETWORK = Shape(
    keys={
        "name": TEXT, "driver": TEXT, "driver_opts": Shape(values=ANY_SCALAR), "ipam": ANYTHING, "external": _EXTERNAL,
        "internal": LOOSE_FLAG, "enable_ipv4": LOOSE_FLAG, "enable_ipv6": LOOSE_FLAG, "attachable": LOOSE_FLAG,
        "labels": PAIRS,
    },
    null=True,
)  # fmt: skip
VOLUME = Shape(
    keys={
        "name": TEXT, "driver": TEXT, "driver_opts": Shape(values=ANY_SCALAR), "external": _EXTERNAL, "labels": PAIRS,
    },
    null=True,
)  # fmt: skip
_KEPT = {"name": TEXT, "file": TEXT, "external": _EXTERNAL, "labels": PAIRS, "template_driver": TEXT}
SECRET = Shape(keys={**_KEPT, "environment": TEXT, "driver": TEXT, "driver_opts": Shape(values=ANY_SCALAR)})
CONFIG = Shape(keys={**_KEPT, "environment": TEXT, "content": TEXT})


def _file(service: Shape, more: dict[str, Shape]) -> Shape:
    return Shape(
        keys={
            "version": TEXT,
            "services": Shape(values=service),
            "networks": Shape(values=NETWORK),
            "volumes": Shape(values=VOLUME),
            "secrets": Shape(values=SECRET),
            "configs": Shape(values=CONFIG),
            **more,
        }
    )


_INCLUDED = Shape(named("string"), keys={"path": TEXT_OR_TEXTS, "env_file": TEXT_OR_TEXTS, "project_directory": TEXT})
COMPOSE = _file(
    SERVICE,
    {
        "name": TEXT,
        "include": Shape(each=_INCLUDED),
        "models": ANYTHING,
    },
)  # fmt: skip
STACK = _file(STACK_SERVICE, {})

IGNORED_BY_STACK = named(
    "build cgroup_parent container_name depends_on devices domainname external_links links network_mode privileged "
    "restart security_opt userns_mode mac_address ipc pid shm_size"
)
"""Keys that a stack accepts and does nothing with."""
