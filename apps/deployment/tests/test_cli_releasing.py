"""`build`, `plan`, `deploy`: from a working tree to what the engine is asked for."""

import json
import subprocess

import pytest
from sophia_deployment.cli.releasing import parsed_overrides
from sophia_deployment_core.errors import SophiaError
from sophia_deployment_core.loading import load

from apps.deployment.tests.scripted import GOOD_RUN, run_out

PLAN = """\
plan for `local`: nothing live → 3f2a9c41d0e1

  api  changed    artifact 12345678 → 87654321
  web  unchanged  same artifact, settings and dependencies

  1  open         the edge listens on port 8080, or the next free one
  2  prepare api  check the bundle and make it ready
  3  start api    start 2 instances                                    after open, prepare api
  4  verify api   answers its health probe, 2 instances                after start api
  5  switch       all traffic moves at once                            after verify api
  6  watch        watch for 15 s; if it is bad, traffic goes back      after switch

hash abababababababababababababababababababababababababababababababab
"""


def sent(commands):
    return commands.asked[-1][1]


def test_plan_shows_what_changes_and_why_the_steps_and_the_hash(sophia, commands, engine):
    called = sophia("plan", "-q")
    assert (called.exit, called.out, called.err) == (0, PLAN, "")


def test_a_dry_run_is_the_plan(sophia, commands, engine):
    called = sophia("deploy", "--dry-run", "-q")
    assert (called.exit, called.out) == (0, PLAN)
    assert [verb for verb, _ in commands.asked] == ["plan"]
    assert json.loads(sophia("deploy", "--dry-run", "-o", "json").out)["hash"] == "ab" * 32


def test_deploy_sends_the_release_with_its_provenance_and_what_was_asked_for(sophia, commands, engine, root):
    for command in (
        ["git", "init", "-q", "-b", "main"],
        ["git", "add", "app.py"],
        ["git", "-c", "user.name=Ann", "-c", "user.email=ann@example.org", "commit", "-q", "-m", "First"],
    ):
        subprocess.run(command, cwd=root, check=True)
    commands.outcomes.append((run_out(), GOOD_RUN))
    called = sophia(
        *("deploy", "production", "--set", "api.env.LOG_LEVEL=debug=1", "--set", "api.env.NEW="),
        *("--watch", "1m30s", "--reason", "spring", "--tag", "a", "--tag", "b", "--strict-port"),
    )
    assert called.exit == 0
    submission = sent(commands)
    assert (submission.kind, submission.environment) == ("deploy", "production")
    assert submission.overrides == {"api": {"LOG_LEVEL": "debug=1", "NEW": ""}}
    assert (submission.watch_ms, submission.reason, submission.tags) == (90_000, "spring", ["a", "b"])
    assert submission.strict_port
    assert submission.release is not None
    assert submission.release.platform == load(root / "sophia.yaml").to_canonical()
    assert submission.release.artifacts.keys() == {"api"}
    assert (submission.provenance.branch, submission.provenance.subject) == ("main", "First")
    assert "`api` is bundle" in called.err


def test_the_same_tree_has_the_same_digest(sophia):
    first = json.loads(sophia("build", "-o", "json").out)
    again = sophia("build", "api", "-o", "json")
    assert json.loads(again.out) == first
    assert list(first["artifacts"]) == ["api"]


def test_without_an_engine_nothing_is_built(sophia, places):
    called = sophia("deploy")
    assert (called.exit, called.err) == (3, "error: no engine answers here [SPH-5001]\nhint: start it: `sophia up`\n")
    assert not places.artifacts.exists()


def test_an_engine_of_another_build_is_mentioned(sophia, commands, engine):
    commands.about = commands.about.model_copy(update={"build": "older"})
    assert "note: the engine is of another build than this command; `sophia up` replaces it\n" in sophia("plan").err


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("--tag", ""), "a `--tag` is empty"),
        (("--tag", "a", "--tag", " "), "a `--tag` is empty"),
        (("--tag", "", "--dry-run"), "a `--tag` is empty"),
        (("--unchecked", ""), "`--unchecked` is empty"),
    ],
)
def test_a_word_that_is_asked_for_and_is_empty_is_refused_before_anything_is_built(sophia, commands, given, said):
    called = sophia("deploy", *given)
    assert (called.exit, called.out, commands.asked) == (2, "", [])
    assert called.err.startswith(f"error: {said} [SPH-5000]\nhint: ")


@pytest.mark.parametrize(
    ("args", "code", "hint"),
    [
        (["staging"], "SPH-1001", "there are `local`, `production`"),
        (["prodction"], "SPH-1001", "did you mean `production`?"),
        (["--set", "api.LOG_LEVEL=x"], "SPH-5000", "for example `--set api.env.LOG_LEVEL=debug`"),
        (["--set", "api.env.LOG_LEVEL"], "SPH-5000", "for example `--set api.env.LOG_LEVEL=debug`"),
        (["--set", "api.env.1X=2"], "SPH-5000", "for example `--set api.env.LOG_LEVEL=debug`"),
        (["--set", "apo.env.X=2"], "SPH-1001", "did you mean `api`?"),
        (["--set", "api.env.PORT=2"], "SPH-5000", "use another name"),
        (["--set", "api.env.MODEL_KEY=2"], "SPH-5000", "set it with `sophia secrets set`"),
        (["--watch", "5"], "SPH-5000", ""),
        (["--watch", "soon"], "SPH-5000", ""),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_built(sophia, commands, engine, places, args, code, hint):
    called = sophia("deploy", *args)
    assert called.exit == 2
    assert f"[{code}]" in called.err and hint in called.err
    assert commands.asked == []
    assert not places.artifacts.exists()


def test_a_broken_file_is_told_whole(sophia, root):
    (root / "sophia.yaml").write_text("platform: shop\nservices:\n  api: {need: []}\n")
    called = sophia("deploy")
    assert called.exit == 2
    assert called.err.startswith(
        "error: `sophia.yaml` is not valid [SPH-1010]\nsophia.yaml:1:1: environments: is missing"
    )
    assert "sophia.yaml:3:9: services.api.need: unknown key" in called.err


def test_a_file_with_control_codes_cannot_reach_the_terminal(sophia, root):
    (root / "sophia.yaml").write_text('platform: "\\e]0;owned\\a"\n')
    assert "\x1b" not in sophia("plan").err


def test_going_back_needs_no_valid_file(sophia, commands, engine, root):
    (root / "sophia.yaml").write_text("environments: {production: {}}\nnonsense: true\n")
    commands.outcomes.append((run_out(), GOOD_RUN))
    assert sophia("rollback", "--reason", "x").exit == 0
    assert sent(commands).environment == "production"


def test_overrides_of_one_variable_the_last_one_wins(root):
    platform = load(root / "sophia.yaml")
    assert parsed_overrides(["api.env.A=1", "api.env.A=2"], platform) == {"api": {"A": "2"}}
    with pytest.raises(SophiaError):
        parsed_overrides(["api.env.A=\0"], platform)
