"""What images are told as they start reaches the program that their entrypoint starts."""

from __future__ import annotations

from pathlib import Path

import pytest
from sophia_preflight import engine
from sophia_preflight.examples import tree

PROGRAM = """
=== pyproject.toml
[project]
name = "till"
[project.scripts]
till = "till:main"
=== till/__init__.py
import argparse


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--shelf")
    parser.parse_args()
=== Dockerfile
FROM python:3.12 AS base
WORKDIR /app
COPY . .
RUN pip install .
ENTRYPOINT ["till"]
FROM base
LABEL a=b
"""
SCRIPT = """
=== entry.sh
#!/bin/sh
while getopts "ab:" option; do
  case $option in
    a) A=1 ;;
    b) B=$OPTARG ;;
    *) exit 1 ;;
  esac
done
=== Dockerfile
FROM debian:12
COPY entry.sh /entry.sh
ENTRYPOINT ["/entry.sh"]
"""
COMPOSE = """
=== compose.yaml
services:
  till:
    build: .
    image: example.com/shop/till:${TAG:-1}
    command: WORDS
"""
SIBLING = """
=== compose.yaml
services:
  built:
    build: .
    image: shop/till
  till:
    image: shop/till
    command: [WORDS]
"""
RUN = """
=== build.sh
docker build -t shop/till:"$VERSION" .
docker run --rm -e A=b -v "$PWD:/data" shop/till:"$VERSION" WORDS
"""
WORKLOAD = """
=== Makefile
IMG ?= registry.example.com/till:1
build:
\tdocker build -t $(IMG) .
=== deploy/till.yaml
apiVersion: v1
kind: Pod
metadata: {name: till}
spec:
  containers:
    - name: till
      image: registry.example.com/till:2
      args: [WORDS]
"""
COMPOSE_RUN = """
=== compose.yaml
services:
  till: {build: .}
=== build.sh
docker compose run --rm till WORDS
docker compose run --rm --entrypoint other till --cupboard=3
docker compose exec till other --cupboard=3
"""
COMMAND = """
=== deploy/till.yaml
apiVersion: v1
kind: Pod
metadata: {name: till}
spec:
  containers:
    - name: main
      image: example.com/other:2
      command: [till]
      args: [WORDS]
"""


def said(place: Path, text: str) -> list[tuple[str, str]]:
    for path, content in tree(text).items():
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_text(content)
    found = [each for each in engine.check(place).blocking if each.rule == "unknown-argument"]
    return [(each.places[0].place.path, each.message.partition("take: ")[2]) for each in found]


@pytest.mark.parametrize(
    ("caller", "path"),
    [
        (COMPOSE, "compose.yaml"),
        (SIBLING, "compose.yaml"),
        (RUN, "build.sh"),
        (COMPOSE_RUN, "build.sh"),
        (WORKLOAD, "deploy/till.yaml"),
        (COMMAND, "deploy/till.yaml"),
    ],
)
def test_arguments_of_an_image_are_those_of_its_entrypoint(caller: str, path: str, tmp_path: Path) -> None:
    assert said(tmp_path / "right", PROGRAM + caller.replace("WORDS", "--shelf=3")) == []
    wrong = said(tmp_path / "wrong", PROGRAM + caller.replace("WORDS", "--cupboard=3"))
    assert wrong == [(path, "it does not accept `--cupboard`")]


@pytest.mark.parametrize("caller", [COMPOSE, RUN, WORKLOAD])
def test_arguments_of_an_image_reach_its_script(caller: str, tmp_path: Path) -> None:
    assert said(tmp_path / "right", SCRIPT + caller.replace("WORDS", "-a")) == []
    assert [each for _, each in said(tmp_path / "wrong", SCRIPT + caller.replace("WORDS", "-c"))] == [
        "it does not accept `-c`"
    ]


HANDED = """
=== pyproject.toml
[project]
name = "till"
[project.scripts]
till = "till.__main__:main"
=== till/__init__.py
=== till/__main__.py
import click


@click.group()
def main(): ...


@main.command()
@click.option("--shelf")
@click.option("--host")
def serve(shelf, host): ...


if __name__ == "__main__":
    main()
=== Dockerfile
FROM python:3.12
WORKDIR /app
COPY . .
RUN pip install .
ENTRYPOINT ["/app/docker/entry.sh"]
=== docker/entry.sh
#!/bin/sh
set -e
"""


@pytest.mark.parametrize(
    "script",
    [
        'exec python -m till serve "$@"\n',
        'exec gosu app till serve --host \\\n  0.0.0.0 "$@"\n',
        'if [ $# -eq 0 ]; then\n  exec till serve\nelif [ "$1" = bash ]; then exec "$@"; fi\nexec till serve "$@"\n',
        'if [ "${1#-}" != "$1" ]; then\n  set -- till serve "$@"\nfi\nexec "$@"\n',
    ],
)
def test_arguments_of_an_image_reach_the_program_that_its_script_hands_them_to(script: str, tmp_path: Path) -> None:
    told = HANDED + script + COMPOSE
    assert said(tmp_path / "right", told.replace("WORDS", "--shelf=3")) == []
    wrong = said(tmp_path / "wrong", told.replace("WORDS", "--cupboard=3"))
    assert wrong == [("compose.yaml", "it does not accept `--cupboard`")]


def test_what_a_script_itself_gives_wrongly_is_told_of_the_script_alone(tmp_path: Path) -> None:
    told = HANDED + 'exec till serve --hosts 0.0.0.0 "$@"\n' + COMPOSE.replace("WORDS", "--shelf=3")
    assert said(tmp_path, told) == [("docker/entry.sh", "it does not accept `--hosts`")]


def test_a_script_that_looks_at_what_it_is_given_hands_on_what_it_likes(tmp_path: Path) -> None:
    looks = 'if [ "$1" = "--cupboard=3" ]; then\n  exec other "$@"\nfi\nexec till serve "$@"\n'
    assert said(tmp_path / "named", HANDED + looks + COMPOSE.replace("WORDS", "--cupboard=3")) == []
    shaped = 'if [ "${1#--cup}" != "$1" ]; then\n  exec other "$@"\nfi\nexec till serve "$@"\n'
    assert said(tmp_path / "shaped", HANDED + shaped + COMPOSE.replace("WORDS", "--cupboard=3")) == []


BUILT_BY_WORKFLOW = """
=== .github/workflows/build.yml
on: push
jobs:
  build:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - {id: meta, uses: docker/metadata-action@v5, with: {images: ghcr.io/shop/till}}
      - uses: docker/build-push-action@v6
        with:
          context: .
          tags: ${{ steps.meta.outputs.tags }}
=== compose.yaml
services:
  desk:
    image: ghcr.io/shop/till:latest
    command: WORDS
"""
NAMED_ONLY = """
=== README.md
```bash
docker run --rm ghcr.io/shop/till:latest WORDS
```
"""
MOUNTED = """
=== deploy/till.yaml
apiVersion: v1
kind: Pod
metadata: {name: till}
spec:
  containers:
    - name: till
      image: ghcr.io/shop/till
      args: [WORDS]
      volumeMounts: [{name: data, mountPath: /data}]
  volumes: [{name: data, emptyDir: {}}]
"""
RUN_BY_PATH = """
=== pyproject.toml
[project]
name = "till"
=== main.py
import argparse

parser = argparse.ArgumentParser()
parser.add_argument("--shelf")
parser.parse_args()
=== Dockerfile
FROM python:3.12
WORKDIR /app
COPY main.py .
ENTRYPOINT ["python", "main.py"]
"""


@pytest.mark.parametrize("caller", [BUILT_BY_WORKFLOW, NAMED_ONLY, MOUNTED])
def test_an_image_is_known_by_the_name_of_the_project_or_of_what_makes_its_tags(caller: str, tmp_path: Path) -> None:
    assert said(tmp_path / "right", RUN_BY_PATH + caller.replace("WORDS", "--shelf=3")) == []
    wrong = said(tmp_path / "wrong", RUN_BY_PATH + caller.replace("WORDS", "--cupboard=3"))
    assert [each for _, each in wrong] == ["it does not accept `--cupboard`"]


def test_a_release_of_an_image_and_what_is_mounted_over_its_program_are_not_known(tmp_path: Path) -> None:
    told = RUN_BY_PATH + (NAMED_ONLY + MOUNTED).replace("WORDS", "--cupboard=3")
    assert said(tmp_path, told.replace("till:latest", "till:1.4").replace("/data}", "/app}")) == []


def test_an_image_that_two_builds_name_alike_is_not_known(tmp_path: Path) -> None:
    other = '=== other/Dockerfile\nFROM debian:12\nENTRYPOINT ["x"]\n=== more.sh\ndocker build -t old/till other\n'
    assert said(tmp_path, PROGRAM + RUN.replace("WORDS", "--cupboard=3") + other) == []


def test_an_entrypoint_that_a_shell_reads_is_given_nothing(tmp_path: Path) -> None:
    program = PROGRAM.replace('["till"]', "till --shelf 3")
    assert said(tmp_path, program + RUN.replace("WORDS", "--cupboard=3")) == []


MODULE = """
=== shop/__init__.py
=== shop/token.py
'''Tokens.

>>> sys.argv = ["token", "--exp", "3"]
'''
import argparse

parser = argparse.ArgumentParser()
parser.add_argument("--user", required=True)
parser.add_argument("--exp")
if __name__ == "__main__":
    parser.parse_args()
=== compose.yaml
services:
  shop:
    image: registry.example.com/shop:1.4
"""


@pytest.mark.parametrize(
    "told",
    [
        """
    entrypoint: ["/bin/sh", "-c"]
    command:
      - |
        TOKEN=$$(python3 -m shop.token --user a \\
          --expires 3 2>/dev/null)
        echo "$$TOKEN"
""",
        """
    command: >
      sh -c "export T=`python3 -m shop.token --user a --expires 3` && echo $$T"
""",
        """
    command:
      - bash
      - -lc
      - "if [ -z \\"$$T\\" ]; then T=$$(python -m shop.token --user a --expires 3 | tail -1); fi"
""",
        """
    entrypoint: sh -c 'T="$$(python -m shop.token --user a --expires 3)"; exec run "$$T"'
""",
    ],
)
def test_what_is_put_into_a_command_is_called_with_its_own_arguments(told: str, tmp_path: Path) -> None:
    assert said(tmp_path, MODULE + told.lstrip("\n")) == [("compose.yaml", "it does not accept `--expires`")]
    assert said(tmp_path, MODULE + told.lstrip("\n").replace("--expires", "--exp")) == []
