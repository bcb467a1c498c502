-- Statistics: the daily rollup of orders.

-- Sums of past days, so that a year is 365 rows and not a million. The bounds of a day are stored, so that SQL needs no calendar, and a
-- change of the time zone makes no sum wrong: days that do not match are counted again.
CREATE TABLE daily_rollup (
    starts_at      timestamptz NOT NULL CONSTRAINT daily_rollup_pkey PRIMARY KEY,
    ends_at        timestamptz NOT NULL,
    -- Without canceled orders.
    order_count    bigint      NOT NULL,
    canceled_count bigint      NOT NULL,
    counted_at     timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT daily_rollup_end_after_start CHECK (starts_at < ends_at)
);

CREATE INDEX daily_rollup_by_counted_at ON daily_rollup (counted_at);

CREATE TABLE daily_rollup_sums (
    starts_at   timestamptz NOT NULL CONSTRAINT daily_rollup_sums_day_fkey REFERENCES daily_rollup (starts_at) ON DELETE CASCADE,
    currency    currency    NOT NULL,
    is_canceled boolean     NOT NULL,
    quantity    bigint      NOT NULL,
    amount      numeric     NOT NULL,
    CONSTRAINT daily_rollup_sums_pkey PRIMARY KEY (starts_at, currency, is_canceled)
);

-- Times of creation of changed orders, written in the transaction of the change. Append-only like reaction_dirty, for the same reason. A
-- day with such a row is counted from the orders themselves.
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
