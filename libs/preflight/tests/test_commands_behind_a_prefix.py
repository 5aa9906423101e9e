"""Commands that a variable stands before, scripts of one package of several, and what is only printed."""

from __future__ import annotations

from pathlib import Path

import pytest
from sophia_preflight import engine
from sophia_preflight.examples import tree

SERVICE = "[Service]\nWorkingDirectory=/opt/shop\nExecStart{0}/usr/bin/python3 tools/warm.py\n"


def told(root: Path, text: str) -> list[str]:
    for path, content in tree(text).items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content)
    return [each.rule for each in engine.check(root).findings if each.blocking]


@pytest.mark.parametrize(
    "line",
    [
        "dry=${DRY:+echo}\n$dry bash tools/gone.sh",
        "$SUDO bash tools/gone.sh",
        "$DRY_RUN bash tools/gone.sh",
    ],
)
def test_what_a_variable_stands_before_is_run(tmp_path: Path, line: str) -> None:
    assert told(tmp_path, f"=== run.sh\n{line}\n=== tools/there.sh\ntrue\n") == ["missing-script"]


def test_what_may_run_elsewhere_is_not_looked_for_here(tmp_path: Path) -> None:
    assert told(tmp_path, "=== run.sh\n$SSH bash tools/gone.sh\n${RUN:+ssh} bash tools/gone.sh\n") == []


def test_a_recipe_runs_what_stands_behind_sudo(tmp_path: Path) -> None:
    assert told(tmp_path, "=== Makefile\nall:\n\t$(SUDO) ./hack/gone.sh\n=== hack/there.sh\ntrue\n") == [
        "missing-script"
    ]


def test_a_target_makes_nothing_elsewhere_by_its_name(tmp_path: Path) -> None:
    recipe = "\t$(MAKE) -C tools/lint run\n"
    assert told(tmp_path, f"=== Makefile\nlint:\n{recipe}=== tools/a/Makefile\nrun:\n\ttrue\n") == ["missing-file"]


@pytest.mark.parametrize("command", ["pnpm --filter {0} lint", "pnpm -F {0} run lint", "yarn workspace {0} run lint"])
@pytest.mark.parametrize(("package", "rules"), [("site", ["missing-package-script"]), ("other", []), ("...site", [])])
def test_scripts_of_a_package_that_is_chosen_are_looked_for_there(
    tmp_path: Path, command: str, package: str, rules: list[str]
) -> None:
    packages = """
        === package.json
        {"private": true, "workspaces": ["web", "other"], "scripts": {"lint": "x"}}
        === web/package.json
        {"name": "site", "scripts": {"test": "x"}}
        === other/package.json
        {"name": "other", "scripts": {"lint": "x"}}
        === run.sh
        COMMAND
    """
    assert told(tmp_path, packages.replace("COMMAND", command.format(package))) == rules


def test_what_is_printed_or_noted_is_not_run(tmp_path: Path) -> None:
    script = """
        === tools/run.sh
        usage() {{
          cat {0}<<USAGE
          tools/gone.sh --all
        USAGE
        }}
        : <<'NOTE'
        tools/left.sh
        NOTE
        === tools/there.sh
        true
        === tools/here.sh
        true
    """
    assert told(tmp_path, script.format(">&2 ")) == []
    assert told(tmp_path, script.format("> tools/made.conf ")) == ["unmet-path"]


def test_a_unit_goes_on_without_what_it_may_fail_at(tmp_path: Path) -> None:
    there = "=== tools/there.py\nx = 1\n=== tools/more.py\nx = 1\n=== shop.service\n"
    assert told(tmp_path, there + SERVICE.format("Pre=-")) == []
    assert told(tmp_path, there + SERVICE.format("=")) == ["missing-script"]
