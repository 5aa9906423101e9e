"""A Dockerfile or workflow uses a variable that nothing there sets: it is empty."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from difflib import SequenceMatcher

from sophia_preflight.base_images import is_plain
from sophia_preflight.calls.model import Caller, Site
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Confidence, Finding, Place, Rule, Severity
from sophia_preflight.outside import READS_IN, is_of_image, is_of_runner
from sophia_preflight.readers.dockerfile import PREDEFINED, Dockerfile, Instruction, Stage
from sophia_preflight.readers.snippet import of_node
from sophia_preflight.readers.workflow import Job, Step, Workflow
from sophia_preflight.spelling import is_slip
from sophia_preflight.standing import consequence

RULE = Rule(
    id="undefined-variable",
    title="a variable is used that nothing sets",
    severity=Severity.HIGH,
    why="the shell and the builder put an empty text in its place: what is run with it fails, or does something else",
    fix="name the variable as it is set, or set it where it is used (an `ARG` holds until the end of its stage)",
    family="workflows",
)
_USE = re.compile(r"(?<![\\$])\$(?:\{([A-Za-z_]\w*)\}|([A-Za-z_]\w*))")
"""Uses that have no default."""
_QUOTED = re.compile(r"'[^'\n]*'")
_USED_BY = ("RUN", "COPY", "ADD", "WORKDIR", "USER")


def check(context: Context) -> Iterable[Finding]:
    for path, made in context.dockerfiles.items():
        if not made.faults:
            yield from _of_dockerfile(path, made)
    for workflow in context.workflows.values():
        if not workflow.action:
            for job in workflow.jobs:
                yield from _of_job(workflow, job)


# --- Dockerfiles -----------------------------------------------------------------------------------------------------


def _of_dockerfile(path: str, made: Dockerfile) -> Iterator[Finding]:
    severity, blocks = consequence(Site(path, Caller.BUILD))
    known = made.arguments.keys() | PREDEFINED
    for stage in made.stages:
        for name in _used(stage.written):
            if name not in known:
                yield RULE.found(
                    f"`FROM {stage.written}`: no ARG before the first FROM declares `{name}`",
                    Place(path, stage.line, stage.column),
                    anchor=f"FROM {stage.written}",
                    severity=severity,
                    fix=_fix(name, made.arguments),
                    blocks=blocks,
                )
        yield from _of_stage(path, made, stage, severity, blocks, sure=_is_sure(made, stage))


def _is_sure(made: Dockerfile, stage: Stage) -> bool:
    """Whether what the stage inherits is known: an official image, or a stage on one."""
    base = made.stage(stage.base)
    return is_plain(stage.base) if base is None or base is stage else _is_sure(made, base)


def _of_stage(
    path: str, made: Dockerfile, stage: Stage, severity: Severity, blocks: str, *, sure: bool
) -> Iterator[Finding]:
    """Variables of a stage that nothing sets; where what it inherits is not `sure`, only those that are misspelt."""
    told: set[str] = set()
    everything = " ".join(each.value for each in stage.instructions)
    for each in stage.instructions:
        if each.name not in _USED_BY or each.onbuild or each.words is not None or each.heredocs:
            continue
        text = _QUOTED.sub("", each.flat) if each.name == "RUN" else each.flat
        if each.name == "RUN" and READS_IN.search(text):
            continue
        for name in _used(text):
            if name in each.variables or name in PREDEFINED or name in told or is_of_image(name):
                continue
            if each.name == "RUN" and _is_set(name, everything):
                continue
            near = _near(name, each.variables) if sure else _misspelt(name, each.variables, everything)
            outside = sure and name in made.arguments
            if outside or near:
                told.add(name)
                said = (
                    f"`{name}` is empty: its ARG stands before the first FROM, where only FROM sees it"
                    if outside
                    else f"`{name}` is empty: nothing in this stage sets it"
                )
                yield RULE.found(
                    said,
                    Place(path, each.line + _line_of(each, name), each.column),
                    anchor=f"{name} in {stage.name or stage.index}",
                    severity=severity,
                    confidence=Confidence.LIKELY,
                    fix=f"add `ARG {name}` to the stage" if outside else _fix(name, each.variables),
                    blocks=blocks,
                )


def _line_of(each: Instruction, name: str) -> int:
    found = re.search(rf"\$\{{?{name}\b", each.value)
    return each.value.count("\n", 0, found.start()) if found else 0


# --- workflows -------------------------------------------------------------------------------------------------------


def _of_job(workflow: Workflow, job: Job) -> Iterator[Finding]:
    wide = {name for env in (workflow.env, job.env) for name, _ in env.items()}
    everything = "\n".join(step.run.text for step in job.steps)
    if READS_IN.search(everything) or any("container" in key for key, _ in job.node.items()):
        return
    severity, blocks = consequence(Site(workflow.path, Caller.WORKFLOW, owner=f"{workflow.name} / {job.name}"))
    elsewhere = {name for other in workflow.jobs for name in _names_of(other)}
    told: set[str] = set()
    for step in job.steps:
        if not step.run or step.shell not in ("bash", "sh", "") or step.tolerated:
            continue
        own = wide | {name for name, _ in step.env.items()}
        for name, place in _uses(workflow, step):
            if name in own or name in told or is_of_runner(name):
                continue
            if _is_set(name, everything) or not name.isupper():
                continue
            near = _near(name, own)
            if near or (name in elsewhere and not any(each.uses for each in job.steps if not _is_plain(each))):
                told.add(name)
                why = "" if near else ", though another step or job of this workflow has it"
                yield RULE.found(
                    f"`{name}` is empty here: no `env` that reaches this step sets it{why}",
                    place,
                    anchor=f"{job.name} {name}",
                    severity=severity,
                    confidence=Confidence.LIKELY,
                    fix=_fix(name, own),
                    blocks=blocks,
                )


def _is_plain(step: Step) -> bool:
    """Whether a step is an action of GitHub's own, none of which sets variables by names that others choose."""
    return not step.uses or step.uses.text.startswith("actions/")


def _names_of(job: Job) -> Iterator[str]:
    yield from (name for name, _ in job.env.items())
    for step in job.steps:
        yield from (name for name, _ in step.env.items())


def _uses(workflow: Workflow, step: Step) -> Iterator[tuple[str, Place]]:
    snippet = of_node(workflow.path, step.run, workflow.lines)
    text = _QUOTED.sub(lambda found: " " * len(found[0]), step.run.text)
    if "<<" in text:
        return
    for found in _USE.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        yield found[1] or found[2], snippet.place(line, found.start() - text.rfind("\n", 0, found.start()))


# --- both ------------------------------------------------------------------------------------------------------------


def _used(text: str) -> Iterator[str]:
    seen: set[str] = set()
    for found in _USE.finditer(text):
        name = found[1] or found[2]
        if name not in seen and len(name) > 2:
            seen.add(name)
            yield name


def _is_set(name: str, text: str) -> bool:
    """Whether a text sets a variable, in one of the ways in which shells, and those who speak to a runner, do."""
    return (
        re.search(
            rf"(?<![\w$]){name}(\+?=|<<)|\b(read|for|printf -v|mapfile|readarray|getopts)\b[^\n;]*\b{name}\b", text
        )
        is not None
    )


def _near(name: str, known: Collection[str]) -> str:
    """The one that was meant: nearly the same letters, or the same words but for one."""
    words = set(name.split("_"))
    for each in sorted(known):
        other = set(each.split("_"))
        alike = SequenceMatcher(None, name, each).ratio()
        if alike >= 0.85 or (alike >= 0.6 and min(len(words), len(other)) > 1 and len(words ^ other) == 1):
            return each
    return ""


def _misspelt(name: str, known: Collection[str], text: str) -> str:
    """The one that is meant: a slip of a key away, or with the same words, and nothing speaks of the name again."""
    if len(name) < 5 or len(re.findall(rf"(?<!\w){name}(?!\w)", text)) > 1:
        return ""
    words = sorted(name.split("_"))
    return next((each for each in sorted(known) if is_slip(name, each) or sorted(each.split("_")) == words), "")


def _fix(name: str, known: Collection[str]) -> str:
    near = _near(name, known)
    return RULE.fix + (f": there is `{near}`" if near else "")


BAD = [
    tree("""
        === Dockerfile
        FROM example/base:1
        ARG api_key
        RUN shop keys add --key "$api_kye"
    """),
    tree("""
        === Dockerfile
        ARG PYTHON=3.13
        FROM python:${PYTHON_TAG}-slim
        RUN true
    """),
    tree("""
        === Dockerfile
        ARG RELEASE=1.4
        FROM debian:13-slim
        RUN curl -fsSL "https://example.com/shop-${RELEASE}.tar.gz" -o shop.tar.gz
    """),
    tree("""
        === Dockerfile
        FROM debian:13-slim
        ARG SHOP_RELEASE=1.4
        RUN curl -fsSL "https://example.com/shop-${SHOP_RELASE}.tar.gz" -o shop.tar.gz
    """),
    tree("""
        === .github/workflows/ci.yml
        on: push
        env:
          IMAGE_NAME: registry.example.com/shop
        jobs:
          image:
            runs-on: ubuntu-24.04
            steps:
              - uses: actions/checkout@v4
              - run: docker build -t "$IMAGE_NAMES:latest" .
        === Dockerfile
        FROM debian:13-slim
    """),
    tree("""
        === .github/workflows/ci.yml
        on: push
        jobs:
          image:
            runs-on: ubuntu-24.04
            steps:
              - uses: actions/checkout@v4
              - run: docker login -u shop -p "$REGISTRY_TOKEN" registry.example.com
                env: {REGISTRY_TOKEN: "${{ secrets.REGISTRY_TOKEN }}"}
              - run: ./publish.sh "$REGISTRY_TOKEN"
        === publish.sh
        echo "$1"
    """),
]
GOOD = [
    tree("""
        === Dockerfile
        ARG PYTHON=3.13
        ARG RELEASE
        FROM --platform=$BUILDPLATFORM python:${PYTHON}-slim AS build
        ARG RELEASE
        ENV TARGET_DIR=/srv
        RUN echo "$RELEASE ${OPTION:-none} $TARGETARCH $PYTHON_VERSION" && for each in a b; do echo "$each"; done
        RUN NAMED=$(date) && echo "$NAMED" && awk '{print $RELEASES}' file && echo \\$RELEASES
        FROM build
        RUN echo "$TARGET_DIR"
        FROM example/base:1
        ARG SHOP_HOME
        RUN echo "$RELEASE" "$SHOP_HOMES" "$SHOP_DIR" && ls "$SHOP_HOMES"
    """),
    tree("""
        === .github/workflows/ci.yml
        on: push
        env:
          IMAGE_NAME: registry.example.com/shop
        jobs:
          image:
            runs-on: ubuntu-24.04
            steps:
              - uses: actions/checkout@v4
              - run: echo "IMAGE_NAMES=a" >> "$GITHUB_ENV"
              - run: docker build -t "$IMAGE_NAMES:${IMAGE_NAM:-latest}" . && echo '$IMAGE_NAMED' "$GITHUB_SHA" "$OTHER"
              - run: |
                  export IMAGE_NAMER=1
                  echo "$IMAGE_NAMER"
        === Dockerfile
        FROM debian:13-slim
    """),
]
