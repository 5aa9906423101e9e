"""How much a file matters: who would notice if what it does failed.

By its path alone a file is the product's, a test's, an example's, archived, a template or vendored; by who calls it,
and what it is called, a failing call stops a production start, a deployment, a build, or nobody.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import StrEnum
from functools import cache

from sophia_preflight.calls.model import Caller, Site
from sophia_preflight.model import Severity


class Standing(StrEnum):
    PRODUCT = "product"
    TEST = "test"
    EXAMPLE = "example"
    ARCHIVED = "archived"
    TEMPLATE = "template"
    VENDORED = "vendored"


_BY_DIRECTORY: tuple[tuple[Standing, re.Pattern[str]], ...] = (
    (
        Standing.VENDORED,
        re.compile(
            r"(^|/)(vendor|vendored|_vendor|third[_-]?party|node_modules|site-packages|extern)/|(^|/)erlang\.mk$"
        ),
    ),
    (
        Standing.TEMPLATE,
        re.compile(
            r"(^|/)(templates?|cookiecutter[^/]*|scaffold[^/]*|skeletons?|boilerplates?|blueprints?)/|\{\{"
            r"|[._-]template\.[^/]+$"
        ),
    ),
    (
        Standing.ARCHIVED,
        re.compile(
            r"(^|/)(versioned_docs/version-[^/]*|[^/]*(archived?|deprecated|obsolete|backups?|\bold|unused|attic)[^/]*|([\w.]+[_-])?disabled)/",
            re.IGNORECASE,
        ),
    ),
    (
        Standing.TEST,
        re.compile(
            r"(^|/)(x?t|tests?|__tests__|testdata|test_data|test_files|fixtures?|mocks?|spec|e2e)/"
            r"|^(?!src/[^/]+/)(.*/)?testing/"
            r"|(^|/)(integration|[^/]*[_-]tests?)/"
            r"|(^|/)(test_[^/]*|[^/]*_test|conftest)\.py$|_test\.go$|\.t$|\.(test|spec)\.[jt]sx?$"
        ),
    ),
    (
        Standing.EXAMPLE,
        re.compile(
            r"(^|/)(\w+[_-]examples?|examples?|samples?|demos?|tutorials?|playground|snippets|documentation|notebooks?|"
            r"docs?([_-](src|source))?(?!/(source/)?(Makefile|conf\.py|requirements[\w-]*\.txt)$))/",
            re.IGNORECASE,
        ),
    ),
)
"""Of a folder of pages, what builds them is run: it is none of what they show."""
_PAGES = re.compile(
    r"(^|/)(docs?([_-](src|source))?|documentation)(/([\w-]+/){0,3}?(tutorials?|examples?|samples?|demos?))?(?=/)"
)
"""Folders of pages, and of those that show how it is done: what lies there is read and typed, though it is no part of
the product."""
_DRAFTS = re.compile(
    r"(^|/)docs?/([\w-]+/){0,2}(designs?|proposals?|rfcs?|adrs?|enhancements|plans?|roadmaps?)/"
    r"|(^|[/_-])(plan|proposal|roadmap|rfc)([_-][\w-]*)?\.\w+$",
    re.IGNORECASE,
)
"""Pages of what is to be, or was thought of."""
_TOLD = re.compile(
    r"(?<![^/])(tests?|e2e|integration)/(?=(README|CONTRIBUTING)\.\w+$)"
    r"|(?<![^/])(examples?|samples?|demos?|tutorials?|playground)/(?=([^/]+/){0,4}(README|CONTRIBUTING)\.\w+$)"
)
"""Where a page tells how the tests beside it are run, or the example that it lies in."""
_SHOWN = re.compile(r"(?<![^/])(examples?|samples?|demos?|tutorials?|playground)/(?=([^/]+/){0,4}[^/]+$)")
"""Where the tool servers of an example are, which whoever tries it starts."""
_DEPLOYING = re.compile(
    r"deploy|release|rollout|production|\bprod\b|[_-]prod|go[_-]?live|launch|publish", re.IGNORECASE
)
_STARTING = frozenset(
    {
        Caller.START,
        Caller.COMPOSE,
        Caller.SYSTEMD,
        Caller.PROCFILE,
        Caller.SUPERVISOR,
        Caller.PLATFORM,
        Caller.KUBERNETES,
    }
)
_DEVELOPING = re.compile(
    r"(^|[/._-])(dev|devel|development|test|tests|testing|local|ci|debug|override|e2e|sandbox)([/._-]|$)",
    re.IGNORECASE,
)


_RUNS_TESTS = re.compile(r"(?<=/)([^/]*[_-]tests?|integration|e2e)/")
_PIPELINES = re.compile(r"\.(buildkite|circleci|github|gitlab|azure-pipelines)/")
"""Where what pipelines run lies: a folder of it is named after the tests that it starts, and is none itself."""


@cache
def standing(path: str) -> Standing:
    """By the directories that a file lies in."""
    if _PIPELINES.match(path):
        path = _RUNS_TESTS.sub("", path)
    for kind, pattern in _BY_DIRECTORY:
        if pattern.search(path):
            return kind
    return Standing.PRODUCT


def is_development(path: str) -> bool:
    """Whether a compose file, Dockerfile or workflow says that it is for development or tests."""
    return bool(_DEVELOPING.search(posixpath.basename(path))) and not re.search(
        r"prod", posixpath.basename(path), re.IGNORECASE
    )


_in_use: ContextVar[frozenset[str]] = ContextVar("files of tests and examples that somebody runs", default=frozenset())
_shared: ContextVar[frozenset[str]] = ContextVar("files that are kept in another repository", default=frozenset())


@contextmanager
def regarding(used: frozenset[str], shared: frozenset[str] = frozenset()) -> Iterator[None]:
    """While it lasts, files of tests and examples are taken for what somebody runs, and shared ones for another's."""
    tokens = _in_use.set(used), _shared.set(shared)
    try:
        yield
    finally:
        _in_use.reset(tokens[0])
        _shared.reset(tokens[1])


def limited(severity: Severity, path: str) -> Severity:
    """What happens at most, given where the file lies, and whether anybody runs it."""
    if path in _shared.get():
        return severity.at_most(Severity.MEDIUM)
    if path in _in_use.get():
        return severity.at_most(Severity.HIGH)
    match standing(path):
        case Standing.PRODUCT:
            return severity
        case Standing.TEST | Standing.TEMPLATE:
            return severity.at_most(Severity.MEDIUM)
        case _:
            return severity.at_most(Severity.LOW)


def consequence(site: Site, *, held: bool = False) -> tuple[Severity, str]:
    """How bad it is that a call at this site fails, and what fails with it, in the reader's words.

    What `held` before a change was no blank to be filled in, though it lies among templates."""
    severity, blocks = _consequence(site)
    if site.guard.tolerated:
        severity = severity.at_most(Severity.MEDIUM)
    path = _TOLD.sub("", _PAGES.sub("", site.path)) if site.caller is Caller.DOCUMENT else site.path
    if site.caller is Caller.AGENT:
        path = _SHOWN.sub("", path)
    if site.caller is Caller.KUBERNETES:
        path = path.replace("/templates/", "/")  # of a chart
    if site.caller is Caller.DOCUMENT and _DRAFTS.search(site.path):
        severity = severity.at_most(Severity.LOW)
    if held and standing(path) is Standing.TEMPLATE:
        return severity.at_most(Severity.HIGH), blocks
    return limited(severity, path), blocks


def _consequence(site: Site) -> tuple[Severity, str]:
    deploying = bool(_DEPLOYING.search(posixpath.basename(site.path)) or _DEPLOYING.search(site.owner))
    match site.caller:
        case Caller.COMPOSE:
            if is_development(site.path):
                return Severity.HIGH, f"the service `{site.owner}` of `{site.path}`"
            return Severity.CRITICAL, f"the start of `{site.owner}` in `{site.path}`"
        case Caller.START:
            severity = Severity.HIGH if is_development(site.path) else Severity.CRITICAL
            return severity, f"the start of the image of `{site.path}`"
        case caller if caller in _STARTING:
            return Severity.CRITICAL, f"the start of `{site.owner}`"
        case Caller.BUILD:
            return Severity.HIGH, f"the image build of `{site.path}`"
        case Caller.WORKFLOW:
            return (Severity.CRITICAL if deploying else Severity.HIGH), f"the workflow `{site.owner}`"
        case Caller.PIPELINE:
            return (Severity.CRITICAL if deploying else Severity.HIGH), f"the job `{site.owner}` of `{site.path}`"
        case Caller.TOX:
            return Severity.HIGH, f"the environment `{site.owner}` of `{site.path}`"
        case Caller.TASK:
            return Severity.HIGH, f"the task `{site.owner}` of `{site.path}`"
        case Caller.PROJECT:
            return Severity.HIGH, f"the installation of the project of `{site.path}`"
        case Caller.MAKE:
            return (Severity.CRITICAL if deploying else Severity.HIGH), f"`{f'make {site.owner}'.strip()}`"
        case Caller.NPM:
            severity = Severity.CRITICAL if deploying or site.owner == "start" else Severity.HIGH
            return severity, f"`npm run {site.owner}` of `{site.path}`"
        case Caller.DOCUMENT:
            return Severity.HIGH, f"a command that `{site.path}` tells people to type"
        case Caller.AGENT:
            return Severity.HIGH, f"the tool server `{site.owner}`"
        case _:
            return (Severity.CRITICAL if deploying else Severity.HIGH), f"`{site.path}`"
