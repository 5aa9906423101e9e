"""Directories of images that are covered once they are started: `docker run -v "$PWD:/work"` of what was built here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sophia_preflight.calls.model import ImageBuild, Started

if TYPE_CHECKING:
    from sophia_preflight.context import Context


def covered(context: Context) -> dict[str, frozenset[str]]:
    """Dockerfile -> directories of its image that somebody who starts it by its tag mounts something over."""
    started: dict[str, set[str]] = {}
    for call in context.typed:
        if isinstance(call.target, Started):
            for name in (call.target.image, *call.target.arguments[:1]):  # an option that is not known may come before
                if name.known:
                    started.setdefault(name.value, set()).update(_targets(call.target))
    found: dict[str, set[str]] = {}
    for call in context.typed:
        if isinstance(call.target, ImageBuild):
            mounts = {each for tag in call.target.tags for each in started.get(tag.value, ())}
            if mounts and (built := context.called_build(call, call.target)) is not None:
                found.setdefault(built[0], set()).update(mounts)
    return {path: frozenset(mounts) for path, mounts in found.items()}


def _targets(started: Started) -> Iterator[str]:
    for word in started.mounts:
        said = dict(each.partition("=")[::2] for each in word.value.split(",")) if "=" in word.value else {}
        target = said.get("target") or said.get("dst") or said.get("destination")
        parts = word.value.split(":")
        if target or len(parts) > 1:
            yield (target or parts[1]).rstrip("/")
