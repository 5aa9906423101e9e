"""Images that start as root, though nothing needs it."""

from __future__ import annotations

from collections.abc import Iterable

from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Confidence, Finding, Place, Rule, Severity
from sophia_preflight.readers.dockerfile import Dockerfile, Stage
from sophia_preflight.standing import limited

RULE = Rule(
    id="image-runs-as-root",
    title="an image starts as root",
    severity=Severity.LOW,
    why="whoever gets into the process is root in the container, and closer to being root on the host",
    fix="create a user, and add `USER` before the command",
    family="dockerfiles",
)


def check(context: Context) -> Iterable[Finding]:
    for path, made in context.dockerfiles.items():
        final = made.final
        if final is None or made.faults or not (final.last("CMD") or final.last("ENTRYPOINT")):
            continue
        user = _user(made, final)
        if (
            user in ("", "root", "0", "0:0", "root:root")
            and "nonroot" not in final.base
            and "rootless" not in final.base
        ):
            yield RULE.found(
                "the image starts as root",
                Place(path, final.line, final.column),
                anchor=final.name or "final stage",
                severity=limited(Severity.LOW, path),
                confidence=Confidence.CERTAIN if user else Confidence.LIKELY,
            )


def _user(made: Dockerfile, stage: Stage) -> str:
    said = stage.last("USER")
    if said is not None:
        return said.expanded(said.flat)
    below = made.stage(stage.base)
    return _user(made, below) if below is not None and below.index < stage.index else ""


BAD = [
    tree("""
        === Dockerfile
        FROM python:3.12-slim
        CMD ["python", "-m", "http.server"]
    """),
]
GOOD = [
    tree("""
        === Dockerfile
        FROM python:3.12-slim AS base
        RUN useradd app
        USER app
        FROM base
        CMD ["python", "-m", "http.server"]
    """),
]
