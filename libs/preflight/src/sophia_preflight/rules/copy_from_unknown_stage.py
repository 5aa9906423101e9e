"""COPY --from a stage that is not there, or not there yet."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from sophia_preflight.calls.model import Caller, Site
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Confidence, Finding, Place, Rule, Severity
from sophia_preflight.standing import consequence
from sophia_preflight.text import is_known

RULE = Rule(
    id="copy-from-unknown-stage",
    title="a Dockerfile copies from a stage that it does not have",
    severity=Severity.HIGH,
    why="Docker takes the name for that of an image, and fails to pull it",
    fix="name an earlier stage of the file, or an image",
    family="dockerfiles",
)


def check(context: Context) -> Iterable[Finding]:
    for path, made in context.dockerfiles.items():
        severity, blocks = consequence(Site(path, Caller.BUILD))
        additional = _additional_contexts(context)
        for stage in made.stages:
            for each in stage.instructions:
                name = each.expanded(each.flags.get("from", ""))
                if not name or not is_known(name) or any(char in name for char in "/:.@") or name in additional:
                    continue
                known = made.stage(name)
                if known is not None and known.index < stage.index:
                    continue
                names = [other.name for other in made.stages[: stage.index] if other.name]
                near = get_close_matches(name, names, n=1)
                certain = bool(near) or name.isdigit() or known is not None
                said = "comes later in the file" if known is not None else "is no stage of this file"
                yield RULE.found(
                    f"`--from={name}`: `{name}` {said}",
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
        FROM node:22 AS builder
        FROM nginx:1.29
        COPY --from=build /app/dist /usr/share/nginx/html
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
    """),
]
