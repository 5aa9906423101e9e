"""What is known of public images by their names: which programs they bring, and where they begin to work.

Only images that many build on or start, and only what has stayed the same in them for years. Of any other image
nothing is known.
"""

from __future__ import annotations

import posixpath
import re

from sophia_preflight.text import UNKNOWN, is_known, named

CLIENTS = {
    "jq": "jq", "nc": "netcat|ncat|nmap|busybox", "wget": "wget|busybox", "curl": "curl", "bash": "bash",
    "pg_isready": "postgresql|libpq", "psql": "postgresql|libpq", "redis-cli": "redis|valkey",
    "valkey-cli": "valkey", "mysqladmin": "mysql|mariadb", "mariadb-admin": "mariadb", "mongosh": "mongo",
    "mongo": "mongo", "rabbitmq-diagnostics": "rabbitmq", "rabbitmqctl": "rabbitmq",
}  # fmt: skip
"""Programs that probes use, and the packages that bring them."""

_SYSTEMS = named(
    "debian ubuntu alpine python golang busybox fedora rust ruby openjdk eclipse-temurin rockylinux almalinux "
    "amazonlinux scratch"
)
"""Images that bring no script to start with."""
_STARTING = named(
    "node nginx httpd php redis valkey postgres mysql mariadb mongo memcached haproxy rabbitmq caddy traefik tomcat "
    "maven gradle elixir erlang perl julia haskell swift"
)
"""Images whose own scripts are called `docker-…`."""
_BUSYBOX = named("wget nc")
_FULL = named("curl wget bash")
_BARE = re.compile(r"distroless|^scratch$|chainguard/static")
_LANGUAGES = named("python node ruby golang rust perl")
_UBUNTU = named("debian ubuntu")
_BRINGS = {
    "redis": named("redis-cli"), "valkey": named("valkey-cli redis-cli"), "memcached": named(""),
    "postgres": named("pg_isready psql"), "postgis": named("pg_isready psql"), "pgvector": named("pg_isready psql"),
    "rabbitmq": named("rabbitmq-diagnostics rabbitmqctl"), "httpd": named(""), "qdrant": named(""),
    "ollama": named(""), "keycloak": named(""),
}  # fmt: skip
"""Programs that images bring on top of Debian, Ubuntu or less; their variants of Alpine bring its programs as well."""
_OF_STORES = frozenset(CLIENTS) - named("jq nc wget curl bash")
_OTHERS = named(
    "php openjdk eclipse-temurin maven gradle tomcat elixir erlang perl haproxy amazoncorretto ibmjava jetty wordpress "
    "nextcloud ghost"
)
"""Images of which little is known, but that they are for other things than stores."""
_USERS = named(
    "root daemon bin sys sync games man lp mail news uucp proxy www-data backup list irc gnats _apt nobody adm "
    "shutdown halt operator postmaster cron ftp sshd at squid xfs cyrus vpopmail ntp smmsp guest dbus messagebus "
    "systemd-network systemd-resolve systemd-timesync"
)
"""Users of Debian, Alpine and Fedora, those that not all of them have among them."""
_OWN_USERS = {
    "node": "node", "nginx": "nginx", "postgres": "postgres", "redis": "redis", "valkey": "valkey", "mysql": "mysql",
    "mariadb": "mysql", "mongo": "mongodb", "memcached": "memcache", "rabbitmq": "rabbitmq", "haproxy": "haproxy",
    "gradle": "gradle", "php": "", "httpd": "", "python": "", "golang": "", "rust": "", "ruby": "", "debian": "",
    "ubuntu": "", "alpine": "", "busybox": "", "fedora": "", "perl": "",
}  # fmt: skip
_BEFORE_UBUNTU = re.compile(r"(1\d|2[0-2])\.|(trusty|xenial|bionic|focal|jammy)\b")
"""Releases of Ubuntu without a user of its name."""
_CLOUDS = re.compile(
    r"(^|/)(google-cloud-cli|cloud-sdk|google/cloud-sdk|amazon/aws-cli|mcr\.microsoft\.com/(azure-cli|dotnet/[\w/-]+))(:|@|$)"
)
_ON_BUSYBOX = named("prometheus alertmanager node-exporter blackbox-exporter pushgateway traefik caddy busybox alpine")
_OWNERS = named("library prom valkey postgis pgvector qdrant ollama keycloak traefik")


def begins_in(image: str) -> str:
    """The directory that a container of an image begins to work in; unknown for most."""
    name, _ = _parts(image)
    if name == "golang":
        return "/go"
    return "/" if name in _SYSTEMS or name == "node" else UNKNOWN


def is_plain(image: str) -> bool:
    """Whether an image is a system or a language on one, with no script of its own."""
    return _parts(image)[0] in _SYSTEMS


def brings(image: str, script: str) -> bool:
    """Whether a script of that name may be among the programs of an image."""
    name, _ = _parts(image)
    return name not in _SYSTEMS and (name not in _STARTING or script.startswith("docker-"))


def lacking(image: str) -> frozenset[str]:
    """Those of `CLIENTS` that an image certainly does not have."""
    there = _there(image)
    if there is None:
        return _OF_STORES if _parts(image)[0] in _OTHERS or _CLOUDS.search(image) else frozenset()
    return frozenset(CLIENTS) - there


def users(image: str) -> frozenset[str] | None:
    """The users that an image may have; None where nobody knows."""
    name, tag = _parts(image)
    if name not in _OWN_USERS or not is_known(image):
        return None
    own = "ubuntu" if name == "ubuntu" and not _BEFORE_UBUNTU.match(tag) else _OWN_USERS[name]
    return _USERS | named(own)


def is_bare(image: str) -> bool:
    """Whether an image has no shell at all."""
    return _BARE.search(image) is not None


def _there(image: str) -> frozenset[str] | None:
    """Those of `CLIENTS` that an image has; None where nobody knows."""
    if not image or not is_known(image):
        return None
    if is_bare(image):
        return frozenset()
    name, tag = _parts(image)
    alpine = "alpine" in tag
    if name in _ON_BUSYBOX:
        return _BUSYBOX
    if name in _UBUNTU:
        return named("bash")
    if name in _LANGUAGES:
        return _BUSYBOX if alpine else named("bash") if "slim" in tag else _FULL
    if name == "nginx":
        return _BUSYBOX | named("curl") if alpine else named("bash curl")
    if name == "mariadb":
        old = re.match(r"(10|5)\b", tag)
        return named("bash mariadb-admin mysqladmin") if old else named("bash mariadb-admin")
    if name == "mysql":
        return named("bash curl mysqladmin")
    if name == "mongo":
        major = re.match(r"\d+", tag)
        return named("bash") | named("mongo mongosh" if major and int(major[0]) < 6 else "mongosh")
    if name in _BRINGS:
        own = _BRINGS[name]
        return (
            own | _BUSYBOX | (named("bash") if name in ("postgres", "rabbitmq") else named(""))
            if alpine
            else (own | named("bash"))
        )
    if alpine and name != "php":
        return None if name in ("openjdk", "eclipse-temurin") else frozenset(CLIENTS) - named("curl")
    return None


def _parts(image: str) -> tuple[str, str]:
    """Name and tag of a public image; an empty name where somebody else's image may be meant."""
    path = image.partition("@")[0]
    owner, last = posixpath.split(path)
    name, _, tag = last.partition(":")
    known = not owner or posixpath.basename(owner) in _OWNERS or (owner == "rockylinux" and name == "rockylinux")
    return (name if known and is_known(image) else "", tag)
