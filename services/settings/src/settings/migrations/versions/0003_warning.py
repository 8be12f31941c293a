"""What was found wrong when an account was connected, for its admin to mend."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE connections ADD COLUMN warning text")


def downgrade() -> None:
    op.execute("ALTER TABLE connections DROP COLUMN warning")
