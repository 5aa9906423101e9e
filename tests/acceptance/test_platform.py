"""Sophia's own platform, released by Sophia: in a browser over a switch, and as the demonstration shows it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.browser import needs_browser, open_page, program
from tests.support.checkout import TURBO, copy_checkout
from tests.support.owner import Owner
from tests.support.repository import commit

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(program("node") is None, reason="no Node on this machine and none in .venv"),
    pytest.mark.skipif(not TURBO.exists(), reason="no turbo: run `npm ci`"),
]


@pytest.fixture(scope="module")
def owner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Owner]:
    owner = Owner(copy_checkout(tmp_path_factory.mktemp("platform") / "sophia"))
    try:
        owner.does("up")
        yield owner
    finally:
        owner.end()


@pytest.mark.promise("build-one-tool")
def test_one_command_builds_and_releases_every_service_python_and_javascript(owner: Owner) -> None:
    environment = owner.environment()
    assert environment["state"] == "steady", environment
    names = {service["name"] for service in environment["services"]}
    assert names == {"frontend", "api", "mcp-gateway", "ai-memory", "code-quality"}
    assert "<title>Sophia</title>" in owner.get(environment["url"])[2]
    answer = json.loads(owner.get(environment["url"] + "/ready")[2])
    assert answer


@needs_browser
@pytest.mark.promise("tests-all-kinds", "blue-green")
def test_a_page_loaded_before_a_switch_loads_its_chunks_after_it(owner: Owner) -> None:
    url = str(owner.environment()["url"])
    with open_page(url) as page:
        page.get_by_label("Message").fill("hello")
        page.press("Enter")
        page.locator("main").get_by_text("hello").first().wait_for()
        before = owner.live()
        source = owner.root / "apps/frontend/src/About.tsx"
        source.write_text(source.read_text() + "\nexport const next = 'another build of this chunk';\n")
        commit(owner.root, "change the page")
        owner.does("deploy", "--watch", "1s", VITE_LABEL="green")
        assert owner.live() != before
        page.get_by_title("About this release").click()
        page.get_by_role("heading", name="Seen since this page was loaded").wait_for()
        assert not [told for told in page.problems() if "404" in told or "Failed to fetch" in told]


@pytest.mark.promise("rollback-automatic")
def test_the_demonstration_loses_nothing_and_leaves_all_as_it_was(owner: Owner) -> None:
    before = owner.live()
    told = owner.does("demo", "--rate", "30", "--watch", "4s", "-o", "json").json
    assert (told["lost"], told["doubled"], told["live"]) == (0, 0, before)
    assert [run["status"] for run in told["runs"]] == ["done", "rolled back", "done"]
    assert told["served"] > 200 and told["errors"] > 0
    assert all(run["tags"] == ["demo"] for run in told["runs"])


@pytest.mark.promise("build-incremental")
def test_a_build_without_changes_comes_from_the_cache(owner: Owner) -> None:
    owner.does("build")
    said = owner.does("build").err
    assert said.count("unchanged: taken from the cache") == 5, said


@pytest.mark.promise("build-graph")
def test_deploy_is_a_task_of_the_graph_that_is_never_answered_from_cache() -> None:
    root = Path(__file__).parents[2]
    command = [str(TURBO), "run", "deploy", "--dry=json"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True, timeout=60)
    tasks = {task["taskId"]: task for task in json.loads(done.stdout)["tasks"]}
    deploy = tasks["//#deploy"]
    assert deploy["resolvedTaskDefinition"]["cache"] is False
    wanted = {f"sophia-{name}#{kind}" for name in ("api", "deployment", "mcp-servers") for kind in ("build", "test")}
    assert wanted <= set(deploy["dependencies"])
