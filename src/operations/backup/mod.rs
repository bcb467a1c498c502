//! Backup and restore of all rows and pictures.
//!
//! A backup is a folder of its own below the place of all backups. See [`archive`] for its files.

pub mod archive;
pub mod catalog;
pub mod create;
pub mod restore;

use std::{collections::BTreeMap, fmt, time::Duration};

use sqlx::{Connection, PgConnection, postgres::PgConnectOptions};
use tokio::time::timeout;

use crate::{config::SettingError, error::chain};

/// Time limit for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Number of pictures that are copied at once.
const PICTURES_AT_ONCE: usize = 8;

/// Reason why there is no backup, or why nothing was restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error(transparent)]
    Setting(#[from] SettingError),
    #[error("Postgres")]
    Postgres(#[from] sqlx::Error),
    #[error("migration")]
    Migration(#[from] sqlx::migrate::MigrateError),
    #[error(transparent)]
    Storage(#[from] object_store::Error),
    #[error(transparent)]
    File(#[from] std::io::Error),
    #[error("{0}")]
    Refused(String),
}

impl BackupError {
    fn refused(reason: impl fmt::Display) -> Self {
        Self::Refused(reason.to_string())
    }
}

type Result<T, E = BackupError> = std::result::Result<T, E>;

/// Number of rows and pictures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Content {
    pub rows: u64,
    pub pictures: u64,
    /// Bytes of all files.
    pub size: u64,
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} rows and {} pictures, {} bytes", self.rows, self.pictures, self.size)
    }
}

/// Opens a connection without the time limits of the server.
async fn connect(options: &PgConnectOptions) -> Result<PgConnection> {
    let options = options.clone().application_name("snack-server backup");
    let connected = timeout(CONNECT_TIMEOUT, PgConnection::connect_with(&options)).await;
    let wrong =
        |problem: &dyn fmt::Display| SettingError::new("DATABASE_URL", format_args!("cannot connect: {problem}"));
    Ok(connected.map_err(|elapsed| wrong(&elapsed))?.map_err(|error| wrong(&chain(&error)))?)
}

/// Removes the time limits of the transaction, which may take hours, and fixes the text form of values.
async fn prepare_transaction(tx: &mut PgConnection) -> Result<()> {
    let settings = BTreeMap::from([
        ("statement_timeout", "0"),
        ("idle_in_transaction_session_timeout", "0"),
        // Of Postgres 17.
        ("transaction_timeout", "0"),
        ("TimeZone", "UTC"),
        ("DateStyle", "ISO, YMD"),
        ("bytea_output", "hex"),
        ("extra_float_digits", "1"),
    ]);
    let (names, values): (Vec<&str>, Vec<&str>) = settings.into_iter().unzip();
    sqlx::query(
        "SELECT set_config(name, value, true) FROM unnest($1::text[], $2::text[]) AS setting (name, value)
         WHERE name IN (SELECT pg_settings.name FROM pg_settings)",
    )
    .bind(names)
    .bind(values)
    .execute(tx)
    .await?;
    Ok(())
}
