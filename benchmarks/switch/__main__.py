"""Switches of the fixture graph under a strict client, one tool after the other. Prints one table.

    python -m benchmarks.switch [--switches 30] [--seconds 60] [--rate 300] [--only nginx]

Lost: no answer, a bad one or half of one; the client never tries again. Twice: the services logged that they acted on
one request twice. Mixed: two releases had a part in one answer. Ended early: streams and websockets that were closed
before they were over, but as their protocol wants it. The two times: from the decision (the new version is healthy) to
the end of the last old answer to a request begun after it.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.switch.switchers import CaddySwitcher, Missing, NginxSwitcher, SophiaSwitcher, Switcher
from tests.support.graph import acted
from tests.support.load import Joined, LoadProcess, Mix, Result, join
from tests.support.load.result import percentile

SWITCHERS: dict[str, Callable[[Path], Switcher]] = {
    "sophia": SophiaSwitcher,
    "nginx": NginxSwitcher,
    "caddy": CaddySwitcher,
}


@dataclass(frozen=True)
class Measured:
    name: str
    switches: int
    result: Result
    joined: Joined
    old_ms: list[float]
    """Per switch, sorted: from the decision to the last old answer."""

    def row(self) -> str:
        return row(
            self.name,
            str(self.switches),
            str(self.result.begun),
            str(self.result.lost),
            str(len(self.joined.doubled)),
            str(self.result.mixed()),
            str(self.result.ended_early),
            f"{percentile(self.old_ms, 0.5):.1f}",
            f"{percentile(self.old_ms, 0.99):.1f}",
        )


def row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def measure(switcher: Switcher, *, switches: int, seconds: float, mix: Mix, answers: Path) -> Measured:
    """`switches` switches spread over `seconds`, under load; raises Missing."""
    decided: dict[int, int] = {}
    try:
        edge = switcher.start(1)
        with LoadProcess(
            edge.url, mix, http2_url=edge.http2_url, seconds=seconds + 600 + 10 * switches, answers_path=answers
        ) as load:
            began = time.monotonic()
            for number in range(switches):
                time.sleep(max(0.0, began + number * seconds / switches - time.monotonic()))
                decided[number + 2] = switcher.switch_to(number + 2)
                if (number + 1) % max(1, switches // 20) == 0:
                    print(f"{switcher.name}: {number + 1} of {switches} switches", file=sys.stderr, flush=True)
            time.sleep(max(0.0, began + seconds - time.monotonic()))
    finally:
        switcher.stop()
    joined = join(load.result, acted(switcher.logs))
    assert joined.unlogged == 0, f"{joined.unlogged} answers that nobody logged: the logs cannot be trusted"
    seen = load.answers
    old_ms = [seen.last_old_ms(at, partial(is_older, version)) for version, at in decided.items()]
    return Measured(switcher.name, switches, load.result, joined, sorted(old_ms))


def is_older(version: int, chain: str) -> bool:
    """Whether somebody in `service/workload/version …` is older."""
    return any(int(node.rpartition("/")[2]) < version for node in chain.split())


def main() -> None:
    given = parser().parse_args()
    mix = given.mix if given.mix is not None else Mix(rate=given.rate)
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}; {mix.render()}\n")
    print(row("", "switches", "requests", "lost", "twice", "mixed", "ended early", "last old p50 ms", "p99 ms"))
    print("|---|" + "---:|" * 8)
    notes = []
    for name in given.only or SWITCHERS:
        with tempfile.TemporaryDirectory(prefix="sophia-switch-") as directory:
            path = Path(directory)
            try:
                switcher = SWITCHERS[name](path / name)
                measured = measure(
                    switcher, switches=given.switches, seconds=given.seconds, mix=mix, answers=path / "answers"
                )
            except Missing as missing:
                notes.append(f"{name}: {missing}")
                continue
        print(measured.row(), flush=True)
        notes.append(f"{measured.name}: {measured.result.line()}\n  {measured.joined.line()}")
    print("", *notes, sep="\n")


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(prog="python -m benchmarks.switch", description="Switches under load, compared.")
    options.add_argument("--switches", type=int, default=30)
    options.add_argument("--seconds", type=float, default=60, help="per tool")
    options.add_argument("--rate", type=float, default=300, help="requests per second of all HTTP clients together")
    options.add_argument("--mix", type=Mix.parse, default=None, help="instead of --rate: keep_alive_post=8,http2=0,…")
    options.add_argument("--only", action="append", choices=sorted(SWITCHERS), help="may be given several times")
    return options


if __name__ == "__main__":
    main()
