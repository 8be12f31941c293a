"""How much of each CRM's rate limits is used, for all replicas."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Unlogged: a permit must not wait for the disk or a standby, and what a crash loses is made
    # good within the limit's span, or by the vendor's own count.
    op.execute(
        """
        CREATE UNLOGGED TABLE rate_limit (
            bucket     text PRIMARY KEY,
            free_at    timestamptz,
            window_at  timestamptz,
            used       integer NOT NULL DEFAULT 0,
            held_until timestamptz,
            amount     integer
        ) WITH (fillfactor = 50)
        """
    )


def downgrade() -> None:
    op.execute("DROP TABLE rate_limit")
