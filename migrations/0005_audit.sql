-- Audit log. Rows are written in the transaction of the operation and never changed.

CREATE TABLE audit_log (
    id       bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT audit_log_pkey PRIMARY KEY,
    at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- Null if unknown, and for the command line.
    actor_id bigint CONSTRAINT audit_log_actor_fkey REFERENCES users (id),
    action   text        NOT NULL,
    -- An email, the id of a user, or the uid of an order or a snack.
    subject  text        NOT NULL,
    address  text        NOT NULL,
    -- "ok" or the code of the error.
    outcome  text        NOT NULL
);

CREATE INDEX audit_log_by_at ON audit_log (at, id);
CREATE INDEX audit_log_by_actor ON audit_log (actor_id, at, id);
CREATE INDEX audit_log_by_action ON audit_log (action, at, id);
