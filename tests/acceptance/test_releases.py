"""Releases of a graph of four services, a worker and a single, as their owner sees them, with traffic on."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.graph import Graph, acted, make_graph
from tests.support.load.process import LoadProcess
from tests.support.load.result import Mix, join
from tests.support.owner import Owner, until

pytestmark = pytest.mark.slow
MIX = Mix(rate=120)
SHORT = {"environments": {"local": {"strategy": {"blue_green": {"warm": "20s"}}}}}


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Graph:
    return make_graph(tmp_path_factory.mktemp("releases"), worker=True, single=True, watch="2s", changes=SHORT)


@pytest.fixture(scope="module")
def owner(graph: Graph) -> Iterator[Owner]:
    owner = Owner(graph.root)
    try:
        owner.does("up")
        yield owner
    finally:
        owner.end()


def url(owner: Owner) -> str:
    return str(owner.environment()["url"])


@pytest.mark.promise("blue-green", "health-verified", "deploy-success")
def test_a_release_takes_over_at_once_and_loses_no_request(graph: Graph, owner: Owner) -> None:
    before = owner.live()
    with LoadProcess(url(owner), MIX) as load:
        graph.release("2")
        ended = owner.does("deploy", "-o", "json").json
    result = load.result
    joined = join(result, acted(owner.state / "data"))
    assert (result.lost, result.mixed(), len(joined.doubled), joined.unlogged) == (0, 0, 0, 0), result.table()
    assert (ended["status"], ended["previous"]) == ("done", before)
    assert owner.get(url(owner))[1]["x-sophia-release"] == ended["release"] == owner.live()
    switch = next(step for step in ended["steps"] if step["verb"] == "switch")
    healthy = [step for step in ended["steps"] if step["verb"] == "verify" and step["service"] != "ticker"]
    assert len(healthy) == 5 and all(step["ended_ms"] <= switch["started_ms"] for step in healthy)
    assert any(step["result"]["attempts"] > 1 for step in healthy)


@pytest.mark.promise("rollback-automatic", "deploy-success")
def test_a_release_that_fails_after_the_switch_goes_back_by_itself(graph: Graph, owner: Owner) -> None:
    before = owner.live()
    with LoadProcess(url(owner), MIX) as load:
        graph.release("3", fault="errors-after:4")
        said = owner.does("deploy", "-o", "json", "--watch", "20s", code=4)
    ended, result = said.json, load.result
    undo = next(step for step in ended["steps"] if step["verb"] == "switch" and step["phase"] == "undo")
    watch = next(step for step in ended["steps"] if step["verb"] == "watch")
    assert ended["status"] == "rolled back" and "failed" in ended["because"]
    assert undo["ended_ms"] - watch["ended_ms"] < 2_000, "from the decision to the old version"
    assert undo["ended_ms"] - ended["switched_ms"] < 20_000
    assert owner.live() == before == owner.get(url(owner))[1]["x-sophia-release"]
    assert all(reason.endswith("status 500") for reason in result.reasons), result.table()
    assert before in said.err and "hint:" in said.err


@pytest.mark.promise("deploy-success")
def test_an_engine_that_is_killed_on_the_way_is_back_by_itself_and_ends_what_it_began(
    graph: Graph, owner: Owner
) -> None:
    with LoadProcess(url(owner), MIX) as load:
        graph.release("2b")
        process = owner.start("deploy", "-o", "json")
        until(lambda: owner.call("status", "-o", "json").json["environments"][0]["state"] == "rolling out")
        os.kill(owner.does("status", "-o", "json").json["engine"]["pid"], signal.SIGKILL)
        assert owner.does("status").code == 0, "who asks meanwhile waits for it"
        out, err = process.communicate(timeout=90)
    assert process.returncode == 0 and json.loads(out)["status"] == "done", err
    assert load.result.lost == 0 and load.result.mixed() == 0, load.result.table()


@pytest.mark.promise("health-verified")
def test_a_release_that_is_never_healthy_is_seen_by_nobody(graph: Graph, owner: Owner) -> None:
    before = owner.live()
    with LoadProcess(url(owner), MIX) as load:
        graph.release("4", fault="never-healthy", fault_in="stock")
        said = owner.does("deploy", code=1)
    assert load.result.lost == 0 and owner.live() == before
    assert "`stock` was not healthy within" in said.err and "answered 503" in said.err
    assert "sophia logs local stock" in said.err and before in said.err


@pytest.mark.promise("post-deployment-tests")
def test_a_smoke_check_that_fails_counts(graph: Graph, owner: Owner) -> None:
    before = owner.live()
    graph.release("5")
    graph.configure({"services": {"front": {"smoke": [{"get": "/version", "contains": "no such words"}]}}})
    said = owner.does("deploy", code=1)
    assert "`front`: GET /version answered without `no such words`" in said.err
    assert owner.live() == before
    graph.configure({"services": {"front": {"smoke": [{"get": "/version", "contains": '"version": "5"'}]}}})
    ended = owner.does("deploy", "-o", "json").json
    smoke = next(step for step in ended["steps"] if step["verb"] == "smoke")
    assert smoke["result"]["checks"][0]["status"] == 200
    graph.configure({"services": {"front": {"smoke": [{"get": "/version"}]}}})


@pytest.mark.promise("deployment-report")
def test_every_run_leaves_a_report_that_stands_alone(owner: Owner) -> None:
    runs = owner.does("queue", "-n", "1000", "-o", "json").json
    ended = [run for run in runs if run["status"] in ("done", "failed", "rolled back")]
    assert {run["status"] for run in ended} == {"done", "failed", "rolled back"}
    for run in ended:
        page = Path(owner.does("report", str(run["number"]), "--html").out.strip())
        text = page.read_text()
        assert run["release"] in text and "<svg" in text
        assert not re.search(r"""(src|href)=["']?https?://""", text), "it needs nothing from elsewhere"
        assert run["release"] in page.with_name("report.md").read_text()


@pytest.mark.promise("progress-live")
def test_progress_is_seen_within_a_second(graph: Graph, owner: Owner) -> None:
    graph.release("6", services=["orders"])
    process = owner.start("deploy", "--events")
    late = []
    assert process.stdout is not None
    for line in process.stdout:
        event = json.loads(line)
        late.append(time.time() * 1000 - event["at_ms"])
    process.wait(30)
    assert process.returncode == 0 and len(late) > 15
    assert sorted(late)[len(late) * 9 // 10] < 1_000, late


@pytest.mark.promise("logs-correlated")
def test_everything_of_a_run_carries_its_id(graph: Graph, owner: Owner) -> None:
    graph.release("7", services=["front"])
    run = owner.does("deploy", "-o", "json").json
    entries = [entry for entry in owner.journal() if entry["run"] == run["run"]]
    lines = [json.loads(line) for line in (owner.state / "logs" / "engine.log").read_text().splitlines()]
    told = [line for line in lines if line.get("run") == run["run"]]
    assert {entry["seq"] for entry in entries} == {line["seq"] for line in told if "seq" in line}
    data = (owner.state / "data").rglob("asked-*.log")
    assert any(run["run"] in path.read_text() for path in data), "requests of ours carry it too"
    page = owner.does("report", str(run["number"])).out
    assert run["run"] in page


@pytest.mark.promise("audit-trail")
def test_nobody_changes_the_ledger_unseen(owner: Owner, tmp_path: Path) -> None:
    kept = tmp_path / "ledger.ndjson"
    kept.write_text(owner.does("audit", "export").out)
    verified = owner.does("audit", "verify")
    head = re.search(r"(\d+):([0-9a-f]{64})", verified.out)
    assert head is not None
    submitted = next(entry for entry in owner.journal() if entry["kind"] == "run submitted")
    assert submitted["body"]["by"] and submitted["at_ms"] and submitted["body"]["provenance"]["commit"]
    lines = kept.read_text().splitlines()
    forged = tmp_path / "forged.ndjson"
    forged.write_text("\n".join([lines[0], lines[1].replace('\\"by\\":\\"', '\\"by\\":\\"x'), *lines[2:]]) + "\n")
    assert "entry 2" in owner.does("audit", "verify", str(forged), code=1).err
    cut = tmp_path / "cut.ndjson"
    last = json.loads(lines[-3])
    line = json.dumps({"head": {"seq": last["seq"], "hash": last["hash"]}}, separators=(",", ":"))
    cut.write_text("\n".join([*lines[:-2], line]) + "\n")
    owner.does("audit", "verify", str(cut))
    assert "tail" in owner.does("audit", "verify", str(cut), "--head", head[0], code=1).err


@pytest.mark.promise("artifacts-stored")
def test_bundles_are_kept_by_what_they_hold_and_a_tampered_one_never_starts(graph: Graph, owner: Owner) -> None:
    graph.release("8")
    bundles = owner.does("build", "-o", "json").json["artifacts"]
    assert owner.does("build", "-o", "json").json["artifacts"] == bundles
    owner.does("deploy")
    broken = owner.live()
    graph.release("9")
    assert set(owner.does("build", "-o", "json").json["artifacts"].values()).isdisjoint(bundles.values())
    owner.does("deploy")
    until(lambda: _retired(owner), seconds=90)
    file = owner.state / "artifacts" / bundles["front"] / "service.py"
    file.parent.chmod(0o755)
    file.chmod(0o644)
    file.write_text(file.read_text() + "\n# something else\n")
    before = owner.live()
    said = owner.does("rollback", "--to", broken, "--reason", "try it", code=1)
    assert "service.py" in said.err and owner.live() == before
    assert not [step for step in _newest(owner)["steps"] if step["verb"] == "start" and step["state"] != "idle"]


def _retired(owner: Owner) -> bool:
    """Whether the version before is no longer warm, so that going back to it has to start it."""
    return not owner.environment()["warm"]


def _newest(owner: Owner) -> dict[str, Any]:
    number = owner.does("queue", "-n", "1", "-o", "json").json[0]["number"]
    run: dict[str, Any] = owner.does("queue", "--follow", str(number), "-o", "json", code=1).json
    return run
