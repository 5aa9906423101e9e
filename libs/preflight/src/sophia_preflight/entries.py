"""Commands that the repository's own Python projects bring, as callees: from a program's name to what it accepts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sophia_preflight.interfaces.model import Interface

if TYPE_CHECKING:
    from sophia_preflight.context import Context

_REFERENCE = re.compile(r"([A-Za-z_][\w.]*)\s*:\s*([A-Za-z_]\w*)")


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
        if len(found) != 1:
            return None
        (path,) = found
        interface = self.context.programs.interface(path, match[2])
        return path, interface
