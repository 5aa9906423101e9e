"""When `npm ci` has to run before a build."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sophia_deployment.build.packages import fits, why_install

LOCKED: dict[str, Any] = {
    "": {"name": "root"},
    "apps/web": {"version": "1"},
    "node_modules/web": {"resolved": "apps/web", "link": True},
    "node_modules/react": {"version": "19.0.0", "integrity": "sha512-a"},
    "node_modules/fsevents": {"version": "2.3.3", "optional": True, "os": ["darwin"]},
    "apps/web/node_modules/react": {"version": "18.0.0", "integrity": "sha512-b"},
}
INSTALLED = {path: package for path, package in LOCKED.items() if path not in ("", "node_modules/fsevents")}


def write(path: Path, packages: object) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"lockfileVersion": 3, "packages": packages}))


def test_what_is_installed_fits_though_optional_packages_of_other_systems_are_missing():
    assert fits(LOCKED, INSTALLED)
    assert fits(LOCKED, LOCKED)


@pytest.mark.parametrize(
    "changed",
    [
        {"node_modules/react": {"version": "19.0.1", "integrity": "sha512-a"}},
        {"node_modules/react": {"version": "19.0.0", "integrity": "sha512-other"}},
        {"node_modules/react": None},
        {"apps/web/node_modules/react": None},
        {"node_modules/web": {"version": "1"}},
        {"node_modules/stranger": {"version": "1"}},
    ],
)
def test_any_other_package_does_not_fit(changed):
    installed = {path: package for path, package in {**INSTALLED, **changed}.items() if package is not None}
    assert not fits(LOCKED, installed)


def test_packages_are_installed_where_npm_keeps_them_and_they_are_missing_or_stale(tmp_path):
    assert why_install(tmp_path) == ""
    write(tmp_path / "package-lock.json", LOCKED)
    assert why_install(tmp_path) == "nothing is installed"
    write(tmp_path / "node_modules/.package-lock.json", INSTALLED)
    assert why_install(tmp_path) == ""
    (tmp_path / "node_modules/.package-lock.json").write_text("{")
    assert why_install(tmp_path) == "`node_modules` is not what `package-lock.json` says"
