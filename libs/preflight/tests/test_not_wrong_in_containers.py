"""What looks like a defect of images and of services that are started together, and is none; beside what is one."""

from __future__ import annotations

from collections.abc import Callable

import pytest

PAIRS = {
    "what leads above the build context, which Docker leaves out": (
        """
        === compose.yaml
        services: {shop: {build: {context: ., dockerfile: docker/Dockerfile}}}
        === docker/Dockerfile
        FROM python:3.13-slim
        COPY ../shop.conf /etc/
        COPY .. /app
        WORKDIR /app
        RUN pip install .
        === pyproject.toml
        [project]
        name = "shop"
        version = "1"
        === shop.conf
        """,
        """
        === compose.yaml
        services: {shop: {build: docker}}
        === docker/Dockerfile
        FROM python:3.13-slim
        COPY ../shop.conf /etc/
        === shop.conf
        """,
    ),
    "a kustomization of another repository": (
        """
        === deploy.sh
        kubectl apply -k "github.com/shop/till/manifests?ref=1.8"
        kustomize build example.com/shop/till//manifests
        """,
        """
        === deploy.sh
        kubectl apply -k "manifests/till"
        """,
    ),
    "files that a stage brings to those that begin with it": (
        """
        === Dockerfile
        ARG REMOTE=0
        FROM debian:13 AS base
        WORKDIR /app
        FROM base AS fetch_0
        ONBUILD COPY ./ shop/
        FROM fetch_0 AS fetch
        FROM fetch AS built
        COPY wheels/ /tmp/wheels/
        RUN cd shop && bash tools/check.sh
        === tools/check.sh
        === wheels/told.txt
        """,
        """
        === Dockerfile
        ARG REMOTE=0
        FROM debian:13 AS base
        WORKDIR /app
        FROM base AS fetch_0
        ONBUILD COPY ./ shop/
        FROM fetch_0 AS fetch
        FROM fetch AS built
        COPY wheels/ /tmp/wheels/
        RUN cd shop && bash tools/checks.sh
        === tools/check.sh
        === wheels/told.txt
        """,
    ),
    "a port that a module of the service listens to": (
        """
        === compose.yaml
        services:
          shop: {build: ., ports: ["44505:44505"]}
          prometheus: {image: prom/prometheus, volumes: ["./prometheus.yml:/etc/prometheus/prometheus.yml"]}
        === prometheus.yml
        scrape_configs:
          - job_name: shop
            static_configs: [{targets: ["shop:8002"]}]
        === modules/exporter.py
        port = 8002
        === Dockerfile
        FROM debian:13
        EXPOSE 44505
        CMD ["shop"]
        """,
        """
        === compose.yaml
        services:
          shop: {build: ., ports: ["44505:44505"]}
          prometheus: {image: prom/prometheus, volumes: ["./prometheus.yml:/etc/prometheus/prometheus.yml"]}
        === prometheus.yml
        scrape_configs:
          - job_name: shop
            static_configs: [{targets: ["shop:8002"]}]
        === Dockerfile
        FROM debian:13
        EXPOSE 44505
        CMD ["shop"]
        """,
    ),
    "a compose file that is put together elsewhere with what it mounts": (
        """
        === pack.sh
        cp deploy/package/docker-compose.yml "$STAGING/"
        cp deploy/nginx.conf "$STAGING/nginx.conf"
        === deploy/package/docker-compose.yml
        services: {web: {image: "nginx:1.29", volumes: ["./nginx.conf:/etc/nginx/nginx.conf:ro"]}}
        === deploy/nginx.conf
        """,
        """
        === pack.sh
        cp deploy/nginx.conf "$STAGING/nginx.conf"
        === deploy/package/docker-compose.yml
        services: {web: {image: "nginx:1.29", volumes: ["./nginx.conf:/etc/nginx/nginx.conf:ro"]}}
        === deploy/nginx.conf
        """,
    ),
    "a place for what a script puts in": (
        """
        === set.sh
        sed -i "s#DATA_PLACE#${DATA}#" compose.yaml
        === compose.yaml
        services: {shop: {image: shop, volumes: ["DATA_PLACE:/data"]}}
        """,
        """
        === set.sh
        sed -i "s#OTHER_PLACE#${DATA}#" compose.yaml
        === compose.yaml
        services: {shop: {image: shop, volumes: ["DATA_PLACE:/data"]}}
        """,
    ),
    "a program that make compiles by the name of its module": (
        """
        === Dockerfile
        FROM golang:1.25
        COPY . /go/src/example.com/shop/till/
        WORKDIR /go/src/example.com/shop/till/
        RUN \\
          CGO_ENABLED=0 \\
          make
        RUN ./till version
        === go.mod
        module example.com/shop/till
        === main.go
        package main
        === Makefile
        till:
        \tgo build -v
        """,
        """
        === Dockerfile
        FROM golang:1.25
        COPY . /go/src/example.com/shop/till/
        WORKDIR /go/src/example.com/shop/till/
        RUN \\
          CGO_ENABLED=0 \\
          make
        RUN ./tell version
        === go.mod
        module example.com/shop/till
        === main.go
        package main
        === Makefile
        till:
        \tgo build -v
        """,
    ),
    "an image whose package is mounted": (
        """
        === Dockerfile
        FROM node:22
        WORKDIR /home/node
        RUN yarn install
        === web/package.json
        {}
        """,
        """
        === Dockerfile
        FROM node:22
        WORKDIR /home/node
        COPY web/src ./src
        RUN yarn install
        === web/package.json
        {}
        === web/src/index.js
        """,
    ),
    "a command in a list whose shell is named elsewhere": (
        """
        === compose.yaml
        services:
          told:
            build: .
            command:
              - |
                echo "Wait for ./server/it"
                sleep 5
        === Dockerfile
        FROM debian:13
        WORKDIR /app
        COPY . .
        """,
        """
        === compose.yaml
        services:
          told:
            build: .
            entrypoint: [sh, -c]
            command:
              - |
                echo "Wait"
                sh ./server/it.sh
        === Dockerfile
        FROM debian:13
        WORKDIR /app
        COPY . .
        === server/that.sh
        """,
    ),
    "services of which a call starts one": (
        """
        === Makefile
        debug:
        \tdocker compose -f docker-compose.yml -f docker-compose.debug.yml up shop-debug
        === docker-compose.yml
        services: {shop: {image: shop, ports: ["80:80"]}}
        === docker-compose.debug.yml
        services: {shop-debug: {image: shop, ports: ["80:80"]}}
        """,
        """
        === Makefile
        debug:
        \tdocker compose -f docker-compose.yml -f docker-compose.debug.yml up
        === docker-compose.yml
        services: {shop: {image: shop, ports: ["80:80"]}}
        === docker-compose.debug.yml
        services: {shop-debug: {image: shop, ports: ["80:80"]}}
        """,
    ),
    "a compose file that scripts of tests put on another": (
        """
        === tests/up.sh
        compose="docker compose -f docker-compose.yml -f docker-compose.more.yml"
        === docker-compose.yml
        services: {redis: {image: redis}, shop: {build: ., ports: ["80:80"]}}
        === docker-compose.more.yml
        services: {shop: {build: ., ports: ["80:80"], depends_on: [redis]}}
        === Dockerfile
        FROM debian:13
        """,
        """
        === tests/up.sh
        compose="docker compose -f docker-compose.more.yml"
        === docker-compose.yml
        services: {post: {image: post}, shop: {build: ., ports: ["80:80"]}}
        === docker-compose.more.yml
        services: {shop: {build: ., ports: ["80:80"], depends_on: [redis]}}
        === Dockerfile
        FROM debian:13
        """,
    ),
    "a part of a compose file that a script appends": (
        """
        === suite/run.sh
        cat parts/part-compose.yml >> made.yml
        === suite/parts/part-compose.yml
        services:
          one:
            <<: *image
        """,
        """
        === suite/run.sh
        docker compose -f parts/part-compose.yml up
        === suite/parts/part-compose.yml
        services:
          one:
            <<: *image
        """,
    ),
    "a server for when another does not listen": (
        """
        === compose.yaml
        services:
          shop: {image: shop, command: [uvicorn, "a:b", --port, "4444"]}
          web: {image: "nginx:1.29", volumes: ["./nginx.conf:/etc/nginx/nginx.conf:ro"]}
        === nginx.conf
        events {}
        http {
          upstream till { server shop:8788; server shop:4444 backup; }
          server { listen 80; location / { proxy_pass http://till; } }
        }
        """,
        """
        === compose.yaml
        services:
          shop: {image: shop, command: [uvicorn, "a:b", --port, "4444"]}
          web: {image: "nginx:1.29", volumes: ["./nginx.conf:/etc/nginx/nginx.conf:ro"]}
        === nginx.conf
        events {}
        http {
          upstream till { server shop:8788; server shop:4444; }
          server { listen 80; location / { proxy_pass http://till; } }
        }
        """,
    ),
    "what a stage bundles anew": (
        """
        === Dockerfile
        FROM node:22 AS pages
        WORKDIR /build
        COPY . .
        RUN npm ci && npm run build
        FROM nginx
        COPY --from=pages /build/static/site.css /srv/
        === package.json
        {"scripts": {"build": "tool -o static/site.css"}}
        === package-lock.json
        {}
        === static/site.css
        === static/app.conf
        === .dockerignore
        static/site.css
        """,
        """
        === Dockerfile
        FROM node:22 AS pages
        WORKDIR /build
        COPY . .
        RUN npm ci && npm run build
        FROM nginx
        COPY --from=pages /build/static/app.conf /srv/
        === package.json
        {"scripts": {"build": "tool -o static/site.css"}}
        === package-lock.json
        {}
        === static/site.css
        === static/app.conf
        === .dockerignore
        static/app.conf
        """,
    ),
}
"""What is no defect, and the defect that it could be taken for."""


@pytest.mark.parametrize("what", PAIRS)
def test_what_is_no_defect_does_not_block(what: str, blocking: Callable[[str], list[str]]) -> None:
    assert blocking(PAIRS[what][0]) == []


@pytest.mark.parametrize("what", PAIRS)
def test_the_defect_that_is_like_it_does(what: str, blocking: Callable[[str], list[str]]) -> None:
    assert blocking(PAIRS[what][1])
