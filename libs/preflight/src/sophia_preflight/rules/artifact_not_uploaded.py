"""A job downloads an artifact under a name that no job of its workflow uploads."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

from sophia_preflight.calls.model import Caller, Site
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Confidence, Finding, Involved, Rule, Severity
from sophia_preflight.readers.tree import Node
from sophia_preflight.readers.workflow import Workflow
from sophia_preflight.standing import consequence

RULE = Rule(
    id="artifact-not-uploaded",
    title="an artifact is downloaded that nothing uploads",
    severity=Severity.HIGH,
    why='the step fails: "Artifact not found"',
    fix="download it under the name that it is uploaded with",
    family="workflows",
)
_UPLOADING = re.compile(r"^actions/upload-artifact(/merge)?@")
_DOWNLOADING = re.compile(r"^actions/download-artifact@")
_OTHERS = re.compile(r"artifact", re.IGNORECASE)


def check(context: Context) -> Iterable[Finding]:
    for workflow in context.workflows.values():
        names = _uploaded(workflow)
        if names is None or workflow.action or "workflow_call" in workflow.root["on"]:
            continue
        for job in workflow.jobs:
            for step in job.steps:
                name = step.with_["name"]
                if not _DOWNLOADING.match(step.uses.text) or not name.text or "${{" in name.text:
                    continue
                if name.text in names or "run-id" in step.with_ or "repository" in step.with_ or step.tolerated:
                    continue
                severity, blocks = consequence(
                    Site(workflow.path, Caller.WORKFLOW, owner=f"{workflow.name} / {job.name}")
                )
                near = get_close_matches(name.text, sorted(names), n=1)
                there = [Involved(names[near[0]].place(workflow.path), "the one that is there")] if near else []
                yield RULE.found(
                    f"no job of this workflow uploads an artifact `{name.text}`",
                    Involved(name.place(workflow.path), "here"),
                    *there,
                    anchor=f"{job.name} {name.text}",
                    severity=severity,
                    confidence=Confidence.LIKELY,
                    fix=RULE.fix + (f": there is `{near[0]}`" if near else ""),
                    blocks=blocks,
                )


def _uploaded(workflow: Workflow) -> dict[str, Node] | None:
    """Names of artifacts and where they are said; None where there may be others."""
    found: dict[str, Node] = {}
    for job in workflow.jobs:
        if job.called:
            return None
        for step in job.steps:
            uses = step.uses.text
            if _UPLOADING.match(uses):
                name = step.with_["name"]
                if "${{" in name.text:
                    return None
                found[name.text or "artifact"] = name or step.uses
            elif uses.startswith("./") or (_OTHERS.search(uses) and not _DOWNLOADING.match(uses)):
                return None
    return found


BAD = [
    tree("""
        === .github/workflows/ship.yml
        on: push
        jobs:
          build:
            runs-on: ubuntu-24.04
            steps:
              - run: make
              - uses: actions/upload-artifact@v4
                with: {name: packages, path: out}
          ship:
            needs: build
            runs-on: ubuntu-24.04
            steps:
              - uses: actions/download-artifact@v4
                with: {name: dist}
    """),
]
GOOD = [
    tree("""
        === .github/workflows/ship.yml
        on: push
        jobs:
          build:
            runs-on: ubuntu-24.04
            steps:
              - run: make
              - uses: actions/upload-artifact@v4
                with: {name: packages, path: out}
          ship:
            needs: build
            runs-on: ubuntu-24.04
            steps:
              - uses: actions/download-artifact@v4
                with: {name: packages}
              - uses: actions/download-artifact@v4
                with: {name: other, run-id: "${{ github.event.workflow_run.id }}"}
        === Makefile
        all:
        === .github/workflows/other.yml
        on: push
        jobs:
          build:
            uses: example/flows/.github/workflows/build.yml@v1
          ship:
            needs: build
            runs-on: ubuntu-24.04
            steps:
              - uses: actions/download-artifact@v4
                with: {name: dist}
    """),
]
