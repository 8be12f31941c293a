"""Which of several CRM accounts an authorization is for."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE oauth_states ADD COLUMN account text")


def downgrade() -> None:
    raise NotImplementedError("the release before works with this column in place")
