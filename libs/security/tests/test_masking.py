import base64
import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sophia_security.masking import Masker, mask

SECRET = 's3cr3t/"pass word"+ü='


def test_a_value_is_masked_wherever_it_stands():
    assert mask("a hunter22 b hunter22", ["hunter22"]) == "a *** b ***"


def test_values_shorter_than_four_characters_are_left():
    assert mask("on 123 1234", ["on", "123", "1234"]) == "on 123 ***"


@pytest.mark.parametrize(
    "encode",
    [
        str,
        quote,
        lambda value: quote(value, safe=""),
        quote_plus,
        lambda value: json.dumps(value)[1:-1],
        lambda value: json.dumps(value, ensure_ascii=False)[1:-1],
    ],
)
def test_encoded_values_are_masked(encode):
    assert mask(f"<{encode(SECRET)}>", [SECRET]) == "<***>"


@pytest.mark.parametrize("before", ["", "u", "us", "usr", "user:"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_a_value_inside_base64_is_masked_at_every_offset(before, encode):
    text = encode((before + SECRET + "@host").encode()).decode()
    masked = mask(text, [SECRET])
    assert "***" in masked
    longest = max(len(part) for part in masked.split("***"))
    assert longest <= len(base64.b64encode((before + "@host").encode())) + 4


def test_the_lines_of_a_value_are_masked_one_by_one():
    key = "-----BEGIN KEY-----\nabcdefgh1234\n}\n-----END KEY-----\n"
    assert mask("1: abcdefgh1234\n2: }", [key]) == "1: ***\n2: }"


def test_values_that_overlap_become_one_mask():
    assert mask("xabcdefy", ["abcd", "cdef"]) == "x***y"
    assert mask("xabcdefghy", ["abcd", "abcdefgh"]) == "x***y"


def test_text_that_cannot_be_a_value_is_not_held_back():
    masker = Masker(["hunter22"])
    assert masker.feed("line one\nhunt") == "line one\n"
    assert masker.feed("ing\n") == "hunting\n"
    assert masker.feed("hunter") == ""
    assert masker.flush() == "hunter"


letters = st.text(alphabet="ab", max_size=30)


@given(text=letters, values=st.lists(st.text(alphabet="ab", min_size=4, max_size=7), max_size=3), cuts=st.data())
def test_the_chunks_do_not_matter_and_nothing_of_a_value_is_left(text, values, cuts):
    masker, rest, out = Masker(values), text, ""
    while rest:
        size = cuts.draw(st.integers(1, len(rest)))
        out += masker.feed(rest[:size])
        rest = rest[size:]
    out += masker.flush()
    assert out == mask(text, values)
    hidden = [
        any(text.startswith(value, at - back) for value in values for back in range(len(value)) if at >= back)
        for at in range(len(text))
    ]
    assert out.replace("*", "") == "".join(
        letter for letter, is_hidden in zip(text, hidden, strict=True) if not is_hidden
    )
