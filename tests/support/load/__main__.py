"""`python -m tests.support.load URL`: prints `flowing` once every client was answered, at the end the result as JSON.

Ends after --seconds, after --count requests, at SIGTERM or SIGINT, or, with --with-parent, when standard input closes.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import secrets
import signal
import sys
from pathlib import Path

from tests.support.load.client import Load
from tests.support.load.result import Mix, Result
from tests.support.load.tally import Tally


def main() -> int:
    given = _parser().parse_args()
    gc.freeze()
    result = asyncio.run(_run(given))
    print(result.table() if given.table else result.to_json(), flush=True)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.support.load", description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--http2-url", default="", help="where HTTP/2 is spoken, if not at URL")
    parser.add_argument("--mix", type=Mix.parse, default=Mix(), help="such as keep_alive_get=4,events=0,rate=500")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--count", type=int, default=5_000_000)
    parser.add_argument("--prefix", default="", help="of every id; a random one if not given")
    parser.add_argument("--answers", type=Path, help="file for the times and the outcome of every request")
    parser.add_argument("--with-parent", action="store_true", help="end when standard input closes")
    parser.add_argument("--table", action="store_true", help="for people instead of JSON")
    return parser


async def _run(given: argparse.Namespace) -> Result:
    tally = Tally(given.prefix or f"{secrets.token_hex(4)}-")
    http2_url = given.http2_url or given.url
    load = Load(tally, given.mix, given.url, http2_url=http2_url, seconds=given.seconds, count=given.count)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, load.stop)
    if given.with_parent:
        loop.add_reader(sys.stdin, load.stop)
    announcing = loop.create_task(_announce(load, quiet=given.table))
    await load.run()
    announcing.cancel()
    if given.answers:
        tally.answers.write(given.answers)
    return tally.result()


async def _announce(load: Load, *, quiet: bool) -> None:
    await load.flowing.wait()
    if not quiet:
        print("flowing", flush=True)


if __name__ == "__main__":
    sys.exit(main())
