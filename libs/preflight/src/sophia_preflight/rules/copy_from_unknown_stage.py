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


def check(context: Context) -> Iterable[Finding]:
    additional = _additional_contexts(context)
    for path, made in context.dockerfiles.items():
        for stage in made.stages:
            yield from _renamed(path, made, stage)
            for each in stage.instructions:
                for name in dict.fromkeys(_origins(each)):
                    if name and is_known(name) and not any(char in name for char in "/:.@") and name not in additional:
                        yield from _unknown(path, made, stage, each, name)


def _renamed(path: str, made: Dockerfile, stage: Stage) -> Iterator[Finding]:
    """`FROM name` without a version, where an earlier stage is called by a part of that name."""
    base = stage.base
    if not re.fullmatch(r"[a-z0-9]+(?:[-_][a-z0-9]+)+", base) or made.stage(base) is not None:
        return
    words = re.split(r"[-_]", base)
    earlier = [other.name for other in made.stages[: stage.index] if other.name]
    near = [name for name in earlier if re.split(r"[-_]", name) in (words[1:], words[:-1])]
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
        FROM node:22 AS Build
        FROM nginx:1.29
        COPY --from=build /app/dist /usr/share/nginx/html
        COPY --from=0 /x /x
        COPY --from=ghcr.io/astral-sh/uv:0.9 /uv /bin/
        COPY --from=composer /usr/bin/composer /usr/bin/
        RUN --mount=from=build,target=/build --mount=from=busybox,target=/bb --mount=type=secret,id=token ls
    """),
]
