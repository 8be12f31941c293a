"""Whom we wrote for: an activity may go with its person, and removals reach every note of ours."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE ledger ADD COLUMN activity_person_id text")
    op.execute("ALTER TABLE ledger ADD COLUMN persons text[] NOT NULL DEFAULT '{}'")


def downgrade() -> None:
    op.execute("ALTER TABLE ledger DROP COLUMN persons")
    op.execute("ALTER TABLE ledger DROP COLUMN activity_person_id")
