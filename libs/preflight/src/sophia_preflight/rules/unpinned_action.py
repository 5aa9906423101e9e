"""Actions of others that follow a branch."""

from __future__ import annotations

import re
from collections.abc import Iterable

from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Finding, Rule, Severity
from sophia_preflight.standing import limited

RULE = Rule(
    id="unpinned-action",
    title="a workflow uses an action of others at a branch or tag that can move",
    severity=Severity.MEDIUM,
    why="whoever can push there runs code with this workflow's permissions and secrets",
    fix="name a commit, with the version in a comment",
    family="workflows",
)
_BRANCH = re.compile(r"@(main|master|develop|latest|HEAD|trunk)$")
_COMMIT = re.compile(r"@[0-9a-f]{40}$")


def check(context: Context) -> Iterable[Finding]:
    for path, workflow in context.workflows.items():
        for job in workflow.jobs:
            for node in (job.called, *(step.uses for step in job.steps)):
                uses = node.text
                if not uses or uses.startswith(("./", "docker://")) or "@" not in uses or _COMMIT.search(uses):
                    continue
                branch = _BRANCH.search(uses)
                if not branch and uses.startswith(("actions/", "github/")):
                    continue
                yield RULE.found(
                    f"`{uses}` follows a {'branch' if branch else 'tag'} of somebody else",
                    node.place(path),
                    anchor=uses,
                    severity=limited(Severity.MEDIUM if branch else Severity.LOW, path),
                )


BAD = [
    tree("""
        === .github/workflows/ci.yml
        on: push
        jobs:
          go: {runs-on: ubuntu-latest, steps: [{uses: example/deploy@main}]}
    """),
]
GOOD = [
    tree("""
        === .github/workflows/ci.yml
        on: push
        jobs:
          go:
            runs-on: ubuntu-latest
            steps:
              - uses: actions/checkout@v4
              - uses: example/deploy@0123456789012345678901234567890123456789 # v3
    """),
]
