//! The connection pool and the migrations.

use std::{error::Error, time::Duration};

use sqlx::{
    Connection, Executor, PgConnection, PgPool, Row,
    migrate::MigrateError,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::time::timeout;

use super::watchdog;
use crate::{
    config::SettingError,
    error::{StartError, chain},
};

/// Maximum number of connections. 6 and 16 were measured at 16 and 64 client connections without a difference, because batched
/// requests share a connection. The others are for long requests, such as statistics over years.
const MAX_CONNECTIONS: u32 = 16;
/// Wait of a request for a connection. A longer wait is an outage.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);
/// Idle time from which on a connection is pinged before it is used.
const PING_AFTER_IDLE: Duration = Duration::from_secs(1);
/// Time limit of that ping. A new connection costs less than a longer wait.
const PING_TIMEOUT: Duration = Duration::from_millis(500);

/// Connects to Postgres and applies the migrations. When several servers start at once, one migrates and the others wait.
///
/// # Errors
/// Postgres cannot be reached with these settings, or a migration fails.
pub async fn connect(options: &PgConnectOptions) -> Result<PgPool, StartError> {
    let options = options.clone().application_name("snack-server").options([
        // An abandoned transaction must not hold its locks for ever.
        ("idle_in_transaction_session_timeout", "10s"),
        ("statement_timeout", "60s"),
        ("lock_timeout", "10s"),
        // The rows that are read often are in memory, where an index scan costs little more than a sequential one.
        ("random_page_cost", "1.1"),
        // Compiling a statement takes longer than running it.
        ("jit", "off"),
    ]);
    // Once outside of the pool, which would report a refused connection as a timeout.
    let connected = timeout(Duration::from_secs(5), PgConnection::connect_with(&options)).await;
    let wrong = |error: &dyn Error| SettingError::new("DATABASE_URL", format_args!("cannot connect: {}", chain(error)));
    connected
        .map_err(|elapsed| wrong(&elapsed))?
        .map_err(|error| wrong(&error))?
        .close()
        .await
        .map_err(|error| wrong(&error))?;

    let pool = PgPoolOptions::new()
        .max_connections(MAX_CONNECTIONS)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire(false)
        .before_acquire(|connection, meta| {
            Box::pin(async move {
                if meta.idle_for < PING_AFTER_IDLE {
                    return Ok(true);
                }
                Ok(matches!(timeout(PING_TIMEOUT, connection.ping()).await, Ok(Ok(()))))
            })
        })
        .after_release(|connection, _| {
            // A connection whose work was given up may never answer again, or may be inside a transaction that sqlx does not
            // know of: then the two times differ. A read-only connection may stay so when the database no longer is. A raw
            // statement takes one message, a prepared one several.
            Box::pin(async move {
                let is_usable = async {
                    if !watchdog::are_connections_suspect() {
                        return connection.ping().await.map(|()| true);
                    }
                    let row = connection.fetch_one(sqlx::raw_sql(
                        "SELECT now() = statement_timestamp() AND NOT current_setting('transaction_read_only')::bool",
                    ));
                    row.await?.try_get(0)
                };
                Ok(matches!(timeout(PING_TIMEOUT, is_usable).await, Ok(Ok(true))))
            })
        })
        .connect_lazy_with(options);
    migrate(&pool).await?;
    Ok(pool)
}

async fn migrate(pool: &PgPool) -> Result<(), StartError> {
    // On a connection of its own: a migration may take longer than requests may, and waits for that of another server.
    let mut connection = pool.acquire().await.map_err(|error| StartError::failed(chain(&error)))?.detach();
    let run = async {
        sqlx::raw_sql("SET statement_timeout = 0; SET lock_timeout = 0").execute(&mut connection).await?;
        // A server of this version may restart after one of the next version has migrated, during an upgrade or to go back.
        sqlx::migrate!().set_ignore_missing(true).run(&mut connection).await?;
        connection.close().await
    };
    run.await.map_err(|error: sqlx::Error| match &error {
        sqlx::Error::Migrate(migration) if matches!(**migration, MigrateError::VersionMismatch(_)) => StartError::failed(
            "DATABASE_URL: the database was created by an unreleased version; \
             use an empty database (after `make run`: remove .local)",
        ),
        _ => StartError::failed(format_args!("a migration failed: {}", chain(&error))),
    })
}
