"""`manage.py NAME`: a command that no application has, where one of a like name is there."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches

from sophia_preflight.calls.model import Program, Script
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Confidence, Finding, Involved, Place, Rule, Severity
from sophia_preflight.standing import consequence, limited
from sophia_preflight.text import Word, named

RULE = Rule(
    id="missing-django-command",
    title="a command of Django is run that no application has",
    severity=Severity.HIGH,
    why='Django ends with "Unknown command"',
    fix="correct the name, or add the module below `management/commands`",
    family="targets",
)
_COMMANDS = re.compile(r"(^|/)management/commands/([A-Za-z]\w*)\.py$")
_CALLED = re.compile(r"\bcall_command\(\s*[\"'](\w+)[\"']")
_BUILT_IN = named(
    "check compilemessages createcachetable dbshell diffsettings dumpdata flush inspectdb loaddata makemessages "
    "makemigrations migrate optimizemigration runserver sendtestemail shell showmigrations sqlflush sqlmigrate "
    "sqlsequencereset squashmigrations startapp startproject test testserver version help changepassword "
    "createsuperuser clearsessions remove_stale_contenttypes collectstatic findstatic ogrinspect"
)


@dataclass(frozen=True)
class _Run:
    name: Word
    place: Place
    owner: str
    severity: Severity
    blocks: str


def check(context: Context) -> Iterable[Finding]:
    own = {match[2]: path for path in context.repository.entries if (match := _COMMANDS.search(path))}
    if not own:
        return
    for run in (*_typed(context), *_called(context)):
        name = run.name.value
        if name in own or name in _BUILT_IN:
            continue
        near = get_close_matches(name, sorted(own), n=1) or [each for each in sorted(own) if _alike(name, each)]
        if near:
            yield RULE.found(
                f"no application has a command `{name}`",
                Involved(run.place, "call"),
                Involved(Place(own[near[0]]), "the one that is there"),
                anchor=f"{name} from {run.owner}",
                severity=run.severity,
                confidence=Confidence.LIKELY,
                fix=RULE.fix + f": there is `{near[0]}`",
                blocks=run.blocks,
            )


def _alike(one: str, other: str) -> bool:
    """Whether one name is the beginning or the end of the other, word by word."""
    few, more = sorted((one.split("_"), other.split("_")), key=len)
    return len(few) < len(more) and few in (more[: len(few)], more[-len(few) :])


def _typed(context: Context) -> Iterator[_Run]:
    managers = {
        point.name
        for project in context.modules.projects.by_directory.values()
        for point in project.entry_points
        if point.is_command and re.search(r"manage|django", point.name + point.value)
    }
    for call in context.typed:
        match call.target:
            case Script(path=path, arguments=arguments) if posixpath.basename(path.value) == "manage.py":
                words = arguments
            case Program(name=program, arguments=arguments) if program.value in managers | {"django-admin"}:
                words = arguments
            case _:
                continue
        if words and words[0].known and re.fullmatch(r"[a-z]\w*", words[0].value):
            severity, blocks = consequence(call.site)
            place = Place(call.site.path, words[0].line, words[0].column)
            yield _Run(words[0], place, call.site.owner, severity, blocks)


def _called(context: Context) -> Iterator[_Run]:
    for path, facts in context.facts.items():
        if facts.kind != "python":
            continue
        text = context.repository.text(path)
        for match in _CALLED.finditer(text) if "call_command(" in text else ():
            line = text.count("\n", 0, match.start()) + 1
            name = Word(match[1], line, match.start(1) - text.rfind("\n", 0, match.start(1)))
            yield _Run(name, Place(path, name.line, name.column), path, limited(RULE.severity, path), f"`{path}`")


BAD = [
    tree("""
        === Makefile
        seed:
        \tpython manage.py seed_data
        === manage.py
        === shop/management/commands/seed.py
    """),
    tree("""
        === Dockerfile
        FROM python:3.12-slim
        COPY . .
        RUN pip install .
        CMD ["shop-manage", "prestart", "&&", "gunicorn", "shop.wsgi"]
        === pyproject.toml
        [project]
        name = "shop"
        [project.scripts]
        shop-manage = "shop.manage:main"
        === shop/__init__.py
        === shop/manage.py
        def main(): ...
        === shop/wsgi.py
        application = 1
        === shop/management/commands/pre_start.py
    """),
]
GOOD = [
    tree("""
        === Makefile
        seed:
        \tpython manage.py seed && python manage.py migrate && python manage.py compress && python manage.py $(DO)
        === manage.py
        === shop/management/commands/seed.py
        === shop/jobs.py
        from django.core.management import call_command
        call_command("seed")
    """),
]
