"""A helper that waits for `once` acts as one that is started for it, sooner."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sophia_deployment_core.ports import Fenced
from sophia_infrastructure.launchers import Launchers, Write
from sophia_infrastructure.places import Places

from tests.support.launching import eventually, launchers_in

ROUTES = "routes/local"


@pytest.fixture
async def launchers(tmp_path: Path) -> AsyncIterator[Launchers]:
    async with launchers_in(tmp_path / "state") as launchers:
        yield launchers


def helpers(state: Path) -> list[int]:
    """The pids of those that wait."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            words = Path(f"/proc/{name}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if words[-4:] == [b"once", os.fsencode(state / "run"), ROUTES.encode(), b""]:
            found.append(int(name))
    return found


async def test_a_helper_that_waited_does_what_it_is_told_and_is_gone(launchers: Launchers, tmp_path: Path) -> None:
    await launchers.ready(ROUTES)
    await launchers.ready(ROUTES)
    assert len(helpers(tmp_path / "state")) == 1
    for text in ("first", "second"):
        await launchers.once(ROUTES, [Write(tmp_path / "table", text)], epoch=1)
        assert (tmp_path / "table").read_text() == text
        assert helpers(tmp_path / "state") == []


async def test_a_helper_that_waited_is_fenced_by_what_happened_meanwhile(launchers: Launchers, tmp_path: Path) -> None:
    await launchers.ready(ROUTES)
    newer = Launchers(Places.of(tmp_path / "state"))
    await newer.once(ROUTES, [Write(tmp_path / "table", "newer")], epoch=2)
    with pytest.raises(Fenced):
        await launchers.once(ROUTES, [Write(tmp_path / "table", "older")], epoch=1)
    assert (tmp_path / "table").read_text() == "newer"


async def test_a_helper_that_died_while_it_waited_is_not_missed(launchers: Launchers, tmp_path: Path) -> None:
    await launchers.ready(ROUTES)
    for pid in helpers(tmp_path / "state"):
        os.kill(pid, signal.SIGKILL)
    await launchers.once(ROUTES, [Write(tmp_path / "table", "done")], epoch=1)
    assert (tmp_path / "table").read_text() == "done"


async def test_a_helper_waits_for_nobody_who_is_gone(tmp_path: Path) -> None:
    launchers = Launchers(Places.of(tmp_path / "state"))
    await launchers.ready(ROUTES)
    assert helpers(tmp_path / "state")
    del launchers
    await eventually(lambda: not helpers(tmp_path / "state"))


@pytest.mark.slow
async def test_a_helper_that_waited_is_quicker(launchers: Launchers, tmp_path: Path) -> None:
    took: dict[bool, list[float]] = {False: [], True: []}
    for turn in range(20):
        waited = turn % 2 == 1
        if waited:
            await launchers.ready(ROUTES)
            await asyncio.sleep(0.3)
        began = time.perf_counter()
        await launchers.once(ROUTES, [Write(tmp_path / "table", str(turn))], epoch=1)
        took[waited].append((time.perf_counter() - began) * 1000)
    cold, warm = (sorted(took[each])[5] for each in (False, True))
    print(f"once: {cold:.1f} ms with a helper of its own, {warm:.1f} ms with one that waited")
    assert warm < cold
