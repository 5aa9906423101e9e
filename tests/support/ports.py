"""Free ports for tests that run beside each other."""

from __future__ import annotations

import secrets
import socket

FIRST, COUNT = 10_000, 10_000
"""Below the ports that the local runtime hands out (20000 to 29999) and those that connections get from the kernel: a
connection of a neighbour would sooner or later have the port before whoever was to listen there."""


def free_port() -> int:
    """A loopback port that nobody listened on a moment ago."""
    while True:
        port = FIRST + secrets.randbelow(COUNT)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
