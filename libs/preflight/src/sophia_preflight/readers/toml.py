"""TOML as tables of plain values; positions are not known, and a file that is no TOML has nothing in it."""

from __future__ import annotations

import tomllib
from typing import Any


def parse(text: str) -> dict[str, Any]:
    """The root table; empty for a text that does not parse."""
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):
        return {}


def at(value: Any, *path: str) -> Any:
    """What lies below a table by a path of keys; None where something on the way is no table, or is not there."""
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    return value


def table(value: Any, *path: str) -> dict[str, Any]:
    """The table at a path; empty where there is none."""
    found = at(value, *path)
    return found if isinstance(found, dict) else {}
