"""A module that nothing reaches blocks nobody; one that anything may reach does."""

from __future__ import annotations

from pathlib import Path

import pytest
from sophia_preflight.engine import check
from sophia_preflight.examples import tree

_APPLICATION = """
    === shop/__init__.py
    === shop/__main__.py
    from shop import web
    === shop/web.py
    import json
    === shop/nook/__init__.py
    === shop/nook/cart.py
    from shop.prices import price
"""


def _blocking(tmp_path: Path, files: dict[str, str]) -> list[str]:
    for path, text in files.items():
        target = tmp_path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    return [each.rule for each in check(tmp_path).findings if each.blocking]


def test_an_import_of_a_module_that_nothing_reaches_does_not_block(tmp_path: Path) -> None:
    assert _blocking(tmp_path, dict(tree(_APPLICATION))) == []


@pytest.mark.parametrize(
    "more",
    [
        '=== pyproject.toml\n    [tool.pytest.ini_options]\n    addopts = ["--ignore=shop/nook/cart.py"]',
        "=== shop.egg-info/SOURCES.txt\n    shop/nook/cart.py",
        '=== tests/__init__.py\n    import importlib\n    [importlib.import_module(n) for n in ["nook"]]',
    ],
    ids=["left out", "listed in what was packed", "loaded by tests"],
)
def test_who_leaves_a_module_out_or_only_lists_it_does_not_use_it(tmp_path: Path, more: str) -> None:
    assert _blocking(tmp_path, dict(tree(_APPLICATION + "    " + more))) == []


def test_a_module_that_only_an_unused_one_imports_is_unused_too(tmp_path: Path) -> None:
    more = """
    === shop/nook/shelf.py
    from shop.nook import cart
    """
    assert _blocking(tmp_path, dict(tree(_APPLICATION + more))) == []


@pytest.mark.parametrize(
    "more",
    [
        "=== shop/checkout.py\n    from shop.nook import cart\n    === run.py\n    import shop.checkout",
        "=== tests/test_cart.py\n    from shop.nook.cart import total",
        '=== shop/nook/loader.py\n    import importlib, os\n    [importlib.import_module(n) for n in os.listdir(".")]',
        '=== shop/start.py\n    import importlib\n    def load(n): return importlib.import_module(f"shop.nook.{n}")',
        '=== pyproject.toml\n    [project]\n    name = "shop"\n    [project.scripts]\n    cart = "shop.nook.cart:main"',
        "=== settings.yaml\n    backend: shop.nook.cart",
        '=== kernels/spark/kernel.json\n    {"class_name": "shop.nook.cart.Cart"}',
    ],
    ids=["imported", "tested", "listed", "loaded", "installed", "named", "a class of it is named"],
)
def test_an_import_of_a_module_that_something_reaches_blocks(tmp_path: Path, more: str) -> None:
    assert "missing-import" in _blocking(tmp_path, dict(tree(_APPLICATION + "    " + more)))
