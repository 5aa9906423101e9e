"""What would break a deployment is found before it starts, and the gate in front of every deployment holds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.graph import Graph, make_graph
from tests.support.owner import Owner
from tests.support.repository import commit, git, make_repository

pytestmark = pytest.mark.slow

LEGACY = {
    "scripts/deploy_to_cloud.py": """\
import argparse

parser = argparse.ArgumentParser()
parser.add_argument("--environment", required=True)
parser.parse_args()
""",
    "deploy.sh": """\
#!/bin/sh
set -e
python scripts/deploy_to_cloud.py --target platform
python scripts/gone.py
""",
    "docker-compose.cloud.yml": """\
services:
  mcp-gateway:
    build:
  api:
    image: api:1
    networks: [backend]
""",
    "apps/api/Dockerfile": """\
FROM python:3.11-slim
COPY requirements.txt /app/
CMD ["python", "-m", "api"]
""",
    "docker-compose.yml": "services:\n  api:\n    build: apps/api\n",
    ".github/workflows/deploy.yml": """\
name: deploy
on: [push]
jobs:
  ship:
    runs-on: ubuntu-latest
    needs: [tests]
    steps:
      - uses: actions/checkout@v4
      - run: ./deploy.sh
""",
}


@pytest.fixture(scope="module")
def legacy(tmp_path_factory: pytest.TempPathFactory) -> Owner:
    """A repository with the defects that the roadmap tells of, and no sophia.yaml."""
    root = tmp_path_factory.mktemp("legacy")
    for name, text in LEGACY.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (root / "deploy.sh").chmod(0o755)
    make_repository(root)
    commit(root, "as it is")
    return Owner(root)


@pytest.fixture(scope="module")
def found(legacy: Owner) -> list[dict[str, object]]:
    findings: list[dict[str, object]] = legacy.does("check", "-o", "json", code=1).json["findings"]
    return findings


def said_of(found: list[dict[str, object]], path: str, line: int) -> str:
    """Everything said about a line, with what blocks only."""
    places = [
        each
        for each in found
        if each["severity"] in ("critical", "high")
        for place in each["places"]  # type: ignore[attr-defined]
        if (place["path"], place["line"]) == (path, line)
    ]
    return json.dumps(places)


@pytest.mark.promise("validate-arguments")
def test_an_argument_that_the_callee_does_not_accept_is_found(found: list[dict[str, object]]) -> None:
    assert "--target" in said_of(found, "deploy.sh", 3)


@pytest.mark.promise("validate-scripts")
def test_a_script_that_is_not_there_is_found(found: list[dict[str, object]]) -> None:
    assert "scripts/gone.py" in said_of(found, "deploy.sh", 4)


@pytest.mark.promise("validate-compose")
def test_every_error_of_a_compose_file_is_found(found: list[dict[str, object]]) -> None:
    assert "build" in said_of(found, "docker-compose.cloud.yml", 3)
    assert "backend" in said_of(found, "docker-compose.cloud.yml", 6)


@pytest.mark.promise("validate-docker")
def test_a_build_whose_sources_are_not_there_is_found(found: list[dict[str, object]]) -> None:
    assert "requirements.txt" in said_of(found, "apps/api/Dockerfile", 2)


@pytest.mark.promise("validate-workflows")
def test_a_workflow_that_waits_for_a_job_that_is_not_there_is_found(found: list[dict[str, object]]) -> None:
    assert "tests" in said_of(found, ".github/workflows/deploy.yml", 6)


@pytest.fixture
def stock(tmp_path: Path) -> Owner:
    """A repository of one commit, whose makefile starts a program that reads its own arguments."""
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts/stock.py").write_text('import sys\n\nshelf = sys.argv[sys.argv.index("--shelf") + 1]\n')
    (tmp_path / "Makefile").write_text("count:\n\tpython3 scripts/stock.py --shelf music\n")
    make_repository(tmp_path)
    commit(tmp_path, "count what is on a shelf")
    return Owner(tmp_path)


def renamed(root: Path, path: str) -> None:
    file = root / path
    file.write_text(file.read_text().replace("--shelf", "--shelf-name"))
    commit(root, f"rename the option in {path}")


@pytest.mark.promise("validate-arguments")
def test_an_option_that_a_commit_renames_is_found_where_its_old_name_stays_until_that_is_mended(stock: Owner) -> None:
    stock.does("check")
    renamed(stock.root, "scripts/stock.py")
    blocking = stock.does("check", "-o", "json", code=1).json["findings"]
    assert "there is `shelf-name`" in said_of(blocking, "Makefile", 2)
    assert (
        "`scripts/stock.py` no longer has the option `--shelf`" in stock.does("check", "--since", "HEAD~1", code=1).out
    )
    stock.does("check", "--since", "HEAD")  # nothing is new since then
    renamed(stock.root, "Makefile")
    assert "clean: nothing found in 2 files compared with the last 2 commits" in stock.does("check").out


def test_a_clone_of_one_commit_is_told_that_it_has_no_past(
    stock: Owner, tmp_path_factory: pytest.TempPathFactory
) -> None:
    renamed(stock.root, "scripts/stock.py")
    clone = Owner(tmp_path_factory.mktemp("clone"))
    git(clone.root, "clone", "--quiet", "--depth", "1", f"file://{stock.root}", ".")
    assert "not assessed: what the last commits took away: this clone has one commit" in clone.does("check").out
    git(clone.root, "fetch", "--quiet", "--unshallow")
    clone.does("check", code=1)


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Graph:
    return make_graph(tmp_path_factory.mktemp("gate"), watch="1s")


@pytest.fixture(scope="module")
def owner(graph: Graph) -> Iterator[Owner]:
    owner = Owner(graph.root)
    try:
        owner.does("up")
        yield owner
    finally:
        owner.end()


@pytest.mark.promise("pipeline-gate")
def test_a_deployment_never_starts_while_the_check_finds_what_blocks(graph: Graph, owner: Owner) -> None:
    before, runs = owner.live(), len(owner.does("queue", "-n", "100", "-o", "json").json)
    build = graph.root / "services/front/build.sh"
    build.write_text("#!/bin/sh\nset -e\npython3 make_assets.py\n")
    graph.configure({"services": {"front": {"build": [["sh", "build.sh"]]}}})
    said = owner.does("deploy", code=1)
    assert "SPH-5220" in said.err and "make_assets.py" in said.err and "--unchecked" in said.err
    assert (owner.live(), len(owner.does("queue", "-n", "100", "-o", "json").json)) == (before, runs)
    Path(build.parent / "make_assets.py").write_text("print('made')\n")
    graph.release("2")
    assert owner.does("deploy", "-o", "json").json["status"] == "done"


def test_an_image_file_that_is_not_released_is_told_and_stops_nothing(graph: Graph, owner: Owner) -> None:
    image = graph.root / "services/front/Dockerfile"
    image.write_text("FROM python:3.12-slim\nCOPY missing.txt .\n")
    graph.release("image")
    said = owner.does("deploy", "-o", "json")
    image.unlink()
    assert said.json["status"] == "done" and "1 finding in what is not released here" in said.err


def test_going_past_the_gate_is_recorded(graph: Graph, owner: Owner) -> None:
    (graph.root / "services/front/make_assets.py").unlink()
    (graph.root / "services/front/build.sh").write_text("#!/bin/sh\npython3 make_assets.py\ntrue\n")
    graph.release("3")
    owner.does("deploy", code=1)
    owner.does("deploy", "--unchecked", "the build is mended tomorrow")
    (submitted,) = [entry for entry in owner.journal() if "unchecked" in entry["body"].get("check", {})]
    assert submitted["body"]["check"]["unchecked"] == "the build is mended tomorrow"
