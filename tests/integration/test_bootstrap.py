"""`./sophia` makes real environments, in copies of this checkout. Needs a package index or a warm cache."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
WANTED = ("sophia", "pyproject.toml", "requirements.lock", "apps/deployment/bootstrap.py")
WANTED += ("apps/*/pyproject.toml", "apps/*/src", "libs/*/pyproject.toml", "libs/*/src")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    root = tmp_path / "a copy"
    for path in (found for pattern in WANTED for found in CHECKOUT.glob(pattern)):
        to = root / path.relative_to(CHECKOUT)
        to.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            shutil.copytree(path, to, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(path, to)
    return root


def start(root: Path) -> subprocess.Popen[str]:
    environment = {key: value for key, value in os.environ.items() if key not in ("VIRTUAL_ENV", "PYTHONPATH")}
    return subprocess.Popen(
        [root / "sophia", "--version"],
        cwd="/",
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def ended(call: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = call.communicate(timeout=240)
    return call.returncode, out, err


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_two_calls_at_once_make_one_environment_and_later_calls_are_silent(copy: Path) -> None:
    calls = [start(copy), start(copy)]
    results = [ended(call) for call in calls]
    assert [(code, out.split(",")[0]) for code, out, _ in results] == [(0, "sophia")] * 2
    assert sorted("waiting for it" in err for _, _, err in results) == [False, True]
    assert sum("making .venv" in err for _, _, err in results) == 1
    assert ended(start(copy))[2] == ""
    with (copy / "apps/api/pyproject.toml").open("a") as member:
        member.write("# changed\n")
    changed = ended(start(copy))[2]
    assert "own packages" in changed
    assert "requirements.lock, each" not in changed, "an unchanged lock is not installed again"


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("stage", ["making .venv", "installing uv", "packages from requirements.lock"])
def test_a_call_killed_half_way_is_repaired_by_the_next(copy: Path, stage: str) -> None:
    call = start(copy)
    assert call.stderr is not None
    assert any(stage in line for line in call.stderr)
    time.sleep(0.3)
    os.killpg(call.pid, signal.SIGKILL)
    call.wait(30)
    code, out, err = ended(start(copy))
    assert (code, out.split(",")[0]) == (0, "sophia"), err
    assert err.rstrip().endswith("ready")
