"""Fixes of misspelt names: only of what is surely a slip."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sophia_preflight import fixing
from sophia_preflight.engine import check
from sophia_preflight.examples import tree
from sophia_preflight.spelling import is_slip

NAMES = st.text("abcdefgh-", min_size=2, max_size=12)


@given(NAMES, st.data())
def test_one_letter_left_out_is_a_slip_both_ways(name: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(name) - 1))
    shorter = name[:at] + name[at + 1 :]
    assert is_slip(shorter, name)
    assert is_slip(name, shorter)


@given(NAMES, NAMES)
def test_a_slip_is_one_both_ways_and_never_from_a_name_to_itself(one: str, other: str) -> None:
    assert is_slip(one, other) == is_slip(other, one)
    assert not is_slip(one, one)


@pytest.mark.parametrize(("one", "other"), [("data1", "data2"), ("store", "restore"), ("ab", "ba-"), ("web", "api")])
def test_numbers_and_more_than_one_letter_are_no_slip(one: str, other: str) -> None:
    assert not is_slip(one, other)


def fixed(place: Path, text: str) -> dict[str, str]:
    for path, content in tree(text).items():
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_text(content)
    findings = [each for each in check(place).findings if each.edits]
    fixing.write(place, findings)
    return {path: (place / path).read_text() for path in tree(text)}


def test_misspelt_names_are_put_right_and_the_check_is_content(tmp_path: Path) -> None:
    text = """
        === compose.yaml
        services:
          web:
            image: nginx:1.29
            enviroment: {A: b}
            networks: [frontnd]
            depends_on: {databse: {condition: service_started}}
          database: {image: "postgres:17"}
        networks: {frontend: {}}
        === .github/workflows/ci.yml
        on: push
        jobs:
          build:
            runs-on: ubuntu-24.04
            steps: [{run: "true"}]
          ship:
            needs: "biuld"
            runs-on: ubuntu-24.04
            step: [{run: "true"}]
    """
    after = fixed(tmp_path, text)
    assert "environment: {A: b}" in after["compose.yaml"]
    assert "networks: [frontend]" in after["compose.yaml"]
    assert "depends_on: {database: {" in after["compose.yaml"]
    assert 'needs: "build"' in after[".github/workflows/ci.yml"]
    assert "steps: [" in after[".github/workflows/ci.yml"].partition("ship:")[2]
    assert not [each for each in check(tmp_path).findings if each.blocking]


def test_what_may_mean_several_names_or_another_number_is_left_alone(tmp_path: Path) -> None:
    text = """
        === compose.yaml
        services:
          web:
            image: nginx:1.29
            networks: [front, store3]
        networks: {fronts: {}, frond: {}, store1: {}, store2: {}}
    """
    assert fixed(tmp_path, text) == dict(tree(text))
