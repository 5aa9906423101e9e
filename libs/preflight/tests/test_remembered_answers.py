"""What the rules said of a tree is said again while nothing of it has changed, and only then."""

from __future__ import annotations

from pathlib import Path

import pytest
from sophia_preflight import engine
from sophia_preflight.cache import Cache
from sophia_preflight.model import Report


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    root.mkdir()
    (root / "deploy.sh").write_text("#!/bin/sh\n./build.sh\npython missing.py\n")
    (root / "build.sh").write_text("#!/bin/sh\ntrue\n")
    return root


def checked(root: Path, **rules: list[str]) -> Report:
    return engine.check(root, cache=Cache(root.parent / "cache"), **rules)


def missing(report: Report) -> list[str]:
    return [each.message.split("`")[1] for each in report.findings if each.rule == "missing-script"]


def test_nothing_is_asked_again_of_a_tree_that_has_not_changed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = checked(root)
    monkeypatch.setattr(engine, "all_checks", lambda: pytest.fail("a rule is asked"))
    again = checked(root)
    assert missing(first) == ["missing.py"]
    assert (again.findings, again.not_assessed, again.sources) == (first.findings, first.not_assessed, first.sources)


def test_a_file_that_goes_is_noticed_though_no_other_has_changed(root: Path) -> None:
    checked(root)
    (root / "build.sh").unlink()
    assert sorted(missing(checked(root))) == ["./build.sh", "missing.py"]


def test_a_file_that_comes_is_noticed(root: Path) -> None:
    checked(root)
    (root / "missing.py").write_text("")
    assert missing(checked(root)) == []


def test_what_git_is_told_to_ignore_is_noticed(root: Path) -> None:
    (root / ".git" / "info").mkdir(parents=True)
    checked(root)
    (root / ".git" / "info" / "exclude").write_text("missing.py\n")
    assert missing(checked(root)) == []


def test_the_answer_of_some_rules_is_not_that_of_all(root: Path) -> None:
    checked(root, rules=["missing-file"])
    assert missing(checked(root)) == ["missing.py"]


def test_a_rule_that_failed_is_asked_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(engine, "in_use", lambda context: 1 / 0)
        assert any(each.required for each in checked(root).not_assessed)
    assert not any(each.required for each in checked(root).not_assessed)
