"""Secrets that a workflow prints."""

from __future__ import annotations

import re
from collections.abc import Iterable

from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Finding, Place, Rule, Severity
from sophia_preflight.readers.snippet import of_node
from sophia_preflight.standing import limited

RULE = Rule(
    id="secret-printed",
    title="a workflow prints a secret",
    severity=Severity.MEDIUM,
    why="GitHub masks only the exact value; any encoding, cut or line break of it stands in the log for all to read",
    fix="do not print it; hand it over by an environment variable or on standard input",
    family="workflows",
)
_PRINTS = re.compile(r"^\s*(?:sudo\s+)?(echo|printf|cat\s*<<<)\s[^|>]*\$\{\{\s*secrets\.(\w+)\s*\}\}[^|>]*$")


def check(context: Context) -> Iterable[Finding]:
    for path, workflow in context.workflows.items():
        for job in workflow.jobs:
            for step in job.steps:
                if "secrets." not in step.run.text:
                    continue
                snippet = of_node(path, step.run, workflow.lines)
                for number, line in enumerate(snippet.text.split("\n"), 1):
                    found = _PRINTS.match(line)
                    if found and "::add-mask::" not in line:
                        place = snippet.place(number, found.start(1) + 1)
                        yield RULE.found(
                            f"the secret `{found[2]}` is printed",
                            Place(path, place.line, place.column),
                            anchor=f"{job.name} {found[2]}",
                            severity=limited(Severity.MEDIUM, path),
                        )


BAD = [
    tree("""
        === .github/workflows/ci.yml
        on: push
        jobs:
          go:
            runs-on: ubuntu-latest
            steps:
              - run: |
                  echo "token is ${{ secrets.TOKEN }}"
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
              - run: |
                  echo "${{ secrets.TOKEN }}" | docker login --password-stdin
                  echo "${{ secrets.ENV }}" > .env
                  echo "::add-mask::${{ secrets.TOKEN }}"
    """),
]
