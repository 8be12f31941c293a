"""Which period an activity belongs to, for deployments that make a new one each time."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE ledger ADD COLUMN activity_period bigint")


def downgrade() -> None:
    op.execute("ALTER TABLE ledger DROP COLUMN activity_period")
