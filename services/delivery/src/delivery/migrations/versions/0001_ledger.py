"""The ledger."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE ledger (
            id                    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            workspace_id          text NOT NULL,
            conversation_id       text NOT NULL,
            crm                   text NOT NULL,
            crm_account           text NOT NULL,

            wanted                bigint NOT NULL DEFAULT 0,
            taken                 bigint NOT NULL DEFAULT 0,
            done                  bigint NOT NULL DEFAULT 0,
            open_requests         jsonb NOT NULL DEFAULT '[]',
            seen_actions          text[] NOT NULL DEFAULT '{}',
            answered_through_at   timestamptz,
            answered_through_part bigint,

            not_before_quiet      timestamptz,
            not_before_retry      timestamptz,
            waiting               text,
            reason                text,
            attempts              integer NOT NULL DEFAULT 0,
            failing_since         timestamptz,
            looks                 smallint NOT NULL DEFAULT 0,

            person_id             text,
            note_id               text,
            note_period           bigint,
            note_through_at       timestamptz,
            note_through_part     bigint,
            activity_id           text,
            activity_through_at   timestamptz,
            activity_through_part bigint,
            unknown_write         jsonb,
            unknown_activity      jsonb,
            lost                  text,
            lost_through_at       timestamptz,
            lost_through_part     bigint,
            handed_over           smallint NOT NULL DEFAULT 0,
            heal_at               timestamptz,

            ready_at              timestamptz,
            lease_token           uuid,
            lease_owner           text,
            lease_until           timestamptz,

            latest                jsonb NOT NULL DEFAULT '{}',
            outbox                jsonb NOT NULL DEFAULT '[]',
            outbox_due_at         timestamptz,

            created_at            timestamptz NOT NULL DEFAULT now(),
            UNIQUE (workspace_id, conversation_id, crm, crm_account),
            CHECK (done <= taken AND taken <= wanted)
        )
        """
    )
    # Only rows that have something to do are in it, so claiming stays as fast however many rest.
    op.execute(
        "CREATE INDEX ledger_ready ON ledger (crm, workspace_id, ready_at) "
        "WHERE ready_at IS NOT NULL"
    )
    op.execute(
        "CREATE INDEX ledger_outbox ON ledger (outbox_due_at) WHERE outbox_due_at IS NOT NULL"
    )
    op.execute(
        "CREATE INDEX ledger_reconnect ON ledger (workspace_id, crm) WHERE waiting = 'reconnect'"
    )


def downgrade() -> None:
    op.execute("DROP TABLE ledger")
