"""A value or a command that is none of those the called program knows."""

from __future__ import annotations

from collections.abc import Iterable

from sophia_preflight.calls import matching
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.interfaces.model import Problem
from sophia_preflight.model import Finding, Rule, Severity

RULE = Rule(
    id="wrong-choice",
    title="a program is called with a value or command that it does not know",
    severity=Severity.HIGH,
    why="the program ends with a usage error before it does anything",
    fix="use one of its values, or add this one to the program",
    family="arguments",
)


def check(context: Context) -> Iterable[Finding]:
    return matching.findings(context, RULE, Problem.CHOICE)


BAD = [
    tree("""
        === manage.py
        import argparse
        PLACES = ["staging", "production"]
        if __name__ == "__main__":
            parser = argparse.ArgumentParser()
            parser.add_argument("--to", choices=PLACES)
            parser.parse_args()
        === Makefile
        deploy:
        \tpython manage.py --to prod
    """),
    tree("""
        === service.sh
        #!/bin/bash
        case "$1" in
          start) echo up ;;
          stop) echo down ;;
          *) echo "usage: $0 start|stop"; exit 1 ;;
        esac
        === deploy.sh
        cd "$(dirname "$0")"
        ./service.sh restart
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
        === Makefile
        listing:
        \tshop --shelf 3 --form xml
    """),
]
GOOD = [
    tree("""
        === manage.py
        import argparse
        from places import known
        if __name__ == "__main__":
            parser = argparse.ArgumentParser()
            parser.add_argument("--to", choices=known())
            parser.parse_args()
        === service.sh
        #!/bin/bash
        case "$1" in
          start|up) echo up ;;
          *) echo "starting $1" ;;
        esac
        === Makefile
        deploy:
        \tpython manage.py --to prod
        \tbash service.sh restart
    """),
]
