"""A server in a container listens to the container's own loopback only: nobody outside of it gets an answer."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from sophia_preflight.calls.docker import final_environment
from sophia_preflight.composing import Used, used
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Confidence, Finding, Involved, Place, Rule, Severity
from sophia_preflight.ports.listening import is_several, said
from sophia_preflight.readers.compose import Part, command_words, interpolated
from sophia_preflight.readers.dockerfile import Dockerfile, Stage
from sophia_preflight.standing import is_development
from sophia_preflight.text import is_known

RULE = Rule(
    id="loopback-in-container",
    title="a server in a container listens to its own loopback only",
    severity=Severity.HIGH,
    why="a port that is published, and another container, reach the container's address, where nothing listens",
    fix="let it listen to 0.0.0.0",
    family="contradictions",
)


@dataclass(frozen=True)
class _Server:
    """A server that listens to loopback by itself: how a command starts it, and what tells it a host."""

    command: str
    told: str = r"--host\b"
    variable: str = ""
    elsewhere: str = ""
    """Files that may tell it, too."""


_SERVERS = (
    _Server(r"uvicorn\s+(?!--?h)", r"--(host|uds|fd)\b", "UVICORN_HOST"),
    _Server(r"gunicorn\s", r"(-b|--bind|-c|--config)\b", "GUNICORN_CMD_ARGS|PORT", r"(^|/)gunicorn\.conf\.py$"),
    _Server(r"hypercorn\s", r"(-b|--bind|-c|--config|--insecure-bind)\b"),
    _Server(r"flask\s+(?:[^&|;\n]*\s)?run\b", r"(-h|--host)\b", "FLASK_RUN_HOST", r"(^|/)\.(flask)?env$"),
    _Server(r"manage\.py\s+runserver\b(?!\S)", r"runserver\s[^&|;]*[:\[]"),
    _Server(r"fastapi\s+dev\b"),
    _Server(r"mlflow\s+(?:server|ui)\b", r"(-h|--host)\b", "MLFLOW_HOST"),
    _Server(r"vite(?:\s+(?:dev|preview|serve))?(?=\s|$)", r"--host\b", "", r"(^|/)vite\.config\.\w+$"),
    _Server(r"(?:dagit|dagster-webserver|dagster\s+dev)\b", r"(-h|--host)\b", "DAGSTER_WEBSERVER_HOST"),
    _Server(r"daphne\s", r"(-b|--bind|-u|-e|--endpoint|--unix-socket|--fd)\b"),
)
_HOST = r"(?:-h|-H|--host|--bind|-b|--listen|--address|--server\.address|--ip|--listen-host)(?:\s+|=)"
_LOCAL = re.compile(rf"(?:^|\s){_HOST}(?:https?://)?(?:127\.0\.0\.1|localhost)(?::\d+)?(?=\s|$)")
_ANY_HOST = re.compile(rf"(?:^|\s){_HOST}")
_BEHIND = re.compile(
    r"\b(nginx|caddy|envoy|haproxy|traefik|socat|apache2?|httpd|supervisord|s6-svscan|cloudflared|tailscale)\b"
)
"""What hands on to loopback in the same container."""


def check(context: Context) -> Iterable[Finding]:
    told: set[str] = set()
    for each in used(context):
        yield from _of_service(context, each, told)
    for path, made in context.dockerfiles.items():
        stage = made.final
        exposed = stage.last("EXPOSE") if stage is not None else None
        if stage is None or exposed is None or path in told or is_development(path):
            continue
        start = _start(stage)
        settings = {name: held.value for name, held in final_environment(stage).items()}
        if start and _is_local(context, start, settings) and not _is_in_front(made, stage):
            last = stage.last("CMD") or stage.last("ENTRYPOINT")
            place = Place(path, last.line if last is not None else stage.line)
            yield RULE.found(
                f"the image exposes a port, and what it starts listens to loopback only: `{_shown(start)}`",
                Involved(place, "command"),
                Involved(Place(path, exposed.line), "declaration"),
                anchor=f"{path} loopback",
                confidence=Confidence.LIKELY,
                blocks=f"whoever asks the image of `{path}`",
            )


def _of_service(context: Context, each: Used, told: set[str]) -> Iterator[Finding]:
    service = each.service
    ports = service.listed("ports")
    if not ports or service.has("network_mode"):
        return
    built = context.service_build(each.project, service)
    command = service.get("command")
    settings = {name: interpolated(part.text)[0] for name, part in service.environment.items()}
    start = _command(command) if command is not None else ""
    place = command.node.place(command.file.path) if command is not None else None
    if built is not None:
        path, build = built
        made = context.dockerfiles[path]
        stage = context.stage_of(made, build)
        if stage is None or _is_in_front(made, stage):
            return
        settings = {name: held.value for name, held in final_environment(stage).items()} | settings
        entry = stage.last("ENTRYPOINT") if not service.has("entrypoint") else None
        if command is None:
            start = _start(stage) if not service.has("entrypoint") else ""
            last = stage.last("CMD") or stage.last("ENTRYPOINT")
            place = Place(path, last.line) if last is not None else None
        elif entry is not None:
            start = f"{said(entry)} {start}"
    if entry_point := service.get("entrypoint"):
        start = f"{_command(entry_point)} {start}"
        place = place or entry_point.node.place(entry_point.file.path)
    if place is None or not start or service.listed("env_file") or not _is_local(context, start, settings):
        return
    told.add(place.path)
    severity, blocks = each.consequence
    yield RULE.found(
        f"`{service.name}` publishes a port, and listens to loopback only: `{_shown(start)}`",
        Involved(place, "command"),
        Involved(ports[0].node.place(ports[0].file.path), "published"),
        anchor=f"{service.name} loopback",
        severity=severity,
        confidence=Confidence.LIKELY,
        blocks=blocks,
    )


def _command(part: Part) -> str:
    return " ".join(word.value for word in command_words(part.node))


def _start(stage: Stage) -> str:
    return " ".join(said(start) for each in ("ENTRYPOINT", "CMD") if (start := stage.last(each)) is not None)


def _is_in_front(made: Dockerfile, stage: Stage) -> bool:
    """Whether another server of the image may hand on to loopback."""
    text = " ".join(f"{each.base} " + " ".join(one.value for one in each.instructions) for each in made.chain(stage))
    return _BEHIND.search(text) is not None


def _is_local(context: Context, start: str, settings: Mapping[str, str]) -> bool:
    """Whether a command starts one server, and that only listens to loopback."""
    text = " ".join(start.split())
    if is_several(text.replace("127.0.0.1:", "").replace("localhost:", "")) or not is_known(text) or "$" in text:
        return False
    servers = [each for each in _SERVERS if re.search(rf"(?:^|[\s/;&\"']){each.command}", text)]
    if len(servers) != 1 or len(re.findall(r"&&|\|\||;", text)) > 2:
        return False
    server = servers[0]
    begun = re.search(rf"(?:^|[\s/;&\"']){server.command}", text)
    words = text[begun.start() :] if begun is not None else text
    if _LOCAL.search(words) or re.search(r"runserver\s(?:\S+\s)*(127\.0\.0\.1|localhost):", words):
        return True
    variable = server.variable and any(re.fullmatch(server.variable, name) for name in settings)
    elsewhere = server.elsewhere and any(re.search(server.elsewhere, path) for path in context.repository.entries)
    return not (re.search(rf"(?:^|\s)(?:{server.told})", words) or _ANY_HOST.search(words) or variable or elsewhere)


def _shown(start: str) -> str:
    text = " ".join(start.split())
    return text if len(text) < 80 else text[:79] + "…"


_IMAGE = """
    === Dockerfile
    FROM python:3.13-slim
    WORKDIR /app
    COPY . .
    RUN pip install uvicorn
    {expose}
    CMD ["uvicorn", "shop:app", {host}"--port", "8000"]
    === shop.py
    def app(): ...
"""
_COMPOSED = """
    === compose.yaml
    services:
      shop:
        build: .
        ports: ["8000:8000"]
        {more}
"""
BAD = [
    tree(_IMAGE.format(expose="EXPOSE 8000", host='"--host", "127.0.0.1", ')),
    tree(_IMAGE.format(expose="EXPOSE 8000", host="")),
    tree(_IMAGE.format(expose="", host='"--host=localhost", ') + _COMPOSED.format(more="")),
    tree(
        _IMAGE.format(expose="", host='"--host", "0.0.0.0", ')
        + _COMPOSED.format(more="command: uvicorn shop:app --port 8000")
    ),
    tree(
        _IMAGE.format(expose="", host='"--host", "0.0.0.0", ')
        + _COMPOSED.format(more="command: python manage.py runserver")
        + "    === manage.py\n    import django.core.management\n"
    ),
]
GOOD = [
    tree(_IMAGE.format(expose="EXPOSE 8000", host='"--host", "0.0.0.0", ')),
    tree(_IMAGE.format(expose="", host="")),
    tree(_IMAGE.format(expose="ENV UVICORN_HOST=0.0.0.0\n    EXPOSE 8000", host="")),
    tree(_IMAGE.format(expose="RUN apt-get install -y nginx\n    EXPOSE 8000", host='"--host", "127.0.0.1", ')),
    tree(_IMAGE.format(expose="EXPOSE 8000", host='"--uds", "/run/shop.sock", ')),
    tree(_IMAGE.format(expose="", host='"--host", "127.0.0.1", ') + _COMPOSED.format(more="network_mode: host")),
    tree(
        _IMAGE.format(expose="", host='"--host", "127.0.0.1", ')
        + _COMPOSED.format(more='command: ["uvicorn", "shop:app", "--host", "0.0.0.0"]')
    ),
    tree(
        _IMAGE.format(expose="", host='"--host", "0.0.0.0", ')
        + _COMPOSED.format(more="command: python manage.py runserver 0.0.0.0:8000")
        + "    === manage.py\n    import django.core.management\n"
    ),
]
