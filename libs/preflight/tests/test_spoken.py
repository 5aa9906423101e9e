"""Programs in Python whose parsers nobody can read: what they speak of decides which options they refuse."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sophia_preflight import engine
from sophia_preflight.examples import tree

PROGRAM = """
=== pyproject.toml
[project]
name = "shop"
[project.scripts]
shop = "shop:main"
=== shop/__init__.py
from shop.core import main
=== shop/core.py
from shop.arguments import Arguments


def main():
    Arguments().read()
=== shop/arguments.py
import argparse

TABLE = [("--shelf", "where"), ("--keep-open", "whether")]


class Arguments:
    def read(self):
        parser = argparse.ArgumentParser()
        for name, text in TABLE:
            self.put(parser, name, text)
        return parser.parse_args()

    def put(self, parser, *words):
        parser.add_argument(*words)
"""
CALL = "=== run.sh\nshop --shelf 3 --keep_open --she 4\nshop --cupboard 3\n"


def said(place: Path, text: str) -> list[str]:
    for path, content in tree(text).items():
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_text(content)
    found = engine.check(place).blocking
    return [each.message.partition("take: ")[2] for each in found if each.rule == "unknown-argument"]


def test_an_option_that_stands_nowhere_in_a_program_is_refused(tmp_path: Path) -> None:
    assert said(tmp_path, PROGRAM + CALL) == ["it does not accept `--cupboard`"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("parser.parse_args()", "parser.parse_known_args()"),
        ("self.put(parser, name, text)", 'self.put(parser, "--" + name)'),
        ("import argparse", "import argparse\nfrom others import add_more"),
        ("import argparse", "import argparse, sys\nfor word in sys.argv: pass"),
        ("return parser.parse_args()", "known, others = parser.parse_known_args()\n        return known"),
        ("argparse.ArgumentParser()", "others.ArgumentParser()"),
        ("import argparse", "import argparse\nimport fire"),
    ],
)
def test_where_more_may_be_accepted_nothing_is_said(old: str, new: str, tmp_path: Path) -> None:
    source = PROGRAM.replace(old, new)
    if "add_more" in new:
        source = source.replace("return parser", "add_more(parser)\n        return parser")
    assert said(tmp_path, source + CALL) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("return parser", "parser.parse_known_args()\n        return parser"),
        ("return parser", "first, others = parser.parse_known_args()\n        return parser"),
        (
            "return parser.parse_args()",
            "first, others = parser.parse_known_args()\n        error(f'unknown option {others}')",
        ),
        ("import argparse", "import argparse, sys\nif sys.argv[1] == 'x' or 'y' in sys.argv: pass"),
        (
            "import argparse",
            'import argparse\n\n\ndef read():\n    """Reads `sys.argv`, as\n    other programs do."""\n',
        ),
        (
            "return parser",
            "from shop.more import fill as fill_parser\n        fill_parser(parser)\n        return parser",
        ),
    ],
)
def test_what_is_looked_at_before_is_refused_all_the_same(old: str, new: str, tmp_path: Path) -> None:
    source = PROGRAM.replace(old, new) + "=== shop/more.py\ndef fill(parser):\n    pass\n"
    assert said(tmp_path, source + CALL) == ["it does not accept `--cupboard`"]


COMMANDS = PROGRAM.replace("return parser", "commands = parser.add_subparsers()\n        {}\n        return parser")


def test_only_the_command_that_takes_anything_takes_what_is_not_known(tmp_path: Path) -> None:
    adding = (
        'commands.add_parser("list")\n        commands.add_parser("run").add_argument("rest", nargs=argparse.REMAINDER)'
    )
    calls = "=== run.sh\nshop run --cupboard 3\nshop list --cupboard 3\nshop list other --cupboard 3\n"
    assert said(tmp_path, COMMANDS.format(adding) + calls) == ["it does not accept `--cupboard`"]


def test_a_name_with_a_part_that_is_computed_may_be_any_that_looks_like_it(tmp_path: Path) -> None:
    source = PROGRAM.replace("self.put(parser, name, text)", 'self.put(parser, f"--{name}-limit", text)')
    calls = "=== run.sh\nshop --shelf-limit 3\nshop --shelf-border 3\n"
    assert said(tmp_path, source + calls) == ["it does not accept `--shelf-border`"]


def test_a_program_of_an_older_python_is_read_too(tmp_path: Path) -> None:
    program = """
=== tools/count.py
#!/usr/bin/env python2
from optparse import OptionParser
parser = OptionParser()
parser.add_option("-f", "--fast", action="store_true")
print "counting", parser.parse_args()
=== Makefile
count:
\tpython2 tools/count.py --fast
\tpython2 tools/count.py --slow
"""
    assert said(tmp_path, program) == ["it does not accept `--slow`"]


def test_a_file_that_a_project_installs_as_it_is_goes_by_its_name(tmp_path: Path) -> None:
    project = """
=== setup.py
from setuptools import setup
setup(name="count", scripts=["bin/count-all", "bin/other"])
=== bin/count-all
#!/usr/bin/env python3
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--fast", action="store_true")
parser.parse_args()
=== README.md
```sh
count-all --fast
count-all --slow
```
"""
    assert said(tmp_path, project) == ["it does not accept `--slow`"]


FOUND = """
=== pyproject.toml
[project]
name = "shop"
[project.scripts]
shop = "shop.cli:main"
=== shop/__init__.py
=== shop/cli.py
import argparse
import pkgutil
from shop import commands


def main():
    parser = argparse.ArgumentParser()
    subparsers = parser.add_subparsers()
    for each in pkgutil.iter_modules(commands.__path__):
        subparsers.add_parser(each.name)
    parser.parse_args()
=== shop/commands/__init__.py
=== shop/commands/buy_cmd.py
=== shop/commands/sell.py
class CountItemsCommand:
    pass
=== run.sh
shop buy
shop sell
shop count-items
shop %s
"""


def test_a_command_that_is_found_while_a_program_runs(blocking: Callable[[str], list[str]]) -> None:
    assert not blocking(FOUND % "buy")
    assert len(blocking(FOUND % "ship")) == 1


DISPATCHED = """
=== tasks.just
=== Makefile
build:
\tpython make.py build
test:
\tpython make.py run-tests
lint:
\tpython make.py lint
image:
\tpython make.py %s
=== make.py
import sys


class Actions:
    def build(self): ...
    def run_tests(self): ...
    def lint(self): ...
    def image(self): ...


if __name__ == "__main__":
    getattr(Actions(), sys.argv[1].replace("-", "_"))()
"""


def test_a_first_word_of_which_the_source_does_not_speak_as_it_does_of_the_others(
    blocking: Callable[[str], list[str]],
) -> None:
    assert not blocking(DISPATCHED % "image")
    found = blocking(DISPATCHED % "images")
    assert len(found) == 1 and "does not speak of `images`" in found[0]
    assert not blocking((DISPATCHED % "images").replace("run-tests", "build").replace("lint", "build"))
