//! Demo data: complete, loaded once, and never loaded into a database that is in use.

use std::collections::HashSet;

use serde_json::{Value, json};
use sqlx::{Connection, PgConnection, postgres::PgConnectOptions};

use crate::support::{
    database::{self, count_rows},
    process::Run,
    test_app::{TestApp, TestUser},
};

/// Tables with demo data.
const TABLES: [&str; 9] = [
    "users",
    "snacks",
    "snack_reactions",
    "orders",
    "purchases",
    "order_history",
    "order_follows",
    "notifications",
    "budget_limits",
];

/// The rows of every table, ordered by their content.
async fn dump(database: &PgConnectOptions) -> Vec<(String, String)> {
    let mut connection = PgConnection::connect_with(database).await.expect("Postgres");
    let mut rows = Vec::new();
    for table in TABLES {
        let sql =
            sqlx::AssertSqlSafe(format!("SELECT md5(string_agg(t::text, E'\\n' ORDER BY t::text)) FROM {table} AS t"));
        let sum: Option<String> = sqlx::query_scalar(sql).fetch_one(&mut connection).await.expect("a sum");
        rows.push((table.to_owned(), sum.expect("rows")));
    }
    rows
}

#[tokio::test]
async fn demo_data_fills_an_empty_database_once() {
    let database = database::create_empty().await;
    let run = Run::on(&database, &["demo-data"]);
    let output = run.end().await.expect_success();
    let media = run.get("MEDIA_URL").to_owned();
    let pictures = || std::fs::read_dir(media.trim_start_matches("file://")).expect("a folder").count();
    let (before, drawn) = (dump(&database).await, pictures());
    for table in TABLES {
        let statistics = format!("pg_stats WHERE schemaname = 'public' AND tablename = '{table}'");
        assert_ne!(count_rows(&database, &statistics).await, 0, "statistics of {table}");
    }

    let again = run.end().await.expect_success();
    assert_ne!(again, output);
    assert_eq!((dump(&database).await, pictures()), (before, drawn));

    let app = TestApp::with(|config| {
        database::lead_to(config, &database);
        config.media_url = media.parse().expect("a URL");
    })
    .await;
    let mut words = output.split_whitespace();
    let mut credentials = HashSet::new();
    while let Some(word) = words.next() {
        if word.contains('@') {
            credentials.insert((word, words.next().expect("a password")));
        }
    }
    assert_eq!(credentials.len(), 2, "{output}");
    let mut types = Vec::new();
    for (email, password) in credentials {
        let tokens = app.post_open("/auth/token", json!({"username": email, "password": password})).await.expect(200);
        let user = TestUser {
            id: 0,
            email: email.to_owned(),
            access: tokens["access"].as_str().expect("a token").to_owned(),
            refresh: String::new(),
        };
        types.push(app.get(&user, "/auth/users/profile").await.expect(200)["member_type"].clone());
        for status in ["created", "approved", "ordered", "shipping", "completed", "canceled"] {
            let orders = app.get(&user, &format!("/orders?status={status}")).await.expect(200);
            assert!(!orders.rows().is_empty(), "{status}");
        }
        let snacks = app.get(&user, "/snacks?status=all&limit=100").await.expect(200);
        assert!(snacks.column("currency").contains(&json!("USD")));
        assert!(
            snacks.column("orderable").contains(&json!(true)) && snacks.column("orderable").contains(&json!(false))
        );
        // No month is over its budget.
        let budgets = app.get(&user, "/budgets").await.expect(200);
        let has_room = |budget: &&Value| budget["remaining"].as_str().is_some_and(|amount| !amount.starts_with('-'));
        assert_eq!(budgets.rows().iter().filter(has_room).count(), 2);
        let notifications = app.get(&user, "/notifications?limit=100").await.expect(200);
        let is_unread = |notification: &&Value| notification["read_at"].is_null();
        let unread = notifications.rows().iter().filter(is_unread).count();
        assert!(0 < unread && unread < notifications.rows().len(), "{unread}");
        for picture in snacks.column("image").iter().chain(&snacks.column("thumbnail")) {
            app.get(&user, picture.as_str().expect("a picture")).await.expect(200);
        }
    }
    types.sort_by_key(Value::to_string);
    assert_eq!(types, ["admin", "member"]);
    // The columns that lists sort by agree with the rows.
    let wrong = "snacks AS s WHERE (like_reaction_count, hate_reaction_count) <>
        (SELECT count(*) FILTER (WHERE type = 'like'), count(*) FILTER (WHERE type = 'hate')
         FROM snack_reactions WHERE snack_id = s.id)";
    app.reconcile().await;
    assert_eq!(count_rows(&database, wrong).await, 0);
    for table in ["orders WHERE note <> ''", "orders WHERE status = 'canceled' AND reason IS NOT NULL", "order_follows"]
    {
        assert!(count_rows(&database, table).await > 5, "{table}");
    }
    assert_eq!(count_rows(&database, "snacks WHERE created_at > now() - interval '7 days'").await, 3);
    // Every order has a history that leads to its status, and an arrival time where one is needed.
    let wrong = "orders AS o WHERE (status, coalesce(reason, '')) <> (
            SELECT to_status, coalesce(reason, '') FROM order_history WHERE order_id = o.id ORDER BY id DESC LIMIT 1)
        OR approved_at IS DISTINCT FROM (SELECT at FROM order_history WHERE order_id = o.id AND to_status = 'approved')
        OR (status IN ('ordered', 'shipping', 'completed') AND estimated_arrival_time IS NULL)";
    assert_eq!(count_rows(&database, wrong).await, 0);
}

#[tokio::test]
async fn demo_data_leaves_a_database_alone_that_others_use_unless_it_is_forced() {
    let app = TestApp::start().await;
    let member = app.member().await;
    let own = app.snack(&member, "새우깡").await;
    let database = app.state.config.database.clone();
    let line = Run::on(&database, &["demo-data"]).end().await.expect_failure();
    assert!(line.contains("users"), "{line}");
    assert_eq!((count_rows(&database, "users").await, count_rows(&database, "snacks").await), (1, 1));

    Run::on(&database, &["demo-data", "--force"]).end().await.expect_success();
    assert!(count_rows(&database, "users").await > 10);
    // The existing rows are unchanged.
    let snack = app.get(&member, &format!("/snacks/{own}")).await.expect(200);
    assert_eq!((&snack["price"], &snack["registered_by"]["id"]), (&json!("1500"), &json!(member.id)));
    app.sign_in(member.id, &member.email).await;
    let after = dump(&database).await;
    Run::on(&database, &["demo-data", "--force"]).end().await.expect_success();
    assert_eq!(dump(&database).await, after);
}
