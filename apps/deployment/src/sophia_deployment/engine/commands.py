"""What people ask the engine for. A wish becomes an entry of the ledger; the runner does the rest."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from typing import Any, Literal

from pydantic import ValidationError
from sophia_deployment_core import lanes, planning
from sophia_deployment_core.environment import Standing
from sophia_deployment_core.errors import NOT_FOUND, SophiaError
from sophia_deployment_core.ledger import Draft, Event
from sophia_deployment_core.plan import Plan
from sophia_deployment_core.platform import Platform
from sophia_deployment_core.release import MISSING_ARTIFACT, Release, Revision, revise
from sophia_deployment_core.run import ENDED, View
from sophia_deployment_core.steps import Hands
from sophia_deployment_core.world import World

from sophia_deployment.codes import CONFLICT, NOTHING_TO_GO_BACK_TO, NOTHING_WAS_LIVE, UNREADABLE_RELEASE
from sophia_deployment.engine import showing
from sophia_deployment.engine.journal import Journal
from sophia_deployment.engine.tending import Tending
from sophia_deployment.wire import EngineOut, PlanOut, RunOut, StatusOut, Submission


class EngineCommands:
    """The `Commands` of `sophia_deployment.api`."""

    def __init__(
        self, hands: Hands, journal: Journal, tending: Tending, *, about: EngineOut, end: Callable[[], None]
    ) -> None:
        self._hands = hands
        self._journal = journal
        self._tending = tending
        self._about = about
        self._end = end
        self._one_at_a_time = asyncio.Lock()

    # --- asking ------------------------------------------------------------------------------------------------------

    async def engine(self) -> EngineOut:
        return self._about

    async def status(self) -> StatusOut:
        return await showing.status(self._hands, self._about)

    async def runs(self, *, limit: int, environment: str | None) -> list[RunOut]:
        views = [view for view in self._world.runs.values() if environment in (None, view.environment)]
        return [showing.run(view, self._world) for view in reversed(views[-limit:])]

    async def run(self, name: str) -> RunOut:
        return showing.run(self._found(name), self._world, whole=True)

    async def report(self, name: str, *, form: Literal["md", "html", "json"]) -> str:
        view = self._found(name)
        events = await asyncio.to_thread(self._hands.ledger.read, run=view.id)
        return await asyncio.to_thread(showing.report_text, view, events, self._hands, form)

    def events(self, *, after: int, run: str | None) -> AsyncIterator[Event]:
        return self._journal.follow(after=after, run=self._found(run).id if run is not None else None)

    def metrics(self) -> bytes:
        return showing.metrics(self._world, self._tending.readings, self._about)

    async def plan(self, submission: Submission, *, by: str) -> PlanOut:  # noqa: ARG002  # anybody may look
        plan = await asyncio.to_thread(self._planned, submission)
        return showing.plan(plan)

    # --- wishing -----------------------------------------------------------------------------------------------------

    async def submit(self, submission: Submission, *, by: str) -> RunOut:
        async with self._one_at_a_time:
            known = self._world.runs.get(submission.id)
            if known is None:
                known = await self._undo_instead(submission, by)
            if known is not None:
                return showing.run(known, self._world, whole=True)
            plan = await asyncio.to_thread(self._planned, submission)
            if await self._is_done_already(plan):
                return showing.nothing_to_do(plan, submission)
            body = {
                "plan": plan.to_data(),
                "number": self._world.numbers + 1,
                "kind": plan.kind,
                "environment": plan.environment,
                "by": by,
                "reason": submission.reason,
                "tags": [*submission.tags, *(["alone"] if submission.alone else [])],
                "provenance": submission.provenance.model_dump(exclude_none=True),
                "check": submission.check,
            }
            await self._journal.append([Draft("run submitted", body, run=submission.id, key=f"run/{submission.id}")], 0)
            return showing.run(self._world.runs[submission.id], self._world, whole=True)

    async def cancel(self, name: str, *, by: str, reason: str | None) -> RunOut:
        view = self._found(name)
        if view.state in ENDED:
            raise SophiaError(
                CONFLICT, f"run #{view.number} has ended ({view.state})", "`sophia rollback` undoes what it did"
            )
        await self._ask("cancel asked", view, by=by, reason=reason)
        return showing.run(view, self._world, whole=True)

    async def resume(self, name: str, *, by: str, reason: str | None) -> RunOut:
        view = self._found(name)
        if view.state != "needs you":
            raise SophiaError(
                CONFLICT,
                f"run #{view.number} does not wait for anybody: it is {view.state}",
                "`sophia queue` shows what waits for whom",
            )
        await self._ask("resumed", view, by=by, reason=reason)
        return showing.run(view, self._world, whole=True)

    async def stop(self) -> None:
        self._end()

    # --- how ---------------------------------------------------------------------------------------------------------

    @property
    def _world(self) -> World:
        return self._hands.world

    def _found(self, name: str) -> View:
        view = self._world.find(name)
        if view is None:
            raise SophiaError(NOT_FOUND, f"there is no run `{name}`", "`sophia queue` lists runs")
        return view

    async def _ask(self, kind: str, view: View, *, by: str, reason: str | None) -> None:
        await self._journal.append([Draft(kind, {"by": by, "reason": reason}, run=view.id)], 0)

    async def _undo_instead(self, submission: Submission, by: str) -> View | None:
        """A rollback while a release has the lane makes that one undo itself; what waits is superseded."""
        holder = self._world.holder(submission.environment)
        if submission.kind != "rollback" or submission.to or holder is None or holder.kind not in lanes.RELEASING:
            return None
        wish = {"by": by, "reason": submission.reason}
        waiting = [view for view in lanes.waiting(self._world, submission.environment) if view.kind in lanes.RELEASING]
        drafts = [Draft("cancel asked", {"by": by, "reason": "rolled back"}, run=view.id) for view in waiting]
        await self._journal.append([Draft("rollback asked", wish, run=holder.id), *drafts], 0)
        return holder

    def _planned(self, submission: Submission) -> Plan:
        """The plan for a wish. Raises `SophiaError` naming everything that is missing."""
        standing = self._world.environments.get(submission.environment) or Standing(submission.environment)
        if submission.kind == "deploy":
            return planning.deploy(standing, self._revision(submission))
        if standing.live is None:
            known = ", ".join(f"`{name}`" for name, one in self._world.environments.items() if one.live)
            raise SophiaError(
                NOTHING_WAS_LIVE,
                f"nothing was ever live in `{submission.environment}`",
                f"live are {known}" if known else f"`sophia deploy {submission.environment}` makes the first release",
            )
        if submission.kind == "rollback":
            return planning.deploy(standing, self._back(standing, submission.to), kind="rollback")
        if submission.kind == "start":
            return planning.start(standing)
        if submission.kind == "stop":
            return planning.stop(standing, drain_ms=lanes.DRAIN_MS)
        if submission.kind == "restart":
            return planning.restart(standing, instances=_instances(standing, submission.services))
        return planning.retire(standing, drain_ms=lanes.DRAIN_MS)

    def _revision(self, submission: Submission) -> Revision:
        given = submission.release
        if given is None:
            raise SophiaError(UNREADABLE_RELEASE, "a deployment needs a release", "use `sophia deploy`")
        try:
            platform = Platform.from_canonical(given.platform)
        except (ValidationError, ValueError, KeyError) as error:
            hint = "the command line and the engine are of different builds: `sophia up` replaces the engine"
            raise SophiaError(UNREADABLE_RELEASE, f"the release cannot be read: {error}", hint) from error
        if submission.environment not in platform.environments:
            known = ", ".join(f"`{name}`" for name in platform.environments)
            raise SophiaError(NOT_FOUND, f"there is no environment `{submission.environment}`", f"there are {known}")
        release = Release(platform.to_canonical(), given.artifacts)
        secrets = self._hands.secrets.versions(submission.environment)
        revision = revise(release, platform, submission.environment, secrets=secrets, overrides=submission.overrides)
        self._refuse_missing(revision)
        changed: dict[str, Any] = {"strict_port": True} if submission.strict_port else {}
        if submission.watch_ms is not None:
            changed["watch_ms"] = submission.watch_ms
        return replace(revision, settings={**revision.settings, **changed})

    def _back(self, standing: Standing, name: str | None) -> Revision:
        found = standing.shipped(name) if name else standing.previous()
        if found is None:
            kept = ", ".join(dict.fromkeys(f"`{entry.revision.name}`" for entry in reversed(standing.history)))
            message = f"`{name}` was never live here" if name else "there is no good version before the live one"
            raise SophiaError(NOTHING_TO_GO_BACK_TO, f"{standing.name}: {message}", f"live were {kept or 'none'}")
        self._refuse_missing(found.revision)
        return found.revision

    def _refuse_missing(self, revision: Revision) -> None:
        missing = [name for name, load in revision.workloads.items() if not self._hands.artifacts.has(load.artifact)]
        if missing:
            listed = ", ".join(f"`{name}`" for name in missing)
            hint = "it was pruned: deploy the commit it was built from"
            raise SophiaError(MISSING_ARTIFACT, f"no bundle of {listed} for `{revision.name}` is kept", hint)

    async def _is_done_already(self, plan: Plan) -> bool:
        if self._world.open_runs(plan.environment):
            return False
        if plan.kind == "start":
            return await self._tending.stands(plan.environment)
        return not plan.steps


def _instances(standing: Standing, services: list[str]) -> Mapping[str, list[int]]:
    assert standing.live is not None
    loads = standing.live.workloads
    if unknown := [name for name in services if name not in loads]:
        raise SophiaError(NOT_FOUND, f"there is no service `{unknown[0]}` in `{standing.name}`")
    wanted = [loads[name] for name in services or loads]
    return {load.key: sorted(standing.placements[load.key].begun) for load in wanted if load.key in standing.placements}
