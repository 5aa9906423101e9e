"""Somebody else's repository, with `sophia` installed from wheels: init, up, deploy, break, roll back, down."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.foreign import Foreign, make_foreign
from tests.support.owner import Owner

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
UV = Path(sys.prefix) / "bin" / "uv"


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`sophia`, installed as `uv tool install` does, outside our checkout and its environment."""
    place = tmp_path_factory.mktemp("tool")
    wheels = place / "wheels"
    build = [str(UV), "build", "--all-packages", "--wheel", "--no-build-isolation", "--offline", "--quiet"]
    subprocess.run([*build, "--out-dir", str(wheels)], cwd=ROOT, check=True, timeout=120)
    install = [str(UV), "tool", "install", "--quiet", "--no-config", "--find-links", str(wheels), "sophia-deployment"]
    where = {"UV_TOOL_DIR": str(place / "tools"), "UV_TOOL_BIN_DIR": str(place / "bin"), "UV_PYTHON": sys.executable}
    subprocess.run(install, cwd=place, env=os.environ | where, check=True, timeout=300)
    return place / "bin" / "sophia"


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Foreign:
    return make_foreign(tmp_path_factory.mktemp("owner"))


@pytest.fixture(scope="module")
def owner(foreign: Foreign, program: Path) -> Iterator[Owner]:
    owner = Owner(foreign.root, program)
    try:
        yield owner
    finally:
        owner.end()


@pytest.mark.promise("foreign-repository")
def test_a_foreign_repository_is_described_released_broken_and_put_back(foreign: Foreign, owner: Owner) -> None:
    owner.does("init")
    assert "TODO" in (foreign.root / "sophia.yaml").read_text(), "what it could not know is marked"
    assert owner.call("init").code != 0, "a file that is there is not written over"

    owner.does("up")
    url = str(owner.environment()["url"])
    first = owner.live()
    assert "<h1>Teashop</h1>" in owner.get(url)[2]
    assert json.loads(owner.get(f"{url}/api/version")[2])["version"] == "2.1.0"
    assert owner.does("deploy", "--watch", "2s").code == 0, "the same again"
    assert owner.live() == first

    foreign.change("api/shop_api/__init__.py", "2.1.0", "2.2.0")
    plan = owner.does("plan").out
    assert "api" in plan and "unchanged" in plan and "follows" in plan
    assert owner.does("deploy", "--watch", "2s").code == 0
    second = owner.live()
    assert json.loads(owner.get(f"{url}/api/version")[2])["version"] == "2.2.0"

    foreign.change("api/shop_api/__init__.py", '__version__ = "2.2.0"', '__version__ = "2.3.0"\nraise SystemExit(3)')
    broken = owner.does("deploy", code=1)
    assert "`api` ended" in broken.err and "exit status 3" in broken.err
    assert owner.live() == second and json.loads(owner.get(f"{url}/api/version")[2])["version"] == "2.2.0"

    owner.does("rollback", "--reason", "the old one was better")
    assert owner.live() == first and json.loads(owner.get(f"{url}/api/version")[2])["version"] == "2.1.0"
    assert "whole" in owner.does("audit", "verify").out

    owner.does("down")
    assert "everything is down" in owner.does("status").out
    owner.does("up")
    assert owner.live() == first and json.loads(owner.get(f"{url}/api/version")[2])["version"] == "2.1.0"


@pytest.mark.promise("foreign-repository")
def test_nothing_of_ours_is_left_in_the_repository_but_two_names(foreign: Foreign, owner: Owner) -> None:
    git = ["git", "status", "--short", "--untracked-files=normal"]
    status = subprocess.run(git, cwd=foreign.root, capture_output=True, text=True, check=True, timeout=30).stdout
    assert status.split() in (["??", "sophia.yaml"], []), status
    owner.does("down", "--delete-data", "--yes")
    assert not list((owner.state / "data").iterdir())
