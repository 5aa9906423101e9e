"""A Dockerfile that BuildKit cannot read, or reads as something else than was meant."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from sophia_preflight.calls.model import Caller, Site
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Confidence, Finding, Place, Rule, Severity
from sophia_preflight.readers.dockerfile import KNOWN, Dockerfile, Instruction
from sophia_preflight.standing import consequence
from sophia_preflight.text import named

RULE = Rule(
    id="dockerfile-syntax",
    title="a Dockerfile is not valid",
    severity=Severity.HIGH,
    why="the image cannot be built",
    fix="correct the instruction",
    family="dockerfiles",
)
_FLAGS = {
    "RUN": named("mount network security device"),
    "COPY": named("from chown chmod link parents exclude"),
    "ADD": named("chown chmod link keep-git-dir checksum exclude unpack"),
    "HEALTHCHECK": named("interval timeout start-period start-interval retries"),
}
"""Flags of instructions; builders of others know a few more, of which none is nearly one of these."""


def check(context: Context) -> Iterable[Finding]:
    for path, made in context.dockerfiles.items():
        severity, blocks = consequence(Site(path, Caller.BUILD))
        for fault in made.faults:
            word = re.search(r"`(\w+)` is no instruction", fault.message)
            near = get_close_matches(word[1].upper(), KNOWN, n=1) if word else []
            yield RULE.found(
                f"`{path}` is not valid: {fault.message}",
                Place(path, fault.line, fault.column),
                anchor=fault.message,
                severity=severity,
                confidence=Confidence.CERTAIN if context.repository.text(path).strip() else Confidence.LIKELY,
                fix=f"did you mean `{near[0]}`?" if near else RULE.fix,
                blocks=blocks,
            )
        for each, flag, meant in _flags(made):
            yield RULE.found(
                f"`{each.name}` has no flag `--{flag}`",
                Place(path, each.line, 1),
                anchor=f"{each.name} --{flag}",
                severity=severity,
                fix=f"did you mean `--{meant}`?",
                blocks=blocks,
            )
        for each, message in _wrong(made):
            yield RULE.found(
                message,
                Place(path, each.line, each.column),
                anchor=f"{each.name} {message}",
                severity=severity,
                blocks=blocks,
            )


def _wrong(made: Dockerfile) -> Iterator[tuple[Instruction, str]]:
    for stage in made.stages:
        for each in stage.instructions:
            text = each.flat
            if each.name in ("COPY", "ADD") and not each.heredocs and len(each.arguments()) < 2:
                yield each, f"`{each.name}` needs a source and a destination"
            elif each.name in ("CMD", "ENTRYPOINT", "RUN") and _nearly_json(text):
                yield each, f"`{each.name}` looks like a list and is no JSON, so a shell runs it as it stands"
            elif each.name in ("RUN", "WORKDIR", "USER", "EXPOSE", "ENV", "ARG") and not text and not each.heredocs:
                yield each, f"`{each.name}` says nothing"


def _flags(made: Dockerfile) -> Iterator[tuple[Instruction, str, str]]:
    """Flags that an instruction does not have: with the one that was meant."""
    for stage in made.stages:
        for each in stage.instructions:
            for flag in each.flags if not each.onbuild else ():
                if flag not in _FLAGS.get(each.name, ()) and (
                    near := get_close_matches(flag, _FLAGS.get(each.name, ()), n=1)
                ):
                    yield each, flag, near[0]


def _nearly_json(text: str) -> bool:
    """A list in single quotes, or with a comma too many: not what `[` as a command would look like."""
    if not re.fullmatch(r"\[\s*['\"].*\]?", text, re.DOTALL) or "]]" in text or text.startswith("[["):
        return False
    try:
        json.loads(text)
    except ValueError:
        return not re.search(r"\]\s*(&&|\|\||;)", text)
    return False


BAD = [
    tree("""
        === Dockerfile
        FROM python:3.13 AS build
        RUN true
        FROM python:3.13-slim
        COPY --form=build /srv /srv
    """),
    tree("""
        === Dockerfile
        FROM python:3.12-slim
        CMD ['python', 'app.py']
        === app.py
    """),
    tree("""
        === Dockerfile
        FROM python:3.12-slim
        COPPY app.py .
    """),
    tree("""
        === Dockerfile
        RUN echo hi
    """),
]
GOOD = [
    tree("""
        === Dockerfile
        # syntax=docker/dockerfile:1
        ARG VERSION=3.12
        FROM python:${VERSION}-slim AS base
        RUN <<EOF
        set -e
        echo "FROMAGE"
        EOF
        RUN apt-get update \\
            # a comment in between
            && apt-get install -y curl \\

            && true
        COPY <<config /etc/app.conf
        a = 1
        config
        HEALTHCHECK --interval=30s CMD ["true"]
        CMD [ "$X" = y ] && echo yes
    """),
]
