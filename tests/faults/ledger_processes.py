"""What the ledger's fault tests run in processes of their own, to be killed from outside."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

from sophia_deployment_core.errors import SophiaError
from sophia_deployment_core.ledger import Draft
from sophia_infrastructure.clock import SystemClock
from sophia_infrastructure.state.ledger import SqlLedger

THREADS = 4


def write_for_ever(directory: Path, acknowledged: Path, turn: int) -> None:
    """Claim and append from several threads; a key is written down once its append returned."""
    ledger = SqlLedger(directory, clock=SystemClock())
    epoch = ledger.claim(holder=f"writer {turn}", lease_ms=60_000)
    file = os.open(acknowledged, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def append(number: int) -> None:
        for count in range(1_000_000):
            keys = [f"{turn}-{number}-{count}-{part}" for part in range(1 + count % 3)]
            ledger.append([Draft("note", {"n": count}, run=f"r{number}", key=key) for key in keys], epoch=epoch)
            os.write(file, "".join(f"{key}\n" for key in keys).encode())

    threads = [threading.Thread(target=append, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def race(directory: Path, results: Path, start_at: float) -> None:
    """Claim at the given instant; write down the epoch or the refusal's code, and stay alive."""
    ledger = SqlLedger(directory, clock=SystemClock())
    time.sleep(max(0.0, start_at - time.monotonic()))
    try:
        said = str(ledger.claim(holder="racer", lease_ms=60_000))
    except SophiaError as error:
        said = error.code.name
    (results / f"{os.getpid()}.new").write_text(said)
    (results / f"{os.getpid()}.new").rename(results / f"{os.getpid()}.said")
    signal.pause()


def hold(directory: Path, ready: Path, lease_ms: int, stop_inside: bool) -> None:
    """Own the state and renew the lease; `stop_inside`: stop itself while it holds the database's write lock."""
    ledger = SqlLedger(directory, clock=SystemClock())
    epoch = ledger.claim(holder="holder", lease_ms=lease_ms)
    ready.write_text("")
    if stop_inside:
        ledger.append([Draft("late")], epoch=epoch, guard=lambda _reader: os.kill(os.getpid(), signal.SIGSTOP))
    while True:
        ledger.renew(epoch=epoch, lease_ms=lease_ms)
        time.sleep(lease_ms / 5000)
