//! The index that each endpoint uses, from the counters of Postgres: a full scan of a large table is slow only after
//! years of use. A new or restored database has no statistics for the planner yet, and must use the same indexes.

use std::collections::HashMap;

use reqwest::Method;
use serde_json::{Value, json};
use snack_server::config::Config;
use sqlx::{AssertSqlSafe, Connection, PgConnection, postgres::PgConnectOptions};

use crate::support::{
    database::count_rows,
    test_app::{TestApp, TestUser},
};

/// The tables that grow.
const LARGE: [&str; 10] = [
    "users",
    "snacks",
    "snack_reactions",
    "orders",
    "purchases",
    "order_history",
    "order_follows",
    "notifications",
    "deliveries",
    "audit_log",
];

/// Rows of each table. `{rows}` is the number of snacks, users and orders.
const ROWS: [&str; 13] = [
    "INSERT INTO users (email, email_key, name, name_key, password_hash)
     SELECT 'u' || n, 'u' || n, 'u' || n, 'u' || n, '' FROM generate_series(1, {rows}) AS n",
    "INSERT INTO snacks (name, name_key, price, status)
     SELECT name, name, 100 + n % 900, (CASE WHEN n % ({rows} / 10) = 0 THEN 'unavailable' ELSE 'available' END)::snack_status
     FROM (SELECT n, CASE WHEN n = 777 THEN '흑임자 강정' ELSE '새우 ' || md5(n::text) END AS name FROM generate_series(1, {rows}) AS n) AS made",
    "INSERT INTO snack_reactions (snack_id, user_id, type)
     SELECT s.id, u.id, 'like' FROM snacks AS s JOIN users AS u ON u.id % ({rows} / 4) = s.id % ({rows} / 4)",
    "ALTER TABLE orders DISABLE TRIGGER USER; ALTER TABLE purchases DISABLE TRIGGER USER",
    "INSERT INTO orders (user_id, status, created_at, approved_at, estimated_arrival_time)
     SELECT u.id, (CASE WHEN n % ({rows} / 20) = 0 THEN 'approved' ELSE 'completed' END)::order_status, now() - n * interval '1 hour',
         now() - n * interval '1 hour', now()
     FROM generate_series(1, {rows}) AS n JOIN users AS u ON u.name = 'u' || n",
    "INSERT INTO purchases (order_id, snack_id, position, quantity, unit_price, currency, blocks)
     SELECT o.id, s.id, 0, 1, 100, 'KRW', o.blocks FROM orders AS o JOIN snacks AS s ON s.id % {rows} = o.id % {rows}",
    "INSERT INTO order_history (order_id, to_status, actor_id) SELECT id, 'created', user_id FROM orders",
    "INSERT INTO order_follows (order_id, user_id)
     SELECT o.id, u.id FROM orders AS o JOIN users AS u ON u.id % ({rows} / 4) = o.id % ({rows} / 4)",
    "INSERT INTO notifications (user_id, kind, order_id, details, read_at)
     SELECT user_id, 'order_approved', id, '{}', CASE WHEN id % 10 > 0 THEN now() END FROM orders",
    "INSERT INTO channels (kind, name, url, events, language)
     SELECT 'slack', 'n' || n, 'https://192.0.2.1/', '{order.created}', 'ko' FROM generate_series(1, 20) AS n",
    "INSERT INTO deliveries (channel_id, event, payload, status, next_attempt_at, finished_at)
     SELECT c.id, 'order.created', '{}', 'delivered', NULL, now() FROM channels AS c, generate_series(1, {rows} / 20)",
    "INSERT INTO audit_log (at, actor_id, action, subject, address, outcome)
     SELECT now() - n * interval '1 minute', NULL, 'sign_in', 'nobody', '::1', 'ok' FROM generate_series(1, {rows}) AS n",
    "ALTER TABLE orders ENABLE TRIGGER USER; ALTER TABLE purchases ENABLE TRIGGER USER",
];

/// Scans so far: full scans by table, and index scans by index.
async fn scans(options: &PgConnectOptions) -> HashMap<String, i64> {
    let mut connection = PgConnection::connect_with(options).await.expect("Postgres");
    // A backend reports its statistics when it ends.
    let others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
        AND backend_type = 'client backend'";
    while sqlx::query_scalar::<_, i64>(others).fetch_one(&mut connection).await.expect("a number") > 0 {
        tokio::task::yield_now().await;
    }
    let rows: Vec<(String, i64)> = sqlx::query_as(
        "SELECT relname::text, coalesce(seq_scan, 0) FROM pg_stat_user_tables
         UNION ALL SELECT indexrelname::text, coalesce(idx_scan, 0) FROM pg_stat_user_indexes",
    )
    .fetch_all(&mut connection)
    .await
    .expect("figures");
    rows.into_iter().collect()
}

#[tokio::test]
async fn every_endpoint_uses_its_index() {
    // Enough rows that a full scan costs more than an index.
    let Loaded { config, admin, snack, order } = load(20_000).await;
    let mut connection = PgConnection::connect_with(&config.database).await.expect("Postgres");
    sqlx::query("VACUUM ANALYZE").execute(&mut connection).await.expect("figures");
    connection.close().await.expect("the end");
    let mut endpoints = endpoints(&snack, &order);
    // Only statistics tell that a part of a name is common.
    endpoints.push((Method::GET, "/snacks?search=새우".to_owned(), Value::Null, "snacks_by_like_ratio"));
    check(&config, &admin, endpoints, &LARGE).await;

    // A connection stops planning a statement for its parameters after several executions.
    let before = scans(&config.database).await;
    let app = TestApp::serve(config.clone()).await;
    for _ in 0..100 {
        app.send(with(&app, &admin, Method::GET, "/snacks?search=새우", &Value::Null)).await.expect(200);
    }
    app.stop().await;
    let (search, after) = ("snacks_search", scans(&config.database).await);
    assert_eq!(after[search], before[search], "a common part of a name is looked up as if it were rare");
}

#[tokio::test]
async fn no_page_needs_statistics() {
    // Few enough that the expected number of rows with a certain value is below that of a page.
    let Loaded { config, admin, snack, order } = load(1000).await;
    // Writes read the few admins among the users, and a search reads the letters of all of them.
    let is_page = |(method, path, ..): &Endpoint| {
        method == Method::GET
            && ["/snacks", "/orders"].iter().any(|list| path.starts_with(list))
            && !path.contains("search=")
    };
    let mut endpoints = endpoints(&snack, &order);
    endpoints.retain(is_page);
    // The others have few pages.
    check(&config, &admin, endpoints, &["snacks", "snack_reactions", "orders", "purchases"]).await;
    let statistics = "pg_stats WHERE schemaname = 'public'";
    assert_eq!(count_rows(&config.database, statistics).await, 0, "analyzed columns");
}

/// Settings of a stopped server whose database has many rows and no statistics.
struct Loaded {
    config: Config,
    admin: TestUser,
    /// Uids.
    snack: String,
    order: String,
}

async fn load(rows: u32) -> Loaded {
    let app = TestApp::start().await;
    let manual = "DO $$ DECLARE name text; BEGIN
        FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
            EXECUTE format('ALTER TABLE %I SET (autovacuum_enabled = false)', name);
        END LOOP; END $$";
    sqlx::raw_sql(manual).execute(app.db()).await.expect("settings of tables");
    let admin = app.admin().await;
    for sql in ROWS {
        let sql = AssertSqlSafe(sql.replace("{rows}", &rows.to_string()));
        sqlx::raw_sql(sql).execute(app.db()).await.expect("rows");
    }
    let text = async |sql| sqlx::query_scalar::<_, String>(sql).fetch_one(app.db()).await.expect("a text");
    let snack = text("SELECT uid::text FROM snacks WHERE name LIKE '새우%' LIMIT 1").await;
    let order = text("SELECT uid::text FROM orders WHERE status = 'approved' LIMIT 1").await;
    let config = app.state.config.as_ref().clone();
    // The flush at the end leaves entries of the search index to be sorted in.
    app.stop().await;
    Loaded { config, admin, snack, order }
}

/// Request with its body, and an index that it uses.
type Endpoint = (Method, String, Value, &'static str);

fn endpoints(snack: &str, order: &str) -> Vec<Endpoint> {
    let get = |path: &str, index| (Method::GET, path.to_owned(), Value::Null, index);
    vec![
        get("/snacks", "snacks_by_like_ratio"),
        get("/snacks?ordering=-like_reaction_count", "snacks_by_likes"),
        get("/snacks?ordering=hate_reaction_count", "snacks_by_hates"),
        get("/snacks?ordering=name", "snacks_name_key"),
        get("/snacks?ordering=-price", "snacks_by_price"),
        get("/snacks?ordering=created_at", "snacks_by_created_at"),
        get("/snacks?status=unavailable", "snacks_unavailable"),
        get("/snacks", "purchases_one_open_order_per_snack"),
        get("/snacks?orderable=true", "snacks_by_like_ratio"),
        get("/snacks?orderable=false&status=all", "purchases_one_open_order_per_snack"),
        get("/snacks?search=흑임자", "snacks_search"),
        get("/snacks?search=흑", "snacks_search"),
        get("/snacks?search=흐", "snacks_search"),
        get("/snacks?search=ㅎㅇㅈ", "snacks_search"),
        get(&format!("/snacks?uid={snack}"), "snacks_uid_key"),
        get(&format!("/snacks/{snack}"), "snacks_uid_key"),
        get(&format!("/snacks/{snack}"), "snack_reactions_pkey"),
        (Method::POST, format!("/snacks/{snack}/reaction"), json!({"type": "hate"}), "snack_reactions_pkey"),
        get("/orders", "orders_by_created_at"),
        get("/orders", "purchases_pkey"),
        get("/orders?user=me", "orders_by_user"),
        get("/orders?status=approved", "orders_by_status"),
        get("/orders?followed=me", "order_follows_by_user"),
        get("/orders/buying-list", "orders_by_status"),
        get("/budgets", "orders_by_approved_at"),
        get("/orders?ordering=-status", "orders_by_status"),
        get("/orders?ordering=estimated_arrival_time", "orders_by_arrival"),
        get("/orders?year=2020&month=1", "orders_by_created_at"),
        get(&format!("/orders/{order}"), "orders_uid_key"),
        get(&format!("/orders/{order}/history"), "order_history_by_order"),
        (Method::POST, "/orders".to_owned(), json!({"snacks": [{"uid": snack, "quantity": 1}]}), "snacks_uid_key"),
        (Method::PUT, format!("/orders/{order}/status"), json!({"status": "canceled"}), "orders_uid_key"),
        get("/statistics/orders?year=2020", "orders_by_created_at"),
        get("/statistics/summary?year=2020", "orders_by_created_at"),
        get("/statistics/snacks?year=2020&month=1", "orders_by_created_at"),
        get("/auth/users", "users_by_date_joined"),
        get("/auth/users?ordering=name", "users_by_name"),
        get("/channels/1/deliveries", "deliveries_by_channel"),
        get("/notifications", "notifications_by_user"),
        get("/notifications?unread=true", "notifications_unread"),
        get("/notifications/unread-count", "notifications_unread"),
        get("/audit", "audit_log_by_at"),
        get("/audit?actor=1", "audit_log_by_actor"),
        get("/audit?action=resignation", "audit_log_by_action"),
    ]
}

/// Checks that no endpoint reads all of one of `tables`.
async fn check(config: &Config, admin: &TestUser, endpoints: Vec<Endpoint>, tables: &[&str]) {
    let mut before = scans(&config.database).await;
    let mut wrong = Vec::new();
    for (method, path, body, index) in endpoints {
        let app = TestApp::serve(config.clone()).await;
        app.send(with(&app, admin, method.clone(), &path, &body))
            .await
            .expect(if path == "/orders" && method == Method::POST { 201 } else { 200 });
        app.stop().await;
        let after = scans(&config.database).await;
        let more =
            |name: &str| after.get(name).copied().unwrap_or_default() - before.get(name).copied().unwrap_or_default();
        if more(index) == 0 {
            wrong.push(format!("{method} {path} does not go through {index}"));
        }
        for table in tables.iter().filter(|table| more(table) > 0) {
            wrong.push(format!("{method} {path} reads all of {table}"));
        }
        before = after;
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn with(app: &TestApp, user: &TestUser, method: Method, path: &str, body: &Value) -> reqwest::RequestBuilder {
    let request = app.request(method, path).bearer_auth(&user.access);
    if body.is_null() { request } else { request.json(body) }
}
