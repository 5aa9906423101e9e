"""Stages of a Dockerfile and what they begin with."""

from __future__ import annotations

import pytest
from sophia_preflight.readers import dockerfile


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("FROM alpine\n", [""]),
        ("FROM alpine AS a\nFROM a AS b\nFROM B AS c\n", ["c", "b", "a"]),
        ("FROM alpine AS a\nFROM 0 AS b\n", ["b", "a"]),
        ("FROM alpine AS a\nFROM nginx AS b\n", ["b"]),
        ("FROM nginx AS nginx\n", ["nginx"]),
    ],
)
def test_a_stage_and_those_that_it_begins_with(text: str, expected: list[str]) -> None:
    made = dockerfile.parse("Dockerfile", text)
    assert [each.name for each in made.chain(made.stages[-1])] == expected
