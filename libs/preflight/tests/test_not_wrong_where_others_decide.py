"""What looks wrong because something else decides: a decorator, another package, whoever starts it, another project."""

from __future__ import annotations

from collections.abc import Callable

import pytest

_TYPER = """
        === pyproject.toml
        [project]
        name = "shop"
        [project.scripts]
        shop = "shop.cli:app"
        === shop/__init__.py
        === shop/cli.py
        import getpass
        import typer
        app = typer.Typer(cls=Group)


        @app.command()
        def sell(item: str, by: str = typer.Option(%s)): ...


        @app.command()
        def count(item: str): ...
        === Makefile
        sell:
        \t%s
        """
_GO = """
        === go.mod
        module example.net/shop
        === cmd/shop/main.go
        package main

        import (
        \t"github.com/urfave/cli"
        \t"%s/flags"
        )

        func main() {
        \tapp := cli.NewApp()
        \tapp.Flags = append(%s, cli.StringFlag{Name: "shelf"})
        \tapp.Run(os.Args)
        }
        === try.sh
        go build -o shop ./cmd/shop && ./shop --user me
        """
_IMAGE = """
        === tests/Dockerfile
        FROM golang:1.25
        COPY tests/begin.sh /
        WORKDIR /work
        ENTRYPOINT ["/bin/bash", "-c", "make install && /begin.sh"]
        === tests/begin.sh
        true
        === Makefile
        test:
        \tdocker build -t shop-tests:1 -f tests/Dockerfile .
        \tdocker run --cgroupns private -v `pwd`:%s --env-file ${FILE} shop-tests:1
        install:
        \ttrue
        """
_SCRIPT = """
        === run.py
        import argparse
        parser = argparse.ArgumentParser()
        parser.add_argument("--fast")
        parser.parse_args()
        === all.sh
        #!/bin/bash
        one() { python run.py --fast 1; }
        two() { python run.py --slow 1; }
        one
        %s two
        """
_CONFIGURED = """
        === docs/steps.rst
        It usually looks like this:

        .. code-block:: bash

            $ CONFIG_ENV=foo ./configure --with-flags
            $ make
            $ make check
        === Makefile
        all:
        \ttrue
        """
_VERBS = """
        === Makefile
        all:
        \tpython -m shop
        === shop/__init__.py
        === shop/__main__.py
        import sys
        from shop.config import parse
        if __name__ == "__main__":
            parse(sys.argv[1:])
        === shop/config.py
        import argparse


        def parse(argv):
            argv = list(argv)
            %s
            parser = argparse.ArgumentParser()
            parser.add_argument("verb")
            parser.parse_args(argv)
        """
_CLONE = """
        === install.py
        import os
        from settings_of_hosts import settings
        os.system('%s)
        os.system('cd charts/till && helm dependency build')
        === charts/shop/Chart.yaml
        """
_FETCH = """
        === install.py
        import os
        from settings_of_hosts import settings
        os.system('%s)
        os.system('chmod 700 get_tool.sh && ./get_tool.sh')
        """
_ACTION = """
        === .github/workflows/ci.yml
        on: push
        jobs:
          one:
            runs-on: ubuntu-24.04
            steps:
              - uses: %s.github/actions/begin
                with: {%s: fast}
        === .github/actions/begin/action.yml
        name: begin
        inputs:
          how: {required: true}
        runs:
          using: composite
          steps:
            - run: echo "${{ inputs.how }}"
              shell: bash
        """
PAIRS = {
    "names that a function puts into its module": (
        """
        === shop/__init__.py
        === shop/clock.py
        from public import public
        public(now=print, EPOCH=0)
        === shop/main.py
        from shop.clock import now, EPOCH
        """,
        """
        === shop/__init__.py
        === shop/clock.py
        from public import public
        public(now=print)
        === shop/main.py
        from shop.clock import now, EPOCH
        """,
    ),
    "a default that a function makes": (
        _TYPER.replace("cls=Group", "") % ("default_factory=getpass.getuser", "shop sell tea"),
        _TYPER.replace("cls=Group", "") % ("help='who sells'", "shop sell tea"),
    ),
    "completion of a group with a class of its own": (
        _TYPER % ("'me', '--by'", "shop --install-completion"),
        _TYPER % ("'me', '--by'", "shop --install-everything"),
    ),
    "options that a whole program keeps in one place": (
        """
        === setup.cfg
        [metadata]
        name = shop
        [entry_points]
        console_scripts =
          shop = shop.cmd:main
        === shop/__init__.py
        === shop/common.py
        from oslo_config import cfg
        === shop/old.py
        import argparse
        parser = argparse.ArgumentParser()
        parser.add_argument("--debug")
        === shop/cmd.py
        from shop import common, old


        @common.begun
        def main(settings): ...
        === start.sh
        shop --config-file /etc/shop.conf
        """,
        """
        === setup.cfg
        [metadata]
        name = shop
        [entry_points]
        console_scripts =
          shop = shop.cmd:main
        === shop/__init__.py
        === shop/common.py
        === shop/old.py
        import argparse
        parser = argparse.ArgumentParser()
        parser.add_argument("--debug")
        === shop/cmd.py
        from shop import common, old


        @common.begun
        def main(settings): ...
        === start.sh
        shop --config-file /etc/shop.conf
        """,
    ),
    "options behind the first word that is none": (
        """
        === within.sh
        #!/bin/bash
        while getopts ":hE:" option; do
          case "$option" in
            h|\\?) exit 1 ;;
            E) place=$OPTARG ;;
          esac
        done
        shift $((OPTIND-1))
        "$@"
        === all.sh
        ./within.sh -E here pip install -r requirements.txt
        """,
        """
        === within.sh
        #!/bin/bash
        while getopts ":hE:" option; do
          case "$option" in
            h|\\?) exit 1 ;;
            E) place=$OPTARG ;;
          esac
        done
        shift $((OPTIND-1))
        "$@"
        === all.sh
        ./within.sh -r here pip install
        """,
    ),
    "flags that are one value of another package": (
        _GO % ("example.org/registry", "flags.RegistryFlags"),
        _GO % ("example.org/registry", "own"),
    ),
    "a file of a directory that a command is told to look in": (
        """
        === api/Makefile
        stubs:
        \tprotoc --proto_path=shop/proto --go_out=out shop.proto
        === api/other.proto
        === api/shop/proto/shop.proto
        """,
        """
        === api/Makefile
        stubs:
        \tprotoc --proto_path=shop/pb --go_out=out shop.proto
        === api/other.proto
        === api/shop/proto/shop.proto
        """,
    ),
    "what who starts an image mounts over its directory": (_IMAGE % "/work", _IMAGE % "/other"),
    "a function that nothing of a script calls any more": (_SCRIPT % "#", _SCRIPT % "trap"),
    "the usual steps of other projects": (
        _CONFIGURED,
        _CONFIGURED + "=== configure.ac\n",
    ),
    "a place for an argument that begins with a number": (
        """
        === README.md
        ```bash
        ./tag.py --hash sha256:<64-hex-digest> \\
            --name tea
        ```
        === tag.py
        import argparse
        parser = argparse.ArgumentParser()
        parser.add_argument("--hash", required=True)
        parser.add_argument("--name", required=True)
        parser.parse_args()
        """,
        """
        === README.md
        ```bash
        ./tag.py --hash sha256:<64-hex-digest> \\
            --title tea
        ```
        === tag.py
        import argparse
        parser = argparse.ArgumentParser()
        parser.add_argument("--hash", required=True)
        parser.add_argument("--name")
        parser.parse_args()
        """,
    ),
    "a directory of its reader's that a comment names": (
        """
        === README.md
        ```bash
        # From ~/other/till/ on your laptop:
        make dashboard
        ```
        === Makefile
        all:
        \ttrue
        """,
        """
        === README.md
        ```bash
        # From the top of the repository:
        make dashboard
        ```
        === Makefile
        all:
        \ttrue
        """,
    ),
    "words that are changed before a parser sees them": (
        _VERBS % 'argv += ["--", "build"]',
        _VERBS % "print(argv)",
    ),
    "a file that is removed": (
        """
        === package.json
        {"scripts": {"clean": "rimraf lib shop/_version.py"}}
        === shop/prices.py
        === shop/names.py
        === shop/shelves.py
        """,
        """
        === package.json
        {"scripts": {"weigh": "weigher lib shop/_version.py"}}
        === shop/prices.py
        === shop/names.py
        === shop/shelves.py
        """,
    ),
    "a clone of nobody knows which repository": (
        _CLONE % "git clone ' + settings['where']",
        _CLONE % "git clone https://example.org/other.git'",
    ),
    "a name that is put together with what it is fetched from": (
        _FETCH % "curl -o get_tool.sh' + settings['where']",
        _FETCH % "curl -o other.sh' + settings['where']",
    ),
    "a pattern that a variable holds": (
        """
        === sync.sh
        SOURCE='ui/*.css'
        cp $SOURCE /srv/shop/
        === ui/shop.css
        """,
        """
        === sync.sh
        SOURCE='ui/till.css'
        cp $SOURCE /srv/shop/
        === ui/shop.css
        """,
    ),
    "a key that everybody who uses a program has": (
        """
        === shop/settings.py
        AMPLITUDE_API_KEY = "c97dd2acbf306ab7bf54aca0aeb7ffa1"
        """,
        """
        === shop/settings.py
        PAYMENT_API_KEY = "c97dd2acbf306ab7bf54aca0aeb7ffa1"
        """,
    ),
    "an action of the commit that runs": (
        _ACTION % ("$/", "how"),
        _ACTION % ("$/other/", "how"),
    ),
    "an input of an action of the commit that runs": (
        _ACTION % ("$/", "how"),
        _ACTION % ("$/", "hwo"),
    ),
}
"""What is no defect, and the defect that it could be taken for."""


@pytest.mark.parametrize("what", PAIRS)
def test_what_is_no_defect_does_not_block(what: str, blocking: Callable[[str], list[str]]) -> None:
    assert blocking(PAIRS[what][0]) == []


@pytest.mark.parametrize("what", PAIRS)
def test_the_defect_that_is_like_it_does(what: str, blocking: Callable[[str], list[str]]) -> None:
    assert blocking(PAIRS[what][1])
