"""Which service was meant, where somebody asks for a host that there is not: by its name, its image or its port."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from difflib import get_close_matches

from sophia_preflight.composing import Used
from sophia_preflight.ports.asking import Asked
from sophia_preflight.ports.listening import Ports, names_of
from sophia_preflight.text import named

_ROLES = {
    r"(\w+_)?(DB|DATABASE|SQL|PG|POSTGRES)_?(HOST|URL|DSN|URI)": "postgres postgis pgvector mysql mariadb",
    r"(\w+_)?(PG|POSTGRES(QL)?)_?(HOST|URL|DSN|URI)": "postgres postgis pgvector timescaledb",
    r"(\w+_)?(MYSQL|MARIADB)_?(HOST|URL|DSN|URI)": "mysql mariadb",
    r"(\w+_)?(REDIS|CACHE|VALKEY)_?(HOST|URL|DSN|URI)": "redis valkey",
    r"(\w+_)?MONGO(DB)?_?(HOST|URL|DSN|URI)": "mongo",
    r"(\w+_)?(RABBIT(MQ)?|AMQP|BROKER)_?(HOST|URL|DSN|URI)": "rabbitmq",
}
"""Variables that say for what a host is asked, and the images that serve it."""
_COMMON = named("80 443 3000 5000 8000 8080 8081 8443 9000")
"""Ports that anything may have."""


def meant_by(each: Used, one: Asked, services: list[Used], ports: Mapping[int, Ports]) -> Used | None:
    """The service that whoever asks must have meant; `ports` are those of the services, by their identity."""
    if one.kind == "listen":
        return each if get_close_matches(one.host, names_of(each), n=1, cutoff=0.75) else None
    if one.kind == "word":
        return _misspelt(one, services, ports)
    return _named(one, services) or _on_port(each, one, services, ports)


def _misspelt(one: Asked, services: list[Used], ports: Mapping[int, Ports]) -> Used | None:
    """The one service of nearly the name that is said to have the port."""
    there = [
        other
        for other in services
        if get_close_matches(one.host, names_of(other), n=1, cutoff=0.8)
        and one.port
        and (one.port in ports[id(other)].all or ports[id(other)].mentions(one.port))
    ]
    return there[0] if len(there) == 1 else None


def _named(one: Asked, services: list[Used]) -> Used | None:
    """The service that was meant: of a similar name, or of the image that the name or the address speaks of."""
    by_name = {name: other for other in services for name in names_of(other)}
    near = get_close_matches(one.host, by_name, n=1, cutoff=0.75)
    ending = [name for name in by_name if name.endswith((f"-{one.host}", f"_{one.host}"))]
    if near or len(ending) == 1:
        return by_name[(near or ending)[0]]
    scheme = one.scheme.partition("+")[0].removesuffix("ql")
    for other in services:
        image = other.service.get("image")
        name = posixpath.basename(image.text).partition(":")[0] if image is not None else ""
        if name and (one.host == name or (len(scheme) > 4 and scheme != "https" and name.startswith(scheme))):
            return other
        if any(re.match(role, one.by.strip("`")) and name in named(images) for role, images in _ROLES.items()):
            return other
    return None


def _on_port(each: Used, one: Asked, services: list[Used], ports: Mapping[int, Ports]) -> Used | None:
    """The other service with the port that is asked for, which few have: its name has changed."""
    others = [other for other in services if other is not each and one.port in ports[id(other)].all]
    told = one.scheme or (one.kind == "variable" and one.by.startswith("the "))
    sure = one.kind == "scrape" or (one.port not in _COMMON and told)
    if len(others) > 1:  # those whose name begins or ends like the one that is asked for
        words = set(re.split(r"[-_]", one.host))
        others = [other for other in others if words & set(re.split(r"[-_]", other.service.name))]
    return others[0] if len(others) == 1 and one.port and sure else None
