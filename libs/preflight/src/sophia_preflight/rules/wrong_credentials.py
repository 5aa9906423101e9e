"""A service knocks at the database of its project with a user, password or database that was not set up there."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from sophia_preflight.composing import Used, used
from sophia_preflight.context import Context
from sophia_preflight.examples import tree
from sophia_preflight.model import Confidence, Finding, Involved, Rule, Severity
from sophia_preflight.ports.listening import names_of
from sophia_preflight.readers.compose import Part, interpolated, mount_of
from sophia_preflight.text import is_known

RULE = Rule(
    id="wrong-credentials",
    title="a service asks its database for a user, password or database that is not set up there",
    severity=Severity.HIGH,
    why="the database refuses the connection",
    fix="say the same on both sides",
    family="contradictions",
)
_POSTGRES = re.compile(r"(postgres(ql)?|postgis|pgvector|timescaledb)(-ha)?")
_MYSQL = re.compile(r"mysql|mariadb")
_URL = re.compile(
    r"(?P<scheme>postgres(?:ql)?|mysql|mariadb)(?:\+\w+)?://(?P<user>[^:@/\s]+)(?::(?P<password>[^@/\s]+))?"
    r"@(?P<host>[\w-]+)(?::\d+)?(?:/(?P<database>[\w-]+))?(?=[?\s'\"]|$)"
)
_HOST = re.compile(r"(?P<prefix>\w*?)(HOST|HOSTNAME|SERVER)")
_PARTS = {
    "user": ("USER", "USERNAME"),
    "password": ("PASSWORD", "PASS"),
    "database": ("NAME", "DB", "DATABASE", "DB_NAME"),
}


@dataclass(frozen=True)
class _Side:
    """What one side says; what it does not say, or leaves to variables, is missing."""

    values: Mapping[str, tuple[str, Part]]
    everybody: bool = False
    """Whether any password will do."""

    def __getitem__(self, what: str) -> str:
        return self.values[what][0] if what in self.values else ""


def check(context: Context) -> Iterable[Finding]:
    projects: dict[int, list[Used]] = {}
    for each in used(context):
        projects.setdefault(id(each.project), []).append(each)
    for services in projects.values():
        stores = {name: side for each in services if (side := _set_up(each)) is not None for name in names_of(each)}
        for each in services if stores else ():
            asked = list(_asked(each))
            for host, side in asked:
                if host in stores and not _sets_up_others(asked, host, side, stores[host]):
                    yield from _compared(context, each, host, side, stores[host])


def _plain(parts: Mapping[str, Part]) -> dict[str, tuple[str, Part]]:
    """Values that are written out."""
    found = {name: (*interpolated(part.node.text), part) for name, part in parts.items()}
    return {name: (value, part) for name, (value, assumed, part) in found.items() if value and not assumed}


def _is_told(values: Mapping[str, tuple[str, Part]], name: str) -> bool:
    return name in values and is_known(values[name][0])


def _set_up(each: Used) -> _Side | None:
    """What a database is set up with; None for other services, and where scripts or earlier data may say more."""
    image = each.service.get("image")
    if image is None or each.service.has("build") or each.service.listed("env_file"):
        return None
    name = posixpath.basename(image.text).partition(":")[0].partition("@")[0]
    mounts = [mount_of(part.node) for part in each.service.listed("volumes")]
    if any(mount is not None and "initdb" in mount.target for mount in mounts) or each.service.has("command"):
        return None
    told = each.service.environment
    values = _plain(told)
    if _POSTGRES.fullmatch(name):
        prefix = "POSTGRES_"
    elif _MYSQL.fullmatch(name):
        prefix = "MARIADB_" if any(each.startswith("MARIADB_") for each in told) else "MYSQL_"
    else:
        return None
    kinds = {"user": "USER", "password": "PASSWORD", "database": "DB" if prefix == "POSTGRES_" else "DATABASE"}
    found = {kind: values[prefix + key] for kind, key in kinds.items() if _is_told(values, prefix + key)}
    sure = "user" in found or ("database" in found and not any(name.startswith(f"{prefix}USER") for name in told))
    return _Side(found, everybody="POSTGRES_HOST_AUTH_METHOD" in told) if sure else None


def _asked(each: Used) -> Iterator[tuple[str, _Side]]:
    """The hosts of databases that a service asks, and as whom."""
    values = _plain(each.service.environment)
    for name, (value, part) in values.items():
        for found in _URL.finditer(value):
            said = {kind: (found[kind], part) for kind in _PARTS if found[kind] and is_known(found[kind])}
            yield found["host"], _Side(said)
        if (host := _HOST.fullmatch(name)) is not None:
            said = {
                kind: values[host["prefix"] + key]
                for kind, keys in _PARTS.items()
                for key in keys
                if host["prefix"] and _is_told(values, host["prefix"] + key)
            }
            if "user" in said:
                yield value, _Side(said)


def _sets_up_others(asked: list[tuple[str, _Side]], host: str, side: _Side, there: _Side) -> bool:
    """Whether a service also asks as the user that is set up, who makes the others."""
    users = {each["user"] for name, each in asked if name == host}
    return bool(there["user"]) and there["user"] in users - {side["user"]}


def _compared(context: Context, each: Used, host: str, asked: _Side, there: _Side) -> Iterator[Finding]:
    """Users must be the same; passwords and databases tell something only where the user is."""
    if not asked["user"]:
        return
    by_default = asked["user"] in ("root", "postgres") or not there["user"]
    if by_default:
        if asked["user"] in (there["user"], "postgres") and asked["database"]:
            yield from _other_database(context, each, host, asked, there)
    elif asked["user"] != there["user"]:
        yield _found(each, host, "user", asked, there, f"as `{asked['user']}`, and its user is `{there['user']}`")
    elif asked["password"] and there["password"] and asked["password"] != there["password"]:
        if not there.everybody:
            yield _found(each, host, "password", asked, there, "with another password than it is set up with")
    else:
        yield from _other_database(context, each, host, asked, there)


def _other_database(context: Context, each: Used, host: str, asked: _Side, there: _Side) -> Iterator[Finding]:
    """One of nearly the same name; any other, where nothing in the repository makes databases."""
    name, other = asked["database"], there["database"]
    if (
        name
        and other
        and name not in (other, *_ALWAYS)
        and (get_close_matches(name, [other], 1, 0.6) or not _makes(context))
    ):
        said = f"for the database `{asked['database']}`, and it is set up with `{there['database']}`"
        yield _found(each, host, "database", asked, there, said)


def _found(each: Used, host: str, kind: str, asked: _Side, there: _Side, said: str) -> Finding:
    severity, blocks = each.consequence
    here, other = asked.values[kind][1], there.values[kind][1]
    return RULE.found(
        f"`{each.service.name}` asks `{host}` {said}",
        Involved(here.node.place(here.file.path), "call"),
        Involved(other.node.place(other.file.path), "declaration"),
        anchor=f"{kind} of {host} for {each.service.name}",
        severity=severity.at_most(Severity.HIGH),
        confidence=Confidence.LIKELY,
        blocks=blocks,
    )


_MAKING = re.compile(
    r"create[ _-]?database|createdb|create_db\b|\binitdb\b|ensure_database|database_exists", re.IGNORECASE
)
_ALWAYS = ("postgres", "template0", "template1", "mysql")
"""Databases that are there from the beginning."""
_SOURCE = re.compile(r"\.(sql|sh|py|[jt]s|go|rb|java|ya?ml|php|rs|ex)$|akefile$|ockerfile")


def _makes(context: Context) -> bool:
    """Whether anything in the repository makes databases by itself."""
    repository = context.repository
    return any(_SOURCE.search(path) and _MAKING.search(repository.glimpse(path)) for path in repository.entries)


_SHOP = """
    === compose.yaml
    services:
      shop:
        image: registry.example.com/shop:1.4
        environment:
          DATABASE_URL: postgresql+asyncpg://%s@db:5432/%s
      db:
        image: postgres:17
        environment: {POSTGRES_USER: shop, POSTGRES_PASSWORD: local-only, POSTGRES_DB: shop}
"""
_SEPARATE = """
    === compose.yaml
    services:
      shop:
        image: registry.example.com/shop:1.4
        environment: {DB_HOST: db, DB_USER: %s, DB_PASSWORD: "${PASSWORD}", DB_NAME: shop}
      db:
        image: mariadb:11
        environment: {MARIADB_USER: shop, MARIADB_PASSWORD: "${PASSWORD}", MARIADB_ROOT_PASSWORD: "${ROOT}"}
"""
BAD = [
    tree(_SHOP % ("shopper:local-only", "shop")),
    tree(_SHOP % ("shop:local", "shop")),
    tree(_SHOP % ("shop:local-only", "shops")),
    tree(_SHOP % ("shop:local-only", "stock")),
    tree(_SEPARATE % "shopper"),
    tree((_SHOP % ("postgres:local-only", "shops")).replace("POSTGRES_USER: shop, ", "")),
]
GOOD = [
    tree(_SHOP % ("shop:local-only", "shop")),
    tree((_SHOP % ("postgres:local-only", "shop")).replace("POSTGRES_USER: shop, ", "")),
    tree(_SHOP % ("postgres:local-only", "postgres")),
    tree(_SHOP % ("shop:${PASSWORD}", "template1")),
    tree(_SHOP % ("shop:local-only", "stock") + "    === prepare.sh\n    createdb stock\n"),
    tree(_SHOP % ("${USER:-shopper}:local-only", "shop")),
    tree(_SEPARATE % "shop"),
    tree(_SEPARATE % "root"),
    tree(_SEPARATE % '"${DB_USER}"'),
    tree(
        _SHOP % ("reader:local-only", "shop")
        + """
        volumes: ["./roles.sql:/docker-entrypoint-initdb.d/roles.sql:ro"]
    === roles.sql
    CREATE ROLE reader LOGIN;
    """
    ),
]
