"""Compose files next to each other: what one offers that another lacks, and whether one is instead of the other."""

from __future__ import annotations

import posixpath
import re

from sophia_preflight.readers.compose import ComposeFile, mount_of
from sophia_preflight.readers.tree import Node

_OTHERWISE = ("ports", "volumes", "networks", "depends_on", "environment", "env_file", "command", "healthcheck")


def offered(file: ComposeFile) -> set[tuple[str, str]]:
    """What a compose file defines that another may lack."""
    found = {
        (kind, name) for kind in ("networks", "volumes", "secrets", "configs") for name, _ in file.root[kind].items()
    }
    for name, node in file.root["services"].items():
        found.add(("named", name))
        if node["image"] or node["build"] or node["extends"]:
            found.add(("services", name))
    return found


def may_meet(file: ComposeFile, other: ComposeFile) -> bool:
    """Whether services of both may be on one network: by one project of both, or by a network that both name."""
    if file.directory == other.directory:
        return not is_another_way(file, other)
    if _project(file) == _project(other) or _networks(file) & _networks(other):
        return True
    below = f"{file.directory}/".startswith(f"{other.directory}/") or f"{other.directory}/".startswith(
        f"{file.directory}/"
    )
    return (below or "" in (file.directory, other.directory)) and bool(lacking((file,)) or lacking((other,)))


def _project(file: ComposeFile) -> str:
    return file.root["name"].text or posixpath.basename(file.directory)


def _networks(file: ComposeFile) -> set[str]:
    """Networks that others may name: those with a name of their own, or of another project."""
    return {
        node["name"].text or name
        for name, node in file.root["networks"].items()
        if node["name"].text or node["external"].text not in ("", "false") or node["external"].is_map
    }


def is_another_way(file: ComposeFile, other: ComposeFile) -> bool:
    """Whether one compose file says the same of a service as another one, which nobody does who uses them together."""
    theirs = dict(other.root["services"].items())
    shared = [(node, theirs[name]) for name, node in file.root["services"].items() if name in theirs]
    return any(stands_for(one, two) and _alike(one, two, _OTHERWISE) for one, two in shared)


def stands_for(one: Node, two: Node) -> bool:
    """Whether services are of one build, or of one image in whichever version."""
    names = {
        each["image"].text.rpartition("@")[0] or re.sub(r":[\w.-]+$", "", each["image"].text) for each in (one, two)
    }
    return _alike(one, two, ("build",)) or (len(names) == 1 and "" not in names)


def _alike(one: Node, two: Node, keys: tuple[str, ...]) -> bool:
    return any(one[key] and one[key].plain() == two[key].plain() for key in keys)


def bodies(missing: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Services that have neither an image nor a build."""
    return {each for each in missing if each[0] == "services"}


def lacking(files: tuple[ComposeFile, ...]) -> set[tuple[str, str]]:
    """What files use together and none of them defines."""
    there = {each for file in files for each in offered(file)}
    used: set[tuple[str, str]] = {("networks", "default")}
    for file in files:
        for name, node in file.root["services"].items():
            used.add(("services", name))
            for kind in ("networks", "secrets", "configs"):
                used |= {(kind, key) for key, _ in node[kind].items()}
                used |= {(kind, each.text or each["source"].text) for each in node[kind].elements()}
            used |= {("named", key) for key, _ in node["depends_on"].items()}
            used |= {("named", each.text) for each in node["depends_on"].elements()}
            for each in node["volumes"].elements():
                mount = mount_of(each)
                if mount and mount.kind == "volume" and mount.source:
                    used.add(("volumes", mount.source))
    return used - there - {("networks", "default")}
