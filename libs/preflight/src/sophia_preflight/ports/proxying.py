"""Proxies of their own machine that hand on to a port on which nothing of the repository is started."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sophia_preflight.context import Context
from sophia_preflight.model import Place
from sophia_preflight.ports.listening import is_said, started
from sophia_preflight.standing import Standing, standing

_PROXY = re.compile(
    r"(^|/)[\w.-]*nginx[\w.-]*(/[\w./-]*)?\.conf(\.\w+)?$|(^|/)(sites-(available|enabled)|conf\.d)/[\w.-]+$"
)
_LOCAL = re.compile(r"(?:\bproxy_pass\s+https?://|^\s*server\s+)(?:localhost|127\.0\.0\.1):(\d{2,5})\b", re.MULTILINE)
_REMARK = re.compile(r"#[^\n]*")
_STARTING = re.compile(r"^\s*(ExecStart=|command\s*=|[a-z]+:\s|CMD\b|ENTRYPOINT\b|exec\s|gunicorn|uvicorn)")


@dataclass(frozen=True)
class Astray:
    """The port that a line of a proxy hands on to, and those that programs are told which are started here."""

    port: str
    place: Place
    listening: Mapping[str, Place]


def astray(context: Context) -> Iterator[Astray]:
    """Lines of proxies with a port that none of the programs listens to which units and images start."""
    asked = [
        (path, match)
        for path in context.repository.entries
        if _PROXY.search(path) and standing(path) is Standing.PRODUCT
        for match in _LOCAL.finditer(_REMARK.sub(_blank, context.repository.glimpse(path)))
    ]
    listening = _started(context) if asked else {}
    for path, match in asked:
        place = Place(path, context.repository.glimpse(path).count("\n", 0, match.start(1)) + 1)
        if listening and match[1] not in listening and not is_said(context, match[1], place):
            yield Astray(match[1], place, listening)


def _started(context: Context) -> dict[str, Place]:
    """Ports that programs are told which units, supervisors and images start, and where."""
    found: dict[str, Place] = {}
    for path, facts in context.facts.items():
        if facts.kind in ("systemd", "supervisor", "procfile", "dockerfile", "shell"):
            for number, line in enumerate(context.repository.glimpse(path).replace("\\\n", "  ").split("\n"), 1):
                if _STARTING.search(line):
                    for port in started(line.replace('", "', " "), {}):
                        found.setdefault(port, Place(path, number))
    return found


def _blank(match: re.Match[str]) -> str:
    return " " * len(match[0])
