"""Calls of makefiles: each recipe line is a shell of its own in the makefile's directory."""

from __future__ import annotations

import posixpath

from sophia_preflight.calls.model import Call, Caller, Guard, Needed, Produced, Site, System, Trace
from sophia_preflight.calls.shell import follow
from sophia_preflight.model import Place
from sophia_preflight.readers import makefile
from sophia_preflight.text import CWD, ROOT, Word, is_known, joined


def trace_of(path: str, made: makefile.Makefile) -> Trace:
    found = Trace()
    included = path.endswith(".mk")
    directory = joined(ROOT, posixpath.dirname(path) or ".") if not included else CWD
    for target in made.targets:
        if target.name.startswith("."):
            continue
        for recipe in target.recipes:
            site = Site(
                path, Caller.MAKE, directory, System.REPOSITORY, owner=target.name, guard=Guard(recipe.tolerated)
            )
            follow(recipe.snippet, site, found)
        if target.recipes and "%" not in target.name and is_known(target.name):
            found.produced.append(Produced(joined(directory, target.name)))
    for name, line, tolerated in made.includes:
        if not tolerated and is_known(name) and "*" not in name:
            site = Site(path, Caller.MAKE, directory, owner="include")
            needed = Needed(Word(name, line, 1), "the makefile that is included")
            found.calls.append(Call(needed, site, Place(path, line, 1), f"include {name}"))
    return found
