"""Calls of GitLab pipelines: the scripts of jobs, which begin in the repository's root, one shell for all their lines.

What other files may put before a job's lines is not known here: then its directory is that of any caller, and after
lines that are not known themselves nobody can say where a job is.
"""

from __future__ import annotations

import re
from dataclasses import replace

from sophia_preflight.calls.model import Call, Caller, Guard, Needed, Produced, Site, Trace
from sophia_preflight.calls.shell import follow
from sophia_preflight.calls.states import Held
from sophia_preflight.readers.pipeline import Lines, Pipeline, included
from sophia_preflight.readers.snippet import of_node
from sophia_preflight.readers.tree import Node
from sophia_preflight.text import CWD, ROOT, UNKNOWN, Word, joined

ENTRY = ".gitlab-ci.yml"
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_WINDOWS = re.compile(r"windows|\bwin(32|64|\d{2,4})?\b|powershell|pwsh|nanoserver", re.IGNORECASE)
_POWERSHELL = re.compile(r"\$env:|^\.\\|^[A-Z][a-z]+-[A-Z][A-Za-z]+\b", re.MULTILINE)
_UNSURE = re.compile(r"[$*?\[]")
_DATA = re.compile(r"\.(log|xml|json|html?|txt|csv|pdf|whl|tar|gz|tgz|zip|jar|war|deb|rpm|apk|dll|exe|so|png)$")
_OPENING = re.compile(r"(?:^|[;&|\n])\s*(if|for|while|until|case)\b|\b(fi|done|esac)\b")


def trace_of(pipeline: Pipeline) -> Trace:
    found = Trace()
    for each in pipeline.includes:
        _included(pipeline, each, "the pipeline that is included", found)
    extended = {each.text for _, job in pipeline.jobs for each in job["extends"].some()}
    for name, job in pipeline.jobs:
        for each in included(job.at("trigger", "include")):
            _included(pipeline, each, "the child pipeline", found)
        if not name.startswith(".") or (name not in extended and not _is_whole(pipeline)):
            _job(pipeline, name, job, found)
    return found


def _is_whole(pipeline: Pipeline) -> bool:
    """Whether a project's pipeline is this file alone, but for what GitLab itself brings."""
    return pipeline.path == ENTRY and all("template" in each for each in pipeline.includes)


def _included(pipeline: Pipeline, node: Node, purpose: str, found: Trace) -> None:
    """Paths of `include` start at the repository's root, wherever the file lies."""
    local = node["local"] if node.is_map else node
    path = local.text
    if not path or "://" in path or _UNSURE.search(path) or any("exists" in rule for rule in node["rules"].elements()):
        return
    site = Site(pipeline.path, Caller.PIPELINE, ROOT, owner="include")
    needed = Needed(Word(path.lstrip("/"), local.line, local.column), purpose)
    found.calls.append(Call(needed, site, local.place(pipeline.path), f"include: {path}"))


def _job(pipeline: Pipeline, name: str, job: Node, found: Trace) -> None:
    for path in _kept(pipeline, job):
        found.produced.append(Produced(joined(ROOT, path), tree=True))
    script = pipeline.lines_of(pipeline.inherited(job, "script")[0])
    before, sure = _before(pipeline, job)
    lines = Lines((*before.nodes, *script.nodes))
    if not script.nodes or _is_windows(pipeline, job, lines):
        return
    variables = _variables(pipeline, job)
    no_files = {variables.pop(key, Held("")).value for key in ("GIT_STRATEGY", "GIT_CHECKOUT")} & {
        "none", "empty", "false", UNKNOWN
    }  # fmt: skip
    opaque = bool(no_files) or any("project" in each for each in pipeline.inherited(job, "needs")[0].elements())
    tolerated = pipeline.inherited(job, "allow_failure")[0].value is True
    site = Site(
        pipeline.path, Caller.PIPELINE, UNKNOWN if no_files else ROOT if sure else CWD, owner=name,
        guard=Guard(tolerated), opaque=opaque,
    )  # fmt: skip
    _run(pipeline, lines, site, variables, found)
    after = pipeline.lines_of(pipeline.inherited(job, "after_script")[0])
    _run(pipeline, after, replace(site, guard=Guard(True)), variables, found)


def _run(pipeline: Pipeline, lines: Lines, site: Site, variables: dict[str, Held], found: Trace) -> None:
    """One line after the other, each in the state that the one before has left."""
    for line in lines.nodes:
        if line is None:
            site = replace(site, directory=UNKNOWN)
            continue
        if _is_piece(line.text):
            return
        state = follow(of_node(pipeline.path, line, pipeline.lines), site, found, variables)
        if state.ended:
            return
        guard = Guard(site.guard.tolerated, tuple(dict.fromkeys((*site.guard.tested, *state.tested))))
        site, variables = replace(site, directory=state.directory, guard=guard), state.variables


def _is_piece(text: str) -> bool:
    """Whether a compound command begins here and ends in a later line of the list."""
    found = list(_OPENING.finditer(text))
    return sum(1 if each[1] else -1 for each in found) > 0


def _before(pipeline: Pipeline, job: Node) -> tuple[Lines, bool]:
    """What runs before a job's script in the same shell, and whether that is all."""
    found, sure = pipeline.inherited(job, "before_script")
    if not found and sure:
        inherits, _ = pipeline.inherited(job, "inherit")
        wanted = inherits["default"]
        if wanted.value is False or (wanted.is_list and "before_script" not in [e.text for e in wanted.elements()]):
            return Lines(), True
        found = pipeline.root.at("default", "before_script") or pipeline.root["before_script"]
        sure = bool(found) or _is_whole(pipeline)
    _, script_sure = pipeline.inherited(job, "script")
    return pipeline.lines_of(found), sure and script_sure


def _kept(pipeline: Pipeline, job: Node) -> list[str]:
    """What other jobs, or earlier pipelines, may leave in the directory of a job; `.` for anything."""
    default = pipeline.root.at("default", "cache") or pipeline.root["cache"]
    artifacts = [*pipeline.merged(job, "artifacts"), pipeline.root.at("default", "artifacts")]
    caches = [one for each in (*pipeline.merged(job, "cache"), default) for one in (each.elements() or [each])]
    found = ["."] if any(each["untracked"].value is True for each in artifacts) else []
    for part in (*artifacts, *caches):
        found += [
            _kept_path(each.text) for each in pipeline.lines_of(part["paths"]).known if not _DATA.search(each.text)
        ]
    return found


def _kept_path(text: str) -> str:
    """The directory or file that a pattern of kept files surely lies in."""
    path = text.removeprefix("$CI_PROJECT_DIR").removeprefix("${CI_PROJECT_DIR}").strip("/")
    return re.split(r"[*?\[]", _VARIABLE.sub(UNKNOWN, path))[0].rstrip("/") or "."


def _is_windows(pipeline: Pipeline, job: Node, lines: Lines) -> bool:
    said = [pipeline.inherited(job, key)[0] or pipeline.root.at("default", key) for key in ("tags", "image")]
    texts = [each.text for node in said for each in (node.some() or [node["name"]])]
    return any(_WINDOWS.search(each) for each in texts) or any(_POWERSHELL.search(each.text) for each in lines.known)


def _variables(pipeline: Pipeline, job: Node) -> dict[str, Held]:
    """Values that a project's settings may replace; what a matrix or a rule sets is unknown."""
    values = {
        name: node["value"].text or node.text
        for part in (pipeline.root["variables"], *pipeline.merged(job, "variables"))
        for name, node in part.items()
    }
    matrix = pipeline.inherited(job, "parallel")[0]["matrix"].elements()
    rules = [*pipeline.inherited(job, "rules")[0].elements(), *pipeline.root.at("workflow", "rules").elements()]
    for part in (*matrix, *(rule["variables"] for rule in rules)):
        values.update(dict.fromkeys((name for name, _ in part.items()), UNKNOWN))
    values["CI_PROJECT_DIR"] = ROOT
    return {name: Held(_expanded(value, values, 0), name != "CI_PROJECT_DIR") for name, value in values.items()}


def _expanded(value: str, values: dict[str, str], depth: int) -> str:
    def put(match: re.Match[str]) -> str:
        inner = values.get(match[1] or match[2])
        return UNKNOWN if inner is None or depth > 5 else _expanded(inner, values, depth + 1)

    return _VARIABLE.sub(put, value)
