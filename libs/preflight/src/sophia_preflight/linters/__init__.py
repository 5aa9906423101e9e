"""Linters of others, run beside our rules where they are installed: hadolint, actionlint, zizmor, shellcheck.

They run side by side, offline, without the settings and the excuses that the checked repository brings, and for a
bounded time. What they say is put into our severities and merged: a defect that a rule of ours, or another linter, has
found is not told twice. A linter that is absent is `not assessed`; one that crashed, took too long, or is required by
`sophia.yaml` and missing makes the check incomplete.
"""

from sophia_preflight.linters.merging import merged
from sophia_preflight.linters.running import Linting, lint

__all__ = ["Linting", "lint", "merged"]
