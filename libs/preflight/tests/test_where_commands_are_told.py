"""Commands stand in more places than scripts: hooks of projects, configurations of agents, pages for agents."""

from __future__ import annotations

from pathlib import Path

import pytest
from sophia_preflight import engine, facts
from sophia_preflight.examples import tree

HOOKS = """
    === pyproject.toml
    [tool.jupyter-releaser.hooks]
    after-bump-version = ["npm ci", "bash scripts/SCRIPT"]
    === package-lock.json
    {}
    === scripts/update.sh
    true
"""
WHEELS = """
    === pyproject.toml
    [tool.cibuildwheel.linux]
    before-all = "bash {project}/scripts/SCRIPT"
    === scripts/update.sh
    true
"""
VERSION = """
    === pyproject.toml
    [[tool.bumpversion.files]]
    filename = "scripts/SCRIPT"
    === scripts/update.sh
    true
"""
AGENT = """
    === services/chat/mcp_agent.config.yaml
    mcp:
      servers:
        roots: {command: bash, args: [SCRIPT]}
        other: {command: npx, args: [-y, "@example/server"]}
    === services/chat/update.sh
    true
"""
EXAMPLE = """
    === examples/chat/README.md
    ```sh
    uv run main.py
    ```
    === examples/chat/main.py
    print()
    === examples/chat/mcp_agent.config.yaml
    mcp: {servers: {roots: {command: bash, args: [SCRIPT]}}}
    === examples/chat/update.sh
    true
"""
PAGE = """
    === .claude/agents/operator.md
    ```bash
    bash scripts/SCRIPT
    ```
    === scripts/update.sh
    true
"""
RELEASING = """
    === .claude/commands/release-housekeeping.md
    ```bash
    bash scripts/SCRIPT
    ```
    === scripts/update.sh
    true
"""
NEARLY = """
    === examples/one/README.md
    ```sh
    bash SCRIPT
    ```
    === examples/one/update.sh
    true
    === examples/one/main.sh
    true
    === examples/two/updater.sh
    true
"""
HEADED = """
    === docker/demo/compose.yaml
    # Start it with
    #   docker compose -f docker/demo/compose.yaml up -d
    services:
      demo: {build: {context: ../.., dockerfile: docker/demo/Dockerfile}}
    === docker/demo/Dockerfile
    FROM debian:13-slim
    COPY docker/demo/SCRIPT /usr/local/bin/
    === docker/demo/update.sh
    true
"""


STDIO = """
    === chat/client.py
    import sys
    from mcp import StdioServerParameters


    def parameters():
        return StdioServerParameters(command=sys.executable, args=["chat/servers/SCRIPT", "--all"], env=None)
    === chat/servers/update.sh
    true
"""
CLIENTS = """
    === chat/client.py
    from langchain_mcp_adapters.client import MultiServerMCPClient

    client = MultiServerMCPClient(
        {"one": {"command": "bash", "args": ["chat/servers/SCRIPT"], "transport": "stdio"}, "two": {"url": "http://a"}}
    )
    === chat/servers/update.sh
    true
"""
LOADED = """
    === tools/check.py
    import importlib.util
    from pathlib import Path

    ROOT = Path(__file__).resolve().parents[1]


    def load():
        return importlib.util.spec_from_file_location("one", ROOT / "tools/SCRIPT")


    load()
    === tools/update.sh
    true
"""


MKDOCS = """
    === mkdocs.yml
    site_name: Shop
    hooks: [scripts/SCRIPT]
    markdown_extensions:
      - pymdownx.emoji: {emoji_index: !!python/name:material.extensions.emoji.twemoji }
    === scripts/update.sh
    true
"""


@pytest.mark.parametrize(
    "text", [MKDOCS, STDIO, CLIENTS, LOADED, HOOKS, WHEELS, VERSION, AGENT, EXAMPLE, PAGE, RELEASING, NEARLY, HEADED]
)
@pytest.mark.parametrize(("script", "count"), [("update.sh", 0), ("updater.sh", 1)])
def test_a_script_that_is_told_there_and_is_gone_blocks(text: str, script: str, count: int, tmp_path: Path) -> None:
    for path, content in tree(text.replace("SCRIPT", script)).items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(content)
    blocking = [each for each in engine.check(tmp_path).blocking if script in each.message]
    assert len(blocking) == count


def test_a_tool_server_whose_words_are_not_known_leaves_its_module_readable() -> None:
    told = 'def parameters(words):\n    return StdioServerParameters(command="bash", args=words.list)\n'
    assert facts.read("python", "client.py", f"from mcp import StdioServerParameters\n\n\n{told}").trace.calls == []
