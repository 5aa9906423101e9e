"""What lies among tests and examples blocks where somebody runs it, and only there."""

from __future__ import annotations

from pathlib import Path

import pytest
from sophia_preflight import engine
from sophia_preflight.examples import tree

_IMAGE = """
    === tests/dns/Dockerfile
    FROM debian:12
    COPY named.conf /etc/bind/
"""
_COMPOSE = """
    === tests/e2e/docker-compose.yml
    services:
      db:
        image: postgres:17
        volumes: [data:/var/lib/postgresql/data]
"""
_MAKE = """
    === tests/pages/Makefile
    setup:
    \tpip install -r requirements.txt
"""
_SCRAPING = """
    === docs/monitoring/prometheus.yml
    global: {}
    scrape_configs:
      - job_name: api
        static_config: []
"""


def _blocking(root: Path, text: str) -> list[str]:
    for path, content in tree(text).items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content)
    return [each.rule for each in engine.check(root).findings if each.blocking]


@pytest.mark.parametrize(
    "text", [_IMAGE, _COMPOSE, _MAKE, _SCRAPING], ids=["image", "compose", "make", "configuration"]
)
def test_what_nobody_runs_does_not_block(text: str, tmp_path: Path) -> None:
    assert _blocking(tmp_path, text) == []


@pytest.mark.parametrize(
    ("text", "caller"),
    [
        (_IMAGE, "=== Makefile\n    dns:\n    \tdocker build --file tests/dns/Dockerfile tests/dns"),
        (_COMPOSE, "=== scripts/e2e.sh\n    docker compose -f tests/e2e/docker-compose.yml up -d"),
        (_COMPOSE, "=== tests/e2e/README.md\n    Start it:\n\n    ```bash\n    docker compose up -d\n    ```"),
        (
            _COMPOSE,
            "=== run.sh\n    tests/up.sh\n    === tests/up.sh\n    docker compose -f tests/e2e/docker-compose.yml up",
        ),
        (_MAKE, "=== README.md\n    ```bash\n    cd tests/pages\n    make setup\n    ```"),
        (
            _SCRAPING,
            "=== README.md\n    ```bash\n    sudo cp ./docs/monitoring/prometheus.yml /etc/prometheus/\n    ```",
        ),
        (_MAKE, "=== tests/pages/README.md\n    ```bash\n    cd pages\n    make setup\n    ```"),
    ],
    ids=["make", "script", "its page", "through a script", "page", "given", "a page beside it"],
)
def test_what_somebody_runs_blocks(text: str, caller: str, tmp_path: Path) -> None:
    assert len(_blocking(tmp_path, text + "    " + caller)) == 1


def test_an_invented_repository_of_a_test_does_not_block(tmp_path: Path) -> None:
    text = """
    === tests/fixtures/shop/README.md
    ```bash
    docker compose up -d
    ```
    === tests/fixtures/shop/docker-compose.yml
    services: {db: {image: "postgres:17", volumes: ["data:/data"]}}
    """
    assert _blocking(tmp_path, text) == []
