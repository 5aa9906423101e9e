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
_OF_REF = re.compile(
    r"(?<![\w.!])(?:(startsWith)\(\s*)?(github\.ref(?:_name)?)\s*(?(1),|==)\s*'([^']+)'(?(1)\s*\))", re.IGNORECASE
)
"""What a ref, or its name, is compared with, or begins with."""
_KINDS = ("refs/heads/", "refs/tags/", "refs/pull/", "refs/merge-queue/")


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
        yield from _wrong_refs(path, workflow)


def _wrong_refs(path: str, workflow: Workflow) -> Iterator[Finding]:
    """Conditions of jobs and steps that want of a ref what no ref ever is."""
    told = [(job.name, each) for job in workflow.jobs for each in (job.node["if"], *(s.node["if"] for s in job.steps))]
    for owner, node in told:
        for match in _OF_REF.finditer(node.text):
            begins, of, value = bool(match[1]), match[2].lower(), match[3]
            if not (said := _never_is(of, value, begins=begins)):
                continue
            severity, blocks = consequence(Site(path, Caller.WORKFLOW, owner=f"{workflow.name} / {owner}"))
            sure = "||" not in node.text and not re.search(r"!\s*\([^)]*$|!\s*$", node.text[: match.start()])
            yield RULE.found(
                f"a condition of `{owner}` never holds: {said}",
                node.place(path),
                anchor=match[0],
                severity=severity if sure else severity.at_most(Severity.MEDIUM),
                blocks=blocks if sure else "",
                confidence=Confidence.CERTAIN,
                fix="compare the ref with `refs/heads/…` or `refs/tags/…`, or its name with a name alone",
            )


def _never_is(of: str, value: str, *, begins: bool) -> str:
    """Why a ref, or the name of one, is never a value, or never begins with it; empty where it may."""
    if of == "github.ref":
        known = any(value.startswith(each) or (begins and each.startswith(value)) for each in _KINDS)
        return "" if known else f"`github.ref` never {'begins with' if begins else 'is'} `{value}`"
    return f"`github.ref_name` never begins with `{value}`" if value.startswith(("refs/", "ref/")) else ""


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
    *(
        tree(f"""
        === .github/workflows/publish.yml
        on: push
        jobs:
          publish:
            runs-on: ubuntu-latest
            steps:
              - run: make
              - if: ${{{{ success() && {condition} }}}}
                run: make publish
    """)
        for condition in (
            "startsWith(github.ref, 'ref/tags/')",
            "startsWith( github.ref , 'refs/tag/v')",
            "github.ref == 'refs/head/main'",
            "github.ref=='main'",
            "github.ref_name == 'refs/heads/main'",
        )
    ),
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
    *(
        tree(f"""
        === .github/workflows/publish.yml
        on: push
        jobs:
          publish:
            if: {condition}
            runs-on: ubuntu-latest
            steps: [{{run: "true"}}]
    """)
        for condition in (
            "startsWith(github.ref, 'refs/tags/v')",
            "startsWith(github.ref, 'refs/') && github.ref != 'main'",
            "github.ref == 'refs/heads/main' || github.ref_name == 'main'",
            "endsWith(github.ref, 'main') || contains(github.ref, 'main')",
            "startsWith(github.ref_name, 'release')",
        )
    ),
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
