"""What shell scripts make of the words that workflows give them: long options, choices behind options, how many."""

from __future__ import annotations

from pathlib import Path

import pytest
from sophia_preflight import engine
from sophia_preflight.examples import tree

_LONG = """
        === test.sh
        #!/bin/bash
        complain() {
          echo "$*" >&2
          exit 2
        }
        while getopts lrd:-: OPT; do
          if [ "$OPT" = - ]; then
            OPT="${OPTARG%%=*}"
            OPTARG="${OPTARG#$OPT}"
          fi
          case "$OPT" in
            l | lints ) LINTS=1 ;;
            r | requirements ) REQUIREMENTS=1 ;;
            d | directory ) DIRECTORY="$OPTARG" ;;
            ??* ) complain "bad option --$OPT" ;;
            ? ) exit 2 ;;
          esac
        done
        shift $((OPTIND - 1))
"""
_BEHIND = """
        === test.sh
        #!/bin/bash
        usage() {
          exit $1
        }
        while getopts "nph:" opt; do
          case "$opt" in
            n) MANY=1 ;;
            p) export PYTHONPATH=. ;;
            h) HOST="$OPTARG" ;;
          esac
        done
        shift $((OPTIND-1))
        action=$1
        if [ -n "$MANY" ]; then
          more=1
        fi
        case "$action" in
          all) echo all ;;
          reports) echo reports ;;
          *) usage 2 ;;
        esac
"""
_COUNTING = """
        === test.sh
        #!/bin/bash
        usage() {
          exit 1
        }
        check() {
          if [ ! $# -eq 3 ]; then
            usage
          fi
        }
        main() {
          check "$@"
          echo "$1"
        }
        main "$@"
"""
_STRICT = """
        === test.sh
        #!/bin/sh
        set -ue
        VERSION=`echo $1 | sed -r 's/^v//'`
        if [ -n "$VERSION" ]; then
          echo "$VERSION"
        else
          exit 1
        fi
        BRANCH="$2"
"""


def _workflow(run: str, more: str = "") -> str:
    return f"""
        === .github/workflows/ci.yml
        on:
          workflow_dispatch:
            inputs:
              version: {{required: true, type: string}}
              flags: {{required: true, type: string}}
              branch: {{type: string}}
        jobs:
          one:
            runs-on: ubuntu-latest
            strategy:
              matrix:
                database: [{{name: a, schema: one}}, {{name: b, schema: two}}]
                release: [v1, v2]
                {more or "unused: [1]"}
            steps:
              - uses: actions/checkout@v4
              - run: {run}
"""


CALLS = {
    "commands of a matrix": (
        _LONG,
        _workflow("${{ matrix.tests }}", 'tests: ["./test.sh --lints -d x", "FAST=true ./test.sh --directory=y -r"]'),
        _workflow("${{ matrix.tests }}", 'tests: ["./test.sh --lints", "FAST=true ./test.sh --reqs"]'),
    ),
    "words behind short options": (
        _BEHIND,
        _workflow("bash test.sh -n -h host -p ${{ matrix.part }}", "part: [all, reports]"),
        _workflow("bash test.sh -n -p ${{ matrix.part }}", "part: [all, reporters]"),
    ),
    "a function that counts all words": (
        _COUNTING,
        _workflow("./test.sh ${{ matrix.database.name }} ${{ matrix.database.schema }} ${{ matrix.release }}"),
        _workflow("./test.sh ${{ matrix.database.name }} ${{ matrix.release }}"),
    ),
    "an input that has to be given": (
        _STRICT,
        _workflow("./test.sh ${{ inputs.version }} ${{ github.ref_name }}"),
        _workflow("./test.sh ${{ inputs.version }}"),
    ),
    "an input of several words": (
        _STRICT,
        _workflow("./test.sh ${{ inputs.flags }}"),
        _workflow("./test.sh ${{ github.event.inputs.version }}"),
    ),
    "a variable of the workflow that may be anything": (
        _STRICT,
        _workflow("./test.sh ${{ vars.WORDS }}"),
        _workflow("./test.sh ${{ github.sha }}"),
    ),
}


def refused(text: str, root: Path) -> list[str]:
    for path, content in tree(text).items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content)
    return [each.message for each in engine.check(root).blocking]


@pytest.mark.parametrize("name", CALLS)
def test_words_that_a_script_takes_are_not_told(name: str, tmp_path: Path) -> None:
    assert refused(CALLS[name][0] + CALLS[name][1], tmp_path) == []


@pytest.mark.parametrize("name", CALLS)
def test_words_that_a_script_refuses_are_told(name: str, tmp_path: Path) -> None:
    assert refused(CALLS[name][0] + CALLS[name][2], tmp_path)


@pytest.mark.parametrize("begins", ["main()", "sys.exit(main())", "raise SystemExit(main())"])
def test_a_script_that_begins_without_asking_whether_it_is_run_counts_its_words(tmp_path: Path, begins: str) -> None:
    (tmp_path / "run.sh").write_text("python job.py one\npython job.py one two\n")
    leaves = "    if len(sys.argv) != 2:\n        sys.exit('one word, please')\n"
    (tmp_path / "job.py").write_text(f"import sys\ndef main():\n{leaves}    print(sys.argv[1])\n{begins}\n")
    (found,) = [each for each in engine.check(tmp_path).findings if each.blocking]
    assert (found.rule, found.place.line) == ("unknown-argument", 2)
