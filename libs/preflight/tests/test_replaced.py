"""What a change put in the place of what was there, by the text alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some
from sophia_preflight.replaced import Replaced, replacements


def pairs(path: str, before: str, now: str) -> list[tuple[str, str]]:
    return [(each.old, each.new) for each in replacements(path, [before], now)]


@pytest.mark.parametrize(
    ("before", "now", "old", "new"),
    [
        ("run tools/a.rb --fast", "run tool/a.rb --fast", "tools/a.rb", "tool/a.rb"),
        ('url = "http://shop:80/up"', 'url = "http://store:80/up"', "http://shop:80/up", "http://store:80/up"),
        ("  port: 80", "    port: 81", "80", "81"),
        ("ship --to=blue", "ship --to=green", "blue", "green"),
        ('make "$root/a" "$root/b"', 'make "$rot/a" "$rot/b"', "$root/a", "$rot/a"),
        ("run a\nrun a", "run b\nrun a", "a", "b"),
        ("- name: shop\n- name: SHOP_ZONE", "- name: store\n- name: SHOP_ZONES", "SHOP_ZONE", "SHOP_ZONES"),
    ],
)
def test_one_phrase_of_a_line_became_another(before: str, now: str, old: str, new: str) -> None:
    assert pairs("a.hcl", before, now) == [(old, new)]


@pytest.mark.parametrize(
    ("path", "before", "now"),
    [
        ("a.hcl", "run a fast", "run b slow"),  # two phrases
        ("a.hcl", "# run a", "# run b"),  # nobody acts upon a remark
        ("a.hcl", "make a/x b/y", "make c/x d/y"),  # two words
        ("a.hcl", "run a\nrun b", "run c\n"),  # which of the two it was nobody can tell
        ("a.py", "shop = one", "shop = two"),  # a name of the program, which its own grammar knows
        ("README.md", "Run a now.", "Run b now."),
    ],
)
def test_what_is_no_replacement(path: str, before: str, now: str) -> None:
    assert pairs(path, before, now) == []


def test_what_programs_import_and_quote_is_looked_at() -> None:
    assert pairs("a.py", "import shop", "import shops") == [("shop", "shops")]
    assert pairs("a.py", 'run("a.rb")', 'run("b.rb")') == [("a.rb", "b.rb")]


def test_the_place_is_that_of_what_is_said_now() -> None:
    (found,) = replacements("a.hcl", ["x\nrun  tools/a"], "x\ny\nrun  tools/bc")
    assert (found.line, found.column, found.text) == (3, 6, "run  tools/bc")
    word = found.word
    assert word is not None
    assert (word.old, word.new, word.column) == ("a", "bc", 12)


@pytest.mark.parametrize(("old", "new"), [("a/b", "c/d"), ("a/b", "a/b/c"), ("a:1", "a/1")])
def test_more_than_a_word_is_no_word(old: str, new: str) -> None:
    assert Replaced("a", 1, 1, new, old, new).word is None


def test_a_line_that_says_nothing_else_is_alone() -> None:
    assert Replaced("a", 1, 4, '- "b"', "a", "b").is_alone
    assert not Replaced("a", 1, 5, "at: b", "a", "b").is_alone


@given(some.text(max_size=80), some.text(max_size=80))
def test_whatever_changed_is_read(before: str, now: str) -> None:
    for each in replacements("a.hcl", [before], now):
        assert each.old != each.new
        assert now.split("\n")[each.line - 1][each.column - 1 :].startswith(each.new)
        assert each.word is None or each.text[each.word.column - 1 :].startswith(each.word.new)
