"""Everything the ledger says, kept up to date entry by entry. Pure: the same entries give the same world.

The runner decides from it, the API answers from it, and a test folds the whole ledger again and compares.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from sophia_deployment_core import environment, run
from sophia_deployment_core.environment import Deed, Standing
from sophia_deployment_core.ledger import ORIGIN, Event, Head
from sophia_deployment_core.release import Workload
from sophia_deployment_core.run import View


@dataclass
class World:
    """`epoch` is the engine's own; steps begun under another are lost. `None` for readers that run nothing."""

    epoch: int | None = None
    runs: dict[str, View] = field(default_factory=dict)
    environments: dict[str, Standing] = field(default_factory=dict)
    head: Head = field(default_factory=lambda: Head(0, ORIGIN))
    unended: dict[str, View] = field(default_factory=dict)
    """those of `runs` that have not ended, oldest first; a history is long, and these are asked for at every entry"""
    numbers: int = 0
    """how many runs were ever submitted: the next one's number is one more"""

    def apply(self, event: Event) -> None:
        """Fold the next entry."""
        self.head = Head(event.seq, event.hash)
        if event.run is not None:
            self._apply_run(event)
        elif event.kind in ("environment held", "environment steady"):
            because = event.body.get("because")
            self.standing(event.body["environment"]).held = because if event.kind == "environment held" else None

    def apply_all(self, events: Iterable[Event]) -> None:
        for event in events:
            self.apply(event)

    def standing(self, name: str) -> Standing:
        return self.environments.setdefault(name, Standing(name))

    def open_runs(self, environment: str | None = None) -> list[View]:
        """Runs that have not ended, oldest first."""
        return [view for view in self.unended.values() if environment in (None, view.environment)]

    def holder(self, environment: str) -> View | None:
        """The run that has the environment's lane."""
        return next((view for view in self.open_runs(environment) if view.lane_ms is not None), None)

    def find(self, name: str) -> View | None:
        """A run by id, the beginning of one (six characters at least), `17` or `#17`."""
        if name in self.runs:
            return self.runs[name]
        numbered = [view for view in self.runs.values() if name.removeprefix("#") == str(view.number)]
        found = numbered or [view for id, view in self.runs.items() if len(name) >= 6 and id.startswith(name)]
        return found[0] if len(found) == 1 else None

    def ports(self) -> set[int]:
        """Every port spoken for by any environment."""
        return set().union(*(standing.ports() for standing in self.environments.values()))

    def kept_artifacts(self, *, now_ms: int) -> set[str]:
        """Bundles that something may still need."""
        return {load.artifact for load in self._kept(now_ms)}

    def kept_secrets(self, *, now_ms: int) -> set[tuple[str, str, int]]:
        """Versions of secrets that something may still need: (environment, name, version)."""
        return {
            (load.environment, name, version) for load in self._kept(now_ms) for name, version in load.secrets.items()
        }

    def _kept(self, now_ms: int) -> list[Workload]:
        """What is placed, live or to come, and what retention keeps."""
        wanted = [view.plan.target for view in self.open_runs()]
        for standing in self.environments.values():
            wanted += standing.kept(now_ms=now_ms)
        placed = (place.workload for each in self.environments.values() for place in each.placements.values())
        loads = [load for revision in wanted if revision is not None for load in revision.workloads.values()]
        return [*loads, *placed]

    def _apply_run(self, event: Event) -> None:
        assert event.run is not None
        view = run.apply(self.runs.get(event.run), event, epoch=self.epoch)
        if view is None:
            return
        self.runs[event.run] = view
        if view.state in run.ENDED:
            self.unended.pop(event.run, None)
        else:
            self.unended[event.run] = view
        if event.kind == "run submitted":
            self.numbers = max(self.numbers, view.number)
        elif event.kind.startswith("step "):
            self._apply_deed(view, event)
        elif event.kind == "run ended":
            self._apply_end(view)

    def _apply_deed(self, view: View, event: Event) -> None:
        body = event.body
        step = view.plan.by_id[body["step"]]
        given = view.step("do", step.id).given
        deed = Deed(
            what=event.kind.removeprefix("step "),
            phase=body["phase"],
            verb=step.verb,
            args=step.args,
            given=given,
            workloads=view.plan.workloads,
            target=view.plan.target,
            run=view.id,
            kind=view.kind,
            number=view.number,
            at_ms=event.at_ms,
            pinned="pinned" in view.tags,
        )
        environment.apply(self.standing(view.environment), deed)

    def _apply_end(self, view: View) -> None:
        standing = self.standing(view.environment)
        if view.lane_ms is not None:
            environment.settle(standing)
        if view.kind == "stop" and view.state == "done":
            standing.down_alone = standing.down_alone or "alone" in view.tags
        elif view.kind in ("start", "deploy", "rollback") and view.state == "done":
            standing.down_alone = False
