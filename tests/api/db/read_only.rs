//! A degraded Postgres: read-only, out of disk or out of memory.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use sqlx::{Connection, PgConnection};
use tokio::time::timeout;

use crate::support::test_app::{TestApp, TestUser};

async fn run(app: &TestApp, sql: String) {
    let mut connection = PgConnection::connect_with(&app.state.config.database_direct).await.expect("Postgres");
    sqlx::raw_sql("SET default_transaction_read_only = off").execute(&mut connection).await.expect("a setting");
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await.expect("a statement");
}

/// Makes the pool open every connection anew, as a failover does.
async fn reconnect(app: &TestApp) {
    // All of them, because a pooler may keep some for later clients.
    let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
               WHERE datname = current_database() AND pid <> pg_backend_pid()";
    run(app, sql.to_owned()).await;
}

async fn set_read_only(app: &TestApp, value: &str) {
    let database = app.state.config.database.get_database().expect("a database").to_owned();
    run(app, format!("ALTER DATABASE {database} SET default_transaction_read_only = {value}")).await;
}

async fn ready(app: &TestApp) -> u16 {
    app.send(app.request(Method::GET, "/health/ready")).await.status.as_u16()
}

async fn wait_until_ready(app: &TestApp, status: u16) {
    let polling = async { while ready(app).await != status {} };
    timeout(Duration::from_secs(10), polling).await.expect("another readiness");
}

/// One write of each noun.
async fn writes(app: &TestApp, member: &TestUser, snack: &str) -> Vec<crate::support::response::Response> {
    let body = json!({"type": "like"});
    let order = json!({"snacks": [{"uid": snack, "quantity": 1}]});
    vec![
        app.post(member, "/snacks", json!({"name": "초코파이", "price": "500"})).await,
        app.post(member, &format!("/snacks/{snack}/reaction"), body).await,
        app.post(member, "/orders", order).await,
        app.patch(member, "/auth/users/profile", json!({"name": "김과자"})).await,
        app.post_open("/auth/token", json!({"username": member.email, "password": crate::support::test_app::PASSWORD}))
            .await,
    ]
}

#[tokio::test]
async fn a_read_only_postgres_is_a_503_for_writes_and_not_ready_and_over_when_it_is_over() {
    let app = TestApp::start().await;
    let member = app.member().await;
    let snack = app.snack(&member, "새우깡").await;
    assert_eq!(ready(&app).await, 200);
    set_read_only(&app, "on").await;
    reconnect(&app).await;
    wait_until_ready(&app, 503).await;
    // The first 503 may be about the connections that were closed.
    let reading = async { while app.get(&member, "/snacks").await.status != 200 {} };
    timeout(Duration::from_secs(10), reading).await.expect("reads go on");
    for response in writes(&app, &member, &snack).await {
        assert!(!response.header("retry-after").is_empty(), "{response:?}");
        response.expect_error(503, "unavailable");
    }
    // Reads go on.
    app.get(&member, "/snacks").await.expect(200);

    // Connections that were opened meanwhile stay read-only until they are closed.
    set_read_only(&app, "off").await;
    wait_until_ready(&app, 200).await;
    for _ in 0..20 {
        app.get(&member, "/snacks").await.expect(200);
        let response = app.patch(&member, "/auth/users/profile", json!({"name": "김과자"})).await;
        if response.status == 200 {
            break;
        }
        response.expect_error(503, "unavailable");
    }
    for response in writes(&app, &member, &snack).await {
        assert!(response.status.is_success(), "{response:?}");
    }
}

#[tokio::test]
async fn resource_errors_and_shutdowns_of_postgres_are_a_503_with_retry_after() {
    let app = TestApp::start().await;
    let member = app.member().await;
    // The SQLSTATEs of: disk full, out of memory, configured limit, shutdown, crash, start-up, broken connection.
    for state in ["53100", "53200", "53400", "57P01", "57P02", "57P03", "08006", "08P01", "25006"] {
        let sql = format!(
            "CREATE OR REPLACE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN RAISE 'on purpose' USING ERRCODE = '{state}'; END $$;
             CREATE OR REPLACE TRIGGER fail BEFORE INSERT ON snacks FOR EACH ROW EXECUTE FUNCTION fail()"
        );
        run(&app, sql).await;
        let response = app.post(&member, "/snacks", json!({"name": "초코파이", "price": "500"})).await;
        assert!(!response.header("retry-after").is_empty(), "{state} {response:?}");
        response.expect_error(503, "unavailable");
    }
}
