"""What is right for a reason that stands elsewhere in the repository, or that says nothing, beside what is wrong."""

from __future__ import annotations

from collections.abc import Callable

import pytest

_TOOL = """
        === tools/pack.py
        import argparse
        parser = argparse.ArgumentParser()
        parser.add_argument("--floor")
        parser.add_argument("--quick", action="store_true")
        parser.parse_args()
"""
_MATRIX = """
        === .github/workflows/ci.yml
        on: push
        jobs:
          pack:
            runs-on: ubuntu-latest
            strategy:
              matrix:
                include:
                  - {{libc: glibc, floor: "2.41"}}
                  - {{libc: musl, floor: ""}}
            steps:
              - uses: actions/checkout@v4
              - run: |
                  if [ {0} "${{{{ matrix.floor }}}}" ]; then
                    python tools/pack.py --floor ${{{{ matrix.floor }}}} --quick
                  fi
""" + _TOOL.replace("{", "{{").replace("}", "}}")
_IMAGE = """
        === Dockerfile
        FROM python:3.14-slim
        COPY pyproject.toml /srv/deps/pyproject.toml
        COPY docker/extract.py /srv/deps/extract.py
        RUN python /srv/deps/{0} /srv/deps/pyproject.toml && pip install -r /srv/deps/requirements.txt
        === pyproject.toml
        [project]
        name = "shop"
        === docker/extract.py
        import pathlib, sys
        pathlib.Path(sys.argv[1]).with_name("{1}").write_text("")
"""
_CHOICES = """
        === shop/cli.py
        import argparse
        parser = argparse.ArgumentParser()
        parser.add_argument("--level", type=str{0}, choices=("INFO", "ERROR"))
        parser.parse_args()
        === Makefile
        run:
        \tpython shop/cli.py --level info
"""
_COMPOSE = """
        === compose.index.yaml
        services:
          index: {image: "shop/index:1", depends_on: [store]}
        === compose.store.yaml
        services:
          store: {image: "postgres:18"}
          shop: {ports: ["8000:8000"]}
        === compose.yaml
        services:
          shop: {image: "shop/shop:1"}
"""
_GIVEN = """
        === legacy.sh
        SHOP_RECEIPT_PATH="$1" python3 -c '
        import os
        print(os.{0})
        '
        === shop/__init__.py
        === shop/config.py
        import os
        PATH = os.environ.get("SHOP_RECEIPTS_PATH")
"""
_TARGETS = """
        === {0}Makefile
        build:
        \ttrue
        === crates/run/README.md
        ```bash
        make lint
        make test
        make docs
        make ship
        make wait
        ```
"""
_READ = """
        === .github/workflows/ci.yml
        on: push
        jobs:
          scan:
            runs-on: ubuntu-latest
            steps:
              - uses: actions/checkout@v4
              - run: |
                  scan --red {0}
                  python -c "import json; json.load(open('found.json'))"
"""
_COMMANDS = """
        === pyproject.toml
        [project]
        name = "shop"
        version = "1"
        [project.scripts]
        shop = "shop.cli:main"
        === shop/__init__.py
        === shop/cli.py
        import typer
        app = typer.Typer()
        @app.command()
        def control(): ...
        @app.command()
        def stock(): ...
        def main():
            app()
        === README.md
        ```sh
        shop {0}{3}
        shop stock
        ```
        === docs/use.md
        ```sh
        shop {1}{4}
        shop {2}{5}
        ```
"""
PAIRS = {
    "commands of a program, most of which would be none": (
        _COMMANDS.format("init", "build", "ship", " --a 1 --b 2", " --c 3 --d 4", " --e 5 --f 6"),
        _COMMANDS.format("contrl", "control", "stock", "", "", ""),
    ),
    "a file that an option names before it is read": (_READ.format("--json found.json"), _READ.format("--json")),
    "a value that a test asks for first": (_MATRIX.format("-n"), _MATRIX.format("-z x -o -n")),
    "what a program of ours writes while an image is built": (
        _IMAGE.format("extract.py", "requirements.txt"),
        _IMAGE.format("extract.py", "needs.txt"),
    ),
    "choices in other letters": (_CHOICES.format(".upper"), _CHOICES.format("")),
    "files that a page adds to others": (
        _COMPOSE
        + """
        === CONTRIBUTING.rst
        Start it with ``docker compose -f compose.yaml -f compose.index.yaml -f compose.store.yaml up``
        """,
        _COMPOSE.replace("  store: {image", "  stored: {image"),
    ),
    "a variable that only a program within a script reads": (
        _GIVEN.format('environ["SHOP_RECEIPT_PATH"]'),
        _GIVEN.format("getcwd()"),
    ),
    "targets of a makefile that is not here": (
        _TARGETS.format("crates/run/"),
        _TARGETS.format(""),
    ),
    "scripts of a folder of which only the page is here": (
        """
        === docs/promo/README.md
        ```sh
        bash docs/promo/build.sh
        ```
        """,
        """
        === docs/promo/README.md
        ```sh
        bash docs/promo/build.sh
        ```
        === docs/promo/built.sh
        true
        """,
    ),
    "a tool of another project, whose place a variable holds": (
        """
        === README.rst
        ::

            $ $DPDK/tools/bind.py --status
            $ ./tools/bind.py --status
        === tools/weigh_all.py
        """,
        """
        === README.rst
        ::

            $ ./tools/bind.py --status
        === tools/weigh_all.py
        """,
    ),
    "services of another repository that a page clones": (
        """
        === compose.yaml
        services: {shop: {image: "shop:1"}}
        === docs/quick.md
        ```bash
        git clone https://github.com/all/around-it.git
        cd around-it
        ```
        ```bash
        docker compose logs -f webui
        ```
        """,
        """
        === compose.yaml
        services: {shop: {image: "shop:1"}}
        === docs/quick.md
        ```bash
        docker compose logs -f webui
        ```
        """,
    ),
    "a program that is fetched to where it is run": (
        """
        === tools/publish.py
        import subprocess
        from pathlib import Path

        def fetch_publisher(url, place):
            place.write_bytes(b"")

        publisher = Path("publisher.sh").absolute()
        fetch_publisher("https://example.com/publisher.sh", publisher)
        subprocess.run([str(publisher), "publish"], check=True)
        """,
        """
        === tools/publish.py
        import subprocess
        subprocess.run(["./publisher.sh", "publish"], check=True)
        """,
    ),
    "a wrapper's own options behind the program that it wraps": (
        """
        === pyproject.toml
        [project]
        name = "shop"
        scripts = {shop = "shop:main"}
        === shop/__init__.py
        import argparse
        def main():
            parser = argparse.ArgumentParser()
            parser.add_argument("--all")
            parser.parse_args()
        === flake.nix
          postBuild = ''
            makeWrapper ${runtime}/bin/python "$out/bin/shop" \\
              --set SHOP_HOME /srv
          '';
        """,
        """
        === pyproject.toml
        [project]
        name = "shop"
        scripts = {shop = "shop:main"}
        === shop/__init__.py
        import argparse
        def main():
            parser = argparse.ArgumentParser()
            parser.add_argument("--all")
            parser.parse_args()
        === flake.nix
          postBuild = ''
            "$out/bin/shop" \\
              --set SHOP_HOME /srv
          '';
        """,
    ),
    "a task of a folder that only variables tell": (
        """
        === deploy/tasks/up.yaml
        - name: up
          command: ansible-playbook files/install-deps.yaml
          args:
            chdir: "{{ other }}"
        - name: link
          file: {src: "{{ other_dir }}/files/install-deps.yaml", dest: /srv/x, state: link}
        === deploy/files/install-docs.yaml
        - hosts: all
        """,
        """
        === deploy/tasks/up.yaml
        - name: up
          command: ansible-playbook files/install-deps.yaml
        === deploy/files/install-docs.yaml
        - hosts: all
        """,
    ),
    "a build argument whose like has a value of its own": (
        """
        === compose.yaml
        services: {shop: {build: {context: ., args: {SHOP_MODE: fast}}}}
        === Dockerfile
        FROM alpine:3.22
        ARG STORE_MODE=slow
        """,
        """
        === compose.yaml
        services: {shop: {build: {context: ., args: {SHOP_MODE: fast}}}}
        === Dockerfile
        FROM alpine:3.22
        ARG STORE_MODE
        """,
    ),
}
"""What is right, and what is like it that is not."""


@pytest.mark.parametrize("what", PAIRS)
def test_what_is_no_defect_does_not_block(what: str, blocking: Callable[[str], list[str]]) -> None:
    assert blocking(PAIRS[what][0]) == []


@pytest.mark.parametrize("what", PAIRS)
def test_the_defect_that_is_like_it_does(what: str, blocking: Callable[[str], list[str]]) -> None:
    assert blocking(PAIRS[what][1])
