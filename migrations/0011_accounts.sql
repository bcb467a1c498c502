-- Who may join, links that are good once, where users are signed in, and members who have left.

ALTER TABLE users
    -- Null for users who have only ever signed in through the identity provider.
    ALTER COLUMN password_hash DROP NOT NULL,
    -- Access tokens have it as a claim. It changes when the user leaves, so that older tokens stay invalid if the user is restored.
    ADD COLUMN token_generation integer NOT NULL DEFAULT 0,
    -- Time from which the row has no personal data.
    ADD COLUMN erased_at timestamptz,
    ADD CONSTRAINT users_erased_left CHECK (erased_at IS NULL OR is_deleted);

ALTER TABLE sessions
    ADD COLUMN last_used_at timestamptz NOT NULL DEFAULT now(),
    -- IP address of the client at the last use. Empty for sessions of former versions.
    ADD COLUMN address      text        NOT NULL DEFAULT '',
    ADD COLUMN user_agent   text        NOT NULL DEFAULT '';

-- An invitation that was neither accepted nor withdrawn. The audit log has the others.
CREATE TABLE invitations (
    id          bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT invitations_pkey PRIMARY KEY,
    email       text        NOT NULL,
    email_key   text        NOT NULL COLLATE "C" CONSTRAINT invitations_email_key UNIQUE,
    member_type member_type NOT NULL,
    -- Null for the command line.
    invited_by  bigint CONSTRAINT invitations_inviter_fkey REFERENCES users (id),
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at  timestamptz NOT NULL
);

CREATE INDEX invitations_by_created_at ON invitations (created_at, id);
CREATE INDEX invitations_by_expires_at ON invitations (expires_at);

-- Invitations that can be accepted. They end with the rights of the admin who created them.
CREATE VIEW open_invitations AS
SELECT * FROM invitations
WHERE expires_at > now()
  AND (invited_by IS NULL OR EXISTS (SELECT FROM users WHERE id = invited_by AND member_type = 'admin' AND NOT is_deleted));

-- Tokens of links: for a new password of a user, or for an invitation. A used token is deleted.
CREATE TABLE link_tokens (
    -- SHA-256 of the token.
    hash          bytea       NOT NULL CONSTRAINT link_tokens_pkey PRIMARY KEY,
    user_id       bigint CONSTRAINT link_tokens_user_fkey REFERENCES users (id) ON DELETE CASCADE,
    invitation_id bigint CONSTRAINT link_tokens_invitation_fkey REFERENCES invitations (id) ON DELETE CASCADE,
    expires_at    timestamptz NOT NULL,
    CONSTRAINT link_tokens_one_purpose CHECK (num_nonnulls(user_id, invitation_id) = 1),
    CONSTRAINT link_tokens_hash CHECK (length(hash) = 32)
);

CREATE INDEX link_tokens_by_user ON link_tokens (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX link_tokens_by_invitation ON link_tokens (invitation_id) WHERE invitation_id IS NOT NULL;
CREATE INDEX link_tokens_by_expires_at ON link_tokens (expires_at);

-- Codes that buy the tokens of a sign-in through the identity provider. A used code is deleted.
CREATE TABLE sign_in_codes (
    -- SHA-256 of the code.
    hash       bytea       NOT NULL CONSTRAINT sign_in_codes_pkey PRIMARY KEY,
    user_id    bigint      NOT NULL CONSTRAINT sign_in_codes_user_fkey REFERENCES users (id) ON DELETE CASCADE,
    expires_at timestamptz NOT NULL,
    CONSTRAINT sign_in_codes_hash CHECK (length(hash) = 32)
);

CREATE INDEX sign_in_codes_by_user ON sign_in_codes (user_id);
CREATE INDEX sign_in_codes_by_expires_at ON sign_in_codes (expires_at);

-- A mail with a link. The token is made when the mail is sent, because only its hash may be kept. A request for a new password is written
-- for any email, known or not, so that the response takes as long.
CREATE TABLE account_mails (
    id            bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT account_mails_pkey PRIMARY KEY,
    -- Null for a new password.
    invitation_id bigint CONSTRAINT account_mails_invitation_fkey REFERENCES invitations (id) ON DELETE CASCADE,
    email         text        NOT NULL,
    language      text        NOT NULL CONSTRAINT account_mails_language CHECK (language IN ('ko', 'en')),
    -- IP address of the client that asked for it.
    address       text        NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE INDEX account_mails_by_invitation ON account_mails (invitation_id) WHERE invitation_id IS NOT NULL;
CREATE INDEX account_mails_by_created_at ON account_mails (created_at);

ALTER TABLE deliveries
    ADD COLUMN account_mail_id bigint CONSTRAINT deliveries_account_mail_fkey REFERENCES account_mails (id) ON DELETE CASCADE,
    DROP CONSTRAINT deliveries_one_receiver,
    ADD CONSTRAINT deliveries_one_receiver CHECK (num_nonnulls(channel_id, notification_id, account_mail_id) = 1);

CREATE INDEX deliveries_by_account_mail ON deliveries (account_mail_id) WHERE account_mail_id IS NOT NULL;
