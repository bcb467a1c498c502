//! Removal of pictures without a snack, which a killed process or a failed storage has left.

use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::{StreamExt, TryStreamExt, future::ready};
use sqlx::PgPool;

use super::image;
use super::storage::Storage;
use crate::{
    db::locks::{Lock, is_free},
    error::ApiError,
};

/// Minimum age of a picture to be removed. The row of a new picture follows within a minute, or never.
const MIN_AGE: Duration = Duration::from_hours(24);
/// Number of names in a lookup. Each lookup reads all snacks.
const BATCH: usize = 10_000;

/// Removes the pictures that no snack has and that are older than a day at `now`, and returns their number. Files with other names than
/// those of [`image::store`] are left alone, and all pictures while a backup runs.
///
/// # Errors
/// Postgres or the storage out of reach.
pub async fn remove_unnamed(db: &PgPool, storage: &Storage, now: DateTime<Utc>) -> Result<usize, ApiError> {
    let until = now - MIN_AGE;
    let is_own: fn(&str) -> bool = |path| image::content_type(path).is_some();
    let mut removed = storage.remove_partial(until.into(), is_own).await?;
    let old = storage
        .list()
        .try_filter(move |(path, modified)| ready(*modified <= until && is_own(path)))
        .map_ok(|(path, _)| path)
        .try_chunks(BATCH);
    let mut old = std::pin::pin!(old);
    while let Some(paths) = old.next().await {
        let paths = paths.map_err(|error| error.1)?;
        // A database without users is new. Its rows may still be restored from a backup, or it is the wrong database.
        if !sqlx::query_scalar!(r#"SELECT EXISTS (SELECT FROM users) AS "exists!""#).fetch_one(db).await? {
            break;
        }
        let unnamed = sqlx::query_scalar!(
            r#"SELECT stored.path AS "path!" FROM unnest($1::text[]) AS stored (path)
               WHERE NOT EXISTS (SELECT FROM snacks WHERE snacks.image = stored.path)
                 AND NOT EXISTS (SELECT FROM snacks WHERE snacks.thumbnail = stored.path)"#,
            &paths
        );
        let unnamed = unnamed.fetch_all(db).await?;
        // A backup that runs may copy pictures of snacks that have lost them since. One that starts later does not see those snacks.
        if !is_free(db, Lock::Backup).await? {
            break;
        }
        for path in unnamed {
            storage.delete(&path).await;
            removed += 1;
        }
    }
    if removed > 0 {
        tracing::info!(removed, "pictures without a snack removed");
    }
    Ok(removed)
}
