-- Users, their sessions and refresh tokens.

CREATE TYPE member_type AS ENUM ('member', 'admin');

CREATE TABLE users (
    id            bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT users_pkey PRIMARY KEY,
    email         text        NOT NULL,
    -- Comparison forms of the email and the name, for uniqueness and search. The server computes them, because lower() and
    -- normalize() depend on the locale and the encoding of the database.
    email_key     text        NOT NULL COLLATE "C" CONSTRAINT users_email_key UNIQUE,
    name          text        NOT NULL,
    name_key      text        NOT NULL COLLATE "C",
    password_hash text        NOT NULL,
    member_type   member_type NOT NULL DEFAULT 'member',
    -- Set on resignation. Orders and reactions keep their author, and the email cannot be used again.
    is_deleted    boolean     NOT NULL DEFAULT false,
    date_joined   timestamptz NOT NULL DEFAULT now(),
    last_login    timestamptz
);

CREATE INDEX users_by_date_joined ON users (date_joined, id);
CREATE INDEX users_by_name ON users (name_key, id);
-- A removal of an admin locks these rows in the order of their ids.
CREATE INDEX users_active_admins ON users (id) WHERE member_type = 'admin' AND NOT is_deleted;

-- Servers cache roles and resignations. A trigger notifies them of all changes, including those made in psql.
CREATE FUNCTION notify_user_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('user_changed', OLD.id::text);
    RETURN NULL;
END
$$;

CREATE TRIGGER users_notify_changed
    AFTER UPDATE OF member_type, is_deleted ON users
    FOR EACH ROW EXECUTE FUNCTION notify_user_changed();

CREATE TRIGGER users_notify_deleted
    AFTER DELETE ON users
    FOR EACH ROW EXECUTE FUNCTION notify_user_changed();

-- A sign-in starts a session. The end of a session invalidates all its refresh tokens.
CREATE TABLE sessions (
    id         uuid        NOT NULL CONSTRAINT sessions_pkey PRIMARY KEY,
    user_id    bigint      NOT NULL CONSTRAINT sessions_user_fkey REFERENCES users (id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    ended_at   timestamptz
);

CREATE INDEX sessions_by_user ON sessions (user_id) WHERE ended_at IS NULL;

CREATE TABLE refresh_tokens (
    jti         uuid        NOT NULL CONSTRAINT refresh_tokens_pkey PRIMARY KEY,
    session_id  uuid        NOT NULL CONSTRAINT refresh_tokens_session_fkey REFERENCES sessions (id) ON DELETE CASCADE,
    expires_at  timestamptz NOT NULL,
    -- Set once, when the token is exchanged. A used token is kept until it expires, so that a stolen one is recognized.
    used_at     timestamptz,
    -- Number of further pairs that were issued within the grace period, for retries of a client. Limits what a stolen token is
    -- worth.
    extra_pairs smallint    NOT NULL DEFAULT 0
);

CREATE INDEX refresh_tokens_by_session ON refresh_tokens (session_id);
CREATE INDEX refresh_tokens_by_expires_at ON refresh_tokens (expires_at);
