"""`manage.py NAME`: a command that no application has, where one of a like name is there."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches

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
_CALLED = re.compile(r"\bcall_command\(\s*[\"'](\w+)[\"']")
_BUILT_IN = named(
    "check compilemessages createcachetable dbshell diffsettings dumpdata flush inspectdb loaddata makemessages "
    "makemigrations migrate optimizemigration runserver sendtestemail shell showmigrations sqlflush sqlmigrate "
    "sqlsequencereset squashmigrations startapp startproject test testserver version help changepassword "
    "createsuperuser clearsessions remove_stale_contenttypes collectstatic findstatic ogrinspect"
)


_BROUGHT = named(
    "rqworker rqscheduler rqenqueue rqresume rqsuspend rqstats shell_plus runserver_plus runscript reset_db "
    "graph_models show_urls drop_test_database sqldiff runjob runjobs rebuild_index update_index clear_index "
    "build_solr_schema compress qcluster qmonitor qinfo migrate_schemas create_tenant create_tenant_superuser "
    "spectacular generateschema drf_create_token createinitialrevisions deleterevisions axes_reset "
    "clean_duplicate_history populate_history send_queued_mail cleanup_mail process_tasks publish_scheduled "
    "publish_scheduled_pages fixtree purge_revisions wagtail_update_index wagtail_update_image_renditions "
    "rebuild_references_index tailwind thumbnail generateimages db_worker procrastinate health_check behave "
    "silk_clear_request_log runworker runapscheduler crontab installtasks dbbackup dbrestore mediabackup "
    "mediarestore update_permissions celery celeryd celerybeat celerycam syncdb schemamigration datamigration "
    "test_coverage export_import cms waffle_flag waffle_switch dump_object cities update_translation_fields "
    "sync_translation_fields makesuperuser oscar_populate_countries update_geoip clean_pyc"
)
"""Commands of well-known applications."""
_GENERAL = re.compile(
    r"(create|update|delete|remove|import|export|generate|process|cleanup|manage|refresh|rebuild|install|migrate|"
    r"django|database|command|populate|initial|default|server|collect|message|static)"
)
"""How words begin that say nothing of what a command is about."""


@dataclass(frozen=True)
class _Run:
    name: Word
    place: Place
    owner: str
    severity: Severity
    blocks: str


def check(context: Context) -> Iterable[Finding]:
    own = {name: paths[0] for name, paths in context.management.commands.items()}
    if not own:
        return
    for run in (*_typed(context), *_called(context)):
        name = run.name.value
        if name in own or name in _BUILT_IN | _BROUGHT:
            continue
        near = get_close_matches(name, sorted(own), n=1) or [each for each in sorted(own) if _alike(name, each)]
        if not near:
            near = [each for each in sorted(own) if _is_about(name, each)]
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
    few, more = sorted((re.split("[-_]", one), re.split("[-_]", other)), key=len)
    return len(few) < len(more) and few in (more[: len(few)], more[-len(few) :])


def _is_about(one: str, other: str) -> bool:
    """Whether both names have a word of the same stem, and one that says something: `scheduler`, `schedule`."""
    return any(
        _shared(word, like) >= max(6, len(word) - 3, len(like) - 3) and not _GENERAL.match(word)
        for word in re.split("[-_]", one)
        for like in re.split("[-_]", other)
    )


def _shared(one: str, other: str) -> int:
    """How many letters two words have in common from their beginnings on."""
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _typed(context: Context) -> Iterator[_Run]:
    for call in context.typed:
        words = context.management.words(call)
        if words and words[0].known and re.fullmatch(r"[a-z][\w-]*", words[0].value):
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
        === compose.yaml
        services:
          web: {build: .}
          scheduler:
            build: .
            command: wait-for-it web:8000 -- python ./manage.py run_scheduler
        === Dockerfile
        FROM python:3.13-slim
        COPY . .
        === manage.py
        === shop/management/commands/schedule_jobs.py
    """),
    tree("""
        === pyproject.toml
        [project]
        name = "shop"
        [project.scripts]
        shop = "shop:main"
        === shop/__init__.py
        import sys
        def main():
            from django.core.management import execute_from_command_line
            execute_from_command_line(sys.argv)
        === shop/management/commands/load-prices.py
        === README.md
        ```bash
        shop load-price
        ```
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
        work:
        \tpython manage.py rqscheduler && python manage.py update_prices && python manage.py load-all
        === manage.py
        === shop/management/commands/schedule_all.py
        === shop/management/commands/refreshed.py
        === shop/management/commands/load-all.py
    """),
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
