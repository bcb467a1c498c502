-- Reactions are written many at a time: one dirty row for each snack of a statement instead of one for each change. Still a
-- trigger, so that no change can forget it, and still append-only.

DROP TRIGGER snack_reactions_mark_dirty ON snack_reactions;

CREATE OR REPLACE FUNCTION mark_snack_dirty() RETURNS trigger LANGUAGE plpgsql AS $$
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
