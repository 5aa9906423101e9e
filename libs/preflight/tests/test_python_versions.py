"""Python that is younger than the Python that checks: said not to be assessed, neither wrong nor silently left out."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest
from sophia_preflight import cache, engine
from sophia_preflight.examples import tree
from sophia_preflight.readers.imports import outline_of
from sophia_preflight.readers.later_grammar import older
from sophia_preflight.readers.python_version import newer_need

TEMPLATE_STRING = "name = 'a'\nquery = t'select {name}'\n"


def fault_of(text: str) -> SyntaxError:
    with pytest.raises(SyntaxError) as caught:
        compile(text, "module.py", "exec")
    return caught.value


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="the grammar of 3.12 is known there")
@pytest.mark.parametrize(
    "text",
    [
        "def first[T](items: list[T]) -> T: ...",
        "class Box[T]: ...",
        "type Pair = tuple[int, int]",
        """print(f"{x["a"]}")""",
        """x = f"{", ".join(names)}" """,
        """x = f"{\n    name\n}" """,
        """x = f"of {name}: {\n    age\n} years" """,
        """x = f'{'\\n'.join(names)}'""",
    ],
)
def test_the_grammar_of_a_later_python_is_known_as_such(text: str) -> None:
    error = fault_of(text)
    need = newer_need(error.msg, text.split("\n")[(error.lineno or 1) - 1], error.lineno or 1)
    assert need is not None
    assert need.version == (3, 12)


@pytest.mark.parametrize("text", ["def start(:", 'print(f"{name}" other)', 'x = f"{name}', "x = {'a': 1"])
def test_a_plain_mistake_is_no_later_grammar(text: str) -> None:
    error = fault_of(text)
    assert newer_need(error.msg, text, 1) is None


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="template strings are known there")
def test_a_file_that_this_python_is_too_old_for_is_not_assessed(tmp_path: Path) -> None:
    (tmp_path / "query.py").write_text(TEMPLATE_STRING)
    (tmp_path / "other.py").write_text(TEMPLATE_STRING)
    report = engine.check(tmp_path)
    assert not report.findings
    (missing,) = report.not_assessed
    assert missing.what == "Python files: `other.py` and 1 more"
    assert "grammar of Python 3.14" in missing.because
    assert report.exit == 0


LATER = """
type Pair[K] = tuple[int, K]
def first[
    T: (int, str),
](items: list[T]) -> T: ...
class Box[T](Base[T]): ...
print(f"{x["a"]} {{x}} {y!r:>{w}} {', '.join(["b"])}", "it's")
text = f"{
    name
}"
lines = f'{'\\n'.join(names)}'; pattern = r'\\d{2}'; mark = 'a#b' # don't
both = f\"\"\"{d["a"]} {'""'} {
  f"{g["h"]}"} \"\"\"
try: pass
except A, b.C: pass
last = 1
"""


def test_a_later_grammar_is_put_in_the_words_of_an_older_one_line_by_line() -> None:
    made = ast.parse(older(LATER))
    lines = LATER.split("\n")
    assert {"Pair", "first", "Box", "text", "lines", "last"} <= outline_of(made, LATER).names
    for node in made.body:
        name = getattr(node, "name", "") or ast.unparse(node).partition(" ")[0]
        assert re.match(r"print|try", name) or name in lines[node.lineno - 1]


def test_what_a_file_of_a_later_grammar_imports_and_calls_is_judged(tmp_path: Path) -> None:
    files = """
    === pyproject.toml
    [project]
    name = "shop"
    requires-python = ">=3.12"
    [project.scripts]
    shop = "shop.cli:start"
    === shop/__init__.py
    === shop/cli.py
    from shop.core import prize
    type Names = list[str]
    def main[T](one: T) -> T: ...
    === shop/core.py
    def price[T](one: T) -> T: ...
    """
    for path, content in tree(files).items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(content)
    report = engine.check(tmp_path)
    assert sorted(each.rule for each in report.blocking) == ["missing-entry-point", "missing-imported-name"]
    assert not [each for each in report.not_assessed if "Python" in each.what]


def test_what_another_python_read_is_not_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    before = cache.build()
    cache.build.cache_clear()
    monkeypatch.setattr(sys, "version", "4.0.0")
    other = cache.build()
    cache.build.cache_clear()
    assert other != before
