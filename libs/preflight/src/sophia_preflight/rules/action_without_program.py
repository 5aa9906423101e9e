"""A local action whose program is not there: the script of a JavaScript action, the Dockerfile of a container."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator

from sophia_preflight.actions import Use, uses
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Confidence, Finding, Involved, Rule, Severity
from sophia_preflight.readers.tree import Node
from sophia_preflight.readers.workflow import Workflow
from sophia_preflight.standing import consequence, limited
from sophia_preflight.text import is_known

RULE = Rule(
    id="action-without-program",
    title="an action names a program that does not exist",
    severity=Severity.HIGH,
    why="every step that uses the action fails",
    fix="name the file that is there, or commit the one that is named",
    family="workflows",
)


def check(context: Context) -> Iterable[Finding]:
    used: dict[str, list[Use]] = {}
    for use in uses(context):
        used.setdefault(use.action.path, []).append(use)
    for path, action in context.workflows.items():
        if action.action:
            for node in _programs(action):
                yield from _missing(context, action, node, used.get(path, []))


def _programs(action: Workflow) -> Iterator[Node]:
    runs = action.root["runs"]
    using = runs["using"].text.lower()
    if using.startswith("node"):
        yield from (runs[key] for key in ("main", "pre", "post") if runs[key].text)
    elif using == "docker" and runs["image"].text and "://" not in runs["image"].text:
        yield runs["image"]


def _missing(context: Context, action: Workflow, node: Node, used: list[Use]) -> Iterator[Finding]:
    path = posixpath.normpath(posixpath.join(posixpath.dirname(action.path), node.text))
    finder = context.finder
    if not is_known(path) or finder.exists(path) or context.repository.is_foreign(path) or path.startswith(".."):
        return
    if finder.is_made(path):
        used = [use for use in used if not _may_make(use)]
        if not used:
            return  # built and committed somewhere else, as published actions are
    severity, blocks = limited(Severity.MEDIUM, action.path), ""
    if used:
        severity, blocks = min((consequence(use.site) for use in used), key=lambda each: each[0].rank)
    elif not posixpath.dirname(action.path):
        severity = Severity.HIGH
    yield RULE.found(
        f"`{node.text}`, which the action runs, does not exist: there is no `{path}`",
        node.place(action.path),
        *(Involved(use.step.uses.place(use.workflow.path), "use") for use in used[:1]),
        anchor=node.text,
        severity=severity,
        confidence=Confidence.LIKELY if finder.is_made(path) or not used else Confidence.CERTAIN,
        blocks=blocks,
    )


def _may_make(use: Use) -> bool:
    """Whether an earlier step may build it."""
    return any(not step.uses.text.startswith(("actions/checkout@", "actions/setup-")) for step in use.before)


_USED = """
        === .github/workflows/ci.yml
        on: push
        jobs:
          test:
            runs-on: ubuntu-latest
            steps:
              - uses: actions/checkout@v4
              - uses: ./.github/actions/notify
"""
BAD = [
    tree(f"""
        === .github/actions/notify/action.yml
        name: notify
        runs:
          using: node20
          main: notify.js
          post: done.js
        === .github/actions/notify/done.js
        console.log("done")
        {_USED.strip()}
    """),
    tree(f"""
        === .github/actions/notify/action.yml
        name: notify
        runs: {{using: node20, main: dist/index.js}}
        {_USED.strip()}
    """),
    tree(f"""
        === .github/actions/notify/action.yml
        name: notify
        runs: {{using: docker, image: Dockerfile}}
        {_USED.strip()}
    """),
]
GOOD = [
    tree(f"""
        === .github/actions/notify/action.yml
        name: notify
        runs: {{using: node20, main: notify.js}}
        === .github/actions/notify/notify.js
        console.log("notified")
        === action.yml
        name: published
        runs: {{using: node20, main: dist/index.js}}
        === tools/scan/action.yml
        name: scan
        runs: {{using: docker, image: "docker://alpine:3.22"}}
        {_USED.strip()}
    """),
    tree("""
        === .github/actions/notify/action.yml
        name: notify
        runs: {using: node20, main: dist/index.js}
        === .github/actions/notify/package.json
        {"scripts": {"build": "ncc build notify.js"}}
        === .github/workflows/ci.yml
        on: push
        jobs:
          test:
            runs-on: ubuntu-latest
            steps:
              - uses: actions/checkout@v4
              - run: npm run build
                working-directory: .github/actions/notify
              - uses: ./.github/actions/notify
    """),
]
