"""Commands of tox.ini: where they run, what tox puts into them, and what of them is not wrong."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest
from sophia_preflight import engine


def blocking(root: Path, text: str) -> list[tuple[str, int]]:
    for path in ("tools/there.py", "requirements/base.txt", "web/page.py"):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("")
    (root / "tox.ini").write_text(dedent(text))
    return [(each.rule, involved.place.line) for each in engine.check(root).blocking for involved in each.places]


def test_commands_are_looked_for_beside_the_file_or_where_they_change_to(tmp_path: Path) -> None:
    text = """\
        [testenv]
        commands =
            python tools/there.py {posargs}
            python {toxinidir}/tools/gone.py \\
                --out {envtmpdir}/x
            py311: python tools/gone.py  # why

        [testenv:docs]
        changedir = web
        commands = python page.py
            python gone.py
        [testenv:other]
        change_dir = {toxinidir}{/}web
        commands_pre = python {tox_root}/tools/gone.py
        commands =
            python page.py
            python gone.py
            python \\
              there.py
    """
    expected = [("missing-script", line) for line in (4, 6, 11, 14, 17, 19)]
    assert sorted(blocking(tmp_path, text), key=lambda each: each[1]) == expected


def test_a_command_whose_failure_is_ignored_is_told_and_does_not_block(tmp_path: Path) -> None:
    (tmp_path / "tox.ini").write_text("[testenv]\ncommands = - python gone.py\n")
    (found,) = engine.check(tmp_path).findings
    assert (found.rule, found.blocking) == ("missing-script", False)


def test_requirements_are_looked_for_beside_the_file(tmp_path: Path) -> None:
    text = """\
        [testenv]
        changedir = web
        deps =
            -r requirements/base.txt
            pytest
            cov: -r{toxinidir}/requirements/gone.txt
    """
    assert blocking(tmp_path, text) == [("missing-file", 6)]


@pytest.mark.parametrize(
    "text",
    [
        "[testenv]\ncommands = - python tools/gone.py\n",
        "[testenv]\nignore_outcome = true\ncommands = python tools/gone.py\n",
        "[testenv]\ncommands = python {envtmpdir}/gone.py\n",
        "[testenv]\ncommands = python {env:WHERE:gone}/gone.py\n",
        "[testenv]\ncommands = {[testenv:x]commands}\n",
        "[testenv]\ncommands = python {posargs:{toxinidir}/tools/there.py}\n",
        "[testenv]\ndeps = -rhttps://example.org/x.txt\n",
        "[testenv]\nchangedir = {envtmpdir}\ncommands = python gone.py\n",
        "[flake8]\ncommands = python tools/gone.py\n",
        "[testenv]\n# commands = python tools/gone.py\ndescription = python tools/gone.py\n",
    ],
)
def test_what_is_tolerated_unknown_or_no_command_is_not_wrong(text: str, tmp_path: Path) -> None:
    assert blocking(tmp_path, text) == []


def test_words_after_two_dashes_are_a_command_only_where_they_begin_with_an_interpreter(tmp_path: Path) -> None:
    (tmp_path / "tox.ini").write_text("[testenv:run]\ncommands = {posargs}\n")
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_shop.py").write_text("")
    (tmp_path / "sync.sh").write_text("tox -e run -- tests/gone.py::test\ntox -e run -- python tools/gone.py\n")
    assert [each.message for each in engine.check(tmp_path).findings if each.blocking] == [
        "`tools/gone.py` is called here and does not exist in `tools`"
    ]
