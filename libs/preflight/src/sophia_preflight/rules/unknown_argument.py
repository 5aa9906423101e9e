"""An argument that the called program does not accept."""

from __future__ import annotations

from collections.abc import Iterable

from sophia_preflight.calls import matching
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.interfaces.model import Problem
from sophia_preflight.model import Finding, Rule, Severity

RULE = Rule(
    id="unknown-argument",
    title="a program is called with an argument that it does not accept",
    severity=Severity.HIGH,
    why="the program ends with a usage error before it does anything",
    fix="remove the argument, or add it to the program",
    family="arguments",
)


def check(context: Context) -> Iterable[Finding]:
    return matching.findings(context, RULE, Problem.UNKNOWN, Problem.EXTRA, Problem.VALUE)


BAD = [
    tree("""
        === scripts/deploy.py
        import argparse

        parser = argparse.ArgumentParser()
        parser.add_argument("--environment", required=True)
        parser.parse_args()
        if __name__ == "__main__":
            print("deploying")
        === scripts/all.sh
        cd "$(dirname "$0")"
        python deploy.py --environment production --target platform
    """),
    tree("""
        === tools/ship.py
        import subprocess
        subprocess.run(["python", "tools/push.py", "now", "--force"], check=True)
        === tools/push.py
        import click


        @click.command()
        @click.argument("when")
        def main(when):
            print(when)


        if __name__ == "__main__":
            main()
    """),
    tree("""
        === run.sh
        #!/bin/bash
        while [ $# -gt 0 ]; do
          case "$1" in
            --fast) FAST=1; shift ;;
            --port) PORT="$2"; shift 2 ;;
            *) echo "unknown: $1"; exit 1 ;;
          esac
        done
        === Makefile
        start:
        \tbash run.sh --fast --slow
    """),
    tree("""
        === Makefile
        build:
        \tpython -m jobs.build --all extra
        === jobs/build.py
        import argparse


        def main():
            parser = argparse.ArgumentParser()
            parser.add_argument("--all", action="store_true")
            parser.parse_args()


        if __name__ == "__main__":
            main()
    """),
    tree("""
        === pyproject.toml
        [project]
        name = "shop"
        [project.scripts]
        shop = "shop.cli:main"
        === shop/__init__.py
        === shop/cli.py
        import argparse


        def main():
            parser = argparse.ArgumentParser()
            parser.add_argument("--shelf", required=True)
            parser.add_argument("--form", choices=["csv", "json"])
            parser.parse_args()
        === README.md
        ```bash
        shop --shelf 3 --all
        ```
    """),
]
GOOD = [
    tree("""
        === scripts/deploy.py
        import argparse


        def common(parser):
            parser.add_argument("-v", "--verbose", action="count")


        def main():
            parser = argparse.ArgumentParser()
            common(parser)
            commands = parser.add_subparsers(dest="command")
            up = commands.add_parser("up", aliases=["start"])
            up.add_argument("--environment", choices=["staging", "production"])
            up.add_argument("names", nargs="*")
            parser.parse_args()


        if __name__ == "__main__":
            main()
        === Makefile
        deploy:
        \tpython scripts/deploy.py -vv start --env staging api web
        \tpython scripts/deploy.py up --environment=production -- api
    """),
    tree("""
        === Makefile
        test:
        \tpython tools/wrap.py --anything goes --here
        \tpython tools/open.py $(ARGS) --flag
        === tools/wrap.py
        import argparse
        parser = argparse.ArgumentParser()
        parser.add_argument("--known")
        args, rest = parser.parse_known_args()
        === tools/open.py
        import argparse
        from elsewhere import add_options
        if __name__ == "__main__":
            parser = argparse.ArgumentParser()
            add_options(parser)
            parser.parse_args()
    """),
    tree("""
        === pyproject.toml
        [project]
        name = "shop"
        [project.scripts]
        shop = "shop.cli:main"
        === shop/__init__.py
        === shop/cli.py
        import argparse


        def main():
            parser = argparse.ArgumentParser()
            parser.add_argument("--shelf", required=True)
            parser.add_argument("--form", choices=["csv", "json"])
            parser.parse_args()
        === README.md
        Usage:

        ```bash
        shop --shelf SHELF [--form FORM] [--more]
        shop --shelf 3 --form json
        ```

        It does not take everything:

        ```bash
        shop --shelf 3 --all
        ```
    """),
]
