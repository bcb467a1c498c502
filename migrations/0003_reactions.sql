-- Reactions. The rows of snack_reactions are the truth; all counts are derived from them.

CREATE TYPE reaction_type AS ENUM ('like', 'hate');

CREATE TABLE snack_reactions (
    snack_id   bigint        NOT NULL CONSTRAINT snack_reactions_snack_fkey REFERENCES snacks (id) ON DELETE CASCADE,
    user_id    bigint        NOT NULL CONSTRAINT snack_reactions_user_fkey REFERENCES users (id) ON DELETE CASCADE,
    type       reaction_type NOT NULL,
    created_at timestamptz   NOT NULL DEFAULT now(),
    CONSTRAINT snack_reactions_pkey PRIMARY KEY (snack_id, user_id)
);

-- Snacks to be counted again by the flush. Written in the transaction of the change. Append-only, because an upsert that does nothing on
-- conflict would lose a change that arrives while the flush holds the row.
CREATE TABLE reaction_dirty (
    id       bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT reaction_dirty_pkey PRIMARY KEY,
    snack_id bigint NOT NULL
);

-- Triggers, so that all changes are marked, including those made in psql. One dirty row for each snack of a statement.
CREATE FUNCTION mark_snack_dirty() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO reaction_dirty (snack_id) SELECT DISTINCT snack_id FROM changed;
    RETURN NULL;
END
$$;

CREATE TRIGGER snack_reactions_mark_dirty_on_insert
    AFTER INSERT ON snack_reactions REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION mark_snack_dirty();

CREATE TRIGGER snack_reactions_mark_dirty_on_update
    AFTER UPDATE ON snack_reactions REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION mark_snack_dirty();

CREATE TRIGGER snack_reactions_mark_dirty_on_delete
    AFTER DELETE ON snack_reactions REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION mark_snack_dirty();

-- Epochs of the counts that the flush writes to snacks and to Redis. A late writer has a lower epoch and is rejected.
CREATE SEQUENCE counter_epochs;
