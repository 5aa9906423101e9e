"""An image build whose context is not there."""

from __future__ import annotations

from collections.abc import Iterable

from sophia_preflight.building import asked
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Finding, Rule, Severity

RULE = Rule(
    id="missing-build-context",
    title="an image is built from a directory that does not exist",
    severity=Severity.HIGH,
    why="Docker ends before the build begins",
    fix="correct the path of the context, or add the directory",
    family="compose",
)


def check(context: Context) -> Iterable[Finding]:
    for each in asked(context):
        if each.context_location.missing:
            yield RULE.found(
                f"the build context `{each.context}` does not exist in {each.context_location.where}",
                each.context_place,
                anchor=f"{each.context} for {each.owner}",
                severity=each.severity,
                confidence=each.confidence.at_most(each.context_location.confidence),
                blocks=each.blocks,
            )


BAD = [
    tree("""
        === docker-compose.yml
        services:
          api: {build: ./services/api}
        === service/api/Dockerfile
        FROM scratch
    """),
    tree("""
        === build.sh
        cd "$(dirname "$0")"
        docker build -t api ./api
    """),
]
GOOD = [
    tree("""
        === docker-compose.yml
        services:
          api: {build: ./api}
          other: {build: "https://example.org/x.git"}
          chosen: {build: "${WHERE}"}
        === api/Dockerfile
        FROM scratch
        === build.sh
        git clone https://example.org/lib.git
        docker build lib
        docker build - < api/Dockerfile
    """),
]
