"""How texts of whatever language speak of ports; patterns to be filled with a number."""

from __future__ import annotations

import re

SERVED = (
    r"EXPOSE\s+{0}\b|--?[\w-]*(?:port|listen|bind)[\w-]*[ =,\"']+\S{{0,20}}\b{0}\b|\b\d{{2,5}}:{0}\b"
    r"|[\"'\s:-]{0}:\d{{2,5}}\b"
    r"|(?:port|listen\w*|bind|addr\w*)[\"']?\s*(?::\s*int)?\s*[:=]\s*\S{{0,12}}(?<!\d){0}(?!\d)|default\s*=\s*{0}\b"
)
"""How a port is said to be listened on, or published."""
_MAPPING = re.compile(r"[\"'\s-](?:[\d.]+:)?(\d{2,5}):(\d{2,5})(?:/\w+)?[\"'\s]*$")


def is_outside(line: str, new: str) -> bool:
    """Whether the number is that by which the machine is reached, while the container keeps its own."""
    mapping = _MAPPING.search(line)
    return mapping is not None and mapping[1] == new and mapping[2] != new
