from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from sophia_deployment_core.report.axis import LARGEST_SHARE, axis

instants = st.lists(st.integers(-(2**50), 2**50), max_size=12)


@given(instants, st.lists(st.integers(-(2**51), 2**51), min_size=2, max_size=6))
def test_later_is_never_further_left_and_all_is_inside(times, asked):
    scale = axis(times)
    places = [scale.at(at_ms) for at_ms in sorted(asked)]

    assert all(one <= other for one, other in pairwise(places))
    assert all(0 <= place <= 1 for place in places)


@given(instants)
def test_ticks_are_apart_and_begin_at_nothing(times):
    scale = axis(times)
    ticks = scale.ticks(apart=0.1)
    places = [scale.at(scale.stretches[0].start_ms + tick) for tick in ticks]

    assert ticks[0] == 0
    assert all(other - one >= 0.089 for one, other in pairwise(places))


def test_a_long_wait_takes_no_more_than_its_share():
    scale = axis([0, 1_000, 2_000, 36_000_000, 36_001_000])
    wait = scale.stretches[2]

    assert wait.broken
    assert abs(wait.right - wait.left - LARGEST_SHARE) < 0.01
    assert not any(stretch.broken for stretch in scale.stretches if stretch is not wait)


def test_two_long_waits_leave_room_for_the_rest():
    scale = axis([0, 1_000, 36_000_000, 36_001_000, 72_000_000, 72_001_000])
    short = [stretch.right - stretch.left for stretch in scale.stretches if not stretch.broken]

    assert len(short) == 3 and min(short) > 0.03


def test_an_even_run_is_drawn_to_scale():
    scale = axis([0, 1_000, 2_000, 3_000])

    assert [round(scale.at(at_ms), 3) for at_ms in (0, 1_500, 3_000)] == [0, 0.5, 1]
    assert scale.ticks(apart=0.1) == [0, 500, 1_000, 1_500, 2_000, 2_500, 3_000]


@given(instants)
def test_where_the_axis_is_not_broken_it_is_true_to_scale(times):
    whole = [stretch for stretch in axis(times).stretches if not stretch.broken]
    scales = [(stretch.right - stretch.left) / (stretch.end_ms - stretch.start_ms) for stretch in whole]

    assert not scales or max(scales) <= min(scales) * 1.001 + 1e-15
