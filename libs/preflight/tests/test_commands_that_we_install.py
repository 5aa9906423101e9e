"""Commands of our own programs, wherever they are typed: each call that is refused beside one that is not."""

from __future__ import annotations

from pathlib import Path

import pytest
from sophia_preflight import engine
from sophia_preflight.examples import tree

_CLICK = """
        === pyproject.toml
        [project]
        name = "shop"
        [project.scripts]
        shop = "shop.cli:main"
        === shop/__init__.py
"""
_GROUP = """
        === setup.py
        from setuptools import setup
        setup(name="shop", entry_points={
            "console_scripts": ["shop = shop.cli:main"],
            "shop.commands": ["serve = shop.serve:main"],
        })
        === shop/__init__.py
        === shop/cli.py
        import click
        from importlib.metadata import entry_points
        from click_plugins import with_plugins


        @with_plugins(entry_points(group="shop.commands"))
        @click.group()
        def main(): ...
        === shop/serve.py
        import click


        @click.command(name="serve")
        @click.option("-d", "--database")
        def main(database): ...
        === Dockerfile
        FROM python:3.12
        COPY . /shop
        RUN pip install -e /shop
        ENTRYPOINT ["tini", "--", "shop", "serve"]
"""
_CLASS = (
    _CLICK
    + """
        === shop/cli.py
        import sys
        from typing import Annotated
        import typer


        def _panels(argv):
            for index, each in enumerate(argv):
                if each == "--panel":
                    return {argv[index + 1]}
            return set()


        class CLI:
            def main(self, argv):
                shown = _panels(argv)
                app = self._build(shown)
                return app(argv, standalone_mode=False)

            def _build(self, shown):
                app = typer.Typer(name="shop")

                @app.command()
                def run(
                    panel: Annotated[str, typer.Option("--panel")] = "",
                    all_shops: Annotated[bool, typer.Option("--all-shops")] = False,
                ): ...

                return app


        def main(argv=None):
            argv = argv if argv is not None else sys.argv[1:]
            sys.exit(CLI().main(argv))
"""
)
_FOREIGN = (
    _CLICK
    + """
        === shop/cli.py
        import click
        from warehouse.ui import environment_option, pass_config


        @click.command()
        @environment_option
        @pass_config
        @click.option("--update-stats/--no-update-stats", default=False)
        @click.option("--all-products", "everything", is_flag=True)
        def main(config, update_stats, everything): ...
"""
)
_SHARED = (
    _CLICK
    + """
        === shop/cli.py
        import click


        def common(path_default=None, many=False):
            def wrap(function):
                decorators = [
                    click.option("--kind", default="folder"),
                    click.argument("parent"),
                    click.argument("folder", default=path_default, nargs=-1 if many else 1),
                ]
                for each in reversed(decorators):
                    function = each(function)
                return function

            return wrap


        @click.group()
        def main(): ...


        @main.command("upload")
        @common(many=True)
        @click.option("--flat-folders", is_flag=True)
        def upload(kind, parent, folder, flat_folders): ...
"""
)
_MIRRORED = (
    _CLICK
    + """
        === shop/cli/__init__.py
        import click


        @click.group()
        def main(): ...


        @click.command("train")
        def build(): ...


        main.add_command(build)
        === tests/shop/__init__.py
        === tests/shop/cli/__init__.py
"""
)
_LOADED = """
        === setup.cfg
        [metadata]
        name = shop
        [options.entry_points]
        console_scripts =
            shop = shop.cli:main
        shop.plugins =
            sell = shop.sell:sell
        === shop/__init__.py
        === shop/cli.py
        import click
        from importlib.metadata import entry_points


        @click.group()
        def main(): ...


        for point in entry_points(group="shop.plugins"):
            main.add_command(point.load(), point.name)
        === shop/sell.py
        import click


        @click.command()
        @click.option("--all-shops", is_flag=True)
        def sell(all_shops): ...
"""
_GIVEN = (
    _CLICK
    + """
        === shop/cli.py
        import click


        @click.command()
        @click.option("--all-shops", is_flag=True)
        def sell(all_shops): ...


        @click.group(commands={"sell": sell})
        def main(): ...
"""
)
_MADE = (
    _CLICK
    + """
        === shop/cli.py
        import typer


        def make():
            app = typer.Typer()

            @app.command()
            def sell(all_shops: bool = False): ...

            return app


        def main():
            make()()
"""
)

CALLS = {
    "a group of plug-ins behind the entrypoint of an image": (
        _GROUP,
        """
        === docker-compose.yml
        services:
          shop:
            build: .
            command: --database mongodb://db
        """,
        """
        === docker-compose.yml
        services:
          shop:
            build: .
            command: --mongo mongodb://db
        """,
    ),
    "plug-ins that a loop adds": (
        _LOADED,
        """
        === run.sh
        shop sell --all-shops
        shop other --every-shop
        """,
        """
        === run.sh
        shop sell --every-shop
        """,
    ),
    "commands that a group is given as it is made": (
        _GIVEN,
        """
        === README.md
        ```
        docker compose exec shop \\
            shop sell --all-shops
        ```
        === docker-compose.yml
        services:
          shop:
            build: .
        === Dockerfile
        FROM python:3.12
        COPY . .
        RUN pip install .
        """,
        """
        === README.md
        ```
        docker compose exec shop \\
            shop --sell
        ```
        === docker-compose.yml
        services:
          shop:
            build: .
        === Dockerfile
        FROM python:3.12
        COPY . .
        RUN pip install .
        """,
    ),
    "an app of one command that a function makes": (
        _MADE,
        """
        === run.sh
        shop --all-shops
        """,
        """
        === run.sh
        shop --every-shop
        """,
    ),
    "a plug-in of another package": (
        _GROUP,
        """
        === run.sh
        shop other --mongo a
        """,
        """
        === run.sh
        shop serve --mongo a
        """,
    ),
    "an app that a method makes": (
        _CLASS,
        """
        === README.md
        ```bash
        AWS_CONFIG=/path/to/your/config shop --panel a --all-shops
        shop --install-completion
        ```
        """,
        """
        === README.md
        ```bash
        AWS_CONFIG=/path/to/your/config shop --panel a --sync-all-shops
        ```
        """,
    ),
    "a fence in an indented paragraph of a list": (
        _CLASS,
        """
        === README.md
        1. Run it.

            - For all:

                ```bash
                shop --all-shops
                ```
        """,
        """
        === README.md
        1. Run it.

            - For all:

                ```bash
                shop --all
                ```
        """,
    ),
    "options that decorators of another package bring": (
        _FOREIGN,
        """
        === Makefile
        stats:
        \tshop --env live --log-queries --update-stats
        """,
        """
        === Makefile
        stats:
        \tshop --env live --refresh-stats
        """,
    ),
    "a command of Compose on the line after": (
        _FOREIGN
        + """
        === Dockerfile
        FROM python:3.12
        COPY . /shop
        RUN <<EOF
          pip install /shop
        EOF
        === docker-compose.yml
        services:
          shop:
            build: .
        """,
        """
        === Makefile
        stats:
        \tdocker compose exec -T shop \\
        \t\tshop --update-stats
        """,
        """
        === Makefile
        stats:
        \tdocker compose exec -T shop \\
        \t\tshop --refresh-stats
        """,
    ),
    "a block that does not say that it is a shell's": (
        _FOREIGN,
        """
        === docs/start.rst
        Start
        -----

        .. code-block:: text

            shop --update-stats --all-products

        It then prints::

            shop running with 3 products.
            shop done --all
        """,
        """
        === docs/start.rst
        Start
        -----

        .. code-block:: text

            shop --update-stats --all
        """,
    ),
    "operands that a shared decorator has in a list": (
        _SHARED,
        """
        === docs/upload.rst
        Upload ::

            shop upload 54b6d41a folder --kind user
        """,
        """
        === docs/upload.rst
        Upload ::

            shop upload 54b6d41a folder --leaf-folders
        """,
    ),
    "a command beside tests that mirror its package": (
        _MIRRORED,
        """
        === build.sh
        shop train
        """,
        """
        === build.sh
        shop build
        """,
    ),
    "a command that a heredoc of an image build gives to a shell": (
        _CLASS,
        """
        === Dockerfile
        FROM python:3.12
        COPY . .
        RUN <<EOF
          pip install --upgrade pip
          ./venv/bin/pip install .
        EOF
        RUN <<EOF
          if [ -n "$KEY" ]; then
            shop --panel "$KEY"
          fi
        EOF
        """,
        """
        === Dockerfile
        FROM python:3.12
        COPY . .
        RUN <<EOF
          pip install --upgrade pip
          ./venv/bin/pip install .
        EOF
        RUN <<EOF
          if [ -n "$KEY" ]; then
            shop --key "$KEY"
          fi
        EOF
        """,
    ),
}


def refused(text: str, root: Path) -> list[str]:
    for path, content in tree(text).items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content)
    rules = ("unknown-argument", "missing-argument", "wrong-choice")
    return [each.rule for each in engine.check(root).blocking if each.rule in rules]


@pytest.mark.parametrize("name", CALLS)
def test_a_call_that_the_command_takes_is_not_told(name: str, tmp_path: Path) -> None:
    assert refused(CALLS[name][0] + CALLS[name][1], tmp_path) == []


@pytest.mark.parametrize("name", CALLS)
def test_a_call_that_the_command_refuses_is_told(name: str, tmp_path: Path) -> None:
    assert refused(CALLS[name][0] + CALLS[name][2], tmp_path)
