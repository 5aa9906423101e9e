"""Journals of every version that was released: today's engine takes each up where its own left it, and finishes it."""

from __future__ import annotations

from pathlib import Path

import pytest
from sophia_deployment_core.ledger import Head, verify
from sophia_deployment_core.testing import Ground

from tests.support import journals
from tests.support.stories import Engine, play

FILES = sorted(journals.DIRECTORY.glob("*.ndjson"))


def test_there_is_a_journal_of_every_story() -> None:
    assert {path.name.split(".", 1)[1].removesuffix(".ndjson") for path in FILES} == set(journals.STORIES)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_journal_of_an_older_engine_is_finished(path: Path) -> None:
    expected = path.name.split(".")[2]

    async def story(ground: Ground) -> None:
        await journals.relive(ground, journals.read(path))
        engine = Engine(ground)
        newest = list(engine.world.runs.values())[-1]
        assert newest.state != expected, "the journal is of a run that has ended"
        await engine.over(newest)
        assert (newest.state, engine.world.holder("local")) == (expected, None)
        live = engine.standing.live
        assert live is not None
        assert ground.traffic.public["local"].table == live.table()
        assert isinstance(verify(ground.ledger.read()), Head)
        await engine.stop()

    play(story)
