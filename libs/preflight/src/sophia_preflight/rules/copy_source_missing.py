"""COPY and ADD of what the build context does not have, or its .dockerignore leaves out."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator

from sophia_preflight.calls.model import Caller, Site
from sophia_preflight.context import BuildContext, Context
from sophia_preflight.examples import tree
from sophia_preflight.ignoring import DockerIgnore
from sophia_preflight.images import matches
from sophia_preflight.model import Confidence, Finding, Involved, Place, Rule, Severity
from sophia_preflight.readers.dockerfile import Dockerfile, Instruction
from sophia_preflight.standing import consequence
from sophia_preflight.text import is_known

RULE = Rule(
    id="copy-source-missing",
    title="a Dockerfile copies what its build context does not have",
    severity=Severity.HIGH,
    why='the build ends with "not found", since only files of the context can be copied',
    fix="correct the path (it is relative to the build context, not to the Dockerfile), or build from another context",
    family="dockerfiles",
)


def check(context: Context) -> Iterable[Finding]:
    for path, made in context.dockerfiles.items():
        builds = context.builds(path)
        for stage in made.stages:
            for each in stage.instructions:
                if each.name in ("COPY", "ADD") and not each.heredocs and "from" not in each.flags and not each.onbuild:
                    yield from _copies(context, made, each, builds)


def _copies(context: Context, made: Dockerfile, each: Instruction, builds: list[BuildContext]) -> Iterator[Finding]:
    arguments = each.arguments()
    for source in arguments[:-1] if len(arguments) > 1 else ():
        if "://" in source or source.startswith("git@") or not is_known(source):
            continue
        failing = [(build, why) for build in builds if (why := _fails(context, made.path, build, source))]
        certain = [pair for pair in failing if pair[0].certain]
        if not failing or (not certain and len(failing) < len(builds)):
            continue
        build, why = (certain or failing)[0]
        severity, blocks = consequence(Site(made.path, Caller.BUILD))
        places = [Involved(Place(made.path, each.line, each.column), "here")]
        if build.place is not None:
            places.append(Involved(build.place, "build"))
        yield RULE.found(
            f"`{each.name} {source}`: {why}",
            *places,
            anchor=f"{each.name} {source}",
            severity=severity,
            confidence=Confidence.CERTAIN if build.certain else Confidence.LIKELY,
            blocks=blocks,
        )


def _fails(context: Context, dockerfile: str, build: BuildContext, source: str) -> str:
    """Why the source cannot be copied from a context; empty where it can, or where nobody can tell."""
    repository = context.repository
    inner = posixpath.normpath(source.lstrip("/") or ".")
    if inner.startswith(".."):
        return "it lies outside the build context"
    where = f"the build context `{build.directory}`" if build.directory != "." else "the repository"
    path = posixpath.normpath(posixpath.join(build.directory, inner))
    found = matches(repository, path)
    if not found:
        if any(char in inner for char in "*?["):
            base = posixpath.dirname(path) or "."
            made = context.finder.is_made(path) or (not repository.is_directory(base) and context.finder.is_made(base))
            return "" if made or _is_lenient(inner) else f"nothing in {where} matches"
        return "" if context.finder.is_made(path) else f"there is no `{inner}` in {where}"
    ignore = context.images.ignore_of(dockerfile, build.directory)
    files = [one for one in found if repository.is_file(one)]
    if files and len(files) == len(found):
        relative = [posixpath.relpath(one, build.directory) for one in files]
        if all(ignore.ignores(one) for one in relative):
            return f"the .dockerignore of {where} leaves it out"
    elif not files and inner != "." and all(_empty(context, ignore_path, build, ignore) for ignore_path in found):
        return f"the .dockerignore of {where} leaves it out"
    return ""


def _is_lenient(pattern: str) -> bool:
    """`package-lock.json*`: written so that a missing file does no harm, beside one that is there."""
    return pattern.endswith("*") or "[" in pattern


def _empty(context: Context, directory: str, build: BuildContext, ignore: DockerIgnore) -> bool:
    files = list(context.repository.inside(directory))
    return bool(files) and all(ignore.ignores(posixpath.relpath(one, build.directory)) for one in files)


BAD = [
    tree("""
        === docker-compose.yml
        services: {api: {build: ./api}}
        === api/Dockerfile
        FROM python:3.12-slim
        COPY api/requirements.txt .
        === api/requirements.txt
    """),
    tree("""
        === Dockerfile
        FROM python:3.12-slim
        COPY config/ /etc/app/
        === .dockerignore
        config
        === config/app.toml
    """),
    tree("""
        === Dockerfile
        FROM python:3.12-slim
        COPY ../shared ./shared
        === shared/x.py
    """),
]
GOOD = [
    tree("""
        === build.sh
        cd "$(dirname "$0")"
        docker build -f api/Dockerfile -t api .
        === api/Dockerfile
        FROM node:22 AS build
        COPY package.json package-lock.json* ./
        COPY api/src ./src
        COPY dist/ ./dist/
        RUN npm ci
        FROM node:22-slim
        COPY --from=build /src/none ./none
        COPY --from=nginx:1.29 /etc/nginx /etc/nginx
        ADD https://example.org/x.tar.gz /x
        COPY $WHAT /y
        === api/src/index.js
        === package.json
        {"name": "x"}
        === package-lock.json
        {}
        === .dockerignore
        *
        !api
        !package*.json
        !dist
        === .gitignore
        dist
    """),
]
