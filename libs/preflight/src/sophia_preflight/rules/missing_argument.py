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
        === copy_all.py
        import argparse
        if __name__ == "__main__":
            parser = argparse.ArgumentParser()
            parser.add_argument("--from-directory", required=True)
            settings, _ = parser.parse_known_args()
        === Makefile
        copy:
        \tpython copy_all.py --source=data
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
    tree("""
        === scripts/image.sh
        #!/usr/bin/env bash
        set -e
        if [ "$#" -ne 2 ]; then
          echo "usage: $0 VERSION REGISTRY" >&2
          exit 1
        fi
        docker push "$2/shop:$1"
        === scripts/release.sh
        #!/usr/bin/env bash
        cd "$(dirname "$0")/.."
        for architecture in amd64 arm64; do
          ARCH=$architecture ./scripts/image.sh "${VERSION}"
        done
    """),
    tree("""
        === notify.sh
        usage() { echo "usage: $0 CHANNEL TEXT"; exit 2; }
        CHANNEL=$1
        [ -z "$CHANNEL" ] && usage
        [[ -n "${2:-}" ]] || usage
        echo "$CHANNEL $2"
        === Makefile
        tell:
        \tbash notify.sh deployments
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
    tree("""
        === one.sh
        #!/bin/sh
        if [ $# -lt 1 ]; then
          echo "building everything"
        fi
        [ -z "$1" ] && echo nothing
        [ "$#" -ge 3 ] || NAME=${3:-none}
        === two.sh
        #!/bin/sh
        set -- one two "$@"
        if [ $# -ne 2 ]; then exit 1; fi
        === three.sh
        #!/bin/sh
        if [ $# -eq 0 ]; then echo "usage: $0 NAME..."; exit 0; fi
        if [ -z "${2:-x}" ]; then exit 1; fi
        === four.sh
        #!/bin/sh
        [ $# -le 2 ] || exit 1
        if [ "$1" = fast ] && [ $# -ne 2 ]; then exit 1; fi
        === all.sh
        cd "$(dirname "$0")"
        ./one.sh
        ./two.sh
        ./three.sh
        ./four.sh
        ./four.sh one two
        ./four.sh $NAMES one two
    """),
    tree("""
        === Dockerfile
        FROM golang:1.25 AS build
        WORKDIR /app/src
        COPY . .
        RUN go install .
        FROM alpine:3.22
        COPY --from=build /app/bin/floater /
        ENTRYPOINT ["/floater"]
        === packaging/floater
        #!/bin/sh
        case $1 in
          start) echo starting ;;
          stop) echo stopping ;;
          *) echo "usage: $0 start|stop"; exit 1 ;;
        esac
    """),
]
