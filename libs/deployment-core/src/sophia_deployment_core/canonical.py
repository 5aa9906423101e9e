"""One text for one value, so that equal things have equal hashes.

Sorted keys, no blanks, ASCII; integers, text, booleans, null, lists and mappings only. A float has no one text in
every language, so it is refused: durations are milliseconds, sizes bytes, shares parts per thousand.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def canonical(value: Any) -> str:
    """The canonical JSON of `value`. Raises `TypeError` for floats and for keys that are not text."""
    _refuse_unstable(value)
    return _ENCODER.encode(value)


def digest(value: Any) -> str:
    """The sha256 of `value`'s canonical JSON, as 64 hexadecimal digits."""
    return hashlib.sha256(canonical(value).encode("ascii")).hexdigest()


def _refuse_unstable(value: Any) -> None:
    if value is None or isinstance(value, str | int):
        return
    if isinstance(value, float):
        raise TypeError("a float has no canonical text; use an integer of a smaller unit")
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if not isinstance(key, str):
                raise TypeError(f"a key must be text, not {type(key).__name__}")
            _refuse_unstable(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            _refuse_unstable(inner)
