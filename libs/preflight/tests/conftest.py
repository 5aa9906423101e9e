"""What tests of findings have in common."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest
from sophia_preflight import engine
from sophia_preflight.examples import tree

_numbers = count(1)


@pytest.fixture(scope="session")
def trees(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("trees")


@pytest.fixture
def tmp_path(trees: Path) -> Path:
    """A directory of one test: thousands of tests need one, and pytest's own is a link and a search for a free name."""
    made = trees / str(next(_numbers))
    made.mkdir()
    return made


@pytest.fixture
def blocking(tmp_path: Path) -> Callable[[str], list[str]]:
    """What blocks in a small repository, written as examples of rules are: place and message of each finding."""

    def found(example: str) -> list[str]:
        for path, text in tree(example).items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(text)
        return [f"{each.place}: {each.message}" for each in engine.check(tmp_path).blocking]

    return found
