"""By when an action was last pressed: what is older than it is kept for is deleted."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE INDEX actions_lease_until ON actions (lease_until)")


def downgrade() -> None:
    op.execute("DROP INDEX actions_lease_until")
