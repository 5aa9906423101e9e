"""`docker compose up NAME`, `docker compose --profile NAME`: a service or profile that none of the files has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from sophia_preflight.calls.model import Call, Composition
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Confidence, Finding, Involved, Place, Rule, Severity
from sophia_preflight.standing import consequence
from sophia_preflight.text import Word

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
        if not isinstance(call.target, Composition):
            continue
        if call.target.profiles:
            yield from _profiles(context, call, call.target.profiles)
        if not call.target.services:
            continue
        projects = context.compositions.projects_of(call)
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


def _profiles(context: Context, call: Call, names: tuple[Word, ...]) -> Iterator[Finding]:
    """Profiles that no service is in: what they are asked for does not start, and nothing says so."""
    projects = context.compositions.projects_of(call)
    services = [each for project in projects for each in project.services(context.composes).values()]
    known = {part.text for each in services for part in each.listed("profiles")}
    for word in names:
        if not projects or not word.known or word.value in known | {"*"} or any("$" in each for each in known):
            continue
        severity, blocks = consequence(call.site)
        near = get_close_matches(word.value, known, n=1)
        yield RULE.found(
            f"no service of `{'`, `'.join(projects[0].key)}` has the profile `{word.value}`",
            Involved(Place(call.site.path, word.line, word.column), "call"),
            Involved(Place(projects[0].files[0].path), "callee"),
            anchor=f"profile {word.value} from {call.site.owner}",
            severity=severity.at_most(Severity.HIGH if known else Severity.MEDIUM),
            confidence=Confidence.LIKELY,
            why="compose starts the services without a profile only, and says nothing",
            fix=RULE.fix.replace("service", "profile") + (f": there is `{near[0]}`" if near else ""),
            blocks=blocks if known else "",
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
    tree("""
        === Makefile
        up:
        \tdocker compose --profile monitor up -d
        === compose.yaml
        services:
          web: {image: "nginx:1.29"}
          grafana: {image: "grafana/grafana:12.1.0", profiles: [monitoring]}
    """),
]
GOOD = [
    tree("""
        === run.sh
        docker compose --profile all --profile "$WHICH" up -d
        COMPOSE_PROFILES=all docker compose --profile "*" up
        === compose.yaml
        services:
          web: {image: "nginx:1.29", profiles: [all]}
    """),
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
