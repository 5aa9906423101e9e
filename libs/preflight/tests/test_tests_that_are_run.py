"""What a test cannot import stops whoever runs it, and nobody where no one does."""

from __future__ import annotations

from pathlib import Path

import pytest
from sophia_preflight import engine
from sophia_preflight.examples import tree

SHOP = """
    === shop/__init__.py
    === shop/stock.py
    === shop/app.py
    import shop.stock
    === tests/__init__.py
    === tests/helpers.py
    from shop.stok import other
    === tests/test_stock.py
    from shop.stok import count
    from tests.helpers import other
    === tests/data/test_broken.py
    from shop.stok import count
    === tests/slow/test_all.py
    from shop.stok import count
    === tests/test_optional.py
    import pytest
    pytest.importorskip("shop.stok")
    from shop.stok import count
"""


def _blocking(root: Path, more: str) -> list[str]:
    for path, text in {**tree(SHOP), **tree(more)}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    found = engine.check(root, rules=["missing-import"]).findings
    return sorted(each.place.path for each in found if each.blocking)


@pytest.mark.parametrize(
    "caller",
    [
        "=== Makefile\ntest:\n\tpython -m pytest --ignore tests/slow\n",
        "=== tox.ini\n[testenv]\ncommands = pytest --ignore=tests/slow {posargs}\n",
        "=== tox.ini\n[testenv]\ncommands = stestr run --concurrency 2\n=== tests/slow/test_all.py\n",
        "=== run.sh\n#!/bin/sh\npytest tests/test_stock.py tests/helpers.py\n",
    ],
)
def test_a_test_that_somebody_runs_stops_them_with_what_it_imports(tmp_path: Path, caller: str) -> None:
    assert _blocking(tmp_path, caller) == ["tests/helpers.py", "tests/test_stock.py"]


def test_a_test_that_nobody_runs_blocks_nothing(tmp_path: Path) -> None:
    assert _blocking(tmp_path, "=== Makefile\ntest:\n\t-python -m pytest\n") == []
    assert _blocking(tmp_path, "=== other/Makefile\ntest:\n\tpython -m pytest more\n") == []
