"""Jobs that run files of the repository and never fetch it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from sophia_preflight.calls import workflow as calls
from sophia_preflight.calls.model import Call, Caller, MakeTarget, Needed, PackageScript, Script, Site
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Finding, Place, Rule, Severity
from sophia_preflight.readers.workflow import Job, Workflow
from sophia_preflight.standing import consequence
from sophia_preflight.text import Word

RULE = Rule(
    id="workflow-without-checkout",
    title="a job uses files of the repository and never checks it out",
    severity=Severity.HIGH,
    why="a job starts in an empty directory, so that the file is not there",
    fix="add a step `uses: actions/checkout@v4` before",
    family="workflows",
)
_BRINGS = re.compile(
    r"git (clone|fetch|init)|gh (repo clone|run download|release download)|actions/checkout|wget|\baws s3\b|gsutil|tar "
    r"|curl[^\n]*(\s-[a-zA-Z]*[oO]\b|--output|--remote-name|[>|])|unzip|base64 -d|rsync|scp "
)
"""Commands that may put files of the repository into the job's directory."""


def check(context: Context) -> Iterable[Finding]:
    for path, workflow in context.workflows.items():
        if workflow.action:
            continue
        for job in workflow.jobs:
            if job.called or _fetches(job):
                continue
            for call in _used(context, workflow, job):
                severity, blocks = consequence(Site(path, Caller.WORKFLOW, owner=f"{workflow.name} / {job.name}"))
                yield RULE.found(
                    f"the job `{job.name}` runs `{call.text}` and never checks the repository out",
                    Place(path, call.place.line, call.place.column),
                    anchor=job.name,
                    severity=severity,
                    blocks=blocks,
                )
                break


def _fetches(job: Job) -> bool:
    """Whether any step may bring files: a checkout, an artifact, a clone, or an action that may do so itself."""
    for step in job.steps:
        uses = step.uses.text
        if uses and not uses.startswith(
            ("actions/setup-", "docker/", "aws-actions/", "azure/login", "google-github-actions/")
        ):
            return True
        if _BRINGS.search(step.run.text):
            return True
    return bool(job.node["container"])


def _used(context: Context, workflow: Workflow, job: Job) -> Iterator[Call]:
    """Calls of files that are in the repository, were it checked out."""
    for call in calls.as_if_checked_out(workflow, job).calls:
        match call.target:
            case Script(path=path):
                word = path
            case Needed(path=path, directory=False):
                word = path
            case PackageScript():
                word = Word("package.json")
            case MakeTarget(file=None):
                word = Word("Makefile")
            case _:
                continue
        if not call.site.guard.tested and context.finder.path(word, call.site).found:
            yield call


BAD = [
    tree("""
        === notify.py
        === .github/workflows/after.yml
        on: push
        jobs:
          after:
            runs-on: ubuntu-latest
            steps:
              - run: curl -fsS https://example.org/health
              - run: python notify.py
    """),
    tree("""
        === .github/workflows/ci.yml
        on: push
        jobs:
          test:
            runs-on: ubuntu-latest
            steps:
              - uses: actions/setup-python@v5
              - run: pip install -r requirements.txt
        === requirements.txt
    """),
]
GOOD = [
    tree("""
        === .github/workflows/ci.yml
        on: push
        jobs:
          test:
            runs-on: ubuntu-latest
            steps:
              - uses: actions/download-artifact@v4
              - run: pip install -r requirements.txt
          tell:
            runs-on: ubuntu-latest
            steps:
              - run: echo done
        === requirements.txt
    """),
]
