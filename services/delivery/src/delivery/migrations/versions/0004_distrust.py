"""After a restore: until when records may have been created that the ledger does not know of."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # One line per restore, and no row of the ledger is touched: rows that are made anew in place
    # of lost ones are distrusted just the same.
    op.execute(
        """
        CREATE TABLE ledger_distrust (
            before      timestamptz NOT NULL,
            declared_at timestamptz NOT NULL DEFAULT now()
        )
        """
    )
    op.execute("ALTER TABLE ledger ADD COLUMN note_sure_at timestamptz")
    op.execute("ALTER TABLE ledger ADD COLUMN activity_sure_at timestamptz")


def downgrade() -> None:
    op.execute("ALTER TABLE ledger DROP COLUMN activity_sure_at")
    op.execute("ALTER TABLE ledger DROP COLUMN note_sure_at")
    op.execute("DROP TABLE ledger_distrust")
