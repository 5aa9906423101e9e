"""Where a finding about a port shows that the port is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from sophia_preflight.engine import check
from sophia_preflight.examples import tree
from sophia_preflight.model import Finding, Severity
from sophia_preflight.ports.defaults import told_port


def test_a_port_in_a_block_of_lines_is_shown_where_it_stands(tmp_path: Path) -> None:
    text = """
    === compose.yaml
    services:
      web:
        image: example/web:1
        ports: ["5000:5000"]
        command:
          - sh
          - -c
          - |
            web upgrade
            gunicorn --bind 0.0.0.0:8080 web:app
    """
    (tmp_path / "compose.yaml").write_text(tree(text)["compose.yaml"])
    (found,) = [each for each in check(tmp_path).findings if each.rule == "unreachable-port"]
    assert [each.place.line for each in found.places] == [4, 10]


def test_a_wait_that_gives_up_and_goes_on_blocks_nothing(tmp_path: Path) -> None:
    text = """
    === compose.yaml
    services:
      one: {image: "example/web:1", command: "wait-for-it web:8001 -- work"}
      two: {image: "example/web:1", command: "wait-for-it -t 30 --strict web:8002 -- work"}
      web: {image: "example/web:1", command: "gunicorn -b :8000 web:app"}
      three: {image: "example/web:1", environment: {WEB_SERVERS: "web:8000 web:8003"}}
    """
    (tmp_path / "compose.yaml").write_text(tree(text)["compose.yaml"])
    found = [each for each in check(tmp_path).findings if each.rule == "wrong-host-or-port"]
    assert sorted((each.places[0].place.line, each.severity.value) for each in found) == [
        (2, "medium"),
        (3, "high"),
        (5, "medium"),
    ]


SERVERS = """
=== compose.yaml
services:
  web:
    build: .
    command: COMMAND
    ports: ["9000:PUBLISHED"]
=== Dockerfile
FROM python:3.13-slim
COPY . /app
"""


@pytest.mark.parametrize(
    ("command", "port"),
    [
        ("uvicorn shop:app --host 0.0.0.0 --workers 2", "8000"),
        ("sh -c 'alembic upgrade head && gunicorn shop:app --workers 2'", "8000"),
        ("flask --app shop run --host=0.0.0.0", "5000"),
        ("python manage.py runserver", "8000"),
        ("streamlit run app.py", "8501"),
        ("bundle exec rails server", "3000"),
    ],
)
def test_a_server_that_is_told_no_port_listens_to_its_own(command: str, port: str, tmp_path: Path) -> None:
    text = SERVERS.replace("COMMAND", command)
    assert published(tmp_path / "right", text.replace("PUBLISHED", port)) == []
    assert published(tmp_path / "wrong", text.replace("PUBLISHED", "7777")) == [f"and listens to `{port}`"]


@pytest.mark.parametrize(
    "command",
    [
        "uvicorn shop:app --uds /tmp/socket",
        "uvicorn shop:app $OPTIONS",
        "gunicorn shop:app -c python:settings",
        "python manage.py runserver 0.0.0.0:7777",
        "shop uvicorn",
        "sh -c 'uvicorn one:app & uvicorn two:app'",
    ],
)
def test_what_may_be_told_a_port_elsewhere_listens_to_any(command: str, tmp_path: Path) -> None:
    assert published(tmp_path, SERVERS.replace("COMMAND", command).replace("PUBLISHED", "7777")) == []


def published(place: Path, text: str) -> list[str]:
    for path, content in tree(text).items():
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_text(content)
    found = [each for each in check(place).blocking if each.rule == "unreachable-port"]
    return [each.message.partition("7777` ")[2] for each in found]


POD = """
=== Makefile
image:
\tdocker build -t registry.example.com/api:1.4 .
=== Dockerfile
FROM debian:13
COPY . /src
=== main.go
package main
const probes = 8081
=== k8s/api.yaml
apiVersion: v1
kind: Pod
metadata: {name: api}
spec:
  containers:
    - name: api
      image: registry.example.com/IMAGE:1.4
      ports: [{containerPort: 8000}]
      livenessProbe: {httpGet: {path: /, port: PROBED}}
"""


@pytest.mark.parametrize(("image", "port", "blocks"), [("api", 8082, 1), ("api", 8081, 0), ("other", 8082, 0)])
def test_a_probe_of_our_own_program_asks_a_port_that_its_source_speaks_of(
    image: str, port: int, blocks: int, tmp_path: Path
) -> None:
    for path, content in tree(POD.replace("IMAGE", image).replace("PROBED", str(port))).items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(content)
    assert [each.rule for each in check(tmp_path).blocking] == ["unknown-port"] * blocks


VARIABLES = """
=== compose.yaml
services:
  shop-api:
    build: .
    environment: {VARIABLE: 8081, DB_PORT: 5432}
    ports: ["7777:7777"]
=== Dockerfile
FROM python:3.13-slim
COPY . /app
CMD ["python", "/app/main.py"]
=== main.py
import os
port = int(os.environ["VARIABLE"])
"""


@pytest.mark.parametrize(
    ("variable", "wrong"), [("SHOP_PORT", 1), ("SERVER_PORT", 1), ("MAIL_PORT", 0), ("TIMEOUT", 0)]
)
def test_a_variable_of_its_own_tells_a_program_its_port(variable: str, wrong: int, tmp_path: Path) -> None:
    text = VARIABLES.replace("VARIABLE", variable)
    assert published(tmp_path / "read", text) == ["and listens to `8081`"] * wrong
    assert published(tmp_path / "unread", text.replace("os.environ", "other")[: text.index("=== main.py")]) == []


def test_well_known_images_are_told_their_port_by_a_variable_of_theirs(tmp_path: Path) -> None:
    text = """
=== compose.yaml
services:
  login:
    image: quay.io/keycloak/keycloak:23.0
    command: [start-dev]
    environment: [KC_HTTP_PORT=8182]
    ports: ["7777:7777"]
"""
    assert published(tmp_path, text) == ["and listens to `8182`"]


GO = """
=== go.mod
module example.com/shop
=== cmd/till/main.go
package main

import (
    "flag"
    "net/http"
)

func main() {
    LISTEN
}
=== Dockerfile
FROM golang:1.24 AS build
WORKDIR /src
COPY . .
RUN go build -o /out/till ./cmd/till
FROM gcr.io/distroless/static
COPY --from=build /out/till /till
ENTRYPOINT ["/till"]
=== compose.yaml
services:
  till:
    build: .
    ports: ["9000:7777"]
"""


@pytest.mark.parametrize(
    ("listen", "port"),
    [
        ('http.ListenAndServe(":8080", nil)', "8080"),
        ('address := flag.String("listen-addr", ":8081", "where"); http.ListenAndServe(*address, nil)', "8081"),
        ('port := flag.Int("port", 8082, "where"); serve(*port)', "8082"),
        ('address := os.Getenv("LISTEN_ADDR"); http.ListenAndServe(":8080", nil)', ""),
        ('go http.ListenAndServe(":8080", nil); http.ListenAndServe(":9090", nil)', ""),
        ('http.ListenAndServe(":8080", nil); other("7777")', ""),
    ],
)
def test_the_source_of_a_program_in_go_tells_its_port(listen: str, port: str, tmp_path: Path) -> None:
    assert published(tmp_path, GO.replace("LISTEN", listen)) == ([f"and listens to `{port}`"] if port else [])


LISTENERS = """
=== compose.yaml
services:
  broker:
    image: bitnami/kafka:3.7
    environment:
      - KAFKA_LISTENERS=INTERNAL://0.0.0.0:9092,OUTSIDE://:9094
      - KAFKA_ADVERTISED_LISTENERS=INTERNAL://broker:9092,OUTSIDE://localhost:29094
    ports: ["9092:9092"]
  daemon:
    image: docker:28-dind-rootless
    privileged: true
    environment: [SETTINGS]
  work:
    image: registry.example.com/work:1.4
    environment: ["WORK_BROKERS=broker:BROKER", "DOCKER_HOST=tcp://daemon:DAEMON"]
"""


@pytest.mark.parametrize(
    ("broker", "daemon", "settings", "wrong"),
    [
        ("9092", "2375", "DOCKER_TLS_CERTDIR=", []),
        ("9094", "2376", "LEVEL=info", []),
        ("9094", "2376", "DOCKER_TLS_CERTDIR=${DIRECTORY}", []),
        ("9093", "2375", "DOCKER_TLS_CERTDIR=", ["broker"]),
        ("9092", "2376", "DOCKER_TLS_CERTDIR=", ["daemon"]),
        ("9092", "2375", "LEVEL=info", ["daemon"]),
    ],
)
def test_brokers_and_daemons_listen_where_their_variables_say(
    broker: str, daemon: str, settings: str, wrong: list[str], tmp_path: Path
) -> None:
    text = LISTENERS.replace("SETTINGS", settings)
    text = text.replace('BROKER"', f'{broker}"').replace("DAEMON", daemon)
    (tmp_path / "compose.yaml").write_text(tree(text)["compose.yaml"])
    found = [each.message for each in check(tmp_path).findings if each.rule == "wrong-host-or-port"]
    assert [each.split("asks `")[1].split("`")[0] for each in found] == wrong


@pytest.mark.parametrize(
    ("arguments", "port"),
    [
        ("-port=8081 -log-level=info", "8081"),
        ("--http-addr :8081", "8081"),
        ('--web.listen-address="0.0.0.0:8081"', "8081"),
        ("-server.http-listen-port=8081 -server.grpc-listen-port=9001", "8081"),
        ("--bind 8081", "8081"),
        ("--port=8081 --http-port=8082", ""),
        ("--address=10.0.0.1:8081", ""),
        ("--host store --port 5432", ""),
        ("--host 0.0.0.0 --port 8081", "8081"),
        ("--metrics-port=8081", ""),
    ],
)
def test_an_option_tells_a_program_its_port(arguments: str, port: str) -> None:
    assert told_port(f"shopd {arguments}") == port


_DETECTOR = """
    === Dockerfile
    FROM python:3.13-slim
    COPY server.py /app/
    EXPOSE 1337
    ENTRYPOINT ["python", "/app/server.py"]
    CMD [%s, "--host=0.0.0.0"]
    === server.py
    import sys
"""
_EXPOSING = """
    === compose.yaml
    services:
      shop:
        image: registry.example.com/shop:1.4
        command: shop server --host 0.0.0.0 --port 8080%s
        expose: [%s]
"""


def _of(root: Path, text: str) -> list[Finding]:
    for path, content in tree(text).items():
        (root / path).write_text(content)
    return [each for each in check(root).findings if each.rule == "unreachable-port"]


@pytest.mark.parametrize("told", ['"--port=1338"', '"--port", "1338"', '"--verbose", "--port=1338"'])
def test_what_an_entrypoint_starts_is_told_its_port_by_the_command(tmp_path: Path, told: str) -> None:
    (finding,) = _of(tmp_path, _DETECTOR % told)
    assert finding.severity is Severity.HIGH


def test_an_exposed_port_that_something_else_speaks_of_is_of_less_weight(tmp_path: Path) -> None:
    (finding,) = _of(tmp_path, _DETECTOR % '"--port=1338"' + "    === client.py\n    PORT = 1338\n")
    assert finding.severity is Severity.MEDIUM
    assert not _of(tmp_path, _DETECTOR % '"--port=1337"')


@pytest.mark.parametrize("exposed", ["8000", '"8000/tcp"', "8000, 8001"])
def test_a_service_exposes_the_port_that_its_command_tells_it(tmp_path: Path, exposed: str) -> None:
    (finding,) = _of(tmp_path, _EXPOSING % ("", exposed))
    assert finding.severity is Severity.HIGH


@pytest.mark.parametrize(
    ("more", "exposed"), [("", "8080, 9000"), (" --metrics-port 8000", "8000"), ("", '"8000-8100"'), ("", '"${PORT}"')]
)
def test_a_service_may_expose_what_it_listens_to(tmp_path: Path, more: str, exposed: str) -> None:
    assert not _of(tmp_path, _EXPOSING % (more, exposed))


SCRIPTED = """
=== Dockerfile
FROM python:3.13-slim
WORKDIR /app
COPY . .
CMD ["./start.sh"]
=== start.sh
#!/bin/sh
# gunicorn --bind 0.0.0.0:8000
wait-for-it store:5432
exec LINE
=== compose.yaml
services:
  web:
    build: .
    ports: ["80:8000"]
"""


@pytest.mark.parametrize("entry", ["", '    entrypoint: ["tini", "--", "./start.sh"]\n'])
@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("uvicorn --host 0.0.0.0 --port 8080 web:app", 1),
        ("gunicorn -b 0.0.0.0:${PORT:-8080} web:app", 1),
        ("gunicorn -b 0.0.0.0:8000 web:app", 0),
        ("gunicorn web:app $@", 0),
        ("gunicorn -b 127.0.0.1:8080 web:app & nginx", 0),
    ],
)
def test_the_script_that_an_image_starts_tells_its_server_a_port(
    line: str, wrong: int, entry: str, tmp_path: Path
) -> None:
    for path, content in tree(SCRIPTED.replace("LINE", line)).items():
        (tmp_path / path).write_text(content + (entry if path == "compose.yaml" else ""))
    assert len([each for each in check(tmp_path).findings if each.rule == "unreachable-port"]) == wrong


TOLD = """
=== compose.yaml
services:
  till:
    build: .
    ports: ["80:8000"]
    healthcheck:
      test: ["CMD", "python", "probe.py", "http://127.0.0.1:8000/health"]
    SETTINGS
=== Dockerfile
FROM python:3.13-slim
COPY . /app
ENV IMAGE=1
CMD ["shop", "serve"]
=== pyproject.toml
[project]
name = "shop"
version = "1"
scripts = {shop = "shop:main"}
=== shop.py
import os

def main():
    serve(os.getenv("SHOP_WEB_PORT"))
"""


@pytest.mark.parametrize(
    ("settings", "image", "wrong"),
    [
        ("environment: {SHOP_WEB_PORT: 8010, SHOP_WEB_HOST: 0.0.0.0}", "A=1", 1),
        ("environment: {SHOP_WEB_PORT: 8010, SHOP_WEB_HOST: store}", "A=1", 0),
        ("environment: {A: 1}", "SHOP_WEB_PORT=8010", 1),
        ("environment: {SHOP_WEB_PORT: 8000}", "SHOP_WEB_PORT=8010", 0),
        ("command: shop serve --host 0.0.0.0 --port 8010", "PEER=http://till:8000/", 1),
        ("command: shop serve --host 0.0.0.0 --port 8010", "ALSO=http://0.0.0.0:8000/", 0),
    ],
)
def test_variables_of_its_own_tell_a_program_its_port_and_those_of_others_do_not(
    settings: str, image: str, wrong: int, tmp_path: Path
) -> None:
    text = TOLD.replace("SETTINGS", settings).replace("IMAGE=1", image)
    for path, content in tree(text).items():
        (tmp_path / path).write_text(content)
    found = [each for each in check(tmp_path).findings if each.rule == "unreachable-port"]
    assert len(found) == wrong
    assert all(len(each.places) > 2 for each in found)  # what is published and what is probed is one defect
    if "SHOP_WEB_PORT" in settings:
        assert all(each.places[1].place.line == 7 for each in found)
