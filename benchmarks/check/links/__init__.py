"""Links of a repository: a name at its definition, and at one use of it in another place.

They are found by plain text alone, apart from the readers of the check, so that a hole of those is none here. A use is
a line that is run or built. A name that could be two things is no link.
"""

from __future__ import annotations

from benchmarks.check.links import commands, deployments, modules
from benchmarks.check.links.joining import At, Link
from benchmarks.check.trees import Tree

__all__ = ["At", "Link", "links"]

_FINDERS = (*modules.FINDERS, *commands.FINDERS, *deployments.FINDERS)


def links(tree: Tree) -> list[Link]:
    """All links of a repository, each use once."""
    found: dict[At, Link] = {}
    for finder in _FINDERS:
        for link in finder(tree):
            found.setdefault(link.use, link)
    return list(found.values())
