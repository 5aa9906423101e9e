"""Commands that a framework runs for a project: Django's management commands, tasks of invoke, commands of Flask."""

from __future__ import annotations

from pathlib import Path

import pytest
from sophia_preflight import engine
from sophia_preflight.examples import tree

DJANGO = """
=== manage.py
import sys
from django.core.management import execute_from_command_line
execute_from_command_line(sys.argv)
=== pyproject.toml
[project]
name = "shop"
[project.scripts]
shop = "shop:main"
shop-once = "shop:once"
=== shop/__init__.py
import sys


def main():
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


def once():
    from django.core.management import execute_from_command_line

    sys.argv.insert(1, "refill")
    execute_from_command_line(sys.argv)
=== shop/settings.py
=== shop/management/__init__.py
=== shop/management/commands/__init__.py
from django.core.management.base import BaseCommand


class Shelved:
    def add_arguments(self, parser):
        super().add_arguments(parser)
        parser.add_argument("--shelf", required=True)


class ShopCommand(BaseCommand):
    def add_arguments(self, parser):
        parser.add_argument("--price", type=int)
=== shop/management/commands/refill.py
from django.core.management.base import CommandError

from shop.management.commands import Shelved, ShopCommand


class Command(Shelved, ShopCommand):
    def add_arguments(self, parser):
        super().add_arguments(parser)
        parser.add_argument("names", nargs="*")
        group = parser.add_mutually_exclusive_group()
        group.add_argument("--fast", action="store_true")
=== shop/management/commands/sync-prices.py
from django.core.management import BaseCommand


class Command(BaseCommand):
    def handle(self, *args, **options): ...
=== shop/management/commands/brought.py
from others.management import TheirCommand


class Command(TheirCommand):
    def add_arguments(self, parser):
        super().add_arguments(parser)
=== shop/management/commands/serve.py
from django.core.management.commands.runserver import Command as Server


class Command(Server):
    def add_arguments(self, parser):
        super().add_arguments(parser)
=== shop/management/commands/old.py
from django.core.management.base import BaseCommand
from optparse import make_option


class Command(BaseCommand):
    option_list = BaseCommand.option_list + (make_option("--other"),)
=== run.sh
"""
INVOKE = """
=== tasks.py
from invoke import task


@task
def build(context, target_name="all", clean=False): ...


@task(name="push", aliases=["send"], help={"to": "where"})
def push_it(c, to): ...


@task
def wild(c, **more): ...
=== pyproject.toml
[project]
name = "shop"
[project.scripts]
shop = "shop.command:program.run"
=== shop/__init__.py
=== shop/command.py
from invoke import Collection, Program
from shop import tasks
program = Program(namespace=Collection.from_module(tasks))
=== shop/tasks.py
from invoke import task


@task
def create_settings(c, db_path=None): ...
=== run.sh
"""


def said(place: Path, text: str) -> list[str]:
    for path, content in tree(text).items():
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_text(content)
    found = engine.check(place).blocking
    return [each.message.rpartition(": ")[2] for each in found]


@pytest.mark.parametrize(
    "line",
    [
        "python manage.py refill --shelf 3 --price 4 --fast one two -v 2 --settings shop.settings",
        "./manage.py sync-prices --no-color --verbosity=0",
        "shop refill --she 3",
        "shop-once --shelf 3 --all",
        "python manage.py brought --anything",
        "python manage.py serve 0.0.0.0:8000 --anything",
        "python manage.py old --other",
        "python manage.py migrate --noinput && python manage.py collectstatic --no-input -v 0",
        "python manage.py theirs --anything",
    ],
)
def test_what_management_commands_take(line: str, tmp_path: Path) -> None:
    assert said(tmp_path, DJANGO + line) == []


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("python manage.py refill --shelf 3 --cost 4", "it does not accept `--cost`"),
        ("python manage.py refill --price 4", "it needs `--shelf`"),
        ("python manage.py refill --shelf 3 --price much", "`--price` takes a number, not `much`"),
        ("django-admin sync-prices --all", "it does not accept `--all`"),
        ("python -m django sync-prices all", "it has no place for `all`"),
        ("pip install .\nshop refill --shelf 3 --slow", "it does not accept `--slow`"),
        ("python manage.py migrate --noinput --fakeit", "it does not accept `--fakeit`"),
        ("./manage.py collectstatic --no-inputs", "it does not accept `--no-inputs`"),
    ],
)
def test_what_management_commands_refuse(line: str, wrong: str, tmp_path: Path) -> None:
    assert said(tmp_path, DJANGO + line) == [wrong]


@pytest.mark.parametrize(
    "line",
    [
        "invoke --echo build --target-name=web --clean push --to there",
        "inv build --no-clean -t web",
        "inv send --to there",
        "inv wild --anything",
        "inv other --anything",
        "shop create-settings --db-path /tmp/db",
    ],
)
def test_what_tasks_take(line: str, tmp_path: Path) -> None:
    assert said(tmp_path, INVOKE + line) == []


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("invoke build --target web", "it does not accept `--target`"),
        ("inv -e push --from there", "it does not accept `--from`"),
        ("shop create-settings --database-path /tmp/db", "it does not accept `--database-path`"),
    ],
)
def test_what_tasks_refuse(line: str, wrong: str, tmp_path: Path) -> None:
    assert said(tmp_path, INVOKE + line) == [wrong]


CODE = """=== shop/jobs.py
from django.core import management


def run(names, **more):
    management.call_command("refill", *names, "--shelf", shelf, fast=True)
    management.call_command("refill", "--cost", 3, **more)
"""


def test_what_code_tells_a_command_counts_as_typed(tmp_path: Path) -> None:
    assert said(tmp_path, DJANGO + CODE) == ["it does not accept `--cost`"]


FLASK = """
=== shop/__init__.py
=== shop/web.py
import click
from flask import Blueprint, Flask
from flask.cli import AppGroup, with_appcontext

app = Flask(__name__)
users = AppGroup("user")
prices = Blueprint("prices", __name__)


@app.cli.command("fill")
@click.option("--limit", type=int)
@click.argument("source")
def fill_shelves(limit, source): ...


@users.command()
@click.option("--admin", is_flag=True)
@click.argument("name")
def create(admin, name): ...


@prices.cli.command("load")
@click.option("--file", required=True)
def load_prices(file): ...


@click.command("forget")
@with_appcontext
def forget(): ...


app.cli.add_command(users)
app.cli.add_command(forget)
=== run.sh
"""


@pytest.mark.parametrize(
    "line",
    [
        "flask --app shop.web fill --limit 3 erp",
        "flask -A shop.web user create --admin one",
        "flask prices load --file a.csv",
        "flask forget",
        "flask run --anything",
        "flask db upgrade",
        "flask user remove --anything",
    ],
)
def test_what_commands_of_flask_take(line: str, tmp_path: Path) -> None:
    assert said(tmp_path, FLASK + line) == []


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("flask --app shop.web fill --max 3 erp", "it does not accept `--max`"),
        ("flask fill --limit 3", "it needs `source`"),
        ("python -m flask user create --owner one", "it does not accept `--owner`"),
        ("flask prices load", "it needs `--file`"),
        ("flask forget all", "it has no place for `all`"),
    ],
)
def test_what_commands_of_flask_refuse(line: str, wrong: str, tmp_path: Path) -> None:
    assert said(tmp_path, FLASK + line) == [wrong]
