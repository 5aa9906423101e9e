"""A report for every run that ends: `reports/NUMBER-KIND-ENVIRONMENT/report.md` and `report.html`."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sophia_deployment_core.ledger import Event
from sophia_deployment_core.run import View
from sophia_deployment_core.steps import Hands

from sophia_deployment.engine import showing

AGAIN_SECONDS = 10.0


class Reports:
    """Writes in the background, one after the other. One that cannot be written (a full disk) is tried again, by the
    next engine too; the run does not depend on it."""

    def __init__(self, directory: Path, hands: Hands, tell: Callable[[str, dict[str, Any]], None]) -> None:
        self._directory = directory
        self._hands = hands
        self._tell = tell
        self._due: asyncio.Queue[str] = asyncio.Queue()

    def hear(self, event: Event) -> None:
        """A listener of the journal."""
        if event.kind in ("run ended", "held") and event.run is not None:
            self._due.put_nowait(event.run)

    def catch_up(self) -> None:
        """Whatever ended without a report, the newest hundred."""
        for view in list(self._hands.world.runs.values())[-100:]:
            if view.ended_ms is not None and not self.path(view).exists():
                self._due.put_nowait(view.id)

    def path(self, view: View) -> Path:
        return self._directory / f"{view.number}-{view.kind}-{view.environment}" / "report.html"

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            view = self._hands.world.runs[await self._due.get()]
            events = await asyncio.to_thread(self._hands.ledger.read, run=view.id)
            try:
                told = await asyncio.to_thread(showing.report_of, view, events, self._hands)
                await asyncio.to_thread(_write, self.path(view), told.to_html())
                await asyncio.to_thread(_write, self.path(view).with_name("report.md"), told.to_markdown())
            except OSError as error:
                self._tell("report not written", {"run": view.id, "error": str(error)})
                asyncio.get_running_loop().call_later(AGAIN_SECONDS, self._due.put_nowait, view.id)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        new.write_text(text, encoding="utf-8")
        new.replace(path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            new.unlink()
