"""The npm packages that a build needs: whether what is installed is what package-lock.json says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

LOCK = "package-lock.json"
INSTALLED = "node_modules/.package-lock.json"
"""npm's own note of what it installed, in the form of the lock."""


def why_install(root: Path) -> str:
    """Why `npm ci` has to run in `root`, in words; empty if it need not, or if npm does not keep the packages here."""
    if not (root / LOCK).is_file():
        return ""
    if not (root / "node_modules").is_dir():
        return "nothing is installed"
    locked, installed = _packages(root / LOCK), _packages(root / INSTALLED)
    return "" if fits(locked, installed) else f"`node_modules` is not what `{LOCK}` says"


def fits(locked: Mapping[str, Any], installed: Mapping[str, Any]) -> bool:
    """Whether the packages of a lock are installed, at its versions, and no others.

    What is optional may be missing: it is for another system.
    """
    wanted = {path: package for path, package in locked.items() if "node_modules/" in path}
    there = {path: package for path, package in installed.items() if "node_modules/" in path}
    return there.keys() <= wanted.keys() and all(
        _is(there[path], package) if path in there else bool(package.get("optional") or package.get("devOptional"))
        for path, package in wanted.items()
    )


def _is(installed: Mapping[str, Any], locked: Mapping[str, Any]) -> bool:
    return all(installed.get(key) == locked.get(key) for key in ("version", "integrity", "link"))


def _packages(lock: Path) -> Mapping[str, Any]:
    """The packages that a lock names by path; none if it cannot be read: then npm says why."""
    try:
        packages = json.loads(lock.read_bytes())["packages"]
        return packages if isinstance(packages, dict) else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}
