//! Time limits and planner settings of the server's connections.
//!
//! They belong to the role in its database (`ALTER ROLE ... IN DATABASE ... SET`), so every connection begins with them, also one
//! that a pooler has opened and hands from client to client. Startup parameters would not do: `PgBouncer` refuses or drops `options`.
//! `SET` would not either, because with a pooler in transaction mode no session belongs to a client.

use std::fmt::Write;

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row, query_scalar, raw_sql};

use super::locks::{Lock, wait_for_lock};

/// Names and values. The values are as Postgres prints them.
const SETTINGS: [(&str, &str); 5] = [
    // An abandoned transaction must not hold its locks for ever.
    ("idle_in_transaction_session_timeout", "10s"),
    ("statement_timeout", "1min"),
    ("lock_timeout", "10s"),
    // The rows that are read often are in memory, where an index scan costs little more than a sequential one.
    ("random_page_cost", "1.1"),
    // Compiling a statement takes longer than running it.
    ("jit", "off"),
];

/// Gives the role of `connection` the settings, unless it has them. Returns the database's time from which on connections begin with
/// them.
pub async fn apply(connection: &mut PgConnection) -> Result<String, sqlx::Error> {
    let mut tx = connection.begin().await?;
    // Two servers that start at once would change the same row of the catalog, which is an error.
    wait_for_lock(&mut tx, Lock::Settings).await?;
    let present: Vec<String> = query_scalar(
        "SELECT unnest(setconfig) FROM pg_db_role_setting
         WHERE setrole = (SELECT oid FROM pg_roles WHERE rolname = current_user)
         AND setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())",
    )
    .fetch_all(&mut *tx)
    .await?;
    let database: String = query_scalar("SELECT quote_ident(current_database())").fetch_one(&mut *tx).await?;
    let mut changes = String::new();
    for (name, value) in SETTINGS {
        if !present.contains(&format!("{name}={value}")) {
            let _ = write!(changes, "ALTER ROLE CURRENT_USER IN DATABASE {database} SET {name} = '{value}';");
        }
    }
    if !changes.is_empty() {
        raw_sql(AssertSqlSafe(changes)).execute(&mut *tx).await?;
    }
    tx.commit().await?;
    query_scalar("SELECT clock_timestamp()::text").fetch_one(connection).await
}

/// Checks a new connection of the pool. One that a pooler opened before `applied_at` is ended if it lacks the settings, so that the
/// pooler opens another one.
///
/// # Errors
/// The connection was ended, or does not answer.
pub async fn check(connection: &mut PgConnection, applied_at: &str) -> Result<(), sqlx::Error> {
    let mut holds = "true".to_owned();
    for (name, value) in SETTINGS {
        let _ = write!(holds, " AND current_setting('{name}') = '{value}'");
    }
    // One message, because each new connection takes this time.
    if connection.fetch_one(raw_sql(AssertSqlSafe(format!("SELECT {holds}")))).await?.try_get(0)? {
        return Ok(());
    }
    // One statement, because the next one may be on another connection of the pooler.
    let end = format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE pid = pg_backend_pid() AND backend_start < '{applied_at}' AND NOT ({holds})"
    );
    connection.execute(raw_sql(AssertSqlSafe(end))).await?;
    tracing::warn!(
        "connection to Postgres without the time limits of its role; a pooler or DATABASE_URL overrides them"
    );
    Ok(())
}
