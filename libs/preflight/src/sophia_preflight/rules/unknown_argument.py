"""An argument that the called program does not accept."""

from __future__ import annotations

from collections.abc import Iterable

from sophia_preflight.calls import matching
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.interfaces.model import Problem
from sophia_preflight.model import Finding, Rule, Severity

RULE = Rule(
    id="unknown-argument",
    title="a program is called with an argument that it does not accept",
    severity=Severity.HIGH,
    why="the program ends with a usage error before it does anything",
    fix="remove the argument, or add it to the program",
    family="arguments",
)


def check(context: Context) -> Iterable[Finding]:
    return matching.findings(context, RULE, Problem.UNKNOWN, Problem.EXTRA, Problem.VALUE)


BAD = [
    tree("""
        === pyproject.toml
        [project]
        name = "shop"
        [project.scripts]
        shop = "shop.cli:cli"
        === shop/__init__.py
        === shop/base.py
        import click


        class Base(click.Group):
            def invoke(self, ctx): ...


        class Careful(Base):
            def main(self, *args, **kwargs): ...
        === shop/cli.py
        import click
        from shop.base import Careful


        @click.group(cls=Careful, context_settings={"help_option_names": ["-h"]})
        def cli(): ...


        @cli.command(cls=click.Command)
        @click.option("--port", type=int)
        def serve(port): ...
        === run.sh
        shop serve --ports 80
    """),
    tree("""
        === .github/workflows/ci.yml
        on: push
        jobs:
          test:
            runs-on: ubuntu-latest
            steps:
              - uses: actions/checkout@v4
              - run: python -m pytest . --cov=shop --database-server=$SERVER
        === tests/conftest.py
        def pytest_addoption(parser):
            parser.addoption("--database-url", dest="database_server")
        === tests/test_shop.py
    """),
    tree("""
        === Makefile
        test:
        \tpytest --keep-databases tests
        === tests/plugin.py
        def pytest_addoption(parser):
            group = parser.getgroup("shop")
            group.addoption("--keep-database", action="store_true")
    """),
    tree("""
        === scripts/deploy.py
        import argparse

        parser = argparse.ArgumentParser()
        parser.add_argument("--environment", required=True)
        parser.parse_args()
        if __name__ == "__main__":
            print("deploying")
        === scripts/all.sh
        cd "$(dirname "$0")"
        python deploy.py --environment production --target platform
    """),
    tree("""
        === tools/ship.py
        import subprocess
        subprocess.run(["python", "tools/push.py", "now", "--force"], check=True)
        === tools/push.py
        import click


        @click.command()
        @click.argument("when")
        def main(when):
            print(when)


        if __name__ == "__main__":
            main()
    """),
    tree("""
        === run.sh
        #!/bin/bash
        while [ $# -gt 0 ]; do
          case "$1" in
            --fast) FAST=1; shift ;;
            --port) PORT="$2"; shift 2 ;;
            *) echo "unknown: $1"; exit 1 ;;
          esac
        done
        === Makefile
        start:
        \tbash run.sh --fast --slow
    """),
    tree("""
        === Makefile
        build:
        \tpython -m jobs.build --all extra
        === jobs/build.py
        import argparse


        def main():
            parser = argparse.ArgumentParser()
            parser.add_argument("--all", action="store_true")
            parser.parse_args()


        if __name__ == "__main__":
            main()
    """),
    tree("""
        === pyproject.toml
        [project]
        name = "shop"
        [project.scripts]
        shop = "shop.cli:main"
        === shop/__init__.py
        === shop/cli.py
        import argparse


        def main():
            parser = argparse.ArgumentParser()
            parser.add_argument("--shelf", required=True)
            parser.add_argument("--form", choices=["csv", "json"])
            parser.parse_args()
        === README.md
        ```bash
        shop --shelf 3 --all
        ```
    """),
    tree("""
        === pyproject.toml
        [project]
        name = "shop"
        [project.scripts]
        shop = "shop.cli:main"
        === src/shop/__init__.py
        === src/shop/cli.py
        import typer
        from shop.commands import serve
        from shop.commands.report import report
        app = typer.Typer()
        app.add_typer(serve.app, name="serve")
        app.command(name="report")(report)
        main = app
        === src/shop/commands/__init__.py
        === src/shop/commands/serve.py
        import typer
        app = typer.Typer()


        @app.command("config")
        def config(port: int = 8000, many: bool = typer.Option(False, "--multi-process")): ...


        @app.command("demo")
        def demo(): ...
        === src/shop/commands/report.py
        from typing import Annotated
        import typer


        def report(as_text: Annotated[bool, typer.Option()] = False): ...
        === Makefile
        start:
        \tshop serve config --port 80 --scalable
    """),
    tree("""
        === tool/__main__.py
        from .cli import cli
        if __name__ == "__main__":
            cli()
        === tool/__init__.py
        === tool/cli.py
        import click
        from .shared import storage


        @click.group()
        def cli(): ...


        @cli.command()
        @storage
        def backup(target): ...
        === tool/shared.py
        import click


        def storage(function):
            function = click.option("--target")(function)
            return click.option("--keep", type=int)(function)
        === run.sh
        python -m tool backup --target a --keep 3 --all
    """),
    tree("""
        === scripts/train.py
        import argparse
        from options import add_data_options


        def main():
            parser = argparse.ArgumentParser()
            add_data_options(parser)
            parser.parse_args()


        if __name__ == "__main__":
            main()
        === scripts/options.py
        def add_data_options(parser):
            group = parser.add_argument_group("data")
            group.add_argument("--folder", required=True)
        === Makefile
        train:
        \tpython scripts/train.py --folder data --epochs 3
    """),
    tree("""
        === pyproject.toml
        [project]
        name = "shop"
        [project.scripts]
        shop = "shop.__main__:main"
        === shop/__init__.py
        === shop/__main__.py
        from shop.cli import create


        def main():
            cli = create()
            cli()
        === shop/cli.py
        import typer
        from shop.plugins import manager


        def create():
            app = typer.Typer()
            manager.hook.add_commands(cli=app)
            return app
        === shop/plugins/__init__.py
        from others import manager
        === shop/plugins/deploy.py
        import typer
        from others import hook


        @hook
        def add_commands(cli: typer.Typer):
            @cli.command()
            def deploy(config: str = typer.Option(..., "--config"), ask: bool = True): ...
        === .github/workflows/ci.yml
        on: push
        jobs:
          one:
            runs-on: ubuntu-latest
            steps:
              - uses: actions/checkout@v4
              - run: pip install .
              - run: shop deploy --config a.yaml --disable-prompt
    """),
    tree("""
        === pyproject.toml
        [project]
        name = "shop"
        [project.scripts]
        shop = "shop.cli:main"
        === shop/__init__.py
        === shop/cli.py
        import argparse


        def main():
            parser = argparse.ArgumentParser()
            parser.add_argument("--bind-host")
            parser.add_argument("--port")
            parser.add_argument("--secure", action="store_true")
            parser.parse_args()
        === start.sh
        #!/bin/sh
        HOST="${HOST:-0.0.0.0}"
        CMD="shop --host $HOST --port $PORT"
        if [ "$SECURE" = true ]; then
          CMD="$CMD --secure"
        fi
        exec $CMD
    """),
    tree("""
        === web/tests/hashes.sh
        #!/bin/bash
        for each in "$@"; do
          case $each in
            --update) UPDATE=1 ;;
            -*) echo "unknown option"; exit 1 ;;
            *) ;;
          esac
        done
        === Makefile
        hashes:
        \tdocker run --rm --mount type=bind,source=$(PWD)/web,target=/src/web \\
        \t\tshop-tests bash web/tests/hashes.sh -u
    """),
    tree("""
        === pyproject.toml
        [project]
        name = "shop-tools"
        [project.scripts]
        shop-tools = "shop:main"
        === shop/__init__.py
        import click


        @click.command()
        @click.option("--tool-groups")
        def main(tool_groups): ...
        === docs/tools.mdx
        <Tabs>
          <Tab>
            ```bash
            uvx shop-tools@latest --toolsets default
            ```
          </Tab>
        </Tabs>
        === README.md
        ```json
        {"mcpServers": {"shop": {"command": "uvx", "args": ["shop-tools", "--toolsets", "default"]}}}
        ```
    """),
    tree("""
        === setup.py
        from setuptools import setup
        COMMANDS = ["shop = shop.cli:main", "till = shop.till:main"]
        setup(name="shop", entry_points={"console_scripts": COMMANDS})
        === shop/__init__.py
        === shop/till.py
        def main(): ...
        === shop/cli.py
        import argparse
        from others import server


        def main(args=None):
            parser = argparse.ArgumentParser()
            commands = parser.add_subparsers()
            commands.required = True
            for command in ("open", "close"):
                inner = commands.add_parser(command)
                inner.add_argument("--shelf")
                if command == "open":
                    inner.add_argument("--port", type=int)
                elif command in ("close",):
                    inner.add_argument("--now", action="store_true")
            parser.parse_args(args)
            server.main(["serve"])
        === systemd/shop.service
        [Service]
        ExecStart=systemd-inhibit --who=shop /opt/shop/bin/shop open --now
    """),
    tree("""
        === tools/copying.py
        import subprocess
        import sys
        PYTHON = sys.executable if sys.executable else "python"


        class Copies:
            FIRST = PYTHON.replace("/", "/")
            PROGRAM = [FIRST, "tools/copy_all.py"]

            def copy(self):
                subprocess.check_call(Copies.PROGRAM + ["--slow"])
        === tools/copy_all.py
        import argparse
        parser = argparse.ArgumentParser()
        parser.add_argument("--fast")
        parser.parse_args()
    """),
    tree("""
        === tools/counting.py
        import subprocess
        subprocess.check_output("python3 /app/tools/count_all.py --slow".split(" "))
        === tools/count_all.py
        import argparse


        class Request:
            def __init__(self):
                self.argv = []

            def add(self, word):
                self.argv.append(word)
                return self.argv[1]


        parser = argparse.ArgumentParser()
        parser.add_argument("--fast")
        parser.parse_args()
    """),
    tree("""
        === Makefile
        ifdef STRICT
        FLAGS = --strict
        else
        FLAGS =
        endif
        tables.h:
        \tpython3 tables.py $(FLAGS)
        === tables.py
        import argparse
        parser = argparse.ArgumentParser()
        parser.add_argument("--pedantic", action="store_true")
        parser.parse_args()
    """),
    tree("""
        === try
        ./tests/trying.py $*
        === tests/trying.py
        import argparse
        parser = argparse.ArgumentParser()
        parser.add_argument("--fast", action="store_true")
        parser.parse_args()
        === .github/workflows/ci.yml
        on: push
        jobs:
          one:
            runs-on: ubuntu-latest
            steps:
              - uses: actions/checkout@v4
              - run: sudo ./try --slow
    """),
    tree("""
        === launch.sh
        #!/bin/bash
        options=$(getopt -o hc: --long help,count: -n "$0" -- "$@") || usage 1
        eval set -- "$options"
        while true; do
          case "$1" in
            -c | --count) COUNT=$2; shift 2 ;;
            --) shift; break ;;
            *) break ;;
          esac
        done
        === Makefile
        launch:
        \tbash launch.sh --size=3
    """),
]
GOOD = [
    tree("""
        === pyproject.toml
        [project]
        name = "shop"
        [project.scripts]
        shop = "shop.cli:cli"
        === shop/__init__.py
        === shop/base.py
        import click


        class Base(click.Group):
            def invoke(self, ctx): ...


        class Careful(Base):
            def main(self, *args, **kwargs): ...
        === shop/cli.py
        import click
        from shop.base import Careful


        @click.group(cls=Careful, context_settings={"help_option_names": ["-h"]})
        def cli(): ...


        @cli.command(cls=click.Command)
        @click.option("--port", type=int)
        def serve(port): ...
        === run.sh
        shop serve --port 80
    """),
    tree("""
        === pyproject.toml
        [project]
        name = "shop"
        [project.scripts]
        shop = "shop.cli:cli"
        === shop/__init__.py
        === shop/base.py
        import click


        class Base(click.Group):
            def __init__(self, *args, **kwargs):
                super().__init__(*args, **kwargs)
                self.params.append(click.Option(["--verbose"]))


        class Careful(Base):
            def main(self, *args, **kwargs): ...
        === shop/cli.py
        import click
        from shop.base import Careful


        @click.group(cls=Careful, context_settings={"help_option_names": ["-h"]})
        def cli(): ...


        @cli.command(cls=click.Command)
        @click.option("--port", type=int)
        def serve(port): ...
        === run.sh
        shop --verbose serve --port 80
    """),
    tree("""
        === Makefile
        test:
        \tpytest --database=x --cov --headless --timeouts=3 --database-server=a tests -- --database-servers
        === tests/conftest.py
        def pytest_addoption(parser):
            parser.addoption("--database-server", dest="server")
            parser.addoption("--headed", dest="headless")
    """),
    tree("""
        === launch.sh
        #!/bin/bash
        if ! options=$(getopt --options=c:v --longoptions count:,verbose,level:: -- "$@"); then exit 1; fi
        eval set -- "$options"
        === forgiving.sh
        options=$(getopt -o c: --long count: -- "$@")
        echo "$options"
        === Makefile
        launch:
        \tbash launch.sh --count 3 -vc4 --verb --level=2 one two
        \tbash forgiving.sh --size 3
    """),
    tree("""
        === scripts/deploy.py
        import argparse


        def common(parser):
            parser.add_argument("-v", "--verbose", action="count")


        def main():
            parser = argparse.ArgumentParser()
            common(parser)
            commands = parser.add_subparsers(dest="command")
            up = commands.add_parser("up", aliases=["start"])
            up.add_argument("--environment", choices=["staging", "production"])
            up.add_argument("names", nargs="*")
            parser.parse_args()


        if __name__ == "__main__":
            main()
        === Makefile
        deploy:
        \tpython scripts/deploy.py -vv start --env staging api web
        \tpython scripts/deploy.py up --environment=production -- api
    """),
    tree("""
        === Makefile
        test:
        \tpython tools/wrap.py --anything goes --here
        \tpython tools/open.py $(ARGS) --flag
        === tools/wrap.py
        import argparse
        parser = argparse.ArgumentParser()
        parser.add_argument("--known")
        args, rest = parser.parse_known_args()
        === tools/open.py
        import argparse
        from elsewhere import add_options
        if __name__ == "__main__":
            parser = argparse.ArgumentParser()
            add_options(parser)
            parser.parse_args()
    """),
    tree("""
        === pyproject.toml
        [project]
        name = "shop"
        [project.scripts]
        shop = "shop:main"
        === shop/__init__.py
        import argparse
        import sys


        def parsers():
            general = argparse.ArgumentParser(add_help=False)
            general.add_argument("--quiet", action="store_true")
            every = argparse.ArgumentParser(parents=[general])
            actions = every.add_subparsers()
            actions.add_parser("sell").add_argument("--price")
            actions.add_parser("buy")
            return general, actions.choices, every


        def main():
            general, actions, every = parsers()
            settings, rest = general.parse_known_args(sys.argv[1:])
            for name in rest:
                actions[name].parse_known_args(rest)
        === README.md
        ```bash
        shop sell buy --price 3 --quiet
        ```
    """),
    tree("""
        === tool.py
        import argparse
        parser = argparse.ArgumentParser()
        commands = parser.add_subparsers()
        for command in ("open", "close"):
            inner = commands.add_parser(command)
            if command != "close":
                inner.add_argument("--port")
            if not command.startswith("c"):
                inner.add_argument("--other")
        parser.parse_args()
        === run.sh
        python tool.py open --port 3
        python tool.py close --other 3
        === scripts/python.sh
        #!/bin/sh
        if [ "$1" = build ]; then shift; fi
        exec ./tool.py open "$@"
        === scripts/all.sh
        ./scripts/python.sh build --slow
    """),
    tree("""
        === pyproject.toml
        [project]
        name = "shop"
        [project.scripts]
        shop = "shop.cli:main"
        === shop/__init__.py
        === shop/cli.py
        import argparse


        def main():
            parser = argparse.ArgumentParser()
            parser.add_argument("--shelf", required=True)
            parser.add_argument("--form", choices=["csv", "json"])
            parser.parse_args()
        === README.md
        Usage:

        ```bash
        shop --shelf SHELF [--form FORM] [one|other]
        shop --shelf 3 --form json
        ```

        It does not take everything:

        ```bash
        shop --shelf 3 --all
        ```
    """),
    tree("""
        === pyproject.toml
        [project]
        name = "shop"
        [project.scripts]
        shop = "shop.cli:app"
        === shop/__init__.py
        === shop/cli.py
        import typer
        from elsewhere import extra
        from shop.serve import app as serving
        app = typer.Typer()
        app.add_typer(serving, name="serve")
        app.add_typer(extra)
        app.command()(extra)
        === shop/serve.py
        import typer
        app = typer.Typer(no_args_is_help=True)


        @app.command("config")
        def config(path: str, port: int = 8000): ...


        @app.command("demo")
        def demo(): ...
        === tool.py
        import click
        from elsewhere import shared


        @click.group()
        def cli(): ...


        @cli.command()
        @shared
        def load(): ...


        @cli.command()
        @click.argument("source")
        @click.argument("targets", nargs=-1)
        def copy(source, targets): ...


        if __name__ == "__main__":
            cli()
        === start.sh
        shop serve config settings.yaml --port 80
        shop other --port 80
        shop --install-completion
        python tool.py load --anything
        python tool.py copy one two three
    """),
    tree("""
        === tools/wizard.sh
        while [ $# -gt 0 ]; do
          case "$1" in
            --fast) shift ;;
            *) exit 1 ;;
          esac
        done
        === setup.sh
        CMD="./tools/wizard.sh --fast"
        if [ -n "$1" ]; then CMD="$CMD $1"; fi
        $CMD
        git clone https://github.com/others/engine
        cd engine
        ./wizard.sh --slow
        cd "$DIRECTORY" && ./setup.sh --slow
        docker run others/image /tools/wizard.py --slow
    """),
]
