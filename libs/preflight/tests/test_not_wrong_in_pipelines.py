"""What looks like a defect of a pipeline, a workflow or a hook and is none, beside what is one."""

from __future__ import annotations

from collections.abc import Callable

import pytest

PAIRS = {
    "files that a step before writes where it is told": (
        """
        === .github/workflows/ci.yml
        on: push
        jobs:
          one:
            runs-on: ubuntu-24.04
            steps:
              - uses: actions/checkout@v4
              - run: |
                  uv run --no-sync python3 tools/measure.py \\
                    --output-json measured.json
              - run: |
                  mkdir -p kept
                  cp measured.json kept/
          two:
            runs-on: ubuntu-24.04
            steps:
              - uses: actions/checkout@v4
              - uses: example/notes@v1
                with: {output-file: "${{ vars.OUTPUT_FILE }}"}
              - run: cat NOTES.md >> "$GITHUB_STEP_SUMMARY"
          three:
            runs-on: ubuntu-24.04
            steps:
              - uses: actions/checkout@v4
              - uses: example/notes@v1
                with: {output_path: OTHER.md}
              - run: cat OTHER.md >> "$GITHUB_STEP_SUMMARY"
        === tools/measure.py
        === CHANGES.md
        """,
        """
        === .github/workflows/ci.yml
        on: push
        jobs:
          one:
            runs-on: ubuntu-24.04
            steps:
              - uses: actions/checkout@v4
              - run: |
                  uv run --no-sync python3 tools/measure.py \\
                    --input-json measured.json
              - run: |
                  mkdir -p kept
                  cp measured.json kept/
        === tools/measure.py
        === CHANGES.md
        """,
    ),
    "a file that a linter is told": (
        """
        === justfile
        look:
            uv run ruff check bench/scripts/read.py
            uv run pyright bench/scripts/read.py
        === bench/scripts/read.py
        """,
        """
        === justfile
        look:
            uv run ruff check bench/scripts/write.py
        === bench/scripts/read.py
        """,
    ),
    "steps of which a pipeline is made, elsewhere": (
        """
        === .buildkite/test.yaml
        steps:
          - label: one
            working_dir: /shop/tests
            commands: [pytest -v tools/test_one.py]
        === tests/tools/test_two.py
        === tools/start.sh
        """,
        """
        === .buildkite/test.yaml
        steps:
          - label: one
            commands: [pytest -v tools/test_one.py]
        === tests/tools/test_two.py
        === tools/start.sh
        """,
    ),
    "a hook that is given the names of files": (
        """
        === .pre-commit-config.yaml
        repos:
          - repo: local
            hooks:
              - {id: look, name: look, entry: python tools/look.py, language: python}
        === tools/look.py
        import argparse
        parser = argparse.ArgumentParser()
        parser.add_argument("files", nargs="+")
        parser.parse_args()
        """,
        """
        === .pre-commit-config.yaml
        repos:
          - repo: local
            hooks:
              - {id: look, name: look, entry: python tools/look.py, language: python, pass_filenames: false}
        === tools/look.py
        import argparse
        parser = argparse.ArgumentParser()
        parser.add_argument("files", nargs="+")
        parser.parse_args()
        """,
    ),
    "jobs whose names differ in capital letters": (
        """
        === .github/workflows/ci.yml
        on: push
        jobs:
          unit-tests: {runs-on: ubuntu-24.04, steps: [{run: "true"}]}
          all: {needs: [Unit-Tests], runs-on: ubuntu-24.04, steps: [{run: "true"}]}
        """,
        """
        === .github/workflows/ci.yml
        on: push
        jobs:
          unit-tests: {runs-on: ubuntu-24.04, steps: [{run: "true"}]}
          all: {needs: [Unit_Tests], runs-on: ubuntu-24.04, steps: [{run: "true"}]}
        """,
    ),
    "what a fetched installer brings": (
        """
        === .github/workflows/lint.yml
        on: push
        jobs:
          lint:
            runs-on: ubuntu-24.04
            steps:
              - uses: actions/checkout@v5
              - run: |
                  curl -sLO https://example.com/script/install-kondo
                  chmod +x install-kondo
                  ./install-kondo --dir .
              - run: ./kondo --lint src
        """,
        """
        === .github/workflows/lint.yml
        on: push
        jobs:
          lint:
            runs-on: ubuntu-24.04
            steps:
              - uses: actions/checkout@v5
              - run: |
                  curl -sLO https://example.com/script/told.txt
              - run: ./kondo --lint src
        """,
    ),
}


@pytest.mark.parametrize("what", PAIRS)
def test_what_is_no_defect_does_not_block(what: str, blocking: Callable[[str], list[str]]) -> None:
    assert blocking(PAIRS[what][0]) == []


@pytest.mark.parametrize("what", PAIRS)
def test_the_defect_that_is_like_it_does(what: str, blocking: Callable[[str], list[str]]) -> None:
    assert blocking(PAIRS[what][1])
