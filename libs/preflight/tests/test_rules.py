"""Each rule's examples are its tests: every bad tree has a finding of the rule, every good one has none that blocks."""

from __future__ import annotations

from pathlib import Path

import pytest
from sophia_preflight import engine
from sophia_preflight.examples import parted
from sophia_preflight.model import Report, Tree
from sophia_preflight.rules import all_checks

CHECKS = all_checks().values()
BAD = [pytest.param(each.rule.id, tree, id=f"{each.rule.id}-{n}") for each in CHECKS for n, tree in enumerate(each.bad)]
GOOD = [
    pytest.param(each.rule.id, tree, id=f"{each.rule.id}-{n}") for each in CHECKS for n, tree in enumerate(each.good)
]


def checked(root: Path, tree: Tree) -> Report:
    now, past = parted(tree)
    return engine.check(laid_out(root, now), past=past)


def laid_out(root: Path, tree: Tree) -> Path:
    for path, text in tree.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return root


@pytest.mark.parametrize(("rule", "tree"), BAD)
def test_a_bad_example_has_a_finding_of_its_rule(rule: str, tree: Tree, tmp_path: Path) -> None:
    report = checked(tmp_path, tree)
    assert not any(each.required for each in report.not_assessed)
    assert rule in {each.rule for each in report.findings}


@pytest.mark.parametrize(("rule", "tree"), GOOD)
def test_a_good_example_has_no_finding_of_its_rule_and_nothing_that_blocks(
    rule: str, tree: Tree, tmp_path: Path
) -> None:
    report = checked(tmp_path, tree)
    assert not any(each.required for each in report.not_assessed)
    assert rule not in {each.rule for each in report.findings}
    assert not report.blocking
