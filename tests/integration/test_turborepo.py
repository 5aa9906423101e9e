"""What `turbo.json` promises, with the real Turborepo on a copy of this checkout: built once, then only changes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.browser import program
from tests.support.checkout import TURBO, copy_checkout

PYTHON = [
    "sophia-api",
    "sophia-deployment",
    "sophia-deployment-core",
    "sophia-infrastructure",
    "sophia-mcp-servers",
    "sophia-preflight",
]
EVERYTHING = sorted(["@sophia/frontend", *PYTHON, "sophia-security"])

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(program("node") is None, reason="no Node on this machine and none in .venv"),
    pytest.mark.skipif(not TURBO.exists(), reason="no turbo: run `npm ci`"),
]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with the sources of this one, in a path with a space, and with its installed packages."""
    return copy_checkout(tmp_path / "a checkout")


def build(checkout: Path) -> dict[str, bool]:
    """Builds everything; for each package, whether it came from the cache."""
    path = f"{Path(sys.prefix) / 'bin'}{os.pathsep}{os.environ['PATH']}"
    silent = {"TURBO_TELEMETRY_DISABLED": "1", "DO_NOT_TRACK": "1"}
    environment = os.environ | silent | {"PATH": path, "VIRTUAL_ENV": sys.prefix}
    command = [str(TURBO), "run", "build", "--summarize"]
    done = subprocess.run(
        command, check=False, cwd=checkout, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (summary,) = (checkout / ".turbo/runs").glob("*.json")
    tasks = json.loads(summary.read_text())["tasks"]
    summary.unlink()
    return {task["package"]: task["cache"]["status"] == "HIT" for task in tasks}


def built(checkout: Path, *, rebuilt: list[str]) -> bool:
    """Whether a build now makes these anew, and takes all others from the cache."""
    return sorted(name for name, hit in build(checkout).items() if not hit) == sorted(rebuilt)


def outputs(checkout: Path) -> dict[str, bytes]:
    files = [*checkout.glob("apps/*/dist/**/*"), *checkout.glob("libs/*/dist/**/*")]
    return {str(file.relative_to(checkout)): file.read_bytes() for file in files if file.is_file()}


def test_only_what_changed_is_built_and_what_depends_on_it(checkout: Path) -> None:
    assert built(checkout, rebuilt=EVERYTHING)
    assert {"apps/frontend/dist/index.html", "apps/api/dist/sophia_api-0.1.0-py3-none-any.whl"} <= set(
        outputs(checkout)
    )
    assert built(checkout, rebuilt=[])
    (checkout / "apps/frontend/src/keyed.tsx").open("a").write("\n")
    assert built(checkout, rebuilt=["@sophia/frontend"])
    (checkout / "libs/security/src/sophia_security/more.py").write_text("more = True\n")
    assert built(checkout, rebuilt=["sophia-security", "sophia-deployment"])
    for noise in ("apps/api/src/sophia_api/__pycache__/x.pyc", "apps/api/tests/test_more.py", "libs/security/dist/x"):
        (checkout / noise).parent.mkdir(parents=True, exist_ok=True)
        (checkout / noise).write_text("noise")
    assert built(checkout, rebuilt=[])


def test_outputs_that_were_emptied_come_back_from_the_cache_and_a_fresh_build_makes_the_same_bytes(
    checkout: Path,
) -> None:
    build(checkout)
    first = outputs(checkout)
    for dist in (*checkout.glob("apps/*/dist"), *checkout.glob("libs/*/dist")):
        shutil.rmtree(dist)
    assert built(checkout, rebuilt=[])
    assert outputs(checkout) == first
    shutil.rmtree(checkout / ".turbo")
    assert built(checkout, rebuilt=EVERYTHING)
    assert outputs(checkout) == first
