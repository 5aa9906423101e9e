"""Published ports and probes of a port to which the container's program does not listen."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from sophia_preflight.composing import Used, used
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Confidence, Finding, Involved, Place, Rule, Severity
from sophia_preflight.ports.defaults import told_port
from sophia_preflight.ports.images import PROBED, in_images, shown
from sophia_preflight.ports.listening import (
    Ports,
    image_of_service,
    is_said,
    is_several,
    line_with,
    of_service,
)
from sophia_preflight.ports.unspoken import Sources, unspoken
from sophia_preflight.readers.compose import command_words, interpolated, port_of

RULE = Rule(
    id="unreachable-port",
    title="a port is published or probed to which the program does not listen",
    severity=Severity.CRITICAL,
    why="connections to it are refused",
    fix="use the port that the program listens to",
    family="contradictions",
)


def check(context: Context) -> Iterable[Finding]:
    sources = Sources(context)
    for each in used(context):
        ports = of_service(context, each)
        found = [*_published(context, each, ports), *_told(context, each, ports), *_probe(context, each, ports)]
        found += [*_unspoken(context, each, ports, sources), *_labelled(each, ports), *_exposed(each, ports)]
        yield from _merged(found)
    for wrong in in_images(context, sources):
        yield RULE.found(
            wrong.message,
            *wrong.places,
            anchor=wrong.anchor,
            severity=wrong.severity,
            confidence=Confidence.LIKELY,
            why=wrong.why or RULE.why,
            blocks=wrong.blocks,
        )


_Asked = tuple[str, Finding]
"""The port that is asked for, if it is one, and what is said of it."""


def _merged(found: Iterable[_Asked]) -> Iterator[Finding]:
    """One finding for each port of a service, whatever asks it there."""
    known: dict[str, Finding] = {}
    for port, each in found:
        key = port or each.message
        old = known.get(key)
        also = Involved(each.place, "also")
        known[key] = each if old is None else replace(old, places=(*old.places, also))
    yield from known.values()


def _labelled(each: Used, ports: Ports) -> Iterator[_Asked]:
    """Ports that a label tells the proxy in front of the service."""
    labels = " ".join(part.text for part in each.service.listed("labels"))
    words = ports.words.replace(labels, "")
    for name, part in each.service.mapping("labels").items():
        port = interpolated(part.node.text)[0]
        if not re.search(r"loadbalancer\.server\.port$", name) or not re.fullmatch(r"\d{2,5}", port):
            continue
        if ports.started and port not in ports.started and not re.search(rf"(?<!\d){port}(?!\d)", words):
            severity, blocks = each.consequence
            listens = f"it listens to {shown(ports.started)}"
            yield (
                port,
                RULE.found(
                    f"the proxy is told to reach `{each.service.name}` on port `{port}`, and {listens}",
                    Involved(part.node.place(part.file.path), "label"),
                    *([Involved(ports.place, "command")] if ports.place else []),
                    anchor=f"label {each.service.name} {port}",
                    severity=severity.at_most(Severity.HIGH),
                    confidence=Confidence.LIKELY,
                    blocks=blocks,
                ),
            )


def _exposed(each: Used, ports: Ports) -> Iterator[_Asked]:
    """What a service says to listen to: proxies that look for its port take that one."""
    parts = each.service.listed("expose")
    exposed = {interpolated(part.node.text)[0].partition("/")[0] for part in parts}
    if not exposed or not ports.started.isdisjoint(exposed) or each.service.has("network_mode"):
        return
    labels = " ".join(part.text for part in each.service.listed("labels"))
    sure = ports.started and not is_several(ports.words.replace(labels, "")) and not each.service.listed("ports")
    if sure and all(re.fullmatch(r"\d{2,5}", port) and not ports.mentions(port) for port in exposed):
        severity, blocks = each.consequence
        yield (
            "",
            RULE.found(
                f"`{each.service.name}` exposes {shown(exposed)}, and listens to {shown(ports.started)}",
                Involved(parts[0].node.place(parts[0].file.path), "declaration"),
                *([Involved(ports.place, "command")] if ports.place else []),
                anchor=f"expose {each.service.name}",
                severity=severity.at_most(Severity.HIGH),
                confidence=Confidence.LIKELY,
                blocks=blocks,
            ),
        )


def _published(context: Context, each: Used, ports: Ports) -> Iterator[_Asked]:
    sure = ports.started or ports.usual
    known = sure or ports.exposed
    if not known or each.service.has("network_mode"):
        return
    parts = [(part, port_of(part.node)) for part in each.service.listed("ports")]
    if any(port is not None and port.container in known for _, port in parts):
        return
    severity, blocks = each.consequence
    for part, port in parts:
        if port is None or not re.fullmatch(r"\d{2,5}", port.container) or port.protocol != "tcp":
            continue
        place = part.node.place(part.file.path)
        within = None if sure else image_of_service(context, each)
        if ports.mentions(port.container) or (not sure and is_said(context, port.container, place, within=within)):
            continue
        yield (
            port.container,
            RULE.found(
                f"`{each.service.name}` publishes its port `{port.container}` and listens to {shown(known)}",
                Involved(place, "published"),
                *([Involved(ports.place, "command")] if ports.place else []),
                anchor=f"{each.service.name} {port.container}",
                severity=severity,
                confidence=Confidence.LIKELY,
                blocks=blocks,
            ),
        )


def _unspoken(context: Context, each: Used, ports: Ports, sources: Sources) -> Iterator[_Asked]:
    """A published port of which nothing speaks in an image whose program names others."""
    severity, blocks = each.consequence
    for part, port, told in unspoken(context, each, ports, sources):
        yield (
            port,
            RULE.found(
                f"`{each.service.name}` publishes its port `{port}`, and its program names {shown(told)}",
                Involved(part.node.place(part.file.path), "published"),
                Involved(next(iter(told.values())), "source"),
                anchor=f"{each.service.name} {port}",
                severity=severity.at_most(Severity.HIGH),
                confidence=Confidence.LIKELY,
                blocks=blocks,
            ),
        )


def _told(context: Context, each: Used, ports: Ports) -> Iterator[_Asked]:
    """A published port, where an option tells the program another of which nothing else beside the project speaks."""
    part = each.service.get("command")
    if part is None or ports.started or ports.usual or each.service.has("network_mode"):
        return
    words = command_words(part.node)
    told = told_port(" ".join(word.value for word in words))
    published = [(one, port_of(one.node)) for one in each.service.listed("ports")]
    if not told or not published or any(port is None or not port.container.isdigit() for _, port in published):
        return
    word = next((each for each in reversed(words) if told in each.value), words[0])
    place = Place(part.file.path, word.line, word.column)
    containers = {port.container for _, port in published if port}
    if told in containers or all(ports.mentions(each) for each in containers):
        return
    if is_said(context, told, place, below="" if each.project.base == "." else each.project.base):
        return
    containers = {each for each in containers if not ports.mentions(each)}
    one = next(part for part, port in published if port and port.container in containers)
    severity, blocks = each.consequence
    yield (
        "",
        RULE.found(
            f"`{each.service.name}` publishes {shown(containers)}, and its program is told to listen to `{told}`",
            Involved(one.node.place(one.file.path), "published"),
            Involved(place, "option"),
            anchor=f"{each.service.name} {told}",
            severity=severity,
            confidence=Confidence.LIKELY,
            blocks=blocks,
        ),
    )


def _probe(context: Context, each: Used, ports: Ports) -> Iterator[_Asked]:
    part = each.service.get("healthcheck", "test")
    known = ports.started or ports.usual or (ports.declared if ports.built else set())
    if part is None or not known:
        return
    text = " ".join(word.value for word in command_words(part.node)) or interpolated(part.node.text)[0]
    for found in PROBED.finditer(text):
        if found[1] in known or ports.mentions(found[1]):
            continue
        place = part.node.place(part.file.path)
        line = line_with(part.node, place, found[1])
        if not (ports.started or ports.usual) and is_said(
            context, found[1], line, within=image_of_service(context, each)
        ):
            continue
        severity, blocks = each.consequence
        yield (
            found[1],
            RULE.found(
                f"the health check of `{each.service.name}` asks port `{found[1]}`, and it listens to {shown(known)}",
                Involved(place, "probe"),
                *([Involved(ports.place, "command")] if ports.place else []),
                anchor=f"probe {each.service.name} {found[1]}",
                severity=severity,
                confidence=Confidence.LIKELY,
                why="the container is never healthy: what waits for it does not start",
                blocks=blocks,
            ),
        )


_APPLICATION = """
    === api/app.py
    app = None
    === api/Dockerfile
    FROM python:3.13-slim
    COPY app.py .
    EXPOSE 8000
    CMD ["uvicorn", "app:app", "--host", "0.0.0.0", "--port", "8000"]
"""
_EXPOSING = """
    === pyproject.toml
    [project]
    name = "shop"
    === shop/__main__.py
    import argparse
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", default=8010)
    parser.add_argument("--transport")
    === Dockerfile
    FROM python:3.13-slim
    COPY shop shop
    EXPOSE 8010
    ENTRYPOINT ["python", "-m", "shop"]
    === docs/README.md
    # Shop

    ```bash
    docker run -e LEVEL=1 -p 80:%s acme/shop %s
    ```
"""
_OUT_OF_A_MODULE = """
    === compose.yaml
    services:
      shop: {build: ., ports: ["8010:%s"]}
    === shop/__main__.py
    import %s
    PORT = int(os.environ.get("PORT", 8010))
    === base/Dockerfile
    FROM alpine:3.22
    === Dockerfile
    FROM registry.example.com/base:1
    COPY shop shop
    CMD ["python", "-m", "shop", "--quiet"]
"""
_SHOPD = """
    === compose.yaml
    services:
      shop:
        image: registry.example.com/shop:1.4
        command: ["sh", "-c", "sleep 3 && exec shopd -target=all -server.http-listen-port=%s -grpc-port=9001"]
        ports: [%s]
"""
BAD = [
    tree(_EXPOSING % (8080, "--transport=http")),
    tree(_EXPOSING.replace("EXPOSE 8010", "USER 1000") % (8555, "--transport=http")),
    tree(_OUT_OF_A_MODULE % (8080, "os")),
    tree(_SHOPD % (8011, "8001:8001")),
    tree(
        (_SHOPD % (8011, "8001:8001")).replace("compose.yaml", "shop/compose.yaml")
        + "    === other/till.yaml\n    scrape: till:8011\n"
    ),
    tree(
        _APPLICATION
        + """
    === compose.yaml
    services:
      api:
        build: ./api
        ports: ["8080:8080"]
    """
    ),
    tree(
        _APPLICATION
        + """
    === compose.yaml
    services:
      api:
        build: ./api
        healthcheck:
          test: ["CMD", "python", "-c", "import urllib.request as r; r.urlopen('http://localhost:8080/health')"]
    """
    ),
    tree("""
        === Dockerfile
        FROM python:3.13-slim
        EXPOSE 5000
        COPY app.py .
        CMD uvicorn app:app --port ${PORT:-8000}
        === app.py
        app = None
    """),
    tree(
        _APPLICATION
        + """
    === compose.yaml
    services:
      api:
        build: ./api
        ports: ["8000:8000"]
        command: ["sh", "-c", "shopctl migrate && shopctl serve --host 0.0.0.0 --port 8080"]
    """
    ),
    tree("""
        === compose.yaml
        services:
          web:
            image: example/web:1
            command: uvicorn app:app --host 0.0.0.0 --port 8001
            labels: ["traefik.http.services.web.loadbalancer.server.port=8000"]
          proxy:
            image: nginx:1.29
            ports: ["8080:80"]
            volumes: ["./nginx.conf:/etc/nginx/conf.d/default.conf:ro"]
        === nginx.conf
        server { listen 8080; root /pages; }
    """),
    tree("""
        === compose.yaml
        services:
          web:
            build: web
            ports: ["5000:5000"]
        === web/Dockerfile
        FROM python:3.13-slim
        WORKDIR /app
        COPY . .
        CMD ["python", "main.py"]
        === web/main.py
        import os
        app.run(host="0.0.0.0", port=int(os.environ.get("WEB_PORT", "5001")))
    """),
    tree("""
        === compose.yaml
        services:
          web:
            build: web
            ports: ["3000:3000"]
        === web/Dockerfile
        FROM node:24-slim
        COPY server.js /
        CMD ["node", "server.js"]
        === web/server.js
        const port = process.env.PORT || 3001;
        require("express")().listen(port, "0.0.0.0");
    """),
    tree("""
        === compose.yaml
        services:
          web:
            build: web
            ports: ["8000:8000"]
        === web/Dockerfile
        FROM python:3.13-slim
        WORKDIR /app
        COPY . .
        CMD ["gunicorn", "-c", "gunicorn.conf.py", "main:app"]
        === web/gunicorn.conf.py
        bind = "0.0.0.0:8080"
        === web/main.py
        app = None
    """),
    tree("""
        === compose.yaml
        services:
          web:
            image: example/web:2
            ports: ["8000:8000"]
            environment: {PORT: 8080, BASE_URL: "http://localhost:8000"}
    """),
    tree("""
        === Dockerfile
        FROM python:3.13-slim
        ENV SERVER_PORT=8000
        COPY entrypoint.sh /
        EXPOSE 8000
        ENTRYPOINT ["/entrypoint.sh"]
        CMD ["--host 0.0.0.0 --port ${SERVER_PORT}"]
        === entrypoint.sh
        #!/bin/bash
        exec uvicorn app:app $@
        === compose.yaml
        services:
          server:
            build: .
            command: "--workers 1 --host 0.0.0.0 --port 8080"
            ports: ["8000:8000"]
    """),
    tree("""
        === compose.yaml
        services:
          till:
            build: .
            command: ["till", "serve"]
            ports: ["3000:3000", "2112:2112"]
            healthcheck:
              test: ["CMD", "curl", "-f", "http://localhost:3001/ping"]
        === Dockerfile
        FROM debian:13
        RUN apt-get update && apt-get install -y curl
        COPY . /src
        === main.go
        package main
        const port = 3000
        === README.md
        till listens to 3001
    """),
    tree("""
        === Dockerfile
        FROM debian:13
        RUN apt-get update && apt-get install -y curl
        COPY . /src
        EXPOSE 3000
        HEALTHCHECK CMD curl -f http://localhost:3001/ping
        ENTRYPOINT ["till"]
    """),
    tree("""
        === compose.yaml
        services:
          pages:
            build: .
            ports: ["8080:8080"]
        === Dockerfile
        FROM nginx:1.29-alpine
        COPY pages /usr/share/nginx/html
        === pages/index.html
    """),
    tree("""
        === compose.yaml
        services:
          till:
            build: .
            ports: ["3001:3001"]
        === Dockerfile
        FROM debian:13
        COPY . /src
        EXPOSE 3000
        CMD ["/src/till"]
        === till
    """),
]
GOOD = [
    tree(_EXPOSING % (8010, "--transport=http")),
    tree(_EXPOSING % (8080, "--port 8080")),
    tree(_EXPOSING.replace("EXPOSE 8010", "USER 1000") % (8010, "--transport=http")),
    tree(_EXPOSING.replace("default=8010", "default=8080") % (8080, "--transport=http")),
    tree(_OUT_OF_A_MODULE % (8010, "os")),
    tree(_OUT_OF_A_MODULE % (8080, "os, aiohttp")),
    tree(_SHOPD % (8011, "8001:8011")),
    tree(_SHOPD % (8011, "8001:8001") + "    === shop.yaml\n    scrape: shop:8011\n"),
    tree(_SHOPD % ("8011 -admin=:8001", "8001:8001")),
    tree(
        _APPLICATION
        + """
    === compose.yaml
    services:
      api:
        build: ./api
        ports: ["8080:8000"]
      other:
        build: ./api
        command: uvicorn app:app --host 0.0.0.0 --port 9000
        ports: ["9001:9000"]
        healthcheck:
          test: ["CMD", "python", "-c", "import urllib.request as r; r.urlopen('http://localhost:9000/health')"]
      waits:
        image: shopctl:1
        ports: ["8003:8000"]
        command: sh -c "shopctl wait --host db --port 5432 && shopctl"
      two:
        image: shopctl:1
        ports: ["8002:8000"]
        command: shopctl serve --host 0.0.0.0 --port 9000 --admin-port 8000
    """
    ),
    tree("""
        === compose.yaml
        services:
          web:
            image: example/web:2
            ports: ["9000:8080"]
            environment: {PORT: 8080, BASE_URL: "http://localhost:9000"}
          both:
            image: example/both:2
            ports: ["8000:8000"]
            environment: {PORT: 8081, API_URL: "http://localhost:8000"}
    """),
    tree("""
        === compose.yaml
        services:
          web:
            build: web
            ports: ["5000:5000", "9000:9000"]
            environment: {WEB_PORT: 5000}
          proxy:
            image: nginx:1.29
            ports: ["8080:80"]
            volumes: ["./more.conf:/etc/nginx/conf.d/more.conf:ro"]
        === more.conf
        server { listen 8080; root /pages; }
        === web/Dockerfile
        FROM python:3.13-slim
        WORKDIR /app
        COPY . .
        CMD ["python", "main.py"]
        === web/main.py
        import os
        app.run(host="0.0.0.0", port=int(os.environ.get("WEB_PORT", "5001")))
    """),
    tree("""
        === compose.yaml
        services:
          web:
            build: web
            ports: ["5000:5000"]
        === web/Dockerfile
        FROM python:3.13-slim
        COPY main.py /
        CMD ["python", "main.py"]
        === web/main.py
        import sys
        app.run(port=int(sys.argv[1]) if sys.argv[1:] else settings.port)
        # app.run(port=5001)
    """),
    tree(
        _APPLICATION
        + """
    === README.md
    ```bash
    docker build -t shop api
    docker run -p 8080:8000 shop
    docker run -p 8080:9000 shop uvicorn app:app --port 9000
    docker run -p 9090:9090 -p 8080:8000 shop
    ```
    """
    ),
    tree("""
        === compose.yaml
        services:
          till:
            build: .
            command: ["till", "serve"]
            ports: ["3000:3000", "2112:2112"]
            healthcheck:
              test: ["CMD", "curl", "-f", "http://localhost:3001/ping"]
        === Dockerfile
        FROM debian:13
        RUN apt-get update && apt-get install -y curl
        COPY . /src
        EXPOSE 3000
        HEALTHCHECK CMD curl -f http://localhost:3001/ping
        === main.go
        package main
        const health = 3001
    """),
    tree("""
        === compose.yaml
        services:
          pages:
            build: .
            ports: ["8080:8080"]
          till:
            build: till
            ports: ["3001:3001"]
        === Dockerfile
        FROM nginx:1.29-alpine
        COPY pages.conf /etc/nginx/conf.d/
        === pages.conf
        server { listen 8080; }
        === till/Dockerfile
        FROM debian:13
        COPY . /src
        EXPOSE 3000
        CMD ["/src/till"]
        === till/till
        3001
    """),
]
