"""What Alembic runs: on the connection, and in the transaction, that `store.migrate` began."""

from alembic import context

from digestbot.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
)
context.run_migrations()
