"""Alembic's entry point; uses the connection and transaction of `store.migrate`."""

from alembic import context

from digestbot.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
)
context.run_migrations()
