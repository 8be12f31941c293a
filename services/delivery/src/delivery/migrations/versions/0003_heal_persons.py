"""Healing remembers the persons at whom a create ended unknown."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE ledger ADD COLUMN heal_persons text[] NOT NULL DEFAULT '{}'")


def downgrade() -> None:
    op.execute("ALTER TABLE ledger DROP COLUMN heal_persons")
