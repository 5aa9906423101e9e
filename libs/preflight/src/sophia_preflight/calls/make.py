"""Calls of makefiles: each recipe line is a shell of its own in the makefile's directory."""

from __future__ import annotations

import re

from sophia_preflight.calls.model import Call, Caller, Guard, Needed, Produced, Site, System, Trace
from sophia_preflight.calls.shell import follow
from sophia_preflight.model import Place
from sophia_preflight.readers import makefile
from sophia_preflight.text import Word, is_known, joined


def trace_of(path: str, made: makefile.Makefile) -> Trace:
    """What one file does of those that make reads together."""
    found = Trace()
    directory = made.here
    phony = {need for target in made.targets if target.name == ".PHONY" for need in target.needs}
    for target in made.targets:
        if target.path != path or target.name.startswith("."):
            continue
        for recipe in target.recipes:
            site = Site(
                path, Caller.MAKE, directory, System.REPOSITORY, owner=target.rule, guard=Guard(recipe.tolerated)
            )
            follow(recipe.snippet, site, found)
        if target.recipes and "%" not in target.name and is_known(target.name) and target.name not in phony:
            task = re.fullmatch(r"[\w-]+", target.name) is not None  # a word, which makes nothing elsewhere
            found.produced.append(Produced(joined(directory, target.name), copied=task))
    for owner, snippet in made.asked:
        if snippet.path == path:
            follow(snippet, Site(path, Caller.MAKE, directory, owner=owner), found)
    for each in made.includes:
        if each.path == path and not each.tolerated and is_known(each.name) and "*" not in each.name:
            site = Site(path, Caller.MAKE, directory, owner="include")
            needed = Needed(Word(each.name, each.line, 1), "the makefile that is included")
            found.calls.append(Call(needed, site, Place(path, each.line, 1), f"include {each.name}"))
    return found
