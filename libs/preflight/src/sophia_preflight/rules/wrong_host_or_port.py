"""A service asks for a host that its project does not have, or for a port that nobody listens to there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from sophia_preflight.composing import Used, used
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Confidence, Finding, Involved, Rule, Severity
from sophia_preflight.ports.asking import Asked, asked, is_whole_default
from sophia_preflight.ports.listening import Ports, is_said, is_slip, names_of, of_service
from sophia_preflight.ports.meaning import meant_by
from sophia_preflight.ports.overriding import Overriding
from sophia_preflight.ports.proxying import astray
from sophia_preflight.text import named
from sophia_preflight.together import lacking, may_meet, stands_for

RULE = Rule(
    id="wrong-host-or-port",
    title="a service is asked for under a name or port that it does not have",
    severity=Severity.HIGH,
    why="the connection is refused, or the name is not found",
    fix="use the name of the service, and the port inside its container",
    family="contradictions",
)
_EVERYWHERE = named("localhost host gateway user username password example changeme metadata dummy foo test your")


def check(context: Context) -> Iterable[Finding]:
    projects: dict[int, list[Used]] = {}
    overriding = Overriding(context)
    for each in used(context):
        projects.setdefault(id(each.project), []).append(each)
    for services in projects.values():
        names = {name: each for each in services for name in names_of(each)}
        ports = {id(each): of_service(context, each) for each in services}
        found: dict[tuple[str, str], Finding] = {}
        for each in services:
            for one in asked(context, each):
                target = names.get(one.host)
                if target is None:
                    _add(found, (one.host, ""), _host(context, each, one, services, ports))
                elif one.port:
                    _add(found, (one.host, one.port), _port(context, each, one, target, ports[id(target)], overriding))
        yield from found.values()
    yield from _local(context)


def _local(context: Context) -> Iterator[Finding]:
    for one in astray(context):
        there = ", ".join(f"`{port}`" for port in sorted(one.listening))
        path = one.place.path
        yield RULE.found(
            f"`{path}` hands on to port `{one.port}` of its own machine, and what is started here listens to {there}",
            Involved(one.place, "call"),
            Involved(next(iter(one.listening.values())), "declaration"),
            anchor=f"{path} {one.port}",
            confidence=Confidence.LIKELY,
            blocks=f"the site of `{path}`",
        )


def _add(found: dict[tuple[str, str], Finding], key: tuple[str, str], more: Iterable[Finding]) -> None:
    """Whoever asks for the same thing that is not there, it is one defect: told where it is worst, with all places."""
    for new in more:
        old = found.get(key, new)
        first, other = sorted((old, new), key=lambda each: each.severity.rank)
        also = () if other is first else (Involved(other.place, "call"),)
        found[key] = replace(first, places=first.places + also)


def _port(
    context: Context, each: Used, one: Asked, target: Used, ports: Ports, overriding: Overriding
) -> Iterator[Finding]:
    moved = None if one.kind == "wait" else overriding.of(target, one.port)
    if moved is None and (one.port in ports.answering or (not ports.all and one.port not in ports.published)):
        return
    if ports.mentions(one.port) or target.service.has("network_mode"):
        return
    sure = bool(moved or ports.started or ports.usual) or one.port in ports.published
    sure = sure or ports.is_beside(one.port, one.kind) or _is_slip(context, one, ports)
    if not sure and not (
        ports.built and (one.kind not in ("word", "wait", "scrape") or not is_said(context, one.port, one.place))
    ):
        return
    there = ", ".join(f"`{port}`" for port in sorted(ports.started or ports.usual or ports.told or ports.declared))
    said = f"{one.by} asks `{one.host}` on port `{one.port}`, and it listens to {there or 'another'}"
    if moved is not None:
        said = f"{one.by} asks `{one.host}` on port `{one.port}`, which a variable of its service sets to another"
    elif one.port in ports.published:
        said += f": `{one.port}` is the port of the host"
    severity, blocks = each.consequence
    places = [Involved(one.place, "call")]
    if (there_is := moved or ports.place) is not None:
        places.append(Involved(there_is, "declaration"))
    yield RULE.found(
        said,
        *places,
        anchor=f"{one.by} {one.host}:{one.port}",
        severity=severity.at_most(Severity.MEDIUM if one.tolerant else Severity.HIGH),
        confidence=Confidence.LIKELY,
        blocks="" if one.tolerant else blocks,
    )


def _is_slip(context: Context, one: Asked, ports: Ports) -> bool:
    """Whether a port of which nothing else speaks is a mistyped one of those that are known."""
    return any(is_slip(one.port, each) for each in ports.all) and not is_said(context, one.port, one.place)


def _host(
    context: Context, each: Used, one: Asked, services: list[Used], ports: Mapping[int, Ports]
) -> Iterator[Finding]:
    if "." in one.host or one.host in _EVERYWHERE or _is_open(each, services) or one.host in _given(each):
        return
    meant = meant_by(each, one, services, ports)
    if _is_elsewhere(context, each, one.host, meant) or _is_container(one.host, services):
        return
    if one.assumed and (meant is None or not is_whole_default(context, one)):
        return  # another host may always be told
    if meant is None and one.kind != "proxy":
        return
    severity, blocks = each.consequence
    limit = Severity.CRITICAL if one.kind == "proxy" else Severity.MEDIUM if one.tolerant else Severity.HIGH
    caddy = "addy" in one.place.path
    places = [Involved(one.place, "call")]
    if meant is not None:
        places.append(Involved(meant.service.first.node.place(meant.service.first.file.path), "the one that is there"))
    yield RULE.found(
        f"{one.by} asks for the host `{one.host}`, and `{each.service.name}` reaches none of that name",
        *places,
        anchor=f"{one.by} {one.host}",
        severity=severity.at_most(limit),
        confidence=Confidence.LIKELY,
        why='nginx does not start: "host not found in upstream"' if one.kind == "proxy" and not caddy else None,
        fix=RULE.fix + (f": there is `{meant.service.name}`" if meant is not None else ""),
        blocks=blocks,
    )


def _is_elsewhere(context: Context, each: Used, host: str, meant: Used | None) -> bool:
    """Whether another project has the host: they may share a network, unless one is run instead of the other, which it
    is where it lacks nothing, and has the same service beside one that stands for the host of the other."""
    mine = each.service.parts[-1].file
    there = [file for file in context.composes.values() if host in file.root["services"] and may_meet(mine, file)]
    if meant is None or lacking((mine,)):
        return bool(there)
    other, name = meant.service.first.node, each.service.name
    return any(
        file.directory != mine.directory
        or name not in file.root["services"]
        or not stands_for(other, file.root["services"][host])
        for file in there
    )


def _is_container(host: str, services: list[Used]) -> bool:
    """Whether it is the name that Compose gives a container: project, service and number."""
    return any(re.fullmatch(rf"[\w-]+[-_]{re.escape(each.service.name)}[-_]\d+", host) for each in services)


def _is_open(each: Used, services: list[Used]) -> bool:
    """Whether containers of other projects may be in reach."""
    files = each.project.files
    if any(file.root["include"] for file in files) or each.service.has("network_mode"):
        return True
    if each.project.stack or each.service.has("external_links"):
        return True
    return any(
        node["external"].text not in ("", "false") or node["external"].is_map
        for file in files
        for _, node in file.root["networks"].items()
    ) or any("{" in other.service.name for other in services)


def _given(each: Used) -> set[str]:
    found: set[str] = set()
    for key, mark in (("extra_hosts", ":"), ("links", ":")):
        for part in each.service.listed(key):
            found |= set(part.text.replace("=", mark).split(mark))
    return found


_WAITING = """
    === compose.yaml
    services:
      shop:
        image: registry.example.com/shop:1.4
        entrypoint: scripts/start.sh
        working_dir: /src
        volumes: [".:/src"]
      database:
        image: mariadb:11
        networks:
          default: {aliases: [%s]}
      example-prices:
        image: registry.example.com/prices:1.4
    === scripts/start.sh
    #!/bin/bash
    set -e
    %s
    exec shopd
    === wait-for-it.sh
    #!/bin/bash
    until nc -z "$1" "$2"; do sleep 1; done
"""
_GRAPH = """
    === compose.yaml
    services:
      api:
        image: registry.example.com/api:1.4
        environment: {GRAPH_URI: "${GRAPH_URI:-bolt://neo4j:%s}"}
      neo4j: {image: "neo4j:5", ports: ["7687:7687"]}
    === compose.test.yaml
    services:
      api:
        image: registry.example.com/api-test:1.4
        environment: {GRAPH_URI: "bolt://%s:${GRAPH_PORT}"}
      store: {image: "neo4j:5"}
"""
_CHAIN = """
    === compose.yaml
    services:
      index:
        image: registry.example.com/index:1.4
        command: [--http-addr, "index:3003", --daemon-rpc-addr, "%s:18884"]
      chaind:
        image: registry.example.com/chaind:1.4
        command: ["-rpcport=18884"]
      node-2:
        image: registry.example.com/node:1.4
        command: ["--rpclisten=%s:10009"]
      api:
        image: registry.example.com/api:1.4
        hostname: api-server
        ports: ["8283:8283"]
        networks: {default: {aliases: [api.local]}}
        environment: {API_URL: "http://api.local:%s", PAGE_URL: "http://api.other:80"}
      proxy:
        image: nginx:1.29
        volumes: ["./nginx.conf:/etc/nginx/nginx.conf"]
    === nginx.conf
    http { server { location / {
      set $api "http://api-server:%s";
      proxy_pass $api;
    } } }
"""
_OVERRIDDEN = """
    === compose.yaml
    services:
      shop:
        build: .
        environment: {METRICS_PORT: "%s", REDIS_URL: "${REDIS_URL:-redis://%s:6379/0}"}
      scraper:
        image: prom/prometheus:v3
        volumes: ["./prometheus.yml:/etc/prometheus/prometheus.yml:ro"]
      store-redis: {image: "redis:8"}
    === prometheus.yml
    scrape_configs: [{job_name: shop, static_configs: [{targets: ["shop:9464"]}]}]
    === Dockerfile
    FROM python:3.13-slim
    === src/settings.py
    prefix, port = "METRICS_", 9464"""
BAD = [
    tree(_GRAPH % (7688, "store")),
    tree(_GRAPH % (7687, "neo4j")),
    tree(_CHAIN % ("chain", "node-2", 8283, 8283)),
    tree(_CHAIN % ("chaind", "node-1", 8283, 8283)),
    tree(_CHAIN % ("chaind", "node-2", 8823, 8283)),
    tree(_CHAIN % ("chaind", "node-2", 8283, 8823)),
    tree(_OVERRIDDEN % (9465, "store-redis")),
    tree(_OVERRIDDEN % (9464, "redis")),
    tree(_WAITING % ("shop-stores", "./wait-for-it.sh shop-store 3306")),
    tree(_WAITING % ("shop-stores", "wait-for-it --strict -t 30 shop-store:3306")),
    tree(_WAITING % ("shop-db", "nc -z -w 2 prices 8080")),
    tree("""
        === compose.yaml
        services:
          api:
            image: example/api:1
            environment: [DB_HOST=db]
          store:
            image: postgres:17
    """),
    tree("""
        === compose.yaml
        services:
          api:
            image: registry.example.com/api:1.4
            environment:
              DATABASE_URL: postgresql://app@postgres:5432/app
          db:
            image: postgres:17
    """),
    tree("""
        === compose.yaml
        services:
          web:
            image: registry.example.com/web:1.4
            environment:
              API_URL: http://api:8080
          api:
            build: ./api
            ports: ["8080:8000"]
        === api/Dockerfile
        FROM python:3.13-slim
        COPY app.py .
        CMD ["uvicorn", "app:app", "--host", "0.0.0.0", "--port", "8000"]
        === api/app.py
        app = None
    """),
    tree("""
        === compose.yaml
        services:
          proxy:
            image: nginx:1.29
            volumes: ["./nginx.conf:/etc/nginx/nginx.conf:ro"]
          api:
            image: registry.example.com/api:1.4
        === nginx.conf
        http {
          server {
            location / { proxy_pass http://backend:8000; }
          }
        }
    """),
    tree("""
        === compose.yaml
        services:
          proxy:
            image: nginx:1.29
            volumes: ["./nginx:/etc/nginx/conf.d:ro"]
          api:
            image: registry.example.com/api:1.4
            command: uvicorn app:app --host 0.0.0.0 --port 8000
        === nginx/default.conf
        upstream api { server api:8080; }
        server { location / { proxy_pass http://api; } }
    """),
    tree("""
        === compose.yaml
        services:
          api: {image: "registry.example.com/api:1.4", environment: {CACHE_URL: "redis://cache:6379"}}
          keep: {image: "redis:8"}
        === compose.local.yaml
        services:
          api: {image: "registry.example.com/api:1.4", environment: {CACHE_URL: "redis://cache:6379"}}
          cache: {image: "redis:8"}
    """),
    tree("""
        === compose.yaml
        services:
          web:
            image: registry.example.com/web:1.4
            env_file: [settings/web.env]
          db:
            image: postgres:17
        === settings/web.env
        LEVEL=info
        export DATABASE_URL="postgresql://app@postgres:5432/app"
    """),
    tree("""
        === compose.yaml
        services:
          worker:
            image: registry.example.com/web:1.4
            command: worker run postgresql://app@monitor/app
          pgmonitor:
            image: postgres:17
    """),
    tree("""
        === compose.yaml
        services:
          worker:
            image: registry.example.com/web:1.4
            command: ["worker", "--broker", "redis://cache:6380/0"]
          cache:
            image: redis:8
    """),
    tree("""
        === compose.yaml
        services:
          web:
            build: .
            command: /bin/sh -c "./migrate && gunicorn shop:app --bind :8080 --workers 8"
            expose: [8000]
          proxy:
            image: nginx:1.29
            volumes: ["./nginx:/etc/nginx/conf.d/"]
        === Dockerfile
        FROM python:3.13-slim
        COPY . .
        === nginx/default.conf
        upstream shop { server web:8000; }
        server { location / { proxy_pass http://shop; } }
    """),
    tree("""
        === compose.yaml
        services:
          worker:
            image: registry.example.com/web:1.4
            command: wait-for-it --strict --timeout=600 web:8080 -- celery -A shop worker
          web:
            image: registry.example.com/web:1.4
            command: gunicorn shop:app --bind 0.0.0.0:8000
            expose: [8000]
    """),
    tree("""
        === compose.yaml
        services:
          worker:
            image: registry.example.com/web:1.4
            command:
              - sh
              - -c
              - |
                until nc -z -w 2 store 5433; do sleep 1; done
                exec worker
          store:
            image: postgres:17
    """),
    tree("""
        === compose.yaml
        services:
          worker:
            image: registry.example.com/web:1.4
            environment: {CACHE_ADDR: "cache:6380"}
          cache:
            image: redis:8
    """),
    tree("""
        === compose.yaml
        services:
          web: {build: .}
          store: {image: "mysql:8"}
        === Dockerfile
        FROM python:3.13-slim
        COPY entrypoint.sh /
        ENTRYPOINT ["/entrypoint.sh"]
        === entrypoint.sh
        #!/bin/sh
        # store:3307
        until mysqladmin ping -h store -P 3307; do sleep 1; done
        exec web
    """),
    tree("""
        === compose.yaml
        services:
          balancer:
            image: haproxy:3.2
            volumes: ["./haproxy.cfg:/usr/local/etc/haproxy/haproxy.cfg:ro"]
          web:
            image: registry.example.com/web:1.4
            command: gunicorn shop:app --bind 0.0.0.0:8000
        === haproxy.cfg
        backend web
          server web1 web:8080 check
    """),
    tree("""
        === compose.yaml
        services:
          grafana:
            image: grafana/grafana:12.1.0
            volumes: ["./grafana/provisioning:/etc/grafana/provisioning"]
          prometheus:
            image: prom/prometheus:v3.5.0
        === grafana/provisioning/datasources/all.yaml
        datasources:
          - name: Prometheus
            url: http://prometheus:9091
    """),
    tree("""
        === deploy/nginx/shop.conf
        server {
          location / { proxy_pass http://127.0.0.1:8001; }
        }
        === deploy/shop.service
        [Service]
        ExecStart=/srv/shop/bin/gunicorn shop:app --bind 127.0.0.1:8000
    """),
    tree("""
        === docker/nginx.conf
        http { upstream app {
          server localhost:9000;
        } }
        === docker/supervisord.conf
        [program:app]
        command=uvicorn shop:app --host 127.0.0.1 --port 8000
    """),
    tree("""
        === compose.yaml
        services:
          web:
            image: registry.example.com/web:1.4
            env_file: web.env
          store:
            image: postgres:17
        === web.env
        DB_HOST=store
        DB_PORT=5433
    """),
    tree("""
        === compose.yaml
        services:
          web:
            image: registry.example.com/web:1.4
            environment:
              POSTGRES_SERVER: store
              POSTGRES_PORT: "5433"
          store:
            image: postgres:17
    """),
]
GOOD = [
    tree(_GRAPH % (7687, "store")),
    tree(_GRAPH.replace('store: {image: "neo4j:5"}', 'store: {image: "redis:8"}') % (7687, "neo4j")),
    tree(_CHAIN % ("chaind", "node-2", 8283, 8283)),
    tree(_CHAIN % ("other-machine", "0.0.0.0", 8284, 8284)),
    tree(_OVERRIDDEN % (9464, "store-redis")),
    tree((_OVERRIDDEN % (9465, "store-redis")).replace("METRICS_PORT:", "OTHER_PORT:")),
    tree("""
        === compose.yaml
        services:
          api:
            image: registry.example.com/api:1.4
            environment: [STORE_URL=postgresql://shop-store-1:5432/shop]
          store:
            image: postgres:17
    """),
    tree(_WAITING % ("shop-store", "./wait-for-it.sh shop-store 3306")),
    tree(_WAITING % ("shop-store", "./wait-for-it.sh somewhere 3306")),
    tree("""
        === compose.yaml
        services:
          api:
            image: example/api:1
            environment: [MAIL_HOST=mail, DB_HOST=store, CACHE_HOST=memory]
          store:
            image: postgres:17
    """),
    tree("""
        === compose.yaml
        services:
          api: {image: "registry.example.com/api:1.4", environment: {CACHE_URL: "redis://cache:6379"}}
        === compose.cache.yaml
        services:
          cache: {image: "redis:8"}
    """),
    tree("""
        === compose.yaml
        services:
          web:
            image: registry.example.com/web:1.4
            command: web --queue amqp://queue.example.com:5672 --docs http://api:8000/docs
            env_file: web.env
            environment:
              API_URL: http://api:8000
              DB_HOST: db
              DB_PORT: "5432"
              OTHER_URL: http://mail.example.com:25
          api:
            build: ./api
            ports: ["8080:8000"]
          db:
            image: postgres:17
          proxy:
            image: nginx:1.29
            volumes: ["./nginx.conf:/etc/nginx/nginx.conf:ro"]
        === web.env
        # STORE_URL=postgresql://app@store:5432/app
        STORE_URL=postgresql://app@db:5432/app
        API_URL=http://api:9000
        === nginx.conf
        upstream backend { server api:8000; }
        server {
          resolver 127.0.0.11;
          set $other http://later:9000;
          location / { proxy_pass http://backend; }
          location /other { proxy_pass $other; }
        }
        === api/Dockerfile
        FROM python:3.13-slim
        COPY app.py .
        CMD ["uvicorn", "app:app", "--host", "0.0.0.0", "--port", "8000"]
        === api/app.py
        app = None
    """),
    tree("""
        === compose.yaml
        services:
          worker:
            image: registry.example.com/web:1.4
            command:
              - sh
              - -c
              - |
                chown worker:1000 /data; chown -R store:1000 /data
                wait-for-it web:8000 -- dockerize -wait tcp://store:5432 worker --image web:1234 worker:8080
          web:
            image: registry.example.com/web:1.4
            command: gunicorn shop:app --bind 0.0.0.0:8000
            expose: [8000, 9100]
            environment: {TAGS: "web:8000,store:5432", PAIR: "other:1234"}
          other:
            image: registry.example.com/web:1.4
            environment: {METRICS: "web:9100"}
          store:
            image: postgres:17
    """),
    tree("""
        === compose.yaml
        services:
          web:
            build: .
            command: sh -c "gunicorn shop:app --bind :8080 & nginx -g 'daemon off;'"
            expose: [8000]
          near:
            build: .
            command: gunicorn shop:app --bind 127.0.0.1:8080
            expose: [8000]
          own:
            build: .
            expose: [8000]
          work:
            image: registry.example.com/web:1.4
            environment: {WEB: "http://web:8000", NEAR: "http://near:8000", OWN: "own:9100"}
        === Dockerfile
        FROM python:3.13-slim
        COPY . .
        === shop.py
        app, METRICS = None, 9100
    """),
    tree("""
        === compose.yaml
        services:
          grafana:
            image: grafana/grafana:12.1.0
            volumes: ["./grafana:/etc/grafana/provisioning", ".:/src"]
          prometheus:
            image: prom/prometheus:v3.5.0
          web:
            image: registry.example.com/web:1.4
            ports: ["8000:8000"]
        === grafana/all.yaml
        # url: http://prometheus:9091
        datasources:
          - {name: Prometheus, url: "http://prometheus:9090", other: "grafana:1234", web: "http://web:9000"}
        === other.yaml
        url: http://prometheus:9091
    """),
    tree("""
        === deploy/nginx/shop.conf
        server {
          # proxy_pass http://127.0.0.1:8002;
          location / { proxy_pass http://127.0.0.1:8000; }
          location /feed { proxy_pass http://127.0.0.1:8001; }
        }
        === deploy/shop.service
        [Service]
        ExecStart=/srv/shop/bin/gunicorn shop:app --bind 127.0.0.1:8000
        === feed.py
        PORT = 8001
    """),
]
