"""A call whose failure is an answer, or is caught, is told and does not block."""

from __future__ import annotations

from pathlib import Path

import pytest
from sophia_preflight import engine
from sophia_preflight.model import Finding
from sophia_preflight.standing import Standing, standing

SHELL = "if ! python gone.py; then\n  {}\nfi\n"
PYTHON = """import subprocess
import sys

try:
    subprocess.run(["python", "gone.py"], check=True)
except (OSError, subprocess.CalledProcessError):
    {}
"""


def only(root: Path, name: str, text: str) -> Finding:
    (root / name).write_text(text)
    (found,) = engine.check(root).findings
    return found


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("deploy.sh", SHELL.format("echo none")),
        ("deploy.sh", "set -e\n! python gone.py && echo none\n"),
        ("deploy.sh", 'python gone.py || CODE=$?\necho "$CODE"\n'),
        ("deploy.sh", SHELL.format("FAILED=yes") + 'if [ "$FAILED" = no ]; then\n  exit 1\nfi\n'),
        ("deploy.py", PYTHON.format("print('none')")),
    ],
)
def test_a_failure_that_the_caller_goes_on_from_does_not_block(name: str, text: str, tmp_path: Path) -> None:
    assert not only(tmp_path, name, text).blocking


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("deploy.sh", SHELL.format("exit 1")),
        ("deploy.sh", "! python gone.py && exit 1\n"),
        ("deploy.sh", 'CODE=0\npython gone.py || CODE=$?\nif [ "$CODE" -ne 0 ]; then\n  echo\n  exit "$CODE"\nfi\n'),
        ("deploy.sh", 'if command -v python3; then\n  P=python3\nelse\n  P=python\nfi\n"$P" gone.py\n'),
        ("deploy.sh", '"$PYTHON_BIN" "$(dirname "$0")/gone.py" --all\n'),
        ("deploy.sh", SHELL.format("FAILED=yes") + 'if [ "$FAILED" = yes ]; then\n  exit 1\nfi\n'),
        ("deploy.sh", "failed=0\n" + SHELL.format("failed=1") + 'exit "$failed"\n'),
        ("deploy.sh", "trap './gone.sh' EXIT\ntrue\n"),
        ("deploy.py", PYTHON.format("sys.exit(1)")),
    ],
)
def test_a_failure_that_the_caller_gives_up_at_blocks(name: str, text: str, tmp_path: Path) -> None:
    assert only(tmp_path, name, text).blocking


def test_what_pipelines_run_to_test_something_is_no_test_itself() -> None:
    assert standing(".buildkite/k3_tests/scripts/run.sh") is Standing.PRODUCT
    assert standing(".buildkite/tests/test_one.py") is Standing.TEST
    assert standing("service/k3_tests/scripts/run.sh") is Standing.TEST


def test_a_package_for_those_who_test_is_a_part_of_the_product() -> None:
    assert standing("src/shop/testing/fakes.py") is Standing.PRODUCT
    assert standing("testing/fakes.py") is Standing.TEST
    assert standing("shop/testing/tests/fakes.py") is Standing.TEST
    assert standing("src/shop/testing/test_fakes.py") is Standing.TEST
