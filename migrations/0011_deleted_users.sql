-- Servers keep roles and resignations in memory. A user who is deleted, by hand for example, must leave the memory too.
CREATE OR REPLACE FUNCTION notify_user_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('user_changed', OLD.id::text);
    RETURN NULL;
END
$$;

CREATE TRIGGER users_notify_deleted
    AFTER DELETE ON users
    FOR EACH ROW EXECUTE FUNCTION notify_user_changed();
