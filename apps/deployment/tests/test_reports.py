"""A report for every run that ends, however late it can be written."""

from __future__ import annotations

import asyncio
from pathlib import Path

from sophia_deployment.engine.reports import AGAIN_SECONDS, Reports
from sophia_deployment_core.testing import Ground

from tests.support.stories import Engine, platform, play, revision


def test_a_report_that_could_not_be_written_is_written_later(tmp_path: Path) -> None:
    directory = tmp_path / "reports"
    directory.write_text("in the way")
    told: list[str] = []

    async def story(ground: Ground) -> None:
        engine = Engine(ground)
        view = await engine.over(await engine.deploy(revision(platform(), "1")))
        reports = Reports(directory, engine.hands, lambda event, _facts: told.append(event))
        reports.catch_up()
        writing = asyncio.create_task(reports.run())
        await asyncio.sleep(1)
        assert told == ["report not written"]
        directory.unlink()
        await asyncio.sleep(AGAIN_SECONDS)
        assert reports.path(view).is_file() and reports.path(view).with_name("report.md").is_file()
        writing.cancel()
        await engine.stop()

    play(story)
