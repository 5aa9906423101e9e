"""The ledger's tables. One truth for what they are: the migrations; a test holds this file against them.

`head` is one row: the tip of the chain and the lease of the engine together, so that one row's lock orders both.
There are no projections of runs and lanes: docs/decisions/ledger-without-projections.md says why.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, Integer, MetaData, Table, Text

REVISIONS = ("0001",)
"""Every migration of this version, oldest first. Known here so that a current database needs no Alembic import."""

metadata = MetaData()

head = Table(
    "head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, nullable=False),
    Column("hash", Text, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("holder", Text),
    Column("until_ms", BigInteger, nullable=False),
    CheckConstraint("id = 1", name="one_head"),
)

ledger = Table(
    "ledger",
    metadata,
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("run", Text),
    Column("kind", Text, nullable=False),
    Column("key", Text, unique=True),
    Column("body", Text, nullable=False),
    Column("hash", Text, nullable=False),
    Index("ledger_by_run", "run", "seq"),
)
