"""`python -m`, uvicorn, gunicorn, celery: a module of ours that is not there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sophia_preflight.calls.model import Attribute, Call, Module
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Finding, Place, Rule, Severity
from sophia_preflight.standing import consequence

RULE = Rule(
    id="missing-module",
    title="a module is started that does not exist",
    severity=Severity.HIGH,
    why="Python ends with ModuleNotFoundError when it is started",
    fix="correct the module's name, or add the module",
    family="targets",
)


def check(context: Context) -> Iterable[Finding]:
    for call in context.begun:
        yield from _missing(context, call)


def _missing(context: Context, call: Call) -> Iterator[Finding]:
    match call.target:
        case Module(name=word, search=search):
            name = word.value
        case Attribute(name=word, search=search):
            name = word.value.partition(":")[0]
        case _:
            return
    location = context.finder.module(name, call.site, search or (call.site.directory,))
    if not location.missing:
        return
    severity, blocks = consequence(call.site)
    yield RULE.found(
        f"the module `{name}` is started here and does not exist in {location.where}",
        Place(call.site.path, word.line, word.column),
        anchor=f"{name} from {call.site.owner}",
        severity=severity,
        confidence=location.confidence,
        blocks=blocks,
    )


BAD = [
    tree("""
        === deploy/chart/Chart.yaml
        apiVersion: v2
        name: shop
        version: 1.0.0
        === deploy/chart/values.yaml
        image: {repository: ghcr.io/example/shop}
        === deploy/chart/templates/job.yaml
        apiVersion: batch/v1
        kind: Job
        metadata:
          name: {{ include "shop.fullname" . }}-migrate
        spec:
          template:
            spec:
              containers:
                - name: migrate
                  image: {{ include "shop.image" . }}
                  command:
                    - python
                    - -m
                    - shop.store._migrate
        === pyproject.toml
        [project]
        name = "shop"
        === shop/__init__.py
        === shop/store/__init__.py
        === shop/store/_schema.py
    """),
    tree("""
        === k8s/worker.yaml
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: worker}
        spec:
          selector: {matchLabels: {app: worker}}
          template:
            metadata: {labels: {app: worker}}
            spec:
              containers:
                - name: worker
                  image: registry.example.com/shop/till-desk
                  command: ["python3"]
                  args: ["-m", "till_desk.worker", "--all"]
        === pyproject.toml
        [project]
        name = "till-desk"
        === src/till_desk/__init__.py
        === src/till_desk/workers.py
    """),
    tree("""
        === docs/server/compose.yaml
        services:
          worker:
            image: ${SHOP_IMAGE}
            command: celery --broker=amqp://queue:5672// -A shop.queue.worker_app worker --loglevel=INFO
        === compose.yaml
        services:
          worker:
            image: $OUR_SHOP:latest
            command: python -m shop.queue.worker
        === setup.py
        from setuptools import setup
        setup(name="shop")
        === src/shop/__init__.py
        === src/shop/queue/__init__.py
        === src/shop/queue/app.py
    """),
    tree("""
        === Makefile
        run:
        \tpython -m app.server
        === app/__init__.py
        === app/main.py
    """),
    tree("""
        === Dockerfile
        FROM python:3.12-slim
        WORKDIR /srv
        COPY backend/ ./
        CMD ["uvicorn", "backend.main:app", "--host", "0.0.0.0"]
        === backend/main.py
        app = object()
    """),
    tree("""
        === docker-compose.yml
        services:
          worker:
            build: .
            command: celery -A jobs.queue worker
        === Dockerfile
        FROM python:3.12-slim
        WORKDIR /srv
        COPY jobs ./jobs
        === jobs/__init__.py
        === jobs/tasks.py
    """),
    tree("""
        === docs/running.md
        # Running it

        ```console
        $ python -m shop.worker
        ```
        === pyproject.toml
        [project]
        name = "shop"
        === shop/__init__.py
        === shop/workers.py
    """),
]
GOOD = [
    tree("""
        === compose.yaml
        services:
          worker: {image: "${SHOP_IMAGE:-shop/shop:1.2}", command: celery -A shop.queue.worker_app worker}
          other: {image: "${WORKSHOP_IMAGE}", command: celery -A shop.queue.worker_app worker}
          third: {image: "${SHOP_IMAGE}", command: celery -A shop.queue.app worker}
        === setup.py
        from setuptools import setup
        setup(name="shop")
        === src/shop/__init__.py
        === src/shop/queue/__init__.py
        === src/shop/queue/app.py
    """),
    tree("""
        === Makefile
        run:
        \tpython -m app.server
        \tpython -m http.server
        \tpython -m build --wheel
        === app/server.py
    """),
    tree("""
        === Dockerfile
        FROM python:3.12-slim AS build
        WORKDIR /srv
        COPY backend ./backend
        FROM python:3.12-slim
        WORKDIR /srv
        COPY --from=build /srv/backend ./backend
        CMD ["uvicorn", "backend.main:app"]
        === backend/main.py
        app = object()
    """),
    tree("""
        === Dockerfile
        FROM python:3.12-slim
        WORKDIR /srv
        COPY . .
        RUN pip install .
        CMD ["python", "-m", "tool"]
        === src/tool/__main__.py
        === pyproject.toml
        [project]
        name = "tool"
    """),
    tree("""
        === docs/running.md
        # Running it

        ```console
        $ cd backend
        $ python -m shop.worker --all
        $ python -m http.server
        ```
        === backend/shop/__init__.py
        === backend/shop/worker.py
    """),
]
