"""The ports that servers listen to when nobody tells them any."""

from __future__ import annotations

import re
from collections.abc import Mapping
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
