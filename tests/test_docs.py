"""What the documentation names is there: files, links, verbs, options, codes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from sophia_deployment import explaining
from sophia_deployment.cli import VERBS, sophia

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = (
    "apps/deployment/src/sophia_deployment",
    "libs/deployment-core/src/sophia_deployment_core",
    "libs/infrastructure/src/sophia_infrastructure",
    "libs/preflight/src/sophia_preflight",
    "libs/infrastructure/src",
    "libs/security/src",
    "libs/deployment-core/src",
    "apps/deployment/src",
)
BOOTSTRAP = ("test", "relock")
"""Verbs of `./sophia` alone: the bootstrap's own, for work on this repository."""
GENERATED = ("docs/reference", "docs/decisions")
PAGES = sorted(
    page
    for page in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"))
    if not str(page.relative_to(ROOT)).startswith(GENERATED)
)


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_link_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL))

    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_map_names_only_files_that_exist() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    files = set(re.findall(r"`((?:[\w-]+/)*[\w-]+\.(?:py|toml|md|yaml)|(?:[\w-]+/)+)`", text))

    def exists(name: str) -> bool:
        return any((ROOT / base / name).exists() for base in ("", *PACKAGES)) or name == "sophia.yaml"

    assert len(files) > 30
    assert sorted(name for name in files if not exists(name)) == []


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_command_line_is_understood(page: Path) -> None:
    context = click.Context(sophia)
    for words in commands(page.read_text()):
        if words[0] in BOOTSTRAP:
            continue
        assert words[0] in VERBS, f"no verb `{words[0]}`"
        command = sophia.get_command(context, words[0])
        if isinstance(command, click.Group) and len(words) > 1:
            assert words[1] in command.commands, " ".join(words)
            command = command.commands[words[1]]
        assert command is not None
        known = {name for parameter in command.params for name in parameter.opts} | {"--help"}
        assert [word for word in words if re.fullmatch("--?[a-z-]+", word) and word not in known] == [], words


@pytest.fixture(scope="module")
def declared() -> frozenset[str]:
    return frozenset(explaining.codes())


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_code_is_declared(page: Path, declared: frozenset[str]) -> None:
    assert sorted(set(re.findall(r"SPH-\d{4}", page.read_text())) - declared) == []


def commands(text: str) -> Iterator[list[str]]:
    """Calls of `sophia` in fenced and in inline code, as words."""
    blocks = re.findall(r"```console\n(.*?)```", text, flags=re.DOTALL)
    fenced = [line.removeprefix("$ ") for block in blocks for line in block.split("\n") if line.startswith("$ ")]
    for code in [*fenced, *re.findall(r"`((?:\./)?sophia [^`\n]+)`", text)]:
        for call in re.findall(r"(?:^|[(&]\s*)(?:\./)?sophia ([^|&)#>]*)", code):
            words = re.sub(r'"[^"]*"', "TEXT", call).removeprefix("-C DIR ").split()
            if words and re.fullmatch("[a-z]+", words[0]):
                yield words
