from __future__ import annotations

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sophia_deployment_core.canonical import canonical, digest

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def reordered(value):
    if isinstance(value, dict):
        return {key: reordered(value[key]) for key in reversed(value)}
    return [reordered(inner) for inner in value] if isinstance(value, list) else value


@given(values)
def test_a_value_comes_back_from_its_text_and_the_order_of_keys_does_not_count(value):
    text = canonical(value)
    assert json.loads(text) == value and text.isascii()
    assert canonical(reordered(value)) == canonical(json.loads(text)) == text
    assert digest(value) == hashlib.sha256(text.encode()).hexdigest()


@given(values, values)
def test_different_values_have_different_texts(one, other):
    same_text = canonical(one) == canonical(other)
    assert same_text == (json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True))


def test_a_list_and_a_tuple_are_one_thing():
    assert canonical({"run": ("a", "b")}) == canonical({"run": ["a", "b"]}) == '{"run":["a","b"]}'


@pytest.mark.parametrize(
    "value", [1.0, [0.5], {"a": {"b": float("nan")}}, {1: "a"}, {"a": {None: 1}}, {"a": b""}, {"a"}]
)
def test_what_has_no_one_text_is_refused(value):
    with pytest.raises(TypeError):
        canonical(value)
