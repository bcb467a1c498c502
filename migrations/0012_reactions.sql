-- Reactions to many snacks, and many reactions at once.

-- Rows of users and snacks are never deleted: users are erased, snacks become unavailable. This is cheaper to ensure than the foreign keys
-- of reactions, which took half of the time of a reaction, because they locked its user and its snack. Two transactions that lock the
-- same row also need an account of both.
ALTER TABLE snack_reactions
    DROP CONSTRAINT snack_reactions_snack_fkey,
    DROP CONSTRAINT snack_reactions_user_fkey;

CREATE FUNCTION refuse_deletion() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are kept, because rows of snack_reactions refer to them', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END
$$;

CREATE TRIGGER users_refuse_deletion
    BEFORE DELETE OR TRUNCATE OR UPDATE OF id ON users
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_deletion();

CREATE TRIGGER snacks_refuse_deletion
    BEFORE DELETE OR TRUNCATE OR UPDATE OF id ON snacks
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_deletion();

-- State of the comparison. One row.
CREATE TABLE reaction_comparison (
    is_only    boolean     NOT NULL DEFAULT true CONSTRAINT reaction_comparison_pkey PRIMARY KEY CONSTRAINT reaction_comparison_one CHECK (is_only),
    -- Value of a key of each Redis node since the last complete comparison. A node that has lost its data lacks it.
    generation uuid,
    -- Marks of PostgreSQL and of each Redis node, as they were before the last complete comparison.
    marks      text[]      NOT NULL DEFAULT '{}',
    -- Last snack of the sweep.
    swept_to   bigint      NOT NULL DEFAULT 0,
    swept_at   timestamptz NOT NULL DEFAULT '-infinity'
);

INSERT INTO reaction_comparison DEFAULT VALUES;

-- Transactions that have changed counts in the columns and whose counts Redis may not have yet. The flush deletes its row when Redis has them.
CREATE TABLE reaction_flushes (
    transaction bigint NOT NULL DEFAULT txid_current() CONSTRAINT reaction_flushes_pkey PRIMARY KEY
);

-- A trigger, so that all changes are marked, including those made in psql and by servers of the former release.
CREATE FUNCTION mark_flush() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO reaction_flushes DEFAULT VALUES ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;

CREATE TRIGGER snacks_mark_flush
    AFTER UPDATE OF like_reaction_count, hate_reaction_count, counter_epoch ON snacks
    FOR EACH STATEMENT EXECUTE FUNCTION mark_flush();
