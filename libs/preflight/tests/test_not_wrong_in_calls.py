"""Calls that look wrong and are not, each beside what differs little from it and is."""

from __future__ import annotations

from collections.abc import Callable

import pytest

PAIRS = {
    "values of options that a conftest brings": (
        """
        === run.sh
        pytest tests/speed --judge-model Qwen/Judge-1 --settings-file tests/speed/fast.json
        === tests/speed/test_one.py
        """,
        """
        === run.sh
        pytest tests/speeds --judge-model Qwen/Judge-1
        === tests/speed/test_one.py
        """,
    ),
    "a program that tells a shell what can be typed": (
        """
        === complete.sh
        reply=$(env WORDS="$*" _SHOP_COMPLETE=complete_zsh python shop.py)
        === shop.py
        import argparse
        parser = argparse.ArgumentParser()
        parser.add_argument("inventory")
        parser.parse_args()
        """,
        """
        === complete.sh
        reply=$(env WORDS="$*" python shop.py)
        === shop.py
        import argparse
        parser = argparse.ArgumentParser()
        parser.add_argument("inventory")
        parser.parse_args()
        """,
    ),
    "a branch of a makefile that is never taken": (
        """
        === Makefile
        USE_PGXS = true
        ifdef USE_PGXS
        include $(PGXS)
        else
        include gone/Makefile.global
        endif
        """,
        """
        === Makefile
        USE_PGXS =
        ifdef USE_PGXS
        include $(PGXS)
        else
        include gone/Makefile.global
        endif
        """,
    ),
    "words behind the two dashes that end the options": (
        """
        === box.sh
        while test $# -gt 0; do
          case "$1" in
            --port) port="$2"; shift 2 ;;
            --) shift; break ;;
            *) exit 2 ;;
          esac
        done
        "$@"
        === all.sh
        sh box.sh --port 80 -- lein test
        """,
        """
        === box.sh
        while test $# -gt 0; do
          case "$1" in
            --port) port="$2"; shift 2 ;;
            *) exit 2 ;;
          esac
        done
        === all.sh
        sh box.sh --port 80 lein test
        """,
    ),
    "the end of a path that is taken off": (
        """
        === scripts/shop-cli
        #!/usr/bin/env bash
        self="$0"
        LIB="${self/%shop-cli/}"
        exec php -q "${LIB}shop.php" "$@"
        === scripts/shop.php
        """,
        """
        === scripts/shop-cli
        #!/usr/bin/env bash
        self="$0"
        LIB="${self/shop-cli/}"
        exec php -q "${LIB}till.php" "$@"
        === scripts/shop.php
        """,
    ),
    "a program that tools of Go put into a directory of theirs": (
        """
        === go.mod
        module shop
        === check.sh
        GOBIN="$PWD/bin" script/tools.sh
        "$PWD/bin/cover" < cover.out
        === script/tools.sh
        """,
        """
        === check.sh
        script/tools.sh
        "$PWD/bin/cover" < cover.out
        === script/tools.sh
        """,
    ),
    "tests that a part of their path is given for": (
        """
        === test.sh
        cd web && pnpm exec playwright test folder.spec.ts
        === web/one.spec.ts
        === web/foldes.spec.ts
        === web/package.json
        {"devDependencies": {"playwright": "^1"}}
        """,
        """
        === test.sh
        cd web && node folder.spec.ts
        === web/one.spec.ts
        === web/package.json
        {"devDependencies": {"playwright": "^1"}}
        """,
    ),
    "a call that prints what make knows": (
        """
        === Makefile
        list:
        \t@$(MAKE) -pRrn : -f $(MAKEFILE_LIST) | sort
        """,
        """
        === Makefile
        list:
        \t@$(MAKE) -Rrn every -f $(MAKEFILE_LIST) | sort
        """,
    ),
    "options that patterns of a case begin with": (
        """
        === .github/workflows/ci.yml
        on: push
        jobs:
          test:
            runs-on: ubuntu-latest
            steps:
              - uses: actions/checkout@v5
              - run: |
                  bash try.sh --configs=all.txt --with-zip
                  bash try.sh --configs all.txt -c=all.txt
        === try.sh
        while [ $# -gt 0 ]; do
          case "$1" in
            --configs* | -c*)
              if [[ "$1" != *=* ]]; then shift; fi
              configs="${1#*=}" ;;
            --with-*) echo "${1#--with-}" ;;
            *) echo "no such option" >&2; exit 1 ;;
          esac
          shift
        done
        """,
        """
        === .github/workflows/ci.yml
        on: push
        jobs:
          test:
            runs-on: ubuntu-latest
            steps:
              - uses: actions/checkout@v5
              - run: bash try.sh --settings=all.txt --with-zip
        === try.sh
        while [ $# -gt 0 ]; do
          case "$1" in
            --configs* | -c*)
              if [[ "$1" != *=* ]]; then shift; fi
              configs="${1#*=}" ;;
            --with-*) echo "${1#--with-}" ;;
            *) echo "no such option" >&2; exit 1 ;;
          esac
          shift
        done
        """,
    ),
    "options that a pattern of a case stands for": (
        """
        === Makefile
        all:
        \t./try.sh --fast -v
        === try.sh
        for each in "$@"; do
          case "$each" in
            --@(fast|slow)) ;;
            -[vq]) ;;
            *) exit 1 ;;
          esac
        done
        """,
        """
        === Makefile
        all:
        \t./try.sh --fast -v
        === try.sh
        for each in "$@"; do
          case "$each" in
            --slow) ;;
            -v) ;;
            *) exit 1 ;;
          esac
        done
        """,
    ),
    "an array that is filled while the script runs": (
        """
        === run.sh
        set -e
        words=()
        mapfile -d '' -t words < <(jq -j '.[]' words.json)
        python3 load.py "${words[@]}" --port=1
        === load.py
        import argparse
        parser = argparse.ArgumentParser()
        parser.add_argument("--port", required=True)
        print(parser.parse_args())
        """,
        """
        === run.sh
        set -e
        words=(one)
        python3 load.py "${words[@]}" --port=1
        === load.py
        import argparse
        parser = argparse.ArgumentParser()
        parser.add_argument("--port", required=True)
        print(parser.parse_args())
        """,
    ),
    "a module that a helper of setup.py has compiled": (
        """
        === setup.py
        from setuptools import setup
        from builds import extensions
        setup(name="shop", packages=["shop"], ext_modules=extensions())
        === builds/__init__.py
        from setuptools import Extension
        def extensions():
            return [Extension(name="shop.sums", sources=["csrc/sums.cpp"])]
        === shop/__init__.py
        === shop/main.py
        from shop.sums import add
        === try.sh
        python -c "from shop.sums import add; print(add(1, 2))"
        """,
        """
        === setup.py
        from setuptools import setup
        from builds import extensions
        setup(name="shop", packages=["shop"], ext_modules=extensions())
        === builds/__init__.py
        from setuptools import Extension
        def extensions():
            return [Extension(name="shop.totals", sources=["csrc/sums.cpp"])]
        === shop/__init__.py
        === shop/main.py
        from shop.sums import add
        """,
    ),
    "a program in Go that a package from elsewhere makes": (
        """
        === go.mod
        module example.com/shop

        go 1.24
        === cmd/shopctl/main.go
        package main

        import (
            "os"

            "github.com/others/ctr/app"
            "github.com/urfave/cli"
        )

        func main() {
            app := app.New()
            flags := []cli.Flag{cli.StringFlag{Name: "shelf"}}
            app.Commands = append(app.Commands, cli.Command{Name: "pull", Flags: flags})
            if err := app.Run(os.Args); err != nil {
                os.Exit(1)
            }
        }
        === run.sh
        set -e
        shopctl --namespace=till pull --plain-http
        """,
        """
        === go.mod
        module example.com/shop

        go 1.24
        === cmd/shopctl/main.go
        package main

        import (
            "os"

            "github.com/others/ctr/app"
            "github.com/urfave/cli"
        )

        func main() {
            shop := cli.NewApp()
            flags := []cli.Flag{cli.StringFlag{Name: "shelf"}}
            shop.Commands = append(shop.Commands, cli.Command{Name: "pull", Flags: flags})
            if err := shop.Run(os.Args); err != nil {
                os.Exit(app.Code(err))
            }
        }
        === run.sh
        set -e
        shopctl --namespace=till pull --plain-http
        """,
    ),
    "a program of Python 2 that asks for `python`": (
        """
        === run.sh
        set -e
        ./measure.py --op=run
        === measure.py
        #!/usr/bin/env python
        import sys
        print "begin"
        print 'end', sys.argv
        """,
        """
        === run.sh
        set -e
        ./measure.py --op=run
        === measure.py
        #!/usr/bin/env python
        import sys
        print("begin")
        print 'end', sys.argv
        """,
    ),
    "the public key of somebody else's server": (
        """
        === conf/fuzzy.conf
        rule "others" {
          servers = "fuzzy.example.net:11335";
          encryption_key = "icy63itbhhni8bq15ntp5n5symuixf73s1kpjh6skaq4e7nx5fiy";
        }
        === conf/push.toml
        # the public key that browsers are told
        auth_key = "BK7vQ2mZp9LxT4wYc8Rj3NsFh6Dg1Ua5Ek0Ob"
        """,
        """
        === conf/push.toml
        # the key that browsers are not told
        auth_key = "BK7vQ2mZp9LxT4wYc8Rj3NsFh6Dg1Ua5Ek0Ob"
        """,
    ),
    "options that a program changes once its typer has made them": (
        """
        === pyproject.toml
        [project]
        name = "shop"
        [project.scripts]
        shop = "shop.main:main"
        === shop/__init__.py
        === shop/stock.py
        import typer
        stock_app = typer.Typer(name="stock")

        @stock_app.command()
        def reset(fast: bool = False) -> None: ...

        @stock_app.command()
        def create() -> None: ...
        === shop/main.py
        import typer
        from shop.stock import stock_app
        app = typer.Typer()
        app.add_typer(stock_app, name="stock")

        @app.callback()
        def bootstrap(ctx: typer.Context, **kwargs: str) -> None: ...

        def main() -> None:
            cli: object = typer.main.get_command(app)
            install(cli)
            cli()

        def install(cli) -> None:
            for each in cli.params:
                each.nargs = 2
        === run.sh
        set -e
        shop --colour=red stock reset --slow 1 2
        """,
        """
        === pyproject.toml
        [project]
        name = "shop"
        [project.scripts]
        shop = "shop.main:main"
        === shop/__init__.py
        === shop/stock.py
        import typer
        stock_app = typer.Typer(name="stock")

        @stock_app.command()
        def reset(fast: bool = False) -> None: ...

        @stock_app.command()
        def create() -> None: ...
        === shop/main.py
        import typer
        from shop.stock import stock_app
        app = typer.Typer()
        app.add_typer(stock_app, name="stock")

        @app.callback()
        def bootstrap(ctx: typer.Context, **kwargs: str) -> None: ...

        def main() -> None:
            cli: object = typer.main.get_command(app)
            install(cli)
            cli()

        def install(cli) -> None:
            for each in cli.params:
                each.nargs = 2
        === run.sh
        set -e
        shop stock recreate
        """,
    ),
    "commands that Flask and what extends it bring": (
        """
        === pyproject.toml
        [project]
        name = "shop"
        [project.scripts]
        shop = "shop.main:cli"
        === shop/__init__.py
        === shop/main.py
        import click
        from flask.cli import FlaskGroup
        from shop.app import create

        @click.group(cls=FlaskGroup, create_app=create)
        def cli() -> None: ...
        === shop/app.py
        from flask import Flask
        def create() -> Flask:
            app = Flask("shop")
            import shop.stock
            return app
        === shop/stock.py
        import click
        from flask import current_app as app
        from flask.cli import with_appcontext

        @click.group("stock")
        def stock() -> None: ...

        @stock.command("add")
        @with_appcontext
        @click.option("--shelf", type=(str, int))
        def add(shelf: str) -> None: ...

        def counted(fields):
            def decorator(command):
                for each in fields:
                    command = click.option(*each.names)(command)
                return command
            return decorator

        @stock.command("count")
        @with_appcontext
        @counted(Fields)
        def count(**fields: str) -> None: ...

        app.cli.add_command(stock)
        === run.sh
        set -e
        shop db upgrade --sql
        shop stock add --shelf one 3
        shop stock count --of all
        """,
        """
        === pyproject.toml
        [project]
        name = "shop"
        [project.scripts]
        shop = "shop.main:cli"
        === shop/__init__.py
        === shop/main.py
        import click
        from flask.cli import FlaskGroup
        from shop.app import create

        @click.group(cls=FlaskGroup, create_app=create)
        def cli() -> None: ...
        === shop/app.py
        from flask import Flask
        def create() -> Flask:
            app = Flask("shop")
            import shop.stock
            return app
        === shop/stock.py
        import click
        from flask import current_app as app
        from flask.cli import with_appcontext

        @click.group("stock")
        def stock() -> None: ...

        @stock.command("add")
        @with_appcontext
        @click.option("--shelf", type=(str, int))
        def add(shelf: str) -> None: ...

        def counted(fields):
            def decorator(command):
                for each in fields:
                    command = click.option(*each.names)(command)
                return command
            return decorator

        @stock.command("count")
        @with_appcontext
        @counted(Fields)
        def count(**fields: str) -> None: ...

        app.cli.add_command(stock)
        === run.sh
        set -e
        shop stock add --row 3
        """,
    ),
    "a path that each reader of a page puts in": (
        """
        === docs/use.md
        ```bash
        ./load.sh fast /path/to/file ./path/to/more.sh
        cd /path/to/shop
        ./load.sh fast
        ```
        === docs/specs/past.md
        ```bash
        ./load.sh faster
        ```
        === load.sh
        case "$1" in
          fast) ;;
          *) exit 1 ;;
        esac
        """,
        """
        === docs/use.md
        ```bash
        ./load.sh faster /path/to/file
        ```
        === load.sh
        case "$1" in
          fast) ;;
          *) exit 1 ;;
        esac
        """,
    ),
}
"""What is no defect, and the defect that it could be taken for."""


@pytest.mark.parametrize("what", PAIRS)
def test_what_is_no_defect_does_not_block(what: str, blocking: Callable[[str], list[str]]) -> None:
    assert blocking(PAIRS[what][0]) == []


@pytest.mark.parametrize("what", PAIRS)
def test_the_defect_that_is_like_it_does(what: str, blocking: Callable[[str], list[str]]) -> None:
    assert blocking(PAIRS[what][1])
