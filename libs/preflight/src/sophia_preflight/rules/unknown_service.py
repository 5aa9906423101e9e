"""`docker compose up NAME`: a service that none of the files has."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from sophia_preflight.calls.model import Composition
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Finding, Involved, Place, Rule, Severity
from sophia_preflight.standing import consequence

RULE = Rule(
    id="unknown-service",
    title="compose is asked for a service that its files do not have",
    severity=Severity.HIGH,
    why='compose ends with "no such service"',
    fix="correct the name, or add the service",
    family="compose",
)


def check(context: Context) -> Iterable[Finding]:
    for call in context.typed:
        if not isinstance(call.target, Composition) or not call.target.services:
            continue
        projects = context.projects_of(call)
        if not projects:
            continue
        known = {name for project in projects for name in project.services(context.composes)}
        if not known:
            continue
        for word in call.target.services:
            if not word.known or word.value in known:
                continue
            severity, blocks = consequence(call.site)
            near = get_close_matches(word.value, known, n=1)
            yield RULE.found(
                f"there is no service `{word.value}` in `{'`, `'.join(projects[0].key)}`",
                Involved(Place(call.site.path, word.line, word.column), "call"),
                Involved(Place(projects[0].files[0].path), "callee"),
                anchor=f"{word.value} from {call.site.owner}",
                severity=severity,
                fix=RULE.fix + (f": there is `{near[0]}`" if near else ""),
                blocks=blocks,
            )


BAD = [
    tree("""
        === Makefile
        up:
        \tdocker compose up -d webb
        === docker-compose.yml
        services: {web: {image: "nginx:1.29"}}
    """),
    tree("""
        === README.md
        # Shop

        ```bash
        docker compose up -d database
        ```
        === docker-compose.yml
        services:
          db: {image: "postgres:17.2"}
    """),
]
GOOD = [
    tree("""
        === run.sh
        docker compose exec -it web sh -c "true" && docker compose run --rm -it -e A=b web true
        === compose.yaml
        services: {web: {image: "nginx:1.29"}}
        === config/docker-compose-config.yaml
        issuer: http://login:8888/auth
        storage: {type: memory}
    """),
    tree("""
        === Makefile
        up:
        \tdocker compose up -d --wait web $(MORE)
        \tdocker compose run --rm web python manage.py migrate
        \tdocker compose -f docker-compose.yml logs -f --tail 100 web
        === docker-compose.yml
        services: {web: {image: "nginx:1.29"}}
    """),
]
