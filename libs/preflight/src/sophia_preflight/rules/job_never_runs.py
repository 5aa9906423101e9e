"""Jobs and workflows that nothing can ever start."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from sophia_preflight.calls.model import Caller, Site
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Confidence, Finding, Rule, Severity
from sophia_preflight.readers.tree import Node
from sophia_preflight.readers.workflow import Workflow
from sophia_preflight.standing import consequence

RULE = Rule(
    id="job-never-runs",
    title="a job can never run",
    severity=Severity.HIGH,
    why="its condition contradicts what starts the workflow, so that it is skipped every time without a word",
    fix="make the trigger and the condition agree, or remove the job",
    family="workflows",
)
_EVENT = re.compile(r"github\.event_name\s*==\s*'([^']+)'")
_REF = re.compile(r"github\.ref\s*==\s*'refs/heads/([^']+)'|github\.ref_name\s*==\s*'([^']+)'")


def check(context: Context) -> Iterable[Finding]:
    names = {workflow.name.lower() for workflow in context.workflows.values()}
    for path, workflow in context.workflows.items():
        for owner, node, message, certain in _never(workflow, names):
            severity, blocks = consequence(Site(path, Caller.WORKFLOW, owner=owner))
            yield RULE.found(
                message,
                node.place(path),
                anchor=message,
                severity=severity if certain else severity.at_most(Severity.LOW),
                blocks=blocks if certain else "",
                confidence=Confidence.CERTAIN,
            )


def _never(workflow: Workflow, names: set[str]) -> Iterator[tuple[str, Node, str, bool]]:
    events = _events(workflow)
    after = workflow.root["on"]["workflow_run"]["workflows"]
    if events == {"workflow_run"} and after.some() and not any(each.text.lower() in names for each in after.some()):
        said = f"it runs after `{after.some()[0].text}`, and no workflow has that name"
        yield workflow.name, after.some()[0], said, True
    for job in workflow.jobs:
        node = job.node["if"]
        condition = re.sub(r"^\s*\$\{\{(.*)\}\}\s*$", r"\1", job.condition.strip(), flags=re.DOTALL).strip()
        if condition == "false":
            yield f"{workflow.name} / {job.name}", node, f"the job `{job.name}` is switched off", False
        elif condition and "||" not in condition and (said := _contradiction(condition, workflow, events)):
            said = f"the job `{job.name}` can never run: {said}"
            yield f"{workflow.name} / {job.name}", node, said, not _is_reckoned_with(job.name, workflow)


def _is_reckoned_with(name: str, workflow: Workflow) -> bool:
    """Whether jobs that come after a job say what they do where it was skipped."""
    skipped = re.compile(rf"needs\.{re.escape(name)}\.result\s*[!=]=\s*'skipped'")
    return any(skipped.search(job.condition) for job in workflow.jobs)


def _events(workflow: Workflow) -> set[str]:
    on = workflow.root["on"]
    return {name for name, _ in on.items()} | {each.text for each in on.some()}


def _contradiction(condition: str, workflow: Workflow, events: set[str]) -> str:
    if "workflow_call" in events or not events or "!(" in condition.replace(" ", ""):
        return ""
    for clause in condition.split("&&"):
        event = _EVENT.fullmatch(clause.strip(" ()"))
        if event and event[1] not in events:
            return f"it wants the event `{event[1]}`, which does not start this workflow"
        ref = _REF.fullmatch(clause.strip(" ()"))
        branches = workflow.root["on"]["push"]["branches"]
        if ref and events == {"push"} and branches.some():
            wanted = ref[1] or ref[2]
            patterns = [each.text for each in branches.some()]
            if wanted not in patterns and not any(re.search(r"[*?+\[!]", each) for each in patterns):
                return (
                    f"it wants the branch `{wanted}`, and only pushes to `{'`, `'.join(patterns)}` start this workflow"
                )
    return ""


BAD = [
    tree("""
        === .github/workflows/deploy.yml
        on:
          push: {branches: [main]}
        jobs:
          deploy:
            if: github.ref == 'refs/heads/production'
            runs-on: ubuntu-latest
            steps: [{run: "true"}]
    """),
    tree("""
        === .github/workflows/after.yml
        on:
          workflow_run: {workflows: [Tests], types: [completed]}
        jobs:
          go: {runs-on: ubuntu-latest, steps: [{run: "true"}]}
        === .github/workflows/ci.yml
        name: CI
        on: push
        jobs:
          go: {runs-on: ubuntu-latest, steps: [{run: "true"}]}
    """),
]
GOOD = [
    tree("""
        === .github/workflows/deploy.yml
        on:
          push: {branches: [main, "release/**"]}
          workflow_dispatch:
        jobs:
          deploy:
            if: github.ref == 'refs/heads/production' && github.event_name == 'workflow_dispatch'
            runs-on: ubuntu-latest
            steps: [{run: "true"}]
          other:
            if: github.event_name == 'schedule' || github.event_name == 'push'
            runs-on: ubuntu-latest
            steps: [{run: "true"}]
    """),
]
