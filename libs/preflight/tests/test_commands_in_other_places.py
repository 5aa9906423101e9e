"""Commands of our own that are hidden by their source, or by where they are called: each refused beside another."""

from __future__ import annotations

from pathlib import Path

import pytest
from sophia_preflight import engine
from sophia_preflight.examples import tree

_PROJECT = """
        === pyproject.toml
        [project]
        name = "shop"
        [project.scripts]
        shop = "shop.cli:main"
        === shop/__init__.py
"""
_LOOKING_AHEAD = (
    _PROJECT
    + """
        === shop/settings.py
        import sys


        def add_config(parser):
            import argparse as _parsing

            parser.add_argument("--config")
            ahead = _parsing.ArgumentParser(add_help=False)
            ahead.add_argument("--config")
            found, _ = ahead.parse_known_args(sys.argv[1:])
            print(found.config)
        === shop/cli.py
        import argparse


        def main():
            from shop.settings import add_config

            parser = argparse.ArgumentParser()
            add_config(parser)
            commands = parser.add_subparsers(dest="command")
            admin = commands.add_parser("create-admin")
            admin.add_argument("--display-name", default="")
            args = parser.parse_args()
            print(args)
"""
)
_LOOKING_FIRST = (
    _PROJECT
    + """
        === shop/cli.py
        import argparse


        def main():
            early = argparse.ArgumentParser(add_help=False)
            early.add_argument("--log", required=True)
            known, rest = early.parse_known_args()
            parser = argparse.ArgumentParser()
            parser.add_argument("--display-name")
            print(known, parser.parse_args(rest))
"""
)
_NEWER = (
    _PROJECT
    + """
        === shop/cli.py
        import typer
        app = typer.Typer()
        main = app


        @app.callback()
        def first(): ...


        @app.command()
        def serve(bind: str = typer.Option("127.0.0.1", help="where"), port: int = 8000): ...
        === shop/wiki.py
        from shop.cli import app


        @app.command()
        def wiki(name: str) -> None:
            print(t"{name}")
"""
)
_NEWER_CLICK = (
    _PROJECT
    + """
        === shop/cli.py
        import click
        from shop.more import more, shared


        @click.group()
        def main(): ...


        @main.command()
        @click.option("--bind")
        def serve(bind): ...


        @main.command()
        @shared
        def build(**given): ...


        main.add_command(more)
        === shop/more.py
        import click


        def shared(function):
            return click.option("--place", help=t"{function}")(function)


        @click.command()
        @click.option("--much")
        def more(much): ...
"""
)
_TAKEN_IN = """
        === pyproject.toml
        [project]
        name = "shop"
        [project.scripts]
        shop = "shop.cli.main:cli"
        [tool.hatch.build.targets.wheel]
        packages = ["src/shop"]
        [tool.hatch.build.targets.wheel.force-include]
        "cli" = "shop/cli"
        === src/shop/__init__.py
        === cli/__init__.py
        === cli/main.py
        import sys
        import click

        quiet = "--quiet" in sys.argv
        if quiet:
            sys.argv.remove("--quiet")


        @click.group()
        @click.option("-V", "--version", is_flag=True, is_eager=True)
        def cli(): ...


        @cli.command("eval")
        @click.argument("file")
        @click.option("--verbose", is_flag=True)
        def evaluate(file, verbose): ...
"""
_SOURCES = """
        === pyproject.toml
        [project]
        name = "shop"
        [project.scripts]
        shop = "shop.main:main"
        [tool.hatch.build.targets.wheel]
        sources = {"lib" = "shop"}
        === lib/__init__.py
        === lib/main.py
        import argparse


        def main():
            parser = argparse.ArgumentParser()
            parser.add_argument("--verbose", action="store_true")
            parser.parse_args()
"""
_PARSER = (
    _PROJECT
    + """
        === shop/cli.py
        import argparse


        def main():
            parser = argparse.ArgumentParser()
            parser.add_argument("--mode")
            parser.parse_args()
"""
)
_ENTERED = (
    _PARSER
    + """
        === Dockerfile
        FROM python:3.12
        COPY . /app
        RUN pip install /app
        COPY docker/docker-entrypoint.sh /app/
        ENTRYPOINT ["/app/docker-entrypoint.sh", "shop"]
        === .github/workflows/publish.yml
        on: push
        jobs:
          image:
            runs-on: ubuntu-latest
            steps:
              - uses: actions/checkout@v4
              - uses: docker/build-push-action@v6
                with:
                  context: .
                  push: true
                  tags: sellers/shop:latest
"""
)
_READS_ITS_OWN = (
    _ENTERED
    + """
        === docker/docker-entrypoint.sh
        #!/bin/bash
        for each in "$@"; do
          case "$each" in
            --wait|--later) sleep 5 ;;
            *) words+=("$each") ;;
          esac
        done
        "${words[@]}"
"""
)
_HANDS_ON = (
    _ENTERED
    + """
        === docker/docker-entrypoint.sh
        #!/bin/sh
        set -e
        exec gosu shop "$@"
"""
)
_OVERLAY = (
    _PARSER
    + """
        === compose.yaml
        services:
          web:
            image: ghcr.io/sellers/shop:latest
            command: ["shop", "--mode", "web"]
"""
)
_LOOKING_BACK = (
    _PROJECT
    + """
        === shop/cli.py
        import sys
        import typer
        app = typer.Typer()


        @app.callback()
        def first(verbose: bool = False): ...


        @app.command()
        def serve(mode: str = "a", loud: bool = typer.Option(False, "-v")): ...


        def main():
            try:
                app()
            except KeyError as error:
                print(error)
                if "--verbose" in sys.argv or "-v" in sys.argv:
                    raise
                sys.exit(2)
"""
)
_SERVICE = """
        === compose.yaml
        services:
          shop:
            image: ${SHOP:?which}
            command:
              - serve
              - OPTION
"""
_SAYING = (
    _PROJECT
    + """
        === shop/cli.py
        import argparse
        import logging
        import sys


        def main():
            if "--quiet" in sys.argv:
                logging.disable(0)
            parser = argparse.ArgumentParser()
            parser.add_argument("--mode")
            parser.add_argument("--quiet", action="store_true")
            parser.parse_args()
"""
)
_MIGRATING = """
        === scripts/clean.py
        import argparse
        parser = argparse.ArgumentParser()
        parser.add_argument("--no-vectors", action="store_true")
        parser.parse_args()
"""


def _page(path: str, text: str) -> str:
    return f"        === {path}\n        ```bash\n        {text}\n        ```\n"


_SET = """
        === Makefile
        SET = A="$(A)" \\
            B=1
        one:
        \t$(SET) .venv/bin/shop eval a.json """

CALLS = {
    "a parser of which another reads one option ahead": (
        _LOOKING_AHEAD,
        "        === run.sh\n        shop --config a create-admin --display-name A\n",
        "        === run.sh\n        shop --config a create-admin --name A\n",
    ),
    "a parser that is given what another has left": (
        _LOOKING_FIRST,
        "        === run.sh\n        shop --log a --display-name A\n        shop --display-name A\n",
        "        === run.sh\n        shop --log a --name A\n",
    ),
    "a command beside one that is for a newer Python": (
        _NEWER,
        "        === run.sh\n        shop serve --bind a\n        shop wiki --anything\n        shop --whatever\n",
        "        === run.sh\n        shop serve --host a\n",
    ),
    "a command of click beside a module for a newer Python": (
        _NEWER_CLICK,
        "        === run.sh\n        shop serve --bind a\n        shop build --place b\n        shop more --much 1\n",
        "        === run.sh\n        shop serve --host a\n",
    ),
    "a directory that hatch takes into the package": (
        _TAKEN_IN,
        _SET + "--quiet --verbose\n        \tshop -V\n",
        _SET + "-v\n",
    ),
    "a container of a chart whose words are values": (
        _PARSER
        + """
        === chart/Chart.yaml
        apiVersion: v2
        name: shop
        version: 1.0.0
        === chart/values.yaml
        mode: web
""",
        """
        === chart/templates/web.yaml
        apiVersion: v1
        kind: Pod
        metadata:
          name: web
        spec:
          containers:
            - name: web
              image: sellers/shop
              command:
                - shop
                - --mode
                - {{ .Values.mode | quote }}
        """,
        """
        === chart/templates/web.yaml
        apiVersion: v1
        kind: Pod
        metadata:
          name: web
        spec:
          containers:
            - name: web
              image: sellers/shop
              command:
                - shop
                - --kind
                - {{ .Values.mode | quote }}
        """,
    ),
    "a program that looks at its words once it has failed": (
        _LOOKING_BACK,
        "        === run.sh\n        shop serve --mode a -v\n",
        "        === run.sh\n        shop serve --kind a\n",
    ),
    "an image by a variable whose service is called like the command": (
        _LOOKING_BACK,
        _SERVICE.replace("OPTION", "--mode=a"),
        _SERVICE.replace("OPTION", "--kind=a"),
    ),
    "a program that is quiet if it is told": (
        _SAYING,
        "        === run.sh\n        shop --quiet --mode a\n",
        "        === run.sh\n        shop --quiet --kind a\n",
    ),
    "a directory that hatch calls otherwise": (
        _SOURCES,
        "        === run.sh\n        shop --verbose\n",
        "        === run.sh\n        shop --loud\n",
    ),
    "a page on how data is migrated": (
        _MIGRATING,
        _page("docs/migration/guide.md", "python scripts/clean.py --no-vectors\n        python scripts/gone.py"),
        _page("docs/migration/guide.md", "python scripts/clean.py --skip-vectors"),
    ),
    "a page that lies elsewhere on migrating": (
        _MIGRATING,
        _page("docs/migration/2.0.md", "python scripts/clean.py --skip-vectors"),
        _page("docs/migrate-data.md", "python scripts/clean.py --skip-vectors"),
    ),
    "a command in the environment of a page": (
        _PARSER,
        _page("docs/start.md", "./bin/shop --mode a"),
        _page("docs/start.md", "./bin/shop --kind a"),
    ),
    "an image whose entrypoint has options of its own": (
        _READS_ITS_OWN,
        _page("README.md", "docker run sellers/shop --wait --mode=a"),
        _page("README.md", "docker run sellers/shop --access-mode=a"),
    ),
    "an image whose entrypoint hands on": (
        _HANDS_ON,
        _page("README.md", "docker run sellers/shop --mode=a"),
        _page("README.md", "docker run -p 80:80 \\\n          sellers/shop --access-mode=a"),
    ),
    "a shell in an overlay of a service with our image": (
        _OVERLAY,
        """
        === compose.override.yaml
        services:
          web:
            command:
              - sh
              - -c
              - >-
                shop
                --mode=a
        """,
        """
        === compose.override.yaml
        services:
          web:
            command:
              - sh
              - -c
              - >-
                shop
                --kind=a
                $${MORE:+--more $$MORE}
        """,
    ),
    "a command in the container of a service with our image": (
        _OVERLAY,
        _page("docs/docker.md", "docker compose exec web shop --mode a"),
        _page("docs/docker.md", "docker compose exec web shop --name a"),
    ),
    "a command in the container of an image of others": (
        _PARSER,
        """
        === compose.yaml
        services:
          web:
            image: ghcr.io/others/till:latest
            command: ["sh", "-c", "shop --name a"]
        """,
        """
        === compose.yaml
        services:
          web:
            image: ghcr.io/sellers/shop
            command: ["sh", "-c", "shop --name a"]
        """,
    ),
}


def refused(text: str, root: Path) -> list[str]:
    for path, content in tree(text).items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content)
    rules = ("unknown-argument", "missing-argument", "wrong-choice", "missing-script", "missing-entry-point")
    return [each.rule for each in engine.check(root).blocking if each.rule in rules]


@pytest.mark.parametrize("name", CALLS)
def test_a_call_that_the_command_takes_is_not_told(name: str, tmp_path: Path) -> None:
    assert refused(CALLS[name][0] + CALLS[name][1], tmp_path) == []


@pytest.mark.parametrize("name", CALLS)
def test_a_call_that_the_command_refuses_is_told(name: str, tmp_path: Path) -> None:
    assert refused(CALLS[name][0] + CALLS[name][2], tmp_path)


def test_what_a_program_does_that_looks_at_its_words_and_ends_is_not_known(tmp_path: Path) -> None:
    ending = _SAYING.replace("logging.disable(0)", "sys.exit(other())")
    assert refused(_SAYING + "        === run.sh\n        shop --quiet more\n", tmp_path / "one")
    assert refused(ending + "        === run.sh\n        shop --quiet more\n", tmp_path / "other") == []
