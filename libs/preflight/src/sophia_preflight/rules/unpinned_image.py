"""Images that are built from whatever is newest."""

from __future__ import annotations

import re
from collections.abc import Iterable

from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Finding, Place, Rule, Severity
from sophia_preflight.readers.compose import interpolated
from sophia_preflight.standing import Standing, limited, standing
from sophia_preflight.text import is_known

RULE = Rule(
    id="unpinned-image",
    title="an image is named without a version",
    severity=Severity.MEDIUM,
    why="the next build or start takes whatever is newest then, and nobody can say what ran before",
    fix="name a version, better a digest",
    family="dockerfiles",
)
_BUILT_HERE = re.compile(r"^\$|^local/|^scratch$")


def check(context: Context) -> Iterable[Finding]:
    for path, made in context.dockerfiles.items():
        for stage in made.stages:
            if stage.base and made.stage(stage.base) is None and _unpinned(stage.base):
                yield RULE.found(
                    f"`FROM {stage.base}` names no version",
                    Place(path, stage.line, stage.column),
                    anchor=stage.base,
                    severity=_severity(path),
                )
    built = _built_names(context)
    for path, file in context.composes.items():
        for name, node in file.root["services"].items():
            image = interpolated(node["image"].text)[0]
            if image and not node["build"] and image.partition(":")[0] not in built and _unpinned(image):
                yield RULE.found(
                    f"the image `{image}` of `{name}` names no version",
                    node["image"].place(path),
                    anchor=f"{name} {image}",
                    severity=_severity(path),
                )


def _severity(path: str) -> Severity:
    """What only tests start may be any version."""
    return limited(Severity.LOW if standing(path) is Standing.TEST else Severity.MEDIUM, path)


def _built_names(context: Context) -> set[str]:
    return {
        interpolated(node["image"].text)[0].partition(":")[0]
        for file in context.composes.values()
        for _, node in file.root["services"].items()
        if node["build"]
    }


def _unpinned(image: str) -> bool:
    if not is_known(image) or "@" in image or _BUILT_HERE.search(image):
        return False
    name = image.rpartition("/")[2]
    return ":" not in name or name.endswith(":latest")


BAD = [
    tree("""
        === Dockerfile
        FROM python
    """),
    tree("""
        === docker-compose.yml
        services: {cache: {image: "redis:latest"}}
    """),
]
GOOD = [
    tree("""
        === Dockerfile
        ARG TAG=3.12
        FROM python:$TAG AS base
        FROM base
        FROM registry.example.org:5000/x@sha256:0000000000000000000000000000000000000000000000000000000000000000
        FROM scratch
        === docker-compose.yml
        services: {app: {build: ., image: app}, worker: {image: app}}
    """),
]
