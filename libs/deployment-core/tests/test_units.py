import pytest
from hypothesis import given
from hypothesis import strategies as st
from sophia_deployment_core import units


@given(st.integers(0, units.LONGEST_MS))
def test_a_duration_reads_back_as_it_was_written(milliseconds):
    assert units.duration_ms(units.duration_text(milliseconds)) == milliseconds


@given(st.integers(0, units.LARGEST_BYTES))
def test_a_size_reads_back_as_it_was_written(size):
    assert units.size_bytes(units.size_text(size)) == size


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("1s", 1_000),
        ("500ms", 500),
        ("5m", 300_000),
        ("24h", 86_400_000),
        ("30d", 2_592_000_000),
        ("1.5s", 1_500),
        ("1h30m", 5_400_000),
        ("0", 0),
        ("0.1s", 100),
    ],
)
def test_a_duration_becomes_milliseconds(text, milliseconds):
    assert units.duration_ms(text) == milliseconds


@pytest.mark.parametrize("text", ["", "5", "5 s", "s", "-1s", "1e3s", "٣s", "0.5ms", "1S", "4000d", "9" * 20 + "d"])
def test_what_is_no_duration_is_refused_with_a_sentence(text):
    with pytest.raises(ValueError, match="`"):
        units.duration_ms(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("512Mi", 512 * 2**20),
        ("1Gi", 2**30),
        ("64MB", 64_000_000),
        ("64M", 64_000_000),
        ("1.5Gi", 3 * 2**29),
        ("8B", 8),
    ],
)
def test_a_size_becomes_bytes(text, size):
    assert units.size_bytes(text) == size


@pytest.mark.parametrize("text", ["", "512", "512mi", "Mi", "-1Mi", "0.3B", "5000000Ti", "1 Gi"])
def test_what_is_no_size_is_refused_with_a_sentence(text):
    with pytest.raises(ValueError, match="`"):
        units.size_bytes(text)


def test_processors_become_thousandths():
    assert [units.processors_millicores(text) for text in ("0.5", "2", "250m", "0.001")] == [500, 2000, 250, 1]


@pytest.mark.parametrize("text", ["0", "0.0001", "half", "-1", "1e3", "0.5m", "1001"])
def test_what_is_no_number_of_processors_is_refused(text):
    with pytest.raises(ValueError, match="`"):
        units.processors_millicores(text)


def test_shares_become_parts_per_thousand_and_factors_percent():
    assert [units.share_permille(text) for text in ("1%", "0.5%", "99.9%")] == [10, 5, 999]
    assert units.factor_percent("200%") == 200


@pytest.mark.parametrize("text", ["1", "0.05%", "%", "-1%", "999999999%"])
def test_what_is_no_share_is_refused(text):
    with pytest.raises(ValueError, match="`"):
        units.share_permille(text)


def test_a_factor_is_whole():
    with pytest.raises(ValueError, match="finer"):
        units.factor_percent("100.5%")
