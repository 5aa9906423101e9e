"""A variable that gives a service another port than its source has by itself: that one is not listened to any more."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sophia_preflight.composing import Used
from sophia_preflight.context import Context
from sophia_preflight.model import Place
from sophia_preflight.readers.compose import interpolated
from sophia_preflight.standing import Standing, standing

_CODE = re.compile(r"\.(py|go|[cm]?[jt]s|rs|rb|java|kt)$")
_PORT = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*_PORT")


class Overriding:
    """Asks what variables make of the ports that sources have by themselves; each source is read once."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self._sources: dict[str, list[str]] = {}
        self._known: dict[tuple[str, str, str], bool] = {}

    def of(self, each: Used, port: str) -> Place | None:
        """Where a service is told another port by the one variable whose default in its source is this one."""
        told = {
            name: part
            for name, part in each.service.environment.items()
            if _PORT.fullmatch(name) and _number(part.node.text)
        }
        if not told or any(_number(part.node.text) == port for part in told.values()):
            return None
        built = self.context.service_build(each.project, each.service)
        if built is None:
            return None
        for name, part in told.items():
            if self._is_default(built[1].directory, name, port):
                return part.node.place(part.file.path)
        return None

    def _is_default(self, directory: str, name: str, port: str) -> bool:
        key = (directory, name, port)
        if key not in self._known:
            self._known[key] = any(_says(text, name, port) for text in self._texts(directory) if port in text)
        return self._known[key]

    def _texts(self, directory: str) -> list[str]:
        if directory not in self._sources:
            self._sources[directory] = [
                self.context.repository.glimpse(path)
                for path in self.context.repository.inside(directory)
                if _CODE.search(path) and standing(path) is Standing.PRODUCT
            ]
        return self._sources[directory]


def _says(text: str, name: str, port: str) -> bool:
    """Whether a text says that a variable has a port by default."""
    lines = [line for line in text.split("\n") if port in line]
    return any(
        any(map(pattern.search, lines)) and (not hint or re.search(hint, text, re.IGNORECASE))
        for pattern, hint in _defaults(name, port)
    )


def _number(text: str) -> str:
    value = interpolated(text)[0]
    return value if value.isdigit() else ""


def _defaults(name: str, port: str) -> Iterator[tuple[re.Pattern[str], str]]:
    """How sources say what a variable is by default, and what else stands there: settings of one kind may leave out
    what their variables begin with."""
    words = name.lower().split("_")
    for start in range(len(words)):
        hint = rf"""["']{"_".join(words[:start])}_["']""" if start else ""
        own = "_".join(words[start:])
        yield re.compile(rf"(?<![a-z_]){own}\b[\"']?[^\n\d]{{0,60}}(?<!\d){port}(?!\d)", re.IGNORECASE), hint
