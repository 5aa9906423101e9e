"""What workflows and actions of the repository do with the values that others pass to them.

A reusable workflow says `make ${{ inputs.target }}`: what that calls, only the ones that use it know. So it is followed
once more for each set of plain values that it is given, and what then is known better is a call of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from sophia_preflight.calls.model import Call
from sophia_preflight.calls.workflow import trace_of
from sophia_preflight.readers.tree import Node
from sophia_preflight.readers.workflow import Workflow, local_action, own

if TYPE_CHECKING:
    from sophia_preflight.context import Context

MOST = 40
"""Sets of values that one workflow is followed for."""


def passed(context: Context) -> Iterator[Call]:
    """Calls that follow from what is passed, each at its place in the workflow that makes it."""
    given: dict[str, set[tuple[tuple[str, str], ...]]] = {}
    for path, values in _given(context.workflows):
        given.setdefault(path, set()).add(values)
    for path, sets in sorted(given.items()):
        callee = context.workflows[path]
        seen = {_key(call) for call in context.facts[path].trace.calls}
        for values in sorted(sets)[:MOST]:
            for call in trace_of(_with(callee, dict(values))).calls:
                if _key(call) not in seen:
                    seen.add(_key(call))
                    yield call


def _given(workflows: dict[str, Workflow]) -> Iterator[tuple[str, tuple[tuple[str, str], ...]]]:
    for workflow in workflows.values():
        for job in workflow.jobs:
            used = [(job.called, job.node["with"]), *((step.uses, step.with_) for step in job.steps)]
            for name, inputs in used:
                if (path := own(name.text)) and (values := _plain(inputs)):
                    callee = workflows.get(path) or local_action(workflows, name.text)
                    if callee is not None:
                        yield callee.path, values


def _plain(inputs: Node) -> tuple[tuple[str, str], ...]:
    """The values that are one word."""
    found = ((name, node.text) for name, node in inputs.items() if node.is_scalar)
    return tuple(
        sorted((name, text) for name, text in found if text and "${{" not in text and not set(text) & set(" \n"))
    )


def _with(callee: Workflow, values: dict[str, str]) -> Workflow:
    """The callee as it is with these values; not what only some values let it do."""
    jobs = [
        replace(job, steps=[step for step in job.steps if "inputs." not in step.condition])
        for job in callee.jobs
        if "inputs." not in job.condition
    ]
    return replace(callee, jobs=jobs, given=values)


def _key(call: Call) -> tuple[int, int, str, str]:
    return call.place.line, call.place.column, call.text, call.site.directory
