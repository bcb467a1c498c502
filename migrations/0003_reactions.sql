-- Who likes and who hates what. The rows of snack_reactions are the truth; everything that counts them is derived.

CREATE TYPE reaction_type AS ENUM ('like', 'hate');

CREATE TABLE snack_reactions (
    snack_id   bigint        NOT NULL CONSTRAINT snack_reactions_snack_fkey REFERENCES snacks (id) ON DELETE CASCADE,
    user_id    bigint        NOT NULL CONSTRAINT snack_reactions_user_fkey REFERENCES users (id) ON DELETE CASCADE,
    type       reaction_type NOT NULL,
    created_at timestamptz   NOT NULL DEFAULT now(),
    CONSTRAINT snack_reactions_pkey PRIMARY KEY (snack_id, user_id)
);

-- The flush task's to-do list: one row for every change, written in the change's own transaction. Append-only, because
-- an upsert that does nothing on conflict would lose a change that arrives while the flush holds the row.
CREATE TABLE reaction_dirty (
    id       bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT reaction_dirty_pkey PRIMARY KEY,
    snack_id bigint NOT NULL
);

-- A trigger and not the server's SQL, so that no change can forget it, one made by hand in psql included.
CREATE FUNCTION mark_snack_dirty() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO reaction_dirty (snack_id) VALUES (coalesce(NEW.snack_id, OLD.snack_id));
    RETURN NULL;
END
$$;

CREATE TRIGGER snack_reactions_mark_dirty
    AFTER INSERT OR DELETE OR UPDATE OF type ON snack_reactions
    FOR EACH ROW EXECUTE FUNCTION mark_snack_dirty();

-- Every absolute value that the flush writes, to snacks and to Redis, carries a fresh epoch from here: a late writer
-- holds a smaller one and is refused.
CREATE SEQUENCE counter_epochs;
