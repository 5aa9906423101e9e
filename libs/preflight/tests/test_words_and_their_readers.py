"""Words that programs take, each beside what differs little from it and is refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest

FORK = """
        === go.mod
        module shop.example/shop
        === flags/flags.go
        package flags
        type FlagSet struct{}
        func (f *FlagSet) String(name string, value string, usage string) *string { return nil }
        === command/sell.go
        package command
        import flag "shop.example/shop/flags"
        var cmdSell = &Command{UsageLine: "sell"}
        type Command struct {
            UsageLine string
            Flag flag.FlagSet
        }
        var price = cmdSell.Flag.String("price", "", "what it costs")
        === shop/shop.go
        package main
        import (
            flag "shop.example/shop/flags"
            "shop.example/shop/command"
        )
        func main() { flag.Parse(); command.Run() }
"""
TWICE = """
        === go.mod
        module shop.example/shop
        === cmd/shop/main.go
        package main
        import "github.com/spf13/pflag"
        func main() {
            first := pflag.NewFlagSet("shop", pflag.ContinueOnError)
            first.ParseErrorsAllowlist.UnknownFlags = true
            first.String("config", "", "file")
            first.Parse(os.Args[1:])
            every := pflag.NewFlagSet("shop", pflag.ExitOnError)
            every.String("price", "", "what it costs")
            every.Parse(os.Args[1:])
        }
"""
LEFT = """
        === pyproject.toml
        [project]
        name = "shop"
        [project.scripts]
        shop = "shop:main"
        === shop/__init__.py
        import argparse


        def main():
            parser = argparse.ArgumentParser()
            commands = parser.add_subparsers()
            manage = commands.add_parser("manage")
            manage.add_argument("command")
            manage.set_defaults(func=print, how="takes_more")
            sell = commands.add_parser("sell")
            sell.add_argument("--price")
            sell.set_defaults(func=print)
            args, more = parser.parse_known_args()
            if not more:
                args.func(args)
            elif "takes_more" in str(args):
                args.func(args, more)
            else:
                parser.error("unrecognized arguments: %s" % " ".join(more))
"""
WRAPS = """
        === scope.py
        import argparse
        import subprocess


        def hand_on(words):
            return subprocess.run(["python", "-m", "pytest", *words])


        def main():
            parser = argparse.ArgumentParser()
            parser.add_argument("--mode", choices=("full", "changed"))
            args, words = parser.parse_args(), tuple(open("words"))
            hand_on(words)


        if __name__ == "__main__":
            main()
"""
TYPED = """
        === pyproject.toml
        [project]
        name = "shop"
        [project.scripts]
        shop = "shop.cli:app"
        === shop/__init__.py
        === shop/cli.py
        import typer
        from typer.main import get_command
        app = typer.Typer()


        @app.command()
        def sell(price: int = 3): ...


        @app.command()
        def health(): ...


        def names():
            command = get_command(app)
            return list(command.commands) if hasattr(command, "commands") else []
        === Dockerfile
        FROM python:3.13-slim AS builder
        WORKDIR /app
        COPY . .
        RUN pip install --no-cache-dir ".[server]"
        FROM python:3.13-slim
        COPY --from=builder /usr/local/ /usr/local/
        HEALTHCHECK CMD shop %s || exit 1
        CMD ["shop", "sell"]
"""
CLICK = """
        === pyproject.toml
        [project]
        name = "shop"
        [project.scripts]
        shop = "shop.cli:shop"
        === shop/__init__.py
        === shop/cli.py
        import click
        from shelves import %s


        @click.group()
        def shop(): ...


        @shop.command()
        @click.option("--price")
        @%s
        def sell(price): ...
        === run.sh
        shop sell --cost 3
"""
BESIDE = """
        === .github/workflows/ci.yml
        on: push
        jobs:
          test:
            runs-on: ubuntu-latest
            steps:
              - uses: actions/checkout@v4
              - run: |
                  cd ..
                  bash ./shop/scripts/install.sh --%s
        === scripts/install.sh
        #!/bin/bash
        while [ $# -gt 0 ]; do
          case "$1" in
            --part) shift ;;
            *) echo "unknown: $1"; exit 1 ;;
          esac
        done
"""
SHOWN = """
        === %s
        ```bash
        python work.py --slow
        ```
        === work.py
        import argparse
        parser = argparse.ArgumentParser()
        parser.add_argument("--fast", action="store_true")
        parser.parse_args()
"""
ADDING = """
        === docs/adding.md
        Write it beside the others:
        ```python
        parser.add_argument("--%s")
        ```
        and try it:
        ```bash
        python work.py --slow
        ```
        === work.py
        import argparse
        parser = argparse.ArgumentParser()
        parser.add_argument("--fast", action="store_true")
        parser.parse_args()
"""
DISCOVERED = """
        === pyproject.toml
        [project]
        name = "shop"
        [project.scripts]
        shop = "shop.cli:main"
        === shop/__init__.py
        === shop/cli.py
        import argparse
        from shop.commands import register
        from shop import server


        def main():
            parser = argparse.ArgumentParser()
            register(parser.add_subparsers())
            known = parser.%s()
        === shop/commands.py
        from pkgutil import iter_modules


        def register(
            subparsers,
        ):
            '''Find them; ``sys.argv`` is not read.'''
            for each in iter_modules():
                subparsers.add_parser(each.name).add_argument("--price")
        === shop/server.py
        import argparse


        def serve():
            parser = argparse.ArgumentParser()
            args, more = parser.parse_known_args()
        === run.sh
        shop sell --cost 3
"""
JOB = """
        === jobs/train.yaml
        name: train
        resources:
          accelerators: A100:8
        setup: |
          set -e
          pip install -e .
        run: |
          set -e
          mpiexec --np 4 -ppn 2 -d 8 --cpu-bind core ./scripts/jobs/tune.sh -m small %s 8
          ./scripts/jobs/elsewhere.sh
        === scripts/jobs/tune.sh
        #!/bin/bash
        while getopts "m:s:" opt; do
          case $opt in
            m) MODE=$OPTARG ;;
            s) SIZE=$OPTARG ;;
            *) exit 1 ;;
          esac
        done
"""
MORE = """
        === pyproject.toml
        [project]
        name = "shop"
        [project.scripts]
        shop = "shop.cli:app"
        === shop/__init__.py
        === shop/settings.py
        MORE = {"allow_extra_args": True, "ignore_unknown_options": True}
        === shop/cli.py
        import typer
        from shop.settings import MORE
        app = typer.Typer()


        @app.command(context_settings=MORE)
        def hand(): ...


        @app.command()
        def sell(price: int = 3): ...
        === run.sh
        shop %s --cost 3
"""
SERVED = """
        === backends.yaml
        - backend: speech
          versions:
            latest:
              %s: registry.example.com/speech:1.4
          default_run_command: python -m uvicorn api.serve:app --host 0.0.0.0 --port 80
        === api/__init__.py
"""
ASSERTED = """
        === suites/smoke.yaml
        name: smoke
        assertions:
          - type: code
            command: "%s"
        === other.py
"""
PAIRS = {
    "a text that looks into what a program makes": (
        ASSERTED % r"""python -c \"import ast; ast.parse(open('made.py').read())\"""",
        ASSERTED % "python made.py --fast",
    ),
    "a page of what is to be": (SHOWN % "docs/source/design/more.md", SHOWN % "docs/source/designing/more.md"),
    "a command in an image that stands beside it": (SERVED % "image_name", SERVED % "homepage"),
    "a command that takes more by settings from elsewhere": (MORE % "hand", MORE % "sell"),
    "a job that somebody else's program runs": (JOB % "-s", JOB % "-z"),
    "an option that its page says how to add": (ADDING % "slow", ADDING % "quick"),
    "commands that are found while the program runs": (DISCOVERED % "parse_known_args", DISCOVERED % "parse_args"),
    "a page that shows how it is done, beside one of an example": (
        SHOWN % "examples/shop/notes/more.md",
        SHOWN % "docs/source/tutorials/shop/more.md",
    ),
    "a script of the checkout by the name that it has where it lies": (BESIDE % "part", BESIDE % "parts"),
    "a decorator that looks after errors": (
        CLICK % ("shop_options", "shop_options"),
        CLICK % ("handle_errors", "handle_errors"),
    ),
    "a file that hands words on which nobody knows": (
        WRAPS
        + """
        === run.sh
        python scope.py --mode changed
        """,
        WRAPS
        + """
        === run.sh
        python scope.py --mode incremental
        """,
    ),
    "a command of ours in an image that installs us with extras": (TYPED % "health", TYPED % "healthy"),
    "flags of a copy of the library": (
        FORK
        + """
        === run.sh
        shop sell -price 3
        """,
        FORK
        + """
        === run.sh
        shop sell -cost 3
        """,
    ),
    "a first set of flags that passes over what others read": (
        TWICE
        + """
        === run.sh
        shop --config a --price 3
        """,
        TWICE
        + """
        === run.sh
        shop --config a --cost 3
        """,
    ),
    "a command that is marked to take what the parser leaves": (
        LEFT
        + """
        === run.sh
        shop manage migrate --fake app zero
        """,
        LEFT
        + """
        === run.sh
        shop sell --fake
        """,
    ),
    "a number that may be empty": (
        """
        === work.py
        import argparse
        parser = argparse.ArgumentParser()
        parser.add_argument("--count", type=int)
        parser.parse_args()
        === run.sh
        COUNT="${COUNT:-}"
        WORDS=(python work.py)
        [ -n "$COUNT" ] && WORDS+=(--count "$COUNT")
        "${WORDS[@]}"
        """,
        """
        === work.py
        import argparse
        parser = argparse.ArgumentParser()
        parser.add_argument("--count", type=int)
        parser.parse_args()
        === run.sh
        COUNT="${COUNT:-many}"
        WORDS=(python work.py)
        [ -n "$COUNT" ] && WORDS+=(--count "$COUNT")
        "${WORDS[@]}"
        """,
    ),
    "a script by its path from another checkout of the workflow": (
        """
        === .github/workflows/ci.yml
        on: push
        jobs:
          test:
            runs-on: ubuntu-latest
            steps:
              - uses: actions/checkout@v4
              - uses: actions/checkout@v4
                with: {repository: other/engine, path: engine}
              - working-directory: ./engine
                run: python3 ../.github/scripts/suite.py --part 1
        === .github/scripts/suite.py
        import argparse
        parser = argparse.ArgumentParser()
        parser.add_argument("--part")
        parser.parse_args()
        """,
        """
        === .github/workflows/ci.yml
        on: push
        jobs:
          test:
            runs-on: ubuntu-latest
            steps:
              - uses: actions/checkout@v4
              - uses: actions/checkout@v4
                with: {repository: other/engine, path: engine}
              - working-directory: ./engine
                run: python3 ../.github/scripts/suite.py --part 1
        === .github/scripts/suite.py
        import argparse
        parser = argparse.ArgumentParser()
        parser.add_argument("--shard")
        parser.parse_args()
        """,
    ),
    "a block of code as MyST writes it": (
        """
        === docs/use.md
        ``` {code-block} shell
        python work.py --fast
        ```
        === work.py
        import argparse
        parser = argparse.ArgumentParser()
        parser.add_argument("--fast", action="store_true")
        parser.parse_args()
        """,
        """
        === docs/use.md
        ``` {code-block} shell
        python work.py --slow
        ```
        === work.py
        import argparse
        parser = argparse.ArgumentParser()
        parser.add_argument("--fast", action="store_true")
        parser.parse_args()
        """,
    ),
    "one template of a chart that helm shows": (
        """
        === charts/shop/Chart.yaml
        apiVersion: v2
        name: shop
        version: 1.0.0
        === charts/shop/templates/web.yaml
        === templates/note.txt
        === check.sh
        helm template shop $CHART --show-only templates/web.yaml
        """,
        """
        === charts/shop/Chart.yaml
        apiVersion: v2
        name: shop
        version: 1.0.0
        === charts/shop/templates/web.yaml
        === check.sh
        helm template shop ./charts/shops --show-only templates/web.yaml
        """,
    ),
    "an action of the workflow's own repository, and a long expression": (
        """
        === .github/workflows/ci.yml
        on: push
        jobs:
          test:
            runs-on: ubuntu-latest
            if: >-
              ${{
                !cancelled() &&
                github.actor == 'a' &&
                github.ref != 'b' &&
                github.ref != 'c' &&
                github.ref != 'd' &&
                github.ref != 'e' &&
                github.ref != 'f'
              }}
            steps:
              - uses: $/.github/actions/restore
        === .github/actions/restore/action.yml
        name: Restore
        runs:
          using: composite
          steps: []
        """,
        """
        === .github/workflows/ci.yml
        on: push
        jobs:
          test:
            runs-on: ubuntu-latest
            if: >-
              ${{
                !cancelled() &&
                github.ref == 'a'
            steps:
              - uses: actions/checkout@v4
              - run: echo "${{ github.ref }}"
        """,
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_what_is_taken_and_what_is_refused(name: str, blocking: Callable[[str], list[str]]) -> None:
    taken, refused = PAIRS[name]
    assert blocking(taken) == []
    assert blocking(refused)


FOLDED = """
=== compose.yaml
services:
  shop:
    build: .
    command: >
      shop
      --price 3
      --rounds 2
      --cost 4
=== Dockerfile
FROM python:3.13-slim
COPY . /app
RUN pip install /app
=== pyproject.toml
[project]
name = "shop"
[project.scripts]
shop = "shop:main"
=== shop/__init__.py
import argparse


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--price")
    parser.add_argument("--rounds")
    parser.parse_args()
"""


def test_a_word_of_a_command_over_several_lines_is_where_it_stands(blocking: Callable[[str], list[str]]) -> None:
    found = blocking(FOLDED)
    assert len(found) == 1 and found[0].startswith("compose.yaml:8:")
