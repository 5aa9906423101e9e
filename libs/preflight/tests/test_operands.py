"""Words of commands that look like files."""

from __future__ import annotations

import pytest
from sophia_preflight.calls.model import Needed, Trace
from sophia_preflight.calls.shell import follow, script_site
from sophia_preflight.readers.snippet import Snippet


def mentioned(text: str) -> list[str]:
    trace = Trace()
    follow(Snippet("run.sh", text, 1, 1), script_site("run.sh"), trace)
    return [each.target.path.value for each in trace.calls if isinstance(each.target, Needed) and each.target.mentioned]


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("weigh --rules conf/a.yaml b.yml", ["conf/a.yaml", "b.yml"]),
        ("weigh --rules=conf/a.yaml", ["conf/a.yaml"]),
        ("grep needle/in.txt hay/stack.txt", ["hay/stack.txt"]),
        ("grep -e needle hay/stack.txt", ["needle", "hay/stack.txt"][1:]),
        ("weigh --output made/a.yaml -o made/b.yaml", []),
        ("weigh picture/a.png https://example.org/a.yaml 'a b.yaml' conf/*.yaml", []),
        ("echo conf/a.yaml", []),
        ("my_function conf/a.yaml", []),
        ("$TOOL conf/a.yaml", []),
        ("weigh folder/name word", ["folder/name"]),
        ("weigh folder/name/ word/", ["folder/name/"]),
    ],
)
def test_words_that_look_like_files_are_asked_for(text: str, paths: list[str]) -> None:
    assert mentioned(text) == paths


def test_a_word_that_is_asked_for_already_is_not_asked_for_again() -> None:
    assert mentioned("pip install -r conf/requirements.txt") == []
    assert mentioned("bash tools/build.sh") == []
