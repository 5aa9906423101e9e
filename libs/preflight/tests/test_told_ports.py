"""Ports that options and settings tell programs of which nothing else is known, and who asks for others than those."""

from __future__ import annotations

from collections.abc import Callable

import pytest

SCRAPED = """
=== compose.yaml
services:
  store:
    image: registry.example.com/store:1.4
    command: 'serve -ip=store %s'
    ports: ["8888:8888", "9336:9336"]
  prometheus:
    image: prom/prometheus:v3.1.0
    command: ["--config.file=/etc/prometheus/prometheus.yml"]
    volumes: ["./prometheus:/etc/prometheus"]
=== prometheus/prometheus.yml
global: {scrape_interval: 30s}
scrape_configs:
  - job_name: services
    static_configs:
      - targets: ["store:9326"]
"""
GIVEN = """
=== compose.yaml
services:
  front:
    image: nginx:1.27
    volumes: ["./nginx.conf:/etc/nginx/conf.d/default.conf"]
  gate:
    image: registry.example.com/gate:1.4
    command: --config /gate.cfg
    volumes: ["./gate.cfg:/gate.cfg"]
    ports: ["4180:4180"]
  upstream:
    image: registry.example.com/shelf:1.4
=== nginx.conf
server {
  listen 8080;
  location / { proxy_pass http://gate:4180; }
}
=== gate.cfg
http_address="0.0.0.0:%s"
upstreams="http://%s"
"""
APART = """
=== shop/compose.yaml
services:
  web:
    image: registry.example.com/web:1.4
    environment: {CACHE_URL: "redis://cache:6379"}
  store:
    image: redis:7
%s
=== other/compose.yaml
services:
  cache:
    image: redis:7
%s
"""
NETWORK = "networks:\n  default:\n    name: shared"


OWN = """
=== pyproject.toml
[project]
name = "shop"
[project.scripts]
shop = "shop.cli:main"
=== shop/__init__.py
=== shop/cli.py
from shop.numbers import DEFAULT_PORT


def main():
    print(DEFAULT_PORT)
=== shop/numbers.py
DEFAULT_PORT = %s
=== Dockerfile
FROM python:3.13-slim AS builder
COPY . /src
RUN pip install /src
FROM python:3.13-slim
COPY --from=builder /usr/local /usr/local
EXPOSE 18777
CMD ["shop"]
=== compose.yaml
services:
  shop:
    build: .
    %s
    ports: ["18777:18777"]
"""


@pytest.mark.parametrize(
    ("tree", "blocks"),
    [
        (OWN % ("18777", "restart: always"), False),
        (OWN % ("18790", "restart: always"), True),
        (OWN % ("18790", 'command: ["shop", "--port=18777"]'), False),
        (OWN % ("None", "restart: always"), False),
        (SCRAPED % "-metricsPort=9336", True),
        (SCRAPED % "-port=9336", True),
        (SCRAPED % "-metricsPort=9326", False),
        (SCRAPED % "-consolePort=9336", False),
        (SCRAPED % "", False),
        (GIVEN % ("4180", "upstream"), False),
        (GIVEN % ("4190", "upstream"), True),
        (GIVEN % ("4180", "shelf"), True),
        (GIVEN % ("4180", "somewhere"), False),
        (APART % ("", ""), True),
        (APART % (NETWORK, NETWORK), False),
        (APART % ("name: one", "name: one"), False),
    ],
)
def test_who_asks_for_what_is_told_otherwise(tree: str, blocks: bool, blocking: Callable[[str], list[str]]) -> None:
    found = blocking(tree)
    assert bool(found) is blocks, found
