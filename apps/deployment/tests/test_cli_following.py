"""Following a run: whole outputs, exit codes, and what Ctrl-C does."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sophia_deployment.cli import following

from apps.deployment.tests.scripted import BAD_RUN, GOOD_RUN, NOT_HEALTHY, RUN, failed_run, run_out

PROGRESS = """\
deploy #17 in local: 3f2a9c41d0e1
    1.4 s  api: prepared in 1.4 s
    1.5 s  api: 2 instances started
    2.0 s  api: healthy after 480 ms
    2.0 s  SWITCH: 3f2a9c41d0e1 answers, confirmed in 9 ms
    2.0 s  watching for 15 s
   17.1 s  watch passed: 312 requests, none failed

"""
CARD = """\
`local` moved from `77aa01b2c3d4` to `3f2a9c41d0e1`; 312 requests under watch, none failed
  run      #17, 17.2 s
  status   done
  release  3f2a9c41d0e1 (was 77aa01b2c3d4)
  report   `sophia report 17`
"""
FAILURE = """\

error: `3f2a9c41d0e1` did not go live in `local`: `api` was not healthy within 30 s: GET /health answered 503; \
`77aa01b2c3d4` went on serving [SPH-1210]
  run       #17, 31.8 s
  status    failed
  step      verify api
  service   api
  probe     http://127.0.0.1:20017/health answered 503
  ended     with exit code 1
  restarts  2
  serving   77aa01b2c3d4
  last lines of its log:
    | Traceback (most recent call last):
    | KeyError: 'DATABASE_URL' \\x1b]0;owned\\x07
hint: read its log: `sophia logs local api`
more: `sophia report 17`
"""


@pytest.fixture
def rollback(sophia, commands, engine):
    """Calls a verb that follows a run; which run it becomes and how it goes is the test's to say."""

    def call(run, events, *args):
        commands.outcomes.append((run, events))
        commands.known.pop(RUN, None)
        return sophia("rollback", "--reason", "slow", *args)

    return call


def test_a_good_run_is_followed_and_ends_with_a_card(rollback):
    called = rollback(run_out(), GOOD_RUN)
    assert (called.exit, called.err, called.out) == (0, PROGRESS, CARD)


def test_a_failed_run_shows_the_service_the_probe_the_log_and_what_still_serves(rollback):
    called = rollback(failed_run(), BAD_RUN)
    assert (called.exit, called.out) == (1, "")
    assert called.err.endswith(FAILURE)
    assert "   31.5 s  going back: `api` was not healthy" in called.err


@pytest.mark.parametrize(
    ("status", "exit_code"), [("done", 0), ("failed", 1), ("rolled back", 4), ("cancelled", 6), ("needs you", 8)]
)
def test_the_exit_code_says_how_a_followed_run_ended(sophia, commands, engine, status, exit_code):
    commands.known[RUN] = run_out(status=status)
    last = (50, "held", {"because": "look"}) if status == "needs you" else (50, "run ended", {"state": status})
    commands.tell(RUN, [*GOOD_RUN[:2], last])
    assert sophia("queue", "--follow", "17").exit == exit_code


def test_a_deployment_that_was_undone_is_a_success_of_the_rollback_that_asked_for_it(rollback):
    called = rollback(run_out(status="rolled back"), [*GOOD_RUN[:2], (50, "run ended", {"state": "rolled back"})])
    assert (called.exit, called.err.count("error:")) == (0, 0)


def test_json_is_one_document_and_talk_stays_on_stderr(rollback):
    called = rollback(run_out(), GOOD_RUN, "-o", "json")
    assert json.loads(called.out) == run_out().model_dump(mode="json")
    assert called.err == PROGRESS.removesuffix("\n")


def test_json_of_a_failed_run_is_whole_too(rollback):
    called = rollback(failed_run(), BAD_RUN, "-o", "json", "-q")
    assert (called.exit, json.loads(called.out)["status"]) == (1, "failed")
    assert called.err == FAILURE


def test_events_are_the_ledger_as_lines_of_json(rollback):
    called = rollback(run_out(), GOOD_RUN, "--events", "-q")
    events = [json.loads(line) for line in called.out.splitlines()]
    assert [event["kind"] for event in events] == [kind for _, kind, _ in GOOD_RUN]
    assert (called.exit, called.err) == (0, "")


def test_nothing_to_do_is_said_and_is_a_success(rollback):
    idle = run_out(
        run=None, number=None, nothing_to_do=True, because="nothing to do: `3f2a9c41d0e1` is live in `local`"
    )
    called = rollback(idle, [])
    assert (called.exit, called.err, called.out) == (0, "", "nothing to do: `3f2a9c41d0e1` is live in `local`\n")


def test_detach_does_not_wait_and_says_how_to_follow(rollback):
    called = rollback(run_out(status="queued", ended_ms=None), GOOD_RUN[:1], "--detach")
    assert (called.exit, called.out) == (0, "#17 queued\n")
    assert called.err == "  follow it: `sophia queue --follow 17`\n  take it back: `sophia cancel 17`\n"


def test_a_rollback_sends_what_was_asked_for(rollback, commands):
    rollback(run_out(), GOOD_RUN, "production", "--to", "#12")
    _, sent = commands.asked[0]
    assert (sent.kind, sent.environment, sent.to, sent.reason) == ("rollback", "production", "#12", "slow")
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", sent.id)


def test_ids_sort_by_the_time_at_which_they_were_made():
    first = following.new_id()
    time.sleep(0.002)
    assert first < following.new_id()


def test_a_run_that_needs_somebody_is_left_when_it_is_held_now_not_when_it_once_was(sophia, commands, engine):
    commands.known[RUN] = run_out(status="done")
    held = [(20, "held", {"because": "statistics unreachable"}), (90, "resumed", {"by": "ann", "reason": None})]
    commands.tell(RUN, [*GOOD_RUN[:2], *held, (95, "run ended", {"state": "done"})])
    called = sophia("queue", "--follow", "17")
    assert called.exit == 0
    assert "needs you: statistics unreachable" in called.err
    assert "resumed by ann" in called.err


def test_resume_shows_what_happens_from_now_on(sophia, commands, engine):
    commands.known[RUN] = run_out(status="needs you")
    commands.tell(RUN, GOOD_RUN)
    commands.known[RUN] = run_out(status="done")
    called = sophia("resume", "17", "--reason", "disk was full")
    assert commands.asked == [("resume", ("17", "disk was full"))]
    assert called.err in ("deploy #17 in local: 3f2a9c41d0e1\n\n", PROGRESS)  # the second once the clock is past it


def test_cancel_finds_the_only_run_that_can_be_meant(sophia, commands, engine):
    commands.known[RUN] = run_out(status="running", ended_ms=None)
    called = sophia("cancel", "--detach")
    assert commands.asked == [("cancel", (RUN, None))]
    assert called.exit == 0


def test_cancel_asks_which_one_where_there_is_a_choice(sophia, commands, engine):
    commands.known = {
        RUN: run_out(status="running"),
        "b": run_out(run="b", number=18, status="queued", environment="production"),
    }
    called = sophia("cancel")
    assert (called.exit, commands.asked) == (2, [])
    assert called.err == (
        "error: there are 2 runs to be cancelled: #18 (production), #17 (local) [SPH-1001]\nhint: name one\n"
    )


def test_no_engine_says_how_to_start_one(sophia):
    called = sophia("rollback", "--reason", "x")
    assert (called.exit, called.out) == (3, "")
    assert called.err == "error: no engine answers here [SPH-5001]\nhint: start it: `sophia up`\n"


# --- CI -------------------------------------------------------------------------------------------------------------


def test_in_github_actions_there_is_a_group_an_annotation_and_a_summary(rollback, monkeypatch, tmp_path):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary"))
    called = rollback(failed_run(), BAD_RUN)
    assert called.err.startswith("::group::deploy #17 in local: 3f2a9c41d0e1\n")
    assert "\n::endgroup::\n" in called.err
    assert "\n::error title=sophia deploy::`3f2a9c41d0e1` did not go live" in called.err
    assert (tmp_path / "summary").read_text() == "md of 17\n\n"


def test_nothing_that_a_service_says_is_a_command_to_the_runner(rollback, monkeypatch):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    error = {**NOT_HEALTHY, "facts": {**NOT_HEALTHY["facts"], "log": ["::set-output name=x::1", "##[command]rm"]}}
    evil = failed_run()
    evil.steps[0].error = error
    called = rollback(evil, [*GOOD_RUN[:9], (10, "note", {}), *BAD_RUN[9:]])
    lines = called.err.splitlines()
    assert "    | ::set-output name=x::1" in lines
    assert "    | ## [command]rm" in lines


def test_a_summary_that_is_too_long_is_cut_at_a_line(sophia, commands, engine, monkeypatch, tmp_path):
    async def report(name, *, form):
        return "0123456789\n" * 100_000

    commands.report = report
    commands.known[RUN] = run_out()
    commands.tell(RUN, GOOD_RUN)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary"))
    assert sophia("queue", "--follow", "17").exit == 0
    text = (tmp_path / "summary").read_text()
    assert len(text) < 910_000
    assert text.endswith("0123456789\n\n(cut: the whole report is in the state directory)\n\n")


# --- a terminal -----------------------------------------------------------------------------------------------------


def screen(root: Path, *args: str, until: str, then=None) -> tuple[int, str]:
    """Everything a call writes to a terminal, and its exit code. `then` is done once `until` was seen."""
    child, terminal = pty.fork()
    if child == 0:
        os.environ.update(TERM="xterm-256color")
        for name in ("CI", "GITHUB_ACTIONS", "NO_COLOR"):
            os.environ.pop(name, None)
        os.execv(sys.executable, [sys.executable, "-m", "sophia_deployment.cli", "-C", str(root), *args])
    seen, deadline = "", time.monotonic() + 20
    try:
        while time.monotonic() < deadline:
            if not select.select([terminal], [], [], 0.1)[0]:
                continue
            try:
                more = os.read(terminal, 65536)
            except OSError:  # the other side is gone
                break
            if not more:
                break
            seen += more.decode("utf-8", "replace")
            if then is not None and until in seen:
                then, done = None, then
                done(child)
        assert until in seen, seen
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), seen
    finally:
        os.close(terminal)


def test_the_live_region_never_takes_the_screen_and_leaves_the_lines(root, commands, engine):
    commands.known[RUN] = run_out()
    commands.tell(RUN, GOOD_RUN[:8])
    code, seen = screen(
        root, "queue", "--follow", "17", until="started", then=lambda _: commands.tell(RUN, GOOD_RUN[8:])
    )
    assert code == 0
    assert "\x1b[?1049h" not in seen and "\x1b[2J" not in seen
    assert re.search(r"deploy #17 in local: 3f2a9c41d0e1  \d of 6 steps", seen)
    for line in ("api: 2 instances started", "SWITCH: 3f2a9c41d0e1 answers", "watch passed: 312 requests"):
        assert line in seen
    assert seen.rstrip().endswith("`sophia report 17`")
    assert seen.count("\x1b[?25h") >= seen.count("\x1b[?25l")  # the cursor is back


def test_ctrl_c_detaches_and_says_how_to_go_on(root, commands, engine):
    commands.known[RUN] = run_out(status="running", ended_ms=None)
    commands.tell(RUN, GOOD_RUN[:8])
    code, seen = screen(root, "queue", "--follow", "17", until="started", then=lambda pid: os.kill(pid, signal.SIGINT))
    assert code == 130
    assert "detached: run #17 goes on without you" in seen
    assert "`sophia cancel 17`" in seen
    assert "Traceback" not in seen
    assert commands.asked == []


def test_output_that_nobody_reads_any_more_is_no_failure(root, commands, engine):
    commands.known[RUN] = run_out()
    commands.tell(RUN, GOOD_RUN)
    command = [sys.executable, "-m", "sophia_deployment.cli", "-C", str(root), "queue", "--follow", "17", "--events"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert b"Traceback" not in process.stderr.read()
        assert process.wait(10) == 0
