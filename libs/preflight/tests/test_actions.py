"""Local actions: where their steps run, and which scripts are theirs."""

from __future__ import annotations

from pathlib import Path

import pytest
from sophia_preflight import engine
from sophia_preflight.model import Finding

ACTION = """name: prepare
runs:
  using: composite
  steps:
    - run: {run}
      shell: bash
"""


def found(root: Path, path: str, run: str) -> list[Finding]:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(ACTION.format(run=run))
    (root / path).with_name("there.sh").write_text("true\n")
    return [each for each in engine.check(root).findings if each.blocking]


@pytest.mark.parametrize("place", ["$GITHUB_ACTION_PATH", "${GITHUB_ACTION_PATH}", "${{ github.action_path }}"])
@pytest.mark.parametrize("path", ["action.yml", ".github/actions/prepare/action.yaml"])
def test_scripts_beside_an_action_are_looked_for(path: str, place: str, tmp_path: Path) -> None:
    assert not found(tmp_path, path, f"bash {place}/there.sh")
    (missing,) = found(tmp_path, path, f"bash {place}/gone.sh")
    assert missing.rule == "missing-script"


def test_the_steps_of_a_local_action_run_in_the_repository(tmp_path: Path) -> None:
    (missing,) = found(tmp_path, ".github/actions/prepare/action.yml", "bash scripts/gone.sh")
    assert missing.rule == "missing-script"


def test_the_steps_of_a_published_action_run_in_another_repository(tmp_path: Path) -> None:
    assert not found(tmp_path, "action.yml", "bash scripts/gone.sh && npm ci")
    assert not found(tmp_path, "setup/action.yml", "pip install -r requirements.txt")
