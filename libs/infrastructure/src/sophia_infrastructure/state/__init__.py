"""The engine's memory: the `Ledger` port on SQLite. `ledger.SqlLedger` writes, `audit` reads and verifies.

Imports nothing by itself, so that who only verifies an exported file does not pay for SQLAlchemy.
"""
