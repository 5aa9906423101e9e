"""Faults on demand, for demonstrations and tests: `DEMO_FAULT`, a comma-separated list. Standard library only.

    slow-start:5s      sleeps so long before it listens
    never-healthy      /health answers 503
    flapping:2s        /health is well and ill by turns, each for so long
    errors-after:3s    everything but /health answers 500 from so long after the start
    crash-after:2s     ends with status 70, so long after it listens; under a launcher that restarts it, a crash loop
    crash-loop         ends with status 70 at once, every time
    ignore-sigterm     goes on after SIGTERM, until SIGKILL
    wrong-port         listens on another port than $PORT
    leak:20M           keeps so many bytes more each second, up to `LEAK_BYTES`

The argument may be left out; the values above are then taken. An unknown fault is refused at the start: a demonstration
that shows nothing would be taken for a proof.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

CRASH_STATUS = 70
LEAK_BYTES = 512 * 1024**2
"""The leak ends here: it is to be seen by whoever watches memory, not to take the machine down."""
DEFAULTS = {
    "slow-start": "5s",
    "never-healthy": "",
    "flapping": "2s",
    "errors-after": "3s",
    "crash-after": "2s",
    "crash-loop": "",
    "ignore-sigterm": "",
    "wrong-port": "",
    "leak": "20M",
}
_SECONDS = {"": 1.0, "s": 1.0, "ms": 0.001}
_BYTES = {"": 1024.0**2, "k": 1024.0, "m": 1024.0**2}


class UnknownFault(ValueError):
    """`DEMO_FAULT` names a fault, or gives it an argument, that is not in the list above."""


@dataclass(frozen=True)
class Faults:
    """Which faults are on, with their amounts (seconds or bytes). None of them: everything below does nothing."""

    amounts: dict[str, float] = field(default_factory=dict)
    clock: Callable[[], float] = time.monotonic

    @classmethod
    def read(cls, text: str) -> Faults:
        """Raises `UnknownFault`."""
        return cls(dict(_fault(entry) for entry in text.replace(" ", "").split(",") if entry))

    @property
    def names(self) -> list[str]:
        return sorted(self.amounts)

    @property
    def ignore_sigterm(self) -> bool:
        return "ignore-sigterm" in self.amounts

    def before_listening(self) -> None:
        """Sleeps or ends the process, if told to."""
        if "slow-start" in self.amounts:
            time.sleep(self.amounts["slow-start"])
        if "crash-loop" in self.amounts:
            os._exit(CRASH_STATUS)

    def port(self, port: int) -> int:
        """The port to listen on; 0 (any) if it is to be the wrong one."""
        return 0 if "wrong-port" in self.amounts else port

    def around(self, application: Application) -> Application:
        """The application with its faults; the very same one where there are none."""
        return Faulty(application, self) if self.amounts else application


class Faulty:
    """ASGI: answers in the application's place where a fault says so, and starts what crashes or leaks later."""

    def __init__(self, application: Application, faults: Faults) -> None:
        self._application = application
        self._faults = faults
        self._began = faults.clock()
        self._running: list[asyncio.Task[None]] = []
        self._kept: list[bytearray] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            self._begin()
        elif scope["type"] == "http" and (refusal := self.refusal(scope["path"])):
            await _answer(send, *refusal)
            return
        await self._application(scope, receive, send)

    def refusal(self, path: str) -> tuple[int, str] | None:
        """Status and reason if this request is to fail now."""
        amounts, seconds = self._faults.amounts, self._faults.clock() - self._began
        if path == "/health":
            ill = "flapping" in amounts and int(seconds / amounts["flapping"]) % 2 == 1
            return (503, "told to be ill") if ill or "never-healthy" in amounts else None
        failing = "errors-after" in amounts and seconds >= amounts["errors-after"]
        return (500, "told to fail") if failing else None

    def _begin(self) -> None:
        self._began = self._faults.clock()
        loop = asyncio.get_running_loop()
        if "crash-after" in self._faults.amounts:
            loop.call_later(self._faults.amounts["crash-after"], os._exit, CRASH_STATUS)
        if "leak" in self._faults.amounts:
            self._running.append(loop.create_task(self._leak(int(self._faults.amounts["leak"]))))

    async def _leak(self, bytes_per_second: int) -> None:
        kept = 0
        while kept < LEAK_BYTES:
            piece = min(max(bytes_per_second // 10, 1), LEAK_BYTES - kept)
            self._kept.append(bytearray(b"\x01") * piece)
            kept += piece
            await asyncio.sleep(0.1)


def _fault(entry: str) -> tuple[str, float]:
    name, _, given = entry.partition(":")
    if name not in DEFAULTS:
        raise UnknownFault(f"`DEMO_FAULT` names `{name}`; there are {', '.join(DEFAULTS)}")
    if given and not DEFAULTS[name]:
        raise UnknownFault(f"`DEMO_FAULT`: `{name}` takes no argument")
    if not DEFAULTS[name]:
        return name, 0.0
    units = _BYTES if name == "leak" else _SECONDS
    amount = re.fullmatch(r"(\d+(?:\.\d+)?)([a-z]*)", (given or DEFAULTS[name]).lower())
    if amount is None or amount[2] not in units or float(amount[1]) == 0:
        raise UnknownFault(f"`DEMO_FAULT`: `{entry}` is not understood; write it like `{name}:{DEFAULTS[name]}`")
    return name, float(amount[1]) * units[amount[2]]


async def _answer(send: Send, status: int, detail: str) -> None:
    body = json.dumps({"title": "a fault that was asked for", "status": status, "detail": detail}).encode()
    headers = [(b"content-type", b"application/problem+json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
