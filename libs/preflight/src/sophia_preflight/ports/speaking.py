"""How texts of whatever language speak of ports; patterns to be filled with a number."""

from __future__ import annotations

import re

SERVED = (
    r"EXPOSE\s+{0}\b|--?[\w-]*(?:port|listen|bind)[\w-]*[ =,\"']+\S{{0,20}}\b{0}\b|\b\d{{2,5}}:{0}\b"
    r"|[\"'\s:-]{0}:\d{{2,5}}\b"
    r"|(?:port|listen\w*|bind|addr\w*)[\"']?\s*(?::\s*int)?\s*[:=]\s*\S{{0,12}}(?<!\d){0}(?!\d)|default\s*=\s*{0}\b"
)
"""How a port is said to be listened on, or published."""
_MAPPING = re.compile(
    r"(?<![\w.:}/])(?:\[?[\d.:]+\]?:)?(?:\$\{\w+:?-)?(\d{2,5})\}?:(?:\$\{\w+:?-)?(\d{2,5})\}?(?:/\w+)?(?=[\"'\s\]]|$)"
)
_PUBLISHED = re.compile(r"published|host[_-]?port|node[_-]?port|external[_-]?port", re.IGNORECASE)


def is_outside(line: str, new: str) -> bool:
    """Whether the number is that by which the machine is reached, while the container keeps its own."""
    mapped = any(one == new and other != new for one, other in _MAPPING.findall(line))
    return mapped or _PUBLISHED.search(line) is not None
