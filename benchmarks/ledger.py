"""What the ledger costs, beside plain INSERTs without chain, keys, fencing and lease. Prints one table.

    python benchmarks/ledger.py [--entries 1000000] [--directory DIRECTORY]

Everything is written with WAL and synchronous=FULL. The directory's disk decides: the first line says what one flush
costs there.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from sophia_deployment_core.canonical import canonical
from sophia_deployment_core.ledger import Draft, Head
from sophia_infrastructure.clock import SystemClock
from sophia_infrastructure.state import audit
from sophia_infrastructure.state.ledger import SqlLedger

BODY = {
    "step": "start",
    "phase": "do",
    "attempt": 1,
    "result": {"pid": 1234, "port": 20001, "artifact": "a" * 64},
}
GROUP = 64


def main() -> None:
    arguments = argparse.ArgumentParser(description="What the ledger costs.")
    arguments.add_argument("--entries", type=int, default=1_000_000)
    arguments.add_argument("--directory", type=Path, default=None)
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory(dir=options.directory) as name:
        table(Path(name), options.entries)


def table(directory: Path, entries: int) -> None:
    print(f"one flush of this disk: {flush_ms(directory):.2f} ms; body: {len(canonical(BODY))} bytes\n")
    print("| what | ledger | plain sqlite3 |")
    print("|---|---|---|")
    ledger = SqlLedger(directory / "ledger", clock=SystemClock())
    epoch = ledger.claim(holder="benchmark", lease_ms=60_000)
    append = appender(ledger, epoch)
    plain = plain_appender(directory / "plain.db")
    row("appends/s, one by one", rate(append, 2000, 1), rate(plain, 2000, 1))
    row(
        f"appends/s, {GROUP} in a batch",
        rate(append, 64_000, GROUP),
        rate(plain, 64_000, GROUP),
    )
    row(f"appends/s, one each from {GROUP} threads", rate_of_threads(append, 300), "")
    grow(append, ledger, entries)
    began = time.perf_counter()
    events = ledger.read(limit=100_000)
    row(
        f"read {len(events):,} entries",
        f"{time.perf_counter() - began:.2f} s",
        plain_read(directory / "plain.db"),
    )
    row(f"verify {entries:,} entries, database", verified(ledger.path), "")
    with (directory / "export.ndjson").open("w") as file:
        began = time.perf_counter()
        audit.export(ledger.path, file)
    row("export them", f"{time.perf_counter() - began:.1f} s", "")
    row(
        f"verify {entries:,} entries, exported file",
        verified(directory / "export.ndjson"),
        "",
    )
    row("size of the database", f"{ledger.path.stat().st_size / 1e6:,.0f} MB", "")
    began = time.perf_counter()
    ledger.reserve(1 << 20)
    row("reserve 1 MiB of room", f"{(time.perf_counter() - began) * 1000:.0f} ms", "")
    ledger.close()


def row(what: str, ours: str, beside: str) -> None:
    print(f"| {what} | {ours} | {beside} |", flush=True)


Append = Callable[[str, int], object]
"""Appends a number of entries in one batch; the name makes their keys."""


def appender(ledger: SqlLedger, epoch: int) -> Append:
    def append(name: str, count: int) -> object:
        drafts = [Draft("step done", BODY, run=name, key=f"{name}/{part}") for part in range(count)]
        return ledger.append(drafts, epoch=epoch)

    return append


def plain_appender(path: Path) -> Append:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE entry (seq INTEGER PRIMARY KEY, run TEXT, kind TEXT, body TEXT)")

    def append(name: str, count: int) -> object:
        connection.execute("BEGIN IMMEDIATE")
        rows = [(name, "step done", canonical(BODY)) for _ in range(count)]
        connection.executemany("INSERT INTO entry (run, kind, body) VALUES (?, ?, ?)", rows)
        return connection.execute("COMMIT")

    return append


def rate(append: Append, total: int, batch: int) -> str:
    began = time.perf_counter()
    for number in range(total // batch):
        append(f"{batch}-{number}", batch)
    return f"{total / (time.perf_counter() - began):,.0f}"


def rate_of_threads(append: Append, each: int) -> str:
    def work(thread: int) -> None:
        for number in range(each):
            append(f"t{thread}-{number}", 1)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(GROUP)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return f"{GROUP * each / (time.perf_counter() - began):,.0f}"


def grow(append: Append, ledger: SqlLedger, entries: int) -> None:
    while (missing := entries - ledger.head().seq) > 0:
        append(f"grow-{missing}", min(missing, 5000))


def verified(source: Path) -> str:
    wall, cpu = time.perf_counter(), time.process_time()
    assert isinstance(audit.verify(source), Head)
    return f"{time.perf_counter() - wall:.1f} s ({time.process_time() - cpu:.1f} s CPU)"


def plain_read(path: Path) -> str:
    began = time.perf_counter()
    count = len(sqlite3.connect(path).execute("SELECT * FROM entry").fetchall())
    return f"{count:,} rows in {time.perf_counter() - began:.2f} s"


def flush_ms(directory: Path) -> float:
    with (directory / "flush").open("wb", buffering=0) as file:
        began = time.perf_counter()
        for _ in range(50):
            file.write(b"x" * 4096)
            os.fsync(file.fileno())
    return (time.perf_counter() - began) * 1000 / 50


if __name__ == "__main__":
    main()
