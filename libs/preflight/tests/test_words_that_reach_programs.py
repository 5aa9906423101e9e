"""Words on roundabout ways to the program that reads them: through functions, variables, images and loops."""

from __future__ import annotations

from pathlib import Path

import pytest
from sophia_preflight import engine
from sophia_preflight.model import Finding

TAKES = """import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--kind", choices=["small", "large"])
parser.add_argument("--fast", action="store_true")
parser.parse_args()
"""
LOOP = """#!/bin/bash
usage() { echo "usage"; exit 1; }
for word in "$@"; do
  case "$word" in
    --pr=*) PR="${word#--pr=}" ;;
    BRANCH=*) BRANCH="${word#BRANCH=}" ;;
    *) usage ;;
  esac
done
"""
SERVED = """services:
  web:
    build: .
    command: >
      sh -c '
        OPTIONS=""
        if [ -f /run/key.pem ]; then
          OPTIONS="--ssl-keyfile /run/key.pem"
        fi
        exec uvicorn --host 0.0.0.0 $$OPTIONS shop.main:%s
      '
"""


def blocking(root: Path, files: dict[str, str]) -> list[Finding]:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return [each for each in engine.check(root).findings if each.blocking]


@pytest.mark.parametrize(
    "function",
    [
        'keep() {\n  local name="$1"\n  shift\n  "$@" > "$name.log"\n}\nkeep first',
        'keep() {\n  name=$1\n  shift 2\n  if [ -x /bin/time ]; then time "$@"; else "$@"; fi\n}\nkeep one two',
        'keep() {\n  local name=$1\n  nice -n 5 "${@:2}" | tee "$name.log"\n}\nkeep one',
    ],
)
def test_a_function_drops_its_own_words_and_runs_the_others(function: str, tmp_path: Path) -> None:
    script = f'cd "$(dirname "$0")"\n{function} python work.py --kind %s\n'
    assert not blocking(tmp_path, {"work.py": TAKES, "run.sh": script % "small"})
    found = blocking(tmp_path, {"run.sh": script % "huge"})
    assert {each.rule for each in found} == {"wrong-choice"}


def test_words_that_are_dropped_under_a_condition_leave_the_others_unknown(tmp_path: Path) -> None:
    script = 'keep() {\n  [ "$1" = -q ] && shift\n  "$@"\n}\nkeep python work.py --none\nkeep -q python work.py\n'
    assert not blocking(tmp_path, {"work.py": TAKES, "run.sh": script})


@pytest.mark.parametrize("start", ['O="--fast"', 'O=""'])
@pytest.mark.parametrize("added", ['O+=" {}"', 'O="$O {}"'])
def test_options_that_a_branch_adds_are_read(start: str, added: str, tmp_path: Path) -> None:
    script = f'{start}\nif [ -n "$KIND" ]; then\n  {added}\nfi\npython work.py $O\n'
    assert not blocking(tmp_path, {"work.py": TAKES, "run.sh": script.format("--kind $KIND")})
    (found,) = blocking(tmp_path, {"run.sh": script.format("--sort $KIND")})
    assert found.rule == "unknown-argument" and "--sort" in found.message


def test_what_branches_add_may_be_missing_and_be_no_option(tmp_path: Path) -> None:
    tool = TAKES.replace("parser.parse_args", 'parser.add_argument("--needed", required=True)\nparser.parse_args')
    script = (
        'O="--fast"\nif [ -n "$A" ]; then O="$O --needed $A"; fi\npython work.py $O\n'
        'S=""\nif [ -n "$B" ]; then S="-b"; fi\npython "work$S.py" --needed 1 --fast$S\n'
        'if [ -n "$C" ]; then W="x y"; else W="-c d e"; fi\npython work.py --needed 1 $W\n'
    )
    assert not blocking(tmp_path, {"work.py": tool, "run.sh": script})


@pytest.mark.parametrize("word", ["PR=1", 'PR="$NUMBER"', "branch=main"])
def test_a_loop_takes_only_the_assignments_that_it_names(word: str, tmp_path: Path) -> None:
    files = {"back.sh": LOOP, "run.sh": f'bash back.sh --pr=2 BRANCH="$B" {word}\n'}
    (found,) = blocking(tmp_path, files)
    assert found.rule == "unknown-argument" and "it does not accept" in found.message


def test_a_loop_that_takes_other_words_takes_any_assignment(tmp_path: Path) -> None:
    for path, arm in (("a.sh", '*=*) export "$word" ;;'), ("b.sh", "[A-Z]*) shift ;;")):
        loop = LOOP.replace("    *) usage", f"    {arm}\n    *) usage")
        assert not blocking(tmp_path, {path: loop, f"run-{path}": f"bash {path} PR=1 BRANCH=x\n"})


def test_what_a_server_serves_may_follow_options_of_a_variable(tmp_path: Path) -> None:
    files = {
        "Dockerfile": "FROM python:3.12-slim\nWORKDIR /app\nCOPY . .\n",
        "shop/__init__.py": "",
        "shop/main.py": "app = 1\n",
    }
    assert not blocking(tmp_path, {**files, "compose.yaml": SERVED % "app"})
    (found,) = blocking(tmp_path, {"compose.yaml": SERVED % "application"})
    assert found.rule == "missing-attribute"


def test_a_script_of_an_image_makes_what_the_makefile_there_has(tmp_path: Path) -> None:
    start = 'if [ -n "$FIRST" ]; then\n  cd /opt/shop/\n  make upgrade\nfi\ncd /opt/others && make all\n'
    files = {
        "Dockerfile": "FROM debian:13\nCOPY . /opt/shop/\nCOPY docker/start.sh /usr/local/bin/\nCMD start.sh\n",
        "Makefile": "upgrade:\n\ttrue\n",
        "docker/start.sh": start,
    }
    assert not blocking(tmp_path, files)
    (found,) = blocking(tmp_path, {"docker/start.sh": start.replace("make upgrade", "make sync")})
    assert found.rule == "missing-make-target"


def test_a_file_one_directory_off_is_looked_for_although_archives_are_unpacked(tmp_path: Path) -> None:
    files = {
        "Makefile": "all:\n\ttar xzf sources.tar.gz\nup:\n\talembic -c shop/db/alembic.ini upgrade head\n",
        "shop/db/migrations/alembic.ini": "",
    }
    (found,) = blocking(tmp_path, files)
    assert found.rule == "missing-file"


@pytest.mark.parametrize("unpack", ["tar xz shop", "tar -xzf a.tgz shop", "tar xzf a.tgz -C . shop"])
def test_an_archive_brings_no_more_than_the_files_that_are_asked_for(unpack: str, tmp_path: Path) -> None:
    run = f'#!/bin/bash\ncd "$(dirname "$0")"\n{unpack}\n./shop --all\ncp settings.toml /etc/\n'
    (found,) = blocking(tmp_path, {"setting.toml": "", "run.sh": run})
    assert found.rule == "missing-file"
    assert not blocking(tmp_path, {"run.sh": run.replace(" shop\n", " $WHAT\n")})
    assert not blocking(tmp_path, {"run.sh": run.replace(" shop\n", " --strip-components=1\n")})
