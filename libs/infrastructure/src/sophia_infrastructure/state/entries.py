"""Reading entries in order: the one query that everybody who reads shares."""

from __future__ import annotations

from typing import Any

from sophia_deployment_core.ledger import Event
from sqlalchemy import Connection, bindparam, select

from sophia_infrastructure.state.schema import ledger

COLUMNS = (
    ledger.c.seq,
    ledger.c.at_ms,
    ledger.c.epoch,
    ledger.c.run,
    ledger.c.kind,
    ledger.c.key,
    ledger.c.body,
    ledger.c.hash,
)
"""In the order of `Event`'s fields."""

_ALL = select(*COLUMNS).order_by(ledger.c.seq).where(ledger.c.seq > bindparam("after"))
_OF_RUN = _ALL.where(ledger.c.run == bindparam("run"))


def entries(connection: Connection, *, after: int = 0, run: str | None = None, limit: int | None = None) -> list[Event]:
    """Entries with `seq > after`, oldest first, at most `limit`."""
    query = _ALL if run is None else _OF_RUN
    facts: dict[str, Any] = {"after": after} if run is None else {"after": after, "run": run}
    rows = connection.execute(query if limit is None else query.limit(limit), facts)
    return [Event(*row) for row in rows]
