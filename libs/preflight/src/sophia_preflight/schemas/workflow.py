"""GitHub workflows as GitHub accepts them: keys of workflows, jobs and steps, events, permissions."""

from __future__ import annotations

import re
from dataclasses import replace

from sophia_preflight.schemas.shape import Shape
from sophia_preflight.text import named

TEXT = Shape(named("string"))
SCALAR = Shape(named("string number boolean integer"), null=True)
FLAG = Shape(named("boolean string"))
NUMBER = Shape(named("number integer string"))
TEXTS = Shape(named("string number integer"), each=SCALAR)
VALUES = Shape(named("string"), values=SCALAR)
ANYTHING = Shape(named("string number boolean integer"), null=True, open=True, keys={})
ANYTHING = replace(ANYTHING, each=ANYTHING)

EVENTS = named(
    "branch_protection_rule check_run check_suite create delete deployment deployment_status discussion "
    "discussion_comment fork gollum image_version issue_comment issues label merge_group milestone page_build project "
    "project_card project_column public pull_request pull_request_review pull_request_review_comment "
    "pull_request_target push registry_package release repository_dispatch schedule status watch workflow_call "
    "workflow_dispatch workflow_run"
)
_SCOPES = named(
    "actions artifact-metadata attestations checks contents deployments discussions id-token issues models packages "
    "pages pull-requests repository-projects security-events statuses copilot-requests vulnerability-alerts "
    "code-quality"
)


def _event(text: str) -> str:
    return "" if text in EVENTS else f"is no event of GitHub: `{text}`"


def _access(text: str) -> str:
    return "" if text in ("read", "write", "none") else f"must be `read`, `write` or `none`, not `{text}`"


def _all_access(text: str) -> str:
    return (
        "" if text in ("read-all", "write-all", "{}") else f"must be a mapping, `read-all` or `write-all`, not `{text}`"
    )


def _cron(text: str) -> str:
    fields = text.split()
    if len(fields) != 5:
        return f"must have five fields (minute, hour, day, month, weekday), not {len(fields)}"
    most = (59, 23, 31, 12, 7)
    for field, limit in zip(fields, most, strict=True):
        if not re.fullmatch(r"[\d*/,A-Za-z-]+", field):
            return f"has a field that is none of cron's: `{field}`"
        if any(int(number) > limit for number in re.findall(r"(?<![/\d])\d+", field)):
            return f"has a value that is too large: `{field}`"
    return ""


def _input_type(text: str) -> str:
    legal = ("string", "boolean", "choice", "number", "environment")
    return "" if text in legal else f"must be one of {', '.join(legal)}, not `{text}`"


PERMISSIONS = Shape(
    named("string"), keys=dict.fromkeys(_SCOPES, replace(TEXT, legal=_access)), legal=_all_access, extensions=False
)
CONCURRENCY = Shape(named("string"), keys={"group": TEXT, "cancel-in-progress": FLAG, "queue": TEXT}, extensions=False)
DEFAULTS = Shape(
    keys={"run": Shape(keys={"shell": TEXT, "working-directory": TEXT}, extensions=False, expression=True)},
    extensions=False,
)
_INPUT = Shape(
    keys={
        "description": SCALAR, "required": FLAG, "default": SCALAR, "type": replace(TEXT, legal=_input_type),
        "options": TEXTS, "deprecationMessage": TEXT,
    },
    null=True,
    extensions=False,
)  # fmt: skip
_FILTERS = dict.fromkeys(  # GitHub takes an empty one for none, which editors warn of
    named("branches branches-ignore tags tags-ignore paths paths-ignore types workflows"), replace(TEXTS, null=True)
)
_FILTERED = Shape(keys=_FILTERS, null=True, extensions=False)
_CALLED = Shape(
    keys={
        "inputs": Shape(values=_INPUT, null=True),
        "outputs": Shape(values=ANYTHING, null=True),
        "secrets": Shape(values=Shape(keys={"description": SCALAR, "required": FLAG}, null=True), null=True),
    },
    null=True,
    extensions=False,
)
ON = Shape(
    named("string"),
    each=replace(TEXT, legal=_event),
    keys={
        **dict.fromkeys(EVENTS, _FILTERED),
        "schedule": Shape(
            each=Shape(keys={"cron": replace(TEXT, legal=_cron), "timezone": TEXT}, required=named("cron"))
        ),
        "workflow_dispatch": Shape(keys={"inputs": Shape(values=_INPUT, null=True)}, null=True, extensions=False),
        "workflow_call": _CALLED,
    },
    legal=_event,
    extensions=False,
)
STEP = Shape(
    keys={
        "id": TEXT, "if": SCALAR, "name": SCALAR, "uses": TEXT, "run": TEXT, "working-directory": TEXT, "shell": TEXT,
        "with": Shape(values=SCALAR, null=True, expression=True), "env": replace(VALUES, null=True),
        "continue-on-error": FLAG, "timeout-minutes": NUMBER,
    },
    extensions=False,
)  # fmt: skip
_RUNNER = Shape(named("string"), each=TEXT, keys={"group": TEXTS, "labels": TEXTS}, extensions=False)
JOB = Shape(
    keys={
        "name": SCALAR, "needs": Shape(named("string"), each=TEXT), "if": SCALAR, "runs-on": _RUNNER,
        "permissions": PERMISSIONS,
        "environment": Shape(named("string"), keys={"name": TEXT, "url": TEXT, "deployment": FLAG}),
        "concurrency": CONCURRENCY, "outputs": Shape(values=SCALAR, expression=True), "env": VALUES,
        "defaults": DEFAULTS,
        "steps": Shape(each=STEP, fewest=1), "timeout-minutes": NUMBER, "strategy": Shape(
            keys={"matrix": ANYTHING, "fail-fast": FLAG, "max-parallel": NUMBER}, extensions=False, expression=True
        ),
        "continue-on-error": FLAG, "container": ANYTHING, "uses": TEXT,
        "services": Shape(values=ANYTHING, expression=True),
        "with": Shape(values=SCALAR), "secrets": Shape(named("string"), values=SCALAR), "snapshot": ANYTHING,
    },
    extensions=False,
)  # fmt: skip
WORKFLOW = Shape(
    keys={
        "name": SCALAR, "description": SCALAR, "run-name": SCALAR, "on": ON,
        "permissions": replace(PERMISSIONS, null=True), "env": VALUES, "defaults": DEFAULTS, "concurrency": CONCURRENCY,
        "jobs": Shape(values=JOB),
    },
    required=named("jobs on"),
    extensions=False,
)  # fmt: skip
