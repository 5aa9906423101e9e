"""Jobs that wait for jobs which do not exist, or for each other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from sophia_preflight.calls.model import Caller, Site
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Finding, Rule, Severity
from sophia_preflight.readers.tree import Node
from sophia_preflight.readers.workflow import Workflow
from sophia_preflight.spelling import respelt
from sophia_preflight.standing import consequence

RULE = Rule(
    id="unknown-needs",
    title="a job needs a job that does not exist, or itself",
    severity=Severity.HIGH,
    why="GitHub refuses the whole workflow",
    fix="name a job of this workflow",
    family="workflows",
)


def check(context: Context) -> Iterable[Finding]:
    for path, workflow in context.workflows.items():
        severity, blocks = consequence(Site(path, Caller.WORKFLOW, owner=workflow.name))
        for node, message, anchor in _wrong(workflow):
            near = get_close_matches(node.text, [job.name for job in workflow.jobs], n=1)
            yield RULE.found(
                message,
                node.place(path),
                anchor=anchor,
                severity=severity,
                fix=RULE.fix + (f": there is `{near[0]}`" if near else ""),
                blocks=blocks,
                edits=respelt(path, node, {job.name for job in workflow.jobs}),
            )


def _wrong(workflow: Workflow) -> Iterator[tuple[Node, str, str]]:
    names = {job.name.lower() for job in workflow.jobs}  # GitHub does not tell small letters from capital ones
    needs = {job.name.lower(): {each.text.lower() for each in job.needs} for job in workflow.jobs}
    for job in workflow.jobs:
        for each in job.needs:
            if each.text.lower() not in names:
                yield (
                    each,
                    f"`{job.name}` needs `{each.text}`, which is no job of this workflow",
                    f"{job.name} {each.text}",
                )
            elif job.name.lower() in _reached(each.text.lower(), needs):
                yield (
                    each,
                    f"`{job.name}` waits for `{each.text}`, which waits for it",
                    f"circle {job.name} {each.text}",
                )


def _reached(name: str, needs: dict[str, set[str]]) -> set[str]:
    found: set[str] = set()
    waiting = [name]
    while waiting:
        current = waiting.pop()
        if current not in found:
            found.add(current)
            waiting += needs.get(current, ())
    return found


BAD = [
    tree("""
        === .github/workflows/ci.yml
        on: push
        jobs:
          tests: {runs-on: ubuntu-latest, steps: [{run: make}]}
          deploy: {needs: [test], runs-on: ubuntu-latest, steps: [{run: make}]}
        === Makefile
        all:
        \ttrue
    """),
]
GOOD = [
    tree("""
        === .github/workflows/ci.yml
        on: push
        jobs:
          test: {runs-on: ubuntu-latest, steps: [{run: "true"}]}
          deploy: {needs: test, runs-on: ubuntu-latest, steps: [{run: "true"}]}
    """),
]
