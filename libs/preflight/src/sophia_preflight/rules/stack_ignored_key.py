"""Keys that a stack accepts and does nothing with."""

from __future__ import annotations

from collections.abc import Iterable

from sophia_preflight.composing import used
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Confidence, Finding, Rule, Severity
from sophia_preflight.schemas.compose import IGNORED_BY_STACK

RULE = Rule(
    id="stack-ignored-key",
    title="a stack file sets what `docker stack deploy` ignores",
    severity=Severity.MEDIUM,
    why="the service runs without it, and nothing says so but a line of the deployment's output",
    fix="say it in `deploy` where there is a counterpart (`restart` is `deploy.restart_policy`), or remove it",
    family="compose",
)


def check(context: Context) -> Iterable[Finding]:
    for each in used(context):
        if not each.project.stack:
            continue
        for part in each.service.parts:
            for name in part.node.value if part.node.is_map else ():
                if name in IGNORED_BY_STACK and (name != "build" or each.service.has("image")):
                    severity = Severity.LOW if name in ("build", "container_name") else Severity.MEDIUM
                    yield RULE.found(
                        f"`docker stack deploy` ignores `{name}` of `{each.service.name}`",
                        part.node.key(name).place(part.file.path),
                        anchor=f"{each.service.name} {name}",
                        severity=severity.at_most(each.consequence[0]),
                        confidence=Confidence.CERTAIN if each.project.called else Confidence.LIKELY,
                    )


BAD = [
    tree("""
        === stack.yml
        version: "3.8"
        services:
          web: {image: "nginx:1.29", restart: always, depends_on: [db]}
          db: {image: "postgres:17"}
    """),
]
GOOD = [
    tree("""
        === docker-compose.yml
        services:
          web: {image: "nginx:1.29", restart: always, depends_on: [db]}
          db: {image: "postgres:17"}
    """),
]
