"""Hosts and ports that configurations, probes and manifests ask for, in the ways that these are written."""

from __future__ import annotations

from collections.abc import Callable

import pytest

Blocking = Callable[[str], list[str]]
CADDY = """
=== compose.yaml
services:
  proxy:
    image: caddy:2
    volumes: ["./Caddyfile:/etc/caddy/Caddyfile:ro"]
  shop:
    image: registry.example.com/shop:1.4
=== Caddyfile
:1934 {
  reverse_proxy shop-server:{$PORT:1933} {
    flush_interval -1
  }
}
"""
BY_PORT = """
=== compose.yaml
services:
  shop:
    image: registry.example.com/shop:1.4
    environment: {TRACES: "http://agent:4317", FILES: "http://bucket:9000"}
  collector:
    image: otel/opentelemetry-collector:0.96.0
    ports: ["4317:4317"]
  files:
    image: registry.example.com/files:1.4
    ports: ["9000:9000"]
"""
SCRAPED = """
=== compose.yaml
services:
  prometheus:
    image: prom/prometheus:v3.5.0
    volumes: ["./prometheus.yml:/etc/prometheus/prometheus.yml:ro"]
  store:
    image: registry.example.com/shop:1.4
    expose: [8052]
=== prometheus.yml
scrape_configs:
  - job_name: shop
    static_configs: [{targets: ["shop-api:8052"]}]
"""
THERE = """
=== compose.yaml
services:
  proxy:
    image: caddy:2
    volumes: ["./Caddyfile:/etc/caddy/Caddyfile:ro"]
  shop:
    image: registry.example.com/shop:1.4
    environment: {FILES: "http://bucket:9000", MAIL: "smtp://post:2525"}
  files:
    image: registry.example.com/files:1.4
    ports: ["9000:9000"]
  one: {image: "registry.example.com/files:1.4", ports: ["2525:2525"]}
  two: {image: "registry.example.com/files:1.4", expose: [2525]}
=== Caddyfile
:1934 {
  reverse_proxy shop:{$PORT:1933} {$OTHER:shop}:80 {env.THIRD}:80
}
"""
PROBED = """
=== Dockerfile
FROM python:3.13-slim
COPY shop/ shop/
EXPOSE 8050
HEALTHCHECK CMD python -c "import urllib.request as r; r.urlopen('http://localhost:8080/health')"
CMD ["python", "-m", "shop"]
=== shop/__main__.py
from shop.settings import PORT
=== shop/settings.py
PORT = %s
=== shop/static/chart.js
8080
=== tests/test_shop.py
PORT = 8080
"""
TOLD = """
=== compose.yaml
services:
  files:
    image: registry.example.com/files:1.4
    entrypoint: sh
    command: -c 'mkdir -p /data && files server --address ":%s" --console-address ":9001" /data'
    ports: ["9090:9000", "127.0.0.1:9091:9001"]
"""
RUN = """
=== api/app.py
app = None
=== api/Dockerfile
FROM python:3.13-slim
COPY app.py .
EXPOSE 8000
CMD ["uvicorn", "app:app", "--host", "0.0.0.0", "--port", "8000"]
=== README.md
```bash
docker build -t shop api
docker run -p 8080:%s shop
```
"""
FILLED = """
=== deploy/shop.yaml
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: shop}
spec:
  accessModes:
    - __ACCESS_MODE__
  __STORAGE_CLASS__
  resources: {requests: {storage: 10Gi}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop}
spec:
  replicas: __REPLICAS__
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: %s}}
    spec:
      containers: [{name: shop, image: __IMAGE__, ports: [{containerPort: 8080}]}]
---
apiVersion: v1
kind: Service
metadata: {name: shop}
spec:
  selector: {app: shop}
  ports: [{port: 80, targetPort: %s}]
"""


FROM_OUTSIDE = """
=== compose.yaml
services:
  shop:
    image: registry.example.com/shop:1.4
    environment: {DATABASE_URL: "postgresql://${USER:-shop}:${PASSWORD:-shop}@%s:5432/shop"}
  db: {image: "postgres:16"}
"""
WATCHED = """
=== compose.yaml
services:
  alerts: {image: "prom/alertmanager:v0.27.0"}
  store:
    image: prom/prometheus:v3.5.0
    volumes: ["./prometheus:/etc/prometheus"]
  grafana:
    image: grafana/grafana:12.1.0
    volumes: ["./grafana:/etc/grafana/provisioning"]
=== prometheus/prometheus.yml
alerting: {alertmanagers: [{static_configs: [{targets: ["%s:9093"]}]}]}
scrape_configs: []
=== grafana/datasources/all.yml
apiVersion: 1
datasources: [{name: Metrics, type: prometheus, url: "http://%s:9090"}]
"""
NEEDED = """
=== k8s/shop.yaml
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: %s}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop}
spec:
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec:
      containers: [{name: shop, image: "registry.example.com/shop:1"}]
      volumes: [{name: data, persistentVolumeClaim: {claimName: shop-data}}]
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: shop}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: %s}
  maxReplicas: 3
"""


BEFORE = """
=== k8s/shop.yaml
apiVersion: v1
kind: Service
metadata: {name: %s}
spec: {selector: {app: redis}, ports: [{port: 6379}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: redis}
spec:
  selector: {matchLabels: {app: redis}}
  template:
    metadata: {labels: {app: redis}}
    spec: {containers: [{name: redis, image: "redis:8", ports: [{containerPort: 6379}]}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop}
spec:
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec:
      containers:
        - name: shop
          image: registry.example.com/shop:1
          env: [{name: CACHE_URL, value: "redis://%s:6379/0"}]
"""


@pytest.mark.parametrize(
    ("example", "said"),
    [
        (CADDY, "shop-server"),
        (BY_PORT, "agent"),
        (SCRAPED, "shop-api"),
        (PROBED % 8050, "`8080`"),
        (TOLD % 9500, "`9500`"),
        (RUN % 8080, "`8080`"),
        (FILLED % ("shops", 8080), "`app: shops`"),
        (FROM_OUTSIDE % "postgres", "`postgres`"),
        (BEFORE % ("cache", "redis"), "`cache`"),
        (BEFORE % ("cache", "redis.default.svc.cluster.local"), "`cache`"),
        (WATCHED % ("alertmanager", "store"), "`alertmanager`"),
        (WATCHED % ("alerts", "prometheus"), "`prometheus`"),
        (NEEDED % ("data", "shop"), "`shop-data`"),
        (NEEDED % ("shop-data", "shop-server"), "`shop-server`"),
        (FILLED % ("shop", 8081), "8081"),
    ],
)
def test_what_nobody_answers_is_found(example: str, said: str, blocking: Blocking) -> None:
    found = blocking(example)
    assert found and all(said in each for each in found)


@pytest.mark.parametrize(
    "example",
    [
        FROM_OUTSIDE % "db",
        BEFORE % ("redis", "redis"),
        BEFORE % ("cache", "other"),
        FROM_OUTSIDE % "${HOST:-postgres}",
        WATCHED % ("alerts", "store"),
        NEEDED % ("shop-data", "shop"),
        THERE,
        PROBED % 8080,
        TOLD % 9000,
        RUN % 8000,
        FILLED % ("shop", 8080),
        FILLED % ("shop", "__PORT__"),
    ],
)
def test_what_may_be_answered_is_not(example: str, blocking: Blocking) -> None:
    assert not blocking(example)
