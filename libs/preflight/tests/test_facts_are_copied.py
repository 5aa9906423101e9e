"""Facts come from other processes and from the cache: what is read of them must not depend on which object it is."""

from __future__ import annotations

import pickle

from sophia_preflight.calls.workflow import trace_of
from sophia_preflight.readers import workflow

TEXT = """
on: push
jobs:
  one:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - run: make all
"""


def test_a_workflow_that_was_copied_does_what_it_did() -> None:
    parsed = workflow.parse(".github/workflows/ci.yml", TEXT)
    copied = pickle.loads(pickle.dumps(parsed))
    assert not copied.jobs[0].steps[1].uses
    assert [call.text for call in trace_of(copied).calls] == [call.text for call in trace_of(parsed).calls]
    assert [call.text for call in trace_of(copied).calls] == ["make all"]
