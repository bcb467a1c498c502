-- The body that a key stands for is kept as a digest: a tree of the values of a hostile body took a hundred times its bytes
-- to compare. Keys of the release before have the body itself, for the 24 hours that they live.
ALTER TABLE idempotency_keys
    ALTER COLUMN request DROP NOT NULL,
    -- SHA-256 of the canonical form of the JSON value (`http::json_digest`).
    ADD COLUMN request_digest bytea,
    ADD CONSTRAINT idempotency_keys_request_check CHECK (num_nonnulls(request, request_digest) = 1);
