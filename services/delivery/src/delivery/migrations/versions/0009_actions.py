"""What people did from our inbox app: ids and times, so that each is done once."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE actions (
            workspace_id     text NOT NULL,
            conversation_id  text NOT NULL,
            action_id        text NOT NULL,

            app              text NOT NULL,
            kind             text NOT NULL,
            crm_account      text NOT NULL,
            person_id        text,
            actor_id         text NOT NULL,

            state            text NOT NULL DEFAULT 'doing',
            asked_at         timestamptz NOT NULL DEFAULT now(),
            lease_token      uuid NOT NULL,
            lease_until      timestamptz NOT NULL,
            dark_until       timestamptz,
            reason           text,

            record_id        text,
            record_person_id text,
            was_there        boolean,
            finished_at      timestamptz,
            PRIMARY KEY (workspace_id, conversation_id, action_id),
            CHECK (state IN ('doing', 'done', 'failed'))
        )
        """
    )


def downgrade() -> None:
    op.execute("DROP TABLE actions")
