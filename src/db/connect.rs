//! The connection pool and the migrations.

use std::{error::Error, time::Duration};

use sqlx::{
    Connection, Executor, PgConnection, PgPool, Row,
    migrate::MigrateError,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::time::timeout;

use super::{settings, watchdog};
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

/// Time to connect at the start.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Connects to Postgres, applies the migrations and sets time limits. When several servers start at once, one migrates and the
/// others wait. `database` may lead through a pooler. The migrations take `direct`, because their lock belongs to a session.
///
/// # Errors
/// Postgres cannot be reached with these settings, or a migration fails.
pub async fn connect(database: &PgConnectOptions, direct: &PgConnectOptions) -> Result<PgPool, StartError> {
    let options = database.clone().application_name("snack-server");
    // Outside of the pool, which would report a refused connection as a timeout.
    let mut connection = open("DATABASE_URL", &options).await?;
    let mut migrating = open("DATABASE_DIRECT_URL", &direct.clone().application_name("snack-server")).await?;
    let here = identity(&mut connection).await.map_err(|error| failed(&error))?;
    if here != identity(&mut migrating).await.map_err(|error| failed(&error))? {
        return Err(SettingError::new("DATABASE_DIRECT_URL", "leads to another database than DATABASE_URL").into());
    }
    migrate(migrating).await?;
    let applied_at = settings::apply(&mut connection).await.map_err(|error| {
        StartError::failed(format_args!("DATABASE_URL: the role cannot set its own time limits: {}", chain(&error)))
    })?;
    // A pooler would hand this connection out again, which may be older than the settings.
    if settings::check(&mut connection, &applied_at).await.is_ok() {
        connection.close().await.map_err(|error| failed(&error))?;
    }
    Ok(open_pool(options, applied_at))
}

fn failed(error: &sqlx::Error) -> StartError {
    StartError::failed(chain(error))
}

async fn open(variable: &'static str, options: &PgConnectOptions) -> Result<PgConnection, SettingError> {
    let wrong = |error: &dyn Error| SettingError::new(variable, format_args!("cannot connect: {}", chain(error)));
    let connected = timeout(CONNECT_TIMEOUT, PgConnection::connect_with(options)).await;
    connected.map_err(|elapsed| wrong(&elapsed))?.map_err(|error| wrong(&error))
}

/// The database and the run of Postgres that `connection` leads to.
async fn identity(connection: &mut PgConnection) -> Result<String, sqlx::Error> {
    let identity = "SELECT format('%s %s', current_database(), pg_postmaster_start_time())";
    connection.fetch_one(sqlx::raw_sql(identity)).await?.try_get(0)
}

fn open_pool(options: PgConnectOptions, applied_at: String) -> PgPool {
    PgPoolOptions::new()
        .max_connections(MAX_CONNECTIONS)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire(false)
        .after_connect(move |connection, _| {
            let applied_at = applied_at.clone();
            Box::pin(async move { settings::check(connection, &applied_at).await })
        })
        .before_acquire(|connection, meta| {
            Box::pin(async move {
                if meta.idle_for < PING_AFTER_IDLE && !watchdog::are_connections_suspect() {
                    return Ok(true);
                }
                Ok(is_usable(connection).await)
            })
        })
        .after_release(|connection, _| Box::pin(async move { Ok(is_usable(connection).await) }))
        .connect_lazy_with(options)
}

/// Tells whether a connection can be given to a request. One whose work was given up may never answer again, or may be inside a
/// transaction that sqlx does not know of: then the two times differ. A read-only one may lead to what was the primary before a
/// failover; it is ended, because a pooler would hand it out again. A raw statement takes one message, a prepared one several.
async fn is_usable(connection: &mut PgConnection) -> bool {
    let check = async {
        if !watchdog::are_connections_suspect() {
            return connection.ping().await.map(|()| true);
        }
        let row = connection.fetch_one(sqlx::raw_sql(
            "SELECT now() = statement_timestamp() AND CASE WHEN current_setting('transaction_read_only')::bool
                 THEN NOT pg_terminate_backend(pg_backend_pid()) ELSE true END",
        ));
        row.await?.try_get(0)
    };
    matches!(timeout(PING_TIMEOUT, check).await, Ok(Ok(true)))
}

async fn migrate(mut connection: PgConnection) -> Result<(), StartError> {
    let run = async {
        // A migration may take longer than requests may, and waits for that of another server.
        sqlx::raw_sql("SET statement_timeout = 0; SET lock_timeout = 0").execute(&mut connection).await?;
        // A server of this version may restart after one of the next version has migrated, during an upgrade or to go back.
        sqlx::migrate!().set_ignore_missing(true).run(&mut connection).await?;
        connection.close().await
    };
    run.await.map_err(|error: sqlx::Error| match &error {
        sqlx::Error::Migrate(migration) if matches!(**migration, MigrateError::VersionMismatch(_)) => {
            StartError::failed(
                "DATABASE_URL: the database was created by an unreleased version; \
             use an empty database (after `make run`: remove .local)",
            )
        }
        _ => StartError::failed(format_args!("a migration failed: {}", chain(&error))),
    })
}
