"""Runs the migrations on the connection that ``console.store.database`` hands in."""

from alembic import context

from console.store.tables import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA)
context.run_migrations()
