"""An image build that asks for a stage that its Dockerfile does not have."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from sophia_preflight.building import Asked, asked
from sophia_preflight.calls.model import Caller, Site
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Confidence, Finding, Involved, Place, Rule, Severity
from sophia_preflight.readers.dockerfile import Dockerfile, Held, expand
from sophia_preflight.standing import consequence
from sophia_preflight.text import is_known

RULE = Rule(
    id="unknown-build-stage",
    title="a build asks for a stage that its Dockerfile does not have",
    severity=Severity.HIGH,
    why='the build ends with "target stage could not be found"',
    fix="name one of the stages, or add it to the Dockerfile",
    family="compose",
)


_PARTS = re.compile(r"[a-z0-9]+(?:[-_][a-z0-9]+)+")
_TOLD = re.compile(r"file\b[^/]*$|\.(ya?ml|hcl|json|toml|mk|sh|bash|py|go|js|ts)$", re.IGNORECASE)
"""Where somebody says what images he builds, or which contexts he gives a build."""


def check(context: Context) -> Iterable[Finding]:
    for made in context.dockerfiles.values():
        if not made.faults:
            yield from _renamed(context, made)
    for each in asked(context):
        dockerfile = context.dockerfiles.get(each.dockerfile_location.path)
        if dockerfile is None or dockerfile.faults:
            continue
        yield from _bases(dockerfile, each)
        if not each.stage or not is_known(each.stage):
            continue
        if dockerfile.stage(each.stage) is None:
            names = [stage.name for stage in dockerfile.stages if stage.name]
            yield RULE.found(
                f"`{dockerfile.path}` has no stage `{each.stage}`",
                Involved(each.stage_place, "call"),
                Involved(Place(dockerfile.path), "callee"),
                anchor=f"{each.stage} for {each.owner}",
                severity=each.severity,
                confidence=each.confidence,
                fix=RULE.fix + (f": there is `{'`, `'.join(names)}`" if names else ""),
                blocks=each.blocks,
            )


def _renamed(context: Context, made: Dockerfile) -> Iterator[Finding]:
    """`FROM shop-base`, which is called like the stages of the file of which others are made, and is none of them."""
    bases = {stage.base for stage in made.stages}
    for stage in made.stages:
        if stage.base != stage.written or not _PARTS.fullmatch(stage.base) or made.stage(stage.base) is not None:
            continue
        family = re.split("[-_]", stage.base)[0]
        kin = [each.name for each in made.stages if each.name and re.split("[-_]", each.name)[0] == family]
        origins = [each for each in kin if each in bases]
        if stage.name not in kin or not origins or _is_told(context, made.path, stage.base):
            continue
        severity, blocks = consequence(Site(made.path, Caller.BUILD))
        yield RULE.found(
            f"`FROM {stage.base}` names no stage of this file, and no image that is built here",
            Place(made.path, stage.line, stage.column),
            anchor=f"FROM {stage.base}",
            severity=severity,
            confidence=Confidence.LIKELY,
            fix=f"{RULE.fix}: there is `{'`, `'.join(origins)}`",
            blocks=blocks,
        )


def _is_told(context: Context, dockerfile: str, name: str) -> bool:
    """Whether another file names the image, or the end of its name where the beginning is a variable's."""
    end = re.split("[-_]", name, maxsplit=1)[1]
    said = re.compile(rf"(?<![\w-])({re.escape(name)}|[\w)}}]*[)}}][-_]{re.escape(end)})(?![\w-])")
    repository = context.repository
    return any(
        said.search(repository.glimpse(path))
        for path in repository.entries
        if path != dockerfile and _TOLD.search(path)
    )


def _bases(dockerfile: Dockerfile, each: Asked) -> Iterator[Finding]:
    """`FROM build-${VARIANT}`: a stage of the file for some values, of which the builder gives another."""
    given = {name: (value, place) for name, value, place in each.arguments}
    names = [stage.name for stage in dockerfile.stages if stage.name]
    variables = dockerfile.arguments | {name: Held(value) for name, (value, _) in given.items()}
    for stage in dockerfile.stages:
        used = [name for name in dockerfile.arguments if re.search(rf"\$\{{?{re.escape(name)}\b", stage.written)]
        if len(used) != 1 or used[0] not in given or re.search(r"[/:@]", stage.written.replace(":-", "")):
            continue
        base = expand(stage.written, variables)
        pattern = re.sub(r"\\\$(\\\{[^}]*\\?\}|\w+)", "(.+)", re.escape(stage.written))
        there = [name for name in names if re.fullmatch(pattern, name, re.IGNORECASE) and name != stage.name]
        if pattern == "(.+)" or not there or not is_known(base) or dockerfile.stage(base) is not None:
            continue
        yield RULE.found(
            f"`{dockerfile.path}` has no stage `{base}`, which `{used[0]}` asks for",
            Involved(given[used[0]][1], "call"),
            Involved(Place(dockerfile.path, stage.line, stage.column), "callee"),
            anchor=f"{base} for {each.owner}",
            severity=each.severity,
            confidence=each.confidence,
            fix=f"{RULE.fix}: there is `{'`, `'.join(there)}`",
            blocks=each.blocks,
        )


BAD = [
    tree("""
        === Dockerfile
        FROM debian:13-slim AS shop-build
        FROM shop-build AS shop-till
        FROM shop-base AS shop-store
    """),
    tree("""
        === docker/Dockerfile.all
        FROM python:3.12-slim AS api_common
        COPY . /srv
        FROM api_common AS api_web
        CMD ["python", "-m", "http.server"]
        FROM api_comon AS api_worker
        === Makefile
        all:
        \tdocker build -f docker/Dockerfile.all -t api --target api_web .
    """),
    tree("""
        === docker-compose.yml
        services:
          api:
            build: {context: ., target: production}
        === Dockerfile
        FROM node:22 AS build
        FROM node:22-slim AS runtime
    """),
    tree("""
        === build.sh
        cd "$(dirname "$0")"
        docker build --build-arg FLAVOUR=small -t shop .
        === Dockerfile
        ARG FLAVOUR=full
        FROM node:22-slim AS shop-slim
        FROM node:22 AS shop-full
        FROM shop-${FLAVOUR}
    """),
    tree("""
        === Makefile
        VERSIONS = 16 17
        ARGS_16 = --build-arg PG=16
        ARGS_17 = --build-arg PG=17
        $(VERSIONS:%=image-pg%):
        \tdocker build $(ARGS_$(subst image-pg,,$@)) \\
        \t  --target test -t shop:$@ .
        === Dockerfile
        ARG PG
        FROM postgres:${PG} AS testing
    """),
]
GOOD = [
    tree("""
        === Dockerfile
        FROM debian:13-slim AS shop-build
        FROM shop-build AS shop-till
        FROM shop-base AS shop-store
        FROM php-zts AS shop-old
        FROM example/shop-base AS shop-other
        === Makefile
        base:
        \tdocker build -t $(NAME)-base other
        === other/Dockerfile
        FROM python:3.12 AS python-build
        FROM shop-runtime
        === bake/Dockerfile
        FROM debian:13-slim AS shop-build
        FROM shop-build AS shop-till
        FROM shop-assets AS shop-store
        === bake/docker-bake.hcl
        target "till" { contexts = { shop-assets = "./assets" } }
    """),
    tree("""
        === docker-compose.yml
        services:
          api: {build: {context: ., target: Build}}
          two: {build: {context: ., target: "1"}}
          any: {build: {context: ., target: "${TARGET}"}}
        === Dockerfile
        FROM node:22 AS build
        FROM node:22-slim AS runtime
        === two/build.sh
        cd "$(dirname "$0")"
        docker build --build-arg FLAVOUR=slim --build-arg BASE=node-20 --build-arg ENGINE=$ENGINE -t shop .
        === two/Dockerfile
        ARG FLAVOUR=full
        ARG BASE=node
        ARG ENGINE
        FROM node:22-slim AS shop-slim
        FROM node:22 AS shop-full
        FROM shop-${FLAVOUR} AS one
        FROM ${BASE} AS other
        FROM shop-${ENGINE}
    """),
]
