"""`python -m`, uvicorn, gunicorn, celery: a module of ours that is not there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from sophia_preflight.calls.model import Attribute, Call, Caller, Module, Site, System
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Confidence, Finding, Place, Rule, Severity
from sophia_preflight.standing import consequence
from sophia_preflight.text import UNKNOWN

RULE = Rule(
    id="missing-module",
    title="a module is started that does not exist",
    severity=Severity.HIGH,
    why="Python ends with ModuleNotFoundError when it is started",
    fix="correct the module's name, or add the module",
    family="targets",
)


_SAID = re.compile(
    r"\bpython\d?(?:\.\d+)?[\"']?,?\s+(?:-u\s+)?(?:-\s+)?[\"']?-m[\"']?,?\s+(?:-\s+)?[\"']?(?P<name>[a-z_]\w*(?:\.\w+)+)(?![\w.])"
)
"""How any text says that a module is started, in a line or as a list."""
_TEXTS = re.compile(r"\.(ya?ml|tpl|json|toml|conf|cfg|ini|env|service|j2|tf|hcl|sh|ps1|tmpl|nomad)$")
_MOST = 200_000


def check(context: Context) -> Iterable[Finding]:
    seen: set[tuple[str, str]] = set()
    for call in context.begun:
        if isinstance(call.target, Module):
            seen.add((call.site.path, call.target.name.value))
        yield from _missing(context, call)
    yield from _said(context, seen)


def _said(context: Context, seen: set[tuple[str, str]]) -> Iterator[Finding]:
    """Modules of the project that this repository is, named in texts that nobody here follows."""
    repository = context.repository
    for path, entry in repository.entries.items():
        if not _TEXTS.search(path) or entry.size > _MOST:
            continue
        text = repository.glimpse(path)
        for said in _SAID.finditer(text) if "-m" in text else ():
            name = said["name"]
            line = text[text.rfind("\n", 0, said.start()) + 1 : said.start()].lstrip()
            if (path, name) in seen or line.startswith(("#", "//", "echo")):
                continue
            seen.add((path, name))
            location = context.finder.module(name, Site(path, Caller.KUBERNETES, UNKNOWN, System.UNKNOWN), ())
            if location.missing:
                at = said.start("name")
                caller = Caller.KUBERNETES if "/templates/" in path else Caller.TASK
                severity, blocks = consequence(Site(path, caller, owner=name))
                severity = severity.at_most(Severity.HIGH)
                yield RULE.found(
                    f"the module `{name}` is started here and does not exist in {location.where}",
                    Place(path, text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)),
                    anchor=f"{name} from {path}",
                    severity=severity,
                    confidence=Confidence.LIKELY,
                    blocks=blocks,
                )


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
        === deploy/chart/templates/settings.yaml
        apiVersion: v1
        kind: ConfigMap
        metadata: {name: {{ .Release.Name }}}
        data:
          aws: |
            credential_process = python3 -m shop.runner.credentials
        === pyproject.toml
        [project]
        name = "shop"
        === shop/__init__.py
        === shop/runner/__init__.py
        === shop/runner/aws_credentials.py
    """),
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
