-- Notifications of users, channels of the company, and the outbox: what is to be sent to channels and by mail.

CREATE TYPE notification_kind AS ENUM (
    'order_created',
    'order_approved',
    'order_ordered',
    'order_shipping',
    'order_completed',
    'order_canceled',
    'order_arrival_changed',
    'order_edited_by_admin',
    'member_type_changed',
    'budget_reached'
);

CREATE TABLE notifications (
    id         bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT notifications_pkey PRIMARY KEY,
    user_id    bigint            NOT NULL CONSTRAINT notifications_user_fkey REFERENCES users (id) ON DELETE CASCADE,
    kind       notification_kind NOT NULL,
    order_id   bigint CONSTRAINT notifications_order_fkey REFERENCES orders (id) ON DELETE CASCADE,
    actor_id   bigint CONSTRAINT notifications_actor_fkey REFERENCES users (id) ON DELETE SET NULL,
    -- What the text says besides the kind and the actor, as it was then.
    details    jsonb             NOT NULL,
    created_at timestamptz       NOT NULL DEFAULT clock_timestamp(),
    read_at    timestamptz
);

CREATE INDEX notifications_by_user ON notifications (user_id, created_at, id);
CREATE INDEX notifications_unread ON notifications (user_id, created_at, id) WHERE read_at IS NULL;
CREATE INDEX notifications_by_created_at ON notifications (created_at);
-- The foreign keys to orders and actors have no index, because neither are deleted, and every order writes a row for each admin.

ALTER TABLE users
    -- A mail for each notification.
    ADD COLUMN is_mailed     boolean NOT NULL DEFAULT false,
    ADD COLUMN mail_language text    NOT NULL DEFAULT 'ko' CONSTRAINT users_mail_language CHECK (mail_language IN ('ko', 'en'));

CREATE TYPE channel_kind AS ENUM ('slack', 'webhook');

CREATE TABLE channels (
    id         bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT channels_pkey PRIMARY KEY,
    kind       channel_kind NOT NULL,
    name       text         NOT NULL,
    -- Secret: who knows the URL of a Slack channel can post there.
    url        text         NOT NULL,
    -- Signs what a webhook gets. Null for Slack.
    secret     text,
    events     text[]       NOT NULL,
    -- Of the texts for Slack.
    language   text         NOT NULL CONSTRAINT channels_language CHECK (language IN ('ko', 'en')),
    is_enabled boolean      NOT NULL DEFAULT true,
    created_at timestamptz  NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT channels_secret_of_webhooks CHECK ((kind = 'webhook') = (secret IS NOT NULL))
);

CREATE TYPE delivery_status AS ENUM ('pending', 'delivered', 'failed');

-- A message to a channel, or a notification to be mailed. Written in the transaction of what it tells of.
CREATE TABLE deliveries (
    id              bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT deliveries_pkey PRIMARY KEY,
    -- Same for all attempts, so that the receiver can tell a repetition.
    uid             uuid            NOT NULL DEFAULT gen_random_uuid(),
    channel_id      bigint CONSTRAINT deliveries_channel_fkey REFERENCES channels (id) ON DELETE CASCADE,
    notification_id bigint CONSTRAINT deliveries_notification_fkey REFERENCES notifications (id) ON DELETE CASCADE,
    event           text            NOT NULL,
    -- Body of the webhook. json and not jsonb, because it is sent and never searched. Null for a mail, whose text is made when it is sent.
    payload         json,
    status          delivery_status NOT NULL DEFAULT 'pending',
    attempts        integer         NOT NULL DEFAULT 0,
    -- While an attempt is under way: the time from which another server may try again. Null when finished.
    next_attempt_at timestamptz              DEFAULT clock_timestamp(),
    response_status integer,
    error           text,
    created_at      timestamptz     NOT NULL DEFAULT clock_timestamp(),
    finished_at     timestamptz,
    CONSTRAINT deliveries_one_receiver CHECK (num_nonnulls(channel_id, notification_id) = 1),
    CONSTRAINT deliveries_payload CHECK ((channel_id IS NULL) = (payload IS NULL)),
    CONSTRAINT deliveries_pending CHECK ((status = 'pending') = (next_attempt_at IS NOT NULL)),
    CONSTRAINT deliveries_finished CHECK ((status = 'pending') = (finished_at IS NULL))
);

-- A slow receiver must not delay others, so each receiver's are taken by themselves. All mails have the null.
CREATE INDEX deliveries_due ON deliveries (channel_id, next_attempt_at) WHERE status = 'pending';
CREATE INDEX deliveries_by_channel ON deliveries (channel_id, created_at, id);
CREATE INDEX deliveries_by_finished_at ON deliveries (finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX deliveries_by_notification ON deliveries (notification_id) WHERE notification_id IS NOT NULL;

-- Percentages of a budget that were reported. Each is reported once a month.
CREATE TABLE budget_alerts (
    -- First day of the month.
    month    date     NOT NULL,
    currency currency NOT NULL,
    percent  smallint NOT NULL,
    CONSTRAINT budget_alerts_pkey PRIMARY KEY (month, currency, percent)
);
