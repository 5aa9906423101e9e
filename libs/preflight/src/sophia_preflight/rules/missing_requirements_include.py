"""A requirements file that takes another one in which is not there."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator

from sophia_preflight.calls.model import Call, Needed
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Finding, Involved, Place, Rule, Severity
from sophia_preflight.standing import consequence

RULE = Rule(
    id="missing-requirements-include",
    title="a requirements file names another one that does not exist",
    severity=Severity.HIGH,
    why="pip ends before it installs anything",
    fix="correct the path (it is relative to the file that names it), or add the file",
    family="targets",
)
_NAMES = re.compile(r"(-r|-c|--requirement|--constraint)[ =]*(?P<path>[^\s#]+)")


def check(context: Context) -> Iterable[Finding]:
    """Of every file that somebody has pip install, and of those that it takes in."""
    for path, call in sorted(_installed(context).items()):
        for number, line in enumerate(context.repository.text(path).splitlines(), 1):
            if (found := _NAMES.match(line.strip())) is None or "://" in found["path"] or "$" in found["path"]:
                continue
            place = posixpath.normpath(posixpath.join(posixpath.dirname(path), found["path"]))
            if place.startswith("..") or context.repository.exists(place) or context.finder.is_made(place):
                continue
            severity, blocks = consequence(call.site)
            yield RULE.found(
                f"`{found['path']}` is not in `{posixpath.dirname(place) or '.'}`",
                Place(path, number, line.index(found["path"]) + 1),
                Involved(call.place, "call"),
                anchor=found["path"],
                severity=severity,
                blocks=blocks,
            )


def _installed(context: Context) -> dict[str, Call]:
    """Requirements files by path, with the call that weighs most."""
    found: dict[str, Call] = {}
    waiting = [each for each in context.calls if _is_installation(each)]
    for call in sorted(waiting, key=lambda each: consequence(each.site)[0].rank):
        assert isinstance(call.target, Needed)
        location = context.path_of(call.target.path, call)
        if location.found and location.path not in found:
            found[location.path] = call
            for inner in _taken_in(context, location.path, 0):
                found.setdefault(inner, call)
    return found


def _is_installation(call: Call) -> bool:
    return isinstance(call.target, Needed) and call.target.purpose == "the requirements that pip installs"


def _taken_in(context: Context, path: str, depth: int) -> Iterator[str]:
    for line in context.repository.text(path).splitlines() if depth < 5 else ():
        if found := _NAMES.match(line.strip()):
            inner = posixpath.normpath(posixpath.join(posixpath.dirname(path), found["path"]))
            if context.repository.is_file(inner):
                yield inner
                yield from _taken_in(context, inner, depth + 1)


BAD = [
    tree("""
        === Dockerfile
        FROM python:3.12-slim
        COPY requirements/ /requirements/
        RUN pip install -r /requirements/production.txt
        === requirements/production.txt
        -r base.txt
        gunicorn==21.2.0
    """),
]
GOOD = [
    tree("""
        === Makefile
        install:
        \tpip install -r requirements/dev.txt
        === requirements/dev.txt
        -r base.txt
        -c https://example.org/constraints.txt
        === requirements/base.txt
        flask==3.0.0
        === old/requirements.txt
        -r gone.txt
    """),
]
