"""The verdict over a new version: what it may never say, and where its lines are drawn."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sophia_deployment_core.ports import Counters
from sophia_deployment_core.watch import (
    Signs,
    Tally,
    Thresholds,
    Verdict,
    Z,
    allowed_share,
    judge,
    lower_bound,
    upper_bound,
)

ORDER = ["pass", "hold", "fail"]
counts = st.integers(0, 3_000)


@st.composite
def signs(draw: st.DrawFn, service: str = "api") -> Signs:
    return Signs(
        service,
        requests=draw(counts),
        errors=draw(st.integers(0, 300)),
        p95_us=draw(st.none() | st.integers(0, 500_000)),
        restarts=draw(st.sampled_from([0, 0, 0, 1])),
        unhealthy=draw(st.sampled_from([None, None, None, "GET /health answered 503"])),
    )


probes = st.integers(0, 8).flatmap(lambda sent: st.tuples(st.just(sent), st.integers(0, sent)))
situations = st.fixed_dictionaries(
    {
        "over": st.booleans(),
        "reachable": st.booleans(),
        "users": st.sampled_from([0, 1, 500]),
        "quiet": st.sampled_from(["probes", "hold"]),
        "probes": probes,
        "thresholds": st.builds(Thresholds, errors_permille=st.sampled_from([0, 10, 200])),
    }
)


def verdict(*seen: Signs, old: Signs | None = None, **more: Any) -> Verdict:
    told = {"over": True, "reachable": True, "users": 100, "thresholds": Thresholds(), "probes": (8, 0)} | more
    return judge(list(seen), {old.service: old} if old else {}, **told)


@given(signs(), st.none() | signs(), situations, st.integers(0, 50))
def test_more_failed_requests_never_make_a_verdict_better(seen, old, situation, more):
    worse = replace(seen, errors=seen.errors + more)
    answers = [verdict(one, old=old, **situation).answer for one in (seen, worse)]
    assert ORDER.index(answers[0]) <= ORDER.index(answers[1])


@given(signs(), signs(), situations, st.integers(0, 100))
def test_an_old_version_that_failed_more_never_makes_a_verdict_worse(seen, old, situation, more):
    worse = replace(old, requests=old.requests + more, errors=old.errors + more)
    assert allowed_share(worse, Thresholds()) >= allowed_share(old, Thresholds()) or old.errors == 0
    answers = [verdict(seen, old=one, **situation).answer for one in (old, worse)]
    if old.requests >= 100:
        assert ORDER.index(answers[1]) <= ORDER.index(answers[0])


@given(st.none() | signs(), situations)
def test_nothing_seen_is_never_a_failure(old, situation):
    situation |= {"probes": (0, 0)}
    said = verdict(Signs("api"), old=old, **situation)
    assert said.answer != "fail"
    if situation["users"] == 0:
        assert said.answer == "hold"


@given(signs(), situations)
def test_what_cannot_be_read_or_is_not_over_is_never_a_pass(seen, situation):
    for unknown in ({"reachable": False}, {"over": False}):
        assert verdict(seen, **(situation | unknown)).answer != "pass"


@given(signs(), st.none() | signs(), situations)
def test_a_failing_verdict_does_not_wait_for_the_end_nor_for_the_proxy(seen, old, situation):
    if verdict(seen, old=old, **situation).answer == "fail":
        for change in ({"over": False}, {"reachable": False}, {"users": 0}):
            assert verdict(seen, old=old, **(situation | change)).answer == "fail"


@given(signs(), signs("page"), situations)
def test_one_bad_workload_is_enough_and_the_numbers_of_all_are_told(one, other, situation):
    both = verdict(one, other, **situation)
    worst = max(ORDER.index(verdict(each, **situation).answer) for each in (one, other))
    assert ORDER.index(both.answer) == worst
    assert both.numbers.keys() == {"api", "page"} and both.numbers["api"]["requests"] == one.requests


@given(st.integers(0, 5_000), st.integers(1, 5_000))
def test_the_interval_is_wilsons(bad, total):
    bad = min(bad, total)
    low, high = lower_bound(bad, total), upper_bound(bad, total)
    share = bad / total
    assert 0 <= low <= share + 1e-9 and share - 1e-9 <= high <= 1
    for bound in (low, high):  # the ends of the interval are the shares p with |share - p| = z sqrt(p(1-p)/n)
        if 1e-9 < bound < 1 - 1e-9:
            spread = Z * math.sqrt(bound * (1 - bound) / total)
            assert math.isclose(abs(share - bound), spread, rel_tol=1e-6, abs_tol=1e-9)


def test_nothing_is_known_of_nothing():
    assert lower_bound(0, 0) == upper_bound(0, 0) == 0.0
    assert all(lower_bound(0, total) == 0.0 for total in range(1, 2_000)), "where no error is allowed, none is none"
    assert upper_bound(7, 7) == 1.0


def test_in_the_long_run_the_interval_holds_the_truth():
    chance = random.Random(1)
    held = 0
    for _ in range(400):
        bad = sum(chance.random() < 0.05 for _ in range(400))
        held += lower_bound(bad, 400) <= 0.05 <= upper_bound(bad, 400)
    assert held >= 390


@pytest.mark.parametrize(
    ("requests", "errors", "answer"),
    [
        (1, 1, "hold"), (2, 1, "hold"), (2, 2, "hold"), (4, 4, "hold"), (5, 5, "fail"), (100, 1, "pass"),
        (100, 4, "hold"), (100, 5, "fail"), (1_000, 10, "pass"), (1_000, 15, "pass"), (1_000, 30, "fail"),
        (0, 5, "fail"),
    ],
)  # fmt: skip
def test_a_few_failed_requests_make_it_hold_and_five_too_many_prove_it(requests, errors, answer):
    assert verdict(Signs("api", requests, errors)).answer == answer


def test_a_good_release_is_not_gone_back_from_because_the_question_is_asked_often():
    """1 % is allowed, 0.5 % fail, and it is asked twice a second for five minutes."""
    chance = random.Random(7)
    wrong = 0
    for _ in range(60):
        requests = errors = 0
        for _ in range(600):
            requests += 5
            errors += sum(chance.random() < 0.005 for _ in range(5))
            if verdict(Signs("api", requests, errors), over=False).answer == "fail":
                wrong += 1
                break
    assert wrong <= 1


def test_a_broken_release_is_found_out_within_seconds():
    chance = random.Random(7)
    for share, seconds in ((1.0, 1), (0.3, 6), (0.1, 25)):
        requests = errors = looks = 0
        while verdict(Signs("api", requests, errors), over=False).answer != "fail":
            looks += 1
            requests += 5
            errors += sum(chance.random() < share for _ in range(5))
        assert looks / 2 <= seconds


def test_what_the_old_version_failed_is_not_held_against_the_new_one():
    old = Signs("api", 1_000, 50)
    assert verdict(Signs("api", 1_000, 60), old=old).answer == "pass"
    assert verdict(Signs("api", 1_000, 60)).answer == "fail"
    assert verdict(Signs("api", 1_000, 120), old=old).answer == "fail"


def test_an_old_version_that_hardly_served_is_no_baseline():
    assert allowed_share(Signs("api", 10, 5), Thresholds()) == 0.01


def test_where_most_requests_fail_nothing_is_good_however_bad_the_old_version_was():
    assert verdict(Signs("api", 200, 180), old=Signs("api", 1_000, 1_000)).answer == "fail"


def test_an_instance_that_ended_or_fell_ill_is_a_failure_at_once():
    assert verdict(Signs("api", restarts=1), over=False).because == "`api` ended and was restarted 1 times"
    assert "GET /health" in verdict(Signs("api", unhealthy="GET /health answered 503"), over=False).because


@pytest.mark.parametrize(
    ("now", "then", "answer"),
    [
        (200_000, 90_000, "fail"), (180_000, 90_000, "pass"), (181_000, 90_000, "fail"),
        (50_000, 1_000, "pass"), (51_000, 1_000, "fail"), (None, 90_000, "pass"), (900_000, None, "pass"),
    ],
)  # fmt: skip
def test_slow_is_more_than_the_declared_factor_and_never_below_the_floor(now, then, answer):
    new, old = Signs("api", 100, p95_us=now), Signs("api", 100, p95_us=then)
    assert verdict(new, old=old).answer == answer


@pytest.mark.parametrize(("new", "old"), [(99, 1_000), (1_000, 99)])
def test_a_95th_percentile_of_few_requests_says_nothing(new, old):
    assert verdict(Signs("api", new, p95_us=900_000), old=Signs("api", old, p95_us=1_000)).answer == "pass"


def test_a_quiet_platform_is_judged_by_probes_unless_people_want_users():
    assert verdict(users=0, probes=(8, 0)).answer == "pass"
    assert verdict(users=0, probes=(8, 0), quiet="hold").answer == "hold"
    assert verdict(users=3, probes=(8, 0), quiet="hold").answer == "pass"
    assert verdict(users=0, probes=(0, 0)).answer == "hold"


@pytest.mark.parametrize(
    ("sent", "failed", "answer"), [(8, 8, "fail"), (7, 7, "fail"), (3, 3, "hold"), (8, 4, "hold"), (8, 1, "hold")]
)
def test_failing_probes_are_never_passed_over(sent, failed, answer):
    for users in (0, 500):
        assert verdict(users=users, probes=(sent, failed)).answer == answer


# --- counters that begin anew -----------------------------------------------------------------------------------------

readings = st.lists(st.builds(Counters, counts, st.integers(0, 300), st.integers(0, 300)), min_size=1, max_size=8)
growth = st.tuples(st.integers(0, 50), st.integers(0, 9), st.integers(-3, 3))
"""Requests, failures, and failures that are told apart otherwise than before."""


def tallied(first: Counters, *later: Counters) -> list[Counters]:
    """The total after each reading."""
    tally, totals = Tally.beginning(first), [Counters()]
    for now in later:
        tally = tally.then(now)
        totals.append(tally.total)
    return totals


def failed(counters: Counters) -> int:
    return counters.errors_5xx + counters.lost


@given(readings)
def test_whatever_is_read_no_count_is_negative_and_no_failure_is_forgotten(found):
    totals = tallied(*found)
    for total in totals:
        assert min(total.requests, total.errors_5xx, total.lost) >= 0
    assert [failed(each) for each in totals] == sorted(failed(each) for each in totals)
    assert [each.requests for each in totals] == sorted(each.requests for each in totals)
    assert failed(totals[-1]) >= max(failed(now) for now in found) - failed(found[0])


@given(st.lists(st.lists(growth, min_size=1, max_size=5), min_size=1, max_size=4))
def test_of_counters_that_begin_anew_all_is_counted_that_was_read(lives):
    """Each life of the counters begins at nothing, as a reading shows that comes before their first request."""
    found, requests, failures = [Counters(7, 2, 1)], 0, 0
    for number, life in enumerate(lives):
        now = Counters() if number else found[0]
        found.append(now)
        for more, bad, otherwise in life:
            sum_ = failed(now) + bad
            lost = min(sum_, max(0, now.lost + otherwise))
            now = Counters(now.requests + more + bad, sum_ - lost, lost)
            requests, failures = requests + more + bad, failures + bad
            found.append(now)
    total = tallied(*found)[-1]
    assert (total.requests, failed(total)) == (requests, failures)


def test_counters_that_began_anew_count_from_nothing():
    then = Counters(requests=100, errors_5xx=10, lost=5)
    now = Counters(requests=120, errors_5xx=11, lost=6, active=3, latency_us={"p95": 7})
    assert tallied(then, now)[-1] == Counters(20, 1, 1, 3, {"p95": 7})
    for reset in (Counters(7), Counters(200, 9, 5), Counters(200, 10, 4)):
        assert tallied(then, reset)[-1] == reset
        assert tallied(Counters(), then, reset)[-1] == Counters(
            100 + reset.requests, 10 + reset.errors_5xx, 5 + reset.lost
        )


def test_a_proxy_that_was_started_anew_counts_from_nothing_however_far_it_has_got():
    tally = Tally.beginning(Counters()).then(Counters(20, 4)).then(Counters(25, 4), anew=True)
    assert tally.total == Counters(45, 8)
