-- :users users who share the password hash of the first, :snacks snacks, 20 reactions each, :orders orders of three.
INSERT INTO users (email, email_key, name, name_key, password_hash)
SELECT 'user' || n || '@bench.example', 'user' || n || '@bench.example', 'user ' || n, 'user ' || n,
    (SELECT password_hash FROM users ORDER BY id LIMIT 1)
FROM generate_series(1, :users) AS n;

INSERT INTO snacks (name, name_key, url, "desc", price, registered_by)
SELECT '간식 ' || n, '간식 ' || n, 'https://shop.example/' || n, 'Number ' || n || ' of many snacks.', 500 + n % 5000,
    (SELECT min(id) FROM users) + n % :users
FROM generate_series(1, :snacks) AS n;

INSERT INTO snack_reactions (snack_id, user_id, type)
SELECT DISTINCT ON (snack, member) snack, member, CASE WHEN n % 4 = 0 THEN 'hate' ELSE 'like' END::reaction_type
FROM (SELECT (SELECT min(id) FROM snacks) + (n * 31) % :snacks AS snack,
             (SELECT min(id) FROM users) + 1 + (n / 20) % :users AS member, n
      FROM generate_series(0, :users * 20 - 1) AS n) AS made;

-- Straight to the end of the flow: the triggers that guard it are for servers and people.
ALTER TABLE orders DISABLE TRIGGER USER;
INSERT INTO orders (user_id, status, estimated_arrival_time, created_at, updated_at)
SELECT (SELECT min(id) FROM users) + 1 + n % :users, 'completed', made.at + interval '3 days', made.at, made.at
FROM generate_series(1, :orders) AS n,
    LATERAL (SELECT now() - interval '3 years' * ((:orders - n)::float8 / :orders) AS at) AS made;
ALTER TABLE orders ENABLE TRIGGER USER;

INSERT INTO purchases (order_id, snack_id, position, quantity, unit_price, currency, blocks)
SELECT o.id, (SELECT min(id) FROM snacks) + (o.id * 3 + line) % :snacks, line, 1 + (o.id + line) % 9, 500 + o.id % 5000, 'KRW', false
FROM orders AS o, generate_series(0, 2) AS line;

INSERT INTO order_history (order_id, from_status, to_status, actor_id, at)
SELECT id, NULL, 'created', user_id, created_at FROM orders;

VACUUM ANALYZE;
