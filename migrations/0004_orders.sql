-- Orders, their lines and history, and idempotency keys.

-- In the order of the flow, canceled last. `ordering=status` sorts in this order.
CREATE TYPE order_status AS ENUM ('created', 'approved', 'ordered', 'shipping', 'completed', 'canceled');

CREATE TABLE orders (
    id                     bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT orders_pkey PRIMARY KEY,
    uid                    uuid         NOT NULL DEFAULT gen_random_uuid() CONSTRAINT orders_uid_key UNIQUE,
    user_id                bigint       NOT NULL CONSTRAINT orders_user_fkey REFERENCES users (id),
    status                 order_status NOT NULL DEFAULT 'created',
    -- True while no other order may contain the same snacks. Copied to purchases.
    blocks                 boolean      NOT NULL GENERATED ALWAYS AS (status IN ('created', 'approved', 'ordered')) STORED,
    estimated_arrival_time timestamptz,
    -- The ETag. Incremented with every change.
    version                integer      NOT NULL DEFAULT 1,
    created_at             timestamptz  NOT NULL DEFAULT now(),
    updated_at             timestamptz  NOT NULL DEFAULT now(),
    CONSTRAINT orders_id_blocks_key UNIQUE (id, blocks),
    CONSTRAINT orders_arrival_known CHECK (status NOT IN ('ordered', 'shipping') OR estimated_arrival_time IS NOT NULL)
);

CREATE INDEX orders_by_created_at ON orders (created_at, id);
CREATE INDEX orders_by_user ON orders (user_id, created_at, id);
CREATE INDEX orders_by_status ON orders (status, created_at, id);
CREATE INDEX orders_by_arrival ON orders (coalesce(estimated_arrival_time, 'infinity'), id);

CREATE TABLE purchases (
    order_id   bigint         NOT NULL,
    snack_id   bigint         NOT NULL CONSTRAINT purchases_snack_fkey REFERENCES snacks (id),
    -- Index in the request.
    position   integer        NOT NULL,
    quantity   integer        NOT NULL,
    -- Price of the snack when it was added.
    unit_price numeric(14, 2) NOT NULL,
    currency   currency       NOT NULL,
    blocks     boolean        NOT NULL DEFAULT true,
    CONSTRAINT purchases_pkey PRIMARY KEY (order_id, snack_id),
    -- The cascade keeps `blocks` equal to that of the order.
    CONSTRAINT purchases_order_fkey FOREIGN KEY (order_id, blocks) REFERENCES orders (id, blocks) ON UPDATE CASCADE ON DELETE CASCADE,
    CONSTRAINT purchases_quantity_range CHECK (quantity BETWEEN 1 AND 1000)
);

-- No snack is in two open orders. An index, because a check before the insert loses races.
CREATE UNIQUE INDEX purchases_one_open_order_per_snack ON purchases (snack_id) WHERE blocks;

-- Creation and status changes, written in the transaction that makes them.
CREATE TABLE order_history (
    id                     bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT order_history_pkey PRIMARY KEY,
    order_id               bigint       NOT NULL CONSTRAINT order_history_order_fkey REFERENCES orders (id) ON DELETE CASCADE,
    from_status            order_status,
    to_status              order_status NOT NULL,
    actor_id               bigint       NOT NULL CONSTRAINT order_history_actor_fkey REFERENCES users (id),
    estimated_arrival_time timestamptz,
    at                     timestamptz  NOT NULL DEFAULT now()
);

CREATE INDEX order_history_by_order ON order_history (order_id, id);

-- Same rules as the state machine `order::status` of the server, for statements in psql. A test compares the two.
CREATE FUNCTION check_status_transition() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' AND NEW.status = 'created' THEN
        RETURN NEW;
    END IF;
    IF TG_OP = 'UPDATE' AND (OLD.status, NEW.status) IN (
        ('created', 'approved'), ('approved', 'ordered'), ('ordered', 'shipping'), ('shipping', 'completed'),
        ('created', 'canceled'), ('approved', 'canceled')) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'an order cannot change to %', NEW.status
        USING ERRCODE = 'check_violation', CONSTRAINT = 'orders_status_flow', TABLE = 'orders';
END
$$;

CREATE TRIGGER orders_status_flow_on_insert
    BEFORE INSERT ON orders
    FOR EACH ROW EXECUTE FUNCTION check_status_transition();

CREATE TRIGGER orders_status_flow_on_update
    BEFORE UPDATE ON orders
    FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status)
    EXECUTE FUNCTION check_status_transition();

-- Responses to `POST /orders` with an Idempotency-Key, committed together with the order.
CREATE TABLE idempotency_keys (
    user_id        bigint      NOT NULL CONSTRAINT idempotency_keys_user_fkey REFERENCES users (id) ON DELETE CASCADE,
    key            text        NOT NULL COLLATE "C",
    -- SHA-256 of the canonical form of the body (`http::json_digest`).
    request_digest bytea       NOT NULL,
    order_uid      uuid,
    response       text,
    created_at     timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT idempotency_keys_pkey PRIMARY KEY (user_id, key)
);

CREATE INDEX idempotency_keys_by_created_at ON idempotency_keys (created_at);
