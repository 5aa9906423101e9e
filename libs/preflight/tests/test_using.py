"""What lies among tests and examples blocks where somebody runs it, and only there."""

from __future__ import annotations

from pathlib import Path

import pytest
from sophia_preflight import engine
from sophia_preflight.examples import tree
from sophia_preflight.model import Severity

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
_EXAMPLE_COMPOSE = """
    === examples/shop/compose.yaml
    services:
      db:
        image: postgres:17
        volumes: [data:/var/lib/postgresql/data]
"""
_EXAMPLE_IMAGE = """
    === examples/postgres/db/Dockerfile
    FROM postgres:17
    COPY initdb.sh /
"""
_MANIFESTS = """
    === k8s/test/grafana.yaml
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: grafana}
    spec:
      selector: {matchLabels: {app: grafana-server}}
      template:
        metadata: {labels: {app: grafana-server}}
        spec: {containers: [{name: grafana, image: "grafana/grafana:12.0.0"}]}
    === k8s/test/service.yaml
    apiVersion: v1
    kind: Service
    metadata: {name: grafana}
    spec: {selector: {app: grafana}, ports: [{port: 80}]}
"""
_SCRIPT = """
    === docs/aws/apply.sh
    #!/bin/sh
    ./check.sh
"""
_PACKAGE = """
    === docs/package.json
    {"name": "pages", "version": "1.0.0", "scripts": {"postinstall": "sh ./theme.sh"}}
"""
_MODULE = """
    === shop/__init__.py
    === shop/commands.py
    def run(): ...
    === shop/shop_test.py
    from shop.commands import start
"""


def _blocking(root: Path, text: str) -> list[str]:
    for path, content in tree(text).items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content)
    return [each.rule for each in engine.check(root).findings if each.blocking]


@pytest.mark.parametrize(
    "text",
    [_IMAGE, _COMPOSE, _MAKE, _SCRAPING, _EXAMPLE_COMPOSE, _EXAMPLE_IMAGE, _MANIFESTS, _SCRIPT, _PACKAGE, _MODULE],
    ids=[
        "image",
        "compose",
        "make",
        "pages",
        "example",
        "image of an example",
        "manifests",
        "script",
        "hook",
        "module",
    ],
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
        (_EXAMPLE_COMPOSE, "=== docs/shop.md\n    Then `docker compose -f examples/shop/compose.yaml up -d`."),
        (_EXAMPLE_COMPOSE, "=== examples/shop/README.md\n    ```\n    docker compose up\n    ```"),
        (_EXAMPLE_COMPOSE, "=== docs/shop.rst\n    Start it::\n\n      (cd examples/shop; docker compose up)\n"),
        (
            _EXAMPLE_IMAGE,
            "=== examples/postgres/README.md\n    Type `docker build -t db examples/postgres/db`.",
        ),
        (
            _EXAMPLE_COMPOSE,
            "=== README.md\n    ```sh\n    cd server/examples/shop\n    docker compose up\n    ```",
        ),
        (_EXAMPLE_COMPOSE, "=== README.md\n    Take [this file](examples/shop/compose.yaml)."),
        (
            _EXAMPLE_COMPOSE,
            "=== README.md\n    `wget https://raw.githubusercontent.com/example/shop/main/examples/shop/compose.yaml`",
        ),
        (_EXAMPLE_IMAGE, "=== examples/postgres/db/README.md\n    ```sh\n    docker build -t db .\n    ```"),
        (_MANIFESTS, "=== Tiltfile\n    k8s_yaml(['k8s/test/grafana.yaml', 'k8s/test/service.yaml'])"),
        (_MANIFESTS, "=== CONTRIBUTING.md\n    ```sh\n    kubectl apply -f k8s/test/\n    ```"),
        (
            _MANIFESTS,
            """=== k8s/test/README.md
    Run `./deploy.sh`.
    === k8s/test/deploy.sh
    HERE="$(cd "$(dirname "$0")" && pwd)"
    for each in grafana.yaml service.yaml; do
      envsubst < "${HERE}/${each}" | kubectl apply -f -
    done""",
        ),
        (_SCRIPT, "=== README.md\n    ```bash\n    cd pages/aws\n    ./apply.sh\n    ```"),
        (_SCRIPT, "=== docs/aws.md\n    Then run `docs/aws/../aws/apply.sh`, or `cd aws && ./apply.sh now`."),
        (
            _PACKAGE,
            """=== .github/workflows/pages.yml
    on: push
    jobs:
      pages:
        runs-on: ubuntu-24.04
        steps:
          - uses: actions/checkout@v5
          - run: npm install
            working-directory: docs""",
        ),
        (
            _EXAMPLE_IMAGE,
            "=== examples/postgres/db/README.md\n    ```sh\n    docker build -f examples/shop/Dockerfile .\n    ```",
        ),
        (_MODULE, "=== shop/cli.py\n    from shop.shop_test import start"),
    ],
    ids=[
        "make",
        "script",
        "its page",
        "through a script",
        "page",
        "given",
        "a page beside it",
        "named in a page",
        "a page of an example",
        "a folder that a page enters",
        "an image in a page",
        "a folder of the clone",
        "a link",
        "an address",
        "an image beside its page",
        "a tool for clusters",
        "a folder of manifests",
        "manifests that a script of a page reads",
        "a script of a folder that is not there",
        "a script in a page",
        "the hook of a package that is installed",
        "the image beside a page that names another",
        "a module that the product imports",
    ],
)
def test_what_somebody_runs_blocks(text: str, caller: str, tmp_path: Path) -> None:
    assert len({*_blocking(tmp_path, text + "    " + caller)} - {"missing-dockerfile"}) == 1


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


def test_an_option_in_the_page_of_an_example_blocks(tmp_path: Path) -> None:
    text = """
    === examples/peering/README.md
    ```bash
    python ../../serve.py --lifetime 60
    ```
    === serve.py
    import argparse
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds")
    parser.parse_args()
    """
    assert _blocking(tmp_path, text) == ["unknown-argument"]


@pytest.mark.parametrize("page", ["CHANGELOG.md", "vendor/shop/README.md", "tests/fixtures/README.md"])
def test_what_only_the_past_others_or_invented_pages_tell_does_not_block(page: str, tmp_path: Path) -> None:
    caller = f"    === {page}\n    ```sh\n    docker compose -f examples/shop/compose.yaml up\n    ```"
    assert _blocking(tmp_path, _EXAMPLE_COMPOSE + caller) == []


_APPS = """
    === tests/apps/car/Dockerfile
    FROM python:3.13-slim
    WORKDIR /app
    COPY . .
    CMD ["python", "service.py"]
    === tests/apps/car/service.py
    from car import Car
    === tests/apps/car/car.py
    class FastCar: ...
    === Makefile
    APPS = NAMES
    apps: $(addprefix app-,$(APPS))
    app-%:
    \tdocker build -t app-$* -f tests/apps/$*/Dockerfile tests/apps/$*
"""


@pytest.mark.parametrize(("names", "blocks"), [("bus car", 1), ("bus", 0)])
def test_images_of_tests_that_are_built_by_name_block(names: str, blocks: int, tmp_path: Path) -> None:
    assert _blocking(tmp_path, _APPS.replace("NAMES", names)) == ["missing-imported-name"] * blocks


@pytest.mark.parametrize(
    ("before", "blocks"), [("if quick:", 1), ("try:\n        import shop\n    except OSError:", 0)]
)
def test_a_renamed_name_blocks_in_a_branch_and_not_where_something_else_failed(
    before: str, blocks: int, tmp_path: Path
) -> None:
    (tmp_path / "app.py").write_text(f"def begin(quick):\n    {before}\n        from settings import Fast\n")
    (tmp_path / "settings.py").write_text("class FastSettings: ...\nclass Faster: ...\n")
    assert [each.rule for each in engine.check(tmp_path).blocking] == ["missing-imported-name"] * blocks


@pytest.mark.parametrize(
    ("page", "command", "severity"),
    [
        ("examples/serving/chart/README.md", "helm install shop ./chart -f values.yaml", Severity.HIGH),
        ("examples/serving/chart/README.md", "helm upgrade --install shop . --wait", Severity.HIGH),
        ("README.md", "helm install shop \\\n  examples/serving/chart", Severity.HIGH),
        ("examples/serving/chart/README.md", "helm install shop shop/chart", Severity.LOW),
    ],
)
def test_a_chart_of_examples_that_a_page_tells_to_install_is_used(
    tmp_path: Path, page: str, command: str, severity: Severity
) -> None:
    chart = tmp_path / "examples/serving/chart"
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text("apiVersion: v2\nname: shop\nversion: 1.0.0\n")
    (chart / "templates/shop.yaml").write_text('kind: ConfigMap\nmetadata:\n  name: {{ include "shop.name" . }}\n')
    (tmp_path / page).write_text(f"# Shop\n\n```bash\n{command}\n```\n")
    (found,) = [each for each in engine.check(tmp_path).findings if each.rule == "broken-chart"]
    assert found.severity is severity


_SAYS_HOW = """
    === examples/shop/k8s.yaml
    # The shop.
    #
    %s
    apiVersion: v1
    kind: ServiceAccount
    metadata: {name: shop}
    ---
    apiVersion: v1
    kind: Pod
    metadata: {name: shop}
    spec:
      serviceAccountName: shop-old
      containers: [{name: shop, image: "registry.example.com/shop:1"}]
"""


@pytest.mark.parametrize(
    ("line", "used"),
    [
        ("#   kubectl apply -f examples/shop/k8s.yaml", True),
        ("# Apply with: kubectl apply -f k8s.yaml", True),
        ("#   kubectl apply -f examples/other/k8s.yaml", False),
        ("# As with kubectl apply.", False),
    ],
)
def test_a_manifest_that_says_at_its_top_how_it_is_applied_is_used(line: str, used: bool, tmp_path: Path) -> None:
    for path, text in tree(_SAYS_HOW % line).items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    (found,) = [each for each in engine.check(tmp_path).findings if each.rule == "missing-object"]
    assert found.blocking == used
