"""Commands that the repository's own Python projects bring, as callees: from a program's name to what it accepts."""

from __future__ import annotations

import posixpath
import re
from functools import cached_property
from typing import TYPE_CHECKING

from sophia_preflight.interfaces.model import Interface

if TYPE_CHECKING:
    from sophia_preflight.context import Context

_SCRIPTS = re.compile(r"^\s*(?:scripts|script-files)\s*=\s*\[([^\]]*)\]|\bscripts\s*=\s*\[([^\]]*)\]", re.MULTILINE)
"""Files that a project installs as they are, in its `setup.py` or `pyproject.toml`."""
_REFERENCE = re.compile(r"([A-Za-z_][\w.]*)\s*:\s*([A-Za-z_]\w*)")

_TESTS = re.compile(r"(^|/)tests?/")
"""Where tests lie, which often mirror the packages that they are about."""


class Entries:
    """The commands by name. One that two projects bring, or that other files may add to, is not known."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self._known: dict[str, tuple[str, Interface] | None] = {}
        self._points: dict[str, set[tuple[str, str]]] = {}
        for project in context.modules.projects.by_directory.values():
            for point in project.entry_points:
                if point.is_command:
                    self._points.setdefault(point.name, set()).add((project.directory, point.value.strip()))

    def __contains__(self, name: str) -> bool:
        """Whether a project brings a command of that name, known or not."""
        return name in self._points

    @property
    def names(self) -> frozenset[str]:
        """The names of all of them."""
        return frozenset(self._points)

    def script(self, name: str) -> str:
        """The file that one project installs as it is under a name; empty where there is none, or another command."""
        found = self._scripts.get(name, set())
        return next(iter(found)) if len(found) == 1 and name not in self._points else ""

    @cached_property
    def _scripts(self) -> dict[str, set[str]]:
        repository = self.context.repository
        found: dict[str, set[str]] = {}
        for name in ("setup.py", "pyproject.toml"):
            for path in repository.by_name.get(name, []):
                for listed in _SCRIPTS.findall(repository.glimpse(path)):
                    for each in re.findall(r"[\"']([\w./-]+)[\"']", "".join(listed)):
                        file = posixpath.normpath(posixpath.join(posixpath.dirname(path), each))
                        if repository.is_file(file):
                            found.setdefault(posixpath.basename(file), set()).add(file)
        return found

    def find(self, name: str) -> tuple[str, Interface] | None:
        """The file and the interface of a command, which may be unknown; None where nobody can tell the file."""
        if name not in self._points:
            return None
        if name not in self._known:
            self._known[name] = self._read(name)
        return self._known[name]

    def _read(self, name: str) -> tuple[str, Interface] | None:
        (directory, value), *others = self._points[name]
        match = _REFERENCE.fullmatch(value)
        if others or match is None:
            return None
        roots = self.context.module_roots(match[1].partition(".")[0])
        inside = {each for each in roots if not directory or each == directory or each.startswith(directory + "/")}
        found = {file for each in inside if (file := self.context.finder.module_file(each, match[1].replace(".", "/")))}
        if len(found) > 1:
            found = {each for each in found if not _TESTS.search(each.removeprefix(directory))}
        project = self.context.modules.projects.by_directory.get(directory)
        if not found and project is not None and (source := project.source(match[1])):
            found = {file} if (file := self.context.finder.module_file("", source)) else set()
        if len(found) != 1:
            return None
        (path,) = found
        interface = self.context.programs.interface(path, match[2])
        return path, interface
