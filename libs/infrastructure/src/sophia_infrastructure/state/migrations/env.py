"""Alembic's entry: always on a connection that the caller opened, never from a configuration file."""

from __future__ import annotations

from alembic import context
from sophia_infrastructure.state.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, transactional_ddl=True)
context.run_migrations()
