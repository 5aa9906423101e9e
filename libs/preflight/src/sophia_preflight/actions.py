"""Actions of the repository itself (`uses: ./.github/actions/x`), and the steps that use them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sophia_preflight.calls.model import Caller, Site
from sophia_preflight.context import Context
from sophia_preflight.readers.workflow import Job, Step, Workflow, local_action


@dataclass(frozen=True)
class Use:
    """A step that runs a local action."""

    workflow: Workflow
    job: Job
    step: Step
    action: Workflow

    @property
    def site(self) -> Site:
        owner = self.workflow.name if self.workflow.action else f"{self.workflow.name} / {self.job.name}"
        return Site(self.workflow.path, Caller.WORKFLOW, owner=owner)

    @property
    def before(self) -> list[Step]:
        """The steps that run before it in its job."""
        return self.job.steps[: self.job.steps.index(self.step)]


def uses(context: Context) -> Iterator[Use]:
    """Every use of a local action, but in jobs whose directory is not simply this repository."""
    for workflow in context.workflows.values():
        for job in workflow.jobs:
            if not _is_elsewhere(job):
                yield from _of_job(context, workflow, job)


def _of_job(context: Context, workflow: Workflow, job: Job) -> Iterator[Use]:
    for step in job.steps:
        action = local_action(context.workflows, step.uses.text)
        if action is not None:
            yield Use(workflow, job, step, action)


def _is_elsewhere(job: Job) -> bool:
    """Whether the job's directory holds another repository, or this one only in a folder."""
    checkouts = [each for each in job.steps if each.uses.text.partition("@")[0].lower() == "actions/checkout"]
    here = [each for each in checkouts if "path" not in each.with_]
    return bool(checkouts) and (not here or any("repository" in each.with_ for each in here))
