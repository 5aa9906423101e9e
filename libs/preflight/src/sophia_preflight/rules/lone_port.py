"""A port that one line of the repository asks for and no other speaks of, beside one that something listens on.

Whoever changes the port of a program changes it in many places; the one that is forgotten, or mistyped, stands alone.
A rule of last resort: it knows neither the program nor the language that the line is written in.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.mentions import TOLD, Mention, site_of
from sophia_preflight.model import Confidence, Finding, Involved, Place, Rule, Severity
from sophia_preflight.ports.speaking import SERVED
from sophia_preflight.standing import Standing, consequence, standing
from sophia_preflight.text import named

RULE = Rule(
    id="lone-port",
    title="a port is asked for that nothing else in the repository speaks of",
    severity=Severity.HIGH,
    why="nothing listens there: the connection is refused",
    fix="ask the port that the program listens on",
    family="contradictions",
    resort=1,
)
_ASKED = re.compile(
    r"(?:(?:localhost|127\.0\.0\.1|\[::1\]|host\.docker\.internal|\}\}[\w-]*|\})"
    r"(?::|[\"'], ?[\"']?)|\btargetPort: )(\d{4,5})(?![\d:]|\.\d)"
)
_USUAL = named(
    "1025 1080 1234 1433 1521 1883 2181 2375 2376 2379 3000 3100 3128 3306 3389 4222 4317 4318 4444 4566 5000 5050 "
    "5173 5432 5601 5672 5900 6006 6333 6334 6379 6443 7474 7687 7860 8000 8008 8025 8080 8081 8086 8088 8125 8200 "
    "8265 8443 8500 8501 8529 8787 8880 8888 8983 9000 9001 9042 9050 9090 9091 9092 9093 9100 9200 9222 9229 9300 "
    "9411 10000 11211 11434 14268 15672 16686 18080 19530 27017 50051"
)
"""Ports of programs that nobody has in the repository."""
_HINTS = ("localhost", "127.0.0.1", "::1", "host.docker.internal", "}:", "}}", "targetPort: ")
_SHOWN = re.compile(r"cors|origin|allow|redirect|callback", re.IGNORECASE)
"""Lists of who may ask, rather than who is asked."""
_LISTENS = re.compile(r"\b(serve|runserver|--(dev-)?addr(ess)?|--bind|--listen(-\w+)?|--host)\b[^|;&]*$")
"""What stands before the address that a program is told to listen on, of its own choice."""
_THOUGHTS = re.compile(r"(^|/)(adrs?|rfcs?|designs?|proposals?|decisions|plans|notes)/", re.IGNORECASE)
"""Pages of what was thought at some time."""
_OFF = re.compile(r"\s*[\"']?enabled?[\"']?\s*[:=]\s*[\"']?(false|no|off|0)\b", re.IGNORECASE)
_SECTION = re.compile(r"\[|\S+:\s*$")
_FEWEST = 3
_NEAR = 10
_MOST = 3
"""Where more are that near, the repository counts its ports up, and where a file asks for more of them it lists the
servers of others: one more is nothing strange."""


@dataclass(frozen=True)
class _Asked:
    port: str
    path: str
    line: int
    column: int


def check(context: Context) -> Iterable[Finding]:
    found: dict[str, list[_Asked]] = {}
    for each in _asked(context):
        found.setdefault(each.port, []).append(each)
    alone = {port: asked[0] for port, asked in found.items() if len(asked) == 1}
    listing = Counter(each.path for each in alone.values())
    alone = {port: each for port, each in alone.items() if listing[each.path] <= _MOST}
    if not alone:
        return
    spoken = _Spoken(context)
    for port, each in alone.items():
        if spoken.lines(port) == 1 and (meant := spoken.nearest(port)):
            severity, blocks = consequence(site_of(each.path))
            yield RULE.found(
                f"port {port} is asked for here and nothing else speaks of it; what is listened on is {meant}",
                Involved(Place(each.path, each.line, each.column), "call"),
                anchor=port,
                severity=severity.at_most(Severity.HIGH),
                confidence=Confidence.LIKELY,
                fix=f"if {meant} is meant, write {meant}",
                blocks=blocks,
            )


def _asked(context: Context) -> Iterator[_Asked]:
    for use in context.mentions.matching(_ASKED, hints=_HINTS):
        lines = context.mentions.lines(use.path)
        shown = _SHOWN.search("\n".join(lines[max(use.line - 4, 0) : use.line]))
        if (
            shown
            or _LISTENS.search(use.before)
            or _is_foreign(context, use)
            or _is_off(lines, use.line)
            or len(_ASKED.findall(use.text)) > 1
        ):
            continue
        if use.name not in _USUAL and standing(use.path) in (Standing.PRODUCT, Standing.TEMPLATE):
            yield _Asked(use.name, use.path, use.line, use.column)


def _is_foreign(context: Context, use: Mention) -> bool:
    """Whether a compose file publishes the port of a program that is not built here."""
    file = context.composes.get(use.path)
    place = file.service_at(use.line) if file is not None else None
    if file is None or place is None or re.match(r"\s*-\s*[\"']?\S+:\d+", use.text) is None:
        return False
    return not file.root["services"][place[0]]["build"]


def _is_off(lines: Sequence[str], line: int) -> bool:
    """Whether a line is of a section of settings that says of itself that it is not in use."""
    for each in reversed(lines[:line]):
        if _OFF.match(each):
            return True
        if _SECTION.match(each):
            return False
    return False


class _Spoken:
    """The numbers that the texts of a repository speak of."""

    def __init__(self, context: Context) -> None:
        texts = {
            path: context.repository.glimpse(path)
            for path, entry in context.repository.entries.items()
            if entry.size < 1_000_000
            and standing(path) is not Standing.VENDORED
            and not (TOLD.search(path) or _THOUGHTS.search(path))
        }
        self._texts = list(texts.values())
        self._own = [text for path, text in texts.items() if standing(path) in (Standing.PRODUCT, Standing.TEMPLATE)]
        self._numbers: dict[str, int] | None = None
        self._counted: dict[str, int] = {}

    def lines(self, port: str) -> int:
        """How many lines speak of a port."""
        if port not in self._counted:
            said = re.compile(rf"(?<![\w.]){port}(?!\w|\.\d)")
            self._counted[port] = sum(said.search(line) is not None for line in _lines(self._texts, port))
        return self._counted[port]

    def nearest(self, port: str) -> str:
        """The numbers, spoken of often and listened on, that a port is a slip away from; empty if they are many."""
        if self._numbers is None:
            self._numbers = {}
            for text in self._texts:
                for number in set(re.findall(r"(?<![\w.-])\d{4,5}(?![\w.-])", text)):
                    self._numbers[number] = self._numbers.get(number, 0) + 1
        near = [each for each in self._numbers if _is_near(each, port)]
        served = [each for each in near if self.lines(each) >= _FEWEST and self._is_served(each)]
        return " or ".join(sorted(served)) if len(served) <= _MOST else ""

    def _is_served(self, port: str) -> bool:
        pattern = re.compile(SERVED.format(port), re.IGNORECASE)
        return any(map(pattern.search, _lines(self._own, port)))


def _lines(texts: Iterable[str], port: str) -> Iterator[str]:
    """The lines that hold a number, be it part of another."""
    return (line for text in texts if port in text for line in text.split("\n") if port in line)


def _is_near(one: str, other: str) -> bool:
    """Whether two numbers differ by a digit, by the order of two, or by little."""
    if one == other or len(one) != len(other):
        return False
    apart = [pair for pair in zip(one, other, strict=True) if pair[0] != pair[1]]
    swapped = len(apart) == 2 and apart[0] == apart[1][::-1]
    return len(apart) == 1 or swapped or abs(int(one) - int(other)) <= _NEAR


_SHOP = """
    === shop/server.py
    import argparse
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=8112)
    === shop.env
    SHOP_PORT=8112
    === README.md
    It listens on 8112.
    === shop/client.py
    import os
    BASE = os.getenv("SHOP_URL", "http://127.0.0.1:{port}")
"""
BAD = [tree(_SHOP.format(port=8111))]
GOOD = [
    tree(_SHOP.format(port=8112)),
    tree(_SHOP.format(port=11434)),
    tree(_SHOP.format(port=7000)),
    tree(
        _SHOP.format(port=8112)
        + "    === catalogue.yml\n"
        + "".join(
            f"    {name}: http://localhost:{port}\n" for name, port in zip("abcd", range(8113, 8117), strict=True)
        )
    ),
    tree(_SHOP.format(port=8111) + '    PAY = "http://127.0.0.1:8111"'),
]
