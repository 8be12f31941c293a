"""Alembic's entry: statements are written out as SQL; `common.schema` runs them."""

from alembic import context

context.configure(
    dialect_name="postgresql",
    as_sql=True,
    literal_binds=True,
    transactional_ddl=False,  # one transaction round all, opened by the runner
)
context.run_migrations()
