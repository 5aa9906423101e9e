"""What looks like a defect and is none, each beside what differs little from it and is one."""

from __future__ import annotations

from pathlib import Path

import pytest
from sophia_preflight import engine
from sophia_preflight.examples import tree
from sophia_preflight.model import Tree

PAIRS = {
    "a list of words on lines of their own": (
        """
        === build.sh
        tools="cmd/one
        cmd/two"
        for tool in ${tools}; do
          go build -o "out/${tool}" "./${tool}"
        done
        === go.mod
        module example.com/shop
        === cmd/one/main.go
        package main
        === cmd/two/main.go
        package main
        """,
        """
        === build.sh
        tools="cmd/one
        cmd/three"
        for tool in ${tools}; do
          go build -o "out/${tool}" "./${tool}"
        done
        === go.mod
        module example.com/shop
        === cmd/one/main.go
        package main
        === cmd/two/main.go
        package main
        """,
    ),
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
    "a makefile's target that counts only where a file is": (
        """
        === Makefile
        ifneq (,$(wildcard doc/Makefile))
        README: doc.xml
        \t$(MAKE) -C doc README
        endif
        """,
        """
        === Makefile
        ifneq (,$(DOCUMENTED))
        README: doc.xml
        \t$(MAKE) -C doc README
        endif
        """,
    ),
    "the words of a function of a script that calls itself": (
        """
        === control.sh
        acl() {
          case $1 in show) true ;; *) exit 1 ;; esac
        }
        COMMAND=$1
        shift
        case $COMMAND in acl) acl "$1" extra ;; add) $0 acl show ;; esac
        """,
        """
        === control.sh
        acl() {
          case $1 in show) true ;; *) exit 1 ;; esac
        }
        acl "$@"
        add() { $0 acl show; }
        """,
    ),
    "a script that is read in by one that lies elsewhere": (
        """
        === upgrade/from-one/upgrade-shop
        #!/bin/sh
        upgrade() {
          HERE=$(dirname $(dirname $0))
          . $HERE/library/steps.sh
        }
        === library/steps.sh
        """,
        """
        === upgrade/from-one/upgrade-shop
        #!/bin/sh
        HERE=$(dirname $(dirname $0))
        . $HERE/library/steps.sh
        === library/steps.sh
        """,
    ),
    "a directory that is made on the way to another": (
        """
        === Makefile
        pack:
        \tmkdir -p work/shop-$(VERSION)
        \tcd work; tar -zcf shop.tar.gz shop-$(VERSION)
        """,
        """
        === Makefile
        pack:
        \tmkdir -p shop-$(VERSION)
        \tcd work; tar -zcf shop.tar.gz shop-$(VERSION)
        """,
    ),
    "a clone behind a word that keeps make quiet": (
        """
        === Makefile
        V ?= 0
        quiet_0 = @
        quiet = $(quiet_$(V))
        tool:
        \t$(quiet) git clone --depth 1 $(REPOSITORY) .tool
        \t$(verbose) git clone --depth 1 $(REPOSITORY) other
        \tmake -C .tool
        \tmake -C other
        """,
        """
        === Makefile
        V ?= 0
        quiet_0 = @
        quiet = $(quiet_$(V))
        tool:
        \t$(quiet) sh ./clone.sh
        """,
    ),
    "a program of Go that goreleaser builds elsewhere": (
        """
        === .goreleaser.yml
        builds:
          - {id: till, dir: ./cmd/till, main: ./main.go}
        === cmd/till/main.go
        package main
        """,
        """
        === .goreleaser.yml
        builds:
          - {id: till, dir: ./cmd/till, main: ./man.go}
        === cmd/till/main.go
        package main
        """,
    ),
    "what goreleaser puts beside a Dockerfile": (
        """
        === .goreleaser.yml
        dockers:
          - {dockerfile: Dockerfile.release, extra_files: [LICENSE]}
        === Dockerfile.release
        FROM scratch
        COPY LICENSE /LICENSE
        === LICENSE
        === .dockerignore
        *
        """,
        """
        === Dockerfile.release
        FROM scratch
        COPY LICENSE /LICENSE
        === LICENSE
        === .dockerignore
        *
        """,
    ),
    "packages of Go that are vendored first": (
        """
        === tools/Makefile
        format:
        \tgo build -o $@ ./vendor/golang.org/x/tools/cmd/goimports
        === tools/go.mod
        module tools
        """,
        """
        === tools/Makefile
        format:
        \tgo build -o $@ ./kept/golang.org/x/tools/cmd/goimports
        === tools/go.mod
        module tools
        """,
    ),
    "wheels that another target makes": (
        """
        === Makefile
        WHEELS = $(PWD)/image/.wheels
        wheels:
        \tpip wheel --no-deps --wheel-dir=$(WHEELS) ./lib
        image: wheels
        \tdocker build -f image/Dockerfile image
        === lib/setup.py
        === image/Dockerfile
        FROM python:3.12
        COPY .wheels /tmp/
        """,
        """
        === Makefile
        image:
        \tdocker build -f image/Dockerfile image
        === image/Dockerfile
        FROM python:3.12
        COPY wheelhouse.txt /tmp/
        """,
    ),
    "a failure in a substitution that is lived with": (
        """
        === try.sh
        set -e
        seen=$(cd work && sh ./gone.sh 2>&1 || true)
        === work/there.sh
        """,
        """
        === try.sh
        set -e
        seen=$(cd work && sh ./gone.sh 2>&1 || exit 1)
        === work/there.sh
        """,
    ),
    "options behind words that were taken away": (
        """
        === map.sh
        from="$1"
        shift 1
        while [ "$#" -gt 0 ]; do
          case "$1" in
            --port) port="$2"; shift 2 ;;
            *) exit 1 ;;
          esac
        done
        === all.sh
        sh ./map.sh ./from.tar.gz --port 3
        """,
        """
        === map.sh
        while [ "$#" -gt 0 ]; do
          case "$1" in
            --port) port="$2"; shift 2 ;;
            *) exit 1 ;;
          esac
        done
        === all.sh
        sh ./map.sh ./from.tar.gz --port 3
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
