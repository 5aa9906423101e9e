"""Which tests are run by somebody: by a pipeline, a target, an environment, a script or whoever follows a page.

A test whose module cannot be imported fails all of them, before any of them has begun.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from sophia_preflight.calls.model import Call, Caller, Module, Program, Script
from sophia_preflight.text import CWD, ROOT

if TYPE_CHECKING:
    from sophia_preflight.context import Context

_RUNNERS = frozenset({"pytest", "py.test", "unittest", "stestr", "nose2", "nosetests", "ward"})
_COLLECTED = re.compile(r"(^|/)(test_[^/]*|[^/]*_test|tests?|conftest)\.py$")
_MATERIAL = re.compile(
    r"(^|/)[^/]*(fixture|data|resource|sample|mock|template|case|asset|example|snippet|input|broken|invalid)[^/]*/"
)
"""Folders of what tests look at, rather than run."""
_MAY_PASS = re.compile(r"\bimportorskip\b|\ballow_module_level\b|\bcollect_ignore|\bcollect_file\b")
"""What says that a module of tests need not be importable."""
_CALLERS = frozenset(
    {Caller.WORKFLOW, Caller.PIPELINE, Caller.MAKE, Caller.TOX, Caller.TASK, Caller.SHELL, Caller.NPM, Caller.DOCUMENT}
)


@dataclass(frozen=True)
class _Run:
    """Tests below some places, but for what is left out; `by` is the file that has them run."""

    by: str
    below: tuple[str, ...]
    without: tuple[str, ...]

    def covers(self, path: str) -> bool:
        return _is_below(path, self.below) and not _is_below(path, self.without)


class Tested:
    """The modules of tests that are run."""

    def __init__(self, context: Context) -> None:
        self.context = context

    def by(self, path: str) -> str:
        """The file that has a module of tests run; empty where none does, or the module may be only looked at."""
        if _MATERIAL.search(path) or not (_COLLECTED.search(path) or path in self._helping):
            return ""
        if _MAY_PASS.search(self.context.repository.glimpse(path)):
            return ""
        return next((run.by for run in self._runs if run.covers(path)), "")

    @cached_property
    def _helping(self) -> frozenset[str]:
        """Modules that those which are collected import as soon as they are."""
        python, modules = self.context.modules.python, self.context.modules
        return frozenset(
            file
            for path, facts in python.items()
            if _COLLECTED.search(path)
            for imported in facts.outline.imports
            if not (imported.lazy or imported.guarded or imported.conditional)
            for file in (
                *modules.targets(path, imported),
                posixpath.join(posixpath.dirname(path), f"{imported.module}.py"),
            )
            if file in python
        )

    @cached_property
    def _runs(self) -> list[_Run]:
        return sorted(self._found(), key=lambda each: (each.by.endswith((".md", ".rst")), each.by))

    def _found(self) -> Iterator[_Run]:
        for call in self.context.typed:
            if call.site.caller not in _CALLERS or call.site.guard.tolerated or call.site.inside is not None:
                continue
            arguments = _arguments(call)
            if arguments is None:
                continue
            home = _home(call.site.directory)
            if home is None:
                continue
            named, without = [], []
            for before, word in zip(["", *arguments], arguments, strict=False):
                option, _, value = word.partition("=")
                if option in ("--ignore", "--deselect", "--ignore-glob"):
                    without.append(value)
                elif before in ("--ignore", "--deselect", "--ignore-glob"):
                    without.append(word)
                elif not word.startswith("-") and (path := self._path(home, word.partition("::")[0])):
                    named.append(path)
            left_out = tuple(posixpath.normpath(posixpath.join(home, each.rstrip("/*"))) for each in without if each)
            yield _Run(call.site.path, tuple(named) or (home,), left_out)

    def _path(self, home: str, word: str) -> str:
        path = posixpath.normpath(posixpath.join(home, word))
        there = self.context.repository.is_file(path) or self.context.repository.is_directory(path)
        return path if there else ""


def _arguments(call: Call) -> list[str] | None:
    """What a runner of tests is told, as far as it is known; None where the call is of no such runner."""
    match call.target:
        case Program(name=name, arguments=words) | Module(name=name, arguments=words) if name.value in _RUNNERS:
            pass
        case Script(path=name, arguments=words) if (
            name.value.endswith("manage.py") and words[:1] and (words[0].value == "test")
        ):
            words = words[1:]
        case _:
            return None
    return [word.value for word in words if word.known]


def _home(directory: str) -> str | None:
    """The directory of the repository in which a call is made."""
    for base in (CWD, ROOT):
        if directory == base:
            return ""
        if directory.startswith(f"{base}/"):
            return posixpath.normpath(directory.removeprefix(f"{base}/"))
    return None


def _is_below(path: str, places: tuple[str, ...]) -> bool:
    return any(place in ("", ".", path) or path.startswith(f"{place}/") for place in places)
