"""How things stand and how a run ended, from the engine's answers (`wire`, plain JSON). Pure; `paint` colours text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sophia_deployment.output.text import STATES, ago, duration, plain, several, short, table

Paint = Callable[[str, str], str]
"""(text, style) -> text, coloured where colours are wanted."""
Answer = Mapping[str, Any]

LOG_LINES = 10


# --- status ---------------------------------------------------------------------------------------------------------


def status_lines(status: Answer, *, now_ms: int, paint: Paint) -> list[str]:
    """Every environment in a line, then the services of those that are not empty, then what wants attention."""
    environments = status["environments"]
    heads = ("environment", "state", "live", "since", "url")
    rows = [_environment_row(each, now_ms=now_ms, paint=paint) for each in environments]
    lines = table(rows, heads=heads)
    for each in environments:
        if each["services"]:
            lines += ["", *_service_lines(each, paint=paint)]
    notes = [note for each in environments for note in environment_notes(each)]
    if status["engine"] is None:
        notes.append("everything is down, the engine too: `sophia up` starts it")
    return [*lines, *([""] if lines else []), *notes] if notes else lines


def environment_lines(environment: Answer, *, now_ms: int, paint: Paint) -> list[str]:
    """One environment with its instances and what was live before."""
    lines = table(
        [_environment_row(environment, now_ms=now_ms, paint=paint)],
        heads=("environment", "state", "live", "since", "url"),
    )
    if environment["services"]:
        lines += ["", *_service_lines(environment, paint=paint), "", *_instance_lines(environment, now_ms=now_ms)]
    if environment["history"]:
        lines += ["", *_history_lines(environment, now_ms=now_ms)]
    notes = environment_notes(environment)
    return [*lines, "", *notes] if notes else lines


def _environment_row(environment: Answer, *, now_ms: int, paint: Paint) -> list[str]:
    live = environment["live"] or {}
    return [
        plain(environment["name"]),
        paint(environment["state"], STATES.get(environment["state"], "")),
        plain(live.get("release")) or "-",
        ago(live.get("since_ms"), now_ms),
        plain(environment["url"]) if environment["state"] not in ("down", "empty") else "",
    ]


def _service_lines(environment: Answer, *, paint: Paint) -> list[str]:
    rows = []
    for service in environment["services"]:
        short_of = service["running"] < service["wanted"]
        running = f"{service['running']} of {service['wanted']}"
        rows.append(
            [
                plain(service["name"]),
                "" if service["kind"] == "service" else service["kind"],
                paint(running, "red" if short_of and environment["state"] != "down" else ""),
                plain(service["workload"]),
                plain(" ".join(service["routes"])),
                _restarted(service["instances"]),
            ]
        )
    return table(rows, heads=(f"in {environment['name']}", "kind", "running", "workload", "routes", ""))


def _restarted(instances: Iterable[Answer]) -> str:
    restarts = sum(instance["restarts"] for instance in instances)
    return f"{several(restarts, 'restart')}" if restarts else ""


def _instance_lines(environment: Answer, *, now_ms: int) -> list[str]:
    rows = [
        [
            f"{plain(service['name'])} {instance['number']}",
            plain(instance["state"]),
            str(instance["pid"] or "-"),
            str(instance["port"] or "-"),
            ago(instance["since_ms"], now_ms),
            str(instance["restarts"]),
            exit_words(instance["exit"]),
            plain(instance["limits"]),
        ]
        for service in environment["services"]
        for instance in service["instances"]
    ]
    return table(rows, heads=("instance", "state", "pid", "port", "since", "restarts", "last exit", "limits"))


def _history_lines(environment: Answer, *, now_ms: int) -> list[str]:
    rows = [
        [
            plain(entry["release"]),
            f"{ago(entry['since_ms'], now_ms)} ago",
            f"#{entry['number']}" if entry["number"] else "",
            provenance_words(entry.get("provenance") or {}),
        ]
        for entry in sorted(environment["history"], key=lambda entry: -entry["since_ms"])
    ]
    return table(rows, heads=("was live", "since", "run", "from"))


def environment_notes(environment: Answer) -> list[str]:
    """What somebody who looks should know: why it is held, who works on it, what waits to be deployed."""
    name = plain(environment["name"])
    notes = []
    if environment["because"]:
        notes.append(f"{name}: {plain(environment['because'])}")
    if environment["state"] == "degraded" or (environment["state"] == "held" and not environment["run"]):
        ways = [f"`sophia logs {name}` says why", f"`sophia deploy {name}` brings a version that is mended"]
        if environment["previous"]:
            ways.append(f"`sophia rollback {name} --reason WHY` goes back to `{plain(environment['previous'])}`")
        notes.append(f"{name}: nothing goes back by itself now: {', '.join(ways)}")
    if environment["run"]:
        notes.append(f"{name}: run {short(environment['run'])} is under way: `sophia queue {name}`")
    if environment["queued"]:
        notes.append(f"{name}: {several(len(environment['queued']), 'run')} waiting: `sophia queue {name}`")
    if environment["pending"]:
        pending = ", ".join(plain(each) for each in environment["pending"])
        notes.append(f"{name}: set but not deployed yet: {pending}: `sophia deploy {name}` uses it")
    return notes


# --- runs -----------------------------------------------------------------------------------------------------------


def queue_lines(runs: Sequence[Answer], *, now_ms: int, paint: Paint) -> list[str]:
    """Runs as a table, in the order given."""
    rows = [
        [
            run_name(run),
            run["kind"],
            plain(run["environment"]),
            paint(run["status"], STATES.get(run["status"], "")),
            plain(run["release"]) or "-",
            plain(run["by"]),
            f"{ago(run['submitted_ms'], now_ms)} ago" if run["submitted_ms"] else "",
            plain(run["because"], longest=80),
        ]
        for run in runs
    ]
    return table(rows, heads=("run", "kind", "environment", "status", "release", "by", "submitted", "because"))


def run_name(run: Answer) -> str:
    """What people call it: `#17`."""
    return f"#{run['number']}" if run.get("number") else short(run.get("run"))


def end_card(run: Answer, *, url: str | None, paint: Paint) -> list[str]:
    """How a run ended well, or where it stands."""
    if run["nothing_to_do"]:
        return [plain(run["because"] or "nothing to do"), *facts([("url", url)])]
    rows = [
        ("run", f"{run_name(run)}{took_words(run)}"),
        ("status", paint(run["status"], STATES.get(run["status"], ""))),
        ("release", _moved(run)),
        ("from", provenance_words(run.get("provenance") or {})),
        ("url", url),
        ("report", f"`sophia report {run['number']}`" if run.get("number") else ""),
        ("next", run.get("next")),
    ]
    return [paint(plain(summary(run)), "bold"), *facts(rows)]


def summary(run: Answer) -> str:
    """The engine's sentence about a run, or one made of what else it says."""
    if run.get("summary"):
        return str(run["summary"])
    because = f": {run['because']}" if run["because"] else ""
    return f"{run['kind']} in `{run['environment']}`: {run['status']}{because}"


def failure_card(run: Answer, *, paint: Paint) -> list[str]:
    """What failed and why, what still serves, and what to do: for a run that did not end well."""
    step = failed_step(run)
    error = (step or {}).get("error") or {}
    told = error.get("facts") or {}
    code = f" {paint('[' + plain(error['code']) + ']', 'dim')}" if error.get("code") else ""
    lines = [f"{paint('error:', 'red')} {plain(summary(run))}{code}"]
    lines += facts(
        [
            ("run", f"{run_name(run)}{took_words(run)}"),
            ("status", paint(run["status"], STATES.get(run["status"], ""))),
            ("step", (step or {}).get("id")),
            ("cause", error.get("message") if error.get("message") not in (None, run["because"]) else None),
            ("service", told.get("service")),
            ("probe", _probe(told)),
            ("ended", f"with {ended}" if (ended := exit_words(told.get("exit"))) else None),
            ("restarts", str(told["restarts"]) if told.get("restarts") else None),
            ("serving", run.get("serving", "unknown") or "nothing"),  # an engine of an older build does not say
        ]
    )
    lines += _log_lines(told.get("log") or (), paint=paint)
    hint = error.get("hint") or run.get("next")
    if hint:
        lines.append(f"{paint('hint:', 'cyan')} {plain(hint)}")
    if run.get("number"):
        lines.append(f"{paint('more:', 'cyan')} `sophia report {run['number']}`")
    return lines


def failed_step(run: Answer) -> Answer | None:
    """The first step that gave up: the cause. What failed after it failed because of it."""
    failed = [step for step in run["steps"] if step["state"] == "failed" and step["error"]]
    return min(failed, key=lambda step: step["ended_ms"] or 0, default=None)


def _probe(told: Answer) -> str:
    return " ".join(str(told[key]) for key in ("check", "url", "answer") if told.get(key))


def _log_lines(log: Sequence[str], *, paint: Paint) -> list[str]:
    if not log:
        return []
    shown = [f"    {paint('|', 'dim')} {plain(line, longest=300)}" for line in log[-LOG_LINES:]]
    return ["  last lines of its log:", *shown]


def _moved(run: Answer) -> str:
    if run["previous"] and run["release"] and run["previous"] != run["release"]:
        return f"{run['release']} (was {run['previous']})"
    return str(run["release"] or "")


def took_words(run: Answer) -> str:
    """`, 8.2 s` of a run that has ended."""
    begun = run["started_ms"] or run["submitted_ms"]
    return f", {duration(run['ended_ms'] - begun)}" if run["ended_ms"] and begun else ""


def exit_words(status: int | None) -> str:
    """`exit code 1`, `signal 9`; empty when it is not known."""
    if status is None:
        return ""
    return f"signal {-status}" if status < 0 else f"exit code {status}"


def provenance_words(provenance: Answer) -> str:
    """`1a2b3c4d on main, with changes: "Fix it" by ann`."""
    commit = short(provenance.get("commit"))
    if not commit:
        return ""
    words = commit + (f" on {plain(provenance['branch'])}" if provenance.get("branch") else "")
    words += " with uncommitted changes" if provenance.get("dirty") else ""
    return words + (f': "{plain(provenance["subject"], longest=60)}"' if provenance.get("subject") else "")


def facts(rows: Iterable[tuple[str, object]]) -> list[str]:
    """`  name     value` for each that has a value."""
    kept = [(name, str(value)) for name, value in rows if value]
    widest = max((len(name) for name, _ in kept), default=0)
    return [f"  {name.ljust(widest)}  {value}" for name, value in kept]


# --- plans ----------------------------------------------------------------------------------------------------------


def plan_lines(plan: Answer, *, environment: str, paint: Paint) -> list[str]:
    """What changes and why, then the exact steps, then the hash."""
    name = plain(environment)
    changes = table([_change_row(change, paint=paint) for change in plan["changes"]], indent="  ")
    if plan["nothing_to_do"]:
        return [f"nothing to do: `{plan['release']}` is live in `{name}` already", *changes]
    before = plan["previous"] or "nothing live"
    head = f"plan for `{name}`: {plain(before)} → {plain(plan['release'])}"
    steps = table([[str(at), *_step_row(step)] for at, step in enumerate(plan["steps"], start=1)], indent="  ")
    return [paint(head, "bold"), "", *changes, "", *steps, "", f"hash {plan['hash']}"]


_ACTIONS = {"new": "green", "changed": "yellow", "follows": "yellow", "scaled": "yellow", "removed": "red"}


def _change_row(change: Answer, *, paint: Paint) -> list[str]:
    action = change["action"]
    return [plain(change["service"]), paint(action, _ACTIONS.get(action, "")), plain(change["because"])]


def _step_row(step: Answer) -> list[str]:
    after = step.get("after") or ()
    waits = f"after {', '.join(plain(each) for each in after)}" if 0 < len(after) <= 3 else ""
    return [plain(step["id"]), step_words(step), waits or (f"after {len(after)} steps" if after else "")]


def step_words(step: Answer) -> str:
    """One step in words; the empty text for a verb of another build."""
    args = step.get("args") or {}
    count = several(len(args.get("numbers") or ()), "instance")
    words = {
        "open": f"the edge listens on port {args.get('edge_port')}, or the next free one",
        "place": "ports and listeners for what is new",
        "prepare": "check the bundle and make it ready",
        "start": f"start {count}",
        "verify": "answers its health probe" + (" (it runs already)" if args.get("quick") else f", {count}"),
        "serve": f"requests go to {count}",
        "candidate": "the private listener shows the whole candidate",
        "smoke": "smoke checks through the private listener",
        "room": "room for the way back, also on a full disk",
        "switch": "all traffic moves at once",
        "stop": f"stop {count}",
        "watch": f"watch for {duration(int(args.get('watch_ms', 0)))}; if it is bad, traffic goes back",
        "drain": "wait until no request is under way",
        "remove": "the proxy forgets it",
        "prune": "delete what no release needs any more",
        "close": "the edge stops answering, requests under way are finished",
        "restore": "the edge serves what is live",
    }
    return words.get(step["verb"], "")
