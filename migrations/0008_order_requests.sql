-- What members and admins say about an order, and the members who want it too.

ALTER TABLE orders
    -- Of the owner, for the admins. Empty if there is none.
    ADD COLUMN note        text NOT NULL DEFAULT '',
    -- Of the last transition. Null if none was given.
    ADD COLUMN reason      text,
    -- Kept when the order is canceled.
    ADD COLUMN approved_at timestamptz;

ALTER TABLE order_history
    ADD COLUMN reason         text,
    -- The approval carried the month over its budget.
    ADD COLUMN is_over_budget boolean NOT NULL DEFAULT false;

UPDATE orders SET approved_at = history.at
FROM order_history AS history
WHERE history.order_id = orders.id AND history.from_status = 'created' AND history.to_status = 'approved';

-- A trigger, so that approvals by the former release and in psql count as well.
CREATE FUNCTION set_approved_at() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.approved_at := clock_timestamp();
    RETURN NEW;
END
$$;

CREATE TRIGGER orders_set_approved_at
    BEFORE UPDATE ON orders
    FOR EACH ROW WHEN (OLD.status = 'created' AND NEW.status = 'approved' AND NEW.approved_at IS NULL)
    EXECUTE FUNCTION set_approved_at();

-- For the sums of a month.
CREATE INDEX orders_by_approved_at ON orders (approved_at) WHERE status <> 'canceled';

CREATE TABLE order_follows (
    order_id   bigint      NOT NULL CONSTRAINT order_follows_order_fkey REFERENCES orders (id) ON DELETE CASCADE,
    user_id    bigint      NOT NULL CONSTRAINT order_follows_user_fkey REFERENCES users (id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT order_follows_pkey PRIMARY KEY (order_id, user_id)
);

CREATE INDEX order_follows_by_user ON order_follows (user_id, order_id);
