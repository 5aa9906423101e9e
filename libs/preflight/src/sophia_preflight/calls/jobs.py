"""Jobs that somebody else's program runs on machines that it finds: `setup` and `run` of SkyPilot and of what is like
it, the `commands` of dstack. They run in a copy of the repository, and nobody knows in which directory of it."""

from __future__ import annotations

from collections.abc import Iterator

from sophia_preflight.calls.model import Caller, Site, System, Trace
from sophia_preflight.calls.shell import follow
from sophia_preflight.readers.snippet import of_node
from sophia_preflight.readers.tree import Node
from sophia_preflight.text import UNKNOWN


def commands(path: str, root: Node, lines: list[str], found: Trace) -> None:
    """What a job runs is told its program; whether it is there, nobody can say."""
    for key, node in _texts(root):
        site = Site(path, Caller.TASK, UNKNOWN, System.REPOSITORY, owner=key, opaque=True)
        follow(of_node(path, node, lines), site, found)


def _texts(root: Node) -> Iterator[tuple[str, Node]]:
    for key in ("setup", "run"):
        node = root[key]
        if node.style == "|" and "\n" in node.text.strip():
            yield key, node
    if root["type"].text in ("task", "service", "dev-environment"):
        yield from (("commands", each) for each in root["commands"].elements() if each.is_scalar and each.text)
