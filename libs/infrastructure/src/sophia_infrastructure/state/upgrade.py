"""Bringing a database to this version's tables, with the migrations packaged beside this file.

A database that is current costs one SELECT: Alembic (900 ms of CPU to import) is imported only where there is work.
"""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sophia_deployment_core.errors import SophiaError
from sqlalchemy import Column, Engine, MetaData, Table, Text, inspect, select

from sophia_infrastructure.codes import STATE_NEWER
from sophia_infrastructure.state.schema import REVISIONS
from sophia_infrastructure.state.sqlite import writing

_version = Table("alembic_version", MetaData(), Column("version_num", Text))


def version_of(engine: Engine) -> str | None:
    """The newest migration that the database has seen, `None` when it has none."""
    with engine.connect() as connection:
        if not inspect(connection).has_table(_version.name):
            return None
        return connection.execute(select(_version.c.version_num)).scalar()


def upgrade(engine: Engine, path: Path, *, refuse_if_owned: Callable[[], None]) -> None:
    """Make the tables current. Refuses a newer database; `refuse_if_owned` raises while an engine uses an older one."""
    if _is_current(engine, path):
        return
    with _alone(path):
        if _is_current(engine, path):
            return
        if version_of(engine) is not None:
            refuse_if_owned()
        _migrate(engine)


def refuse_newer(engine: Engine, path: Path) -> None:
    """Raise `SophiaError` if a newer version wrote the database."""
    _is_current(engine, path)


def _is_current(engine: Engine, path: Path) -> bool:
    version = version_of(engine)
    if version is not None and version not in REVISIONS:
        raise SophiaError(
            STATE_NEWER,
            f"`{path}` was written by a newer version of Sophia "
            f"(its tables are `{version}`, this one knows `{REVISIONS[-1]}`)",
            hint="use that version of Sophia, or a newer one",
        )
    return version == REVISIONS[-1]


def _migrate(engine: Engine) -> None:
    from alembic.command import upgrade as alembic_upgrade
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    with writing(engine) as connection:
        config.attributes["connection"] = connection
        alembic_upgrade(config, "head")


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    with open(path.with_name(f"{path.name}.upgrade"), "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
