"""Rules: one module each, with its metadata, its way to find, and its examples, which are its tests.

A module has `RULE`, `check(context)` and the example trees `BAD` and `GOOD`; being here is being registered. Its order
among the others has no effect. `docs/guides/write-a-check-rule.md` shows how one is written.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache

from sophia_preflight.context import Context
from sophia_preflight.model import Finding, Rule, Tree

FAMILIES = {
    "targets": "Missing targets",
    "arguments": "Arguments",
    "compose": "Compose and stack files",
    "dockerfiles": "Dockerfiles and build contexts",
    "workflows": "Workflows",
    "clusters": "Kubernetes, Pulumi, Prometheus, Turborepo",
    "python": "Python",
    "secrets": "Committed secrets",
    "contradictions": "Contradictions between files",
    "files": "Files that cannot be read, and this tool's own settings",
}
"""Family -> its title, in the order of the reference page."""


@dataclass(frozen=True)
class Check:
    """A rule with its way to find, and its examples: each bad tree has a finding of it, each good one has none."""

    rule: Rule
    check: Callable[[Context], Iterable[Finding]]
    bad: tuple[Tree, ...]
    good: tuple[Tree, ...]


@cache
def all_checks() -> dict[str, Check]:
    """Every rule by id, sorted."""
    found: dict[str, Check] = {}
    for info in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{info.name}")
        if hasattr(module, "RULE"):
            bad = module.BAD if isinstance(module.BAD, (list, tuple)) else [module.BAD]
            good = module.GOOD if isinstance(module.GOOD, (list, tuple)) else [module.GOOD]
            check = Check(module.RULE, module.check, tuple(bad), tuple(good))
            assert check.rule.id not in found, f"two rules are called {check.rule.id}"
            assert check.rule.family in FAMILIES, f"{check.rule.id} has an unknown family"
            found[check.rule.id] = check
    return dict(sorted(found.items()))
