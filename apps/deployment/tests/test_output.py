"""Words, tables, progress and cards: pure, so everything is a literal."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sophia_deployment.output import cards, live
from sophia_deployment.output.progress import Progress
from sophia_deployment.output.text import ago, duration, paint, plain, several, table
from sophia_deployment.wire import StepOut

from apps.deployment.tests.scripted import BAD_RUN, BEGAN_MS, GOOD_RUN, failed_run, plan_data, run_out, step, submitted


def uncoloured(text: str, style: str) -> str:
    return text


# --- text -----------------------------------------------------------------------------------------------------------


@given(st.text(alphabet=st.characters(), max_size=200), st.sampled_from(["", "\x1b[31m", "\x1b]0;x\x07", "\x9b2J"]))
def test_nothing_that_a_terminal_obeys_passes(text, code):
    shown = plain(text + code + text)
    assert not any(unicodedata.category(each) in ("Cc", "Cs", "Zl", "Zp") for each in shown)
    assert not set(shown) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain äöü 漢字 👍", "plain äöü 漢字 👍"),
        ("\x1b[1;32mgreen\x1b[0m", "green"),
        ("a\tb", "a    b"),
        ("one\ntwo\r\nthree\n", "one ⏎ two ⏎ three"),
        (None, ""),
        ("x" * 3_000, "x" * 2_000 + "…"),
    ],
)
def test_text_of_others_is_one_harmless_line(text, shown):
    assert plain(text) == shown


@pytest.mark.parametrize(
    ("milliseconds", "shown"),
    [
        (0, "0 ms"),
        (999, "999 ms"),
        (1_000, "1 s"),
        (8_240, "8.2 s"),
        (59_960, "1 min"),
        (252_000, "4 min 12 s"),
        (7_500_000, "2 h 5 min"),
        (7_200_000, "2 h"),
    ],
)
def test_durations_have_two_units_at_most(milliseconds, shown):
    assert duration(milliseconds) == shown


def test_counts_and_ages_read_as_people_say_them():
    assert [several(1, "request"), several(4_210, "request")] == ["1 request", "4,210 requests"]
    assert [ago(BEGAN_MS - ms, BEGAN_MS) for ms in (-5, 59_000, 60_000, 7_200_000, 90_000_000)] == [
        *("0 s", "59 s", "1 min", "2 h", "1 d"),
    ]
    assert ago(None, BEGAN_MS) == ""


def test_a_table_aligns_what_is_seen_and_leaves_out_empty_columns():
    rows = [["a", "", paint("ok", "green", color=True), "x"], ["long", "", "bad", ""]]
    assert table(rows, heads=("name", "gone", "is", "more")) == [
        "NAME  IS   MORE",
        "a     \x1b[32mok\x1b[0m   x",
        "long  bad",
    ]
    assert table([], heads=("name",)) == []


# --- progress -------------------------------------------------------------------------------------------------------


def told(events) -> tuple[Progress, list[str]]:
    progress, lines = Progress(), []
    for seq, (at, kind, body) in enumerate(events, start=1):
        event = {"seq": seq, "at_ms": BEGAN_MS + at, "epoch": 1, "run": "r", "kind": kind, "body": body}
        lines += [line.text for line in progress.apply(event)]
    return progress, lines


def test_services_are_shown_with_what_is_done_with_them_now():
    shown = [told(GOOD_RUN[:count])[0].services() for count in (2, 5, 7, 9, 10)]
    assert [dict(each)["api"] for each in shown] == [
        *("waits", "preparing", "starting", "starting: waiting for its health probe", "healthy"),
    ]


def test_going_back_is_shown_as_going_back():
    progress, lines = told(BAD_RUN[:-2])
    assert progress.going_back.startswith("`api` was not healthy")
    assert dict(progress.services())["api"] == "not healthy"
    progress, lines = told(BAD_RUN)
    assert (progress.ended, lines[-1]) == ("failed", "api: new instances removed")


def test_a_switch_back_says_what_answers_again():
    back = [step(20, "started", "switch", phase="undo"), step(30, "done", "switch", phase="undo")]
    assert told([*GOOD_RUN[:12], *back])[1][-1] == "SWITCH BACK: 77aa01b2c3d4 answers again"


def test_a_step_that_may_be_tried_again_says_so_and_one_that_gave_up_does_not():
    plan = plan_data()
    plan["steps"][1]["attempts"] = 2
    failed = step(5, "failed", "prepare api", error={"message": "no room"}, again=True)
    begun = (0, "run submitted", {"plan": plan, "number": 17})
    assert told([begun, failed, failed])[1] == ["prepare api: no room; trying again", "prepare api: no room"]


def test_a_plan_that_was_computed_anew_in_the_lane_is_the_one_that_is_shown():
    plan = plan_data()
    plan["steps"] = plan["steps"][-2:]
    plan["previous"] = "other"
    progress, lines = told([submitted(), (5_000, "lane taken", {"environment": "local", "plan": plan})])
    assert list(progress.steps) == ["switch", "watch"]
    assert progress.previous == "other"
    assert lines == ["its turn, after 5 s in the queue"]


@given(
    st.lists(
        st.tuples(
            st.integers(0, 100),
            st.sampled_from(["note", "approval", "something newer", "held", "undo decided", "cancel asked"]),
            st.fixed_dictionaries({}, optional={"because": st.text(), "message": st.text(), "by": st.text()}),
        )
    )
)
def test_what_an_engine_of_another_build_says_never_breaks_its_follower(events):
    _, lines = told([submitted(), *events])
    assert all(line == plain(line, longest=10_000) for line in lines)


def test_a_taken_edge_port_is_mentioned_at_the_first_release_only():
    opened = [step(1, "started", "open"), step(2, "done", "open", result={"edge_port": 8081})]
    assert told([submitted(), *opened])[1] == []
    plan = {**plan_data(), "previous": None}
    assert told([(0, "run submitted", {"plan": plan}), *opened])[1] == [
        "port 8080 is taken by another program: the edge listens on 8081"
    ]


# --- the live region ------------------------------------------------------------------------------------------------


def test_the_picture_has_the_run_its_phase_and_its_services():
    progress, _ = told(GOOD_RUN[:9])
    assert live.picture(progress, now_ms=BEGAN_MS + 1_800, room=20) == [
        ("deploy #17 in local: 3f2a9c41d0e1  3 of 6 steps  1.8 s", "bold"),
        ("  api  starting: waiting for its health probe", ""),
    ]


def test_the_picture_of_a_watch_counts_seconds_and_requests():
    progress, _ = told(GOOD_RUN[:13])
    progress.seen = (1_312, 1)
    ((line, _),) = live.picture(progress, now_ms=BEGAN_MS + 9_010, room=20)
    assert line == "deploy #17 in local: 3f2a9c41d0e1  watching, 7 of 15 s, 1,312 requests, 1 error  9 s"


def test_the_picture_never_grows_over_its_room():
    plan = plan_data()
    plan["workloads"] = {f"w{n}": {"service": f"s{n}"} for n in range(50)}
    plan["steps"] = [
        {"id": f"start s{n}", "verb": "start", "args": {"workload": f"w{n}"}, "after": []} for n in range(50)
    ]
    progress, _ = told([(0, "run submitted", {"plan": plan, "number": 1})])
    lines = live.picture(progress, now_ms=BEGAN_MS, room=6)
    assert len(lines) == 6
    assert lines[-1][0] == "  … and 46 more"


# --- cards ----------------------------------------------------------------------------------------------------------


def test_a_failure_without_any_fact_still_says_what_serves_and_where_to_read_more():
    given = {"status": "failed", "because": "the engine gave up", "serving": "77aa01b2c3d4", "summary": ""}
    bare = run_out(**given, steps=[]).model_dump(mode="json")
    assert cards.failure_card(bare, paint=uncoloured) == [
        "error: deploy in `local`: failed: the engine gave up",
        "  run      #17, 17.2 s",
        "  status   failed",
        "  serving  77aa01b2c3d4",
        "more: `sophia report 17`",
    ]


@pytest.mark.parametrize(("serves", "shown"), [("77aa01b2c3d4", "77aa01b2c3d4"), (None, "nothing")])
def test_what_serves_is_told_as_it_is_after_going_back_and_not_as_it_was_when_the_step_failed(serves, shown):
    error = {"code": "SPH-1220", "message": "it fails requests", "hint": "", "facts": {"serving": "3f2a9c41d0e1"}}
    watch = StepOut(id="watch", verb="watch", phase="do", state="failed", error=error)
    run = run_out(status="rolled back", serving=serves, steps=[watch]).model_dump(mode="json")
    assert f"  serving  {shown}" in cards.failure_card(run, paint=uncoloured)


def test_the_first_failure_is_the_cause():
    run = failed_run().model_dump(mode="json")
    later = {**run["steps"][0], "id": "later", "ended_ms": 99}
    run["steps"] = [later, {**run["steps"][0], "ended_ms": 5}]
    found = cards.failed_step(run)
    assert found is not None and found["id"] == "verify api"


@pytest.mark.parametrize(
    ("status", "words"), [(None, ""), (0, "exit code 0"), (137, "exit code 137"), (-9, "signal 9")]
)
def test_an_exit_status_in_words(status, words):
    assert cards.exit_words(status) == words


def test_where_a_release_comes_from_in_words():
    told_by_git = {"commit": "1a2b3c4d5e6f", "branch": "main", "dirty": True, "subject": "Fix it"}
    assert cards.provenance_words(told_by_git) == '1a2b3c4d on main with uncommitted changes: "Fix it"'
    assert cards.provenance_words({"commit": None}) == ""


def test_every_verb_of_a_plan_has_words():
    from sophia_deployment_core.steps import VERBS

    assert all(cards.step_words({"verb": verb, "args": {}}) for verb in VERBS)
    assert cards.step_words({"verb": "something newer"}) == ""
