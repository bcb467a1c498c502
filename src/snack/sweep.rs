//! Pictures that no snack has: left behind by a process that was killed, or by a store that failed.

use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::{StreamExt, TryStreamExt, future::ready};
use sqlx::PgPool;

use super::image;
use super::storage::Media;
use crate::error::ApiError;

/// Age from which on a picture that no row names is left over. Its row follows within a minute, or never.
const LEFT_OVER: Duration = Duration::from_hours(24);
/// Names that are looked up at once. Each look-up reads all snacks.
const BATCH: usize = 10_000;

/// Removes the pictures that are a day old at `now` and named by no snack, and returns how many there were. Files that
/// [`image::store`] did not name are left alone.
///
/// # Errors
/// Postgres or the store out of reach.
pub async fn remove_unnamed(db: &PgPool, media: &Media, now: DateTime<Utc>) -> Result<usize, ApiError> {
    let until = now - LEFT_OVER;
    let is_own: fn(&str) -> bool = |path| image::content_type(path).is_some();
    let mut removed = media.remove_partial(until.into(), is_own).await?;
    let old = media
        .list()
        .try_filter(move |(path, modified)| ready(*modified <= until && is_own(path)))
        .map_ok(|(path, _)| path)
        .try_chunks(BATCH);
    let mut old = std::pin::pin!(old);
    while let Some(paths) = old.next().await {
        let paths = paths.map_err(|failed| failed.1)?;
        // A database without users was made a moment ago: its rows may be on their way from a backup, or it is the wrong one.
        if !sqlx::query_scalar!(r#"SELECT EXISTS (SELECT FROM users) AS "exists!""#).fetch_one(db).await? {
            break;
        }
        let unnamed = sqlx::query_scalar!(
            r#"SELECT stored.path AS "path!" FROM unnest($1::text[]) AS stored (path)
               WHERE NOT EXISTS (SELECT FROM snacks WHERE snacks.image = stored.path)
                 AND NOT EXISTS (SELECT FROM snacks WHERE snacks.thumbnail = stored.path)"#,
            &paths
        );
        for path in unnamed.fetch_all(db).await? {
            media.delete(&path).await;
            removed += 1;
        }
    }
    if removed > 0 {
        tracing::info!(removed, "removed pictures that no snack has");
    }
    Ok(removed)
}
