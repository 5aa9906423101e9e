"""An image build whose Dockerfile is not there."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable

from sophia_preflight.building import asked
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Finding, Rule, Severity

RULE = Rule(
    id="missing-dockerfile",
    title="an image is built from a Dockerfile that does not exist",
    severity=Severity.HIGH,
    why="Docker ends before the build begins",
    fix="correct the path (in compose it is relative to the context, on the command line to the current directory)",
    family="compose",
)


def check(context: Context) -> Iterable[Finding]:
    for each in asked(context):
        if each.context_location.missing or not each.dockerfile_location.missing:
            continue
        name = posixpath.basename(each.dockerfile)
        near = [path for path in context.dockerfiles if posixpath.basename(path) == name]
        yield RULE.found(
            f"the Dockerfile `{each.dockerfile}` does not exist in {each.dockerfile_location.where}",
            each.dockerfile_place,
            anchor=f"{each.dockerfile} for {each.owner} in {each.context}",
            severity=each.severity,
            confidence=each.confidence.at_most(each.dockerfile_location.confidence),
            fix=RULE.fix + (f": there is `{near[0]}`" if near else ""),
            blocks=each.blocks,
        )


BAD = [
    tree("""
        === docker-compose.yml
        services:
          api:
            build: {context: ./api, dockerfile: docker/Dockerfile.api}
        === docker/Dockerfile.api
        FROM scratch
        === api/main.py
    """),
    tree("""
        === .github/workflows/release.yml
        on: push
        jobs:
          image:
            runs-on: ubuntu-latest
            steps:
              - uses: actions/checkout@v4
              - uses: docker/build-push-action@v6
                with: {context: ., file: Dockerfile.production}
        === Dockerfile
        FROM scratch
    """),
    tree("""
        === test.sh
        cd "$(dirname "$0")"
        run_or_stop() {
          command=$@
          echo "+ $command"
          $command || exit 1
        }
        image() {
          local file=$1
          run_or_stop docker build --rm=true -f "$file" -t "$2" .
        }
        image Dockerfile_alpine shop:alpine
        image Dockerfile_debian13 shop:debian
        === Dockerfile_alpine
        FROM alpine:3.22
        === Dockerfile_debian
        FROM debian:13
    """),
]
GOOD = [
    tree("""
        === compose.yml
        include: [billing/compose.yml]
        services:
          web: {image: "web:1", depends_on: [billing]}
          reports:
            extends: {file: billing/compose.yml, service: billing}
        === billing/compose.yml
        services:
          billing:
            build: .
        === billing/Dockerfile
        FROM scratch
    """),
    tree("""
        === docker-compose.yml
        services:
          api:
            build: {context: ., dockerfile: docker/Dockerfile.api}
          other:
            build:
              context: .
              dockerfile_inline: FROM scratch
        === docker/Dockerfile.api
        FROM scratch
        === Makefile
        image:
        \tdocker build -f docker/Dockerfile.api -t x .
    """),
    tree("""
        === tools/image.sh
        here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
        docker build -t tools -f- "$here" <<END
        FROM alpine:3.22
        END
    """),
]
