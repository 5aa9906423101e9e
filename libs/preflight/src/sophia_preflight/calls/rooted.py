"""Scripts below a variable that nobody sets here, and that by its other uses holds a directory of the repository."""

from __future__ import annotations

import posixpath
import re
from difflib import get_close_matches
from typing import TYPE_CHECKING

from sophia_preflight.calls.locations import NOWHERE, Location, State
from sophia_preflight.calls.model import Call, Script, System
from sophia_preflight.model import Confidence
from sophia_preflight.text import UNKNOWN, is_known

if TYPE_CHECKING:
    from sophia_preflight.context import Context

_SCRIPT = re.compile(r"[\w][\w./-]*/[\w.-]+\.(sh|bash|py)")
_SYSTEM = re.compile(r"(etc|usr|var|opt|s?bin|lib\w*|home|root|tmp|build|dist|out|target)/")
"""Directories of a system, which repositories have models of, and of builds."""
_ENOUGH = 3
"""How many others of the variable's paths are ours where nothing here is nearly called like the one that is not."""


def below_variable(context: Context, call: Call) -> Location:
    """Where `${SHOP_DIR}/lib/start.sh` is missing: its directory is ours, and so is what else the variable leads to."""
    target = call.target
    if not isinstance(target, Script) or call.site.system is not System.REPOSITORY:
        return NOWHERE
    value = target.path.value
    inner = value.removeprefix(f"{UNKNOWN}/")
    if inner == value or not is_known(inner) or not _SCRIPT.fullmatch(inner) or _SYSTEM.match(inner) or ".." in inner:
        return NOWHERE
    directory, name = posixpath.split(inner)
    repository = context.repository
    tested = any(each == value or value.startswith(f"{each}/") for each in call.site.guard.tested)
    if tested or not repository.is_directory(directory) or repository.exists(inner) or context.finder.is_made(inner):
        return NOWHERE
    others = _others(repository.text(call.site.path), inner)
    ours = {each for each in others if repository.is_file(each)}
    beside = [each for each in repository.by_name if repository.is_file(posixpath.join(directory, each))]
    ending = posixpath.splitext(name)[1]
    near = get_close_matches(name, [each for each in beside if each.endswith(ending)], n=1, cutoff=0.7)
    if not ours or len(ours) <= len(others - ours) or (len(ours) < _ENOUGH and not near):
        return NOWHERE
    return Location(State.MISSING, inner, Confidence.LIKELY, f"`{directory}`")


def _others(text: str, inner: str) -> set[str]:
    """Other scripts that a text names below the variable by which it names this one."""
    below = rf"\$\{{?(\w+)\}}?\"?/{re.escape(inner)}(?![\w./-])"
    names = {match[1] for match in re.finditer(below, text)}
    if len(names) != 1:
        return set()
    found = re.findall(rf"\$\{{?{names.pop()}\}}?\"?/({_SCRIPT.pattern.replace('(sh|', '(?:sh|')})(?![\w./-])", text)
    return set(found) - {inner}
