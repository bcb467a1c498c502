-- Search keys of snacks in a table of their own. Each change of the counts of a snack writes all index entries of its row again, and those
-- of the letters of its name, some thirty, cost more than all others together.

CREATE TABLE snack_search (
    snack_id     bigint   NOT NULL CONSTRAINT snack_search_pkey PRIMARY KEY
        CONSTRAINT snack_search_snack_fkey REFERENCES snacks (id) ON DELETE CASCADE,
    search_key   text     NOT NULL COLLATE "C",
    search_pairs tsvector NOT NULL GENERATED ALWAYS AS (search_pairs_of(search_key)) STORED
);

INSERT INTO snack_search (snack_id, search_key) SELECT id, search_key FROM snacks ORDER BY id;

CREATE INDEX snack_search_letters ON snack_search USING gin (search_key gin_trgm_ops, search_pairs);

-- A trigger, so that names that the former release or psql write are found as well.
CREATE FUNCTION set_snack_search() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO snack_search (snack_id, search_key) VALUES (NEW.id, search_key_of(NEW.name_key))
    ON CONFLICT ON CONSTRAINT snack_search_pkey DO UPDATE SET search_key = excluded.search_key;
    RETURN NULL;
END
$$;

CREATE TRIGGER snacks_set_search_on_insert
    AFTER INSERT ON snacks
    FOR EACH ROW EXECUTE FUNCTION set_snack_search();

CREATE TRIGGER snacks_set_search_on_update
    AFTER UPDATE OF name_key ON snacks
    FOR EACH ROW WHEN (OLD.name_key <> NEW.name_key)
    EXECUTE FUNCTION set_snack_search();

-- The former release searches these columns while both run, without their index. The next release drops them.
DROP INDEX snacks_search;
COMMENT ON COLUMN snacks.search_key IS 'No longer used. The next release drops it.';
COMMENT ON COLUMN snacks.search_pairs IS 'No longer used. The next release drops it.';

-- No release that can still run uses it.
ALTER TABLE snacks DROP COLUMN short_parts;
DROP FUNCTION short_parts_of(text);

ANALYZE snack_search;
