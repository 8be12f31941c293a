"""How each conversation ended last, per app: found by workspace, app, outcome and time.

Takes the place of `ledger.latest`, which stays for the code before this; nothing reads it any more.
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE answers (
            ledger_id    bigint NOT NULL REFERENCES ledger ON DELETE CASCADE,
            app          text NOT NULL,
            workspace_id text NOT NULL,
            outcome      text NOT NULL,
            reason       text,
            decided_at   timestamptz NOT NULL,
            through_at   timestamptz,
            through_part bigint,
            request      jsonb NOT NULL,
            PRIMARY KEY (ledger_id, app)
        )
        """
    )
    # One index for every filter: a list asks for each app and outcome, and merges what it gets.
    op.execute(
        "CREATE INDEX answers_found ON answers (workspace_id, app, outcome, decided_at, ledger_id)"
    )
    op.execute(
        """
        INSERT INTO answers
        SELECT id, key, workspace_id, value ->> 'outcome', value ->> 'reason',
               (value ->> 'decided_at')::timestamptz,
               to_timestamp((value ->> 'updated_at')::bigint), (value ->> 'part_id')::bigint,
               jsonb_strip_nulls(jsonb_build_object(
                   'number', 0, 'app', key, 'trigger', value -> 'triggers' -> 0,
                   'asked_at', value ->> 'decided_at',
                   'update', CASE WHEN value ? 'part_id' THEN jsonb_build_array(
                       to_char(to_timestamp((value ->> 'updated_at')::bigint) AT TIME ZONE 'UTC',
                               'YYYY-MM-DD"T"HH24:MI:SS"+00:00"'),
                       (value ->> 'part_id')::bigint) END))
          FROM ledger CROSS JOIN LATERAL jsonb_each(latest)
        """
    )


def downgrade() -> None:
    op.execute("DROP TABLE answers")
