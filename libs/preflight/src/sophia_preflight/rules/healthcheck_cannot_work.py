"""Health checks that use a program which their image does not have."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sophia_preflight.base_images import CLIENTS, lacking
from sophia_preflight.calls.entering import NamedImages
from sophia_preflight.composing import Used, used
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Confidence, Finding, Place, Rule, Severity
from sophia_preflight.readers.compose import command_words, interpolated
from sophia_preflight.readers.dockerfile import Dockerfile, Stage
from sophia_preflight.standing import is_development, limited

RULE = Rule(
    id="healthcheck-cannot-work",
    title="a health check uses a program that is not in the image",
    severity=Severity.HIGH,
    why="the container is never healthy: what waits for it does not start, and Swarm replaces it for ever",
    fix="install the program in the image, or probe with one that is there (Python: `python -c` with urllib)",
    family="compose",
)

_BEGINS = r"(?:^|\bCMD(?:-SHELL)?\s+|\[\s*\"|\||&&|;|\(|`|!\s|\b-c\s+[\"']?)\s*"


@dataclass(frozen=True)
class _Lacks:
    programs: frozenset[str]
    because: str


def check(context: Context) -> Iterable[Finding]:
    images = NamedImages(context)
    for each in used(context):
        part = each.service.get("healthcheck", "test")
        if part is None:
            continue
        lacks = _service_lacks(context, images, each)
        program = _lacking(" ".join(word.value for word in command_words(part.node)), lacks)
        if lacks and program:
            severity, blocks = each.consequence
            yield RULE.found(
                f"the health check of `{each.service.name}` uses `{program}`, and {lacks.because}",
                part.node.place(part.file.path),
                anchor=f"{each.service.name} {program}",
                severity=severity,
                confidence=Confidence.LIKELY,
                blocks=blocks,
            )
    for path, made in context.dockerfiles.items():
        yield from _of_dockerfile(path, made)


def _of_dockerfile(path: str, made: Dockerfile) -> Iterator[Finding]:
    final = made.final
    probe = final.last("HEALTHCHECK") if final else None
    if final is None or probe is None:
        return
    lacks = _stage_lacks(made, final)
    program = _lacking(probe.flat, lacks)
    if lacks and program:
        severity = Severity.HIGH if is_development(path) else Severity.CRITICAL
        yield RULE.found(
            f"the health check uses `{program}`, and {lacks.because}",
            Place(path, probe.line, probe.column),
            anchor=program,
            severity=limited(severity, path),
            confidence=Confidence.LIKELY,
            blocks=f"the start of the image of `{path}`",
        )


def _lacking(text: str, lacks: _Lacks | None) -> str:
    """The first program of a probe that is not there."""
    return next((each for each in _programs(text) if lacks and each in lacks.programs), "")


def _programs(text: str) -> list[str]:
    """The programs that a probe stands or falls with; none where there is a choice."""
    if "||" in re.sub(r"\|\|\s*(exit|false|kill)\b", "", text) or re.search(r"\b(command -v|which|if)\s", text):
        return []
    probing = set(re.findall(r"(?:^|[\s\"'\[(;&|/])(curl|wget|nc)(?=[\s\"',])", text))
    others = re.findall(rf"{_BEGINS}({'|'.join(CLIENTS.keys() - {'curl', 'wget', 'nc'})})(?=[\s\"',)]|$)", text)
    return [*(probing if len(probing) == 1 else ()), *others]


def _service_lacks(context: Context, images: NamedImages, each: Used) -> _Lacks | None:
    made = context.service_build(each.project, each.service)
    if made is not None:
        dockerfile = context.dockerfiles[made[0]]
        stage = context.stage_of(dockerfile, made[1])
        return _stage_lacks(dockerfile, stage) if stage else None
    if each.service.has("build"):
        return None
    part = each.service.get("image")
    if part is not None and (own := images.find(interpolated(part.node.text)[0])) is not None:
        return _stage_lacks(*own)
    return _image_lacks(interpolated(part.node.text)[0]) if part else None


def _stage_lacks(made: Dockerfile, stage: Stage) -> _Lacks | None:
    """What a stage does not have; what any RUN of it or of a stage below installs counts as there."""
    texts: list[str] = []
    current: Stage | None = stage
    base = stage.base
    for _ in range(len(made.stages) + 1):
        if current is None:
            break
        texts += [each.flat for each in current.instructions if each.name in ("RUN", "COPY", "ADD")]
        base = current.base
        below = made.stage(base)
        current = below if below is not None and below.index < current.index else None
    lacks = _image_lacks(base)
    if lacks is None:
        return None
    installed = " ".join(texts)
    missing = frozenset(
        program for program in lacks.programs if not re.search(rf"\b({program}|{CLIENTS[program]})", installed)
    )
    opaque = re.search(r"install-deps|xargs|packages\.txt|apt\.txt|\$\{?\w*(PACKAGES|DEPS|PKGS)", installed)
    return _Lacks(missing, lacks.because) if missing and not opaque else None


def _image_lacks(image: str) -> _Lacks | None:
    programs = lacking(image)
    return _Lacks(programs, f"`{image}` has none") if programs else None


BAD = [
    tree("""
        === Dockerfile
        FROM python:3.12-slim
        COPY app.py .
        HEALTHCHECK CMD curl -f http://localhost:8000/health || exit 1
        CMD ["python", "app.py"]
        === app.py
    """),
    tree("""
        === docker-compose.yml
        services:
          cache:
            image: redis:8-alpine
            healthcheck: {test: ["CMD", "curl", "-f", "http://localhost:6379"]}
    """),
    tree("""
        === Dockerfile
        FROM python:3.12-slim
        RUN apt-get update && apt-get install -y curl
        HEALTHCHECK CMD curl -fs http://localhost:8000/health | jq -e '.ok == true'
    """),
    tree("""
        === compose.yaml
        services:
          api:
            image: node:22
            healthcheck: {test: ["CMD", "pg_isready", "-h", "db"]}
    """),
    tree("""
        === compose.yaml
        services:
          metrics:
            image: prom/prometheus:v3.5.0
            healthcheck: {test: ["CMD", "curl", "-f", "http://localhost:9090/-/healthy"]}
    """),
    tree("""
        === compose.yaml
        services:
          db:
            image: mariadb:11
            healthcheck: {test: ["CMD", "mysqladmin", "ping"]}
    """),
    tree("""
        === compose.yaml
        services:
          queue:
            image: queue-emulator
            healthcheck:
              test: ["CMD", "mysqladmin", "-h", "localhost", "ping"]
        === Dockerfile.queue
        FROM gcr.io/google.com/cloudsdktool/google-cloud-cli:574.0.0-emulators
        RUN apt-get update -y && apt-get install -y netcat-traditional
        === test.sh
        docker build -t queue-emulator -f Dockerfile.queue .
    """),
]
GOOD = [
    tree("""
        === compose.yaml
        services:
          queue:
            image: queue-emulator
            healthcheck:
              test: ["CMD", "mysqladmin", "-h", "localhost", "ping"]
          other:
            image: other
            healthcheck:
              test: ["CMD", "mysqladmin", "-h", "localhost", "ping"]
        === Dockerfile.queue
        FROM php:8.3
        RUN apt-get update -y && apt-get install -y default-mysql-client
        === test.sh
        docker build -t queue-emulator -f Dockerfile.queue .
    """),
    tree("""
        === Dockerfile
        FROM python:3.12-slim AS base
        RUN apt-get update && apt-get install -y --no-install-recommends curl
        FROM base
        HEALTHCHECK CMD curl -f http://localhost:8000/health || exit 1
        === docker-compose.yml
        services:
          cache: {image: "redis:8", healthcheck: {test: ["CMD", "redis-cli", "ping"]}}
          web: {image: "nginx:1.29-alpine", healthcheck: {test: "curl -f localhost"}}
          full: {image: "python:3.12", healthcheck: {test: "curl -f localhost"}}
          own: {build: ., healthcheck: {test: "curl -f localhost || wget localhost"}}
          any: {image: "example/thing:1", healthcheck: {test: "curl -f localhost | jq ."}}
          db: {image: "postgres:17", healthcheck: {test: "pg_isready -U app"}}
          metrics: {image: "prom/prometheus:v3.5.0", healthcheck: {test: "wget -qO- localhost:9090/-/healthy"}}
          old: {image: "mariadb:10.11", healthcheck: {test: ["CMD", "mysqladmin", "ping"]}}
          other: {image: "example.org/team/postgres:17", healthcheck: {test: "curl -f localhost"}}
          if: {image: "python:3.12-slim", healthcheck: {test: "if command -v jq; then jq .; fi"}}
          python: {image: "python:3.12-slim", healthcheck: {test: ["CMD", "python", "-c", "print('jq')"]}}
    """),
]
