"""Calls against interfaces: what argparse, click, typer and shell scripts refuse, and what they let through."""

from __future__ import annotations

import ast
from textwrap import dedent

import pytest
from sophia_preflight.interfaces import python, shell
from sophia_preflight.interfaces.model import Interface, Problem, mismatches
from sophia_preflight.readers.shell import parse
from sophia_preflight.text import MANY, UNKNOWN, Word

ARGPARSE = """
    import argparse
    def main():
        parser = argparse.ArgumentParser()
        parser.add_argument("--verbose", "-v", action="count")
        group = parser.add_mutually_exclusive_group()
        group.add_argument("--fast", action="store_true")
        group.add_argument("--slow", action="store_true")
        commands = parser.add_subparsers(dest="command", required=True)
        deploy = commands.add_parser("deploy", aliases=["up"])
        deploy.add_argument("where", choices=["staging", "production"])
        deploy.add_argument("--count", type=int)
        deploy.add_argument("--tag", required=True)
        parser.parse_args()
    if __name__ == "__main__":
        main()
"""


def of_python(text: str) -> Interface:
    text = dedent(text)
    tree = ast.parse(text)
    return python.interface_of(tree, text, list(ast.walk(tree)))


def problems(interface: Interface, line: str) -> set[Problem]:
    words = [Word({"?": UNKNOWN, "*": MANY}.get(word, word)) for word in line.split()]
    return {each.problem for each in mismatches(interface, words)}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("-vv up staging --tag 1", set()),
        ("deploy production --tag=1 --count 3", set()),
        ("deploy ? --tag ?", set()),
        ("deploy *", set()),
        ("--verb deploy staging --tag 1", set()),
        ("deploy staging --tag 1 --target x", {Problem.UNKNOWN}),
        ("deploy --target staging --tag 1", {Problem.UNKNOWN}),
        ("deploy --target=x --tag 1", {Problem.UNKNOWN, Problem.MISSING}),
        ("deploy staging --tga 1", {Problem.UNKNOWN}),
        ("deploy staging production --tag 1 --target x", {Problem.UNKNOWN, Problem.EXTRA}),
        ("--target x deploy staging", {Problem.UNKNOWN, Problem.MISSING}),
        ("--target x", {Problem.UNKNOWN}),
        ("deploy staging", {Problem.MISSING}),
        ("deploy canary --tag 1", {Problem.CHOICE}),
        ("destroy", {Problem.CHOICE}),
        ("deploy staging --tag 1 --count many", {Problem.CHOICE}),
        ("--fast --slow deploy staging --tag 1", {Problem.EXTRA}),
        ("", {Problem.MISSING}),
        ("--help", set()),
    ],
)
def test_argparse(line: str, expected: set[Problem]) -> None:
    assert problems(of_python(ARGPARSE), line) == expected


def test_what_the_source_computes_refuses_nothing() -> None:
    interface = of_python("""
        import argparse
        from elsewhere import more, names
        if __name__ == "__main__":
            parser = argparse.ArgumentParser()
            parser.add_argument("--to", choices=names())
            more(parser)
            parser.parse_args()
    """)
    assert problems(interface, "--to anything --else x y") == set()


def test_a_program_that_looks_at_its_arguments_before_its_parser_refuses_nothing() -> None:
    text = dedent(ARGPARSE).replace(
        "    parser.parse_args()", '    if "--list" in sys.argv: return\n    parser.parse_args()'
    )
    assert problems(of_python(text), "--list") == set()
    assert problems(of_python(ARGPARSE), "--list") == {Problem.UNKNOWN, Problem.MISSING}


def test_click_groups_and_typer_applications() -> None:
    click = of_python("""
        import click
        @click.group()
        @click.option("--debug/--no-debug")
        def cli(debug): ...
        @cli.command("build-all")
        @click.argument("names", nargs=-1)
        def build(names): ...
        if __name__ == "__main__":
            cli()
    """)
    assert problems(click, "--no-debug build-all a b") == set()
    assert problems(click, "build") == {Problem.CHOICE}
    typer = of_python("""
        import typer
        def main(name: str, count: int = 1, dry_run: bool = False): ...
        if __name__ == "__main__":
            typer.run(main)
    """)
    assert problems(typer, "x --count 2 --no-dry-run") == set()
    assert problems(typer, "x --counts") == {Problem.UNKNOWN}


def test_parameters_of_typer_may_be_spelled_with_names_for_their_types() -> None:
    typer = of_python("""
        import typer
        from typing import Annotated
        from shop.types import Unknown

        app = typer.Typer()
        Stacks = Annotated[list[str] | None, typer.Argument()]
        All = Annotated[bool, typer.Option("--all", "-a")]

        @app.command()
        def up(stacks: Stacks = None, every: All = False): ...

        @app.command()
        def down(which: Unknown = None): ...

        if __name__ == "__main__":
            app()
    """)
    assert problems(typer, "up one two --all") == set()
    assert problems(typer, "up --every") == {Problem.UNKNOWN}
    assert problems(typer, "down one --which") == set()


@pytest.mark.parametrize(
    ("made", "told"), [("cls=Group", ""), ("", "cls=Group"), ("", "context_settings={'ignore_unknown_options': True}")]
)
def test_a_typer_application_with_a_class_of_its_own_refuses_nothing(made: str, told: str) -> None:
    source = """
        import typer
        app = typer.Typer({made})
        @app.callback({told})
        def main(): ...
        @app.command()
        def one(): ...
        @app.command()
        def two(): ...
        if __name__ == "__main__":
            app()
    """
    assert problems(of_python(source.format(made=made, told=told)), "three --all") == set()
    plain = source.format(made="context_settings={'help_option_names': ['-h']}", told="")
    assert problems(of_python(plain), "three") == {Problem.CHOICE}


def test_a_script_that_reads_nothing_ignores_its_arguments() -> None:
    interface = of_python("def main(): ...\nif __name__ == '__main__':\n    main()\n")
    assert problems(interface, "--x") == {Problem.IGNORED}
    assert of_python("from a.cli import main\nif __name__ == '__main__':\n    main()\n").kind == "unknown"


def test_shell_scripts_that_refuse_what_they_do_not_know() -> None:
    text = 'while [ $# -gt 0 ]; do case "$1" in -f|--fast) F=1; shift;; --to) T="$2"; shift 2;; *) exit 1;; esac; done'
    loop = shell.interface_of(parse(text), text)
    assert problems(loop, "--fast --to x -f") == set()
    assert problems(loop, "--slow") == {Problem.UNKNOWN}
    text = "while getopts 'e:h' o; do case $o in e) E=$OPTARG;; h) exit 0;; *) exit 1;; esac; done"
    letters = shell.interface_of(parse(text), text)
    assert problems(letters, "-e production") == set()
    assert problems(letters, "--env production") == {Problem.UNKNOWN}


def test_options_that_loops_add_are_known_as_far_as_the_loop_is_written_down() -> None:
    written = of_python("""
        import argparse
        COMMON = {"--fast": {"action": "store_true"}}
        def add_up(commands):
            commands.add_parser("up").add_argument("--to")
        parser = argparse.ArgumentParser()
        for name, settings in COMMON.items():
            parser.add_argument(name, **settings)
        for name, text in [("--one", "a"), ("--two", "b")]:
            parser.add_argument(name, help=text)
        commands = parser.add_subparsers()
        for add in (add_up,):
            add(commands)
        parser.parse_args()
    """)
    assert problems(written, "--fast --two x up --to y") == set()
    assert problems(written, "--three x") == {Problem.UNKNOWN}
    assert problems(written, "down") == {Problem.CHOICE}
    unknown = of_python("""
        import argparse
        import elsewhere
        name = "known"
        parser = argparse.ArgumentParser()
        for name in elsewhere.NAMES:
            parser.add_argument("--" + name)
        for name in elsewhere.NAMES:
            parser.add_argument(f"--{name}")
        parser.parse_args()
    """)
    assert problems(unknown, "--any 1") == set()


def test_a_parser_that_takes_all_that_remains_refuses_nothing() -> None:
    source = """
        import argparse
        parser = argparse.ArgumentParser()
        parser.add_argument("command", choices=["one", "two"])
        parser.add_argument("rest", nargs={rest})
        parser.parse_args()
    """
    for rest in ("argparse.REMAINDER", "'...'"):
        assert problems(of_python(source.format(rest=rest)), "one --set a=b") == set()
    assert problems(of_python(source.format(rest="'*'")), "one --set") == {Problem.UNKNOWN}


def test_a_parser_class_of_ones_own_that_only_speaks_differently_is_as_strict() -> None:
    source = """
        import argparse
        class Parser(argparse.ArgumentParser):
            def {method}(self, *given): ...
        parser = Parser()
        parser.add_argument("--one")
        parser.parse_args()
    """
    assert problems(of_python(source.format(method="error")), "--two") == {Problem.UNKNOWN}
    assert problems(of_python(source.format(method="add_argument")), "--two") == set()


def test_a_program_that_leaves_for_a_count_of_words_needs_that_many() -> None:
    source = """
        import sys
        def main():
            if len(sys.argv) {test}:
                print("usage")
                {leave}
            print(sys.argv[1])
        if __name__ == "__main__":
            sys.exit(main())
    """
    exact = of_python(source.format(test="!= 3", leave="return 2"))
    assert problems(exact, "one") == {Problem.MISSING}
    assert problems(exact, "one two") == set()
    assert problems(exact, "one two three") == {Problem.EXTRA}
    assert problems(of_python(source.format(test="< 2", leave="sys.exit(1)")), "") == {Problem.MISSING}
    assert problems(of_python(source.format(test="< 2", leave="sys.exit(0)")), "") == set()
    assert problems(of_python(source.format(test="< 2", leave="sys.argv.append('x')")), "") == set()


WORDED = """
    import sys
    COMMANDS = {{"start": print, "stop": print}}
    if __name__ == "__main__":
        {first}
        {asks}
"""


@pytest.mark.parametrize(
    ("first", "asks"),
    [
        ("word = sys.argv[1]", 'if word == "start": pass\n        elif word in ("stop", "halt"): pass\n        LEAVES'),
        ("pass", 'if sys.argv[1] == "start" or sys.argv[1] == "stop": pass\n        LEAVES'),
        ("words = sys.argv[1:]", "if words[0] not in COMMANDS: sys.exit(1)"),
        ("word = sys.argv[1].lower()", "if word not in COMMANDS:\n            raise ValueError(word)"),
        ("pass", 'match sys.argv[1]:\n            case "start" | "stop": pass\n            case _: sys.exit(2)'),
    ],
)
def test_a_program_that_leaves_for_other_first_words_takes_these(first: str, asks: str) -> None:
    asks = asks.replace("LEAVES", "else: sys.exit('no such command')")
    worded = of_python(WORDED.format(first=first, asks=asks))
    assert problems(worded, "stop --now 3") == set()
    assert problems(worded, "stopp") == {Problem.CHOICE}


@pytest.mark.parametrize(
    "asks",
    [
        'if sys.argv[1] == "start": pass\n        else: print(sys.argv[1])',
        'if sys.argv[1] == "start": pass\n        elif other: pass\n        else: sys.exit(1)',
        'if sys.argv[1].startswith("s"): pass\n        else: sys.exit(1)',
        "if sys.argv[1] not in known(): sys.exit(1)",
        'match sys.argv[1]:\n            case "start": pass\n            case other: print(other)',
    ],
)
def test_a_program_that_goes_on_with_other_first_words_takes_any(asks: str) -> None:
    assert problems(of_python(WORDED.format(first="pass", asks=asks)), "stopp") == set()


def test_programs_that_use_smaller_libraries() -> None:
    letters = of_python("""
        import getopt, sys
        options, rest = getopt.getopt(sys.argv[1:], "ho:", ["help", "output="])
    """)
    assert problems(letters, "-o x --output=y z") == set()
    assert problems(letters, "--input y") == {Problem.UNKNOWN}
    text = of_python('''
        """Usage: tool run [--fast] <name>"""
        from docopt import docopt
        if __name__ == "__main__":
            docopt(__doc__)
    ''')
    assert problems(text, "run --fast x") == set()
    assert problems(text, "run --slow x") == {Problem.UNKNOWN}
    function = of_python("""
        import fire
        def run(name, dry_run=False): ...
        if __name__ == "__main__":
            fire.Fire(run)
    """)
    assert problems(function, "--name x --dry-run --nodry_run -n y") == set()
    assert problems(function, "--names x") == {Problem.UNKNOWN}


@pytest.mark.parametrize(
    ("script", "right", "wrong"),
    [
        ('ARCH=$1\ncase "$ARCH" in\n  a|b) ;;\n  *) exit 1 ;;\nesac', "a", "c"),
        (
            'MODE="${1:-a}"\nif [ "$MODE" = a ]; then\n  x\nelif [[ "$MODE" == b ]]; then\n  y\nelse\n  exit 1\nfi',
            "b",
            "c",
        ),
        ('if [ "$1" = a -o "$1" = b ]; then\n  x\nelse\n  echo usage; exit 2\nfi', "a", "c"),
        ('main() {\n  case "$1" in\n    a) ;;\n    *) exit 1 ;;\n  esac\n}\nmain "$@"', "a", "c"),
    ],
)
def test_the_first_word_of_a_script_may_be_one_of_few(script: str, right: str, wrong: str) -> None:
    interface = shell.interface_of(parse(script), script)
    assert problems(interface, right) == set()
    assert problems(interface, wrong) == {Problem.CHOICE}


@pytest.mark.parametrize(
    "script",
    [
        'ARCH=$1\nARCH=$(uname -m)\ncase "$ARCH" in\n  a) ;;\n  *) exit 1 ;;\nesac',
        'shift\nARCH=$1\ncase "$ARCH" in\n  a) ;;\n  *) exit 1 ;;\nesac',
        'say() {\n  case "$1" in\n    a) ;;\n    *) exit 1 ;;\n  esac\n}\nsay a\necho "$2"',
        'if [ "$1" = a ]; then\n  x\nelse\n  echo other\nfi',
        'if [ "$1" = a ]; then\n  x\nelif [ "$2" = b ]; then\n  y\nelse\n  exit 1\nfi',
        'if [ "$1" = a ]; then\n  x\nelif test -f y; then\n  y\nelse\n  exit 1\nfi',
    ],
)
def test_a_first_word_that_others_may_take_the_place_of_is_no_choice(script: str) -> None:
    interface = shell.interface_of(parse(script), script)
    assert problems(interface, "c") == set()


_GETOPTS = 'while getopts "d:" o; do case $o in d) ROOT=$OPTARG ;; *) exit 1 ;; esac; done\n'


@pytest.mark.parametrize(
    ("script", "right", "wrong", "what"),
    [
        (
            f'ROOT=""\n{_GETOPTS}if [ -z "$ROOT" ]; then\n  exit 1\nfi\n',
            "-d a",
            "a",
            Problem.MISSING,
        ),
        (
            f'{_GETOPTS}[ ! -d "$ROOT" ] && exit 1\nROOT=$(pwd)',
            "-d a",
            "a",
            Problem.EXTRA,
        ),
        ('set -euo pipefail\nONE="$1"\nTWO="${2}"\necho "${3:-}"\n', "a b", "a", Problem.MISSING),
        ('#!/bin/sh -eu\ncp "$1" "$2"\n', "a b", "a", Problem.MISSING),
    ],
)
def test_a_script_may_end_without_one_of_its_words(script: str, right: str, wrong: str, what: Problem) -> None:
    interface = shell.interface_of(parse(script), script)
    assert problems(interface, right) == set()
    assert problems(interface, wrong) == {what}


@pytest.mark.parametrize(
    "script",
    [
        f'{_GETOPTS}[ -d "$ROOT" ] || ROOT=.\n',
        f'ROOT=.\n{_GETOPTS}[ -d "$ROOT" ] || exit 1\n',
        f'{_GETOPTS}shift $((OPTIND - 1))\n[ -d "$ROOT" ] || exit 1\n',
        'set -e\nONE="$1"\nTWO="$2"\n',
        'set -eu\nif [ $# -eq 1 ]; then\n  make\n  exit 0\nfi\nONE="$1"\nTWO="$2"\n',
        "set -eu\nset -- one two\ncp $1 $2\n",
    ],
)
def test_a_script_that_goes_on_without_a_word_does_not_need_it(script: str) -> None:
    interface = shell.interface_of(parse(script), script)
    assert problems(interface, "a") == set()
