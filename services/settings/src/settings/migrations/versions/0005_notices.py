"""What an admin has to be told, and whether they were."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE notices (
            workspace_id text NOT NULL,
            matter text NOT NULL,
            app text NOT NULL,
            since timestamptz NOT NULL,
            told_by text[] NOT NULL DEFAULT '{}',
            PRIMARY KEY (workspace_id, matter, app)
        )
        """
    )


def downgrade() -> None:
    raise NotImplementedError("the release before works with this table in place")
