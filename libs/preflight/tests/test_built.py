"""Programs in Go: calls of them with options that stand nowhere in their source."""

from __future__ import annotations

from pathlib import Path

import pytest
from sophia_preflight.engine import check
from sophia_preflight.examples import tree
from sophia_preflight.interfaces.vocabulary import Vocabulary, strange
from sophia_preflight.text import Word

MODULE = """
=== go.mod
module example.com/shop

go 1.24
"""
SERVER = """
=== cmd/till/main.go
package main

import (
    "example.com/shop/internal/options"
    "flag"
)

const shelfFlag = "shelf"

func main() {
    flag.String(shelfFlag, "", "the shelf")
    flag.Bool("quiet", false, "say nothing")
    options.Add()
    flag.Parse()
}
=== internal/options/options.go
package options

import "flag"

func Add() {
    text("listen-address", "where to listen")
}

func text(name, usage string) *string {
    return flag.String(name, "", usage)
}
"""
COBRA = """
=== cmd/shopctl/main.go
package main

import "github.com/spf13/cobra"

func main() {
    root := &cobra.Command{Use: "shopctl"}
    sell := &cobra.Command{Use: "sell NAME", Aliases: []string{"s"}}
    sell.Flags().StringP("price", "p", "", "the price")
    root.AddCommand(sell)
    root.Execute()
}
"""


def said(place: Path, text: str) -> list[str]:
    for path, content in tree(text).items():
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_text(content)
    found = check(place).findings
    return [each.message.partition("take: ")[2] for each in found if each.rule in ("unknown-argument", "wrong-choice")]


def test_an_option_that_a_program_does_not_define_is_said_wherever_it_is_given(tmp_path: Path) -> None:
    callers = """
=== Makefile
serve:
\tgo run ./cmd/till -shelf 3 -listen 80
=== Dockerfile
FROM golang:1.24 AS build
WORKDIR /src
COPY . .
RUN go build -o /out/tilld ./cmd/till
FROM debian:12
COPY --from=build /out/tilld /usr/bin/tilld
ENTRYPOINT ["/usr/bin/tilld", "--silent"]
=== till.service
[Service]
ExecStart=/usr/bin/till -shelf=3 --address :80
"""
    assert sorted(said(tmp_path, MODULE + SERVER + callers)) == [
        "it does not accept `--address`",
        "it does not accept `--silent`",
        "it does not accept `-listen`",
    ]


def test_options_that_a_program_defines_itself_through_its_functions_and_by_constants_are_let_through(
    tmp_path: Path,
) -> None:
    callers = """
=== Makefile
serve:
\tgo run ./cmd/till -shelf -3 -quiet -listen-address=:80 -v=2
\tgo run ./cmd/till --help
"""
    assert said(tmp_path, MODULE + SERVER + callers) == []


def test_where_packages_that_are_not_here_bring_flags_nothing_is_said(tmp_path: Path) -> None:
    calls = "=== Makefile\nx:\n\tgo run ./cmd/till -listen 80\n"
    for number, more in enumerate(("others.AddFlags(flag.CommandLine)", "cmd.FParseErrWhitelist.UnknownFlags = true")):
        source = SERVER.replace("options.Add()", more).replace('"flag"', '"flag"\n    "example.org/others"')
        assert said(tmp_path / str(number), MODULE + source + calls) == []


def test_a_name_that_is_put_together_while_the_program_runs_may_be_any_that_looks_like_it(tmp_path: Path) -> None:
    composed = 'for _, kind := range kinds {\n        flag.String(kind+"-port", "", "")\n    }'
    source = SERVER.replace("options.Add()", composed)
    calls = "=== Makefile\nx:\n\tgo run ./cmd/till -http-port 80\n\tgo run ./cmd/till -http-address 80\n"
    assert said(tmp_path, MODULE + source + calls) == ["it does not accept `-http-address`"]


def test_commands_and_letters_of_cobra_are_known(tmp_path: Path) -> None:
    calls = """
=== run.sh
shopctl sell apples --price 3
shopctl s apples -p3
shopctl sell apples --cost 3
shopctl sell apples -c 3
shopctl buy apples
"""
    assert said(tmp_path, MODULE + COBRA + calls) == [
        "it does not accept `--cost`",
        "it does not accept `-c`",
        "it has no command `buy`: there are `completion`, `help`, `s`, `sell`, `shopctl`",
    ]


@pytest.mark.parametrize(
    ("line", "refused"),
    [
        ("run one --any", False),
        ("--name -x", False),
        ("--other", True),
        ("-- --other", False),
        ("--no-name", False),
    ],
)
def test_what_may_be_meant_for_another_program_is_not_looked_at(line: str, refused: bool) -> None:
    known = Vocabulary(
        "Go", "main.go", options=frozenset({"name"}), valued=frozenset({"name"}), letters=frozenset(),
        commands=frozenset({"run"}), hands_on=True, negates=True,
    )  # fmt: skip
    assert bool(list(strange(known, [Word(each) for each in line.split()]))) is refused


def test_a_program_is_known_by_the_name_that_it_gives_itself_and_by_those_of_its_builds(tmp_path: Path) -> None:
    source = COBRA.replace("cmd/shopctl", "cmd/control")
    calls = "=== run.sh\nshopctl sell a --cost 3\n/usr/bin/control-linux-amd64 sell a --worth 3\n"
    assert said(tmp_path, MODULE + source + calls) == ["it does not accept `--cost`", "it does not accept `--worth`"]


def test_a_page_may_start_a_program_that_is_not_built_yet(tmp_path: Path) -> None:
    page = "=== README.md\n```sh\n./bin/till -shelf 3\n./bin/till -cupboard 3\n```\n"
    assert said(tmp_path, MODULE + SERVER + page) == ["it does not accept `-cupboard`"]


def test_an_image_of_another_registry_by_the_name_of_a_program_starts_it(tmp_path: Path) -> None:
    compose = '=== compose.yaml\nservices:\n  a: {image: "shop/till:latest", command: ["-cupboard=3"]}\n'
    other = '  b: {image: "shop/other:1.2", command: ["-cupboard=3"]}\n'
    other += '  d: {image: "shop/till:v1.2", command: ["-cupboard=3"]}\n'
    other += '  c: {image: "shop/till", command: ["other", "-cupboard=3"]}\n'
    assert said(tmp_path, MODULE + SERVER + compose + other) == ["it does not accept `-cupboard`"]


def test_where_two_libraries_read_options_one_dash_says_nothing(tmp_path: Path) -> None:
    source = COBRA.replace('import "github.com/spf13/cobra"', 'import (\n    "flag"\n    "github.com/spf13/cobra"\n)')
    calls = "=== run.sh\nshopctl sell a -price 3\nshopctl sell a -cost 3\nshopctl sell a --cost 3\n"
    assert said(tmp_path, MODULE + source + calls) == ["it does not accept `--cost`"]


def test_a_command_of_a_project_in_python_is_not_the_program_of_that_name(tmp_path: Path) -> None:
    project = '=== pyproject.toml\n[project]\nname = "till"\n[project.scripts]\ntill = "elsewhere:main"\n'
    calls = "=== run.sh\ntill --cupboard 3\n"
    assert said(tmp_path / "a", MODULE + SERVER + calls) == ["it does not accept `--cupboard`"]
    assert said(tmp_path / "b", MODULE + SERVER + calls + project) == []


NODE = """
=== package.json
{"name": "@shop/till", "bin": {"till": "bin/till.mjs"}, "scripts": {"go": "node bin/till.mjs --cupboard 3"}}
=== bin/till.mjs
import { Command } from 'commander';
import { more } from './more.mjs';
const program = more(new Command());
program.option('-s, --shelf <number>', 'where').parse();
=== bin/more.mjs
export const more = (program) => program.option('--keep-open', 'whether');
"""
RUST = """
=== Cargo.toml
[package]
name = "till"
[dependencies]
clap = "4"
=== src/main.rs
use clap::Parser;

#[derive(Parser)]
struct Settings {
    /// where
    #[arg(short, long, default_value = "1")]
    shelf_number: u32,
    #[arg(long = "listen")]
    address: String,
}
"""


def test_programs_for_node_are_known_where_their_library_refuses_what_it_does_not_know(tmp_path: Path) -> None:
    calls = "=== Makefile\nx:\n\tnode bin/till.mjs --shelf 3 --keep-open --no-keep-open\n\tnpx till --board 3\n"
    assert sorted(said(tmp_path / "a", NODE + calls)) == [
        "it does not accept `--board`",
        "it does not accept `--cupboard`",
    ]
    for number, library in enumerate(("'minimist'", "'commander'; program.allowUnknownOption()")):
        assert said(tmp_path / str(number), NODE.replace("'commander'", library) + calls) == []


def test_programs_in_rust_are_known_by_their_attributes(tmp_path: Path) -> None:
    calls = """
=== Makefile
x:
\tcargo run --release -- --shelf-number 3 --listen :80
\tcargo run -- --address :80
\t./target/release/till --shelf 3 --listen :80
"""
    assert said(tmp_path / "a", RUST + calls) == ["it does not accept `--address`", "it does not accept `--shelf`"]
    open_ended = RUST.replace("#[arg(long =", "#[arg(allow_hyphen_values = true, long =")
    assert said(tmp_path / "b", open_ended + calls) == []


def test_a_command_of_a_python_project_is_not_taken_for_a_program_of_the_same_name(tmp_path: Path) -> None:
    project = '=== {}\n[project]\nname = "till"\nscripts = {{till = "till:main"}}\n=== till.py\n'
    calls = "=== run.sh\ntill --sum 3\n"
    assert said(tmp_path / "one", MODULE + SERVER + calls + project.format("pyproject.toml")) == []
    assert said(tmp_path / "two", MODULE + SERVER + calls + project.format("project.toml"))


def test_the_name_of_a_set_of_flags_is_a_command(tmp_path: Path) -> None:
    program = """
=== main.go
package main

import (
    "flag"
    "os"
)

func main() {
    serve := flag.NewFlagSet("serve", flag.ExitOnError)
    serve.String("config-file", "", "the settings")
    serve.Parse(os.Args[2:])
    exec.Command(flag.Arg(0))
}
=== Dockerfile
FROM golang:1.24
COPY . /src
RUN cd /src && go install .
ENTRYPOINT /usr/bin/shop serve -config /etc/shop.conf
"""
    assert said(tmp_path, MODULE + program) == ["it does not accept `-config`"]
    other = program.replace('("serve"', "(os.Args[1]")
    assert said(tmp_path / "other", MODULE + other) == []


def test_the_flags_of_a_logger_that_is_known_hide_nothing(tmp_path: Path) -> None:
    program = """
=== cmd/till/main.go
package main

import (
    "flag"
    "k8s.io/klog/v2"
)

func main() {
    flag.String("shelf", "", "the shelf")
    klog.InitFlags(nil)
    flag.Parse()
}
=== run.sh
go run example.com/shop/cmd/till --shelf=3 -v=2 -alsologtostderr
go run example.com/shop/cmd/till --shelves=3
"""
    assert said(tmp_path, MODULE + program) == ["it does not accept `--shelves`"]


def test_a_program_goes_by_the_name_that_its_image_gives_it(tmp_path: Path) -> None:
    image = """
=== Dockerfile
FROM golang:1.24 AS build
WORKDIR /src
COPY . .
RUN go build -o server ./cmd/till
FROM gcr.io/distroless/static
COPY --from=build /src/server /usr/local/bin/till-server
=== compose.yaml
services:
  till:
    build: .
    command: ["till-server", "--shelf=3", "--listen=80"]
"""
    assert said(tmp_path, MODULE + SERVER + image) == ["it does not accept `--listen`"]
