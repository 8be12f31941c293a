"""How an installation wants the activity beside the note."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        ALTER TABLE installations
            ADD COLUMN activity_policy text CHECK (activity_policy IN ('update', 'new')),
            ADD COLUMN activity_type text
        """
    )


def downgrade() -> None:
    raise NotImplementedError("the release before works with these columns in place")
