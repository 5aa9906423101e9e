"""`docker compose -f`, `docker stack deploy -c`: a file that is not there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from sophia_preflight.calls.model import Call, Composition, System
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Confidence, Finding, Place, Rule, Severity
from sophia_preflight.readers.compose import COMPOSE_NAMES
from sophia_preflight.standing import consequence
from sophia_preflight.text import ROOT, Word, shown

RULE = Rule(
    id="missing-compose-file",
    title="compose is called with a file that does not exist",
    severity=Severity.HIGH,
    why='the command ends with "no such file or directory" before any service starts',
    fix="correct the path, or add the file",
    family="compose",
)


def check(context: Context) -> Iterable[Finding]:
    for call in context.typed:
        if isinstance(call.target, Composition):
            yield from _missing(context, call, call.target)


def _missing(context: Context, call: Call, target: Composition) -> Iterator[Finding]:
    severity, blocks = consequence(call.site)
    if target.verb in ("down", "logs", "ps", "stop", "rm", "kill"):
        severity = severity.at_most(Severity.HIGH)
    for word in target.files:
        location = context.path_of(word, call)
        if location.missing:
            confidence = location.confidence.at_most(Confidence.LIKELY) if word.assumed else location.confidence
            yield RULE.found(
                f"the compose file `{shown(word.value)}` does not exist in {location.where}",
                Place(call.site.path, word.line, word.column),
                anchor=f"{shown(word.value)} from {call.site.owner}",
                severity=severity,
                confidence=confidence,
                blocks=blocks,
            )
    if target.files or call.site.system is not System.REPOSITORY or not call.site.directory.startswith(ROOT):
        return
    site = replace(call.site, directory=target.base or call.site.directory)
    locations = [context.finder.path(Word(name), site) for name in COMPOSE_NAMES]
    if all(each.missing for each in locations) and not _named_by_settings(context, call):
        yield RULE.found(
            f"compose is called here and there is no compose file in {locations[0].where}",
            call.place,
            anchor=f"compose file from {call.site.owner}",
            severity=severity,
            blocks=blocks,
        )


def _named_by_settings(context: Context, call: Call) -> bool:
    """Whether `COMPOSE_FILE` may name the file."""
    text = context.repository.text(call.site.path)
    return "COMPOSE_FILE" in text or any(
        "COMPOSE_FILE" in context.repository.text(path) for path in context.repository.by_name.get(".env", [])
    )


BAD = [
    tree("""
        === docs/deployment/docker.md
        ```bash
        docker compose -f deploy/docker-compose.postgres.yml up -d
        ```
        === deploy/docker-compose.postgresql.yml
        services: {web: {image: "nginx:1.29"}}
        === deploy/docker-compose.sqlite.yml
        services: {web: {image: "nginx:1.29"}}
    """),
    tree("""
        === deploy.sh
        cd "$(dirname "$0")"
        docker compose -f docker-compose.yml -f docker-compose.prod.yml up -d
        === docker-compose.yml
        services: {web: {image: "nginx:1.29"}}
    """),
    tree("""
        === Makefile
        up:
        \tcd infra && docker-compose up -d
        === infra/main.tf
    """),
    tree("""
        === README.md
        # Shop

        ```bash
        docker compose -f docker/production.yml up -d
        ```
        === docker/compose.yml
        services: {}
    """),
    tree("""
        === scripts/try
        #!/bin/bash
        BUILDKIT_PROGRESS=plain docker-compose --file docs/docker-compose.yaml up --build
        === scripts/publish
        #!/bin/bash
        git clone git@git.example.com:shop/pages.git "$PAGES/docs"
        === docs/compose.yaml
        services: {docs: {image: "nginx:1.29"}}
    """),
]
GOOD = [
    tree("""
        === docs/deployment/docker.md
        ```bash
        docker compose -f elsewhere/docker-compose.yml up -d
        docker compose -f compose.own.yml up -d
        ```
        === deploy/docker-compose.yml
        services: {web: {image: "nginx:1.29"}}
    """),
    tree("""
        === deploy.sh
        cd "$(dirname "$0")"
        docker compose up -d
        docker compose -f "$FILE" up
        docker compose config > rendered.yml
        docker stack deploy -c rendered.yml app
        === docker-compose.yml
        services: {web: {image: "nginx:1.29"}}
    """),
]
