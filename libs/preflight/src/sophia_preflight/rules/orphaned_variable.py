"""A variable that a file sets and nothing uses, beside one of nearly that name which it uses and nothing sets.

Each alone is common: what is unused is left over, and what is unset comes from outside. Together, in one file, they are
one variable whose name was changed at one end. Dockerfiles, workflows, makefiles and shell scripts are read as text.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from difflib import SequenceMatcher

from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.facts import ShellFacts
from sophia_preflight.mentions import site_of
from sophia_preflight.model import Confidence, Finding, Involved, Place, Rule, Severity
from sophia_preflight.outside import READS_IN, is_of_runner
from sophia_preflight.readers.makefile import MAKEFILE_NAMES
from sophia_preflight.standing import consequence

RULE = Rule(
    id="orphaned-variable",
    title="a variable is set under one name and used under another",
    severity=Severity.HIGH,
    why="where it is used it is empty, and what was set is used by nobody",
    fix="use the name that is set",
    family="workflows",
    resort=3,
)
_SHELL_SETS = r"(?:^|[\s;&|(])(?:export\s+|readonly\s+|local\s+|declare\s+(?:-\w+\s+)*)?([A-Za-z_]\w*)="
_SHELL_USES = r"(?<![\\$])\$(?:\{([A-Za-z_]\w*)\}|([A-Za-z_]\w*))"
_KINDS = {
    "dockerfile": (rf"^\s*(?:ARG|ENV)\s+([A-Za-z_]\w*)|{_SHELL_SETS}", _SHELL_USES),
    "workflow": (_SHELL_SETS, rf"{_SHELL_USES}|\benv\.([A-Za-z_]\w*)"),
    "makefile": (r"^[ \t]*(?:export\s+)?([A-Za-z_]\w*)\s*[:?+]?:?=", r"\$[({]([A-Za-z_]\w*)[)}]"),
    "shell": (_SHELL_SETS, _SHELL_USES),
}
"""Kind of file -> how it sets variables, and how it uses them without a default."""
_ALONE = ("dockerfile", "workflow")
"""Kinds of files that are given no variable but by what they say themselves."""
_MOST_SHOWN = 3
_READ = re.compile(r"\b(?:read|for|mapfile|readarray|getopts|printf -v|select)\b[^\n;|]*")
_REMARK = re.compile(r"^\s*#[^!].*$|(?<=\s)#\s.*$", re.MULTILINE)
_INCLUDES = re.compile(r"^-?include\s", re.MULTILINE)
_ALIKE = 0.7


def check(context: Context) -> Iterable[Finding]:
    for path, kind in _files(context):
        text = _REMARK.sub(lambda found: " " * len(found[0]), context.repository.glimpse(path))
        pair = _pair(text, _environment(context, path), *(re.compile(each, re.MULTILINE) for each in _KINDS[kind]))
        if pair is None or READS_IN.search(text) or _INCLUDES.search(text):
            continue
        if kind == "dockerfile" and _is_of_base(text, pair[1]):
            continue
        if kind in _ALONE or _defaults(text, *pair) or not _is_spoken_of(context, path, *pair):
            yield _found(path, text, *pair)


def _files(context: Context) -> Iterator[tuple[str, str]]:
    yield from ((path, "dockerfile") for path in context.dockerfiles)
    yield from ((path, "workflow") for path in context.workflows)
    for path, facts in context.facts.items():
        if isinstance(facts.data, ShellFacts):
            yield path, "shell"
        elif path.rpartition("/")[2] in MAKEFILE_NAMES or path.endswith(".mk"):
            yield path, "makefile"


def _environment(context: Context, path: str) -> set[str]:
    """The variables that a workflow is given as such; those of another file are in its text."""
    workflow = context.workflows.get(path)
    if workflow is None:
        return set()
    given = [workflow.env, *(job.env for job in workflow.jobs)]
    given += [step.env for job in workflow.jobs for step in job.steps]
    return {name for env in given for name, _ in env.items()}


def _pair(text: str, named: set[str], sets: re.Pattern[str], uses: re.Pattern[str]) -> tuple[str, str] | None:
    """The one variable that is set and never spoken of again, and the one that is used and never set, if alike."""
    given = named | {name for match in sets.finditer(text) for name in match.groups() if name}
    used = {name for match in uses.finditer(text) for name in match.groups() if name}
    unused = [name for name in given - used if len(_lines(name, text)) == 1]
    ends = {name.rpartition("_")[2] for name in unused if "_" in name}
    unset = [name for name in used - given if not _is_of_others(name, ends) and not _is_read(name, text)]
    if not unused or not unset:
        return None
    pairs = [(one, other) for one in unused for other in unset if _is_alike(one, other)]
    return pairs[0] if len(pairs) == 1 else None


def _lines(name: str, text: str) -> list[int]:
    return [
        text.count("\n", 0, found.start()) + 1 for found in re.finditer(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text)
    ]


def _is_of_others(name: str, ends: Collection[str]) -> bool:
    """Whether others may set a variable; one of many images' kind (`…_VERSION`) they do not where one of the same kind
    is set for nothing."""
    own = name.endswith(("_VERSION", "_HOME")) and name.rpartition("_")[2] in ends
    return len(name) < 3 or (not own and is_of_runner(name))


def _is_of_base(text: str, name: str) -> bool:
    """Whether an image that a Dockerfile begins with is called as a variable begins: it may set it."""
    begins = name.partition("_")[0].lower()
    return any(begins in line.lower() for line in re.findall(r"^FROM[ \t]+(.*)$", text, re.MULTILINE))


def _is_read(name: str, text: str) -> bool:
    return any(re.search(rf"\b{name}\b", found[0]) for found in _READ.finditer(text))


def _is_alike(one: str, other: str) -> bool:
    """Whether names are of the same case, and have most letters or a word of some length in common."""
    if one.isupper() != other.isupper() or one.strip("_") == other.strip("_"):
        return False
    words, others = (set(re.split(r"_|(?<=[a-z])(?=[A-Z])", each)) for each in (one, other))
    common = {word for word in words & others if len(word) > 3}
    whole = bool(common) and abs(len(words) - len(others)) <= 1 and len(words | others) > 1
    return whole or SequenceMatcher(None, one.lower(), other.lower()).ratio() >= _ALIKE


def _defaults(text: str, given: str, used: str) -> bool:
    """Whether what is set is the other, or else a default: whoever wrote that knew that it may be unset."""
    return re.search(rf"\b{given}=[\"']?\$\{{{used}:?-", text) is not None


def _is_spoken_of(context: Context, path: str, *names: str) -> bool:
    """Whether another file speaks of one of them, so that it may come from there, or be for it."""
    texts = (context.repository.glimpse(each) for each in context.repository.entries if each != path)
    return any(name in text and _lines(name, text) for text in texts for name in names)


def _found(path: str, text: str, given: str, used: str) -> Finding:
    severity, blocks = consequence(site_of(path))
    return RULE.found(
        f"`{used}` is used here and nothing sets it; what is set, and used by nobody, is `{given}`",
        *(Involved(Place(path, line), "call") for line in _lines(used, text)[:_MOST_SHOWN]),
        Involved(Place(path, _lines(given, text)[0]), "declaration"),
        anchor=f"{used} {given}",
        severity=severity.at_most(Severity.HIGH),
        confidence=Confidence.LIKELY,
        fix=f"{RULE.fix}: `{given}`",
        blocks=blocks,
    )


_FLOW = """
    === .github/workflows/push.yml
    on: push
    env:
      {0}: shop
    jobs:
      push:
        runs-on: ubuntu-24.04
        steps:
          - uses: docker/metadata-action@v5
            with: {images: "${{ env.build_image }}"}
"""
_RECIPE = """
    === Makefile
    {0} = dist
    all:
    \tmkdir -p $(OUTPUT_FOLDER)/web
"""
_IMAGE = """
    === Dockerfile
    FROM registry.example.com/base:1
    ARG {0}=1.4
    RUN curl -fsSL "https://example.com/shop-${SHOP_VERSION}.tar.gz" -o shop.tar.gz
    COPY . .
"""
BAD = [
    tree(_IMAGE.replace("{0}", "SHOPS_VERSION")),
    tree(_FLOW.replace("{0}", "image_name")),
    tree(_RECIPE.replace("{0}", "OUT_FOLDER")),
]
GOOD = [
    tree(_IMAGE.replace("{0}", "SHOP_VERSION")),
    tree(_IMAGE.replace("{0}", "SHOP_HOME")),
    tree(_IMAGE.replace("{0}", "SHOPS_VERSION").replace("base", "shop-base")),
    tree(_FLOW.replace("{0}", "build_image")),
    tree(_RECIPE.replace("{0}", "OUTPUT_FOLDER")),
    tree(_RECIPE.replace("{0}", "OUT_FOLDER") + "\n    === ci.env\n    OUTPUT_FOLDER=/srv/dist\n"),
]
