"""Makefiles as make reads them: each together with those that it includes.

A makefile that another one includes is no makefile by itself: make works in the directory of the other one, whose
variables and targets it has. So the reader of one file alone is asked again, with all that the include brings in.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from functools import cached_property

from sophia_preflight.calls.make import trace_of
from sophia_preflight.calls.model import Composition, ImageBuild, Needed, Script, Trace
from sophia_preflight.facts import Facts
from sophia_preflight.readers.makefile import Included, Makefile, Targets, parse
from sophia_preflight.repository import Repository
from sophia_preflight.text import CWD, ROOT, UNKNOWN, Word, in_repository, is_known, joined


class Making:
    """`alone` are the makefiles, and `facts` what each says, as if make read nothing else with it."""

    def __init__(self, repository: Repository, alone: Mapping[str, Makefile], facts: Mapping[str, Facts]) -> None:
        self._repository, self._alone, self._facts = repository, alone, facts
        self._users: dict[str, str] = {}
        self._alike: dict[str, list[str]] = {}
        self._wholes: dict[str, Makefile] = {}
        self._targets: dict[str, Targets] = {}

    def whole(self, path: str) -> Makefile:
        """A makefile with all that it includes, and the includes that name nothing which is here."""
        made = self._alone[path]
        if not made.includes:
            return made
        if path not in self._wholes:
            directory = posixpath.dirname(path)
            self._wholes[path] = parse(
                path, self._repository.text(path), lambda name, file: self._included(directory, file, name)
            )
        return self._wholes[path]

    def targets(self, path: str) -> Targets:
        """What make has rules for, where it reads this makefile."""
        if path not in self._targets:
            directory = posixpath.dirname(path)
            self._targets[path] = Targets(
                self.whole(path).targets, lambda name: self._repository.exists(posixpath.join(directory, name))
            )
        return self._targets[path]

    @cached_property
    def users(self) -> dict[str, list[str]]:
        """The makefiles that others include, each with the outermost that read it."""
        included = {path: self._direct(path) for path, made in self._alone.items() if made.includes}
        inner = {each for paths in included.values() for each in paths}
        found: dict[str, list[str]] = {}
        for path in sorted(included.keys() - inner):
            for each in self.whole(path).files:
                if each != path:
                    found.setdefault(each, []).append(path)
        return found

    def _direct(self, path: str) -> set[str]:
        names = (each.name for each in self._alone[path].includes)
        found = (self._included(posixpath.dirname(path), path, name) for name in names)
        return {inner for each in found for inner, _ in each.files} - {path}

    def user(self, path: str) -> str:
        """The makefile that this one is read with: itself, or the only one that includes it; empty where several do."""
        if path not in self._users:
            users = self.users.get(path, [path])
            alike = len({posixpath.dirname(each) for each in users}) == 1
            self._users[path] = path if self._is_by_itself(path, users[0]) else users[0] if alike else ""
        return self._users[path]

    def _is_by_itself(self, path: str, user: str) -> bool:
        """Whether the files that it names lie where it lies, and none where an include that takes all would read it."""
        if posixpath.dirname(path) == posixpath.dirname(user) or self._alone[path].here == CWD:
            return False
        trace = trace_of(path, self.whole(user))
        return self._names_files(self._facts[path].trace) and not self._names_files(trace)

    def _names_files(self, trace: Trace) -> bool:
        for call in trace.calls:
            match call.target:
                case Script(path=word) | Needed(path=word) | ImageBuild(dockerfile=Word() as word):
                    words: tuple[Word, ...] = (word,)
                case Composition(files=words):
                    pass
                case _:
                    continue
            places = (in_repository(joined(call.site.directory, word.value)) for word in words)
            if any(place is not None and self._repository.is_file(place) for place in places):
                return True
        return False

    def traces(self) -> Iterator[tuple[str, Trace]]:
        """What makefiles do that are not alone."""
        for path, made in self._alone.items():
            if user := self.user(path):
                if user != path or made.includes:
                    yield path, trace_of(path, self.whole(user))
            elif made.here != CWD:
                yield path, trace_of(path, parse(path, self._repository.text(path), part=True))

    def _like(self, place: str) -> list[str]:
        """The makefiles whose paths a pattern, or a path known in part, may be."""
        if place not in self._alike:
            pattern = re.compile(re.escape(place).replace(r"\*", "[^/]*").replace(UNKNOWN, ".*"))
            self._alike[place] = sorted(filter(pattern.fullmatch, self._alone))
        return self._alike[place]

    def _included(self, directory: str, file: str, name: str) -> Included:
        """The makefiles that an `include` may mean: make looks from where it runs, which the text may leave open."""
        if name.startswith(ROOT):
            places = [posixpath.normpath(name[1:].lstrip("/"))]
        else:
            bases = dict.fromkeys((directory, posixpath.dirname(file), ""))
            places = [posixpath.normpath(posixpath.join(base, name.removeprefix(f"{CWD}/"))) for base in bases]
        for place in places:
            if place in self._alone:
                return Included([(place, self._repository.text(place))])
            if "*" in name or (not is_known(name) and re.search(r"\w", name.replace(UNKNOWN, ""))):
                found = [each for each in self._like(place) if each != file]
                if found:
                    return Included([(each, self._repository.text(each)) for each in found], not is_known(name))
        return Included()
