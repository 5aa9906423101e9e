"""What every test of the repository shares."""

from __future__ import annotations

import os
import random

import hypothesis
import pytest

hypothesis.settings.register_profile("ci", deadline=None, print_blob=True)
hypothesis.settings.register_profile("laptop", deadline=None)
hypothesis.settings.register_profile("quick", deadline=None, max_examples=8)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "laptop")


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of tests/faults; here, because pytest reads a directory's own options only when called on it."""
    group = parser.getgroup("faults", "the kill matrix (tests/faults)")
    group.addoption(
        "--faults", choices=("sample", "all"), default="sample", help="a sample of the matrix, or all of it"
    )
    group.addoption("--seed", type=int, default=None, help="what the sample and random instants are drawn with")


def pytest_configure(config: pytest.Config) -> None:
    """Settles the seed once, so that xdist's workers, which get the options of the main process, draw the same."""
    if config.option.seed is None:
        config.option.seed = random.SystemRandom().randrange(2**32)


@pytest.fixture
def anyio_backend() -> str:
    """Async tests run on asyncio only: so does the product."""
    return "asyncio"
