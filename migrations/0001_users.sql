-- Who uses the server, and the sign-ins they hold.

CREATE TYPE member_type AS ENUM ('member', 'admin');

CREATE TABLE users (
    id            bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT users_pkey PRIMARY KEY,
    email         text        NOT NULL,
    -- The comparison forms (`text::fold`): what makes two emails the same, and what a search looks into. Folded by the
    -- server and not by SQL, because lower() and normalize() depend on the database's locale and encoding.
    email_key     text        NOT NULL COLLATE "C" CONSTRAINT users_email_key UNIQUE,
    name          text        NOT NULL,
    name_key      text        NOT NULL COLLATE "C",
    password_hash text        NOT NULL,
    member_type   member_type NOT NULL DEFAULT 'member',
    -- Resigning is a flag: orders and reactions keep their author, and the email is never handed to somebody else.
    is_deleted    boolean     NOT NULL DEFAULT false,
    date_joined   timestamptz NOT NULL DEFAULT now(),
    last_login    timestamptz
);

CREATE INDEX users_by_date_joined ON users (date_joined, id);
CREATE INDEX users_by_name ON users (name_key, id);
-- The last-admin rule locks these rows in the order of their ids.
CREATE INDEX users_active_admins ON users (id) WHERE member_type = 'admin' AND NOT is_deleted;

-- Servers keep roles and resignations in memory; whoever changes one, a migration or psql included, tells them all.
CREATE FUNCTION notify_user_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('user_changed', NEW.id::text);
    RETURN NULL;
END
$$;

CREATE TRIGGER users_notify_changed
    AFTER UPDATE OF member_type, is_deleted ON users
    FOR EACH ROW EXECUTE FUNCTION notify_user_changed();

-- One sign-in is one family of refresh tokens; ending it ends them all.
CREATE TABLE sign_ins (
    id         uuid        NOT NULL CONSTRAINT sign_ins_pkey PRIMARY KEY,
    user_id    bigint      NOT NULL CONSTRAINT sign_ins_user_fkey REFERENCES users (id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    ended_at   timestamptz
);

CREATE INDEX sign_ins_by_user ON sign_ins (user_id) WHERE ended_at IS NULL;

CREATE TABLE refresh_tokens (
    jti        uuid        NOT NULL CONSTRAINT refresh_tokens_pkey PRIMARY KEY,
    sign_in_id uuid        NOT NULL CONSTRAINT refresh_tokens_sign_in_fkey REFERENCES sign_ins (id) ON DELETE CASCADE,
    expires_at timestamptz NOT NULL,
    -- Set once, when the token is exchanged for its successor. A spent token is kept until it expires: that is how a
    -- stolen one is recognised.
    used_at    timestamptz
);

CREATE INDEX refresh_tokens_by_sign_in ON refresh_tokens (sign_in_id);
CREATE INDEX refresh_tokens_by_expires_at ON refresh_tokens (expires_at);
