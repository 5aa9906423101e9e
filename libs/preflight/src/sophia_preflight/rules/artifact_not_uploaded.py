"""A job that downloads an artifact which no job of its run uploads."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from sophia_preflight.calls.model import Caller, Site
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Confidence, Finding, Involved, Rule, Severity
from sophia_preflight.readers.tree import Node
from sophia_preflight.readers.workflow import EXPRESSION, Job, Step, Workflow, local_action, own
from sophia_preflight.standing import consequence

RULE = Rule(
    id="artifact-not-uploaded",
    title="an artifact is downloaded that nothing uploads",
    severity=Severity.HIGH,
    why='the step ends with "Artifact not found"',
    fix="use the name that the upload gives it",
    family="workflows",
)
_ELSEWHERE = ("run-id", "github-token", "repository", "pattern", "artifact-ids")
_QUIET = re.compile(
    r"(actions|docker|astral-sh|pypa|codecov|dorny|dtolnay|golangci|hashicorp|softprops|github)/", re.IGNORECASE
)
"""Whose actions upload nothing by themselves, but those that say so in their name."""
_NAME = {"actions/upload-artifact": "artifact", "actions/upload-pages-artifact": "github-pages"}


def check(context: Context) -> Iterable[Finding]:
    for workflow in context.workflows.values():
        if workflow.action or _is_called(workflow.root["on"]):
            continue
        wanted = [(job, step, step.with_["name"]) for job in workflow.jobs for step in job.steps if _downloads(step)]
        if wanted:
            yield from _missing(context, workflow, wanted)


def _is_called(on: Node) -> bool:
    """Whether another workflow may use it, which then has jobs of its own in the same run."""
    return "workflow_call" in on or any(each.text == "workflow_call" for each in on.some())


def _downloads(step: Step) -> bool:
    name = step.with_["name"].text
    here = not any(each in step.with_ for each in _ELSEWHERE)
    action = step.uses.text.partition("@")[0].lower()
    return action == "actions/download-artifact" and here and bool(name) and "${{" not in name


def _missing(context: Context, workflow: Workflow, wanted: list[tuple[Job, Step, Node]]) -> Iterator[Finding]:
    uploads = list(_uploads(context, workflow, {workflow.path}))
    names = [each for each in uploads if each is not None]
    patterns = [re.compile(".*".join(map(re.escape, EXPRESSION.split(name)[::2]))) for name in names]
    known = [name for name in names if "${{" not in name]
    for job, step, node in wanted:
        name = node.text
        if any(pattern.fullmatch(name) for pattern in patterns):
            continue
        near = get_close_matches(name, known, n=1, cutoff=0.6)
        if not near and (None in uploads or not uploads):
            continue
        severity, blocks = consequence(Site(workflow.path, Caller.WORKFLOW, owner=f"{workflow.name} / {job.name}"))
        tolerated = step.tolerated or "if" in step.node
        yield RULE.found(
            f"no job of `{workflow.path}` uploads the artifact `{name}`",
            Involved(node.place(workflow.path), "download"),
            anchor=f"{name} in {job.name}",
            severity=severity.at_most(Severity.MEDIUM) if tolerated else severity,
            confidence=Confidence.LIKELY,
            fix=RULE.fix + (f": there is `{near[0]}`" if near else ""),
            blocks=blocks,
        )


def _uploads(context: Context, workflow: Workflow, seen: set[str]) -> Iterator[str | None]:
    """The names that steps of a workflow, and of what it calls, give to artifacts; None for what nobody can tell."""
    for job in workflow.jobs:
        called = job.called.text
        if called:
            yield from _of(context, context.workflows.get(own(called)), seen)
        for step in job.steps:
            used = step.uses.text.partition("@")[0]
            if used.lower() in _NAME:
                yield step.with_["name"].text or _NAME[used.lower()]
            elif own(used):
                yield from _of(context, local_action(context.workflows, used), seen)
            elif (used and not _QUIET.match(used)) or ("artifact" in used and "download" not in used):
                yield None


def _of(context: Context, callee: Workflow | None, seen: set[str]) -> Iterator[str | None]:
    if callee is None:
        yield None
    elif callee.path not in seen:
        yield from _uploads(context, callee, seen | {callee.path})


_WORKFLOW = """
    === .github/workflows/ship.yml
    on: push
    jobs:
      build:
        runs-on: ubuntu-24.04
        steps:
          - run: make --version
          - uses: actions/upload-artifact@v4
            with: {name: %s, path: dist/}
      ship:
        needs: build
        runs-on: ubuntu-24.04
        steps:
          - uses: actions/download-artifact@v4
            with: {name: %s, path: dist/}
"""
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
    tree(_WORKFLOW % ("packages", "distributions")),
    tree(
        _WORKFLOW % ("distribution", "distributions")
        + """
      other:
        runs-on: ubuntu-24.04
        steps: [{uses: example/inspect-and-upload@v2}]
    """
    ),
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
    tree(_WORKFLOW % ("distributions", "distributions")),
    tree(_WORKFLOW % ('"dist-${{ matrix.os }}"', "dist-linux")),
    tree(
        _WORKFLOW % ("reports", "Packages")
        + """
      other:
        runs-on: ubuntu-24.04
        steps: [{uses: example/inspect-and-upload@v2}]
    """
    ),
    tree(_WORKFLOW.replace("on: push", "on: workflow_call") % ("packages", "distributions")),
    tree(
        _WORKFLOW % ("reports", "packages")
        + """
      other:
        uses: ./.github/workflows/build.yml
    === .github/workflows/build.yml
    on: {workflow_call: {}}
    jobs:
      build:
        runs-on: ubuntu-24.04
        steps: [{uses: actions/upload-artifact@v4, with: {name: packages, path: dist}}]
    """
    ),
]
