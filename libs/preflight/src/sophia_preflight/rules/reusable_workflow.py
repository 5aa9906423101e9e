"""Calls of reusable workflows and local actions against what they declare."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from sophia_preflight.calls.model import Caller, Site
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Finding, Involved, Place, Rule, Severity
from sophia_preflight.readers.tree import Node
from sophia_preflight.readers.workflow import Job, Workflow, own
from sophia_preflight.standing import consequence

RULE = Rule(
    id="reusable-workflow",
    title="a reusable workflow is called with what it does not take",
    severity=Severity.HIGH,
    why="GitHub refuses the calling workflow as a whole",
    fix="make the call and the `workflow_call` of the called workflow agree",
    family="workflows",
)


def check(context: Context) -> Iterable[Finding]:
    for path, workflow in context.workflows.items():
        for job in workflow.jobs:
            callee = context.workflows.get(own(job.called.text))
            if callee is None or not callee.root.is_map:
                continue
            severity, blocks = consequence(Site(path, Caller.WORKFLOW, owner=f"{workflow.name} / {job.name}"))
            for node, message, anchor in _wrong(job, callee):
                yield RULE.found(
                    message,
                    Involved(node.place(path), "call"),
                    Involved(Place(callee.path, callee.root.key("on").line), "callee"),
                    anchor=f"{job.name} {anchor}",
                    severity=severity,
                    blocks=blocks,
                )


def _wrong(job: Job, callee: Workflow) -> Iterator[tuple[Node, str, str]]:
    on = callee.root["on"]
    if (
        "workflow_call" not in on
        and on.text != "workflow_call"
        and "workflow_call" not in [e.text for e in on.elements()]
    ):
        yield job.called, f"`{callee.path}` cannot be called: it has no `workflow_call`", "workflow_call"
        return
    declared = on["workflow_call"]
    for kind, given in (("input", job.node["with"]), ("secret", job.node["secrets"])):
        known = dict(declared[f"{kind}s"].items())
        names = {name for name, _ in given.items()}
        for name in sorted(names - set(known)):
            near = get_close_matches(name, known, n=1)
            hint = f"; there is `{near[0]}`" if near else ""
            yield given.key(name), f"`{callee.path}` has no {kind} `{name}`{hint}", f"{kind} {name}"
        if kind == "secret" and given.text == "inherit":
            continue
        for name, node in known.items():
            if node["required"].value is True and name not in names and not (kind == "input" and node["default"]):
                yield job.called, f"`{callee.path}` needs the {kind} `{name}`", f"missing {kind} {name}"


BAD = [
    tree("""
        === .github/workflows/ci.yml
        on: push
        jobs:
          deploy:
            uses: ./.github/workflows/deploy.yml
            with: {enviroment: production}
        === .github/workflows/deploy.yml
        on:
          workflow_call:
            inputs: {environment: {type: string, required: true}}
            secrets: {token: {required: true}}
        jobs:
          go: {runs-on: ubuntu-latest, steps: [{run: "true"}]}
    """),
    tree("""
        === .github/workflows/ci.yml
        on: push
        jobs:
          deploy: {uses: ./.github/workflows/deploy.yml}
        === .github/workflows/deploy.yml
        on: push
        jobs:
          go: {runs-on: ubuntu-latest, steps: [{run: "true"}]}
    """),
]
GOOD = [
    tree("""
        === .github/workflows/ci.yml
        on: push
        jobs:
          deploy:
            uses: ./.github/workflows/deploy.yml
            with: {environment: production}
            secrets: inherit
          bare: {uses: ./.github/workflows/bare.yml}
        === .github/workflows/deploy.yml
        on:
          workflow_call:
            inputs: {environment: {type: string, required: true}, level: {type: string, required: true, default: x}}
            secrets: {token: {required: true}}
        jobs:
          go: {runs-on: ubuntu-latest, steps: [{run: "true"}]}
        === .github/workflows/bare.yml
        on: [push, workflow_call]
        jobs:
          go: {runs-on: ubuntu-latest, steps: [{run: "true"}]}
    """),
]
