"""An expression of a workflow that names a context or function which is not known, or not there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from sophia_preflight.calls.model import Caller, Site
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Finding, Place, Rule, Severity
from sophia_preflight.readers.snippet import of_node
from sophia_preflight.readers.tree import Node
from sophia_preflight.readers.workflow import EXPRESSION, Workflow
from sophia_preflight.standing import consequence
from sophia_preflight.text import named

RULE = Rule(
    id="unknown-context",
    title="an expression names a context or function that GitHub does not know there",
    severity=Severity.HIGH,
    why="GitHub refuses the whole workflow: unrecognized named-value",
    fix="name a context that is known at this place (documented as context availability)",
    family="workflows",
)
_FUNCTIONS = named(
    "contains startswith endswith format join tojson fromjson hashfiles success always cancelled failure case"
)
_LITERALS = named("true false null nan infinity")
_ALL = named("github env vars job jobs steps runner secrets strategy matrix needs inputs")
_PLACES: dict[str, frozenset[str]] = {
    "env": named("github secrets inputs vars"),
    "run-name": named("github inputs vars"),
    "concurrency": named("github inputs vars"),
}
"""What the keys of a workflow know."""
_JOB_PLACES: dict[str, frozenset[str]] = {
    "if": named("github needs vars inputs"),
    "name": named("github needs strategy matrix vars inputs"),
    "runs-on": named("github needs strategy matrix vars inputs"),
    "strategy": named("github needs vars inputs"),
    "concurrency": named("github needs strategy matrix inputs vars"),
    "env": named("github needs strategy matrix vars secrets inputs"),
    "timeout-minutes": named("github needs strategy matrix vars inputs"),
    "continue-on-error": named("github needs strategy matrix vars inputs"),
    "with": named("github needs strategy matrix inputs vars"),
}
"""What the keys of a job know; a step knows everything, but for secrets in its condition."""
_NAME = re.compile(r"(?<![\w.\]-])([A-Za-z_][\w-]*)(?:\s*(\())?")


def check(context: Context) -> Iterable[Finding]:
    for path, workflow in context.workflows.items():
        if workflow.action or workflow.documents.faults or not path.startswith(".github/"):
            continue
        severity, blocks = consequence(Site(path, Caller.WORKFLOW, owner=workflow.name))
        for name, place, known, is_function in _strange(workflow):
            near = get_close_matches(name.lower(), _FUNCTIONS if is_function else known, n=1)
            what = "function" if is_function else "context"
            said = f"there is no {what} `{name}`"
            if name.lower() in _ALL and not is_function:
                said = f"the context `{name}` is not known at this place"
            yield RULE.found(
                said,
                place,
                anchor=f"{name} at {place.line}" if name.lower() in _ALL else name,
                severity=severity,
                fix=f"did you mean `{near[0]}`?" if near else RULE.fix,
                blocks=blocks,
            )


def _strange(workflow: Workflow) -> Iterator[tuple[str, Place, frozenset[str], bool]]:
    for node, known, bare in _nodes(workflow):
        if not node.is_scalar or not isinstance(node.value, str):
            continue
        snippet = of_node(workflow.path, node, workflow.lines)
        spans = [(found.start(1), found[1]) for found in EXPRESSION.finditer(node.text)]
        if bare and not spans:
            spans = [(0, node.text)]
        for start, text in spans:
            clean = re.sub(r"'(?:[^']|'')*'", lambda found: "0" * len(found[0]), text)
            for found in _NAME.finditer(clean):
                name, is_function = found[1], bool(found[2])
                if name.lower() in (_FUNCTIONS if is_function else known | _LITERALS):
                    continue
                at = start + found.start()
                line = node.text.count("\n", 0, at) + 1
                yield name, snippet.place(line, at - node.text.rfind("\n", 0, at)), known, is_function


def _nodes(workflow: Workflow) -> Iterator[tuple[Node, frozenset[str], bool]]:
    """Every text with what it may name, and whether it is an expression without braces."""
    for key, known in _PLACES.items():
        yield from ((each, known, False) for each in _below(workflow.root[key]))
    for job in workflow.jobs:
        for key, value in job.node.items():
            if key == "steps":
                for step in value.elements():
                    condition = step["if"]
                    yield from ((each, _ALL - {"secrets"}, True) for each in _below(condition))
                    rest = (node for key, node in step.items() if key != "if")
                    yield from ((each, _ALL, False) for node in rest for each in _below(node))
            elif key in _JOB_PLACES:
                yield from ((each, _JOB_PLACES[key], key == "if") for each in _below(value))
            else:
                yield from ((each, _ALL, False) for each in _below(value))


def _below(node: Node) -> Iterator[Node]:
    if node.is_scalar:
        yield node
    values = [value for _, value in node.items()]
    for each in (*values, *node.elements()):
        yield from _below(each)


BAD = [
    tree("""
        === .github/workflows/ci.yml
        on: push
        jobs:
          test:
            runs-on: ubuntu-24.04
            steps:
              - run: echo "${{ secret.TOKEN }}"
    """),
    tree("""
        === .github/workflows/ci.yml
        on: push
        jobs:
          test:
            runs-on: ubuntu-24.04
            steps:
              - run: ./deploy.sh
                if: secrets.TOKEN != ''
        === deploy.sh
        true
    """),
    tree("""
        === .github/workflows/ci.yml
        on: push
        env: {RUNNER: ubuntu-24.04}
        jobs:
          test:
            runs-on: ${{ env.RUNNER }}
            steps:
              - run: "true"
    """),
    tree("""
        === .github/workflows/ci.yml
        on: push
        jobs:
          test:
            runs-on: ubuntu-24.04
            if: ${{ begins(github.ref, 'refs/tags/') }}
            steps:
              - run: "true"
    """),
]
GOOD = [
    tree("""
        === .github/workflows/ci.yml
        on: [push, workflow_dispatch]
        env: {NAME: "${{ github.ref_name }}-${{ vars.SUFFIX }}"}
        jobs:
          test:
            runs-on: ${{ matrix.os }}
            if: github.event_name == 'push' && !contains(github.event.head_commit.message, 'skip') || vars.ALL == true
            strategy: {matrix: {os: [ubuntu-24.04], node: "${{ fromJSON(vars.NODES) }}"}}
            env: {TOKEN: "${{ secrets.TOKEN }}"}
            steps:
              - id: one
                run: echo "two-three=x" >> "$GITHUB_OUTPUT"
              - run: echo "${{ steps.one.outputs['two-three'] }} ${{ env.NAME }} ${{ toJSON(matrix) }}"
                if: always() && env.TOKEN != '' && steps.one.outputs.two-three == 'it''s' && matrix.node >= 1.5
              - run: echo "$NAME {{ .Values }} ${{ needs.*.result }} ${{ job.status }}"
    """),
]
