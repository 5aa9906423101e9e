"""Options of programs whose grammar nobody here knows: named in the source, or renamed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

Blocking = Callable[[str], list[str]]
PROGRAM = """
    === Makefile.am
    bin_PROGRAMS = till
    === src/till.c
    static const struct opt options[] = {
        { "shelf-count", 1 }, { "opening-hours", 1 }, { "closing", 0 },
        { "with-receipts", 0 }, { "port", 1 }, { "listen-on", 1 },
    };
"""
SCRIPT = """
    === pyproject.toml
    [project]
    name = "shop"
    [project.scripts]
    shop = "shop.cli:run"
    === shop/__init__.py
    === shop/cli.py
    from others import Flag, app


    class Serve:
        shelf_count: int = Flag("how many")
        opening_hours: str = Flag("when")
        closing: bool = Flag("no more")
        with_receipts: bool = Flag("printed")


    def run():
        app.main(Serve)
"""


@pytest.mark.parametrize(("base", "name"), [(PROGRAM, "till"), (SCRIPT, "shop")])
@pytest.mark.parametrize(
    ("line", "count"),
    [
        ("--shelf-count 3 --opening-hours 8 --closing --print-receipts", 1),
        ("--shelf-count 3 --opening-hours 8 --closing --with-receipts", 0),
        ("--shelf-count 3 --opening-hours 8 --closing --no-closing", 0),
        ("--one 3 --two 8 --closing --print-receipts", 0),
        ("--shelf-count 3 --print-receipts", 0),
    ],
)
def test_an_option_that_the_source_does_not_speak_of(
    base: str, name: str, line: str, count: int, blocking: Blocking
) -> None:
    found = blocking(f"{base}    === start.sh\n    {name} {line}\n")
    assert len(found) == count and all("--print-receipts" in each for each in found)


def test_what_only_a_comment_speaks_of_is_not_there(blocking: Blocking) -> None:
    words = "--shelf-count 3 --opening-hours 8 --closing --print-receipts"
    assert blocking(f"{PROGRAM}    /* once print-receipts */\n    === start.sh\n    till {words}\n")
    assert not blocking(f'{PROGRAM}    char *a = "print-receipts";\n    === start.sh\n    till {words}\n')


@pytest.mark.parametrize("line", ['name = "print" + "-receipts" + "long-ones"', 'add(f"--{name}")', 'add("--" + name)'])
def test_names_that_are_put_together_may_be_any(line: str, blocking: Blocking) -> None:
    words = "--shelf-count 3 --opening-hours 8 --closing --print-long-ones"
    assert not blocking(f"{SCRIPT}        {line}\n    === start.sh\n    shop {words}\n")
