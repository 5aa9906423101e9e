"""A service that neither has an image nor is built; in a stack, one that is only built."""

from __future__ import annotations

from collections.abc import Iterable

from sophia_preflight.composing import used
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Confidence, Finding, Rule, Severity

RULE = Rule(
    id="compose-service-without-image",
    title="a service has no image to start from",
    severity=Severity.CRITICAL,
    why="Compose refuses the whole file; a stack, which builds nothing, cannot start the service",
    fix="give the service an `image`, or a `build`; in a stack, the name under which the image was pushed",
    family="compose",
)


def check(context: Context) -> Iterable[Finding]:
    for each in used(context):
        service = each.service
        if service.has("image") or service.has("provider") or not all(part.node.is_map for part in service.parts):
            continue
        if any(part.node["extends"] for part in service.parts) and len(service.parts) == 1:
            continue  # what it extends is not in this repository
        stack = each.project.stack
        if service.has("build") and not stack:
            continue
        severity, blocks = each.consequence
        part = service.parts[-1]
        said = (
            "is only built, and `docker stack deploy` builds nothing"
            if service.has("build")
            else "has no image and no build"
        )
        yield RULE.found(
            f"the service `{service.name}` {said}",
            part.file.root["services"].key(service.name).place(part.file.path),
            anchor=service.name,
            severity=severity,
            confidence=each.confidence if not stack or each.project.called else Confidence.LIKELY,
            blocks=blocks,
        )


BAD = [
    tree("""
        === docker-compose.yml
        services:
          web:
            ports: ["80:80"]
    """),
    tree("""
        === deploy.sh
        cd "$(dirname "$0")"
        docker stack deploy -c swarm.yml app
        === swarm.yml
        services:
          web:
            build: .
        === Dockerfile
        FROM nginx:1.29
    """),
    tree("""
        === start.sh
        files=(-f compose.yaml)
        if [ -n "$GPU" ]; then
          files+=(-f compose.gpu.yaml)
        fi
        docker compose "${files[@]}" up
        === compose.yaml
        services:
          model: {image: "model:4"}
        === compose.gpu.yaml
        services:
          llm: {runtime: nvidia}
        === compose.test.yaml
        services:
          llm: {image: "model:4-test"}
    """),
]
GOOD = [
    tree("""
        === docker-compose.yml
        services:
          web:
            image: nginx:1.29
        === docker-compose.override.yml
        services:
          web:
            ports: ["80:80"]
        === docker-compose.prod.yml
        services:
          web:
            restart: always
        === base.yml
        services:
          worker:
            image: worker:1
        === compose.extra.yml
        services:
          worker:
            extends: {file: base.yml, service: worker}
        === gpu/up.sh
        FILES="-f one.compose.yml"
        [ -n "$GPU" ] && FILES="$FILES -f two.compose.yml"
        docker compose $FILES up
        === gpu/one.compose.yml
        services:
          model: {image: "model:4"}
        === gpu/two.compose.yml
        services:
          model: {runtime: nvidia}
    """),
]
