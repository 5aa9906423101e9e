"""What looks like a defect and is none, each beside what differs little from it and is one."""

from __future__ import annotations

from pathlib import Path

import pytest
from sophia_preflight import engine
from sophia_preflight.examples import tree
from sophia_preflight.model import Tree
from sophia_preflight.rules import committed_secret

_KEY = str(committed_secret.BAD[2]["service/account.json"]).split('"')[-2].replace("\\n", "\n")
_RANDOM = "Zq7KaXFstRKI9hTdWM7" + "DQq56GglRHf2HW7"
_WEBHOOK = "https://hooks.slack.com/services/" + "T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7"

PAIRS = {
    "a Dockerfile that m4 makes": (
        """
        === docker/Dockerfile.deb.m4
        define(`VERSION', `12')dnl
        FROM debian:VERSION
        """,
        """
        === docker/Dockerfile.deb
        define(`VERSION', `12')dnl
        FROM debian:VERSION
        """,
    ),
    "flags of RUN on the next line": (
        """
        === Dockerfile
        FROM golang:1.25
        WORKDIR /src
        COPY . /src
        RUN \\
            --network=none \\
            ./build.sh
        === build.sh
        """,
        """
        === Dockerfile
        FROM golang:1.25
        WORKDIR /src
        COPY . /src
        RUN \\
            --network=none \\
            ./compile.sh
        === build.sh
        """,
    ),
    "a directory that a command was given before": (
        """
        === try.sh
        name="over-stdin"
        git init "$name"
        cd "$name" && make
        """,
        """
        === try.sh
        name="over-stdin"
        ls "$name"
        cd "$name" && make
        """,
    ),
    "a directory that is a clone": (
        """
        === install.sh
        cd source-of-git
        git checkout "$1"
        make install
        """,
        """
        === install.sh
        cd source-of-git
        make install
        """,
    ),
    "a directory from where a function of another script has gone": (
        """
        === suite/Makefile
        check:
        \t. ./environment.sh && begin && cd suite && ls
        === suite/environment.sh
        begin() { cd ..; }
        """,
        """
        === suite/Makefile
        check:
        \t. ./environment.sh && cd suite && ls
        === suite/environment.sh
        begin() { cd ..; }
        """,
    ),
    "a directory that a substitution changes to": (
        """
        === version.sh
        #!/bin/sh
        cd "$(dirname "$0")"
        version=$(cd tools && python3 -c "print(1)")
        === tools/matrix.py
        """,
        """
        === version.sh
        #!/bin/sh
        cd "$(dirname "$0")"
        version=$(cd tool && python3 -c "print(1)")
        === tools/matrix.py
        """,
    ),
    "words after options that a loop ends at": (
        """
        === publish.sh
        ./releases.sh -o out.json /srv/files
        === releases.sh
        while [ -n "$1" -a -z "${1##-*}" ]; do
          case "$1" in
            -o) OUTPUT="$2"; shift 2 ;;
            *) exit 1 ;;
          esac
        done
        """,
        """
        === publish.sh
        ./releases.sh -o out.json /srv/files
        === releases.sh
        while [ -n "$1" ]; do
          case "$1" in
            -o) OUTPUT="$2"; shift 2 ;;
            *) exit 1 ;;
          esac
        done
        """,
    ),
    "a target of a makefile that several repositories share": (
        """
        === Makefile
        include common.mk
        === common.mk
        # Rules to be reused in different shop projects.
        proto:
        \t./scripts/generate.sh
        """,
        """
        === Makefile
        include common.mk
        === common.mk
        # Rules of this project.
        proto:
        \t./scripts/generate.sh
        """,
    ),
    "the name of what a service keeps": (
        """
        === settings.kts
        token = "credentialsJSON:1312c856-0e13-4b04-8c40-ac26d4a5f700"
        """,
        """
        === settings.kts
        token = "Zq7KaXFstRKI9hTdWM7DQq56GglRHf2HW7"
        """,
    ),
    "a password that stands for one": (
        """
        === form.php
        $dummyPassword = '_web_form_5847ed1B5b8caQ';
        """,
        """
        === form.php
        $adminPassword = '_web_form_5847ed1B5b8caQ';
        """,
    ),
    "a key that a test is made with": (
        f"""
        === tls/pair.go
        var testKey = []byte(`
        {_KEY.replace(chr(10), chr(10) + " " * 8)}
        `)
        """,
        f"""
        === tls/pair.go
        var signingKey = []byte(`
        {_KEY.replace(chr(10), chr(10) + " " * 8)}
        `)
        """,
    ),
    "a parser that another module fills": (
        """
        === run.sh
        shop analyze blame
        === pyproject.toml
        [project]
        name = "shop"
        scripts = {shop = "shop.main:main"}
        === shop/__init__.py
        === shop/main.py
        import argparse


        def main():
            parser = argparse.ArgumentParser()
            analyze = parser.add_subparsers().add_parser("analyze")
            from shop.analyze import get_parser as analyze_parser

            analyze_parser(analyze)
            parser.parse_args()
        === shop/analyze.py
        import argparse


        def get_parser(parser=None):
            if not parser:
                parser = argparse.ArgumentParser()
            parser.add_argument("what")
            return parser
        """,
        """
        === run.sh
        shop analyze blame
        === pyproject.toml
        [project]
        name = "shop"
        scripts = {shop = "shop.main:main"}
        === shop/__init__.py
        === shop/main.py
        import argparse


        def main():
            parser = argparse.ArgumentParser()
            analyze = parser.add_subparsers().add_parser("analyze")
            from shop.analyze import get_parser as analyze_parser

            analyze_parser(analyze)
            parser.parse_args()
        === shop/analyze.py
        import argparse


        def get_parser(parser=None):
            if not parser:
                parser = argparse.ArgumentParser()
            parser.add_argument("--what")
            return parser
        """,
    ),
    "a program of Perl that makes a makefile": (
        """
        === bindings/Makefile.PL
        use ExtUtils::MakeMaker;
        """,
        """
        === bindings/Makefile.pm
        use ExtUtils::MakeMaker;
        """,
    ),
    "a script that autoconf makes in the image": (
        """
        === Dockerfile
        FROM debian:13
        WORKDIR /src
        COPY . /src
        RUN ./bootstrap.sh && ./configure --prefix=/usr && make
        === bootstrap.sh
        autoreconf -i
        === configure.ac
        === Makefile.am
        """,
        """
        === Dockerfile
        FROM debian:13
        WORKDIR /src
        COPY . /src
        RUN ./bootstrap.sh && ./configure --prefix=/usr && make
        === bootstrap.sh
        autoreconf -i
        """,
    ),
    "a webhook in a comment that says what one looks like": (
        f"""
        === plugins/chat.py
        # You will get an address that looks something like this:
        #   {_WEBHOOK}
        """,
        f"""
        === plugins/chat.py
        # The channel of production:
        #   {_WEBHOOK}
        """,
    ),
    "a token for what runs on one's own machine": (
        f"""
        === shop.conf
        [graphs]
        url = https://graphs.shop.dev

        [influxdb2]
        host = localhost
        token = {_RANDOM}
        """,
        f"""
        === shop.conf
        [graphs]
        host = localhost

        [influxdb2]
        token = {_RANDOM}
        """,
    ),
    "a key that every copy of a program reports with": (
        f"""
        === shop/telemetry.py
        TOKEN = "{_RANDOM}"
        """,
        f"""
        === shop/payments.py
        TOKEN = "{_RANDOM}"
        """,
    ),
    "what an installed program shows to a service": (
        f"""
        === login/flow.go
        var oauthClientSecret = "{_RANDOM}"
        """,
        f"""
        === login/flow.yaml
        oauthClientSecret: {_RANDOM}
        """,
    ),
    "a program that automake is told to build": (
        """
        === client/run.sh
        cd "$(dirname "$0")"
        ./shop-ws --port 1
        === Makefile.am
        libexec_PROGRAMS += shop-ws
        """,
        """
        === client/run.sh
        cd "$(dirname "$0")"
        ./shop-ws --port 1
        === Makefile.am
        libexec_SCRIPTS += shop-ws
        """,
    ),
    "a program of an environment that was just made": (
        """
        === README.md
        ```bash
        python3 -m venv shop
        shop/bin/shop --help
        ```
        === shop/bin/other
        """,
        """
        === README.md
        ```bash
        python3 -m pip shop
        shop/bin/shop --help
        ```
        === shop/bin/other
        """,
    ),
    "a package that a module of ours is only called like": (
        """
        === shop/export/robot.py
        SCRIPT = "print(1)"
        === shop/export/run.py
        import subprocess
        subprocess.run(["python", "-c", "from robot.data import load"], check=True)
        === shop/__init__.py
        === shop/export/__init__.py
        """,
        """
        === shop/export/robot/__init__.py
        SCRIPT = "print(1)"
        === shop/export/run.py
        import subprocess
        subprocess.run(["python", "-c", "from robot.data import load"], check=True)
        === shop/__init__.py
        === shop/export/__init__.py
        """,
    ),
    "a Dockerfile of the directory that the reader has chosen": (
        """
        === docker/README.md
        ```bash
        docker build -t shop -f Dockerfile .
        ```
        === docker/debian12/Dockerfile
        FROM debian:12
        """,
        """
        === docker/README.md
        ```bash
        docker build -t shop -f Dockerfile .
        ```
        === docker/debian12/Containerfile
        FROM debian:12
        """,
    ),
    "a key that only a test names": (
        f"""
        === src/ca/alice.key
        {_KEY.replace(chr(10), chr(10) + " " * 8)}
        === src/ca/generate.sh
        openssl genrsa -out alice.key
        === src/test-server.c
        static const char *key = "ca/alice.key";
        === Makefile.am
        EXTRA_DIST = src/ca/alice.key
        """,
        f"""
        === src/ca/alice.key
        {_KEY.replace(chr(10), chr(10) + " " * 8)}
        === src/ca/generate.sh
        openssl genrsa -out alice.key
        === src/server.c
        static const char *key = "ca/alice.key";
        === Makefile.am
        EXTRA_DIST = src/ca/alice.key
        """,
    ),
}
"""What is no defect, and the defect that it could be taken for."""


def _blocking(root: Path, example: Tree) -> list[str]:
    for path, text in example.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return [f"{each.place}: {each.message}" for each in engine.check(root).blocking]


@pytest.mark.parametrize("what", PAIRS)
def test_what_is_no_defect_does_not_block(what: str, tmp_path: Path) -> None:
    assert _blocking(tmp_path, tree(PAIRS[what][0])) == []


@pytest.mark.parametrize("what", PAIRS)
def test_the_defect_that_is_like_it_does(what: str, tmp_path: Path) -> None:
    assert _blocking(tmp_path, tree(PAIRS[what][1]))


def test_a_script_that_autoconf_made_is_not_followed(tmp_path: Path) -> None:
    text = "#!/bin/sh\n# Generated by GNU Autoconf 2.71\nsh ./gone.sh\n"
    assert not _blocking(tmp_path, {"configure": text})
    assert _blocking(tmp_path, {"configure": text.replace("Generated", "Meant")})
    libtool = "#!/bin/sh\n## DO NOT EDIT - This file generated from ./ltmain.in\nsh ./gone.sh\n"
    assert not _blocking(tmp_path / "two", {"ltmain.sh": libtool})


def test_what_one_cause_does_in_a_file_is_one_finding_with_every_place(tmp_path: Path) -> None:
    (tmp_path / "all.sh").write_text("one() { sh ./gone.sh; }\ntwo() { sh ./gone.sh; }\none\ntwo\nsh ./lost.sh\n")
    found = engine.check(tmp_path).blocking
    assert [[each.place.line for each in finding.places] for finding in found] == [[1, 2], [5]]


def test_a_binary_file_whose_name_promises_no_text_is_passed_over(tmp_path: Path) -> None:
    for name in ("index", "settings.json"):
        (tmp_path / name).write_bytes(b"DIRC\0\0\0\2")
    assert [each.place.path for each in engine.check(tmp_path).findings] == ["settings.json"]
