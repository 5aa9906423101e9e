"""Free ports for tests that run beside each other.

Each process has ports of its own: the first port of its slice is held while it lives, so that nobody else takes one of
the others between the moment it is given out and the moment somebody listens there.
"""

from __future__ import annotations

import itertools
import socket
from collections.abc import Iterator
from functools import cache

FIRST, SLICES, EACH = 10_000, 50, 200
"""Below the ports that the local runtime hands out (20000 to 29999) and those that connections get from the kernel: a
connection of a neighbour would sooner or later have the port before whoever was to listen there."""


def free_port() -> int:
    """A loopback port of this process on which nobody listens; the same one comes again after 199 others at most."""
    guard, ports = _own()
    for port in itertools.islice(ports, EACH):
        if (probe := _bound(port)) is not None:
            probe.close()
            return port
    raise OSError(f"every port from {guard.getsockname()[1]} on is taken")


@cache
def _own() -> tuple[socket.socket, Iterator[int]]:
    """What holds this process's slice, and the slice's other ports, round and round."""
    for first in range(FIRST, FIRST + SLICES * EACH, EACH):
        if (guard := _bound(first)) is not None:
            return guard, itertools.cycle(range(first + 1, first + EACH))
    raise OSError(f"{SLICES} processes have test ports already")


def _bound(port: int) -> socket.socket | None:
    taken = socket.socket()
    try:
        taken.bind(("127.0.0.1", port))
    except OSError:
        taken.close()
        return None
    return taken
