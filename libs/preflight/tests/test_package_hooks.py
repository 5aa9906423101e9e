"""What a package manager runs by itself when it installs: its failure is that of the installation."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sophia_preflight.engine import check


def _blocking(root: Path, scripts: dict[str, str]) -> list[str]:
    (root / "package.json").write_text(json.dumps({"name": "shop", "scripts": scripts}))
    return [each.rule for each in check(root).findings if each.blocking]


@pytest.mark.parametrize("hook", ["preinstall", "postinstall", "prepare"])
def test_a_hook_that_fails_blocks(hook: str, tmp_path: Path) -> None:
    assert _blocking(tmp_path, {hook: "npm run clean && npm run copy", "clean": "rm -rf out"}) == [
        "missing-package-script"
    ]


def test_a_hook_whose_failure_is_tolerated_does_not_block(tmp_path: Path) -> None:
    assert _blocking(tmp_path, {"postinstall": "npm run copy || true"}) == []
