//! `PgBouncer` in session mode between the server and Postgres.

use std::{path::Path, time::Duration};

use futures_util::future::{join, join_all};
use serde_json::json;
use snack_server::config::Config;
use sqlx::{Connection, Executor, PgConnection, PgPool, error::DatabaseError, postgres::PgConnectOptions};
use tokio::time::timeout;

use crate::support::{
    database,
    pgbouncer::PgBouncer,
    test_app::{TestApp, TestUser, settings},
};

/// `PgBouncer` refuses a client that sends `options`, or drops them silently.
const IGNORED: [&str; 2] = ["extra_float_digits", "extra_float_digits,options"];

/// Values of the settings on `connection`, as Postgres prints them.
async fn limits(connection: &mut PgConnection) -> [String; 5] {
    let names = ["statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "random_page_cost", "jit"];
    let mut values = [const { String::new() }; 5];
    for (name, value) in names.into_iter().zip(&mut values) {
        let setting = sqlx::query_scalar("SELECT current_setting($1)").bind(name);
        *value = setting.fetch_one(&mut *connection).await.expect("a setting");
    }
    values
}

const LIMITS: [&str; 5] = ["1min", "10s", "10s", "1.1", "off"];

/// Starts a server on `database` through `bouncer`.
async fn serve(bouncer: &PgBouncer, database: &PgConnectOptions) -> TestApp {
    let direct = database::direct(database);
    TestApp::serve(Config {
        database: bouncer.leading_to(database),
        database_direct: direct.clone(),
        ..settings(direct)
    })
    .await
}

/// Checks the settings of `count` connections that are open at once.
async fn check_limits(db: &PgPool, count: usize) {
    let mut connections = Vec::new();
    while connections.len() < count {
        // A pool waits for two seconds, which may be too short for a busy machine.
        match db.acquire().await {
            Err(sqlx::Error::PoolTimedOut) => {}
            acquired => connections.push(acquired.expect("a connection")),
        }
    }
    for connection in &mut connections {
        assert_eq!(limits(connection).await, LIMITS);
    }
}

async fn is_admin(app: &TestApp, user: &TestUser) -> u16 {
    app.get(user, "/checks/is_admin").await.status.as_u16()
}

#[tokio::test]
async fn time_limits_hold_through_pgbouncer_whatever_becomes_of_options() {
    join_all(IGNORED.map(check_limits_through_pgbouncer)).await;
}

async fn check_limits_through_pgbouncer(ignored: &str) {
    let database = database::create().await;
    let Some(bouncer) = PgBouncer::start(&database, ignored).await else { return };
    let app = serve(&bouncer, &database).await;
    check_limits(app.db(), 8).await;

    // A wait for a lock ends, and so does a transaction that is left open.
    let mut holder = PgConnection::connect_with(&database::direct(&database)).await.expect("Postgres");
    // It has the same role, and its transaction is idle too.
    holder.execute("SET idle_in_transaction_session_timeout = 0").await.expect("a setting");
    let mut lock = holder.begin().await.expect("a transaction");
    sqlx::query("SELECT pg_advisory_xact_lock(1)").execute(&mut *lock).await.expect("a lock");
    let waiting = sqlx::query("SELECT pg_advisory_xact_lock(1)").execute(app.db());
    let mut idle = app.db().begin().await.expect("a transaction");
    let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut *idle).await.expect("a number");
    let ending = async {
        let is_there = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $1)";
        while sqlx::query_scalar::<_, bool>(is_there).bind(pid).fetch_one(app.db()).await.expect("an answer") {}
    };
    let (waited, ended) = join(waiting, timeout(Duration::from_secs(20), ending)).await;
    let code = waited.expect_err("a limit").as_database_error().and_then(DatabaseError::code).map(String::from);
    assert_eq!(code.as_deref(), Some("55P03"));
    ended.expect("the end of the transaction");
    idle.execute("SELECT 1").await.expect_err("a connection that was ended");
    lock.rollback().await.expect("the end of the lock");
}

#[tokio::test]
async fn time_limits_hold_without_pgbouncer_and_are_set_again_when_they_were_changed() {
    let app = TestApp::start().await;
    check_limits(app.db(), 8).await;
    let name = app.state.config.database.get_database().expect("a database");
    let sql = format!("ALTER ROLE CURRENT_USER IN DATABASE {name} SET statement_timeout = '5min'");
    app.db().execute(sqlx::AssertSqlSafe(sql)).await.expect("another limit");
    let replicas = join(app.replica(), app.replica()).await;
    check_limits(replicas.0.db(), 4).await;
    check_limits(replicas.1.db(), 4).await;
}

#[tokio::test]
async fn connections_that_pgbouncer_opened_before_the_limits_are_replaced() {
    // The settings of the template's are not copied with it.
    let database = database::create().await;
    let Some(bouncer) = PgBouncer::start(&database, IGNORED[1]).await else { return };
    let mut before = PgConnection::connect_with(&bouncer.leading_to(&database)).await.expect("a connection");
    assert_ne!(limits(&mut before).await, LIMITS);
    before.close().await.expect("the end of a client");
    // More than the watchdog and the start take, so that the pool gets some.
    bouncer.fill(&database, 12).await;
    let app = serve(&bouncer, &database).await;
    check_limits(app.db(), 8).await;
}

#[tokio::test]
async fn requests_work_through_pgbouncer_and_changes_by_sql_are_seen_past_it() {
    let database = database::create().await;
    let Some(bouncer) = PgBouncer::start(&database, IGNORED[0]).await else { return };
    let app = serve(&bouncer, &database).await;
    let (member, admin) = (app.member().await, app.admin().await);
    let snack = app.snack(&member, "새우깡").await;
    let order = app.order(&member, &[&snack]).await;
    app.post(&admin, &format!("/snacks/{snack}/reaction"), json!({"type": "like"})).await.expect(200);
    app.set_status(&admin, &order, "approved").await.expect(200);
    // At once, so that statements are prepared on several connections.
    let searches = (0..12).map(|_| app.get(&member, "/snacks?search=새우"));
    for found in join_all(searches).await {
        assert_eq!(found.expect(200)["results"][0]["uid"], json!(snack));
    }

    let mut direct = PgConnection::connect_with(&database::direct(&database)).await.expect("Postgres");
    for (member_type, status) in [("admin", 200), ("member", 403)].repeat(3) {
        let update = sqlx::query("UPDATE users SET member_type = $1::member_type WHERE id = $2");
        update.bind(member_type).bind(member.id).execute(&mut direct).await.expect("an update");
        let seeing = async { while is_admin(&app, &member).await != status {} };
        timeout(Duration::from_secs(1), seeing).await.expect("a change that is seen at once");
    }
    drop(bouncer);
    // Without PgBouncer only the listener is left.
    let others = "SELECT array_agg(application_name) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()";
    let waiting = async {
        let mut names: Vec<String> = Vec::new();
        while names != ["snack-server listener"] {
            let left: Option<Vec<String>> = sqlx::query_scalar(others).fetch_one(&mut direct).await.expect("names");
            names = left.unwrap_or_default();
            assert!(!names.is_empty(), "the listener was connected through PgBouncer");
        }
    };
    timeout(Duration::from_secs(10), waiting).await.expect("the listener alone");
}

#[tokio::test]
async fn requests_leave_nothing_behind_in_a_session() {
    let app = TestApp::start().await;
    let (member, admin) = (app.member().await, app.admin().await);
    let snack = app.snack(&member, "새우깡").await;
    let order = app.order(&member, &[&snack]).await;
    app.set_status(&admin, &order, "approved").await.expect(200);
    for path in ["/snacks?search=새우", "/statistics/summary", "/orders", "/budgets", "/notifications"] {
        app.get(&member, path).await.expect(200);
    }
    app.reconcile().await;
    app.flush().await;
    let mut connections = Vec::new();
    for _ in 0..app.db().size().min(8) {
        connections.push(app.db().acquire().await.expect("a connection"));
    }
    for connection in &mut connections {
        let left: Vec<String> = sqlx::query_scalar(
            // A pooler sets these for each client.
            "SELECT name FROM pg_settings WHERE source = 'session'
                 AND name NOT IN ('application_name', 'client_encoding', 'DateStyle', 'TimeZone')
             UNION ALL SELECT pg_listening_channels()
             UNION ALL SELECT locktype FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory'
             UNION ALL SELECT relname FROM pg_class WHERE relnamespace = pg_my_temp_schema()
             UNION ALL SELECT name FROM pg_cursors WHERE is_holdable",
        )
        .fetch_all(&mut **connection)
        .await
        .expect("rows");
        assert_eq!(left, Vec::<String>::new());
    }
}

/// All files of `folder` that end with `.rs`.
fn sources(folder: &Path, into: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("db/connect.rs") {
            into.push(std::fs::read_to_string(path).expect("a file"));
        }
    }
}

#[test]
fn no_statement_outside_of_the_migrations_is_for_a_session() {
    let mut all = Vec::new();
    sources(Path::new("src"), &mut all);
    assert!(all.len() > 80);
    for text in all {
        let text = text.replace("SET LOCAL", "");
        for forbidden in [
            "\"SET ",
            "; SET ",
            "\"RESET ",
            "pg_advisory_lock(",
            "pg_try_advisory_lock(",
            "CREATE TEMP",
            "DISCARD",
            "\"PREPARE ",
            "WITH HOLD",
            "SET SESSION",
        ] {
            assert!(!text.contains(forbidden), "{forbidden} in {text}");
        }
    }
}
