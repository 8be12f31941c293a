"""Sessions of people who sign in, and authorizations bound to them."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("the release before works with these tables in place")


_STATEMENTS = (
    """
    CREATE TABLE sessions (
        session_key text PRIMARY KEY,
        created_at timestamptz NOT NULL,
        seen_at timestamptz NOT NULL
    )
    """,
    "CREATE INDEX sessions_by_last_sight ON sessions (seen_at)",
    """
    CREATE TABLE session_teammates (
        session_key text NOT NULL REFERENCES sessions ON DELETE CASCADE,
        workspace_id text NOT NULL REFERENCES workspaces,
        teammate_id text NOT NULL,
        PRIMARY KEY (session_key, workspace_id)
    )
    """,
    # With defaults, so that the release before can go on writing its rows while this one rolls out.
    """
    ALTER TABLE oauth_states ADD COLUMN purpose text NOT NULL DEFAULT 'install'
        CHECK (purpose IN ('sign_in', 'install'))
    """,
    "ALTER TABLE oauth_states ADD COLUMN session_key text",
    "ALTER TABLE oauth_states ADD COLUMN teammate_id text",
)
