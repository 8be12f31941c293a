"""Workspaces, installations, app users, connections, authorizations, audit, outbox."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("the first revision is not taken back: drop the database instead")


_STATEMENTS = (
    """
    CREATE TABLE workspaces (
        workspace_id text PRIMARY KEY,
        region text NOT NULL,
        name text NOT NULL,
        time_zone text NOT NULL,
        admin_id text NOT NULL
    )
    """,
    """
    CREATE TABLE intercom_connections (
        workspace_id text PRIMARY KEY REFERENCES workspaces,
        access_token text NOT NULL,
        authorised_by text NOT NULL,
        authorised_at timestamptz NOT NULL,
        state text NOT NULL CHECK (state IN ('connected', 'reconnect_needed'))
    )
    """,
    """
    CREATE TABLE installations (
        workspace_id text NOT NULL REFERENCES workspaces,
        app text NOT NULL,
        version bigint NOT NULL DEFAULT 0,
        installed_at timestamptz NOT NULL,
        installed_by text NOT NULL,
        transcript_sync boolean NOT NULL DEFAULT false,
        note_policy text NOT NULL DEFAULT 'update' CHECK (note_policy IN ('update', 'new')),
        all_conversations boolean NOT NULL DEFAULT false,
        time_zone text,
        uninstalled_at timestamptz,
        PRIMARY KEY (workspace_id, app)
    )
    """,
    """
    CREATE TABLE app_users (
        workspace_id text NOT NULL,
        app text NOT NULL,
        teammate_id text NOT NULL,
        paused boolean NOT NULL,
        PRIMARY KEY (workspace_id, app, teammate_id),
        FOREIGN KEY (workspace_id, app) REFERENCES installations
    )
    """,
    """
    CREATE TABLE connections (
        workspace_id text NOT NULL,
        app text NOT NULL,
        account_id text NOT NULL,
        user_id text,
        api_base text NOT NULL,
        access_token text NOT NULL,
        refresh_token text NOT NULL,
        obtained_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL,
        state text NOT NULL CHECK (state IN ('connected', 'reconnect_needed')),
        token_version bigint NOT NULL,
        lease_holder text,
        lease_until timestamptz,
        PRIMARY KEY (workspace_id, app),
        FOREIGN KEY (workspace_id, app) REFERENCES installations
    )
    """,
    """
    CREATE TABLE oauth_states (
        state_hash text PRIMARY KEY,
        vendor text NOT NULL,
        workspace_id text,
        app text,
        expires_at timestamptz NOT NULL,
        verifier text
    )
    """,
    "CREATE INDEX oauth_states_by_expiry ON oauth_states (expires_at)",
    """
    CREATE TABLE audit (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        at timestamptz NOT NULL,
        actor text NOT NULL,
        action text NOT NULL,
        workspace_id text NOT NULL,
        app text,
        detail jsonb NOT NULL
    )
    """,
    "CREATE INDEX audit_by_workspace ON audit (workspace_id, id)",
    # Append-only, twice over: nobody is granted a change, and a trigger refuses whoever is
    # (the owner could grant it to itself, a superuser always may).
    "REVOKE UPDATE, DELETE, TRUNCATE ON audit FROM PUBLIC, CURRENT_USER",
    """
    CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'the audit trail is append-only' USING ERRCODE = 'insufficient_privilege';
    END
    $$
    """,
    """
    CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
        FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only()
    """,
    """
    CREATE TABLE outbox (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        event_id text NOT NULL,
        event_type text NOT NULL,
        body jsonb NOT NULL
    )
    """,
)
