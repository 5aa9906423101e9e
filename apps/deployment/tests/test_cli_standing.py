"""`up` and `down`: the platform as a whole."""

import json
import sys
from pathlib import Path

import pytest
from sophia_deployment import starting
from sophia_deployment.cli import standing as verbs
from sophia_deployment.cli.site import Site
from sophia_deployment.cli.standing import difference, origin

from apps.deployment.tests.scripted import GOOD_RUN, RUN, environment_out, run_out

NOW = 1_790_000_000_000


def sent(commands):
    return [(asked.kind, asked.environment) for _, asked in commands.asked]


def test_up_deploys_where_nothing_was_ever_live(sophia, commands, engine):
    commands.outcomes.append((run_out(), GOOD_RUN))
    called = sophia("up")
    assert called.exit == 0
    assert sent(commands) == [("deploy", "local")]
    assert called.err.startswith("nothing was ever live in `local`: building and deploying the working tree\n")
    assert "uncommitted" not in called.err
    assert called.out == ""


def test_up_again_changes_nothing_and_says_where_it_answers(sophia, commands, engine):
    commands.environments = [environment_out(NOW)]
    called = sophia("up")
    assert (called.exit, called.out, commands.asked) == (0, "local  steady  http://127.0.0.1:8080\n", [])


def test_up_brings_back_what_was_live_but_not_what_was_taken_down_by_name(sophia, commands, engine):
    commands.environments = [
        environment_out(NOW, state="down"),
        environment_out(NOW, name="production", state="down", alone=True),
        environment_out(NOW, name="staging", state="degraded"),
    ]
    commands.outcomes += [(run_out(kind="start"), GOOD_RUN), (run_out(kind="start", run="b"), GOOD_RUN)]
    called = sophia("up")
    assert called.exit == 0
    assert sent(commands) == [("start", "local"), ("start", "staging")]
    assert "`production` was taken down by name: `sophia up production` brings it back\n" in called.err


def test_up_of_a_named_environment_brings_that_back_too(sophia, commands, engine):
    commands.environments = [environment_out(NOW, name="production", state="down", alone=True)]
    commands.outcomes.append((run_out(kind="start"), GOOD_RUN))
    assert sophia("up", "production").exit == 0
    assert sent(commands) == [("start", "production")]


def test_up_follows_a_first_deployment_that_is_under_way(sophia, commands, engine):
    commands.known[RUN] = run_out()
    commands.tell(RUN, GOOD_RUN)
    commands.environments = [environment_out(NOW, live=None, state="rolling out", run=RUN)]
    called = sophia("up")
    assert (called.exit, commands.asked) == (0, [])
    assert "SWITCH: 3f2a9c41d0e1" in called.err


def test_up_that_fails_has_the_exit_code_of_the_run(sophia, commands, engine):
    commands.outcomes.append((run_out(status="failed"), [*GOOD_RUN[:2], (9, "run ended", {"state": "failed"})]))
    called = sophia("up")
    assert called.exit == 1
    assert "error:" in called.err


def test_up_with_json_ends_with_the_status(sophia, commands, engine):
    commands.environments = [environment_out(NOW)]
    assert json.loads(sophia("up", "-o", "json").out)["environments"][0]["name"] == "local"


def test_an_unknown_environment_is_refused_before_anything_starts(sophia):
    called = sophia("up", "locl")
    assert (called.exit, called.err) == (
        2,
        "error: there is no environment `locl` [SPH-1001]\nhint: did you mean `local`?\n",
    )


@pytest.mark.parametrize(
    ("tree", "live", "said"),
    [
        ({"commit": None, "dirty": False}, {"commit": "a", "dirty": False}, ""),
        ({"commit": "a", "dirty": False}, {}, ""),
        ({"commit": "a", "dirty": False}, {"commit": "a", "dirty": False}, ""),
        ({"commit": "a", "dirty": True}, {"commit": "a", "dirty": False}, "the working tree has uncommitted changes"),
        (
            {"commit": "b", "dirty": False},
            {"commit": "a", "dirty": True},
            "the working tree is at b, live is a with unc",
        ),
        ({"commit": "a", "dirty": False}, {"commit": "a", "dirty": True}, "what is live was built with uncommitted"),
        (
            {"commit": "a", "dirty": True},
            {"commit": "a", "dirty": True},
            "the working tree has uncommitted changes, as had",
        ),
    ],
)
def test_a_changed_tree_is_mentioned(tree, live, said):
    found = difference(tree, live)
    assert found.startswith(said) and bool(found) == bool(said)


def test_what_a_rollback_went_back_to_comes_from_its_deployment():
    live = {"release": "aaa+1", "provenance": {"commit": None}}
    history = [{"release": "aaa", "provenance": {"commit": "c"}}, {"release": "bbb", "provenance": {"commit": "d"}}]
    assert origin({"live": live, "history": history}) == {"commit": "c"}
    assert origin({"live": live, "history": []}) == {}


# --- down -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def standing(commands, engine, places, monkeypatch):
    """Something was started here; ending the engine is noted instead of waited for."""
    (places.state / "state.db").write_text("")
    seen_alive = iter([True])  # until it is told to end
    monkeypatch.setattr(starting, "is_alive", lambda _: next(seen_alive, False))
    commands.environments = [environment_out(NOW), environment_out(NOW, name="production")]
    return commands


def test_down_takes_everything_down_and_ends_the_engine(sophia, standing):
    standing.outcomes += [(run_out(kind="stop"), GOOD_RUN), (run_out(kind="stop", run="b"), GOOD_RUN)]
    ended = []
    standing.end = lambda: ended.append(True)
    called = sophia("down")
    assert called.exit == 0
    assert sent(standing) == [("stop", "local"), ("stop", "production")]
    assert not any(asked.alone for _, asked in standing.asked)
    assert ended == [True]
    assert called.err.endswith("everything is down, the engine too; `sophia up` brings it back\n")


def test_down_of_one_leaves_the_engine_and_says_that_it_was_named(sophia, standing):
    standing.outcomes.append((run_out(kind="stop"), GOOD_RUN))
    standing.end = lambda: pytest.fail("the engine was ended")
    assert sophia("down", "production").exit == 0
    assert sent(standing) == [("stop", "production")]
    assert standing.asked[0][1].alone


def test_down_where_nothing_was_ever_started_starts_nothing(sophia, monkeypatch):
    monkeypatch.setattr(starting, "start", lambda *_: pytest.fail("an engine was started"))
    called = sophia("down")
    assert (called.exit, called.err) == (0, "nothing was ever started here\n")


def test_data_is_deleted_only_with_a_yes(sophia, standing, places):
    kept = places.data("local", "api")
    kept.mkdir(parents=True)
    places.data("production", "api").mkdir(parents=True)
    called = sophia("down", "local", "--delete-data")
    assert (called.exit, standing.asked) == (2, [])
    assert called.err == "error: deleting data needs a yes [SPH-5007]\nhint: add `--yes` if you mean it\n"
    assert kept.exists()
    standing.outcomes.append((run_out(kind="stop"), GOOD_RUN))
    assert sophia("down", "local", "--delete-data", "--yes").exit == 0
    assert not kept.parent.exists()
    assert places.data("production", "api").exists()


def test_data_stays_when_going_down_failed(sophia, standing, places):
    places.data("local", "api").mkdir(parents=True)
    standing.outcomes.append((run_out(status="failed"), [*GOOD_RUN[:2], (9, "run ended", {"state": "failed"})]))
    assert sophia("down", "local", "--delete-data", "--yes").exit == 1
    assert places.data("local", "api").exists()


@pytest.mark.parametrize("name", ["..", "../..", "/", "a/b", "."])
def test_no_name_leads_to_data_elsewhere(sophia, standing, places, root, name):
    (places.state / "data" / "a" / "b").mkdir(parents=True)
    assert verbs._doomed(Site(start=root), name) == []
    called = sophia("down", name, "--delete-data", "--yes")
    assert called.exit == 2
    assert (places.state / "data" / "a" / "b").exists() and places.state.exists()


# --- the engine's process -------------------------------------------------------------------------------------------


def test_an_engine_that_dies_at_its_start_shows_its_last_words(sophia, places, monkeypatch):
    program = "import sys; print('error: the disk is full \\x1b[2J'); sys.exit(4)"
    monkeypatch.setattr(starting, "command", lambda _: [sys.executable, "-c", program])
    places.engine_log.parent.mkdir(parents=True)
    places.engine_log.write_text("something older\n")
    called = sophia("up")
    assert called.exit == 3
    assert called.err == (
        "starting the engine\n"
        "error: the engine did not start [SPH-5004]\n"
        "the engine ended with exit status 4 before it answered\n"
        "  | error: the disk is full \\x1b[2J\n"
        f"hint: `{places.engine_log}` has the rest; `sophia doctor` looks for what is in its way\n"
    )


@pytest.mark.parametrize(
    ("lines", "expected"),
    [("a", "a"), ("aa", "a"), ("abab", "ab"), ("xabab", "xab"), ("ababab", "ab"), ("aba", "aba"), ("", "")],
)
def test_what_an_engine_says_at_each_start_is_shown_once(lines: str, expected: str) -> None:
    assert starting.said_once(list(lines)) == list(expected)


def test_an_engine_that_refuses_to_start_gives_its_own_reason(sophia, places, monkeypatch):
    said = {"event": "engine refused", "code": "SPH-2007", "message": "`x` is newer", "hint": "use that version"}
    program = f"print('something'); print({json.dumps(json.dumps(said))}); print('error: `x` is newer')"
    monkeypatch.setattr(starting, "command", lambda _: [sys.executable, "-c", f"{program}; raise SystemExit(1)"])
    called = sophia("up")
    assert called.exit == 1
    assert called.err == "starting the engine\nerror: `x` is newer [SPH-2007]\nhint: use that version\n"


def test_an_engine_of_another_build_is_replaced(sophia, commands, engine, monkeypatch):
    ours = commands.about
    commands.about = ours.model_copy(update={"build": "older"})
    commands.environments = [environment_out(NOW)]
    steps = []
    monkeypatch.setattr(starting, "stop", lambda *given: steps.append(("stop", given[-1]["build"])))
    monkeypatch.setattr(starting, "start", lambda *_: steps.append("start"))
    called = sophia("up")
    assert called.exit == 0
    assert steps == [("stop", "older"), "start"]
    assert called.err.startswith("the engine is of another build (0.1.0): replacing it\n")


def test_the_engine_is_started_as_this_very_python_and_imports_nothing_from_where_it_starts():
    assert starting.command(Path("/x/.sophia")) == [
        *(sys.executable, "-P", "-m", "sophia_deployment.engine"),
        *("--state", "/x/.sophia"),
    ]
