"""What the environment tells the backend, read once at its start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit


class Misconfigured(Exception):
    """The environment is not one to start in; the message names everything that is wrong with it."""


@dataclass(frozen=True, slots=True)
class Model:
    """An OpenAI-compatible model: `url` is the part before `/chat/completions`."""

    url: str
    name: str
    key: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Settings:
    """An empty address means that the dependency is not configured; the chat then says so."""

    port: int
    memory_url: str = ""
    gateway_url: str = ""
    model: Model | None = None
    label: str = ""
    """Shown by `/version` and the chat page, so that a demonstration's new version is visibly new."""
    fault: str = ""
    """See `sophia_api.faults`."""
    service: str = "api"
    environment: str = ""
    workload: str = ""

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Settings:
        """PORT, AI_MEMORY_URL, MCP_GATEWAY_URL, MODEL_URL with MODEL_NAME and MODEL_KEY, SOPHIA_*.

        Raises `Misconfigured` with every mistake at once.
        """
        wrong = [
            *_port_mistakes(environ.get("PORT", "")),
            *(mistake for name in _ADDRESSES for mistake in _address_mistakes(name, environ.get(name, ""))),
        ]
        if environ.get("MODEL_URL") and not environ.get("MODEL_NAME"):
            wrong.append("`MODEL_URL` is set and `MODEL_NAME` is not: which model is to be asked?")
        if wrong:
            raise Misconfigured("; ".join(wrong))
        address, name = environ.get("MODEL_URL", "").rstrip("/"), environ.get("MODEL_NAME", "")
        return cls(
            port=int(environ["PORT"]),
            memory_url=environ.get("AI_MEMORY_URL", "").rstrip("/"),
            gateway_url=environ.get("MCP_GATEWAY_URL", "").rstrip("/"),
            model=Model(address, name, environ.get("MODEL_KEY", "")) if address else None,
            label=environ.get("DEMO_LABEL", ""),
            fault=environ.get("DEMO_FAULT", ""),
            service=environ.get("SOPHIA_SERVICE", "") or "api",
            environment=environ.get("SOPHIA_ENVIRONMENT", ""),
            workload=environ.get("SOPHIA_WORKLOAD", ""),
        )


_ADDRESSES = ("AI_MEMORY_URL", "MCP_GATEWAY_URL", "MODEL_URL")


def _port_mistakes(port: str) -> list[str]:
    if port.isdecimal() and 0 < int(port) < 65536:
        return []
    return [f"`PORT` must be a number from 1 to 65535, it is {port!r}"]


def _address_mistakes(name: str, address: str) -> list[str]:
    parts = urlsplit(address)
    if not address or (parts.scheme in ("http", "https") and parts.netloc):
        return []
    return [f"`{name}` must begin with http:// or https://, it is {address!r}"]
