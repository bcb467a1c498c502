//! The daily rollup: sums of past days, so that a year is read from a few hundred rows.
//!
//! A change of an order writes a dirty row in its own transaction (by trigger). A query counts the days with dirty rows, and those
//! without a rollup, from the orders themselves in the same statement. Therefore its result is never out of date. [`refresh`] takes
//! the dirty rows of past days first and counts afterwards, as the flush of reactions does: a change that commits in between keeps its
//! dirty row.

use std::{collections::BTreeSet, time::Duration};

use chrono::{DateTime, Days, NaiveDate, Utc};
use chrono_tz::Tz;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::{
    db::{
        interval::{Next, every},
        locks::{Lock, try_lock},
        watchdog::DbWatchdog,
    },
    domain::period::{day_of, start_of},
    error::ApiError,
};

/// No request waits for the rollup.
const INTERVAL: Duration = Duration::from_mins(5);
/// Maximum number of days that one transaction counts.
const BATCH: u64 = 31;
/// Number of days that are counted again each time without a known change, those counted longest ago first. Corrects rollups that were
/// changed by other means.
const RECHECKED_DAYS: i64 = 31;

/// Refreshes the rollup at an interval until `stop`.
pub async fn run(db: &PgPool, watchdog: &DbWatchdog, timezone: Tz, stop: &CancellationToken) {
    every("daily rollup", INTERVAL, stop, || async {
        let refreshing = async {
            mark_stale(db).await?;
            refresh(db, timezone, day_of(Utc::now(), timezone)).await
        };
        watchdog.guard(refreshing).await?;
        Ok(Next::Tick)
    })
    .await;
}

/// Marks the days that were counted longest ago as stale, so that the next [`refresh`] counts them again.
pub async fn mark_stale(db: &PgPool) -> Result<(), ApiError> {
    // Both ends, because a day of another time zone overlaps two days of this one.
    sqlx::query!(
        "WITH oldest AS (SELECT starts_at, ends_at FROM daily_rollup ORDER BY counted_at LIMIT $1)
         INSERT INTO order_dirty SELECT starts_at FROM oldest UNION ALL SELECT ends_at - interval '1 microsecond' FROM oldest",
        RECHECKED_DAYS
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Counts the days before `today` that have changed or were never counted. Returns their number, 0 if another server does it.
pub async fn refresh(db: &PgPool, zone: Tz, today: NaiveDate) -> Result<usize, ApiError> {
    let mut refreshed = 0;
    while let Some(first) = first_dirty(db, start_of(today, zone)).await? {
        let until = start_of(today.min(day_of(first, zone) + Days::new(BATCH)), zone);
        let mut tx = db.begin().await?;
        if !try_lock(&mut tx, Lock::DailyRollup).await? {
            break;
        }
        let changed = sqlx::query_scalar!("DELETE FROM order_dirty WHERE created_at < $1 RETURNING created_at", until);
        let days: BTreeSet<NaiveDate> =
            changed.fetch_all(&mut *tx).await?.into_iter().map(|instant| day_of(instant, zone)).collect();
        let starts: Vec<DateTime<Utc>> = days.iter().map(|day| start_of(*day, zone)).collect();
        let ends: Vec<DateTime<Utc>> = days.iter().map(|day| start_of(*day + Days::new(1), zone)).collect();
        sqlx::query!(
            "DELETE FROM daily_rollup USING unnest($1::timestamptz[], $2::timestamptz[]) AS day (starts_at, ends_at)
             WHERE daily_rollup.starts_at < day.ends_at AND daily_rollup.ends_at > day.starts_at",
            &starts,
            &ends
        )
        .execute(&mut *tx)
        .await?;
        sqlx::query!(
            "INSERT INTO daily_rollup (starts_at, ends_at, order_count, canceled_count)
             SELECT day.starts_at, day.ends_at, counted.good, counted.canceled
             FROM unnest($1::timestamptz[], $2::timestamptz[]) AS day (starts_at, ends_at),
             LATERAL (
                 SELECT count(*) FILTER (WHERE status <> 'canceled') AS good, count(*) FILTER (WHERE status = 'canceled') AS canceled
                 FROM orders WHERE created_at >= day.starts_at AND created_at < day.ends_at) AS counted",
            &starts,
            &ends
        )
        .execute(&mut *tx)
        .await?;
        // OFFSET 0 keeps Postgres from reading all purchases for those of a day.
        sqlx::query!(
            "INSERT INTO daily_rollup_sums (starts_at, currency, is_canceled, quantity, amount)
             SELECT day.starts_at, sums.currency, sums.is_canceled, sums.quantity, sums.amount
             FROM unnest($1::timestamptz[], $2::timestamptz[]) AS day (starts_at, ends_at),
             LATERAL (
                 SELECT p.currency, o.status = 'canceled' AS is_canceled, sum(p.quantity) AS quantity,
                     sum(p.quantity * p.unit_price) AS amount
                 FROM orders AS o,
                 LATERAL (SELECT currency, quantity, unit_price FROM purchases WHERE order_id = o.id OFFSET 0) AS p
                 WHERE o.created_at >= day.starts_at AND o.created_at < day.ends_at
                 GROUP BY p.currency, o.status = 'canceled') AS sums",
            &starts,
            &ends
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        refreshed += days.len();
    }
    Ok(refreshed)
}

/// Earliest change before `until` that the rollup does not include.
async fn first_dirty(db: &PgPool, until: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, ApiError> {
    let first = sqlx::query_scalar!(
        "SELECT created_at FROM order_dirty WHERE created_at < $1 ORDER BY created_at LIMIT 1",
        until
    );
    Ok(first.fetch_optional(db).await?)
}
