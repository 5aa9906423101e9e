"""Prometheus and Alertmanager: configurations and rule files that they refuse to load."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Confidence, Finding, Involved, Rule, Severity
from sophia_preflight.readers.compose import mount_of
from sophia_preflight.readers.tree import Node
from sophia_preflight.standing import limited
from sophia_preflight.text import named

RULE = Rule(
    id="prometheus-configuration",
    title="Prometheus or Alertmanager refuses its configuration",
    severity=Severity.CRITICAL,
    why="it does not start, or goes on with what it had loaded before",
    fix="write it as it is documented",
    family="clusters",
)
_TOP = named(
    "global runtime alerting rule_files scrape_config_files scrape_configs storage tracing remote_write remote_read "
    "otlp"
)
_GLOBAL = named(
    "scrape_interval scrape_timeout scrape_protocols evaluation_interval rule_query_offset query_log_file "
    "scrape_failure_log_file external_labels body_size_limit sample_limit target_limit label_limit "
    "label_name_length_limit label_value_length_limit keep_dropped_targets metric_name_validation_scheme "
    "metric_name_escaping_scheme scrape_native_histograms convert_classic_histograms_to_nhcb query_max_series "
    "always_scrape_classic_histograms extra_scrape_metrics query_max_samples_read query_max_duration"
)
_HTTP = named(
    "basic_auth authorization oauth2 bearer_token bearer_token_file tls_config follow_redirects enable_http2 "
    "http_headers proxy_url no_proxy proxy_from_environment proxy_connect_header"
)
_SCRAPE = _HTTP | named(
    "job_name honor_labels honor_timestamps track_timestamps_staleness params scrape_interval scrape_timeout "
    "scrape_protocols fallback_scrape_protocol scrape_native_histograms always_scrape_classic_histograms "
    "convert_classic_histograms_to_nhcb scrape_failure_log_file metrics_path scheme enable_compression body_size_limit "
    "sample_limit target_limit label_limit label_name_length_limit label_value_length_limit scrape_classic_histograms "
    "native_histogram_bucket_limit native_histogram_min_bucket_factor keep_dropped_targets extra_scrape_metrics "
    "metric_name_validation_scheme metric_name_escaping_scheme relabel_configs metric_relabel_configs static_configs"
)
_RULE = named("record alert expr for keep_firing_for labels annotations")
_GROUP = named("name interval query_offset limit rules labels partial_response_strategy evaluation_delay tenant")
_ROUTE = named(
    "receiver group_by match match_re matchers mute_time_intervals active_time_intervals continue routes group_wait "
    "group_interval repeat_interval labels"
)
_ALERTMANAGER = named(
    "global route inhibit_rules receivers templates mute_time_intervals time_intervals tracing event_recorder"
)
_ACTIONS = named("replace keep drop keepequal dropequal hashmod labelmap labeldrop labelkeep lowercase uppercase")
_OTHERS = re.compile(r"victoria|vmagent|vmalert|vmsingle|mimir|cortex|/vm/", re.IGNORECASE)
"""Programs that read the same files and know more settings."""
_OF_VMALERT = named(
    "type concurrency params headers notifier_headers eval_offset eval_delay eval_alignment debug "
    "update_entries_limit extra_filter_labels"
)
"""Settings of groups that only vmalert knows."""
_DURATION = re.compile(r"(\d+y)?(\d+w)?(\d+d)?(\d+h)?(\d+m)?(\d+s)?(\d+ms)?")
_UNITS = {"y": 31536000.0, "w": 604800.0, "d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


def check(context: Context) -> Iterable[Finding]:
    others = _read_by_others(context)
    for path, documents in context.documents.items():
        root = documents.root
        if not root.is_map or "apiVersion" in root or path in others or _OTHERS.search(path):
            continue
        if "scrape_configs" in root and (root["global"] or root["rule_files"] or "prometheus" in path.lower()):
            if not {"server", "clients", "positions"} & set(root.keys):
                yield from _prometheus(context, path, root)
        elif root["route"].is_map and root["receivers"].is_list:
            yield from _alertmanager(path, root)
        elif root["groups"].is_list and _is_rules(root):
            yield from _rules(path, root)


def _read_by_others(context: Context) -> set[str]:
    """Files that compose services mount into programs other than Prometheus, and no service into Prometheus itself."""
    found: dict[bool, set[str]] = {True: set(), False: set()}
    for project in context.projects:
        for service in project.services(context.composes).values():
            image = service.get("image")
            if image is None:
                continue
            for part in service.listed("volumes"):
                mount = mount_of(part.node)
                if mount is not None and mount.source.startswith("."):
                    source = posixpath.normpath(posixpath.join(project.base_of(part.file), mount.source))
                    found[bool(_OTHERS.search(image.text))].add(source)
    ours = found[False]
    files = {path for path in context.documents if any(_is_in(path, each) for each in found[True])}
    return {path for path in files if not any(_is_in(path, each) for each in ours)}


def _is_in(path: str, mounted: str) -> bool:
    return path == mounted or path.startswith(mounted + "/")


# --- Prometheus -----------------------------------------------------------------------------------------------------


def _prometheus(context: Context, path: str, root: Node) -> Iterator[Finding]:
    yield from _fields(path, root, _TOP, "the configuration")
    yield from _fields(path, root["global"], _GLOBAL, "`global`")
    for key in ("scrape_interval", "scrape_timeout", "evaluation_interval"):
        said = root["global"][key].text
        if said and _seconds(said) is None and "$" not in said and "{" not in said:
            node = root["global"][key]
            yield _found(path, node, f"`{said}` of `global.{key}` is no duration", key, fix="write it like `30s`")
    jobs: dict[str, Node] = {}
    interval = _seconds(root["global"]["scrape_interval"].text) or 60.0
    for job in root["scrape_configs"].elements():
        name = job["job_name"]
        if not job.is_map:
            continue
        if not name.text:
            yield _found(path, job, "a scrape configuration lacks `job_name`", "no job_name", fix="add `job_name`")
        elif name.text in jobs:
            yield _found(path, name, f"there are two jobs `{name.text}`", f"twice {name.text}", also=jobs[name.text])
        jobs.setdefault(name.text, name)
        known = {each for each in job.keys if each.endswith("_sd_configs")} | _SCRAPE
        yield from _fields(path, job, known, f"the job `{name.text}`")
        yield from _timing(path, job, interval)
        yield from _targets(path, job, f"the job `{name.text}`")
        for key in ("relabel_configs", "metric_relabel_configs"):
            yield from _relabeling(path, job[key], name.text)
    for each in root["alerting"]["alertmanagers"].elements():
        yield from _targets(path, each, "`alertmanagers`")
    yield from _rule_files(context, path, root)


def _timing(path: str, job: Node, usual: float) -> Iterator[Finding]:
    name = job["job_name"].text
    for key in ("scrape_interval", "scrape_timeout"):
        if job[key].text and _seconds(job[key].text) is None and "$" not in job[key].text:
            said = f"`{job[key].text}` of the job `{name}` is no duration"
            yield _found(path, job[key], said, f"{key} of {name}", fix="write it like `30s`")
    timeout, interval = _seconds(job["scrape_timeout"].text), _seconds(job["scrape_interval"].text) or usual
    if timeout and timeout > interval:
        said = f"the job `{name}` may take longer than its interval"
        yield _found(path, job["scrape_timeout"], said, f"timeout of {name}", fix="make the timeout the smaller one")


def _seconds(text: str) -> float | None:
    if text == "0":
        return 0.0
    if not text or not _DURATION.fullmatch(text):
        return None
    return sum(int(number) * _UNITS[unit] for number, unit in re.findall(r"(\d+)(ms|[ywdhms])", text))


def _targets(path: str, job: Node, owner: str) -> Iterator[Finding]:
    """With relabeling, an exporter may be asked about a target, which then is an address."""
    configurations = job["static_configs"]
    if configurations and not configurations.is_list and not configurations.is_null:
        yield _found(path, configurations, f"`static_configs` of {owner} is a list", f"static_configs of {owner}")
    for each in configurations.elements():
        targets = each["targets"]
        if targets and not targets.is_list and not targets.is_null:
            yield _found(path, targets, f"`targets` of {owner} is a list", f"targets of {owner}")
        for target in targets.elements() if not job["relabel_configs"].elements() else ():
            if "/" in target.text and not re.search(r"[${]", target.text):
                yield _found(
                    path,
                    target,
                    f"the target `{target.text}` of {owner} is no host and port",
                    f"target {target.text}",
                    confidence=Confidence.CERTAIN,
                    fix="leave scheme and path away; `scheme` and `metrics_path` of the job say them",
                )


def _relabeling(path: str, node: Node, job: str) -> Iterator[Finding]:
    for each in node.elements():
        action = each["action"]
        if action.text and action.text.lower() not in _ACTIONS:
            near = get_close_matches(action.text.lower(), _ACTIONS, n=1)
            fix = f"did you mean `{near[0]}`?" if near else None
            said = f"`{action.text}` is no action of relabeling (job `{job}`)"
            yield _found(path, action, said, f"action {action.text} of {job}", fix=fix)


def _rule_files(context: Context, path: str, root: Node) -> Iterator[Finding]:
    """Rule files that are nowhere: Prometheus starts, and no alert ever fires."""
    directory = posixpath.dirname(path)
    for each in root["rule_files"].elements():
        text = each.text
        name = posixpath.basename(text)
        if not text or re.search(r"[*?\[${]", text):
            continue
        beside = posixpath.normpath(posixpath.join(directory, text.lstrip("/")))
        if (
            context.repository.is_file(beside)
            or context.repository.by_name.get(name)
            or not name.endswith((".yml", ".yaml"))
        ):
            continue
        if context.repository.is_ignored(beside):
            continue
        yield RULE.found(
            f"the rule file `{text}` is nowhere in the repository",
            each.place(path),
            anchor=f"rule file {text}",
            severity=limited(Severity.HIGH, path),
            confidence=Confidence.LIKELY,
            why="Prometheus starts without it, and its alerts never fire",
            fix="correct the name, or add the file",
        )


# --- rules ----------------------------------------------------------------------------------------------------------


def _is_rules(root: Node) -> bool:
    first = next((rule for group in root["groups"].elements() for rule in group["rules"].elements()), None)
    if first is None or any(not _OF_VMALERT.isdisjoint(group.keys) for group in root["groups"].elements()):
        return False
    return ("alert" in first or "record" in first) and set(root.keys) <= {"groups", "namespace"}


def _rules(path: str, root: Node) -> Iterator[Finding]:
    groups: dict[str, Node] = {}
    for group in root["groups"].elements():
        name = group["name"]
        if name.text in groups:
            yield _found(
                path, name, f"there are two groups `{name.text}`", f"twice {name.text}", also=groups[name.text]
            )
        elif not name.text:
            yield _found(path, group, "a group of rules lacks `name`", "no name", fix="add `name`")
        groups.setdefault(name.text, name)
        yield from _fields(path, group, _GROUP, f"the group `{name.text}`")
        for rule in group["rules"].elements():
            yield from _rule(path, rule)


def _rule(path: str, rule: Node) -> Iterator[Finding]:
    name = rule["alert"].text or rule["record"].text
    yield from _fields(path, rule, _RULE, f"the rule `{name}`")
    if "alert" in rule and "record" in rule:
        yield _found(path, rule, f"the rule `{name}` has both `alert` and `record`", f"both {name}")
    if not name:
        yield _found(path, rule, "a rule has neither `alert` nor `record`", "neither")
    if not rule["expr"].text:
        yield _found(path, rule, f"the rule `{name}` has no `expr`", f"no expr {name}", fix="add `expr`")
    elif said := _unbalanced(rule["expr"].text):
        yield _found(path, rule["expr"], f"the expression of `{name}` does not parse: {said}", f"expr {name}")
    if "record" in rule and ("for" in rule or "annotations" in rule):
        yield _found(path, rule, f"the recording rule `{name}` has `for` or `annotations`", f"for {name}")
    duration = rule["for"].text
    if duration and _seconds(duration) is None and not re.search(r"[{$]", duration):
        yield _found(path, rule["for"], f"`{duration}` of the rule `{name}` is no duration", f"duration {name}")


def _unbalanced(expression: str) -> str:
    """What is wrong with the brackets of an expression; empty where nothing is."""
    text = re.sub(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|`[^`]*`|#[^\n]*", "", expression)
    if re.search(r"\{\{|\$", text):
        return ""
    pairs, opened = {")": "(", "]": "[", "}": "{"}, []
    for char in text:
        if char in "([{":
            opened.append(char)
        elif char in pairs and (not opened or opened.pop() != pairs[char]):
            return f"`{char}` closes nothing"
    return f"`{opened[-1]}` is not closed" if opened else ""


# --- Alertmanager ---------------------------------------------------------------------------------------------------


def _alertmanager(path: str, root: Node) -> Iterator[Finding]:
    yield from _fields(path, root, _ALERTMANAGER, "the configuration")
    names: dict[str, Node] = {}
    for each in root["receivers"].elements():
        name = each["name"]
        if name.text in names:
            yield _found(path, name, f"there are two receivers `{name.text}`", f"twice {name.text}")
        names.setdefault(name.text, name)
    times = {e["name"].text for k in ("time_intervals", "mute_time_intervals") for e in root[k].elements()}
    if not root["route"]["receiver"].text:
        yield _found(path, root["route"], "the first route has no `receiver`", "no receiver", fix="add `receiver`")
    yield from _route(path, root["route"], names, times, 0)


def _route(path: str, route: Node, names: dict[str, Node], times: set[str], depth: int) -> Iterator[Finding]:
    yield from _fields(path, route, _ROUTE, "a route")
    receiver = route["receiver"]
    if receiver.text and receiver.text not in names and not re.search(r"[${]", receiver.text):
        near = get_close_matches(receiver.text, names, n=1)
        fix = "correct the name, or add the receiver" + (f": there is `{near[0]}`" if near else "")
        yield _found(path, receiver, f"there is no receiver `{receiver.text}`", f"receiver {receiver.text}", fix=fix)
    for key in ("mute_time_intervals", "active_time_intervals"):
        for each in route[key].elements():
            if each.text not in times:
                yield _found(path, each, f"there is no time interval `{each.text}`", f"interval {each.text}")
    for each in route["routes"].elements() if depth < 30 else ():
        yield from _route(path, each, names, times, depth + 1)


# --- both -----------------------------------------------------------------------------------------------------------


def _fields(path: str, node: Node, known: frozenset[str] | set[str], owner: str) -> Iterator[Finding]:
    for name in node.keys:
        if name not in known and not name.startswith("x-"):
            near = get_close_matches(name, known, n=1)
            fix = f"did you mean `{near[0]}`?" if near else "remove it"
            yield _found(path, node.key(name), f"{owner} has no setting `{name}`", f"{owner} {name}", fix=fix)


def _found(
    path: str,
    node: Node,
    message: str,
    anchor: str,
    *,
    fix: str | None = None,
    also: Node | None = None,
    confidence: Confidence = Confidence.CERTAIN,
) -> Finding:
    others = [Involved(also.place(path), "the first")] if also is not None else []
    return RULE.found(
        message,
        Involved(node.place(path), "here"),
        *others,
        anchor=anchor,
        severity=limited(RULE.severity, path),
        confidence=confidence,
        fix=fix,
        blocks=f"the monitoring with `{path}`",
    )


BAD = [
    tree("""
        === monitoring/prometheus.yml
        global:
          scrape_intervall: 15s
        scrape_configs:
          - job_name: api
            static_configs:
              - targets: ["api:8000"]
    """),
    tree("""
        === monitoring/prometheus.yml
        global: {scrape_interval: 15s}
        scrape_configs:
          - job_name: api
            static_configs:
              - targets: ["http://api:8000/metrics"]
    """),
    tree("""
        === monitoring/alertmanager.yml
        route:
          receiver: default
          routes:
            - receiver: on-call
        receivers:
          - name: default
          - name: oncall
    """),
    tree("""
        === monitoring/alerts.yml
        groups:
          - name: api
            rules:
              - alert: Errors
                expr: sum(rate(http_errors_total[5m]) > 1
                for: 5m
    """),
    tree("""
        === monitoring/prometheus.yml
        global: {evaluation_interval: often}
        scrape_configs:
          - job_name: api
            static_configs: [{targets: ["api:8000"]}]
    """),
]
GOOD = [
    tree("""
        === monitoring/prometheus.yml
        global: {scrape_interval: 15s}
        rule_files: [alerts.yml, "rules/*.yml"]
        scrape_configs:
          - job_name: api
            metrics_path: /metrics
            static_configs:
              - targets: ["api:8000"]
          - job_name: nodes
            kubernetes_sd_configs: [{role: node}]
            relabel_configs: [{action: labelmap, regex: "(.+)"}]
        === monitoring/alerts.yml
        groups:
          - name: api
            rules:
              - alert: Errors
                expr: sum(rate(http_errors_total{code=~"5.."}[5m])) > 1
                for: 1h30m
        === monitoring/alertmanager.yml
        route: {receiver: default}
        receivers: [{name: default}]
    """),
    tree("""
        === docker-compose.yml
        services:
          collector:
            image: victoriametrics/vmagent:v1.112.0
            volumes: ["./monitoring/prometheus.yml:/etc/prometheus/prometheus.yml"]
        === monitoring/prometheus.yml
        global: {scrape_interval: 15s}
        scrape_configs:
          - job_name: lights
            scrape_align_interval: 1m
            static_configs: [{targets: ["lights:2020/api/metrics"]}]
        === alerting/logs.yml
        groups:
          - name: logs
            type: vlogs
            concurrency: 2
            rules:
              - record: lines
                expr: "_time: 1m | stats count() as total"
                annotations: {description: lines}
    """),
]
