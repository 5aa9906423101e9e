"""What sources define by their text alone, and what they lose between two versions of it."""

from __future__ import annotations

import pytest
from sophia_preflight.interfaces.defining import defined, lost


@pytest.mark.parametrize(
    ("path", "text", "options"),
    [
        ("a.py", "add_argument('-s', \"--shelf-name\")", {"s", "shelf-name"}),
        ("a.py", "option('--dry-run/--no-dry-run')", {"dry-run", "no-dry-run"}),
        ("a.py", "# '--shelf'\nx = 1", set()),
        ("a.py", "'''use '--shelf' '''", set()),
        (
            "a.py",
            "import typer\ndef put(\n    shelf_name: str = typer.Option('a'),\n    row: t.Annotated[\n",
            {"shelf-name", "row"},
        ),
        ("a.py", "def put(shelf_name: str = 'a'): ...", set()),
        (
            "a.sh",
            "while getopts 's:r' o; do\ncase $o in\n  --shelf|-S) ;;\n  --row=*) ;;\nesac\n",
            {"s", "r", "shelf", "S", "row"},
        ),
        ("a.sh", "getopt --long shelf:,row -- $@", {"long", "shelf", "row"} - {"long"}),
        ("a.sh", '[ "$1" = --shelf ]', {"shelf"}),
        ("a.go", 'flag.String("shelf", "", "which one it is")', {"shelf"}),
        ("a.rs", "struct Put {\n    #[arg(long)]\n    shelf_name: String,\n}", {"shelf-name"}),
        ("a.ts", 'program.option("--shelf <name>")', {"shelf"}),
    ],
)
def test_options_of_a_source(path: str, text: str, options: set[str]) -> None:
    assert set(defined(path, text).options) == options


def test_commands_and_choices_are_words() -> None:
    there = defined("a.py", "sub.add_parser('put-back')\nx = ['fast', 'slow']\ndef take_out(): ...")
    assert {"put-back", "fast", "slow"} <= there.words
    assert there.commands == {"put-back", "take-out"}


def test_what_a_source_lost() -> None:
    before = "import click\n@click.command()\n@click.option('--shelf')\ndef put(): ...\n"
    now = "import click\n@click.command()\n@click.option('--row')\ndef put(): ...\n"
    assert [(each.name, each.option, each.commands) for each in lost("a.py", before, now)] == [
        ("shelf", True, frozenset())
    ]
    assert list(lost("a.py", before, before + "# more\n")) == []


def test_what_one_command_lost_and_another_has() -> None:
    text = "p = s.add_parser('get')\np.add_argument('--name')\nq = s.add_parser('put')\nq.add_argument('--{}')\n"
    found = list(lost("a.py", text.format("name"), text.format("title")))
    assert [(each.name, each.commands) for each in found] == [("name", frozenset({"put"}))]


def test_options_that_move_from_one_way_to_write_them_to_another_are_not_lost() -> None:
    before = "@cliutils.args('--skip-list', dest='skip_list')\ndef put(skip_list=None): ...\nargs('--skip-list')\n"
    now = "import typer\ndef put(\n    skip_list: t.Annotated[\n        str, typer.Option()\n    ]): ...\n"
    assert [each.name for each in lost("a.py", before, now) if each.option] == []


def test_a_long_line_takes_no_longer_than_its_length() -> None:
    assert defined("a.sh", "x " * 50_000).options == frozenset()
    assert defined("a.py", "a-b_" * 50_000).options == frozenset()
