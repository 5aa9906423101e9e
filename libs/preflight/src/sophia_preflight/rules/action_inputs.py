"""A local action that is given what it does not take, or not given what it says it needs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from sophia_preflight.actions import Use, uses
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Confidence, Finding, Involved, Place, Rule, Severity
from sophia_preflight.readers.tree import Node
from sophia_preflight.spelling import respelt
from sophia_preflight.standing import consequence, limited

RULE = Rule(
    id="action-inputs",
    title="a local action is used with other inputs than it declares",
    severity=Severity.MEDIUM,
    why="GitHub warns at most: the action runs, with an empty text for what it was not given",
    fix="make the step's `with` and the action's `inputs` agree",
    family="workflows",
)
_OF_CONTAINERS = ("args", "entrypoint")


def check(context: Context) -> Iterable[Finding]:
    for use in uses(context):
        for node, message, anchor, fails in _wrong(use):
            severity, blocks = consequence(use.site)
            yield RULE.found(
                message,
                Involved(node.place(use.workflow.path), "call"),
                Involved(Place(use.action.path, use.action.root.key("inputs").line), "callee"),
                anchor=f"{use.job.name} {use.action.path} {anchor}",
                severity=severity if fails else limited(Severity.MEDIUM, use.workflow.path),
                confidence=Confidence.LIKELY if fails else Confidence.CERTAIN,
                why="the action runs with an empty text for what it needs" if fails else None,
                blocks=blocks if fails else "",
                edits=respelt(use.workflow.path, node, [name for name, _ in use.action.root["inputs"].items()]),
            )


def _wrong(use: Use) -> Iterator[tuple[Node, str, str, bool]]:
    """What does not fit, and whether the action lacks what it needs; an input that was misspelt is told once."""
    declared = {name.lower(): node for name, node in use.action.root["inputs"].items()}
    given = {name.lower(): name for name, _ in use.step.with_.items()}
    missing = {
        name
        for name, node in declared.items()
        if node["required"].text.lower() == "true" and not node["default"] and name not in given
    }
    unknown = sorted(set(given) - set(declared) - set(_OF_CONTAINERS))
    for name in unknown:
        near = get_close_matches(name, sorted(missing), n=1) or get_close_matches(name, declared, n=1)
        near = near or (sorted(missing) if len(missing) == len(unknown) == 1 else [])
        fails = bool(missing & set(near))
        missing -= set(near)
        hint = f"; there is `{near[0]}`" if near else ""
        yield (
            use.step.with_.key(given[name]),
            f"`{use.action.path}` has no input `{given[name]}`{hint}",
            f"input {name}",
            fails,
        )
    for name in sorted(missing):
        yield use.step.uses, f"`{use.action.path}` needs the input `{name}`", f"missing {name}", _is_read(use, name)


def _is_read(use: Use, name: str) -> bool:
    """Whether a composite action does something with an input that it says it needs."""
    said = rf"inputs\s*(\.\s*{re.escape(name)}\b|\[\s*'{re.escape(name)}')"
    return any(re.search(said, line, re.IGNORECASE) for line in use.action.lines if "||" not in line)


BAD = [
    tree("""
        === .github/actions/deploy/action.yml
        name: deploy
        inputs:
          environment: {required: true}
        runs:
          using: composite
          steps:
            - run: echo "${{ inputs.environment }}"
              shell: bash
        === .github/workflows/ci.yml
        on: push
        jobs:
          deploy:
            runs-on: ubuntu-latest
            steps:
              - uses: actions/checkout@v4
              - uses: ./.github/actions/deploy
                with:
                  enviroment: production
    """),
    tree("""
        === .github/actions/deploy/action.yaml
        name: deploy
        inputs:
          environment: {required: true}
        runs: {using: composite, steps: []}
        === .github/workflows/ci.yml
        on: push
        jobs:
          deploy:
            runs-on: ubuntu-latest
            steps:
              - uses: actions/checkout@v4
              - uses: ./.github/actions/deploy/
    """),
]
GOOD = [
    tree("""
        === .github/actions/deploy/action.yml
        name: deploy
        inputs:
          environment: {required: true}
          Region: {required: true, default: eu}
          token: {required: false}
        runs: {using: composite, steps: []}
        === .github/workflows/ci.yml
        on: push
        jobs:
          deploy:
            runs-on: ubuntu-latest
            steps:
              - uses: actions/checkout@v4
              - uses: ./.github/actions/deploy
                with: {Environment: production}
          other:
            runs-on: ubuntu-latest
            steps:
              - uses: actions/checkout@v4
                with: {repository: acme/actions}
              - uses: ./.github/actions/deploy
                with: {name: another repository's}
    """),
]
