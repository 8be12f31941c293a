"""What became of conversations, as delivery reports it, and how far the reports were read."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("the release before works with these tables in place")


_STATEMENTS = (
    """
    CREATE TABLE history (
        outcome_id text PRIMARY KEY,
        workspace_id text NOT NULL,
        conversation_id text NOT NULL,
        app text NOT NULL,
        crm_account text NOT NULL,
        outcome text NOT NULL,
        triggers text[] NOT NULL,
        updated_at timestamptz,
        person_id text,
        note_id text,
        reason text,
        decided_at timestamptz NOT NULL
    )
    """,
    # The order in which pages show it; and of one conversation.
    "CREATE INDEX history_by_time ON history (workspace_id, decided_at DESC, outcome_id DESC)",
    "CREATE INDEX history_by_conversation ON history (workspace_id, conversation_id)",
    """
    CREATE INDEX history_failures ON history (workspace_id, app, decided_at DESC)
        WHERE outcome = 'failed'
    """,
    "CREATE INDEX history_by_age ON history (decided_at)",
    """
    CREATE TABLE workspace_updates (
        workspace_id text PRIMARY KEY,
        received_at timestamptz NOT NULL
    )
    """,
    """
    CREATE TABLE reading (
        topic text NOT NULL,
        partition integer NOT NULL,
        next_offset bigint NOT NULL,
        PRIMARY KEY (topic, partition)
    )
    """,
)
