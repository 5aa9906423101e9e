"""What tests of findings have in common."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sophia_preflight import engine
from sophia_preflight.examples import tree


@pytest.fixture
def blocking(tmp_path: Path) -> Callable[[str], list[str]]:
    """What blocks in a small repository, written as examples of rules are: place and message of each finding."""

    def found(example: str) -> list[str]:
        for path, text in tree(example).items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(text)
        return [f"{each.place}: {each.message}" for each in engine.check(tmp_path).blocking]

    return found
