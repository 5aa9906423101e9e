"""A call without an argument that the called program requires."""

from __future__ import annotations

from collections.abc import Iterable

from sophia_preflight.calls import matching
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.interfaces.model import Problem
from sophia_preflight.model import Finding, Rule, Severity

RULE = Rule(
    id="missing-argument",
    title="a program is called without an argument that it requires",
    severity=Severity.HIGH,
    why="the program ends with a usage error before it does anything",
    fix="give the argument, or make it optional in the program",
    family="arguments",
)


def check(context: Context) -> Iterable[Finding]:
    return matching.findings(context, RULE, Problem.MISSING)


BAD = [
    tree("""
        === scripts/deploy.py
        import argparse
        if __name__ == "__main__":
            parser = argparse.ArgumentParser()
            parser.add_argument("environment")
            parser.add_argument("--version", required=True)
            parser.parse_args()
        === Makefile
        deploy:
        \tpython scripts/deploy.py production
    """),
    tree("""
        === backup.sh
        #!/bin/sh
        target="${1:?where to}"
        echo "$target"
        === .github/workflows/backup.yml
        on: {schedule: [{cron: "0 3 * * *"}]}
        jobs:
          backup:
            runs-on: ubuntu-latest
            steps:
              - uses: actions/checkout@v4
              - run: ./backup.sh
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
        === deploy.sh
        shop --form csv
    """),
]
GOOD = [
    tree("""
        === scripts/deploy.py
        import argparse
        if __name__ == "__main__":
            parser = argparse.ArgumentParser()
            parser.add_argument("environment", nargs="?", default="staging")
            parser.add_argument("--version", required=True)
            parser.parse_args()
        === deploy.sh
        python scripts/deploy.py --version "$1"
        python scripts/deploy.py "$@"
        python scripts/deploy.py --help
    """),
]
