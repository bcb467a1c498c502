//! Advisory locks of Postgres, by which several servers elect one to do a task.

use sqlx::{PgConnection, PgPool, query, query_scalar};

/// Advisory locks. The keys are arbitrary, but servers of all releases must agree on them.
#[derive(Clone, Copy, Debug)]
#[repr(i64)]
pub enum Lock {
    ReactionFlush = 0x736e_6163_6b73,
    ReactionComparison = 0x636f_6d70_6172_6500,
    DailyRollup = 0x0064_6179_7300,
    Cleanup = 0x0063_6c65_616e,
    Budget = 0x6275_6467_6574,
    Channels = 0x6368_616e_6e65_6c73,
    DemoData = 0x6465_6d6f_6461_7461,
    FirstAdmin = 0x0061_646d_696e,
    Settings = 0x7365_7474_696e_6773,
    Backup = 0x6261_636b_7570,
}

/// Takes `lock` until the transaction ends. Returns whether it was free.
pub async fn try_lock(tx: &mut PgConnection, lock: Lock) -> Result<bool, sqlx::Error> {
    query_scalar!(r#"SELECT pg_try_advisory_xact_lock($1) AS "is_free!""#, lock as i64).fetch_one(tx).await
}

/// Tells whether `lock` is free. Unlike [`try_lock`] it does not keep others from finding it free at the same time.
pub async fn is_free(db: &PgPool, lock: Lock) -> Result<bool, sqlx::Error> {
    query_scalar!(r#"SELECT pg_try_advisory_xact_lock_shared($1) AS "is_free!""#, lock as i64).fetch_one(db).await
}

/// Waits for `lock` and takes it until the transaction ends.
///
/// # Errors
/// Postgres out of reach, or `lock_timeout`.
pub async fn wait_for_lock(tx: &mut PgConnection, lock: Lock) -> Result<(), sqlx::Error> {
    query!("SELECT pg_advisory_xact_lock($1)", lock as i64).fetch_one(tx).await?;
    Ok(())
}
