"""Programs of ours in texts that nobody here has a grammar for: lists of builds, templates, settings, other shells."""

from __future__ import annotations

from collections.abc import Callable

import pytest

Blocking = Callable[[str], list[str]]
SHOP = """
    === pyproject.toml
    [project]
    name = "shop-tool"
    version = "1"
    [project.scripts]
    shop = "shop.cli:main"
    === shop/__init__.py
    === shop/cli.py
    import argparse


    def main():
        parser = argparse.ArgumentParser()
        commands = parser.add_subparsers(required=True)
        serve = commands.add_parser("serve")
        serve.add_argument("--port")
        serve.add_argument("--secure", action="store_true")
        parser.parse_args()


    if __name__ == "__main__":
        main()
    === tools/paint.py
    import argparse
    parser = argparse.ArgumentParser()
    parser.add_argument("--color")
    parser.add_argument("file")
    parser.parse_args()
"""


def text(path: str, *lines: str) -> str:
    return SHOP + "".join(f"    {each}\n" for each in (f"=== {path}", *lines))


@pytest.mark.parametrize(
    ("path", "lines"),
    [
        ("meson.build", ["made(", "command: [python3, files('tools/paint.py'),", "'--colour', '@INPUT@',", "])"]),
        ("meson.build", ["run_command(python3, 'tools/paint.py', '--colour', 'red', 'a.txt')"]),
        ("run.ps1", ["& python .\\tools\\paint.py --colour red a.txt"]),
        ("start.bat", ["@echo off", "python tools\\paint.py --colour red a.txt"]),
        ("shop.service.j2", ["[Service]", "ExecStart={{ venv }}/bin/shop serve --safe"]),
        ("config/providers.json", ['{"key": "one", "hint": "shop serve --safe"}']),
        ("config/step.yaml", ["steps:", "  - uses: others/vm@v1", "    inside: |", "      shop serve --safe"]),
        ("web/start.ts", ["import { spawn } from 'node:child_process'", "spawn('shop', ['serve', '--safe'])"]),
        ("web/start.js", ["require('child_process').execSync('shop serve --safe')"]),
        ("shop.plist", ["<array>", "</array>", "<string>shop serve --safe</string>"]),
        ("Justfile.txt.tmpl", ["start:", "    shop server --port 3"]),
    ],
)  # fmt: skip
def test_what_no_grammar_reads_is_held_against_the_program(path: str, lines: list[str], blocking: Blocking) -> None:
    found = blocking(text(path, *lines))
    assert len(found) == 1 and ("--colour" in found[0] or "--safe" in found[0] or "server" in found[0])


@pytest.mark.parametrize(
    ("path", "lines"),
    [
        ("meson.build", ["run_command(python3, 'tools/paint.py', '--color', 'red', 'a.txt')"]),
        ("meson.build", ["# run_command(python3, 'tools/paint.py', '--colour', 'red', 'a.txt')"]),
        ("web/start.ts", ["console.log('shop serve --safe')"]),
        ("web/start.ts", ["throw new Error('try a run (shop serve --safe)')"]),
        ("config/step.yaml", ["steps:", "  - args: pytest --cov=src/shop --cov-report=xml"]),
        ("config/step.yaml", ["description: shop serve --safe is gone"]),
        ("pack.nix", ["wrapProgram \\", "  $out/bin/shop --set A b"]),
        ("pack.nix", ["other shop --set A b"]),
        ("shop.plist", ["<!-- it was", "shop serve --safe", "-->"]),
        ("config/providers.json", ['{"hint": "shop serve --port 3 | other --safe"}']),
        ("config/providers.json", ['{"hint": "shop serve ${MORE} --port 3"}']),
    ],
)
def test_what_is_told_or_meant_for_others_is_left(path: str, lines: list[str], blocking: Blocking) -> None:
    assert not blocking(text(path, *lines))


@pytest.mark.parametrize(
    "line",
    [
        "subprocess_run(['mypy', 'tools/paint.py', '--colour', 'x'])",
        "exec.Command('git', 'shop', '--safe')",
        "git('shop', '--safe')",
    ],
)
def test_a_text_within_a_list_is_no_program(line: str, blocking: Blocking) -> None:
    assert not blocking(text("build.star", line))


def test_what_starts_a_text_of_a_list_is_known(blocking: Blocking) -> None:
    assert len(blocking(text("build.star", "run('sudo', 'shop', 'serve', '--safe')"))) == 1
    assert len(blocking(text("build.star", "go(python, path.join('tools', 'paint.py'), '--colour')"))) == 1


@pytest.mark.parametrize(
    ("path", "lines"),
    [
        ("shop.service.in", ["[Service]", "ExecStart=__SHOP_BIN__ serve --safe"]),
        ("pick.applescript", ['do shell script quoted form of shopPath & " serve --safe " & "2>&1"']),
        ("shop.plist", ["<string>__SHOP_BIN__</string>", "  <string>serve</string>", "  <string>--safe</string>"]),
        ("client.json.template", ['{"command": "shop", "args": ["serve", "--safe"]}']),
        ("launch.json", ['{"program": "${workspaceFolder}/tools/paint.py", "args": ["--colour", "red"]}']),
    ],
)
def test_a_program_is_known_by_what_holds_it_or_is_told_beside_it(
    path: str, lines: list[str], blocking: Blocking
) -> None:
    assert len(blocking(text(path, *lines))) == 1


@pytest.mark.parametrize(
    ("path", "lines"),
    [
        ("shop.service.in", ["[Service]", "ExecStart=__OTHER_BIN__ serve --safe"]),
        ("shop.service.in", ["[Service]", "ExecStart=__SHOP_BIN__ serve --port 3"]),
        ("shop.service.in", ["[Service]", "ExecStart=__WORKSHOP_BIN__ serve --safe"]),
        ("shop.plist", ["<string>__SHOP_BIN__</string>", "<string>serve</string>", "<string>--secure</string>"]),
    ],
)
def test_a_program_of_others_is_not_known_so(path: str, lines: list[str], blocking: Blocking) -> None:
    assert not blocking(text(path, *lines))


def test_a_makefile_of_a_part_may_be_made_from_the_root(blocking: Blocking) -> None:
    made = text("lib/Makefile", "remove:", "\t$(Q) python3 ./tools/paint.py --colour red a.txt")
    assert len(blocking(made + "    === Makefile\n    remove:\n    \t$(MAKE) -f lib/Makefile remove\n")) == 1


def test_what_runs_another_program_is_looked_through(blocking: Blocking) -> None:
    line = "sudo unshare -Ucfpm --mount-proc -- bash -c './tools/paint.py --colour red a.txt && true'"
    assert len(blocking(text("run.sh", line))) == 1


def test_a_variable_of_a_script_that_is_named_after_a_program_holds_it(blocking: Blocking) -> None:
    assert len(blocking(text("run.sh", '"${SHOP_BIN}" serve --safe'))) == 1
    assert not blocking(text("run.sh", '"${SHOP_BIN}" serve --secure'))
