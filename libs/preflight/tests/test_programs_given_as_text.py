"""Programs in Python that are given as text, and commands behind what only the environment or another action runs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

PUSH = """
=== push.py
import argparse

parser = argparse.ArgumentParser()
parser.add_argument("--host")
parser.parse_args()
=== shelves.json
{}
"""
WORKFLOW = """
=== .github/workflows/ci.yml
on: push
jobs:
  push:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
"""


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("import subprocess; subprocess.run(['python', 'push.py', '--zone', '1'])", "--zone"),
        ("import os; os.system('python push.py --zone 1')", "--zone"),
        ("import json; print(json.load(open('shelf.json')))", "shelf.json"),
        ("from pathlib import Path; print(Path('shelf.json').read_text())", "shelf.json"),
        ("import runpy; runpy.run_path('pull.py')", "pull.py"),
        ("with open('shelf.json') as file: print(file.read())", "shelf.json"),
    ],
)
def test_what_a_program_given_as_text_needs_is_looked_for(
    line: str, word: str, blocking: Callable[[str], list[str]]
) -> None:
    (said,) = blocking(f'{PUSH}=== run.sh\npython -c "{line}"\n')
    assert said.startswith("run.sh:1") and f"`{word}`" in said


@pytest.mark.parametrize(
    "line",
    [
        "import os, subprocess; os.chdir('..'); subprocess.run(['python', 'push.py', '--zone', '1'])",
        "import subprocess; subprocess.run(['python', 'push.py', '--zone', '1'], cwd='/srv')",
        "open('shelf.json', 'w').write('1'); print(open('shelf.json').read())",
        "from pathlib import Path; print(Path('shelf.json').write_text('1'))",
        "open(name)",
        "open('/etc/shelf.json')",
        "f = lambda: open('shelf.json')",
    ],
)
def test_what_it_makes_or_does_elsewhere_is_not_told(line: str, blocking: Callable[[str], list[str]]) -> None:
    assert blocking(f'{PUSH}=== run.sh\npython -c "{line}"\n') == []


def test_a_program_on_the_input_is_read_by_its_lines(blocking: Callable[[str], list[str]]) -> None:
    text = (
        "python - <<'EOF'\nimport json\nif False:\n    open('gone.json')\nprint(json.load(open('shelf.json')))\nEOF\n"
    )
    (said,) = blocking(f"{PUSH}=== run.sh\n{text}")
    assert said.startswith("run.sh:5:22: ") and "`shelf.json`" in said


def test_a_step_may_be_a_program_in_python(blocking: Callable[[str], list[str]]) -> None:
    step = """\
      - shell: python
        run: |
          import subprocess
          subprocess.run(["python", "push.py", "--host", "${{ github.ref }}"])
          subprocess.run(["python", "push.py", "--zone", "1"])
"""
    (said,) = blocking(PUSH + WORKFLOW + step)
    assert said.startswith(".github/workflows/ci.yml:11:") and "`--zone`" in said


def test_an_action_that_tries_again_runs_a_command(blocking: Callable[[str], list[str]]) -> None:
    step = """\
      - uses: nick-fields/retry@v3
        with:
          max_attempts: 3
          timeout_minutes: 1
          command: python push.py --zone 1
"""
    (said,) = blocking(PUSH + WORKFLOW + step)
    assert said.startswith(".github/workflows/ci.yml:11:") and "`--zone`" in said


@pytest.mark.parametrize(
    "call",
    [
        '=== run.sh\n"$PYTHON" push.py --zone 1\n',
        "=== run.sh\n${PYTHON_BIN} push.py --zone 1\n",
        "=== run.sh\n$SUDO python push.py --zone 1\n",
        "=== run.sh\npython push.py ${ZONE:+--zone $ZONE}\n",
        "=== Makefile\npush:\n\t$(PYTHON) push.py --zone 1\n",
    ],
)
def test_variables_of_the_environment_hold_what_they_are_named_for(
    call: str, blocking: Callable[[str], list[str]]
) -> None:
    (said,) = blocking(PUSH + call)
    assert "`--zone`" in said


def test_a_place_of_an_interpreter_is_no_interpreter(blocking: Callable[[str], list[str]]) -> None:
    assert blocking(f"{PUSH}=== run.sh\n$PYTHON/bin/python3 push.py\n$PYTHON_VERSION push.py --zone\n") == []
