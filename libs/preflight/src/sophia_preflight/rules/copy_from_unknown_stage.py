"""COPY --from a stage that is not there, or not there yet."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from sophia_preflight.calls.model import Caller, Site
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Confidence, Finding, Place, Rule, Severity
from sophia_preflight.readers.dockerfile import Dockerfile, Instruction, Stage
from sophia_preflight.standing import consequence
from sophia_preflight.text import is_known, named

RULE = Rule(
    id="copy-from-unknown-stage",
    title="a Dockerfile copies from a stage that it does not have",
    severity=Severity.HIGH,
    why="Docker takes the name for that of an image, and fails to pull it",
    fix="name an earlier stage of the file, or an image",
    family="dockerfiles",
)
_IMAGES = named(
    "alpine busybox composer debian docker golang gradle hashicorp httpd maven mongo mysql nginx node openjdk perl php "
    "postgres python redis ruby rust tianon traefik ubuntu"
)
"""Official images that people copy from without a tag."""
_ROLES = named(
    "app application backend base build build-base builder common compile compiler dependencies deploy deps dev "
    "dev-deps development final frontend install installer prod prod-deps production release requirements runner "
    "runtime test tester tests"
)
"""What stages are called by what they are for, and no public image is."""
_TELLS = re.compile(r"\.(ya?ml|sh|bash|hcl|toml|mk|py|json)$|(^|/)(Makefile|[Jj]ustfile|Jenkinsfile)$")


def check(context: Context) -> Iterable[Finding]:
    additional = _additional_contexts(context)
    for path, made in context.dockerfiles.items():
        for stage in made.stages:
            if stage.base not in additional:
                yield from _renamed(context, path, made, stage)
            for each in stage.instructions:
                for name in dict.fromkeys(_origins(each)):
                    if name and is_known(name) and not any(char in name for char in "/:.@") and name not in additional:
                        yield from _unknown(path, made, stage, each, name)


def _renamed(context: Context, path: str, made: Dockerfile, stage: Stage) -> Iterator[Finding]:
    """`FROM name` without a version, where an earlier stage is called nearly so, or the name is one for stages."""
    base = stage.base
    if not re.fullmatch(r"[a-z0-9]+(?:[-_][a-z0-9]+)*", base) or made.stage(base) is not None:
        return
    words = re.split(r"[-_]", base)
    earlier = [other.name for other in made.stages[: stage.index] if other.name]
    near = [name for name in earlier if re.split(r"[-_]", name) in (words[1:], words[:-1])] if len(words) > 1 else []
    if not near and earlier and base in _ROLES and not _is_built(context, path, base):
        near = get_close_matches(base, earlier, n=1) or earlier[-1:]
    if near:
        severity, blocks = consequence(Site(path, Caller.BUILD))
        yield RULE.found(
            f"`FROM {base}`: `{base}` is no stage of this file",
            Place(path, stage.line),
            anchor=f"FROM {base}",
            severity=severity,
            confidence=Confidence.LIKELY,
            fix=RULE.fix + f": there is `{near[0]}`",
            blocks=blocks,
        )


def _is_built(context: Context, dockerfile: str, name: str) -> bool:
    """Whether another file calls an image so."""
    called = re.compile(rf"(-t|--tag|--build-context|image:|tags?\b.*)[\s=\"'\[]+{re.escape(name)}(?![\w.-])")
    repository = context.repository
    paths = (each for each in repository.entries if each != dockerfile and _TELLS.search(each))
    return any(called.search(repository.glimpse(each)) for each in paths)


def _origins(each: Instruction) -> list[str]:
    return [each.expanded(each.flags.get("from", "")), *(mount.origin for mount in each.mounts)]


def _unknown(path: str, made: Dockerfile, stage: Stage, each: Instruction, name: str) -> Iterator[Finding]:
    known = made.stage(name)
    if known is not None and known.index < stage.index:
        return
    severity, blocks = consequence(Site(path, Caller.BUILD))
    names = [other.name for other in made.stages[: stage.index] if other.name]
    near = get_close_matches(name, names, n=1)
    certain = bool(near) or name.isdigit() or known is not None
    if name in _IMAGES and not certain:
        return
    said = "comes later in the file" if known is not None else "is no stage of this file"
    flag = "--from=" if "from" in each.flags else "--mount=from="
    yield RULE.found(
        f"`{flag}{name}`: `{name}` {said}",
        Place(path, each.line, each.column),
        anchor=f"{each.name} from {name}",
        severity=severity,
        confidence=Confidence.CERTAIN if certain else Confidence.LIKELY if names else Confidence.GUESS,
        fix=RULE.fix + (f": there is `{near[0]}`" if near else ""),
        blocks=blocks,
    )


def _additional_contexts(context: Context) -> set[str]:
    """Names that builders add as contexts."""
    return {
        name
        for file in context.composes.values()
        for _, service in file.root["services"].items()
        for name, _ in service.at("build", "additional_contexts").items()
    }


BAD = [
    tree("""
        === Dockerfile
        FROM python:3.13-slim AS build
        RUN pip install uv
        FROM builder AS test
        CMD ["true"]
    """),
    tree("""
        === Dockerfile
        FROM debian:13 AS base
        FROM shop-base AS shop
        CMD ["true"]
    """),
    tree("""
        === Dockerfile
        FROM node:22 AS builder
        FROM nginx:1.29
        COPY --from=build /app/dist /usr/share/nginx/html
    """),
    tree("""
        === Dockerfile
        FROM alpine:3.22 AS meta
        RUN git describe > /tmp/version
        FROM golang:1.25
        RUN --mount=target=. --mount=type=bind,source=/tmp/version,target=/tmp/version,from=version \\
            --mount=type=cache,target=/root/.cache go build .
    """),
]
GOOD = [
    tree("""
        === Dockerfile
        FROM python:3.13-slim AS build
        RUN pip install uv
        FROM base AS test
        CMD ["true"]
        === Makefile
        base:
        \tdocker build -t base -f base.Dockerfile .
        === base.Dockerfile
        FROM python:3.13-slim
        CMD ["true"]
    """),
    tree("""
        === Dockerfile
        FROM node:22 AS Build
        FROM nginx:1.29
        COPY --from=build /app/dist /usr/share/nginx/html
        COPY --from=0 /x /x
        COPY --from=ghcr.io/astral-sh/uv:0.9 /uv /bin/
        COPY --from=composer /usr/bin/composer /usr/bin/
        RUN --mount=from=build,target=/build --mount=from=busybox,target=/bb --mount=type=secret,id=token ls
    """),
]
