"""How names are written in one language and another."""

from __future__ import annotations

import re


def kebab(name: str) -> str:
    """`listenAddress`, `ListenAddress` and `listen_address` as `listen-address`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|_", "-", name).lower()
