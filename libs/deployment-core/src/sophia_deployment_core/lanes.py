"""Whose turn is it: one releasing run per environment, first come first served, the newer supersedes the older. Pure.

    queued ─► (superseded · cancelled · expired) or ─► lane taken, with a plan for what stands now
    needs you, and nobody decides ─► expired, or tried again

What the old version left behind is retired before a release starts anything, as a run of its own in front of it.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

from sophia_deployment_core import planning
from sophia_deployment_core.environment import Standing
from sophia_deployment_core.ledger import Draft
from sophia_deployment_core.plan import Plan
from sophia_deployment_core.run import HELD_MS, View
from sophia_deployment_core.world import World

QUEUE_MS = 24 * 3_600_000
"""A run that waits longer is ended: nobody expects it any more."""
DRAIN_MS = 30_000
"""How long streams of a version that is retired may go on; they had the warm time to end by themselves."""
HURRIED_DRAIN_MS = 5_000
"""The same where a release waits for it."""
RELEASING = ("deploy", "rollback")
_RETIRES = uuid.UUID("5f1a9f0e-6f3b-5e0a-9d53-0c8e6d1b7a42")


def decide(world: World, *, now_ms: int) -> list[Draft]:
    """What to append about runs that wait, for their turn or for a person. Nothing: they go on waiting."""
    environments = {view.environment for view in world.open_runs()}
    return [draft for name in sorted(environments) for draft in _of(world, name, now_ms)]


def waiting(world: World, environment: str) -> list[View]:
    """Runs without the lane, in the order of their turn."""
    return [view for view in world.open_runs(environment) if view.lane_ms is None]


def _of(world: World, environment: str, now_ms: int) -> Iterator[Draft]:
    queue = []
    for view in waiting(world, environment):
        because = _over(view, waiting(world, environment), now_ms)
        if because:
            yield _ended(view, "cancelled", because)
        else:
            queue.append(view)
    holder = world.holder(environment)
    if holder is not None:
        yield from _undecided(holder, now_ms)
    elif queue:
        yield from _next(world, queue[0])


def _undecided(view: View, now_ms: int) -> Iterator[Draft]:
    """The end of a wait for a person. Nothing is moved: a run that stopped on its way back would leave half of it, so
    that one goes on with going back instead."""
    if view.held_ms is None or now_ms - view.held_ms <= HELD_MS:
        return
    if view.undoing is None:
        yield _ended(view, "failed", f"expired: nobody decided within a day: {view.held}")
    else:
        yield Draft("resumed", {"by": "sophia", "reason": "nobody decided within a day"}, run=view.id)


def _over(view: View, queue: list[View], now_ms: int) -> str:
    """Why the run's turn will never come; empty when it will."""
    if view.asked is not None:
        reason = f": {view.asked['reason']}" if view.asked.get("reason") else ""
        return f"cancelled by {view.asked['by']} before it began{reason}"
    newer = [other for other in queue if other.number > view.number and other.kind in RELEASING]
    if view.kind in RELEASING and newer:
        return f"superseded by #{newer[-1].number}"
    if now_ms - view.submitted_ms > QUEUE_MS:
        return "expired: it waited for a day"
    return ""


def _next(world: World, view: View) -> Iterator[Draft]:
    standing = world.standing(view.environment)
    if view.kind in RELEASING and view.plan.target is not None:
        before = retiring(world, standing, keep=view.plan.target.keys, for_run=view)
        if before is not None:
            yield before
            yield Draft("lane taken", {"environment": view.environment}, run=before.run)
            return
    plan = replanned(view, standing)
    if plan is None:
        yield _ended(view, "cancelled", "what stood when it was planned has changed; ask for it again")
    else:
        body: dict[str, Any] = {"environment": view.environment}
        yield Draft("lane taken", body | ({"plan": plan.to_data()} if plan != view.plan else {}), run=view.id)


def replanned(view: View, standing: Standing) -> Plan | None:
    """The run's plan for what stands now; `None` when its wish makes no sense any more."""
    if planning.basis(standing) == view.plan.basis:
        return view.plan
    target = view.plan.target
    if view.kind in RELEASING and target is not None:
        return planning.deploy(standing, target, kind="rollback" if view.kind == "rollback" else "deploy")
    if view.kind == "start" and standing.live is not None:
        return planning.start(standing)
    if view.kind == "stop":
        return planning.stop(standing, drain_ms=DRAIN_MS)
    if view.kind == "retire":
        return planning.retire(standing, drain_ms=DRAIN_MS)
    return None


def retiring(world: World, standing: Standing, *, keep: frozenset[str], for_run: View | None = None) -> Draft | None:
    """A retire run for what neither the live revision nor `keep` uses; `None` when there is nothing, or it was tried.

    Its id follows from the run it makes room for (or from the run that is live), so that it is submitted once.
    """
    origin = for_run.id if for_run is not None else f"{standing.live_run}/{_failures(world, standing)}"
    id = str(uuid.uuid5(_RETIRES, f"{standing.name}/{origin}"))
    drain_ms = DRAIN_MS if for_run is None else HURRIED_DRAIN_MS
    plan = planning.retire(standing, keep=keep, drain_ms=drain_ms)
    if not plan.steps or id in world.runs:
        return None
    body = {
        "plan": plan.to_data(),
        "number": world.numbers + 1,
        "kind": "retire",
        "environment": standing.name,
        "by": "sophia",
        "reason": "the version before is no longer needed",
    }
    return Draft("run submitted", body, run=id, key=f"run/{id}")


def _failures(world: World, standing: Standing) -> int:
    """How many retire runs of this environment failed since its live revision was switched to."""
    since = standing.live_since_ms or 0
    return sum(
        view.kind == "retire" and view.state == "failed" and view.submitted_ms >= since
        for view in world.runs.values()
        if view.environment == standing.name
    )


def _ended(view: View, state: str, because: str) -> Draft:
    return Draft("run ended", {"state": state, "because": because}, run=view.id)
