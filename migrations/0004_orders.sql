-- What was asked for, and how far it got.

-- In the order of the flow, canceled last: this is also the order that `ordering=status` sorts by.
CREATE TYPE order_status AS ENUM ('created', 'approved', 'ordered', 'shipping', 'completed', 'canceled');

CREATE TABLE orders (
    id                     bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT orders_pkey PRIMARY KEY,
    uid                    uuid         NOT NULL DEFAULT gen_random_uuid() CONSTRAINT orders_uid_key UNIQUE,
    user_id                bigint       NOT NULL CONSTRAINT orders_user_fkey REFERENCES users (id),
    status                 order_status NOT NULL DEFAULT 'created',
    -- True while the order keeps others from ordering the same snacks; purchases carry a copy of it.
    blocks                 boolean      NOT NULL GENERATED ALWAYS AS (status IN ('created', 'approved', 'ordered')) STORED,
    estimated_arrival_time timestamptz,
    -- Grows by one with every change: the ETag.
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
    -- Where the member put the snack in the order, from 0.
    position   integer        NOT NULL,
    quantity   integer        NOT NULL,
    -- The price when the snack was put into the order; later changes of the snack do not reach it.
    unit_price numeric(14, 2) NOT NULL,
    currency   currency       NOT NULL,
    blocks     boolean        NOT NULL DEFAULT true,
    CONSTRAINT purchases_pkey PRIMARY KEY (order_id, snack_id),
    -- The cascade keeps `blocks` equal to the order's, whatever changes the status.
    CONSTRAINT purchases_order_fkey FOREIGN KEY (order_id, blocks) REFERENCES orders (id, blocks) ON UPDATE CASCADE ON DELETE CASCADE,
    CONSTRAINT purchases_quantity_range CHECK (quantity BETWEEN 1 AND 1000)
);

-- The rule that no snack is in two open orders is this index: check-then-insert loses races.
CREATE UNIQUE INDEX purchases_one_open_order_per_snack ON purchases (snack_id) WHERE blocks;

-- Creation and every transition, written in the transaction that makes them.
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

-- The second lock on the door: the server moves orders only through `order::status`; whatever else writes the column,
-- a script or a hurried hand in psql, gets no further than the same flow. A test holds the two against each other.
CREATE FUNCTION refuse_status_jump() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' AND NEW.status = 'created' THEN
        RETURN NEW;
    END IF;
    IF TG_OP = 'UPDATE' AND (OLD.status, NEW.status) IN (
        ('created', 'approved'), ('approved', 'ordered'), ('ordered', 'shipping'), ('shipping', 'completed'),
        ('created', 'canceled'), ('approved', 'canceled')) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'an order cannot become %', NEW.status
        USING ERRCODE = 'check_violation', CONSTRAINT = 'orders_status_flow', TABLE = 'orders';
END
$$;

CREATE TRIGGER orders_status_flow_on_insert
    BEFORE INSERT ON orders
    FOR EACH ROW EXECUTE FUNCTION refuse_status_jump();

CREATE TRIGGER orders_status_flow_on_update
    BEFORE UPDATE ON orders
    FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status)
    EXECUTE FUNCTION refuse_status_jump();

-- Answers to `POST /orders` with an Idempotency-Key, committed with the order they speak of.
CREATE TABLE idempotency_keys (
    user_id    bigint      NOT NULL CONSTRAINT idempotency_keys_user_fkey REFERENCES users (id) ON DELETE CASCADE,
    key        text        NOT NULL COLLATE "C",
    -- jsonb, because two bodies are the same when they are the same JSON value.
    request    jsonb       NOT NULL,
    order_uid  uuid,
    response   text,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT idempotency_keys_pkey PRIMARY KEY (user_id, key)
);

CREATE INDEX idempotency_keys_by_created_at ON idempotency_keys (created_at);
