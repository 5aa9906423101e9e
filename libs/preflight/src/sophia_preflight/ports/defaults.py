"""The ports that servers listen to when nobody tells them any, and the variables and options that tell them one."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sophia_preflight.text import is_known

if TYPE_CHECKING:
    from sophia_preflight.repository import Repository


@dataclass(frozen=True)
class _Server:
    """A server: how a command starts it, what tells it a port or a socket, and where else it may have one from."""

    command: str
    port: str
    told: str = r"--?(p|port|b|bind|uds|fd|socket)\b"
    variable: str = "PORT"
    files: tuple[str, ...] = ()


_SERVERS = (
    _Server(r"uvicorn\s+(?!--?h)", "8000", variable="UVICORN_PORT"),
    _Server(r"gunicorn\s", "8000", r"(-b|--bind|-c|--config)\b", "PORT|GUNICORN_CMD_ARGS", ("gunicorn.conf.py",)),
    _Server(r"hypercorn\s", "8000", r"(-b|--bind|--insecure-bind|-c|--config)\b", files=("hypercorn.toml",)),
    _Server(r"daphne\s", "8000", r"(-p|--port|-u|--unix-socket|-e|--endpoint|--fd)\b"),
    _Server(r"granian\s", "8000", r"(--port|--uds)\b", "GRANIAN_PORT"),
    _Server(r"fastapi\s+(run|dev)\b", "8000"),
    _Server(r"flask\s+(?:[^&|;\n]*\s)?run\b", "5000", r"(-p|--port)\b", "FLASK_RUN_PORT", (".flaskenv", ".env")),
    _Server(r"manage\.py\s+runserver\b(?!\S)", "8000", r"runserver\s+(?!-)\S|runserver\s+(?:--?\S+\s+)*\S*\d{2}"),
    _Server(r"-m\s+http\.server\b", "8000", r"http\.server\s+(?:-\S+\s+)*\d"),
    _Server(r"streamlit\s+run\b", "8501", r"--server\.port\b", "STREAMLIT_SERVER_PORT", ("config.toml",)),
    _Server(r"mlflow\s+(server|ui)\b", "5000", r"(-p|--port)\b", "MLFLOW_PORT"),
    _Server(r"rails\s+(s|server)\b", "3000", r"(-p|--port|-b|-c)\b", files=("puma.rb",)),
    _Server(r"next\s+start\b", "3000", r"(-p|--port)\b"),
    _Server(r"php\s+artisan\s+serve\b", "8000", r"--port\b", "SERVER_PORT"),
)
_ANY = re.compile("|".join(f"(?:{each.command})" for each in _SERVERS))


def default_port(text: str, environment: Mapping[str, str], repository: Repository) -> str:
    """The port of the one server that a command starts, where nothing says another; empty where something may."""
    if len(_ANY.findall(text)) != 1 or "$" in text or "\n" in text.strip() or not is_known(text):
        return ""
    for each in _SERVERS:
        if (start := re.search(rf"(?:^|[\s/;&\"']){each.command}", text)) is None:
            continue
        said = text[start.start() :]
        named = any(re.fullmatch(each.variable, name) for name in environment)
        elsewhere = any(name in repository.by_name for name in each.files)
        return "" if re.search(rf"(?:^|\s)(?:{each.told})", said) or named or elsewhere else each.port
    return ""


_VARIABLES = {
    "keycloak": "KC_HTTP_PORT", "grafana": "GF_SERVER_HTTP_PORT", "gitea": "GITEA__server__HTTP_PORT",
    "n8n": "N8N_PORT", "vaultwarden": "ROCKET_PORT", "metabase": "MB_JETTY_PORT", "sonarqube": "SONAR_WEB_PORT",
    "ghost": "server__port", "graphql-engine": "HASURA_GRAPHQL_SERVER_PORT", "uptime-kuma": "UPTIME_KUMA_PORT",
    "postgres": "PGPORT", "jaeger-query": "QUERY_HTTP_PORT",
}  # fmt: skip
"""Variables by which well-known images are told their port."""
_OWN_PORT = re.compile(r"(?:(\w+)_)?PORT")
GENERAL = frozenset({"HTTP", "SERVER", "LISTEN", "LISTENING", "BIND", "APP", "SERVICE", "API", "WEB"})
"""Words by which a variable for a port is the own one of any program."""
_CODE = re.compile(r"\.(py|go|[cm]?[jt]s|rb|java|kt|rs|php|cs|ex|exs|sh|conf|template)$")


def variable_port(
    names: Collection[str], image: str, directory: str | None, environment: Mapping[str, str], repository: Repository
) -> str:
    """The port that a variable tells the program of a service; empty where none certainly does.

    `directory` is what its image is built from, `names` those of the service and the project, by whose words a variable
    of its own is known."""
    known = _VARIABLES.get(re.sub(r"[:@].*", "", image).rpartition("/")[2])
    if known is not None:
        said = environment.get(known, "").removeprefix(":")
        return said if re.fullmatch(r"\d{2,5}", said) else ""
    if directory is None:
        return ""
    own = {word for name in names for word in re.split(r"[-_.]", name.upper())}
    found = {
        variable: value
        for variable, value in environment.items()
        if (match := _OWN_PORT.fullmatch(variable))
        and re.fullmatch(r"\d{2,5}", value)
        and (match[1] is None or set(match[1].upper().split("_")) <= own | GENERAL)
        and environment.get(f"{variable.removesuffix('PORT')}HOST", "") in ("", "0.0.0.0", "::", "[::]", "*")
    }
    if len(found) != 1:
        return ""
    ((variable, value),) = found.items()
    inside = repository.inside(directory)
    return value if any(_CODE.search(path) and variable in repository.glimpse(path) for path in inside) else ""


_TOLD = re.compile(
    r"(?:^|\s)--?(?:server\.|http\.|web\.)?"
    r"(?:(?:http[.-]?|server[.-]?|listen[.-]?|api[.-]?)?port|http[.-]listen[.-]port"
    r"|(?:(?:http[.-]?|web[.-]?|server[.-]?)?(?:listen|bind|listen[.-]?addr(?:ess)?|bind[.-]?addr(?:ess)?)"
    r"|(?:http[.-]?)?addr(?:ess)?))"
    r"(?:=|\s+)[\"']?(?:(?:0\.0\.0\.0|\[::\]|\*)?:)?(?P<port>\d{2,5})(?![\w.:])"
)
_FOREIGN = re.compile(r"(?:^|\s)--?(?:\w+[.-])*host(?:name)?(?:=|\s+)(?!0\.0\.0\.0|\[?::|\*)\S")


def told_port(text: str) -> str:
    """The one port that an option tells a program to listen to; empty where none does, or it names another host too."""
    ports = {match["port"] for match in _TOLD.finditer(text)}
    return ports.pop() if len(ports) == 1 and not _FOREIGN.search(text) else ""


_LISTENERS = re.compile(r"KAFKA_(?:CFG_)?LISTENERS|ETCD_LISTEN_(?:CLIENT|PEER|METRICS)_URLS")


def listeners(environment: Mapping[str, str], image: str, command: str) -> set[str]:
    """All ports that variables name as the listeners of Kafka or etcd; or the one of a Docker daemon in a container."""
    name, _, tag = image.rpartition("/")[2].partition(":")
    if name == "docker" and re.search(r"(^|-)dind", tag) and not command and "DOCKER_HOST" not in environment:
        secured = environment.get("DOCKER_TLS_CERTDIR", "/certs")
        return {"2376" if secured else "2375"} if is_known(secured) and not re.match(r"1[78]\.", tag) else set()
    said = {variable: value for variable, value in environment.items() if _LISTENERS.fullmatch(variable)}
    found = [
        re.fullmatch(r"(?:\w+://)?[\w.*\[\]-]*:(\d{2,5})", each) for text in said.values() for each in text.split(",")
    ]
    usual = {"2380"} if any(variable.startswith("ETCD") for variable in said) else set()
    return {match[1] for match in found if match} | usual if all(found) else set()
