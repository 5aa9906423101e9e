"""Paths and modules of hosts where the repository is installed, as units, crontabs and supervisors name them."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from sophia_preflight.calls.locations import NOWHERE, Location, State, below
from sophia_preflight.calls.model import Caller, Site
from sophia_preflight.model import Confidence
from sophia_preflight.text import is_known

if TYPE_CHECKING:
    from sophia_preflight.calls.finding import Finder

_HOME = "%h/"
"""How units of systemd name the home of whoever they run for."""


def is_at_home(value: str) -> bool:
    return value.startswith(_HOME)


def on_host(finder: Finder, value: str, site: Site) -> Location:
    """A path of a host where the repository is installed: its end, from a folder on that we have, is ours."""
    if is_at_home(value):
        value = f"/home/{value.removeprefix(_HOME)}"
    installed = site.caller in (Caller.SYSTEMD, Caller.CRON, Caller.AGENT, Caller.SUPERVISOR)
    if not installed or not value.startswith("/") or not is_known(value):
        return NOWHERE
    parts = value.strip("/").split("/")
    missing: Location | None = None
    for start in range(1, len(parts) - 1):
        tail = "/".join(parts[start:])
        if finder.repository.is_file(tail):
            return Location(State.FOUND, finder.repository.resolved(tail), Confidence.LIKELY)
        folder = posixpath.dirname(tail)
        if _is_installed_into(finder, folder, posixpath.basename(tail)):
            return NOWHERE
        if finder.repository.is_directory(folder) and re.search(r"\.(py|sh|js)$", tail) and not finder.is_made(tail):
            missing = missing or Location(State.MISSING, tail, Confidence.LIKELY, f"`{folder}`")
    return missing or NOWHERE


def _is_installed_into(finder: Finder, folder: str, name: str) -> bool:
    """Whether a folder of a host is called like our package as the project is, and holds what lies elsewhere."""
    package = "/" not in folder and finder.repository.is_file(f"{folder}/__init__.py")
    return package and name in finder.repository.by_name


def module_on_host(finder: Finder, inner: str, top: str, search: Iterable[str]) -> Location:
    """A module that a unit starts in a folder which, by its name or by what is in it, is one of ours."""
    for directory in search:
        for root in sorted(finder.context.module_roots(top), key=lambda each: (each == ".", -len(each), each)):
            if not directory.startswith("/") or (root != "." and not directory.endswith("/" + root)):
                continue
            if found := finder.module_file(root, inner):
                return Location(State.FOUND, found, Confidence.LIKELY)
            if not finder.is_made(missing := below(root, inner) + ".py"):
                return Location(State.MISSING, missing, Confidence.LIKELY, f"the package `{top}`")
    return NOWHERE
