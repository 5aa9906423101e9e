"""Workflows that GitHub refuses: every error of a file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from sophia_preflight.calls.model import Caller, Site
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Confidence, Finding, Rule, Severity
from sophia_preflight.readers.tree import Node
from sophia_preflight.readers.workflow import Workflow
from sophia_preflight.schemas import workflow as schemas
from sophia_preflight.schemas.shape import violations
from sophia_preflight.spelling import respelt
from sophia_preflight.standing import consequence

RULE = Rule(
    id="workflow-schema",
    title="a workflow is not valid",
    severity=Severity.HIGH,
    why="GitHub refuses the whole file: none of its jobs runs, and nothing but a line in the Actions tab says so",
    fix="write it as GitHub's workflow syntax has it",
    family="workflows",
)

_MEANT = re.compile(r"did you mean `([^`]+)`")


def check(context: Context) -> Iterable[Finding]:
    for path, workflow in context.workflows.items():
        severity, blocks = consequence(Site(path, Caller.WORKFLOW, owner=workflow.name))
        for node, message, anchor, fix in _wrong(workflow):
            yield RULE.found(
                message,
                node.place(path),
                anchor=anchor,
                severity=severity,
                confidence=Confidence.GUESS if _is_new(message, fix) else Confidence.CERTAIN,
                fix=fix or RULE.fix,
                blocks=blocks,
                edits=respelt(path, node, _MEANT.findall(fix)),
            )


def _is_new(message: str, fix: str) -> bool:
    """Whether a permission is like none that is known: GitHub adds one every few months."""
    return re.search(r"is not allowed in `[^`]*\bpermissions`", message) is not None and not _MEANT.search(fix)


def _wrong(workflow: Workflow) -> Iterator[tuple[Node, str, str, str]]:
    for fault in workflow.documents.faults:
        node = Node(None, fault.line, fault.column)
        yield node, f"`{workflow.path}` does not parse: {fault.message}", fault.message, "correct the YAML"
    if not workflow.documents.documents:
        return
    if workflow.action:
        yield from _action(workflow)
        return
    if not workflow.root.is_map:
        yield workflow.root, f"`{workflow.path}` holds no workflow", "no workflow", ""
        return
    for each in violations(schemas.WORKFLOW, workflow.root, ""):
        yield each.node, each.message, f"{each.path}: {each.message}", each.hint
    for job in workflow.jobs:
        yield from _job(job.name, job.node, job.key)
    yield from _expressions(workflow)


def _action(workflow: Workflow) -> Iterator[tuple[Node, str, str, str]]:
    runs = workflow.root["runs"]
    for index, step in enumerate(runs["steps"].elements() if runs["using"].text == "composite" else ()):
        if step["run"].text and not step["shell"]:
            said = f"step {index + 1} of this action says no `shell`, which steps of actions have to"
            yield step.key("run"), said, f"shell {step['name'].text}{index}", "add `shell: bash`"


def _job(name: str, node: Node, key: Node) -> Iterator[tuple[Node, str, str, str]]:
    if not re.fullmatch(r"[A-Za-z_][\w-]*", name):
        yield key, f"`{name}` is no name for a job: letters, digits, `-` and `_`", f"job name {name}", ""
    if not node.is_map:
        return
    if not node["uses"] and not node["runs-on"]:
        yield key, f"the job `{name}` says on nothing to run: `runs-on` is missing", f"{name} runs-on", ""
    if not node["uses"] and not node["steps"]:
        yield key, f"the job `{name}` has no steps", f"{name} steps", ""
    if node["uses"] and node["steps"]:
        yield (
            node.key("steps"),
            f"the job `{name}` has steps and `uses` a workflow; it may have one",
            f"{name} both",
            "",
        )
    seen: dict[str, Node] = {}
    for index, step in enumerate(node["steps"].elements()):
        if not step.is_map:
            continue
        said = f"step {index + 1} of `{name}`"
        if bool(step["run"]) == bool(step["uses"]):
            what = "neither `run` nor `uses`" if not step["run"] else "both `run` and `uses`"
            yield (
                step.key("uses") if step["run"] else step,
                f"{said} has {what}",
                f"{name} {what} {step['name'].text}",
                "",
            )
        uses = step["uses"].text
        if uses and "@" not in uses and not uses.startswith(("./", "$/", "docker://")) and "${{" not in uses:
            yield (
                step["uses"],
                f"`uses: {uses}` names no version",
                f"uses {uses}",
                "add `@` and a version, better a commit",
            )
        identifier = step["id"]
        if identifier.text and identifier.text in seen:
            yield (
                identifier,
                f"`{identifier.text}` is the id of two steps of `{name}`",
                f"{name} id {identifier.text}",
                "",
            )
        seen[identifier.text] = identifier


_LONGEST = 60
"""Lines that an expression may go on for."""


def _expressions(workflow: Workflow) -> Iterator[tuple[Node, str, str, str]]:
    """Expressions that are opened and not closed."""
    for number, line in enumerate(workflow.lines, 1):
        start = line.rfind("${{")
        if start >= 0 and "}}" not in line[start:] and not line.lstrip().startswith("#"):
            following = "".join(workflow.lines[number : number + _LONGEST])
            if "}}" not in following or "${{" in following.partition("}}")[0]:
                yield Node(None, number, start + 1), "an expression is not closed: `}}` is missing", line.strip(), ""


BAD = [
    tree("""
        === .github/actions/prepare/action.yml
        name: prepare
        description: what jobs begin with
        runs:
          using: composite
          steps:
            - run: echo ready
    """),
    tree("""
        === .github/workflows/ci.yml
        on: push
        jobs:
          test:
            steps:
              - run: true
          build:
            runs-on: ubuntu-latest
            step:
              - run: make
    """),
    tree("""
        === .github/workflows/deploy.yml
        on:
          push:
            branch: [main]
          schedule:
            - cron: "0 25 * * *"
        jobs:
          deploy:
            runs-on: ubuntu-latest
            steps:
              - name: nothing
              - uses: actions/checkout
              - run: echo ${{ github.sha }
    """),
    tree("""
        === .github/workflows/broken.yml
        on: push
        jobs:
          test:
           runs-on: ubuntu-latest
            steps: []
    """),
]
GOOD = [
    tree("""
        === .github/workflows/ci.yml
        name: CI
        description: Tests and calls
        on:
          push: {branches: [main], tags: null, paths: ["**.py"]}
          pull_request:
          schedule: [{cron: "*/15 3 * * MON-FRI"}]
          workflow_dispatch:
            inputs:
              where: {type: choice, options: [a, b], default: a}
        permissions: {contents: read, id-token: write}
        concurrency: {group: "${{ github.ref }}", cancel-in-progress: true}
        jobs:
          test:
            runs-on: ${{ matrix.os }}
            strategy: {matrix: {os: [ubuntu-latest]}}
            container: python:3.12
            services: {db: {image: "postgres:17"}}
            env: {A: 1}
            steps:
              - uses: actions/checkout@v4
              - id: one
                run: |
                  echo "${{ format('{0}', github.sha) }}"
                continue-on-error: true
          many:
            runs-on: ${{ fromJSON(needs.plan.outputs.runner) }}
            strategy: ${{ fromJSON(needs.plan.outputs.strategy) }}
            defaults: {run: "${{ fromJSON(needs.plan.outputs.run) }}"}
            services: ${{ fromJSON(needs.plan.outputs.services) }}
            outputs: ${{ fromJSON(needs.plan.outputs.more) }}
            needs: [plan]
            steps:
              - {uses: actions/cache@v4, with: "${{ fromJSON(needs.plan.outputs.cache) }}"}
          plan:
            runs-on: ubuntu-latest
            outputs: ${{ fromJSON(vars.OUTPUTS) }}
            steps: [{run: "true"}]
          call:
            needs: [test]
            uses: example/repo/.github/workflows/x.yml@v1
            with: {a: b}
            secrets: inherit
    """),
]
