"""Every entry that a run writes, found out by playing it on fakes: the places where an engine can be killed."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Mapping
from pathlib import Path

import yaml
from sophia_deployment_core import loading, planning
from sophia_deployment_core.ledger import Event
from sophia_deployment_core.platform import Platform
from sophia_deployment_core.testing import Ground

from tests.support.graph import FIXTURE, merged
from tests.support.site import SINGLE, SMALL
from tests.support.stories import Engine, artifact, begun, play, revision
from tests.support.trapped import place_of

Places = tuple[str, ...]


@functools.cache
def rows(*, worker: bool) -> Mapping[str, Places]:
    """Story -> the places of its entries, each once, in the order in which they come.

    `deploy` retires the version before the last one first; `automatic rollback` begins where the watch fails.
    """
    return play(functools.partial(_stories, _platform(worker=worker)))


async def _stories(platform: Platform, ground: Ground) -> dict[str, Places]:
    engine, found = Engine(ground), {}
    one, two, three, four = (revision(platform, version) for version in "1234")

    def since(seq: int) -> Places:
        return tuple(dict.fromkeys(_place(engine, event) for event in ground.ledger.read(after=seq)))

    for release in (one, two):
        await engine.over(await engine.deploy(release))
    before = ground.ledger.head().seq
    await engine.over(await engine.deploy(three))
    found["deploy"] = since(before)
    before = ground.ledger.head().seq
    await engine.over(await engine.submit(planning.deploy(engine.standing, two, kind="rollback")))
    found["rollback"] = since(before)
    view = await engine.deploy(four)
    await engine.until(lambda: begun(view, "watch"))
    before = ground.ledger.head().seq
    ground.probes.broken_artifacts.add(artifact("front", "4"))
    assert (await engine.over(view)).state == "rolled back"
    found["automatic rollback"] = since(before)
    await engine.stop()
    return found


def _place(engine: Engine, event: Event) -> str:
    view = engine.world.runs.get(event.run or "")
    return place_of(view.kind if view else None, event.kind, event.body)


def _platform(*, worker: bool) -> Platform:
    """The platform of a `Site`."""
    described = merged(yaml.safe_load((FIXTURE / "sophia.yaml").read_text()), merged(SMALL, SINGLE))
    if not worker:
        del described["services"]["ticker"]
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "sophia.yaml"
        path.write_text(yaml.safe_dump(described))
        return loading.load(path)
