"""The page of rules is what the rules say."""

from __future__ import annotations

from pathlib import Path

from sophia_preflight import reference

PAGE = Path(__file__).parents[3] / "docs/reference/rules.md"


def test_the_page_of_rules_is_made_from_them() -> None:
    again = "write it anew: `.venv/bin/python -m sophia_preflight.reference > docs/reference/rules.md`"
    assert PAGE.read_text() == reference.reference_markdown(), again


def test_a_rule_is_explained_with_examples() -> None:
    said = reference.explained("missing-script")
    assert said is not None
    assert "found here:" in said
    assert "nothing wrong here:" in said
    assert reference.explained("no-such-rule") is None
