"""A build argument that the Dockerfile does not declare."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

from sophia_preflight.building import asked
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Confidence, Finding, Involved, Place, Rule, Severity
from sophia_preflight.readers.dockerfile import PREDEFINED
from sophia_preflight.text import is_known

RULE = Rule(
    id="undeclared-build-argument",
    title="a build gets an argument that its Dockerfile does not declare",
    severity=Severity.MEDIUM,
    why="the value is dropped in silence (BuildKit warns), and the image is built with whatever it has instead",
    fix="add `ARG` to the Dockerfile where the value is used, or do not pass it",
    family="compose",
)


def check(context: Context) -> Iterable[Finding]:
    for each in asked(context):
        dockerfile = context.dockerfiles.get(each.dockerfile_location.path)
        if dockerfile is None or dockerfile.faults:
            continue
        passed = {name for name, _, _ in each.arguments}
        for name, _, place in each.arguments:
            if is_known(name) and name and name not in dockerfile.declared | PREDEFINED:
                left = dockerfile.declared - passed if place.path in context.composes else ()
                near = get_close_matches(name, left, n=1, cutoff=0.6)
                needed = bool(near) and not _has_default(context, dockerfile.path, near[0])
                yield RULE.found(
                    f"`{dockerfile.path}` does not declare the build argument `{name}`",
                    Involved(place, "call"),
                    Involved(Place(dockerfile.path), "callee"),
                    anchor=f"{name} for {each.owner}",
                    severity=each.severity.at_most(Severity.HIGH if needed else Severity.MEDIUM),
                    confidence=each.confidence.at_most(Confidence.LIKELY) if near else each.confidence,
                    fix=RULE.fix + (f": there is `{near[0]}`" if near else ""),
                )


def _has_default(context: Context, path: str, name: str) -> bool:
    """Whether a Dockerfile goes on without a build argument, with a value of its own."""
    return re.search(rf"(?mi)^\s*ARG\b.*(?<!\S){name}=", context.repository.text(path)) is not None


BAD = [
    tree("""
        === Makefile
        image:
        \tdocker build --build-arg VERSION=1 --build-arg COMMIT=abc -t app .
        === Dockerfile
        FROM scratch
        ARG VERSION
    """),
    tree("""
        === compose.yaml
        services:
          web: {build: {context: ., args: {INSTALL_SEARCH: "1"}}}
        === Dockerfile
        FROM debian:13
        ARG WITH_SEARCH=0
    """),
]
GOOD = [
    tree("""
        === Makefile
        image:
        \tdocker build --build-arg VERSION=1 --build-arg HTTP_PROXY=x --build-arg $(MORE) -t app .
        === Dockerfile
        ARG VERSION=3
        FROM alpine:$VERSION
    """),
    tree("""
        === server/image/build.sh
        VERSION=$(cat ../version.txt)
        docker build --build-arg VERSION="$VERSION" -f Dockerfile -t "server:$VERSION" ..
        === server/image/Dockerfile
        FROM alpine:3.22
        ARG VERSION
        COPY version.txt /
        === server/version.txt
        1
        === Dockerfile
        FROM alpine:3.22
        COPY main.py /
        === main.py
    """),
]
