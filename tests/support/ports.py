"""Free ports for tests that run beside each other."""

from __future__ import annotations

import socket


def free_port() -> int:
    """A loopback port that nobody listened on a moment ago, outside the range the local runtime hands out."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        if not 20000 <= port <= 29999:
            return port
