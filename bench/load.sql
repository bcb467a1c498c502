-- Rows for the benchmarks: :users users with the password hash of the first, :snacks snacks, :reactions reactions, :orders orders
-- of three lines. Triggers are off, and foreign keys and the search index are made at the end, because that takes minutes less.
SET synchronous_commit = off;
CREATE TEMPORARY TABLE removed AS
SELECT format('DROP INDEX %s', indexrelid::regclass) AS removal, pg_get_indexdef(indexrelid) AS restoration FROM pg_index
WHERE indexrelid = 'snacks_search'::regclass
UNION ALL
SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname),
    format('ALTER TABLE %s ADD CONSTRAINT %I %s', conrelid::regclass, conname, pg_get_constraintdef(oid)) FROM pg_constraint
WHERE contype = 'f' AND conrelid IN ('snack_reactions'::regclass, 'orders'::regclass, 'purchases'::regclass, 'order_history'::regclass)
UNION ALL
SELECT format('ALTER TABLE %I DISABLE TRIGGER USER', name), format('ALTER TABLE %I ENABLE TRIGGER USER', name)
FROM unnest(ARRAY['snack_reactions', 'orders', 'purchases']) AS name;
SELECT removal FROM removed \gexec

INSERT INTO users (email, email_key, name, name_key, password_hash)
SELECT 'user' || n || '@bench.example', 'user' || n || '@bench.example', 'user ' || n, 'user ' || n,
    (SELECT password_hash FROM users ORDER BY id LIMIT 1)
FROM generate_series(1, :users) AS n;

-- One in ten has "초코" in its name, a single one "흑임자".
INSERT INTO snacks (name, name_key, url, "desc", price, registered_by)
SELECT made.name, made.name, 'https://shop.example/' || n, 'Number ' || n || ' of many snacks.', 500 + n % 5000,
    (SELECT min(id) FROM users) + n % :users
FROM generate_series(1, :snacks) AS n,
    LATERAL (SELECT CASE WHEN n = :snacks / 2 THEN '흑임자 강정'
        ELSE (ARRAY['새우깡', '초코 파이', '감자칩', '고구마 과자', '쌀과자', '오징어집', '양파링', '마시멜로', '꿀꽈배기', '참깨 스틱'])[1 + n % 10] || ' ' || n
    END AS name) AS made;

INSERT INTO snack_reactions (snack_id, user_id, type)
SELECT (SELECT min(id) FROM snacks) + (n * 31) % :snacks, (SELECT min(id) FROM users) + 1 + (n / :snacks * 997 + n) % :users,
    CASE WHEN n % 4 = 0 THEN 'hate' ELSE 'like' END::reaction_type
FROM generate_series(0, :reactions - 1) AS n
ON CONFLICT DO NOTHING;

INSERT INTO orders (user_id, status, estimated_arrival_time, created_at, updated_at)
SELECT (SELECT min(id) FROM users) + 1 + n % :users, 'completed', made.at + interval '3 days', made.at, made.at
FROM generate_series(1, :orders) AS n,
    LATERAL (SELECT now() - interval '3 years' * ((:orders - n)::float8 / :orders) AS at) AS made;

INSERT INTO purchases (order_id, snack_id, position, quantity, unit_price, currency, blocks)
SELECT o.id, (SELECT min(id) FROM snacks) + (o.id * 3 + line) % :snacks, line, 1 + (o.id + line) % 9, 500 + o.id % 5000, 'KRW', false
FROM orders AS o, generate_series(0, 2) AS line;

INSERT INTO order_history (order_id, from_status, to_status, actor_id, at)
SELECT id, NULL, 'created', user_id, created_at FROM orders;

-- The rows that the triggers would have written.
INSERT INTO reaction_dirty (snack_id) SELECT DISTINCT snack_id FROM snack_reactions;
INSERT INTO order_dirty SELECT DISTINCT date_bin('15 minutes', created_at, 'epoch') FROM orders;
SELECT restoration FROM removed \gexec
