"""The `sophia.yaml` at the root fits the services that it describes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sophia_api.__main__ import FINISH_SECONDS
from sophia_deployment_core.loading import load_checked
from sophia_deployment_core.platform import Platform

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def platform() -> Platform:
    return load_checked(ROOT / "sophia.yaml")


def test_there_are_three_environments_that_serve_side_by_side(platform: Platform) -> None:
    assert {name: each.edge.port for name, each in platform.environments.items()} == {
        "local": 8080,
        "staging": 8081,
        "production": 8082,
    }
    assert platform.environments["local"].strategy.blue_green.watch_ms == 15_000


def test_the_page_reaches_every_path_that_it_asks_for(platform: Platform) -> None:
    proxied = re.search(r"proxy: \{(.*?)\}", (ROOT / "apps/frontend/vite.config.ts").read_text())
    assert proxied is not None
    asked = set(re.findall(r'"(/\w+)":', proxied[1]))
    assert asked and asked <= set(platform.services["api"].routes)


def test_the_gateway_is_told_of_the_servers_that_it_needs(platform: Platform) -> None:
    gateway = platform.services["mcp-gateway"]
    assert gateway.env["MCP_SERVERS"].split() == list(gateway.needs)


def test_every_process_has_the_time_that_it_takes_to_finish(platform: Platform) -> None:
    grace_ms = [service.stop.grace_ms for service in platform.services.values() if service.bundle.run]
    assert min(grace_ms) > FINISH_SECONDS * 1000
