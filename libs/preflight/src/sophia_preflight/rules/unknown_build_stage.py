"""An image build that asks for a stage that its Dockerfile does not have."""

from __future__ import annotations

from collections.abc import Iterable

from sophia_preflight.building import asked
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Finding, Involved, Place, Rule, Severity
from sophia_preflight.text import is_known

RULE = Rule(
    id="unknown-build-stage",
    title="a build asks for a stage that its Dockerfile does not have",
    severity=Severity.HIGH,
    why='the build ends with "target stage could not be found"',
    fix="name one of the stages, or add it to the Dockerfile",
    family="compose",
)


def check(context: Context) -> Iterable[Finding]:
    for each in asked(context):
        dockerfile = context.dockerfiles.get(each.dockerfile_location.path)
        if not each.stage or not is_known(each.stage) or dockerfile is None or dockerfile.faults:
            continue
        if dockerfile.stage(each.stage) is None:
            names = [stage.name for stage in dockerfile.stages if stage.name]
            yield RULE.found(
                f"`{dockerfile.path}` has no stage `{each.stage}`",
                Involved(each.stage_place, "call"),
                Involved(Place(dockerfile.path), "callee"),
                anchor=f"{each.stage} for {each.owner}",
                severity=each.severity,
                confidence=each.confidence,
                fix=RULE.fix + (f": there is `{'`, `'.join(names)}`" if names else ""),
                blocks=each.blocks,
            )


BAD = [
    tree("""
        === docker-compose.yml
        services:
          api:
            build: {context: ., target: production}
        === Dockerfile
        FROM node:22 AS build
        FROM node:22-slim AS runtime
    """),
]
GOOD = [
    tree("""
        === docker-compose.yml
        services:
          api: {build: {context: ., target: Build}}
          two: {build: {context: ., target: "1"}}
          any: {build: {context: ., target: "${TARGET}"}}
        === Dockerfile
        FROM node:22 AS build
        FROM node:22-slim AS runtime
    """),
]
