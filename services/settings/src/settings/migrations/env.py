"""Writes the migrations as SQL: `common.schema` runs it through asyncpg.

So the service needs one driver only, and the database is locked, migrated and let go by one
session.
"""

from alembic import context

context.configure(
    dialect_name="postgresql",
    as_sql=True,
    output_buffer=context.config.output_buffer,
    transactional_ddl=False,  # the caller's transaction is round all of it
)
context.run_migrations()
