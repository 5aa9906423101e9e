"""Which server a tool's name means. Pure.

A tool is called by `server.tool`, or by its own name where only one server has one of that name.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

SEPARATOR = "."


@dataclass(frozen=True, slots=True)
class Destination:
    server: str
    tool: str


class Unroutable(Exception):
    """No server, or more than one, can be meant; the message says so to the caller."""


def destination(name: str, tools: Mapping[str, Collection[str]]) -> Destination:
    """Where a call of `name` goes. `tools`: the names each server is known to have; empty where it never answered.

    A server's name is enough: whether it has the tool is its own to say, for what is known here may be old.
    """
    server, separator, tool = name.partition(SEPARATOR)
    if separator and tool and server in tools:
        return Destination(server, tool)
    owners = sorted(server for server, names in tools.items() if name in names)
    if len(owners) == 1:
        return Destination(owners[0], name)
    if owners:
        full = " or ".join(f"`{owner}{SEPARATOR}{name}`" for owner in owners)
        raise Unroutable(f"several servers have a tool `{name}`: say {full}")
    silent = [server for server, names in sorted(tools.items()) if not names]
    doubt = f"; not heard from yet: {', '.join(f'`{each}`' for each in silent)}" if silent else ""
    raise Unroutable(f"no server has a tool `{name}`{doubt}")
