"""What is left out: .gitignore's patterns, for files and for all that lies in directories."""

from __future__ import annotations

from pathlib import Path

import pytest
from sophia_preflight import engine
from sophia_preflight.ignoring import GitIgnore


@pytest.mark.parametrize(
    ("pattern", "path", "covered"),
    [
        ("planted/", "planted/deploy.sh", True),
        ("planted/", "planted", False),
        ("/planted/", "other/planted/deploy.sh", False),
        ("planted/", "other/planted/deep/deploy.sh", True),
        ("*.txt", "a/b.txt", True),
        ("*.txt\n!keep.txt", "a/keep.txt", False),
    ],
)
def test_a_pattern_covers_what_git_would_leave_out(pattern: str, path: str, covered: bool) -> None:
    assert GitIgnore(pattern).covers(path) is covered


def test_what_sophia_yaml_leaves_out_is_not_checked(tmp_path: Path) -> None:
    (tmp_path / "planted").mkdir()
    (tmp_path / "planted/deploy.sh").write_text("#!/bin/sh\npython gone.py\n")
    assert engine.check(tmp_path).blocking
    (tmp_path / "sophia.yaml").write_text("check: {ignore: [planted/]}\n")
    assert not engine.check(tmp_path).blocking
