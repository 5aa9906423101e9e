"""What an archive of the sources left out is not missing; what it would have kept is, and what a checkout lacks."""

from __future__ import annotations

from collections.abc import Callable

import pytest

_CALLS = """
        === Makefile
        all:
        \tsh tools/check.sh
        \tsh tools/weigh.sh
        === shop/__init__.py
        === docs/index.md
        """
_INFO = """=== PKG-INFO
        Metadata-Version: 2.1
        """
_MANIFEST = """=== MANIFEST.in
        include README.md
        prune tools
        recursive-exclude tests *
        """
_TESTS = """
        === pyproject.toml
        [project]
        name = "shop"
        [tool.pytest.ini_options]
        DJANGO_SETTINGS_MODULE = "tests.settings"
        === tests/test_shop.py
        """
_HATCH = """=== pyproject.toml
        [build-system]
        requires = ["hatchling"]
        [tool.hatch.build.targets.sdist]
        %s
        """
_CONFIGURED = """
        === README.md
        ```bash
        ./autogen.sh
        ```
        === configure.ac
        === configure
        === aclocal.m4
        === Makefile.in
        """
PAIRS = {
    "a directory that a source distribution does not have": (_CALLS + _INFO, _CALLS),
    "settings of tests, of which it has only what is called so": (
        "        " + _INFO + _TESTS,
        "        " + _INFO + _TESTS + "=== tests/setting.py\n        === tests/__init__.py\n",
    ),
    "one file of many that it has": (
        _CALLS + _INFO,
        _CALLS + _INFO + "=== tools/other.sh\n        true\n",
    ),
    "what MANIFEST.in leaves out": (
        _CALLS + _MANIFEST,
        _CALLS + _MANIFEST + "=== tests/test_shop.py\n",
    ),
    "what is packed by git and left out by name": (
        _CALLS + _INFO + _HATCH % 'exclude = ["/tools"]',
        _CALLS + _INFO + _HATCH % 'exclude = ["/bench"]',
    ),
    "what is not among all that is taken in": (
        _CALLS + _HATCH % 'include = ["/shop", "/docs", "/Makefile"]',
        _CALLS + _HATCH % 'include = ["/shop", "/docs"]',
    ),
    "what makes the script that is packed": (
        _CONFIGURED,
        _CONFIGURED.replace("=== aclocal.m4\n", ""),
    ),
    "what git does not export": (
        _CALLS + "=== .gitattributes\n        tools export-ignore\n        /tests export-ignore\n",
        _CALLS + "=== .gitattributes\n        tools export-ignore\n        /docs export-ignore\n",
    ),
}
"""An archive, and the tree that lacks the same."""


@pytest.mark.parametrize("what", PAIRS)
def test_what_an_archive_left_out_does_not_block(what: str, blocking: Callable[[str], list[str]]) -> None:
    assert blocking(PAIRS[what][0]) == []


@pytest.mark.parametrize("what", PAIRS)
def test_what_a_checkout_lacks_does(what: str, blocking: Callable[[str], list[str]]) -> None:
    assert blocking(PAIRS[what][1])
