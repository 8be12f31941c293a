"""Healing remembers late updates; what an earlier user of the connection wrote stays ours."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE ledger ADD COLUMN heal_text boolean NOT NULL DEFAULT false")
    op.execute("ALTER TABLE ledger ADD COLUMN users text[] NOT NULL DEFAULT '{}'")


def downgrade() -> None:
    op.execute("ALTER TABLE ledger DROP COLUMN users")
    op.execute("ALTER TABLE ledger DROP COLUMN heal_text")
