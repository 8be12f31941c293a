"""Which conversations were forgotten, for as long as something could still report on them."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE forgotten_conversations (
            workspace_id text NOT NULL,
            conversation_id text NOT NULL,
            forgotten_at timestamptz NOT NULL,
            PRIMARY KEY (workspace_id, conversation_id)
        )
        """
    )
    op.execute("CREATE INDEX ON forgotten_conversations (forgotten_at)")


def downgrade() -> None:
    raise NotImplementedError("the release before works with this table in place")
