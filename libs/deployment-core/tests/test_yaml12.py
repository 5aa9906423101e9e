import json
import time

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from sophia_deployment_core import yaml12
from sophia_deployment_core.yaml12 import Place, Unreadable, parse


@pytest.fixture(params=["the C parser", "the Python parser"], autouse=True)
def parser(request, monkeypatch):
    if request.param == "the Python parser":
        monkeypatch.setattr(yaml12, "_LOADER", yaml.SafeLoader)
    elif not hasattr(yaml, "CSafeLoader"):
        pytest.skip("PyYAML was built without its C parser")


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("1:30", "1:30"),
        ("012", 12),
        ("0o14", 12),
        ("0x1F", 31),
        ("-7", -7),
        ("1_000", "1_000"),
        ("1.50", 1.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        (".INF", float("inf")),
        ("2024-01-01", "2024-01-01"),
        ("true", True),
        ("FALSE", False),
        ("~", None),
        ("null", None),
        ('"1"', "1"),
        ("'true'", "true"),
        ("!!str 5", "5"),
        ("0b11", "0b11"),
        ("", None),
        ('""', ""),
    ],
)
def test_a_word_means_what_yaml_1_2_says(word, value):
    found = parse(f"key: {word}\n").data["key"]
    assert (found, type(found)) == (value, type(value))


def test_keys_are_text():
    assert parse("no: 1\n8080: 2\ntrue: 3\n").data == {"no": 1, "8080": 2, "true": 3}


def test_every_key_and_value_has_its_place():
    document = parse("a:\n  - b: é\n    c: [1, 2]\n")
    assert document.keys["a", 0, "c"] == Place(3, 5)
    assert document.values["a", 0, "b"] == Place(2, 8)
    assert document.values["a", 0, "c", 1] == Place(3, 12)
    assert document.place(("a", 0, "missing", "too")) == Place(2, 5)


def test_where_it_is_wanted_a_number_stays_the_text_that_was_written():
    text = "env: {A: 1.10, B: yes, C: true, D: 012, E: }\nother: 1.10"
    document = parse(text, source_text=lambda path: path[:1] == ("env",))
    assert document.data == {"env": {"A": "1.10", "B": "yes", "C": "true", "D": "012", "E": None}, "other": 1.1}


def test_anchors_and_merge_keys_work_and_what_is_written_wins():
    text = "base: &base {a: 1, b: 1}\nmore: &more {b: 2, c: 2}\nboth:\n  <<: [*base, *more]\n  a: 3\nalias: *more\n"
    assert parse(text).data["both"] == {"a": 3, "b": 1, "c": 2}
    assert parse(text).data["alias"] == {"b": 2, "c": 2}


def test_a_quoted_merge_key_is_a_key():
    assert parse('"<<": 1').data == {"<<": 1}


def test_a_duplicate_key_is_a_fault_and_reading_goes_on():
    document = parse("a: 1\nb: 2\na: 3\n")
    assert document.data == {"a": 1, "b": 2}
    assert [(path, place) for path, place, _, _ in document.faults] == [(("a",), Place(3, 1))]
    assert document.faults[0][2] == "the key is already in line 1"


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("", Place(1, 1), "empty"),
        ("# only a comment\n", Place(1, 1), "empty"),
        ("a:\n\t- b\n", Place(2, 1), "a tab cannot indent"),
        ("a: 1\n---\nb: 2\n", Place(2, 1), "second document"),
        ("a: &x [*x]", Place(1, 8), "contains itself"),
        ("a: *x", Place(1, 4), "no anchor"),
        ("a: !thing 1", Place(1, 4), "tag"),
        ("a: !!python/object:os.system {}", Place(1, 4), "tag"),
        ("? [a]\n: 1", Place(1, 3), "a key must be a word"),
        ("<<: 3", Place(1, 5), "merges mappings"),
        ("a: \x00", Place(1, 4), "U+0000"),
        ("a: [1", None, "not YAML"),
        ("a: b: c", None, "not YAML"),
    ],
)
def test_what_cannot_be_read_is_said_with_its_place(text, place, message):
    with pytest.raises(Unreadable, match=message.replace("+", r"\+")) as caught:
        parse(text)
    assert place is None or caught.value.place == place


def test_aliases_that_explode_are_refused_quickly():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [" + ", ".join([f"*a{n - 1}"] * 9) + "]" for n in range(1, 10)]
    started = time.process_time()
    with pytest.raises(Unreadable, match="more than"):
        parse("\n".join(lines))
    assert time.process_time() - started < 2


def test_merge_keys_that_explode_are_refused_quickly():
    lines = ["a0: &a0 {x: 1}"] + [f"a{n}: &a{n} {{<<: [" + ", ".join([f"*a{n - 1}"] * 9) + "]}" for n in range(1, 10)]
    started = time.process_time()
    with pytest.raises(Unreadable, match="more than"):
        parse("\n".join(lines))
    assert time.process_time() - started < 2


@pytest.mark.parametrize("text", ["[" * 500_000, "{a: " * 200_000, "- " * 100_000, "? " * 100_000])
def test_what_is_nested_too_deep_is_refused_quickly(text):
    started = time.process_time()
    with pytest.raises(Unreadable, match="nested deeper"):
        parse(text)
    assert time.process_time() - started < 2


@pytest.mark.parametrize("raw", [b"\xff\xfea\x00", b"a: \xc3\x28", b"\x80", b"x" * 1_000_001])
def test_bytes_that_are_no_text_are_refused(raw):
    with pytest.raises(Unreadable):
        yaml12.decode(raw)


def test_a_byte_order_mark_is_passed_over():
    assert parse(yaml12.decode(b"\xef\xbb\xbfa: 1")).keys == {("a",): Place(1, 1)}


@given(st.text(alphabet=st.sampled_from("ab:-[]{}&*!|>'\"?%@`#,<~ \n\t01.é\\")))
def test_any_text_gives_data_or_a_place_in_it(text):
    try:
        parse(text)
    except Unreadable as error:
        assert 1 <= error.place.line <= text.count("\n") + 2


@given(st.binary())
def test_any_bytes_give_data_or_a_place_in_them(raw):
    try:
        parse(yaml12.decode(raw))
    except Unreadable as error:
        assert error.message


texts = st.text(st.characters(max_codepoint=0xD7FF))
keys = st.text(st.characters(max_codepoint=0xD7FF), max_size=100)
"""A key on one line ends within 1,024 characters in YAML, and each of these takes up to six."""
leaves = st.none() | st.booleans() | st.integers(-(10**12), 10**12) | texts


@given(st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(keys, inner), max_leaves=20))
def test_json_is_read_as_what_it_means(value):
    assert parse(json.dumps(value, ensure_ascii=True)).data == value
