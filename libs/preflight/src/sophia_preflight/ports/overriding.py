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


def overridden(context: Context, each: Used, port: str) -> Place | None:
    """Where a service is told another port by the one variable whose default in its source is this one."""
    built = context.service_build(each.project, each.service)
    if built is None:
        return None
    told = {
        name: part
        for name, part in each.service.environment.items()
        if _PORT.fullmatch(name) and _number(part.node.text)
    }
    if any(_number(part.node.text) == port for part in told.values()):
        return None
    texts = {
        path: context.repository.glimpse(path)
        for path in context.repository.inside(built[1].directory)
        if told and _CODE.search(path) and standing(path) is Standing.PRODUCT
    }
    for name, part in told.items():
        said = (
            pattern.search(text) and re.search(hint, text, re.IGNORECASE)
            for pattern, hint in _defaults(name, port)
            for text in texts.values()
        )
        if any(said):
            return part.node.place(part.file.path)
    return None


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
