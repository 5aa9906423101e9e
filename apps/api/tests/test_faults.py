"""Faults on demand, and that there are none without demand."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
import pytest
from sophia_api import faults as module
from sophia_api.faults import CRASH_STATUS, DEFAULTS, Faults, Faulty, UnknownFault


class Clock:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


async def fine(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"fine"})


def faulty(text: str, clock: Clock) -> httpx2.AsyncClient:
    around = Faults(Faults.read(text).amounts, clock).around(fine)
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(around), base_url="http://api")


def test_without_faults_nothing_stands_between() -> None:
    none = Faults.read("")
    none.before_listening()
    assert none.around(fine) is fine
    assert none.port(8000) == 8000
    assert not none.ignore_sigterm


def test_every_fault_has_a_default_and_several_may_be_on() -> None:
    faults = Faults.read(",".join(DEFAULTS))
    assert faults.names == sorted(DEFAULTS)
    assert faults.amounts["slow-start"] == 5.0
    assert faults.amounts["leak"] == 20 * 1024**2
    assert Faults.read("slow-start:250ms, leak:3").amounts == {"slow-start": 0.25, "leak": 3 * 1024**2}


@pytest.mark.parametrize(
    "text",
    ["slow", "slow-start:soon", "slow-start:5m", "leak:5s", "wrong-port:7", "flapping:0", "Never-healthy", "a:b:c"],
)
def test_what_is_no_fault_is_refused(text: str) -> None:
    with pytest.raises(UnknownFault, match="`DEMO_FAULT`"):
        Faults.read(text)


async def test_never_healthy_answers_everything_else() -> None:
    async with faulty("never-healthy", Clock()) as http:
        assert [(await http.get(path)).status_code for path in ("/health", "/health", "/chat")] == [503, 503, 200]


async def test_flapping_is_well_and_ill_by_turns() -> None:
    clock = Clock()
    async with faulty("flapping:2s", clock) as http:
        seen = []
        for _ in range(6):
            seen.append((await http.get("/health")).status_code)
            clock.seconds += 1
    assert seen == [200, 200, 503, 503, 200, 200]


async def test_errors_begin_after_their_time_and_leave_health_alone() -> None:
    clock = Clock()
    async with faulty("errors-after:3s", clock) as http:
        before = await http.get("/chat")
        clock.seconds += 3
        after = await http.get("/chat")
        health = await http.get("/health")
    assert (before.status_code, after.status_code, health.status_code) == (200, 500, 200)
    assert after.headers["content-type"] == "application/problem+json"
    assert after.json()["detail"] == "told to fail"


def test_a_slow_start_sleeps_and_a_crash_loop_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    did: list[object] = []
    monkeypatch.setattr(module.time, "sleep", did.append)
    monkeypatch.setattr(module.os, "_exit", did.append)
    Faults.read("slow-start:7s,crash-loop").before_listening()
    assert did == [7.0, CRASH_STATUS]


def test_the_wrong_port_is_any_other() -> None:
    assert Faults.read("wrong-port").port(8000) == 0


async def test_a_crash_comes_after_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = asyncio.Event()
    monkeypatch.setattr(module.os, "_exit", lambda status: ended.set())
    Faulty(fine, Faults.read("crash-after:10ms"))._begin()
    await asyncio.wait_for(ended.wait(), 5)


async def test_the_leak_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LEAK_BYTES", 25_000)
    leaking = Faulty(fine, Faults.read("leak:100k"))
    await asyncio.wait_for(leaking._leak(100_000), 5)
    assert sum(map(len, leaking._kept)) == 25_000
