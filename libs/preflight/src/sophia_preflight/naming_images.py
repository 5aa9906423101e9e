"""Images that a file builds under a name that it uses no more, and starts or pushes under one that nobody makes."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass

from sophia_preflight.calls.documents import Page
from sophia_preflight.calls.model import Call, ImageBuild, Program, Started
from sophia_preflight.calls.options import part
from sophia_preflight.context import Context
from sophia_preflight.model import Place
from sophia_preflight.text import Word, is_known, named

_PROGRAMS = named("docker podman nerdctl buildah")
_NEEDS_IT = named("push tag save inspect")
"""Verbs whose first operand is an image that must be there."""
_LOADERS = {"kind": ("load", "docker-image"), "minikube": ("image", "load"), "k3d": ("image", "import")}
_FETCHED = r"\b(?:docker|podman|nerdctl)(?: image)? (?:pull|load|import|commit)\b[^\n]*"


@dataclass(frozen=True)
class Orphan:
    """An image that one command of a file asks for, and the one that it builds for nobody."""

    asked: Word
    call: Call
    built: str
    place: Place


def orphans(context: Context) -> Iterator[Orphan]:
    """Where a file builds one image whose name it says but once, and afterwards asks for another."""
    builds: dict[str, list[tuple[Word, Call]]] = {}
    for call, target in _builds(context):
        for tag in target.tags:
            builds.setdefault(call.site.path, []).append((tag, call))
    for call in context.typed if builds else ():
        for word in _asked(call) if call.site.path in builds else ():
            text = context.repository.text(call.site.path)
            unused = [
                (tag, build)
                for tag, build in builds[call.site.path]
                if _is_plain(tag) and build.place < call.place and len(_uses(tag.value, text)) == 1
            ]
            if len(unused) == 1 and _is_plain(word) and not re.search(_FETCHED + re.escape(word.value), text):
                tag, build = unused[0]
                yield Orphan(word, call, tag.value, Place(build.place.path, tag.line, tag.column))


def _builds(context: Context) -> Iterator[tuple[Call, ImageBuild]]:
    told = (call for each in context.facts.values() if isinstance(each.data, Page) for call in each.trace.calls)
    for call in (*context.calls, *told):
        if isinstance(call.target, ImageBuild):
            yield call, call.target


def _asked(call: Call) -> Iterator[Word]:
    """The images of this machine that a command needs."""
    if isinstance(call.target, Started):
        yield call.target.image
    elif isinstance(call.target, Program):
        program = posixpath.basename(call.target.name.value)
        words = call.target.arguments
        if program in _LOADERS and tuple(word.value for word in words[:2]) == _LOADERS[program]:
            yield from part(words[2:], named("--name -n -p --profile -c --cluster --nodes")).operands[:1]
        elif program in _PROGRAMS and words and words[0].value in _NEEDS_IT:
            yield from part(words[1:], named("-o --output -f --format --type")).operands[:1]


def _is_plain(word: Word) -> bool:
    return is_known(word.value) and not word.assumed and re.fullmatch(r"[\w./:-]+", word.value) is not None


def _uses(name: str, text: str) -> list[str]:
    """Where a text says the name of an image, with the tag that is meant where none is."""
    name = re.escape(name.removesuffix(":latest"))
    return re.findall(rf"(?<![\w./:-]){name}(?::latest\b)?(?![\w:/-]|\.\w)", text)
