"""A file that cannot be read as what it is."""

from __future__ import annotations

from collections.abc import Iterable

from sophia_preflight.clusters.objects import is_manifest
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.facts import DataFacts, PackageFacts
from sophia_preflight.model import Confidence, Finding, Place, Rule, Severity
from sophia_preflight.standing import Standing, standing

RULE = Rule(
    id="unreadable-file",
    title="a file cannot be read as what it is",
    severity=Severity.MEDIUM,
    why="whoever reads it will fail as well, and this check could not look at it",
    fix="put the file right, or remove it",
    family="files",
)


def check(context: Context) -> Iterable[Finding]:
    for trouble in context.repository.troubles:
        yield RULE.found(
            trouble.message,
            Place(trouble.path, trouble.line, trouble.column),
            anchor=trouble.message,
            severity=Severity.LOW,
        )
    for path, facts in context.facts.items():
        data = facts.data
        if not isinstance(data, (DataFacts, PackageFacts)):
            continue
        for fault in data.documents.faults:
            if fault.kind == "syntax" and is_manifest(context.repository.text(path)):
                continue  # `invalid-manifest` says so
            breaks = isinstance(data, PackageFacts) and fault.kind == "syntax" and standing(path) is Standing.PRODUCT
            yield RULE.found(
                f"`{path}` does not parse: {fault.message}",
                Place(path, fault.line, fault.column),
                anchor=fault.message,
                severity=Severity.HIGH if breaks else Severity.LOW,
                confidence=Confidence.CERTAIN if breaks else Confidence.LIKELY,
                blocks=f"the package of `{path}`" if breaks else "",
            )


BAD = [
    tree("""
        === package.json
        {"name": "web", "scripts": {"start": "node index.js",}}
    """),
    tree("""
        === config/settings.yaml
        a: [1, 2
        b: 3
    """),
]
GOOD = [
    tree("""
        === config/settings.yaml
        a: [1, 2]
        ---
        b: 3
        === deploy/templates/x.yaml
        a: {{ value }}
    """),
]
