//! Conversion of database errors into errors of the API.

use sqlx::error::DatabaseError;

use super::watchdog;
use crate::error::{ApiError, Code};

/// SQLSTATE of a write in a read-only transaction.
const READ_ONLY: &str = "25006";
/// SQLSTATE of a transaction that Postgres canceled to end a deadlock. A repeated request succeeds.
const DEADLOCK: &str = "40P01";
/// SQLSTATE of a statement that waited for a lock longer than `lock_timeout`.
const LOCK_TIMEOUT: &str = "55P03";

impl From<sqlx::Error> for ApiError {
    fn from(error: sqlx::Error) -> Self {
        if matches!(error, sqlx::Error::PoolTimedOut) {
            metrics::counter!("postgres_pool_timeouts_total").increment(1);
        }
        let is_unavailable = match &error {
            // Protocol: the connection was cut while it was being opened.
            sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_) => true,
            sqlx::Error::Database(database) => match database.code().as_deref().unwrap_or_default() {
                // Values that no column can hold, such as a NUL in a text or a time zone that does not exist in a forged
                // cursor. They come from the client, and no rule of ours caught them before.
                "22021" | "22P05" | "22P02" | "22003" | "22007" | "22008" | "22009" | "22023" => {
                    return Self::bad_request(
                        "저장할 수 없는 값이 있습니다.",
                        "The request contains a value that cannot be stored.",
                    );
                }
                // A standby, before or after a failover.
                READ_ONLY => {
                    watchdog::suspect_connections();
                    true
                }
                // Timeouts: waiting for a lock, running, idle in a transaction.
                LOCK_TIMEOUT | DEADLOCK | "57014" | "25P03" => true,
                // Connection errors; out of disk, memory or connections; shutdown, start-up, termination.
                code => code.starts_with("08") || code.starts_with("53") || code.starts_with("57P"),
            },
            _ => false,
        };
        if is_unavailable { Self::unavailable(error) } else { Self::internal(error) }
    }
}

/// Tells whether a statement gave up waiting for a lock.
pub fn is_lock_timeout(error: &ApiError) -> bool {
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<sqlx::Error>());
    source
        .and_then(sqlx::Error::as_database_error)
        .and_then(DatabaseError::code)
        .is_some_and(|code| code == LOCK_TIMEOUT)
}

/// Name of the constraint that `error` violates.
pub fn constraint(error: &sqlx::Error) -> Option<&str> {
    error.as_database_error().and_then(DatabaseError::constraint)
}

/// Turns the violation of a named constraint into the error that it stands for.
pub trait OnConstraint<T> {
    /// # Errors
    /// `code` where `constraint` is violated, else the database error as [`ApiError`].
    fn on_constraint(self, constraint: &str, code: Code) -> Result<T, ApiError>;
}

impl<T> OnConstraint<T> for Result<T, sqlx::Error> {
    fn on_constraint(self, name: &str, code: Code) -> Result<T, ApiError> {
        self.map_err(|error| if constraint(&error) == Some(name) { code.into() } else { error.into() })
    }
}
