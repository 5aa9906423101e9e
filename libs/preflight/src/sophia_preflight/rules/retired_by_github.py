"""Actions, runners and commands that GitHub has switched off."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from sophia_preflight.calls.model import Caller, Site
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Finding, Rule, Severity
from sophia_preflight.readers.tree import Node
from sophia_preflight.readers.workflow import Job
from sophia_preflight.standing import consequence

RULE = Rule(
    id="retired-by-github",
    title="a workflow uses what GitHub has switched off",
    severity=Severity.HIGH,
    why="the job fails when it gets there, or never finds a runner",
    fix="use a current version",
    family="workflows",
)
_ACTIONS = (
    (re.compile(r"actions/(upload|download)-artifact@v?[123](\.|$)"), "v4"),
    (re.compile(r"actions/cache(/\w+)?@v?[12](\.|$)"), "v4"),
)
_RUNNERS = re.compile(
    r"ubuntu-(16\.04|18\.04|20\.04)|macos-(10\.15|11|12|13)(-x?large)?|windows-(2016|2019)", re.IGNORECASE
)
_COMMANDS = re.compile(r"::(set-env|add-path)\b")


def check(context: Context) -> Iterable[Finding]:
    for path, workflow in context.workflows.items():
        for job in workflow.jobs:
            severity, blocks = consequence(Site(path, Caller.WORKFLOW, owner=f"{workflow.name} / {job.name}"))
            for node, message, fix in _retired(job):
                yield RULE.found(
                    message,
                    node.place(path),
                    anchor=f"{job.name} {message}",
                    severity=severity,
                    fix=fix,
                    blocks=blocks,
                )


def _retired(job: Job) -> Iterator[tuple[Node, str, str]]:
    runners = [job.node["runs-on"], *job.node["runs-on"].elements()]
    for name, values in job.matrix.items():
        if re.search(rf"matrix\.{re.escape(name)}\b", job.node["runs-on"].text):
            runners += values.elements()
    for node in runners:
        if _RUNNERS.fullmatch(node.text):
            yield node, f"the runner `{node.text}` no longer exists", "name a current one, like `ubuntu-24.04`"
    for step in job.steps:
        for pattern, current in _ACTIONS:
            if pattern.match(step.uses.text):
                yield step.uses, f"`{step.uses.text}` was switched off by GitHub", f"use `{current}`"
        if found := _COMMANDS.search(step.run.text):
            fix = "write to `$GITHUB_ENV`" if found[1] == "set-env" else "write to `$GITHUB_PATH`"
            yield step.run, f"the command `::{found[1]}` was switched off by GitHub", fix


BAD = [
    tree("""
        === .github/workflows/ci.yml
        on: push
        jobs:
          test:
            runs-on: ubuntu-20.04
            steps:
              - uses: actions/upload-artifact@v3
                with: {name: a, path: b}
              - run: echo "::set-env name=A::b"
    """),
]
GOOD = [
    tree("""
        === .github/workflows/ci.yml
        on: push
        jobs:
          test:
            runs-on: ${{ matrix.os }}
            strategy: {matrix: {os: [ubuntu-24.04, macos-15], base: [ubuntu-20.04]}}
            steps:
              - uses: actions/upload-artifact@v4
                with: {name: a, path: b}
              - run: echo "A=b" >> "$GITHUB_ENV"
    """),
]
