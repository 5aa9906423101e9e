"""Compose and stack files that Compose or Docker refuses to read: every error of a file."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator

from sophia_preflight.composing import file_consequence
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Confidence, Edit, Finding, Place, Rule, Severity
from sophia_preflight.readers.compose import ComposeFile
from sophia_preflight.readers.tree import Node
from sophia_preflight.schemas import compose as schemas
from sophia_preflight.schemas.shape import Violation, violations
from sophia_preflight.spelling import respelt

RULE = Rule(
    id="compose-schema",
    title="a compose or stack file is not valid",
    severity=Severity.CRITICAL,
    why="the whole file is refused, so that none of its services starts",
    fix="write the key as the Compose specification has it",
    family="compose",
)

_MEANT = re.compile(r"did you mean `([^`]+)`")


def check(context: Context) -> Iterable[Finding]:
    for path, file in context.composes.items():
        projects = context.compositions.projects_with(path)
        if not _is_part(context, file):
            yield from _faults(file)
        if not file.documents.documents:
            continue
        stack = any(project.stack for project in projects)
        certain = any(project.stack and project.called for project in projects)
        if _is_first_version(file.root):
            yield _outdated(file)
            continue
        seen: set[tuple[int, int]] = set()
        if not stack or any(not project.stack for project in projects):
            for each in violations(schemas.COMPOSE, file.root, ""):
                seen.add((each.node.line, each.node.column))
                yield _violation(file, each, "", Confidence.CERTAIN)
        if stack:
            confidence = Confidence.CERTAIN if certain else Confidence.LIKELY
            for each in violations(schemas.STACK, file.root, ""):
                if (each.node.line, each.node.column) not in seen:
                    yield _violation(file, each, " by `docker stack deploy`", confidence)


def _is_part(context: Context, file: ComposeFile) -> bool:
    """Whether a file that does not parse alone is put behind another one by a script: its anchors are in that."""
    if not any("anchor" in fault.message for fault in file.documents.faults):
        return False
    put = re.compile(rf"\bcat\b[^\n]*{re.escape(posixpath.basename(file.path))}")
    texts = (
        context.repository.glimpse(path) for path, each in context.repository.entries.items() if each.size < 100_000
    )
    return any(map(put.search, texts))


def _is_first_version(root: Node) -> bool:
    """Services at the top, as Compose 1 had them; that whole form is one defect."""
    if not root.is_map or any(key in root for key in ("services", "include", "name", "version")):
        return False
    services = [value for _, value in root.items() if value.is_map]
    return bool(services) and any("image" in each or "build" in each for each in services)


def _outdated(file: ComposeFile) -> Finding:
    severity, blocks = file_consequence(file.path)
    return RULE.found(
        f"`{file.path}` has its services at the top, the form of Compose 1, which nothing reads any more",
        file.root.place(file.path),
        anchor="first version",
        severity=severity,
        fix="put all services under the key `services`",
        blocks=blocks,
    )


def _faults(file: ComposeFile) -> Iterator[Finding]:
    severity, blocks = file_consequence(file.path)
    for fault in file.documents.faults:
        yield RULE.found(
            f"`{file.path}` does not parse: {fault.message}",
            Place(file.path, fault.line, fault.column),
            anchor=fault.message if fault.kind != "duplicate" else f"duplicate {fault.message.split('`')[1]}",
            severity=severity,
            fix="correct the YAML" if fault.kind != "duplicate" else "remove one of the two keys",
            blocks=blocks,
        )


def _violation(file: ComposeFile, each: Violation, refused: str, confidence: Confidence) -> Finding:
    severity, blocks = file_consequence(file.path)
    edits: tuple[Edit, ...] = ()
    node = each.node
    if (
        node.is_scalar
        and not isinstance(node.value, str)
        and node.value is not None
        and "must be a string" in each.message
    ):
        length = len(node.text)
        edits = (Edit(file.path, node.line, node.column, node.column + length, f'"{node.text}"'),)
    if meant := _MEANT.findall(each.hint):
        edits = respelt(file.path, node, meant)
    if isinstance(node.value, bool | float):
        edits = ()  # how it was written cannot be told from its value
    return RULE.found(
        f"{each.message}" + (f" (refused{refused})" if refused else ""),
        node.place(file.path),
        anchor=f"{each.path}: {each.message}",
        severity=severity,
        confidence=confidence,
        fix=each.hint or RULE.fix,
        blocks=blocks,
        edits=edits,
    )


BAD = [
    tree("""
        === docker-compose.yml
        services:
          mcp-gateway:
            image: example/gateway:1
            build:
          web:
            image: nginx:1.29
            ports: "8080:80"
    """),
    tree("""
        === docker-compose.yml
        services:
          web:
            image: nginx:1.29
            enviroment:
              A: b
            healthcheck:
              interval: 30
    """),
    tree("""
        === docker-compose.yml
        services:
          web:
            image: nginx:1.29
            deploy: {resources: {limits: {memory: plenty}}}
    """),
    tree("""
        === docker-compose.yml
        services:
          web:
            image: nginx:1.29
            healthcheck: {test: "curl -f localhost", retries: often}
    """),
    tree("""
        === stack.yml
        version: "3.8"
        services:
          web:
            image: nginx:1.29
            depends_on:
              db:
                condition: service_healthy
            deploy:
              resources:
                limits:
                  cpus: 0.5
          db:
            image: postgres:17
    """),
    tree("""
        === compose.yaml
        services:
          web:
            image: nginx:1.29
            image: nginx:1.28
    """),
    tree("""
        === docker-compose.yml
        web:
          build: .
          links: [db]
        db:
          image: postgres:17
        === Dockerfile
        FROM scratch
    """),
]
GOOD = [
    tree("""
        === docker-compose.yml
        x-common: &common
          restart: unless-stopped
          environment: &environment
            LOG: ${LOG:-info}
            EMPTY:
        services:
          web:
            <<: *common
            build: {context: ., args: [A, B=1]}
            command: null
            ports: ["${PORT:-8080}:80", 9000, "127.0.0.1:5000-5010:5000-5010/udp", {target: 1, published: "2"}]
            depends_on: {db: {condition: service_started}}
            deploy: {resources: {limits: {cpus: 0.5, memory: 1.5GiB}, reservations: {memory: "${MEM:-64M}"}}}
            mem_limit: 512 MB
            memswap_limit: -1
            shm_size: 64000000
          db:
            image: postgres:17
            healthcheck: {test: ["CMD", "pg_isready"], interval: 1m30s, retries: 3}
            volumes: [data:/data]
        volumes:
          data:
        === Dockerfile
        FROM scratch
        ARG A
        ARG B
    """),
    tree("""
        === templates/docker-compose.yml
        services:
          {{ name }}:
            image: x
    """),
    tree("""
        === roles/shop/tasks/compose.yml
        ---
        # how the shop is started
        - name: Start
          command: docker compose up
          environment: {SHOP: "1"}
    """),
]
