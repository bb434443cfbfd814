"""Alembic's entry: the connection is given by Store.migrate, there is no ini file."""

from alembic import context

from backend.store.tables import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection, target_metadata=metadata, render_as_batch=True, transactional_ddl=True
)
with context.begin_transaction():
    context.run_migrations()
connection.commit()
