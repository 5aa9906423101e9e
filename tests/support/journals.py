"""Recorded journals: what an engine of some version left behind when it died. Every later engine must finish them.

    python -m tests.support.journals VERSION      records the stories below as journals of VERSION, once per release

A file is named `VERSION.STORY.EXPECTED.ndjson`; EXPECTED is the state in which its newest run must end.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from sophia_deployment_core.ledger import Draft, Event
from sophia_deployment_core.steps import VERBS, Call
from sophia_deployment_core.testing import Ground

from tests.support.stories import Engine, Killed, artifact, begun, platform, play, revision

DIRECTORY = Path(__file__).parents[1] / "fixtures" / "journals"
FIELDS = ("seq", "at_ms", "epoch", "run", "kind", "key", "text", "hash")


def read(path: Path) -> list[Event]:
    return [Event(**json.loads(line)) for line in path.read_text().splitlines()]


async def relive(ground: Ground, events: Sequence[Event]) -> None:
    """Put the ground into the state that the journal tells of: what was done is done again."""
    for event in events:
        ground.ledger.events.append(event)
        if event.key is not None:
            ground.ledger.take_key(event.key)
        ground.ledger.epoch = max(ground.ledger.epoch, event.epoch)
        if event.kind == "step done":
            await _again(ground, event)


async def _again(ground: Ground, event: Event) -> None:
    hands = ground.hands()
    assert event.run is not None
    view, body = hands.world.runs[event.run], event.body
    step = view.plan.by_id[body["step"]]
    if step.verb in ("verify", "smoke", "watch", "drain", "prune"):
        return
    call = Call(step, view.plan, hands, view.id, view.step("do", step.id).given, switched=view.switched)
    await (VERBS[step.verb].do(call) if body["phase"] == "do" else VERBS[step.verb].undo(call))


# --- recording ------------------------------------------------------------------------------------------------------

ALL = platform()


async def _dying(ground: Ground, at: Callable[[Draft], bool], *, breaks: bool = False) -> None:
    """A second release during which the engine dies when `at` is true of what it is about to write."""
    first = Engine(ground)
    await first.over(await first.deploy(revision(ALL, "1")))
    await first.stop()
    dying = Engine(ground, die_at=lambda drafts: any(at(draft) for draft in drafts))
    with contextlib.suppress(Killed):
        view = await dying.deploy(revision(ALL, "2"))
        if breaks:
            await dying.until(lambda: begun(view, "watch") or dying.task.done())
            ground.probes.broken_artifacts.add(artifact("front", "2"))
        await dying.over(view)
    await dying.stop()


def _step(kind: str, step: str, phase: str) -> Callable[[Draft], bool]:
    return lambda draft: (draft.kind, draft.body.get("step"), draft.body.get("phase")) == (kind, step, phase)


async def _waiting(ground: Ground) -> None:
    """A run that nobody took up, and one behind it."""
    engine = Engine(ground, die_at=lambda drafts: any(draft.kind == "lane taken" for draft in drafts))
    for version in ("1", "2"):
        with contextlib.suppress(Killed):
            await engine.deploy(revision(ALL, version))
    await engine.stop()


async def _held(ground: Ground) -> None:
    """A run that needs somebody, who has said `resume`."""
    engine = Engine(ground)
    await engine.over(await engine.deploy(revision(ALL, "1")))
    ground.traffic.unreachable = True
    view = await engine.over(await engine.deploy(revision(ALL, "2")))
    assert view.state == "needs you"
    await engine.stop()
    ground.ledger.append([Draft("resumed", {"by": "ada"}, run=view.id)], epoch=0)


Story = Callable[[Ground], Awaitable[None]]

STORIES: dict[str, Story] = {
    "waiting.done": _waiting,
    "starting.done": lambda ground: _dying(ground, _step("step done", "start stock", "do")),
    "placed.done": lambda ground: _dying(ground, _step("step done", "place", "do")),
    "renamed.done": lambda ground: _dying(ground, _step("step done", "switch", "do")),
    "watching.done": lambda ground: _dying(ground, _step("step done", "watch", "do")),
    "going-back.rolled back": lambda ground: _dying(ground, _step("step done", "switch", "undo"), breaks=True),
    "undoing.rolled back": lambda ground: _dying(ground, _step("step started", "start front", "undo"), breaks=True),
    "held.done": _held,
}


def record(version: str) -> None:
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    for name, story in STORIES.items():
        lines = [json.dumps({field: getattr(event, field) for field in FIELDS}) for event in play(_kept(story))]
        (DIRECTORY / f"{version}.{name}.ndjson").write_text("\n".join(lines) + "\n")


def _kept(story: Story) -> Callable[[Ground], Awaitable[list[Event]]]:
    async def told(ground: Ground) -> list[Event]:
        await story(ground)
        return ground.ledger.events

    return told


if __name__ == "__main__":
    record(sys.argv[1])
