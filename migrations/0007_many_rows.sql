-- What keeps statistics and searches fast when there are millions of rows.

-- The sums of days that are over: a year is 365 rows then, and not a million. A day is kept as two instants, so that Postgres
-- needs no calendar, and a change of the office's time zone makes no sum wrong: days that do not fit are counted anew.
CREATE TABLE order_days (
    starts_at      timestamptz NOT NULL CONSTRAINT order_days_pkey PRIMARY KEY,
    ends_at        timestamptz NOT NULL,
    -- Orders, canceled ones aside.
    order_count    bigint      NOT NULL,
    canceled_count bigint      NOT NULL,
    counted_at     timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT order_days_end_after_start CHECK (starts_at < ends_at)
);

CREATE INDEX order_days_by_counted_at ON order_days (counted_at);

CREATE TABLE order_day_sums (
    starts_at   timestamptz NOT NULL CONSTRAINT order_day_sums_day_fkey REFERENCES order_days (starts_at) ON DELETE CASCADE,
    currency    currency    NOT NULL,
    is_canceled boolean     NOT NULL,
    quantity    bigint      NOT NULL,
    amount      numeric     NOT NULL,
    CONSTRAINT order_day_sums_pkey PRIMARY KEY (starts_at, currency, is_canceled)
);

-- Where orders have changed: one row or more for every change that a sum would show, written in the change's own transaction.
-- Append-only, as reaction_dirty is and for the same reason. A day with such a row is counted from the orders themselves.
CREATE TABLE order_dirty (
    created_at timestamptz NOT NULL
);

CREATE INDEX order_dirty_by_created_at ON order_dirty (created_at);

CREATE FUNCTION mark_order_dirty() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        INSERT INTO order_dirty VALUES (OLD.created_at);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO order_dirty VALUES (NEW.created_at);
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER orders_mark_dirty
    AFTER INSERT OR DELETE ON orders
    FOR EACH ROW EXECUTE FUNCTION mark_order_dirty();

CREATE TRIGGER orders_mark_dirty_on_update
    AFTER UPDATE ON orders
    FOR EACH ROW WHEN (
        OLD.created_at <> NEW.created_at OR (OLD.status = 'canceled') <> (NEW.status = 'canceled'))
    EXECUTE FUNCTION mark_order_dirty();

CREATE FUNCTION mark_order_of_purchase_dirty() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO order_dirty
    SELECT created_at FROM orders WHERE id IN (CASE WHEN TG_OP <> 'INSERT' THEN OLD.order_id END, CASE WHEN TG_OP <> 'DELETE' THEN NEW.order_id END);
    RETURN NULL;
END
$$;

CREATE TRIGGER purchases_mark_dirty
    AFTER INSERT OR DELETE ON purchases
    FOR EACH ROW EXECUTE FUNCTION mark_order_of_purchase_dirty();

CREATE TRIGGER purchases_mark_dirty_on_update
    AFTER UPDATE ON purchases
    FOR EACH ROW WHEN (
        (OLD.order_id, OLD.quantity, OLD.unit_price, OLD.currency) IS DISTINCT FROM (NEW.order_id, NEW.quantity, NEW.unit_price, NEW.currency))
    EXECUTE FUNCTION mark_order_of_purchase_dirty();

-- The orders that are there already. No zone's day begins but at a quarter of an hour.
INSERT INTO order_dirty SELECT DISTINCT date_bin('15 minutes', created_at, 'epoch') FROM orders;

-- "Any part of the name" when the part has one or two characters, as most Korean words do: trigrams know nothing of those.
CREATE FUNCTION short_parts_of(name text) RETURNS text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (
    SELECT array_agg(DISTINCT substr(name, at, size) COLLATE "C")
    FROM generate_series(1, char_length(name)) AS at, generate_series(1, 2) AS size
    WHERE at + size - 1 <= char_length(name));

-- A column, because the flush of reactions writes a row's index entries anew, and must not take its name apart again for it.
ALTER TABLE snacks ADD COLUMN short_parts text[] COLLATE "C" NOT NULL GENERATED ALWAYS AS (short_parts_of(name_key)) STORED;

CREATE INDEX snacks_short_parts ON snacks USING gin (short_parts);
